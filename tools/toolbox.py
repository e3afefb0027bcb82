"""All that the model may call in one call, and the names of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appointments.model import Scope
from tools.appointments import cancel_appointment, confirm_appointment, find_appointments, move_appointment
from tools.booking import book_appointment, find_slots, tool_name
from tools.call import end_call
from tools.email import may_take_email, needs_email, note_email
from tools.identity import check_code, text_code
from tools.requests import join_waitlist, request_callback
from tools.transfer import can_transfer, transfer_to_human

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from appointments.model import Action, Business, EventType
    from tools.registry import Tool
    from tools.session import BookingSession

OF_SCOPE: Mapping[Scope, tuple[Callable[[BookingSession], Tool], ...]] = {
    Scope.READ: (find_appointments, confirm_appointment, text_code, check_code),
    Scope.RESCHEDULE: (move_appointment,),
    Scope.CANCEL: (cancel_appointment,),
}
"""What needs leave, besides booking. Without READ nobody's appointments are told, and so none is changed."""
ALWAYS = (join_waitlist, request_callback, end_call)


def all_tools(session: BookingSession, event_types: Mapping[str, EventType]) -> tuple[Tool, ...]:
    """Return the tools of a call; `event_types` has what each action books, by the action's name."""
    business = session.business
    books = session.actions if Scope.CREATE in business.scopes else ()
    return (
        find_slots(session),
        *(book_appointment(session, action, event_types[action.name]) for action in books),
        *_email(session, [(action, event_types[action.name]) for action in books]),
        *(make(session) for make in _allowed(business)),
    )


def tool_names(business: Business) -> tuple[str, ...]:
    """Return the names of all that the model may call for `business`."""
    books = business.actions if Scope.CREATE in business.scopes else ()
    # Whether an address is needed, the calendar knows; instructions may name the tool all the same.
    takes_email = (note_email.__name__,) if books else ()
    return ("find_slots", *map(tool_name, books), *takes_email, *(make.__name__ for make in _allowed(business)))


def _email(session: BookingSession, books: Sequence[tuple[Action, EventType]]) -> tuple[Tool, ...]:
    """Return the tool that takes e-mail addresses, where one may be asked for."""
    if not any(may_take_email(session, *each) for each in books):
        return ()
    return (note_email(session, is_always_needed=any(needs_email(*each) for each in books)),)


def _allowed(business: Business) -> tuple[Callable[[BookingSession], Tool], ...]:
    scopes = business.scopes if Scope.READ in business.scopes else frozenset[Scope]()
    transfers = (transfer_to_human,) if can_transfer(business) else ()
    return (*(make for scope, makers in OF_SCOPE.items() if scope in scopes for make in makers), *transfers, *ALWAYS)
