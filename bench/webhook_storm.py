"""Lets Cal.com's webhooks come late, twice, forged or not at all: in the end the record says what the calendar says.

uv run python -m bench.webhook_storm --deliveries 1000 --database postgres
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import random
import sys
import time
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import structlog
import uvicorn
from fastapi import FastAPI

from agent.calcom_webhooks import WEBHOOK_PATH, build_router
from agent.stand_ins import free_port
from appointments.model import AppointmentStatus
from appointments.outbox import OutboxWorker, TextChannel
from appointments.service import BookingService
from appointments.settling import SettleTimes
from appointments.store.records import MessageKind
from appointments.store.store import Store
from bench.databases import KINDS, databases
from bench.report import conclude, say, say_machine
from bench.stand_ins import sender, serving_elsewhere
from bench.storm_office import ON_REQUEST, REQUESTING, Office
from bench.world import ACTION, MOST_SLOTS, NOW, all_slots, business, calcom_world
from calendars.calcom_requests import connect
from calendars.calcom_source import CalComSource

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from appointments.listed_bookings import Delivery
    from appointments.model import Appointment, Business
    from appointments.outside import OutsideChanges
    from bench.stand_ins import Addresses

SECRET = "a secret of thirty-two characters"  # noqa: S105 -- of a stand-in
FORGERS = ("another secret of 32 characters", "no-secret-provided", "", "0" * 64)
"""What forged deliveries are signed with: a wrong secret, or what stands in place of a signature."""
WEEKS = 6
TIMEOUT = timedelta(seconds=8)
SETTLED_SECS = 300.0
TEXTS = {kind.value: f"{kind.value}: {{date}} at {{time}}." for kind in MessageKind}
AS_ACCEPTED = frozenset({AppointmentStatus.ACTIVE, AppointmentStatus.RESCHEDULED, AppointmentStatus.COMPLETED})


@dataclass(frozen=True, slots=True)
class Options:
    """The command line."""

    deliveries: int
    lost: float
    repeated: float
    forged: float
    window: int
    seed: int
    database: str


@dataclass(frozen=True, slots=True)
class Desk:
    """What the business's files would say."""

    business: Business
    texts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Worker:
    """The part of a worker that hears of the calendar."""

    url: str
    store: Store
    service: BookingService
    outside: OutsideChanges


