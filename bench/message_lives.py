"""Lets random lives of appointments pass, with faults and kills, and looks whether each version is told of once.

uv run python -m bench.message_lives --lives 500 --database postgres
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import signal
import sys
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import mkdtemp
from time import monotonic
from typing import TYPE_CHECKING

from appointments.store.store import Store
from bench.crash_checks import journal
from bench.crash_plan import ANYWHERE, Kill, Times
from bench.databases import KINDS, databases
from bench.desk import Place
from bench.life_checks import Accounts, LifeChecks
from bench.life_plan import LIVES, SLOTS, Life, faults
from bench.life_worker import Hour, live_through
from bench.processes import ended, start
from bench.report import conclude, say, say_machine
from bench.stand_ins import Watch, serving
from bench.world import NOW, all_slots, business, calcom_world
from simulator import calcom_throttle

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from multiprocessing.context import ForkServerProcess

    from bench.databases import NewDatabase
    from bench.life_worker import Deed
    from bench.stand_ins import Addresses

STEP_WITHIN_SECS = 2400.0
"""A step that takes longer, times the scale, does not end by itself."""
STEP_HOURS = 3.5
"""So much later is the next step, on average."""
END_AFTER = timedelta(hours=27)
"""When the last follow-up and the last request for a review have been due."""
KILLS, SECOND_KILLS, PEERS, FAULTY = 0.4, 0.3, 0.15, 0.6
"""The part of all steps in which a process is killed, the one after it too, another runs beside it, services fail."""


@dataclass(frozen=True, slots=True)
class Options:
    """The command line."""

    lives: int
    database: str
    scale: float
    lanes: int
    seed: int
    blind: bool


class Town:
    """Some lives that share a database, stand-ins and a clock, which is moved on step by step."""

    def __init__(self, options: Options, number: int, lives: int, url: str, folder: Path) -> None:
        self._options = options
        self._url = url
        self._folder = folder
        self._times = Times(options.scale)
        self._random = random.Random(f"{options.seed}-{number}")  # noqa: S311 -- no secret, but the same each time
        slots = all_slots(business(SLOTS))
        self._lives = [Life(each, slots[each::LIVES], self._random) for each in range(lives)]
        self._watch = Watch()
        self._step = 0
        self._kills: list[str] = []
        self._last_moment = slots[-1].end + END_AFTER
        self.kills = 0

    async def play(self) -> Accounts:
        """Let all lives pass and return what is wrong with them."""
        async with AsyncExitStack() as closing:
            addresses = await closing.enter_async_context(serving(self._watch))
            await addresses.control("calcom", "world", calcom_world(all_slots(business(SLOTS))))
            store = await Store.open(self._url)
            closing.push_async_callback(store.close)
            checks = LifeChecks(store, addresses, self._lives)
            now = NOW
            while now < self._last_moment:
                hours = max(0.1, self._random.expovariate(1 / STEP_HOURS))
                now += timedelta(minutes=round(hours * 60))
                await self._go_on_to(now, addresses, checks)
            return await checks.accounts()

    async def _go_on_to(self, now: datetime, addresses: Addresses, checks: LifeChecks) -> None:
        deeds = {life.number: planned for life in self._lives if (planned := life.deeds(now))}
        if not deeds and not any(life.model.has_something_due(now) for life in self._lives):
            return
        self._step += 1
        self._kills = []
        wrong = faults(self._random, self._times.scale) if self._random.random() < FAULTY else {}
        for service in ("calcom", "twilio"):
            await addresses.control(service, "faults", wrong.get(service, []))
        try:
            async with asyncio.timeout(STEP_WITHIN_SECS * self._options.scale):
                await self._processes(now, addresses, tuple(deeds.values()))
                while self._watch.under_way:
                    await asyncio.sleep(0.01)
        except TimeoutError:
            checks.complain(f"not everything was settled at {now}")
        await checks.look(now, deeds, self._noted(), killed=self._kills)

    async def _processes(self, now: datetime, addresses: Addresses, deeds: tuple[tuple[Deed, ...], ...]) -> None:
        """Run one process after the other until one is not killed, and sometimes one beside them."""
        chance = self._random
        first = Kill(ANYWHERE, chance.randint(1, 8 + 12 * len(deeds))) if chance.random() < KILLS else None
        second = Kill(ANYWHERE, chance.randint(1, 15)) if chance.random() < SECOND_KILLS else None
        is_done = self._folder / f"{self._step}.done"
        peer = None
        if chance.random() < PEERS:
            peer = start(live_through, Hour(self._place(now, addresses, "peer", None), (), is_done))
        try:
            for number, kill in enumerate((first, second, None)):
                hour = Hour(self._place(now, addresses, f"{number}", kill), deeds)
                if not await self._was_killed(start(live_through, hour), hour.place.name):
                    break
                # A text is delivered again; who has phoned is heard no more.
                texts = (tuple(deed for deed in those if deed.body) for those in deeds)
                deeds = tuple(those for those in texts if those)
        finally:
            is_done.touch()
        if peer is not None:
            await self._was_killed(peer, f"{self._step}-peer")

    def _place(self, now: datetime, addresses: Addresses, name: str, kill: Kill | None) -> Place:
        name = f"{self._step}-{name}"
        blind = self._options.blind
        return Place(kill, self._times, "calcom", self._url, addresses, self._folder, name, blind, slots=SLOTS, now=now)

    async def _was_killed(self, process: ForkServerProcess, name: str) -> bool:
        """Wait for the end of a process and return whether it was killed."""
        try:
            await ended(process)
        finally:
            if process.is_alive():
                process.kill()
        was_killed = process.exitcode == -signal.SIGKILL
        if was_killed:
            self._kills.append(name)
            self.kills += 1
        elif process.exitcode:
            raise RuntimeError(f"a process ended with {process.exitcode}: {self._folder}/{name}.log")
        return was_killed

    def _noted(self) -> Sequence[str]:
        return [line for number in range(3) for line in journal(self._folder, f"{self._step}-{number}")]


class Bench:
    """Plays the towns, several at once."""

    def __init__(self, options: Options, new_database: NewDatabase, folder: Path) -> None:
        self._options = options
        self._new_database = new_database
        self._folder = folder
        self._making = asyncio.Lock()
        self.accounts: list[Accounts] = []
        self.kills = 0

    async def play(self) -> None:
        lives = self._options.lives
        towns = iter([(number, min(LIVES, lives - begin)) for number, begin in enumerate(range(0, lives, LIVES))])
        async with asyncio.TaskGroup() as lanes:
            for _ in range(self._options.lanes):
                lanes.create_task(self._lane(towns))

    async def _lane(self, towns: Iterator[tuple[int, int]]) -> None:
        for number, lives in towns:
            folder = self._folder / f"town-{number}"
            folder.mkdir()
            async with self._making:
                database = self._new_database()
                url = await asyncio.to_thread(database.__enter__)
            try:
                town = Town(self._options, number, lives, url, folder)
                accounts = await town.play()
            finally:
                await asyncio.to_thread(database.__exit__, None, None, None)
            self.kills += town.kills
            self.accounts.append(accounts)
            if accounts.problems:
                say("\n  ".join([f"town {number} of seed {self._options.seed} (logs in {folder})", *accounts.problems]))
            else:
                shutil.rmtree(folder)


def main(arguments: Sequence[str] | None = None) -> int:
    """Let all lives pass and return the exit status: 0 when each text that was due was sent, once, and no other."""
    options = _options(arguments)
    say_machine()
    say(f"timeouts, leases and waits are {options.scale:g} times what they are; {options.lanes} towns at once")
    folder = Path(mkdtemp(prefix="slotline-lives-"))
    began = monotonic()
    with databases(options.database, is_durable=False) as new_database, _unthrottled():
        bench = Bench(options, new_database, folder)
        asyncio.run(bench.play())
    with suppress(OSError):
        folder.rmdir()  # unless something was found, whose logs are kept
    totals = sum(bench.accounts, start=Accounts())
    conclude(
        {
            "lives": options.lives,
            "expected": totals.expected,
            "sent": totals.sent,
            "lost": totals.lost,
            "duplicates": totals.duplicates,
            "database": options.database,
            "unexpected": totals.unexpected,
            "either_way": totals.either_way,
            "problems": len(totals.problems),
            "deeds": totals.deeds,
            "kills": bench.kills,
            "faults": totals.faults,
            "unclear": totals.unclear,
            "scale": options.scale,
            "seed": options.seed,
            "secs": round(monotonic() - began),
        }
    )
    return 1 if totals.problems else 0


@contextmanager
def _unthrottled() -> Iterator[None]:
    """Have the stand-in Cal.com answer however often it is asked: a day of lives passes in seconds."""
    usual = calcom_throttle.RATE_LIMIT
    calcom_throttle.RATE_LIMIT = 10**9
    try:
        yield
    finally:
        calcom_throttle.RATE_LIMIT = usual


def _options(arguments: Sequence[str] | None) -> Options:
    parser = argparse.ArgumentParser(prog="python -m bench.message_lives", description=__doc__)
    parser.add_argument("--lives", type=int, default=500)
    parser.add_argument("--database", choices=KINDS, default="sqlite")
    parser.add_argument("--scale", type=float, default=0.05, help="of all timeouts, leases and waits")
    parser.add_argument("--lanes", type=int, default=4, help=f"so many towns of {LIVES} lives at once")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--blind", action="store_true", help="without look-ups: then something must be sent twice")
    return Options(**vars(parser.parse_args(arguments)))


if __name__ == "__main__":
    sys.exit(main())
