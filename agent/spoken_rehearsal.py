"""The spoken calls of a rehearsal: a caller in a process of their own phones a worker and talks."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent.rehearsal_events import Event
from agent.stand_ins import kept_environment, stop

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.outcome import Outcome
    from agent.rehearsal_events import Events
    from agent.rehearsal_world import RehearsalWorld
    from agent.scenarios import ScenarioLine
    from agent.stand_ins import StandIns

CALL_SECS = 240


@dataclass(frozen=True, slots=True)
class SpokenCaller:
    """Phones the worker at `url` in the scenario's world, and tells `events` what is said.

    `tools` brings what the worker's log tells of them.
    """

    world: RehearsalWorld
    stand_ins: StandIns
    url: str
    events: Events
    tools: asyncio.Queue[Event]
    seed: int = 0

    async def call(self, number: int, lines: Sequence[ScenarioLine], outcome: Outcome) -> None:
        """Hold the call that is the rehearsal's `number`."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "simulator.caller",
            env=kept_environment(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(self._plan(number, lines)).encode() + b"\n")
        outcome.has_ended = False
        forwarding = asyncio.create_task(self._forward_tools(process.stdin, outcome))
        try:
            async with asyncio.timeout(CALL_SECS + 30):
                async for line in process.stdout:
                    self.events.note_spoken(json.loads(line), outcome)
        except TimeoutError:
            outcome.problems.append("the call did not end")
        finally:
            forwarding.cancel()
            process.stdin.close()
            await stop(process, ends_by_itself=True)
        if not outcome.problems and (not outcome.has_ended or process.returncode):
            outcome.problems.append(f"the caller's process broke off, with exit status {process.returncode}")

    async def _forward_tools(self, stdin: asyncio.StreamWriter, outcome: Outcome) -> None:
        while True:
            event = await self.tools.get()
            if event.text == "started":
                stdin.write(json.dumps({"tool_started": event.tool}).encode() + b"\n")
            else:
                self.events.tell(Event("tool", event.text, outcome.now_ms(), event.tool, event.took_ms))

    def _plan(self, number: int, lines: Sequence[ScenarioLine]) -> dict[str, Any]:
        scenario, stand_ins = self.world.scenario, self.stand_ins
        recording = "heard.wav" if number == 1 else f"heard-{number}.wav"
        return {
            "worker_url": self.url,
            "called": self.world.business.number,
            "twilio": {
                "url": stand_ins.twilio,
                "account_sid": stand_ins.credentials["twilio_account_sid"],
                "auth_token": stand_ins.credentials["twilio_auth_token"],
            },
            "openai_url": stand_ins.openai,
            "caller": scenario.caller.model_dump(),
            "person": scenario.person,
            "lines": [line.model_dump(exclude={"owner"}, exclude_none=True) for line in lines],
            "again": scenario.again,
            "max_secs": CALL_SECS,
            "seed": self.seed,
            "recording": str(self.world.folder / recording),
        }
