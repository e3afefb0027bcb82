"""The owner's notices are written with what they tell of."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from appointments.changing import ChangeRequest
from appointments.errors import CalendarRejected, SlotlineError
from appointments.model import CallSid, OwnerChannels
from appointments.service import BookingService
from appointments.store.records import CallerRequest, Channel, MessageKind, RequestKind
from tests.factories import (
    CALLER,
    NOW,
    PLAN,
    QUICK,
    STUDIO,
    ShakyCalendar,
    Step,
    a_request,
    a_slot,
    down,
    taken,
)
from tests.stores import opened_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from appointments.model import Appointment
    from appointments.store.store import Store

OWNER = OwnerChannels(sms="+14155550190")
OWNERS_PLAN = replace(PLAN, owner=OWNER)
ELSEWHEN = a_slot(55)
REFUSED = CalendarRejected("no")


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    async with opened_store(database_url) as opened:
        yield opened


def serving(store: Store, **steps: list[Step]) -> BookingService:
    calendar = ShakyCalendar([a_slot(), ELSEWHEN], **steps)
    return BookingService(calendar=calendar, store=store, clock=lambda: NOW, settle=QUICK)


async def told(store: Store) -> list[str]:
    """Return the first line of each notice."""
    rows = [row for row in await store.messages() if row.kind is MessageKind.OWNER_NOTICE]
    assert {(row.to, row.channel) for row in rows} <= {(OWNER.sms, Channel.SMS)}
    return [row.body.splitlines()[0] for row in rows]


async def booked(service: BookingService) -> Appointment:
    return await service.book(a_request(plan=OWNERS_PLAN))


def change(appointment: Appointment, **changes: Any) -> ChangeRequest:
    request = ChangeRequest(CallSid("CA9"), STUDIO, appointment, plan=OWNERS_PLAN)
    return replace(request, **changes)


async def test_hears_of_a_booking_a_move_and_a_cancellation(store: Store) -> None:
    service = serving(store)
    appointment = await booked(service)
    moved = (await service.change(change(appointment, slot=ELSEWHEN))).appointment
    await service.change(change(moved))

    assert await told(store) == [
        "Booked: 30-Minute Consultation",
        "Moved: 30-Minute Consultation",
        "Cancelled: 30-Minute Consultation",
    ]
    rows = [row for row in await store.messages() if row.kind is MessageKind.OWNER_NOTICE]
    assert [row.state for row in rows] == ["pending"] * 3  # no later change takes a notice back
    assert [row.body.splitlines()[-1] for row in rows] == [
        "Call: transcripts/CA1.jsonl",
        "Call: transcripts/CA9.jsonl",
        "Call: transcripts/CA9.jsonl",
    ]


@pytest.mark.parametrize(
    ("step", "headline"),
    [(REFUSED, "Not booked, the calendar refused it"), (down(), "Not booked, the calendar did not answer")],
)
async def test_hears_what_could_not_be_booked_even_when_the_caller_has_heard_it(
    store: Store, step: SlotlineError, headline: str
) -> None:
    service = serving(store, on_book=[step])

    with pytest.raises(SlotlineError):
        await booked(service)

    assert await told(store) == [f"{headline}: 30-Minute Consultation"]


async def test_hears_nothing_of_a_time_that_somebody_else_has(store: Store) -> None:
    service = serving(store, on_book=[taken()])

    with pytest.raises(SlotlineError):
        await booked(service)

    assert await told(store) == []


async def test_hears_what_nobody_knows(store: Store) -> None:
    service = serving(store, on_book=["drop_after"], on_find=[down()] * 9)
    await booked(service)

    assert await told(store) == ["CHECK the calendar, it may or may not be booked: 30-Minute Consultation"]


async def test_hears_what_could_not_be_cancelled(store: Store) -> None:
    service = serving(store, on_change=[REFUSED])
    appointment = await booked(service)

    with pytest.raises(CalendarRejected):
        await service.change(change(appointment))

    assert (await told(store))[1:] == ["Not cancelled, the calendar refused it: 30-Minute Consultation"]


async def test_hears_who_wants_to_be_called_back(store: Store) -> None:
    service = serving(store)
    business = replace(STUDIO, owner=OWNER)
    wish = CallerRequest(CallSid("CA1"), RequestKind.CALL_BACK, CALLER, name="Maya Chen")

    await service.leave_request(wish, business)
    await service.leave_request(wish, business)
    await service.leave_request(replace(wish, best_time="at noon"), business)

    assert await told(store) == ["Wants to be called back"] * 2
    assert await store.requests() == [replace(wish, best_time="at noon")]
