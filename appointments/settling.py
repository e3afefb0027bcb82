"""Finding out what became of a booking whose answer was lost, before anything is tried again."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from appointments.errors import CalendarRejected, CalendarUnavailable, SlotTaken

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from appointments.model import Appointment, AppointmentId, Booking, EventType
    from appointments.ports import Calendar

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SettleTimes:
    """How long the calendar is waited for, and when an unclear booking is looked up."""

    http_timeout: timedelta = timedelta(seconds=8)
    """The calendar client's whole timeout for one request."""
    look_ups: tuple[timedelta, ...] = (timedelta(0), timedelta(seconds=1), timedelta(seconds=4))
    """After the unclear answer; one more follows when nothing of ours can be under way any longer."""
    margin: timedelta = timedelta(seconds=2)
    answer_within: timedelta = timedelta(seconds=8)
    """The caller hears something by then, settled or not."""
    claim_again: timedelta = timedelta(seconds=2)
    """How long the record is left alone when it could not be written, while a text is promised."""
    claim_within: timedelta = timedelta(minutes=3)
    """A claim that takes longer books nothing any more: the caller is told that it failed."""
    give_up_after: timedelta = timedelta(minutes=10)
    """Nothing is written about a booking whose record could not be written for so long."""

    @property
    def request(self) -> timedelta:
        """How long one request may take before it counts as unclear."""
        return self.http_timeout + self.margin

    @property
    def abandoned_after(self) -> timedelta:
        """A claim untouched for so long belongs to a dead process: a live one touches it before each request."""
        return self.request + self.margin


class Settling:
    """Books once: looks an unclear booking up by its key, and repeats it only where that cannot book twice."""

    def __init__(
        self, *, calendar: Calendar, times: SettleTimes, keep_working: Callable[[AppointmentId], Awaitable[None]]
    ) -> None:
        self._calendar = calendar
        self._times = times
        self._keep_working = keep_working

    async def book(self, event_type: EventType, appointment: Appointment) -> Booking:
        """Book what was just claimed.

        Raises:
            SlotTaken, CalendarRejected: nothing of ours is booked.
            CalendarUnavailable: nothing is booked, or, with `is_unclear`, it cannot be found out.
        """
        try:
            return await self._create(event_type, appointment)
        except SlotTaken as refusal:
            return await self._ours_in_spite_of(refusal, appointment)
        except CalendarUnavailable as error:
            if not error.is_unclear:
                raise
            log.warning("booking_unclear", appointment_id=appointment.appointment_id)
        return await self.find_out(event_type, appointment)

    async def find_out(self, event_type: EventType, appointment: Appointment) -> Booking:
        """Settle a booking that may or may not have been made; raises as `book` does."""
        found = await self._look_up(appointment)
        if found is not None:
            return found
        if not self._calendar.refuses_overlap:
            raise CalendarUnavailable("nobody knows whether the booking will appear", is_unclear=True)
        log.warning("booking_repeated", appointment_id=appointment.appointment_id)
        try:
            return await self._create(event_type, appointment)
        except (SlotTaken, CalendarRejected) as refusal:
            return await self._ours_in_spite_of(refusal, appointment)
        except CalendarUnavailable as error:
            # Even when the repetition certainly booked nothing, the first try may still appear.
            found = await self._look_up(appointment)
            if found is None:
                raise CalendarUnavailable("the calendar has not answered twice", is_unclear=True) from error
            return found

    async def _ours_in_spite_of(self, refusal: SlotTaken | CalendarRejected, appointment: Appointment) -> Booking:
        """Return our own booking when it is what the calendar refused a second one for."""
        try:
            found = await self._find(appointment)
        except (CalendarUnavailable, CalendarRejected):
            found = await self._look_up(appointment)
        if found is None:
            raise refusal
        return found

    async def _look_up(self, appointment: Appointment) -> Booking | None:
        """Look at growing intervals; None claims that the last two looks, one after any timeout, found nothing."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        empty_in_a_row = 0
        for moment in (*self._times.look_ups, self._times.request):
            await asyncio.sleep(began + moment.total_seconds() - loop.time())
            try:
                found = await self._find(appointment)
            except (CalendarUnavailable, CalendarRejected) as error:
                log.warning("look_up_failed", appointment_id=appointment.appointment_id, error=type(error).__name__)
                empty_in_a_row = 0
                continue
            if found is not None:
                return found
            empty_in_a_row += 1
        if empty_in_a_row < 2:
            raise CalendarUnavailable("the booking could not be looked up", is_unclear=True)
        return None

    async def _create(self, event_type: EventType, appointment: Appointment) -> Booking:
        await self._keep_working(appointment.appointment_id)
        try:
            async with asyncio.timeout(self._times.request.total_seconds()):
                return await self._calendar.book(
                    event_type,
                    appointment.slot,
                    appointment.attendee,
                    notes=appointment.notes,
                    idempotency_key=appointment.idempotency_key,
                )
        except TimeoutError:
            raise CalendarUnavailable("the calendar did not answer in time", is_unclear=True) from None

    async def _find(self, appointment: Appointment) -> Booking | None:
        await self._keep_working(appointment.appointment_id)
        try:
            async with asyncio.timeout(self._times.request.total_seconds()):
                return await self._calendar.find(
                    appointment.event_type_id, appointment.slot, idempotency_key=appointment.idempotency_key
                )
        except TimeoutError:
            raise CalendarUnavailable("the calendar did not answer in time") from None
