"""`slotline appointments`: what is booked, by day, in the business's local time."""

from __future__ import annotations

import json
from datetime import datetime, time, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any

import typer

from agent.business import load_business
from agent.owner.record import open_record
from agent.owner.words import columns, day, in_words, moment, plain, short
from appointments.messages import clock_time
from appointments.model import LIVE, AppointmentStatus

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from agent.settings import Settings
    from appointments.model import Appointment, AppointmentId, Business
    from appointments.store.records import Change

    Unclear = Mapping[AppointmentId, Change]
    """The changes of which nobody knows whether they were made, by their appointment."""

STANDING = {
    AppointmentStatus.PENDING: "being booked",
    AppointmentStatus.ACTIVE: "booked",
    AppointmentStatus.REQUESTED: "asked for, still to be accepted",
    AppointmentStatus.RESCHEDULED: "booked, was moved",
    AppointmentStatus.UNCONFIRMED: "CHECK whether the calendar has it",
    AppointmentStatus.FAILED: "not booked",
    AppointmentStatus.CANCELLED: "cancelled",
    AppointmentStatus.COMPLETED: "over",
}
"""What is said of each status."""

_SHOWN = LIVE | {AppointmentStatus.COMPLETED}


async def run(settings: Settings, *, days: int | None, is_all: bool, as_json: bool) -> None:
    """Print the appointments of today and later, those of so many days, or all of the record."""
    business = load_business(settings.business_file, event_type_id=settings.event_type_id)
    async with open_record(settings) as store:
        kept = await store.appointments()
        unclear = {change.appointment_id: change for change in await store.unclear_changes()}
    if not is_all:
        kept = from_today(kept, settings.clock(business.zone)().astimezone(business.zone), days)
    kept = sorted(kept, key=lambda appointment: appointment.slot)
    typer.echo(
        json.dumps(as_object(kept, unclear, business), ensure_ascii=False)
        if as_json
        else "\n".join(lines(kept, unclear, business))
    )


def from_today(kept: Sequence[Appointment], now: datetime, days: int | None) -> list[Appointment]:
    """Return what keeps its time today or later, within `days` of them."""
    begin = datetime.combine(now.date(), time(), now.tzinfo)
    end = datetime.combine(now.date() + timedelta(days=days), time(), now.tzinfo) if days else None
    return [
        each
        for each in kept
        if each.status in _SHOWN and each.slot.end > begin and (end is None or each.slot.start < end)
    ]


def as_object(kept: Sequence[Appointment], unclear: Unclear, business: Business) -> dict[str, Any]:
    """Return what `--json` prints."""
    return {
        "zone": business.zone.key,
        "appointments": [
            {
                "id": each.appointment_id,
                "start": each.slot.start.astimezone(business.zone).isoformat(),
                "duration_min": round(each.slot.duration.total_seconds() / 60),
                "title": each.title,
                "attendee": each.attendee.name,
                "phone": each.attendee.phone,
                "email": each.attendee.email,
                "notes": each.notes,
                "answers": dict(each.attendee.answers),
                "status": each.status.value,
                "must_be_checked": must_be_checked(each, unclear),
                "is_confirmed": each.confirmed_at is not None,
                "booking_uid": each.booking_uid,
            }
            for each in kept
        ],
    }


def lines(kept: Sequence[Appointment], unclear: Unclear, business: Business) -> Iterator[str]:
    """Yield what people read."""
    if not kept:
        yield f"{business.name} has no such appointments."
        return
    yield f"{business.name}, times of {business.zone.key}."
    if count := sum(must_be_checked(each, unclear) for each in kept):
        yield f"To be checked by a person: {count}, marked with CHECK."
    told = columns([_row(each, unclear, business) for each in kept])
    local_days = [each.slot.start.astimezone(business.zone).date() for each in kept]
    for of_day, group in groupby(zip(local_days, told, kept, strict=True), key=lambda each: each[0]):
        yield f"\n{day(datetime.combine(of_day, time()))}"
        for _, line, appointment in group:
            yield f"  {line}"
            if notes := plain(appointment.notes):
                yield f"            notes: {notes}"
            for slug, answer in appointment.attendee.answers.items():
                yield f"            {plain(slug)}: {plain(in_words(answer))}"


def _row(appointment: Appointment, unclear: Unclear, business: Business) -> tuple[str, ...]:
    attendee = appointment.attendee
    return (
        short(appointment.appointment_id),
        f"{clock_time(appointment.slot.start.astimezone(business.zone)):>8}",
        f"{round(appointment.slot.duration.total_seconds() / 60)} min",
        appointment.title,
        plain(attendee.name),
        attendee.phone or attendee.email or "no number",
        _standing(appointment, unclear, business),
    )


def _standing(appointment: Appointment, unclear: Unclear, business: Business) -> str:
    change = unclear.get(appointment.appointment_id)
    if change is not None and appointment.status in LIVE:
        what = f"moved to {moment(change.slot.start.astimezone(business.zone))}" if change.slot else "cancelled"
        return f"CHECK whether the calendar has it {what}"
    is_confirmed = appointment.confirmed_at is not None
    return STANDING[appointment.status] + (", confirmed by the caller" if is_confirmed else "")


def must_be_checked(appointment: Appointment, unclear: Unclear) -> bool:
    """Whether nobody knows what the calendar has, so that a person must look."""
    if appointment.status is AppointmentStatus.UNCONFIRMED:
        return True
    return appointment.status in LIVE and appointment.appointment_id in unclear
