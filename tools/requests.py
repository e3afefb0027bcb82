"""The tools for when nothing can be booked: a call-back, a place on the waitlist. Both are kept for the owner."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from appointments.store.records import CallerRequest, RequestKind
from tools.keys import number_given
from tools.registry import Arguments, Tool
from tools.replies import Reply, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.session import BookingSession, Utterance

NOTE_SECS = 4.0


class LeaveRequest(Arguments):
    """What a caller leaves."""

    name: str | None = Field(None, description="The caller's name, if they gave it.", max_length=120)
    number: str | None = Field(
        None,
        description="The number to reach them at, as +14155550123. Leave out for the one that calls.",
        max_length=20,
    )
    best_time: str | None = Field(None, description="When it suits them, in their words.", max_length=200)
    notes: str | None = Field(None, description="What it is about, if they said so.", max_length=500)


class JoinWaitlist(LeaveRequest):
    """The arguments of `join_waitlist`."""

    appointment: str | None = Field(None, description="What they would book, if more than one thing can be.")


def request_callback(session: BookingSession) -> Tool:
    async def run(wanted: LeaveRequest, heard: Sequence[Utterance]) -> Reply:
        say = "I've noted that. Somebody will call you back"
        return await _leave(session, wanted, heard, RequestKind.CALL_BACK, say=say)

    return Tool(
        name="request_callback",
        description=(
            "Note that the caller wants to be called back: when the calendar cannot be reached, when nothing fits, or "
            "when they need something you cannot do. Ask for the best time first."
        ),
        arguments=LeaveRequest,
        run=run,
        deadline_secs=NOTE_SECS,
        is_cancellable=False,
    )


def join_waitlist(session: BookingSession) -> Tool:
    async def run(wanted: JoinWaitlist, heard: Sequence[Utterance]) -> Reply:
        titles = {action.name: action.title for action in session.actions}
        title = titles.get(wanted.appointment or "", "") or (session.actions[0].title if len(titles) == 1 else "")
        say = "I've put you on the waitlist. We'll contact you if something opens up"
        return await _leave(session, wanted, heard, RequestKind.WAITLIST, title=title, say=say)

    return Tool(
        name="join_waitlist",
        description=(
            "Put the caller on the waitlist, when no free time suits them and they would take one that opens up."
        ),
        arguments=JoinWaitlist,
        run=run,
        deadline_secs=NOTE_SECS,
        is_cancellable=False,
    )


async def _leave(
    session: BookingSession,
    wanted: LeaveRequest,
    heard: Sequence[Utterance],
    kind: RequestKind,
    *,
    say: str,
    title: str = "",
) -> Reply:
    given = number_given(wanted.number, heard, session.business) if wanted.number or not session.caller else None
    number = given or session.caller
    if number is None:
        return Reply(
            Status.INVALID, hint="Nothing is noted. Ask for the number to reach the caller at, then call again."
        )
    await session.service.leave_request(
        CallerRequest(
            call_sid=session.call_sid,
            kind=kind,
            number=number,
            name=wanted.name or "",
            title=title,
            best_time=wanted.best_time or "",
            notes=wanted.notes or "",
        ),
        session.business,
    )
    where = "" if given else ", at the number you're calling from"
    return Reply(Status.NOTED, say=f"{say}{where}.", hint="Nothing is booked. Ask if there is anything else.")
