"""A rehearsal: stand-ins, worker and caller as processes, what is lived through later, and a look at what stands."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from agent.builtin_world import NotForBuiltin
from agent.later_parts import LaterParts
from agent.outcome import Outcome, Report, judge
from agent.owner_deeds import OwnerDeeds
from agent.rehearsal_events import Event, Events
from agent.rehearsal_world import RehearsalWorld
from agent.spoken_rehearsal import SpokenCaller
from agent.stand_ins import database_url, free_port, running_stand_ins
from agent.standing import LOOK_SECS, SETTLE_SECS, settle
from agent.typed_rehearsal import TypedCaller, untypable
from agent.worker_process import running_worker
from appointments.model import CallSid
from appointments.store.store import Store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from agent.rehearsed import Rehearsed
    from agent.scenarios import Scenario, ScenarioLine
    from agent.stand_ins import StandIns

FOLDER = Path("rehearsals")


@dataclass(slots=True)
class Rehearsal:
    """A scenario being rehearsed, in `folder`."""

    scenario: Scenario
    folder: Path
    rehearsed: Rehearsed
    seed: int = 0
    on_event: Callable[[Event], None] = lambda _event: None
    events: Events = field(init=False)
    world: RehearsalWorld = field(init=False)

    def __post_init__(self) -> None:
        self.events = Events([self.on_event])
        self.world = RehearsalWorld(self.scenario, self.rehearsed, self.folder)

    async def run(self, *, typed: bool) -> Report:
        """Rehearse the scenario and return what became of it.

        Raises:
            RehearsalFailed: a process did not start, or a stand-in refused the scenario.
        """
        if typed and (reason := untypable(self.scenario)):
            return Report.skip(self.scenario, reason)
        try:
            self.world.prepare()
        except NotForBuiltin as error:
            return Report.skip(self.scenario, str(error))
        outcome = Outcome(is_typed=typed)
        async with running_stand_ins() as stand_ins:
            await (self._typed(stand_ins, outcome) if typed else self._spoken(stand_ins, outcome))
            return await self.judge(stand_ins, outcome, expects=not self.scenario.later)

    async def judge(self, stand_ins: StandIns, outcome: Outcome, *, expects: bool) -> Report:
        """Return what stands at the end; `expects` is False when anything may, or was looked at before."""
        expectation = self.scenario.expect if expects else None
        return await judge(self.world, expectation, stand_ins, self.events.told, outcome)

    async def _spoken(self, stand_ins: StandIns, outcome: Outcome) -> None:
        url = _free_url()
        tools: asyncio.Queue[Event] = asyncio.Queue()
        caller = SpokenCaller(self.world, stand_ins, url, self.events, tools, self.seed)
        deeds = OwnerDeeds(self.world, stand_ins, self.events)
        await self.world.set_up(stand_ins, worker_url=url)
        environment = self.world.environment(stand_ins, url)
        async with running_worker(environment, url, self.folder / "worker.log", tools):
            await self.world.start_faults(stand_ins)
            async for number, lines in self._calls(outcome):
                await caller.call(number, lines, outcome)
            await deeds.finish()
            await settle(self.world, stand_ins, outcome, patience_secs=SETTLE_SECS)
        await LaterParts(self.world, stand_ins, url, self.events, caller, deeds, tools).live_through(outcome)

    async def _typed(self, stand_ins: StandIns, outcome: Outcome) -> None:
        # Nobody phones who types; but a worker may be texted later, and told by Cal.com.
        url = _free_url() if self.scenario.later or self.scenario.has_owner else None
        tools: asyncio.Queue[Event] = asyncio.Queue()
        caller, deeds = TypedCaller(self.world, stand_ins, self.events), OwnerDeeds(self.world, stand_ins, self.events)
        await self.world.set_up(stand_ins, worker_url=url)
        async with self._told_worker(stand_ins, url, tools):
            async for number, lines in self._calls(outcome):
                await caller.call(number, lines, outcome)
            await deeds.finish()
            await settle(self.world, stand_ins, outcome, patience_secs=LOOK_SECS)
        if url:
            await LaterParts(self.world, stand_ins, url, self.events, caller, deeds, tools).live_through(outcome)

    @asynccontextmanager
    async def _told_worker(
        self, stand_ins: StandIns, url: str | None, tools: asyncio.Queue[Event]
    ) -> AsyncIterator[None]:
        """Run a worker for Cal.com to tell, beside a typed call in which the owner does something."""
        if url is None or not any(line.owner for line in self.scenario.every_line):
            yield
            return
        environment = self.world.environment(stand_ins, url)
        async with running_worker(environment, url, self.folder / "worker.log", tools):
            yield

    async def _calls(self, outcome: Outcome) -> AsyncIterator[tuple[int, Sequence[ScenarioLine]]]:
        """Yield the number of each call and what the caller does in it; they call again when all went well so far."""
        yield 1, self.scenario.lines
        if outcome.problems or not self.scenario.calls_again:
            return
        try:
            async with asyncio.timeout(SETTLE_SECS):
                # What the worker does last in a call is to keep its transcript.
                while not any(self.folder.glob("transcripts/*.jsonl")):
                    await asyncio.sleep(0.1)
        except TimeoutError:
            outcome.problems.append("the worker did not end the first call in time")
            return
        self.events.tell(Event("caller", "[calls again]", outcome.now_ms()))
        yield 2, self.scenario.calls_again

    async def read_transcript(self) -> None:
        """Take the events from the record, where nobody told them as they happened."""
        store = await Store.open(database_url(self.folder))
        try:
            calls = [path.stem for path in self.folder.glob("transcripts/*.jsonl")]
            for call_sid in calls:
                turns = await store.turns(CallSid(call_sid))
                self.events.told += [Event(turn.who, turn.text, turn.at_ms, turn.tool, turn.took_ms) for turn in turns]
        finally:
            await store.close()


def _free_url() -> str:
    return f"http://127.0.0.1:{free_port()}"


def new_folder(name: str) -> Path:
    """Make a folder of its own for a rehearsal that starts now, below the working directory."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    first = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{name}"
    for unique in itertools.chain([first], (f"{first}-{number}" for number in itertools.count(2))):
        with suppress(FileExistsError):
            (FOLDER / unique).mkdir()
            break
    return (FOLDER / unique).resolve()
