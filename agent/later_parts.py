"""What is lived through after a rehearsal's call: a worker starts on the same record, and it is later by its clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from agent.rehearsal_events import Event
from agent.standing import SETTLE_SECS, look, settle
from agent.verdict import Happened, shortcomings
from agent.worker_process import running_worker

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from agent.expectations import Expectation
    from agent.outcome import Outcome
    from agent.owner_deeds import OwnerDeeds
    from agent.rehearsal_events import Events
    from agent.rehearsal_world import RehearsalWorld
    from agent.scenarios import ScenarioLater, ScenarioLine
    from agent.stand_ins import StandIns
    from agent.standing import Standing


class Caller(Protocol):
    """Who calls in a rehearsal, by voice or by typing."""

    async def call(self, number: int, lines: Sequence[ScenarioLine], outcome: Outcome) -> None:
        """Hold the call that is the rehearsal's `number`."""
        ...


@dataclass(frozen=True, slots=True)
class LaterParts:
    """The later parts of a rehearsal in `world`, each with a worker of its own at `url`."""

    world: RehearsalWorld
    stand_ins: StandIns
    url: str
    events: Events
    caller: Caller
    deeds: OwnerDeeds
    tools: asyncio.Queue[Event]
    """What the workers' logs tell of tools."""

    async def live_through(self, outcome: Outcome) -> None:
        """Look at what stands after the call and after each later part; the first that goes wrong is the last."""
        scenario = self.world.scenario
        if not scenario.later:
            return
        expect, before = scenario.expect, Happened((), (), (), ())
        before = await self._judge(expect, outcome, since=before)
        calls = 1 + bool(scenario.calls_again)
        for later in scenario.later:
            if outcome.problems:
                return
            expect = later.expect.after(expect)
            calls += bool(later.lines)
            await self._live_through(later, outcome, call_number=calls)
            before = await self._judge(expect, outcome, since=before)
            outcome.problems[:] = [f"later, at {later.now:%Y-%m-%d %H:%M}: {problem}" for problem in outcome.problems]

    async def _live_through(self, later: ScenarioLater, outcome: Outcome, *, call_number: int) -> None:
        self.events.tell(Event("caller", f"[later: {later.now:%Y-%m-%d %H:%M}]", outcome.now_ms()))
        await self.world.move_on(self.stand_ins, later.now)
        environment = self.world.environment(self.stand_ins, self.url)
        async with running_worker(environment, self.url, self.world.folder / "worker.log", self.tools):
            await self._settle(outcome)
            if later.owner:
                await self.deeds.do(later.owner, at_ms=outcome.now_ms())
                await self._settle(outcome)
            for text in later.sms_reply:
                await self._reply(text, outcome)
                await self._settle(outcome)
            if later.lines and not outcome.problems:
                await self.caller.call(call_number, later.lines, outcome)
                await self._settle(outcome)

    async def _settle(self, outcome: Outcome) -> None:
        await self.deeds.finish()
        await settle(self.world, self.stand_ins, outcome, patience_secs=SETTLE_SECS)

    async def _reply(self, text: str, outcome: Outcome) -> None:
        """Text the business, as the caller does who has a text of it before them."""
        self.events.tell(Event("caller", f"[texts: {text}]", outcome.now_ms()))
        business = self.world.business
        order = {"from": self.world.scenario.caller.number, "to": business.sms_from or business.number, "body": text}
        told = await self.stand_ins.control("twilio", "inbound", order)
        if told["answered"] != 200 or "problem" in told:
            answer = told.get("problem") or f"an answer {told['answered']}"
            outcome.problems.append(f"the text {text!r} got {answer}")

    async def _judge(self, expect: Expectation, outcome: Outcome, *, since: Happened) -> Happened:
        """Note what is not as expected of what stands, and of what happened after `since`; return what has by now."""
        standing = await look(self.world, self.stand_ins)
        now = _happened(standing, self.events, outcome)
        outcome.problems += shortcomings(self.world.scenario, expect, self.world.business, standing, now.beyond(since))
        return now


def _happened(standing: Standing, events: Events, outcome: Outcome) -> Happened:
    return Happened(standing.texts, standing.mails, tuple(events.told), tuple(outcome.dialled))
