"""Kills processes in the midst of booking, moving, cancelling and texting, and looks for what is lost or done twice.

uv run python -m bench.crash --runs 200 --database postgres
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import shutil
import signal
import sys
from collections import Counter
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import mkdtemp
from time import monotonic
from typing import TYPE_CHECKING

from appointments.store.store import Store
from bench.crash_checks import UNCLEAR, Checks, Findings, journal
from bench.crash_plan import ANYWHERE, Afterwards, Kill, Run, Times, unkilled_runs
from bench.crash_worker import SLOTS, VICTIM_IS_DEAD, Task, go_on, work
from bench.databases import KINDS, databases
from bench.desk import Place
from bench.processes import ended, start
from bench.report import conclude, say, say_machine
from bench.stand_ins import Watch, serving
from bench.world import all_slots, business, calcom_world

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from multiprocessing.context import ForkServerProcess

    from bench.databases import NewDatabase
    from bench.stand_ins import Addresses

END_WITHIN_SECS = 1200.0
"""A run that takes longer, times the scale, has not ended by itself."""


@dataclass(frozen=True, slots=True)
class Options:
    """The command line."""

    runs: int
    database: str
    calendar: str
    scale: float
    lanes: int
    seed: int
    only: str
    peer: bool
    blind: bool


@dataclass(slots=True)
class Result:
    """What became of a run: what was found, how many processes were killed, and which points the first one passed."""

    run: Run
    findings: Findings
    kills: int
    passed: Sequence[str]


class Arena:
    """Stand-ins, a database and a folder for one run, and the processes in it."""

    def __init__(self, options: Options, run: Run, url: str, folder: Path) -> None:
        self._options = options
        self._run = run
        self._url = url
        self._folder = folder
        self._watch = Watch(self._passes)
        self._victim: ForkServerProcess | None = None
        self._passed: list[str] = []
        self.kills = 0
        self._findings = Findings()

    async def play(self) -> Result:
        """Run the processes, killing what is to be killed, until all is settled or time is up."""
        async with AsyncExitStack() as closing:
            addresses = await closing.enter_async_context(serving(self._watch))
            await addresses.control("calcom", "world", calcom_world(all_slots(business(SLOTS))))
            try:
                async with asyncio.timeout(END_WITHIN_SECS * self._options.scale):
                    await self._processes(addresses)
                    while self._watch.under_way:
                        await asyncio.sleep(0.01)
            except TimeoutError:
                self._findings.lost.append("not everything was settled in time")
            store = await Store.open(self._url)
            closing.push_async_callback(store.close)
            checked = await Checks(self._run, self._folder, store, addresses, self._options.calendar).findings()
            checked.lost += self._findings.lost
        return Result(self._run, checked, self.kills, self._points())

    async def _processes(self, addresses: Addresses) -> None:
        peer = None
        if self._run.afterwards is Afterwards.PEER:
            peer = start(go_on, self._task(addresses, "peer", self._run.second))
        self._victim = start(work, self._task(addresses, "victim", self._run.kill))
        was_killed = await self._was_killed(self._victim)
        self._victim = None
        (self._folder / VICTIM_IS_DEAD).touch()
        if peer is None and was_killed:
            peer = start(go_on, self._task(addresses, "restarted", self._run.second))
        if peer is not None and await self._was_killed(peer):
            await self._was_killed(start(go_on, self._task(addresses, "last", None)))

    def _task(self, addresses: Addresses, name: str, kill: Kill | None) -> Task:
        options = self._options
        times = Times(options.scale)
        place = Place(
            kill, times, options.calendar, self._url, addresses, self._folder, name, options.blind, slots=SLOTS
        )
        return Task(self._run, place)

    async def _was_killed(self, process: ForkServerProcess) -> bool:
        """Wait for the end of a process and return whether it was killed."""
        try:
            await ended(process)
        finally:
            if process.is_alive():
                process.kill()
        was_killed = process.exitcode == -signal.SIGKILL
        self.kills += was_killed
        if process.exitcode and not was_killed:
            self._findings.lost.append(f"a process ended with {process.exitcode}")
        return was_killed

    def _passes(self, point: str) -> None:
        """Take note of a point at the providers, and kill the victim there if that is the one."""
        is_armed = self._victim is not None and "armed" in journal(self._folder, "victim")
        if not is_armed:
            return
        self._passed.append(point)
        kill = self._run.kill
        if kill and kill.point == point and self._passed.count(point) == kill.nth:
            assert self._victim is not None
            assert self._victim.pid is not None
            with suppress(ProcessLookupError):
                os.kill(self._victim.pid, signal.SIGKILL)

    def _points(self) -> Sequence[str]:
        noted = [line.removeprefix("point ") for line in journal(self._folder, "victim") if line.startswith("point ")]
        return [*noted, *self._passed]


class Bench:
    """Plays the runs, several at once, each where the fewest kills have been so far."""

    def __init__(self, options: Options, new_database: NewDatabase, folder: Path) -> None:
        self._options = options
        self._new_database = new_database
        self._folder = folder
        self._random = random.Random(options.seed)  # noqa: S311 -- no secret, but the same each time
        self._unkilled = list(unkilled_runs(options.calendar))
        self._random.shuffle(self._unkilled)
        self._rehearsed: dict[Run, asyncio.Task[Result]] = {}
        self._kills_at: Counter[str] = Counter()
        self._making = asyncio.Lock()
        self.results: list[Result] = []

    async def play(self) -> None:
        numbers = iter(range(1 if self._options.only else self._options.runs))
        async with asyncio.TaskGroup() as lanes:
            for _ in range(self._options.lanes):
                lanes.create_task(self._lane(numbers))

    @property
    def rehearsed(self) -> Sequence[Result]:
        """What became of the same work and faults without a kill."""
        return [task.result() for task in self._rehearsed.values()]

    @property
    def points(self) -> int:
        """How many named points there was a kill at."""
        return len(self._kills_at)

    async def _lane(self, numbers: Iterator[int]) -> None:
        for number in numbers:
            run = Run.parse(self._options.only) if self._options.only else await self._run(number)
            result = await self._played(run, f"run-{number}")
            self.results.append(result)

    async def _run(self, number: int) -> Run:
        unkilled = self._unkilled[number % len(self._unkilled)]
        if unkilled not in self._rehearsed:
            rehearsal = self._played(unkilled, f"rehearsal-{len(self._rehearsed)}")
            self._rehearsed[unkilled] = asyncio.create_task(rehearsal)
        points = (await self._rehearsed[unkilled]).passed
        # The n-th passing of each point is a place of its own, but those that have seen the fewest kills come first.
        places = [Kill(point, points[: at + 1].count(point)) for at, point in enumerate(points)]
        fewest = min(self._kills_at[place.point] for place in places)
        kill = self._random.choice([place for place in places if self._kills_at[place.point] == fewest])
        self._kills_at[kill.point] += 1
        is_peer = self._options.peer or number % 4 == 3
        second = Kill(ANYWHERE, self._random.randint(1, 12)) if number % 3 == 2 else None
        return replace(
            unkilled, kill=kill, afterwards=Afterwards.PEER if is_peer else Afterwards.RESTART, second=second
        )

    async def _played(self, run: Run, name: str) -> Result:
        folder = self._folder / name
        folder.mkdir()
        async with self._making:
            database = self._new_database()
            url = await asyncio.to_thread(database.__enter__)
        try:
            result = await Arena(self._options, run, url, folder).play()
        finally:
            await asyncio.to_thread(database.__exit__, None, None, None)
        if result.findings.is_clean:
            shutil.rmtree(folder)
            if result.findings.outcome == UNCLEAR:
                say(f"{run.name}: left to a person")
        else:
            problems = [f"lost: {each}" for each in result.findings.lost]
            problems += [f"twice: {each}" for each in result.findings.duplicates]
            say("\n  ".join([f"{run.name} (logs in {folder})", *problems]))
        return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Play all runs and return the exit status: 0 when nothing was lost and nothing done twice."""
    options = _options(arguments)
    say_machine()
    say(f"timeouts, leases and waits are {options.scale:g} times what they are; {options.lanes} runs at once")
    folder = Path(mkdtemp(prefix="slotline-crash-"))
    began = monotonic()
    with databases(options.database, is_durable=False) as new_database:
        bench = Bench(options, new_database, folder)
        asyncio.run(bench.play())
    with suppress(OSError):
        folder.rmdir()  # unless something was found, whose logs are kept
    results = [*bench.results, *bench.rehearsed]
    lost = sum(len(result.findings.lost) for result in results)
    duplicates = sum(len(result.findings.duplicates) for result in results)
    outcomes = Counter(result.findings.outcome for result in results)
    conclude(
        {
            "runs": len(bench.results),
            "kills": sum(result.kills for result in results),
            "lost": lost,
            "duplicates": duplicates,
            "database": options.database,
            "calendar": options.calendar,
            "points": bench.points,
            "without_kill": len(bench.rehearsed),
            "outcomes": dict(outcomes.most_common()),
            "scale": options.scale,
            "seed": options.seed,
            "secs": round(monotonic() - began),
        }
    )
    return 1 if lost or duplicates else 0


def _options(arguments: Sequence[str] | None) -> Options:
    parser = argparse.ArgumentParser(prog="python -m bench.crash", description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--database", choices=KINDS, default="sqlite")
    parser.add_argument("--calendar", choices=("calcom", "builtin"), default="calcom")
    parser.add_argument("--scale", type=float, default=0.05, help="of all timeouts, leases and waits")
    parser.add_argument("--lanes", type=int, default=6, help="so many runs at once")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", metavar="NAME", help="repeat the run of this name")
    parser.add_argument("--peer", action="store_true", help="another process always runs beside the one that is killed")
    parser.add_argument("--blind", action="store_true", help="without look-ups: then something must be lost or double")
    return Options(**vars(parser.parse_args(arguments)))


if __name__ == "__main__":
    sys.exit(main())
