"""`slotline appointments cancel`: an appointment called off by the owner, in the way of a call."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING
from uuid import uuid4

import typer

from agent.bootstrap import open_bookings
from agent.front_desk import read_front_desk
from agent.owner.record import open_record
from agent.owner.words import moment, plain, the_one
from appointments.changing import ChangeRequest
from appointments.errors import CalendarRejected, CalendarUnavailable, NotChangeable
from appointments.model import AppointmentStatus, CallSid
from appointments.store.records import ChangeState, MessageKind
from tools.appointments import change_plan

if TYPE_CHECKING:
    from agent.front_desk import FrontDesk
    from agent.settings import Settings
    from appointments.model import Appointment, Business
    from appointments.service import BookingService

REASON = "Cancelled by the business"
"""What stands in for a reason: a calendar wants one."""

_WHY_NOT = {
    AppointmentStatus.PENDING: "is being booked right now; try again in a minute",
    AppointmentStatus.UNCONFIRMED: "may or may not be in the calendar; look there, and cancel it there if it is",
    AppointmentStatus.FAILED: "was never booked",
    AppointmentStatus.COMPLETED: "is over",
}
"""What cannot be cancelled, and why."""


def run(settings: Settings, given: str, *, reason: str, is_agreed: bool) -> int:
    """Cancel the appointment that `given` names and return the exit status: 0 it is cancelled, 1 it is not.

    Raises:
        typer.BadParameter: `given` names none or several, or nobody can be asked.
        ConfigError: a setting or a file is wrong.
    """
    desk = read_front_desk(settings)
    appointment = asyncio.run(_find(settings, given))
    what = described(appointment, desk.business)
    if appointment.status is AppointmentStatus.CANCELLED:
        typer.echo(f"Cancelled already: {what}.")
        return 0
    if why := _why_not(appointment, settings, desk.business):
        typer.echo(f"Not cancelled: {what} {why}.", err=True)
        return 1
    if not is_agreed and not _agrees(what):
        typer.echo("Nothing was changed.")
        return 1
    return asyncio.run(_cancel(settings, desk, appointment, reason))


def described(appointment: Appointment, business: Business) -> str:
    """Return which one it is, in a few words."""
    when = moment(appointment.slot.start.astimezone(business.zone))
    return f"{appointment.title} of {plain(appointment.attendee.name)} on {when}"


async def _find(settings: Settings, given: str) -> Appointment:
    async with open_record(settings) as store:
        kept = await store.appointments()
    return the_one(
        kept,
        given,
        id_of=lambda appointment: appointment.appointment_id,
        kind="appointment",
        listed_by="slotline appointments --all",
    )


def _why_not(appointment: Appointment, settings: Settings, business: Business) -> str:
    if appointment.slot.end <= settings.clock(business.zone)():
        return _WHY_NOT[AppointmentStatus.COMPLETED]
    return _WHY_NOT.get(appointment.status, "")


def _agrees(what: str) -> bool:
    if not sys.stdin.isatty():
        raise typer.BadParameter("nobody can be asked here: add --yes")
    return typer.confirm(f"Cancel {what}?")


async def _cancel(settings: Settings, desk: FrontDesk, appointment: Appointment, reason: str) -> int:
    request = ChangeRequest(
        # Each wish of the owner is one of its own: what was unclear can be asked for again.
        call_sid=CallSid(f"owner_{uuid4().hex}"),
        business=desk.business,
        appointment=appointment,
        reason=reason,
        plan=change_plan(appointment, desk.business, desk.texts),
    )
    async with open_bookings(settings, desk.business) as service:
        try:
            state = await _settled(service, request)
        except (NotChangeable, CalendarRejected, CalendarUnavailable) as error:
            typer.echo(f"Not cancelled: {described(appointment, desk.business)}: {error}.", err=True)
            return 1
    typer.echo(_told(state, request), err=state is not ChangeState.DONE)
    return 0 if state is ChangeState.DONE else 1


async def _settled(service: BookingService, request: ChangeRequest) -> ChangeState:
    """Return what became of `request`, however long the calendar takes: nobody waits on the phone."""
    outcome = await service.change(request)
    if outcome.state is ChangeState.PENDING:
        typer.echo("The calendar has not answered yet; asking what became of it.", err=True)
        await service.drain()
        outcome = await service.change(request)
    return outcome.state


def _told(state: ChangeState, request: ChangeRequest) -> str:
    what, plan = described(request.appointment, request.business), request.plan
    text = (
        f"a text to {plan.to} goes out by the running worker, or by the next one that starts within a day"
        if plan.texts(MessageKind.CANCELLED)
        else "no text goes out, because there is no number that may be texted"
    )
    match state:
        case ChangeState.DONE:
            return f"Cancelled: {what}; {text}."
        case ChangeState.PENDING:
            return f"Not settled: {what}; the running worker, or the next one, settles it, and {text}."
        case _:
            return f"Not known to be cancelled: {what}; look into the calendar, and run this again if it is there."