@dataclass(frozen=True, slots=True)
class Storm:
    """What was delivered, and what record, calendar and texts say before and after the calendar is asked."""

    outcomes: Counter[str]
    forged: Sequence[int]
    refused: int
    before: Sequence[str]
    after: Sequence[str]
    appointments: int
    texts: int
    twice: int
    took_secs: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Let the storm pass once and return the exit status: 0 when all was as promised."""
    options = _options(arguments)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    say_machine()
    with databases(options.database, is_durable=True) as new_database, new_database() as url:
        storm = asyncio.run(_storm(options, url))
    for difference in storm.after[:20]:
        say(f"In the end {difference}")
    conclude(_result(options, storm))
    taken = sum(status < httpx.codes.BAD_REQUEST for status in storm.forged)
    return 1 if storm.after or storm.twice or taken else 0


async def _storm(options: Options, url: str) -> Storm:
    ours = replace(business(MOST_SLOTS, weeks=WEEKS), actions=(ACTION, REQUESTING))
    slots = all_slots(ours)
    chance = random.Random(options.seed)  # noqa: S311 -- a storm that can be had again
    began = time.perf_counter()
    async with AsyncExitStack() as closing:
        addresses = (await closing.enter_async_context(serving_elsewhere())).addresses
        http = await closing.enter_async_context(httpx.AsyncClient(base_url=addresses.calcom, trust_env=False))
        await addresses.control("calcom", "world", _world(calcom_world(slots)))
        worker = await closing.enter_async_context(_worker(url, addresses, ours))
        await worker.outside.reconcile()  # what there was before anybody watched is told to nobody
        await addresses.control("calcom", "webhooks", {"subscriberUrl": worker.url, "secret": SECRET})
        wrongs = {"seed": options.seed, "lost": options.lost, "repeated": options.repeated, "window": options.window}
        await addresses.control("calcom", "deliveries", wrongs)
        office = Office(http, worker.service, ours, slots, TEXTS, chance)
        forged = []
        for _ in range(options.deliveries):
            await office.does_something()
            if chance.random() < options.forged:
                forged.append(await _forge(http, worker, chance))
        await addresses.control("calcom", "deliveries/flush", {})
        await _worked_through(http, worker.store)
        before = await _differences(addresses, worker.store)
        await worker.outside.reconcile()
        await _texts_sent(worker.store)
        outcomes = Counter(each["outcome"] for each in (await addresses.state("calcom"))["deliveries"])
        texts, twice = await _texts(addresses, worker.store)
        return Storm(
            outcomes,
            forged,
            office.refused,
            before,
            await _differences(addresses, worker.store),
            len(await worker.store.appointments()),
            texts,
            twice,
            time.perf_counter() - began,
        )


def _world(world: Mapping[str, Any]) -> Mapping[str, Any]:
    [given] = world["event_types"]
    asked = {**given, "id": int(ON_REQUEST.id), "title": ON_REQUEST.title, "requires_confirmation": True}
    return {**world, "event_types": [given, asked]}


@asynccontextmanager
async def _worker(url: str, addresses: Addresses, ours: Business) -> AsyncIterator[Worker]:
    """Open what a worker hears, books and texts with, and serve its route for deliveries."""
    async with AsyncExitStack() as closing:
        store = await Store.open(url)
        closing.push_async_callback(store.close)
        calendar = addresses.calendar(timeout=TIMEOUT)
        closing.push_async_callback(calendar.aclose)
        twilio = addresses.twilio_rest(timeout=TIMEOUT)
        closing.push_async_callback(twilio.aclose)
        outbox = OutboxWorker(store, TextChannel(sender(twilio)), owner="bench", clock=lambda: NOW)
        service = BookingService(
            calendar=calendar,
            store=store,
            clock=lambda: NOW,
            settle=SettleTimes(http_timeout=TIMEOUT),
            on_text=outbox.wake,
        )
        closing.push_async_callback(service.drain)
        client = connect(addresses.calcom, api_key=addresses.credentials.calcom_api_key)
        closing.push_async_callback(client.aclose)
        outside = service.outside(
            CalComSource(client), calendar="calcom", desk=lambda: Desk(ours, TEXTS), sync_every=timedelta(0)
        )
        woken = asyncio.Event()
        for job in (outbox.run(), _work_through(outside, woken)):
            closing.callback(asyncio.create_task(job).cancel)
        served = await closing.enter_async_context(_served(store, woken))
        yield Worker(served, store, service, outside)


@asynccontextmanager
async def _served(store: Store, woken: asyncio.Event) -> AsyncIterator[str]:
    """Serve the route for deliveries and give its URL."""

    async def keep(delivery: Delivery) -> bool:
        is_new = await store.add_delivery(delivery)
        woken.set()
        return is_new

    app, port = FastAPI(), free_port()
    app.include_router(build_router(SECRET, keep=keep))
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, access_log=False))
    serving = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(SETTLED_SECS):
            while not server.started:
                await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{port}{WEBHOOK_PATH}"
    finally:
        server.should_exit = True
        await serving


async def _work_through(outside: OutsideChanges, woken: asyncio.Event) -> None:
    """Work through what is delivered, as a worker does, but ask for nothing that was missed."""
    while True:
        woken.clear()
        if not await outside.work_through():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(woken.wait(), 0.5)


async def _forge(http: httpx.AsyncClient, worker: Worker, chance: random.Random) -> int:
    """Deliver that a booking is cancelled, which is not true, and return how that was answered."""
    appointments = [each for each in await worker.store.appointments() if each.booking_uid]
    if not appointments:
        return httpx.codes.FORBIDDEN
    uid = chance.choice(appointments).booking_uid
    body = json.dumps({"triggerEvent": "BOOKING_CANCELLED", "createdAt": str(NOW), "payload": {"uid": uid}}).encode()
    headers = {"Content-Type": "application/json"}
    if signature := chance.choice(FORGERS):
        headers["X-Cal-Signature-256"] = signature
    return (await http.post(worker.url, content=body, headers=headers)).status_code


async def _worked_through(http: httpx.AsyncClient, store: Store) -> None:
    """Wait until everything is delivered and worked through."""
    async with asyncio.timeout(SETTLED_SECS):
        while (await http.get("/control/deliveries")).json()["pending"] or await store.pending_deliveries():
            await asyncio.sleep(0.1)


async def _texts_sent(store: Store) -> None:
    """Wait until every text is sent whose time has come; reminders stay."""
    async with asyncio.timeout(SETTLED_SECS):
        while any(row.state in ("pending", "leased") and row.not_before <= NOW for row in await store.messages()):
            await asyncio.sleep(0.1)


async def _texts(addresses: Addresses, store: Store) -> tuple[int, int]:
    """Return how many texts went out, and how many of them a second time."""
    rows = [row for row in await store.messages() if row.state == "sent"]
    out = len((await addresses.state("twilio"))["messages"])
    told = Counter((row.appointment_id, row.kind, row.version) for row in rows)
    return out, abs(out - len(rows)) + sum(count - 1 for count in told.values())


async def _differences(addresses: Addresses, store: Store) -> Sequence[str]:
    """Return where the record does not say what the calendar says."""
    bookings = {each["uid"]: each for each in (await addresses.state("calcom"))["bookings"]}
    recorded: dict[str, list[Appointment]] = {}
    for each in await store.appointments():
        if each.booking_uid:
            recorded.setdefault(_last(bookings, each.booking_uid), []).append(each)
    last = [uid for uid, booking in bookings.items() if not booking["rescheduledToUid"]]
    return [wrong for uid in last if (wrong := _difference(bookings[uid], recorded.get(uid, [])))]


def _last(bookings: Mapping[str, Any], uid: str) -> str:
    while moved_to := bookings[uid]["rescheduledToUid"]:
        uid = moved_to
    return uid


def _difference(booking: Mapping[str, Any], appointments: Sequence[Appointment]) -> str:
    """Return what is wrong with the appointments of one booking, "" for nothing."""
    status, said = booking["status"], [each.status.value for each in appointments]
    if len(appointments) > 1:
        return f"{status} is in the record {len(appointments)} times: {said}"
    if status in ("cancelled", "rejected"):
        # One that was gone before anybody heard of it was never an appointment.
        return "" if set(said) <= {AppointmentStatus.CANCELLED.value} else f"{status} is {said}"
    if not appointments:
        return f"{status} is not in the record"
    [appointment] = appointments
    fitting = {AppointmentStatus.REQUESTED} if status == "pending" else AS_ACCEPTED
    is_there = appointment.slot.start == datetime.fromisoformat(booking["start"])
    is_same = appointment.booking_uid == booking["uid"]
    if appointment.status in fitting and is_there and is_same:
        return ""
    known = (
        f"{appointment.booking_uid} at {appointment.slot.start:%d %H:%M}, made by {appointment.call_sid or 'others'}"
    )
    return f"{status} {booking['uid']} at {booking['start']} is {said}: {known}"


def _result(options: Options, storm: Storm) -> Mapping[str, object]:
    return {
        "wrong_before_reconcile": len(storm.before),
        "wrong": len(storm.after),
        "texts": storm.texts,
        "texts_twice": storm.twice,
        "outcomes": dict(storm.outcomes),
        "forged_sent": len(storm.forged),
        "forged_taken": sum(status < httpx.codes.BAD_REQUEST for status in storm.forged),
        "appointments": storm.appointments,
        "callers_refused": storm.refused,
        "took_secs": round(storm.took_secs, 1),
        **asdict(options),
    }


def _options(arguments: Sequence[str] | None) -> Options:
    parser = argparse.ArgumentParser(prog="python -m bench.webhook_storm", description=__doc__)
    parser.add_argument("--deliveries", type=int, default=1000, help="so many things happen at the calendar")
    parser.add_argument("--lost", type=float, default=0.05, help="the part of all deliveries that gets lost")
    parser.add_argument("--repeated", type=float, default=0.2, help="the part that comes twice")
    parser.add_argument("--forged", type=float, default=0.1, help="how many are forged, for each true one")
    parser.add_argument("--window", type=int, default=40, help="how many are shuffled at a time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", choices=KINDS, default="sqlite")
    return Options(**vars(parser.parse_args(arguments)))


if __name__ == "__main__":
    sys.exit(main())
