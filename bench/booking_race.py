"""Lets many callers in several processes race for few slots: each slot is booked once, and the others hear the truth.

uv run python -m bench.booking_race --callers 50 --slots 20 --database postgres
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING, Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from appointments.model import LIVE, Slot
from appointments.store.store import Store
from bench.databases import KINDS, databases
from bench.processes import CONTEXT, ended, start
from bench.race_callers import CALENDARS, Callers, Outcome, Told, run
from bench.report import conclude, percentile, say, say_machine
from bench.stand_ins import serving_elsewhere
from bench.world import EVENT_TYPE, MOST_SLOTS, all_slots, business, calcom_world

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from multiprocessing.connection import Connection

    from bench.stand_ins import Addresses


@dataclass(frozen=True, slots=True)
class Options:
    """The command line."""

    callers: int
    slots: int
    processes: int
    database: str
    calendar: str
    unguarded: bool


@dataclass(frozen=True, slots=True)
class Race:
    """What became of the callers, and which slots the record and the calendar have as booked."""

    told: Sequence[Told]
    recorded: Sequence[Slot]
    in_calendar: Sequence[Slot]

    @property
    def booked(self) -> Sequence[Slot]:
        return [each.booked for each in self.told if each.booked]

    @property
    def double(self) -> int:
        """How many bookings are of a slot that had been booked already, for whoever has most of them."""
        return max(_repeated(slots) for slots in (self.booked, self.recorded, self.in_calendar))

    @property
    def untrue(self) -> int:
        """How many were told that there is nothing before whoever got the last slot had begun to claim it."""
        last = max(each.began_at for each in self.told)
        return sum(each.told_none_at is not None and each.told_none_at < last for each in self.told)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the race once and return the exit status: 0 when all was as promised."""
    options = _options(arguments)
    say_machine()
    with databases(options.database, is_durable=True) as new_database, new_database() as url:
        race = asyncio.run(_race(options, url))
    for problem, count in Counter(each.error for each in race.told if each.error).items():
        say(f"{count} callers were told of an error: {problem}")
    conclude(_result(options, race))
    return 0 if _is_as_promised(options, race) else 1


async def _race(options: Options, url: str) -> Race:
    slots = all_slots(business(options.slots))
    async with AsyncExitStack() as closing:
        addresses = None
        if options.calendar == "calcom":
            addresses = (await closing.enter_async_context(serving_elsewhere())).addresses
            await addresses.control("calcom", "world", calcom_world(slots))
        store = await Store.open(url)
        closing.push_async_callback(store.close)
        if options.unguarded:
            await _unguard(url)
        outcomes = await _outcomes(options, url, addresses)
        recorded = [each.slot for each in await store.appointments() if each.status in LIVE]
        overlapping = [slot for outcome in outcomes for slot in outcome.overlapping]
        in_calendar = overlapping if options.calendar == "overlapping" else await _in_calendar(addresses, store, slots)
    return Race([told for outcome in outcomes for told in outcome.told], recorded, in_calendar)


async def _unguard(url: str) -> None:
    """Take away what keeps claims apart in the database."""
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            await connection.execute(text("ALTER TABLE slot_claims DROP CONSTRAINT no_overlap"))
        else:
            for event in ("insert", "update"):
                await connection.execute(text(f"DROP TRIGGER slot_claims_no_overlap_{event}"))
    await engine.dispose()


async def _outcomes(options: Options, url: str, addresses: Addresses | None) -> Sequence[Outcome]:
    pipes, processes = [], []
    for number in range(options.processes):
        ours, theirs = CONTEXT.Pipe()
        first, after = (options.callers * each // options.processes for each in (number, number + 1))
        callers = Callers(range(first, after), options.slots, options.calendar, url, addresses)
        processes.append(start(run, callers, theirs))
        theirs.close()
        pipes.append(ours)
    await _each(pipes)
    for pipe in pipes:
        pipe.send("go")
    outcomes = await _each(pipes)
    await asyncio.gather(*map(ended, processes))
    return outcomes


async def _each(pipes: Sequence[Connection]) -> list[Any]:
    """Receive one message from each."""
    return await asyncio.gather(*(asyncio.to_thread(pipe.recv) for pipe in pipes))


async def _in_calendar(addresses: Addresses | None, store: Store, slots: Sequence[Slot]) -> Sequence[Slot]:
    """Return what the calendar that was raced for has as booked."""
    if addresses is None:
        return [booking.slot for booking in await store.bookings(start=slots[0].start, end=slots[-1].end)]
    bookings = (await addresses.state("calcom"))["bookings"]
    starts = [datetime.fromisoformat(each["start"]) for each in bookings if each["status"] == "accepted"]
    return [Slot(start, EVENT_TYPE.duration) for start in starts]


def _repeated(slots: Sequence[Slot]) -> int:
    return len(slots) - len(set(slots))


def _result(options: Options, race: Race) -> Mapping[str, object]:
    books = list(chain.from_iterable(each.books for each in race.told))
    holds = list(chain.from_iterable(each.holds for each in race.told))
    own, provider = [took.own_ms for took in books], [took.provider_ms for took in books]
    return {
        "bookings": len(race.recorded),
        "refused": sum(each.told_none_at is not None and not each.error for each in race.told),
        "double": race.double,
        "untrue": race.untrue,
        "errors": sum(bool(each.error) for each in race.told),
        "offered_alternatives": sum(each.alternatives > 0 for each in race.told),
        **asdict(options),
        "p50_ms": percentile(own, 0.5),
        "p95_ms": percentile(own, 0.95),
        "hold_p50_ms": percentile([took.own_ms for took in holds], 0.5),
        "hold_p95_ms": percentile([took.own_ms for took in holds], 0.95),
        "provider_p50_ms": percentile(provider, 0.5),
        "provider_p95_ms": percentile(provider, 0.95),
    }


def _is_as_promised(options: Options, race: Race) -> bool:
    """Whether every slot was booked once, by one who knows, and everybody else was told that there is none."""
    expected = min(options.slots, options.callers)
    counts = {len(slots) for slots in (race.booked, race.recorded, race.in_calendar)}
    same = set(race.booked) == set(race.recorded) == set(race.in_calendar)
    refused = [each for each in race.told if each.booked is None and not each.error]
    return (
        counts == {expected}
        and same
        and not race.double
        and not race.untrue
        and (len(refused) == options.callers - expected)
    )


def _options(arguments: Sequence[str] | None) -> Options:
    parser = argparse.ArgumentParser(prog="python -m bench.booking_race", description=__doc__)
    parser.add_argument("--callers", type=int, default=50)
    parser.add_argument("--slots", type=int, default=1, help=f"1 to {MOST_SLOTS}")
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--database", choices=KINDS, default="sqlite")
    parser.add_argument("--calendar", choices=CALENDARS, default="calcom", help="overlapping: one that refuses nothing")
    parser.add_argument(
        "--unguarded", action="store_true", help="without what keeps claims apart: then something must be booked twice"
    )
    return Options(**vars(parser.parse_args(arguments)))


if __name__ == "__main__":
    sys.exit(main())
