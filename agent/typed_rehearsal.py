"""The typed calls of a rehearsal: a scenario's lines are typed into a worker that nobody phones."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.rehearsal_events import Event
from agent.stand_ins import stop
from agent.typed_caller import chat_process, type_through
from simulator.caller_texts import code_in
from simulator.faults import ANY
from simulator.script import Line, Script

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.outcome import Outcome
    from agent.rehearsal_events import Events
    from agent.rehearsal_world import RehearsalWorld
    from agent.scenarios import Scenario, ScenarioFault, ScenarioLine
    from agent.stand_ins import StandIns


@dataclass(frozen=True, slots=True)
class TypedCaller:
    """Types to a worker in the scenario's world, and tells `events` what is written."""

    world: RehearsalWorld
    stand_ins: StandIns
    events: Events

    async def call(self, number: int, lines: Sequence[ScenarioLine], outcome: Outcome) -> None:
        """Hold the call that is the rehearsal's `number`; the scenario's faults begin with the first."""
        scenario, log = self.world.scenario, self.world.folder / "worker.log"
        told = [line.model_dump(exclude={"owner"}, exclude_none=True) for line in lines]
        script = Script([Line(**line) for line in told], scenario.again)
        with log.open("ab") as written:
            process = await chat_process(
                self.world.environment(self.stand_ins),
                scenario.caller.number,
                is_attested=scenario.caller.is_attested,
                stdin=asyncio.subprocess.PIPE,
                log=written,
            )
        try:
            await type_through(
                process,
                script,
                outcome,
                note=lambda told: self.events.note_typed(told, outcome),
                said=lambda text: self.events.tell(Event("caller", text, outcome.now_ms())),
                ready=(lambda: self.world.start_faults(self.stand_ins)) if number == 1 else None,
                code=lambda: _texted_code(self.stand_ins),
            )
        finally:
            await stop(process, ends_by_itself=True)
        if not outcome.problems and process.returncode:
            outcome.problems.append(f"the chat broke off, with exit status {process.returncode}")


async def _texted_code(stand_ins: StandIns) -> str:
    """Return the code that was texted last, once there is one."""
    while True:
        texts = (await stand_ins.state("twilio"))["messages"]
        if code := code_in([text["body"] for text in texts]):
            return code
        await asyncio.sleep(0.1)


def untypable(scenario: Scenario) -> str:
    """Return why a scenario cannot be typed, "" when it can."""
    if any(line.silence for line in scenario.every_line):
        return "silence needs audio"
    if any(line.line_breaks for line in scenario.every_line):
        return "there is no line that could break where a call is typed"
    if scenario.person != "answers":
        return "no phone rings where a call is typed"
    if scenario.stt_mode != "http" or any(_hits_speech(fault) for fault in scenario.faults):
        return "its faults hit speech, which typing leaves out"
    return ""


def _hits_speech(fault: ScenarioFault) -> bool:
    return fault.service in ("openai", "fallback") and fault.on not in ("chat", ANY)
