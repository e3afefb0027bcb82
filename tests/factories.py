"""Ready-made domain objects, each valid as it is; tests name only what they are about."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from appointments.booking import BookingRequest
from appointments.errors import CalendarUnavailable, SlotlineError, SlotTaken
from appointments.message_plan import NO_MESSAGES, MessagePlan
from appointments.model import (
    Action,
    Appointment,
    AppointmentId,
    AppointmentStatus,
    Attendee,
    Booking,
    BookingStatus,
    BookingUid,
    Business,
    CallSid,
    EventType,
    EventTypeId,
    OpeningHours,
    PhoneNumber,
    Slot,
)
from appointments.settling import SettleTimes
from appointments.store.records import Block
from calendars.memory import MemoryCalendar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from appointments.store.store import Store

NOW = datetime(2026, 12, 1, 14, tzinfo=UTC)
CALLER = PhoneNumber("+14155550123")
BUSINESS = PhoneNumber("+14155550100")
ZONE = ZoneInfo("America/New_York")
EVENT_TYPE = EventType(EventTypeId("101"), "30-Minute Consultation", timedelta(minutes=30))
ACTION = Action("Book 30-Minute Consultation", EVENT_TYPE.id, EVENT_TYPE.title, ZONE)
ATTENDEE = Attendee("Maya Chen", ZONE.key, CALLER)
STUDIO = Business(
    "Ada's Studio",
    BUSINESS,
    ZONE,
    hours=tuple(OpeningHours(weekday, time(9), time(17)) for weekday in range(5)),
    actions=(ACTION,),
)
PLAN = MessagePlan(
    to=CALLER,
    business="Ada's Studio",
    templates={
        "confirmation": "Booked for {date} at {time}.",
        "requested": "Requested for {date} at {time}.",
        "unconfirmed": "We are still confirming {date} at {time}.",
        "failed": "{date} at {time} could not be booked.",
        "moved": "Moved to {date} at {time}.",
        "cancelled": "{date} at {time} is cancelled.",
        "change_unconfirmed": "We are still confirming the change of {date} at {time}.",
        "change_failed": "{date} at {time} could not be changed.",
    },
)

QUICK = SettleTimes(
    http_timeout=timedelta(milliseconds=60),
    look_ups=(timedelta(0), timedelta(milliseconds=10)),
    margin=timedelta(milliseconds=20),
    answer_within=timedelta(seconds=5),
)
"""Settles at once, and answers only when settled."""


def a_slot(hours: float = 53, *, minutes: int = 30) -> Slot:
    """Return a slot so many hours after `NOW`; Thursday at two in the afternoon in New York by default."""
    return Slot(NOW + timedelta(hours=hours), timedelta(minutes=minutes))


def an_appointment(number: int = 1, **changes: Any) -> Appointment:
    """Return a pending appointment; different numbers have different ids and keys but the same slot."""
    appointment = Appointment(
        appointment_id=AppointmentId(f"ap_{number}"),
        call_sid=CallSid(f"CA{number}"),
        event_type_id=EVENT_TYPE.id,
        title=EVENT_TYPE.title,
        slot=a_slot(),
        zone=ZONE.key,
        attendee=ATTENDEE,
        notes="",
        status=AppointmentStatus.PENDING,
        idempotency_key=f"CA{number}:101:0",
    )
    return replace(appointment, **changes)


async def claim(store: Store, appointment: Appointment, *, plan: MessagePlan = NO_MESSAGES) -> Appointment:
    """Claim the slot of `appointment` and nothing around it."""
    return await store.claim(appointment, a_block(appointment), plan=plan)


def a_block(appointment: Appointment) -> Block:
    return Block(appointment.event_type_id, appointment.slot.start, appointment.slot.end)


def a_booking(slot: Slot | None = None, *, key: str = "CA1:101:0") -> Booking:
    """Return the receipt of an accepted booking."""
    return Booking(
        BookingUid("bk_1"), slot or a_slot(), BookingStatus.ACCEPTED, key, meeting_link="https://meet.test/1"
    )


def a_request(number: int = 1, **changes: Any) -> BookingRequest:
    """Return what a caller agreed to; different numbers are different calls."""
    request = BookingRequest(CallSid(f"CA{number}"), STUDIO, ACTION, EVENT_TYPE, a_slot(), ATTENDEE, plan=PLAN)
    return replace(request, **changes)


Step = str | SlotlineError


class ShakyCalendar(MemoryCalendar):
    """A calendar that goes wrong as told, one step a request, and works once the steps are used up.

    A step of `on_book` is ``drop_before``, ``drop_after`` (the answer is lost before or after the work), ``hang``,
    ``late`` (booked some time after the answer was lost), ``steal`` (somebody else books first), ``wait``
    (until `let_go`), ``ok`` or an error to raise; of `on_find`, ``ok``, ``hang``, ``lag`` (not listed yet) or an error.
    `on_change` and `on_get` are the same for moves and cancellations, and for looking at one booking.
    """

    refuses_overlap = True

    def __init__(
        self,
        free: Iterable[Slot] | None = None,
        *,
        on_book: Iterable[Step] = (),
        on_find: Iterable[Step] = (),
        on_change: Iterable[Step] = (),
        on_get: Iterable[Step] = (),
    ) -> None:
        super().__init__(EVENT_TYPE, [a_slot()] if free is None else free)
        self._on_book = list(on_book)
        self._on_find = list(on_find)
        self._on_change = list(on_change)
        self._on_get = list(on_get)
        self.creates = 0
        self.changes = 0
        self.look_ups = 0
        self.fetches = 0
        self.asked = asyncio.Event()
        self.let_go = asyncio.Event()
        self._late: set[asyncio.Task[Booking]] = set()

    async def free_slots(
        self, event_type_id: EventTypeId, *, start: datetime, end: datetime, moving: BookingUid | None = None
    ) -> Any:
        self.fetches += 1
        return await super().free_slots(event_type_id, start=start, end=end, moving=moving)

    async def book(
        self, event_type: EventType, slot: Slot, attendee: Attendee, *, notes: str, idempotency_key: str
    ) -> Booking:
        self.creates += 1
        self.asked.set()
        step = self._on_book.pop(0) if self._on_book else "ok"

        async def work(key: str = idempotency_key) -> Booking:
            return await super(ShakyCalendar, self).book(event_type, slot, attendee, notes=notes, idempotency_key=key)

        await self._before(step, work)
        booking = await work()
        if step == "drop_after":
            raise CalendarUnavailable("the answer was lost", is_unclear=True)
        return booking

    async def find(self, event_type_id: EventTypeId, slot: Slot, *, idempotency_key: str) -> Booking | None:
        if await self._is_listed(self._on_find):
            return await super().find(event_type_id, slot, idempotency_key=idempotency_key)
        return None

    async def get(self, booking_uid: BookingUid) -> Booking | None:
        return await super().get(booking_uid) if await self._is_listed(self._on_get) else None

    async def reschedule(self, booking_uid: BookingUid, slot: Slot, *, reason: str) -> Booking:
        return await self._change(lambda: super(ShakyCalendar, self).reschedule(booking_uid, slot, reason=reason))

    async def cancel(self, booking_uid: BookingUid, *, reason: str) -> Booking:
        return await self._change(lambda: super(ShakyCalendar, self).cancel(booking_uid, reason=reason))

    async def _change(self, work: Callable[..., Awaitable[Booking]]) -> Booking:
        self.changes += 1
        self.asked.set()
        step = self._on_change.pop(0) if self._on_change else "ok"
        await self._before(step, work)
        booking = await work()
        if step == "drop_after":
            raise CalendarUnavailable("the answer was lost", is_unclear=True)
        return booking

    async def _is_listed(self, steps: list[Step]) -> bool:
        self.look_ups += 1
        step = steps.pop(0) if steps else "ok"
        if isinstance(step, SlotlineError):
            raise step
        if step == "hang":
            await asyncio.Event().wait()
        return step != "lag"

    async def _before(self, step: Step, work: Callable[..., Any]) -> None:
        if isinstance(step, SlotlineError):
            raise step
        if step == "drop_before":
            raise CalendarUnavailable("the answer was lost", is_unclear=True)
        if step == "late":
            task = asyncio.create_task(_later(work))
            self._late.add(task)
            raise CalendarUnavailable("the answer was lost", is_unclear=True)
        if step == "steal":
            await work("somebody else")
        if step == "wait":
            await self.let_go.wait()
        if step == "hang":
            await asyncio.Event().wait()


async def _later(work: Callable[..., Any]) -> Booking:
    await asyncio.sleep(0.03)
    booking: Booking = await work()
    return booking


def taken() -> SlotTaken:
    """Return the calendar's refusal of the usual slot."""
    return SlotTaken(a_slot())


def down(*, is_unclear: bool = False) -> CalendarUnavailable:
    """Return a calendar's silence."""
    return CalendarUnavailable("the calendar is down", is_unclear=is_unclear)
