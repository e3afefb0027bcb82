"""A disk that is full: callers hear that it did not work, and nothing is lost that the calendar has."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy import event

from appointments.errors import CalendarUnavailable
from appointments.model import AppointmentStatus, CallSid
from appointments.service import BookingService
from tests.factories import NOW, QUICK, ShakyCalendar, a_request, a_slot
from tests.stores import opened_store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from appointments.model import Appointment
    from appointments.store.store import Store

SLOTS = [a_slot(53 + number) for number in range(8)]


async def limit(store: Store, pages: int) -> None:
    """Let the file have no more than `pages`, 0 for as many as it has: SQLite then says that the disk is full."""

    def on_connect(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA max_page_count={pages}")
        cursor.close()

    async with store._read() as connection:
        if not pages:
            pages = int((await connection.exec_driver_sql("PRAGMA page_count")).scalar_one())
    event.listen(store._readers.sync_engine, "connect", on_connect)
    await store._readers.dispose()


async def test_what_cannot_be_written_is_told_and_nothing_is_lost(tmp_path: Path) -> None:
    calendar = ShakyCalendar(SLOTS)
    with structlog.testing.capture_logs():  # printing each of the tracebacks takes seconds
        told, kept = await book_all(tmp_path, calendar)

    booked = {booking.slot for booking in calendar.bookings}
    assert "unavailable" in told
    assert AppointmentStatus.ACTIVE in told
    assert {each.slot for each in kept if each.status is AppointmentStatus.ACTIVE} == booked
    assert {slot for slot, answer in zip(SLOTS, told, strict=True) if answer == AppointmentStatus.ACTIVE} <= booked
    assert not any(each.status is AppointmentStatus.PENDING for each in kept)


async def book_all(tmp_path: Path, calendar: ShakyCalendar) -> tuple[list[str], Sequence[Appointment]]:
    """Book every slot on a disk that fills up, make room, and settle: return what was told and what is kept."""
    async with opened_store(f"sqlite+aiosqlite:///{tmp_path}/record.db") as store:
        service = BookingService(calendar=calendar, store=store, clock=lambda: NOW, settle=QUICK)
        await limit(store, 0)
        told: list[str] = []
        for number, slot in enumerate(SLOTS):
            request = a_request(slot=slot, call_sid=CallSid(f"CA{number}"), notes="n" * 500)
            try:
                told.append((await service.book(request)).status)
            except CalendarUnavailable:
                told.append("unavailable")
        await service.drain()

        await limit(store, 10_000)
        later = datetime.now(UTC) + timedelta(minutes=1)
        after = BookingService(
            calendar=calendar, store=store, clock=lambda: NOW, settle=QUICK, real_clock=lambda: later
        )
        await after.settle_unfinished()
        return told, await store.appointments()
