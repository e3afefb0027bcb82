"""Texts go out once, whatever is lost between us and the sender."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from appointments.errors import MessageDeferred, MessageRefused, MessageUnclear, SlotlineError
from appointments.outbox import GIVE_UP_AFTER, OutboxWorker, TextChannel
from appointments.store.outbox_records import add_messages
from appointments.store.records import Channel, MessageKind, OutboxRow, OutgoingMessage
from appointments.store.store import Store
from tests.factories import CALLER, a_booking, an_appointment, claim
from tests.stores import opened_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

LEASE = timedelta(seconds=60)


@dataclass
class FakeClock:
    now: datetime = datetime(2026, 12, 1, 14, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@dataclass
class FakeSender:
    """Sends by remembering; `faults` happen to the next sends, ``lost`` sends and loses the answer."""

    faults: list[SlotlineError | str] = field(default_factory=list)
    find_faults: list[SlotlineError] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    look_ups: int = 0

    async def send(self, *, to: str, body: str, outbox_id: str) -> str:
        fault = self.faults.pop(0) if self.faults else "ok"
        if isinstance(fault, SlotlineError):
            raise fault
        if fault == "crash":
            raise ZeroDivisionError
        self.sent.append(body)
        if fault == "lost":
            raise MessageUnclear("the answer was lost")
        if fault == "die":
            raise asyncio.CancelledError
        return f"SM{len(self.sent)}"

    async def find(self, *, to: str, body: str, since: datetime, other_than: Collection[str] = ()) -> str | None:
        self.look_ups += 1
        if self.find_faults:
            raise self.find_faults.pop(0)
        return "SM1" if body in self.sent else None


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def store(database_url: str, clock: FakeClock) -> AsyncIterator[Store]:
    async with opened_store(database_url, clock=clock) as opened:
        claimed = await claim(opened, an_appointment())
        await opened.record(
            claimed.appointment_id,
            a_booking(),
            messages=lambda _: [OutgoingMessage(CALLER, "Booked.", "ap_1|c|1", MessageKind.CONFIRMATION)],
        )
        yield opened


def _worker(store: Store, sender: FakeSender, clock: FakeClock, *, owner: str = "a") -> OutboxWorker:
    channel = TextChannel(sender)
    return OutboxWorker(store, channel, owner=owner, lease=LEASE, poll=timedelta(seconds=0.01), real_clock=clock)


async def _lease(store: Store, owner: str, now: datetime) -> OutboxRow | None:
    return await store.lease_message(channel=Channel.SMS, owner=owner, now=now, business_now=now, lease=LEASE)


async def _only(store: Store) -> OutboxRow:
    (row,) = await store.messages()
    return row


async def test_sends_a_text_once(store: Store, clock: FakeClock) -> None:
    sender = FakeSender()
    worker = _worker(store, sender, clock)

    assert await worker.send_next()
    assert not await worker.send_next()

    row = await _only(store)
    assert sender.sent == ["Booked."]
    assert sender.look_ups == 0
    assert (row.state, row.status, row.message_sid) == ("sent", "accepted", "SM1")
    assert await store.pending_messages() == 0


async def test_a_text_whose_answer_was_lost_is_looked_up_and_not_sent_again(store: Store, clock: FakeClock) -> None:
    sender = FakeSender(["lost"])
    worker = _worker(store, sender, clock)
    await worker.send_next()
    assert not await worker.send_next()  # not before the sender's timeout

    clock.now += timedelta(seconds=30)
    await worker.send_next()

    assert sender.sent == ["Booked."]
    assert (await _only(store)).message_sid == "SM1"


async def test_a_text_that_did_not_go_out_is_sent_again_after_the_look_up(store: Store, clock: FakeClock) -> None:
    sender = FakeSender([MessageUnclear("no answer")])
    worker = _worker(store, sender, clock)
    await worker.send_next()

    clock.now += timedelta(seconds=30)
    await worker.send_next()

    assert (sender.look_ups, sender.sent) == (1, ["Booked."])


async def test_a_worker_that_dies_between_send_and_finish_leaves_a_text_that_is_found(
    store: Store, clock: FakeClock
) -> None:
    sender = FakeSender(["die"])
    with pytest.raises(asyncio.CancelledError):
        await _worker(store, sender, clock).send_next()
    heir = _worker(store, sender, clock, owner="b")
    assert not await heir.send_next()  # the lease lasts

    clock.now += LEASE
    await heir.send_next()

    assert sender.sent == ["Booked."]
    assert (await _only(store)).state == "sent"


async def test_no_text_is_sent_while_the_look_up_is_refused(store: Store, clock: FakeClock) -> None:
    sender = FakeSender(["lost"], find_faults=[MessageDeferred("too many requests"), MessageUnclear("no answer")])
    worker = _worker(store, sender, clock)

    for _ in range(4):
        await worker.send_next()
        clock.now += timedelta(minutes=5)

    assert sender.look_ups == 3
    assert sender.sent == ["Booked."]


async def test_a_deferred_text_is_sent_later_without_a_look_up(store: Store, clock: FakeClock) -> None:
    sender = FakeSender([MessageDeferred("too many requests", retry_after_secs=5)])
    worker = _worker(store, sender, clock)
    await worker.send_next()
    assert not await worker.send_next()

    clock.now += timedelta(seconds=10)
    await worker.send_next()

    assert (sender.look_ups, sender.sent) == (0, ["Booked."])


async def test_a_refused_text_is_never_tried_again(store: Store, clock: FakeClock) -> None:
    worker = _worker(store, FakeSender([MessageRefused("no mobile", code=21614)]), clock)

    await worker.send_next()

    row = await _only(store)
    assert (row.state, row.error_code) == ("refused", "21614")
    assert await store.pending_messages() == 0
    assert not await store.has_opted_out(CALLER)


async def test_stop_ends_texting(store: Store, clock: FakeClock) -> None:
    worker = _worker(store, FakeSender([MessageRefused("STOP", code=21610, is_opt_out=True)]), clock)
    await worker.send_next()
    sender = FakeSender()
    async with store._write() as connection:
        await add_messages(
            connection,
            an_appointment().appointment_id,
            [OutgoingMessage(CALLER, "Again.", "ap_1|c|2", MessageKind.CONFIRMATION)],
            now=clock(),
        )

    await _worker(store, sender, clock).send_next()

    assert await store.has_opted_out(CALLER)
    assert sender.sent == []
    assert await store.pending_messages() == 0


async def test_a_text_of_yesterday_is_given_up(store: Store, clock: FakeClock) -> None:
    sender = FakeSender()
    clock.now += GIVE_UP_AFTER + timedelta(seconds=1)

    await _worker(store, sender, clock).send_next()

    assert sender.sent == []
    assert (await _only(store)).state == "refused"


async def test_two_workers_never_hold_the_same_text(store: Store, clock: FakeClock) -> None:
    leased = await asyncio.gather(*(_lease(store, str(number), clock.now) for number in range(10)))

    assert len([row for row in leased if row is not None]) == 1


async def test_a_worker_that_outlived_its_lease_changes_nothing(store: Store, clock: FakeClock) -> None:
    first = await _lease(store, "a", clock.now)
    second = await _lease(store, "b", clock.now + LEASE)
    assert first is not None
    assert second is not None

    finished = await store.finish_message(first, owner="a", message_sid="SM1", status="accepted")

    assert not finished
    assert (await _only(store)).state == "leased"
    assert second.tried_at == clock.now


async def test_status_callbacks_may_come_in_any_order(store: Store, clock: FakeClock) -> None:
    await _worker(store, FakeSender(), clock).send_next()
    outbox_id = (await _only(store)).outbox_id

    assert await store.message_status(outbox_id, "delivered", message_sid="SM1")
    assert not await store.message_status(outbox_id, "sent", message_sid="SM1")
    assert not await store.message_status(outbox_id, "queued", message_sid="SM1")
    assert not await store.message_status("ob_unknown", "sent", message_sid="SM1")

    assert (await _only(store)).status == "delivered"


async def test_a_status_callback_proves_a_text_whose_answer_was_lost(store: Store, clock: FakeClock) -> None:
    sender = FakeSender(["lost"])
    worker = _worker(store, sender, clock)
    await worker.send_next()
    await store.message_status((await _only(store)).outbox_id, "failed", message_sid="SM1", error_code="30006")
    clock.now += timedelta(minutes=5)

    assert not await worker.send_next()

    row = await _only(store)
    assert (row.state, row.status, row.message_sid, row.error_code) == ("sent", "failed", "SM1", "30006")
    assert sender.look_ups == 0


async def test_one_bad_text_does_not_end_the_loop(store: Store, clock: FakeClock) -> None:
    async with store._write() as connection:
        await add_messages(
            connection,
            an_appointment().appointment_id,
            [OutgoingMessage(CALLER, "Another.", "ap_1|c|2", MessageKind.CONFIRMATION)],
            now=clock(),
        )
    sender = FakeSender(["crash"])
    worker = _worker(store, sender, clock)

    running = asyncio.create_task(worker.run())
    async with asyncio.timeout(5):
        while not sender.sent:
            worker.wake()
            await asyncio.sleep(0)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running

    assert len(sender.sent) == 1


async def test_what_is_due_is_sent_before_the_loop_finishes(store: Store, clock: FakeClock) -> None:
    sender = FakeSender()
    worker = _worker(store, sender, clock)
    worker.finish()

    async with asyncio.timeout(5):
        await worker.run()

    assert sender.sent == ["Booked."]


async def test_what_cannot_be_sent_now_is_left_for_the_next_process(store: Store, clock: FakeClock) -> None:
    worker = _worker(store, FakeSender([MessageDeferred("throttled", retry_after_secs=60)]), clock)
    worker.finish()

    async with asyncio.timeout(5):
        await worker.run()

    assert await store.pending_messages() == 1
    clock.now += timedelta(minutes=10)
    later = FakeSender()
    assert await _worker(store, later, clock, owner="b").send_next()
    assert later.sent == ["Booked."]
