"""Going on with a call whose line broke: what it had booked and held, what was said, and where the caller was."""

from __future__ import annotations

from itertools import accumulate, takewhile
from typing import TYPE_CHECKING

from tools.booking import booked_reply

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from appointments.model import Action, Appointment, EventTypeId
    from appointments.offer import OfferedSlot
    from appointments.store.records import TurnRecord
    from tools.session import BookingSession

MOST_CHARACTERS = 3000
"""What the model is told of a conversation that it has not been in: the end of it counts."""
BROKE = (
    "The line broke in the middle of this call, and the caller is back. They have just been told so, and where they "
    "were. Go on from there; do not greet them again, and ask for nothing that was answered below."
)
GO_ON = "Please go on."
FROM_THE_START = "How can I help you?"
MORE = "Is there anything else?"
SHALL_WE = "Shall we go on with it?"


async def take_up(session: BookingSession, *, why: str = BROKE) -> str:
    """Put what the call has come to into `session`, and return what to tell the caller of it.

    Args:
        why: What the model is told of how the call comes to be taken up.
    """
    so_far = await session.service.recall(session.call_sid)
    booked = [known for each in so_far.booked if (known := _know_booked(session, each))]
    kept = await _know_held(session)
    notes = [why]
    for action, offered, appointment in booked:
        notes.append(
            f"In this call {offered.say} was booked, for {action.title}, in the name of {appointment.attendee.name}, "
            f"slot key {offered.key}: do not book it again."
        )
    if kept:
        notes.append(f"It is kept for them: {kept[1].say}, for {kept[0].title}, slot key {kept[1].key}.")
    if said := "\n".join(_last(so_far.turns)):
        notes.append(f"What was said before:\n{said}")
    session.note = "\n".join(notes)
    if kept:
        return f"You were taking {kept[1].say}. {SHALL_WE}"
    if booked:
        action, offered, appointment = booked[-1]
        return f"{booked_reply(session, action, appointment, when=offered.say).say} {MORE}"
    return GO_ON if any(turn.who == "caller" for turn in so_far.turns) else FROM_THE_START


def _know_booked(session: BookingSession, appointment: Appointment) -> tuple[Action, OfferedSlot, Appointment] | None:
    action = _booking(session, appointment.event_type_id)
    if action is None:
        return None
    session.booked_for[appointment.slot] = appointment.attendee.name
    (offered,) = session.offer(action, [appointment.slot])
    return action, offered, appointment


async def _know_held(session: BookingSession) -> tuple[Action, OfferedSlot] | None:
    held = await session.service.holds.still_held(session.call_sid)
    action = _booking(session, held.event_type_id) if held else None
    if held is None or action is None:
        return None
    session.held = action, held.slot
    (offered,) = session.offer(action, [held.slot])
    return action, offered


def _booking(session: BookingSession, event_type_id: EventTypeId) -> Action | None:
    return next((action for action in session.actions if action.event_type_id == event_type_id), None)


def _last(turns: Sequence[TurnRecord]) -> Sequence[str]:
    """Return the end of the conversation, a line for each turn."""
    lines = list(_lines(turns))
    lengths = accumulate(len(line) for line in reversed(lines))
    fitting = sum(1 for _ in takewhile(lambda length: length <= MOST_CHARACTERS, lengths))
    return lines[len(lines) - fitting :]


def _lines(turns: Sequence[TurnRecord]) -> Iterator[str]:
    for turn in turns:
        # What was said is one line, so that no caller can write a line of their own into the instructions.
        text = " ".join(turn.text.split())
        yield f"{turn.tool}: {text}" if turn.tool else f"{turn.who}: {text}"
