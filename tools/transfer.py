"""The tool that puts the caller through to a person, and what that person is told first."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pydantic import Field

from appointments.digits import without_digits
from appointments.model import LIVE, AppointmentStatus
from appointments.spoken import say_slot
from tools.booking import a
from tools.registry import Arguments, Tool
from tools.replies import Reply, Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from zoneinfo import ZoneInfo

    from appointments.model import Action, Business, Slot
    from tools.session import BookingSession, Utterance

TRANSFER_TO_HUMAN = "transfer_to_human"
NOTE_SECS = 4.0
LONGEST_REASON = 160
"""Letters: some ten seconds of a person's patience, while the caller waits."""
MOST_APPOINTMENTS = 2
NOBODY_NOW = "I'm sorry, nobody can take a call at this hour. Shall I have somebody call you back?"
NOBODY_ANSWERS = "I'm sorry, nobody can take your call just now. Shall I have somebody call you back?"
CALL_BACK = "The caller was not put through. For a call back use request_callback."
PUT_THROUGH = (
    "The caller hears that they are put through, then the call leaves you: say nothing more. If they speak up first, "
    "answer that, and call this again when they still want a person."
)


class TransferToHuman(Arguments):
    """What the person who answers should know."""

    name: str | None = Field(None, description="The caller's name, if they gave it.", max_length=120)
    reason: str | None = Field(
        None, description="What the caller wants of a person, in a few words, if they said so.", max_length=500
    )


def transfer_to_human(session: BookingSession) -> Tool:
    async def run(wanted: TransferToHuman, _heard: Sequence[Utterance]) -> Reply:
        if refusal := _refusal(session):
            return Reply(Status.UNAVAILABLE, say=refusal, hint=CALL_BACK)
        summary = handover(session, name=wanted.name or "", reason=wanted.reason or "")
        session.putting_through.set()  # before anything is awaited: a goodbye of the same answer must see it
        try:
            await session.service.hand_over(session.call_sid, summary)
        except BaseException:
            session.putting_through.clear()
            raise
        return Reply(Status.TRANSFERRING, hint=PUT_THROUGH, answers=False)

    who = session.business.transfer_to or "a person"
    return Tool(
        name=TRANSFER_TO_HUMAN,
        description=(
            f"Put the caller through to {who}: when they ask for a person, or need what you cannot do and do not want "
            "to be called back. Say nothing with it; the caller is told."
        ),
        arguments=TransferToHuman,
        run=run,
        deadline_secs=NOTE_SECS,
        is_cancellable=False,
    )


def can_transfer(business: Business) -> bool:
    """Claim that there is a person whom callers may be put through to."""
    return business.transfer_number is not None


def handover(session: BookingSession, *, name: str, reason: str) -> str:
    """Return what a person is told who takes the call over, made of what this call has shown."""
    known = next(iter(session.booked_for.values()), "")
    said = " ".join(_cleaned(name or known).split()) or "A caller"
    facts = [f"{said} is on the line for {session.business.name}.", *_wants(session), *_has(session)]
    if about := _reason(session, reason):
        facts.append(f"It is about: {about}.")
    return " ".join(facts)


def _refusal(session: BookingSession) -> str:
    """Return what to say instead of putting the caller through, "" when they can be."""
    if session.was_unanswered:
        # Whoever lets the phone ring does not want it to ring again for the same caller.
        return NOBODY_ANSWERS
    business = session.business
    return "" if business.transfers_always or business.is_open(session.clock()) else NOBODY_NOW


def _wants(session: BookingSession) -> Iterator[str]:
    """Yield what the caller has booked in this call, or else was about to book, or else was offered."""
    looked_for = [(action, each.slot) for action in session.actions for each in session.ledger(action)]
    booked = [_titled(action, slot) for action, slot in looked_for if slot in session.booked_for]
    if booked:
        yield f"In this call they took {' and '.join(booked[-MOST_APPOINTMENTS:])}; it is booked, or being confirmed."
    elif session.held is not None:
        yield f"They have chosen {_titled(*session.held)}; it is not booked yet."
    elif looked_for:
        titles = dict.fromkeys(a(action.title) for action, _ in looked_for)
        yield f"They looked for a time for {' and '.join(titles)}; nothing is booked."


def _has(session: BookingSession) -> Iterator[str]:
    """Yield what the caller was told of their appointments, as they stand now."""
    booked = set(session.booked_for)
    known = [each for each in session.found.values() if each.slot not in booked]
    for each in known[:MOST_APPOINTMENTS]:
        action = session.action_of(each)
        zone = action.zone if action else session.business.zone
        when = _on(each.title, each.slot, zone)
        if each.status is AppointmentStatus.CANCELLED:
            yield f"They have cancelled {when}."
        elif each.status in LIVE:
            yield f"They have {when}."


def _titled(action: Action, slot: Slot) -> str:
    return _on(action.title, slot, action.zone)


def _on(title: str, slot: Slot, zone: ZoneInfo) -> str:
    return f"{a(title)} on {say_slot(slot, zone)}"


def _reason(session: BookingSession, reason: str) -> str:
    """Return the model's words, short, on one line, and without a code that the caller may have read out."""
    text = " ".join(_cleaned(reason).split())
    if fewest := session.identity.fewest_digits_hidden:
        text = without_digits(text, fewest=fewest)
    if len(text) > LONGEST_REASON:
        text = text[:LONGEST_REASON].rsplit(" ", 1)[0]
    return text.rstrip(" .,;:!?")


def _cleaned(text: str) -> str:
    """Return `text` without what nobody says: markup, links, and signs that are no punctuation."""
    text = re.sub(r"https?://\S+|www\.\S+", " ", text)
    return re.sub(r"[^\w\s.,;:!?'$€£%@&/+-]", " ", text)
