"""The tool by which a caller's e-mail address is come to, and which address an appointment is booked with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from appointments.contact import attendee_email
from appointments.email_capture import EmailCapture, Stage
from appointments.message_plan import email_name
from appointments.store.records import MessageKind
from tools.consent import names, yes_or_no
from tools.keys import has_said_number
from tools.registry import Arguments, Tool
from tools.replies import Reply, Status
from tools.waiting import asks_to_wait

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appointments.model import Action, EventType, PhoneNumber
    from tools.session import BookingSession, Utterance

NOTE_EMAIL_SECS = 4.0
CALL_BACK_INSTEAD = "I'm sorry, I can't book it without an e-mail address. Shall I have somebody call you back?"


class NoteEmail(Arguments):
    """The arguments of `note_email`."""

    said: str | None = Field(
        None,
        description=(
            "What the caller has just said of the address, word for word: 'j dot o'brien at gmail dot com', "
            "'no, b as in bravo', 'yes'. Leave out to learn what to ask first."
        ),
        max_length=300,
    )
    refused: bool = Field(False, description="True when the caller has no address or will not give one.")


def needs_email(action: Action, event_type: EventType) -> bool:
    """Claim that `action` can be booked only with an address that the caller has agreed to."""
    return event_type.requires_email and not action.fallback_email


def sends_email(session: BookingSession, action: Action) -> bool:
    """Claim that the details of `action` go by e-mail to who gives an address."""
    return action.messages.has_email and email_name(MessageKind.CONFIRMATION) in session.templates


def about_email(session: BookingSession, action: Action, event_type: EventType) -> str:
    """Return what the model is told of e-mail addresses for `action`, "" when none is asked for."""
    if needs_email(action, event_type):
        return " It needs the caller's e-mail address: come to it with note_email first."
    if not sends_email(session, action):
        return ""
    if session.can_text:
        return " A caller who wants the details by e-mail too gives their address first, with note_email."
    first = " Ask for the number first." if session.caller is None else ""
    return (
        f"{first} No text reaches this caller: offer to e-mail the details, and come to the address with note_email "
        "before you book."
    )


def may_take_email(session: BookingSession, action: Action, event_type: EventType) -> bool:
    """Claim that this caller may be asked for an e-mail address to book `action`."""
    # A calendar wants one way to reach the attendee: who gives no number may give an address.
    return needs_email(action, event_type) or session.caller is None or sends_email(session, action)


def note_email(session: BookingSession, *, is_always_needed: bool) -> Tool:
    """Return the tool that takes all that the caller says of their e-mail address.

    Who withholds their number and has given none cannot book without one either: a calendar wants one way to reach
    the attendee.

    Args:
        is_always_needed: Whether something of what can be booked cannot be booked without one.
    """

    async def run(wanted: NoteEmail, heard: Sequence[Utterance]) -> Reply:
        capture, said = session.email, (wanted.said or "").strip()
        is_needed = is_always_needed or (session.caller is None and not has_said_number(heard, session.business))
        if wanted.refused:
            capture.decline(is_needed=is_needed)
        elif not said:
            await _propose_known(session)
        elif _is_agreed(capture, heard) and not capture.changes(said):
            capture.agree()
        else:
            capture.hear(said, answer=yes_or_no(said), is_needed=is_needed)
        return email_reply(capture, is_needed=is_needed)

    return Tool(
        name="note_email",
        description=(
            "Come to the caller's e-mail address. Call it with nothing to learn what to ask, then with each thing the "
            "caller says of the address, a yes or no to its question too, until it answers noted or left_out. "
            "Speak its `say` as it stands: it spells the address."
        ),
        arguments=NoteEmail,
        run=run,
        deadline_secs=NOTE_EMAIL_SECS,
    )


def email_reply(capture: EmailCapture, *, is_needed: bool) -> Reply:
    """Tell how far it has come, and what to say next."""
    match capture.stage:
        case Stage.AGREED:
            return Reply(Status.NOTED, hint="The caller has agreed to the address. Go on; do not say it again.")
        case Stage.LEFT_OUT if is_needed:
            return Reply(
                Status.LEFT_OUT,
                say=CALL_BACK_INSTEAD,
                hint="Do not ask for the address again. What needs one cannot be booked; offer request_callback.",
            )
        case Stage.LEFT_OUT:
            return Reply(
                Status.LEFT_OUT,
                say="All right, I'll leave the e-mail address out.",
                hint="Do not ask for it again. Go on with the booking without one.",
            )
        case Stage.READ_BACK:
            return Reply(
                Status.NOT_CONFIRMED,
                say=capture.question,
                hint="Say this and wait. Then call note_email with what the caller answers.",
            )
        case _:
            return Reply(
                Status.NEEDS_EMAIL,
                say=capture.question,
                hint="Say this and wait. Then call note_email with what the caller answers, in their words.",
            )


async def email_to_book_with(
    session: BookingSession, action: Action, phone: PhoneNumber | None, heard: Sequence[Utterance]
) -> str | None:
    """Return the address an appointment is booked with, None for none: agreed to, known, or made by the action."""
    if _is_agreed(session.email, heard):
        session.email.agree()
    if session.email.agreed:
        return session.email.agreed
    known = await _known(session)
    # Without being asked, it is used only for the one whose it is.
    if known and session.identity.known == session.caller:
        return known
    return attendee_email(action.fallback_email, phone)


async def _propose_known(session: BookingSession) -> None:
    if known := await _known(session):
        is_theirs = session.caller is not None and session.identity.known == session.caller
        session.email.propose(known, is_masked=not is_theirs)


async def _known(session: BookingSession) -> str:
    """Return the address that is known from appointments of who calls, "" for none."""
    if session.caller is None:
        return ""
    made_up = {attendee_email(action.fallback_email, session.caller) for action in session.actions}
    on_record = await session.service.emails(session.caller)
    return next((email for email in on_record if email not in made_up), "")


def _is_agreed(capture: EmailCapture, heard: Sequence[Utterance]) -> bool:
    """Claim that the caller has heard the address read back and has said yes to it."""
    words = capture.read_back
    told = [place for place, turn in enumerate(heard) if turn.is_agent and words and names(turn.text, words)]
    if not told:
        return False
    for turn in heard[told[-1] + 1 :]:
        # The answer to another question is none to this one: "Are you still there?".
        if turn.is_agent and "?" in turn.text:
            return False
        if not turn.is_agent and not asks_to_wait(turn.text) and (answer := yes_or_no(turn.text)) is not None:
            return answer and not capture.changes(turn.text)
    return False
