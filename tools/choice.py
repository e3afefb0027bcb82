"""What the caller has chosen of the offer, seen from what was said; it is held from then on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from sqlalchemy.exc import SQLAlchemyError

from appointments.errors import SlotlineError
from appointments.spoken import mentions, mentions_time_alone
from tools.consent import refuses

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appointments.model import Action
    from appointments.offer import OfferedSlot
    from tools.session import BookingSession, Utterance

log = structlog.get_logger(__name__)

BROKE_OFF = (
    "This caller's last call broke off a few minutes ago, after they had picked a time. Ask whether they want to go "
    "on with it before anything else."
)


async def hold_choice(session: BookingSession, heard: Sequence[Utterance]) -> None:
    """Hold what the caller has chosen, if they have; whether it can be had at all shows when it is booked."""
    choice = chosen(session, heard)
    session.has_chosen = session.has_chosen or choice is not None
    if choice is None or (choice[0], choice[1].slot) == session.held:
        return
    action, offered = choice
    session.held = action, offered.slot
    try:
        await session.service.holds.hold(
            session.call_sid, session.caller, action.event_type_id, offered.slot, session.business
        )
    except (SlotlineError, SQLAlchemyError) as error:
        session.held = None
        log.warning("choice_not_held", error=type(error).__name__)


async def resume_hold(session: BookingSession) -> None:
    """Go on with what an earlier call of this number holds, and note for the model to ask about it.

    Which time it is, only a caller hears whose number the carrier vouches for: the others have to name it themselves.
    """
    if session.caller is None:
        return
    held = await session.service.holds.resume(session.caller, session.call_sid)
    action = next((each for each in session.actions if held and each.event_type_id == held.event_type_id), None)
    if held is None or action is None:
        return
    session.held = action, held.slot
    if session.identity.known != session.caller:
        session.note = BROKE_OFF
        return
    (offered,) = session.offer(action, [held.slot])
    session.note = f"{BROKE_OFF} It is kept for them: {offered.say}, for {action.title}, slot key {offered.key}."


def chosen(session: BookingSession, heard: Sequence[Utterance]) -> tuple[Action, OfferedSlot] | None:
    """Return what was chosen last: the one slot that is spoken of after the caller has heard the offer.

    The caller names it, or the agent does in answer to them ("The second one." "Thursday at two, then.").
    """
    if not heard or (not heard[-1].is_agent and refuses(heard[-1].text)):
        return None
    bookable = list(session.bookable())
    named = [(action, offered) for action, offered in bookable if _names(heard[-1], action, offered)]
    named = named or [(action, offered) for action, offered in bookable if _answers(heard, action, offered)]
    if len({offered.slot.start for _, offered in named}) != 1:
        return None
    # Of two things at the same time the one is meant that was offered last.
    action, offered = max(named, key=lambda each: each[1].offered_at)
    return (action, offered) if _was_answered(heard, action, offered) else None


def _was_answered(heard: Sequence[Utterance], action: Action, offered: OfferedSlot) -> bool:
    """Whether the caller has spoken since the agent first named the slot."""
    for position, turn in enumerate(heard):
        if turn.is_agent and _names(turn, action, offered):
            return any(not later.is_agent for later in heard[position + 1 :])
    return False


def _answers(heard: Sequence[Utterance], action: Action, offered: OfferedSlot) -> bool:
    """Whether the caller names only the time of what the agent has just offered: "Two in the afternoon, please."."""
    if heard[-1].is_agent or not mentions_time_alone(heard[-1].text, offered.slot, action.zone):
        return False
    last = next((turn for turn in reversed(heard) if turn.is_agent), None)
    return last is not None and _names(last, action, offered)


def _names(turn: Utterance, action: Action, offered: OfferedSlot) -> bool:
    return mentions(turn.text, offered.slot, action.zone)
