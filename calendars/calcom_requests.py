"""How Cal.com's API v2 is asked, and what its refusals mean."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from appointments.errors import CalendarRejected, EventTypeChanged
from calendars.calcom_wire import data_of
from calendars.client import READ_PAUSES_SECS, Refusal, ServiceClient

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from appointments.model import EventTypeId

# One version per resource; an unknown one silently falls back to an older shape:
# https://cal.com/docs/api-reference/v2/introduction
SLOTS = {"cal-api-version": "2024-09-04"}
BOOKINGS = {"cal-api-version": "2024-08-13"}
EVENT_TYPES = {"cal-api-version": "2024-06-14"}

KEY_HELP = "Create a key under Cal.com → Settings → Developer → API keys and set CALCOM_API_KEY."
ADDRESS_HELP = "Set CALCOM_BASE_URL to the address of Cal.com's API v2, without /v2: https://api.cal.com"
EVENT_TYPE_PLACES = "CALCOM_EVENT_TYPE_ID, or event_type in the business file,"
"""What names an event type. Which of both it is, only they know who have read them."""
EVENT_TYPE_HELP = (
    f"Set {EVENT_TYPE_PLACES} to the number in the event type's address at "
    "Cal.com, https://app.cal.com/event-types/<number>, in the account of CALCOM_API_KEY."
)

TAKEN_TEXTS = (
    "already has booking at this time or is not available",
    "no_available_users_found_error",
    "fixed_hosts_unavailable_for_booking",
    "round_robin_host_unavailable_for_booking",
    "booking_conflict_error",
    "booking_seats_full_error",
    "can't be booked at the",
    "book a meeting in the past",
)
"""Cal.com sends no codes: these parts of its messages mean that the slot is not to be had."""

CHANGED_TEXTS = (
    "Missing required booking field response",
    "for booking field",
    "error_required_field",
    "'lengthInMinutes'",
    "Booking location with",
    "parent managed event type",
    "Missing payment credentials",
)
"""What a booking is refused with when its event type wants something else than it did when it was read."""
CHANGED_HELP = "`slotline doctor` tells what the event type wants now."

NOT_ALLOWED_TEXTS = ("does not allow", "is not allowed within")
"""The settings of the event type are against it."""
CHANGE_HELP = (
    "Whether its bookings may be moved or cancelled is set at Cal.com under Advanced of the event type. "
    "Until then a person must change this one there."
)

NO_ROUTE_TEXTS = ("Cannot GET ", "Cannot POST ")
"""What the 404 of a wrong address says; others say what was not found."""

E_MAIL = re.compile(r"[^\s@\"'<>]+@[^\s@\"'<>]+")


def connect(
    base_url: str, *, api_key: str, timeout_secs: float = 8.0, pauses_secs: Sequence[float] = READ_PAUSES_SECS
) -> ServiceClient:
    """Return a client of one account."""
    return ServiceClient(
        base_url,
        api_key=api_key,
        name="Cal.com",
        key_help=KEY_HELP,
        timeout_secs=timeout_secs,
        pauses_secs=pauses_secs,
    )


async def ask(
    client: ServiceClient,
    path: str,
    params: Mapping[str, str],
    headers: Mapping[str, str],
    event_type_id: str = "",
) -> Any:
    """Return the data at `path`; raises as `ServiceClient.get` does, and every refusal as a `CalendarRejected`."""
    try:
        body = await client.get(path, params=params, headers=headers)
    except Refusal as refusal:
        raise rejected(refusal, event_type_id) from None
    return data_of(body)


def is_taken(refusal: Refusal) -> bool:
    """Claim that the slot is not to be had."""
    return refusal.status == 409 or any(text in refusal.text for text in TAKEN_TEXTS)


def not_booked(refusal: Refusal, event_type_id: EventTypeId) -> CalendarRejected:
    """Say why a booking was refused; of what was sent, nothing private may be left in the refusal."""
    if any(text in refusal.text for text in CHANGED_TEXTS):
        return EventTypeChanged(f"{rejected(refusal, event_type_id)} {CHANGED_HELP}")
    return rejected(refusal, event_type_id)


def not_changed(refusal: Refusal, reason: str) -> CalendarRejected:
    """Say why a booking was not moved or cancelled; `reason` is what the caller said."""
    text = without_personal_data(refusal.text, (reason,))
    if any(each in refusal.text for each in NOT_ALLOWED_TEXTS):
        return CalendarRejected(f"Cal.com does not let this be changed ({refusal.status}): {text}. {CHANGE_HELP}")
    return rejected(Refusal(refusal.status, text))


def rejected(refusal: Refusal, event_type_id: str = "") -> CalendarRejected:
    """Say what was refused and the way out, as far as it is known."""
    said = f"({refusal.status}): {refusal.text}" if refusal.text else f"({refusal.status})"
    if refusal.status < 400 or refusal.text.startswith(NO_ROUTE_TEXTS):
        return CalendarRejected(f"Cal.com's API v2 is not at this address {said}. {ADDRESS_HELP}")
    if refusal.status == 403:
        return CalendarRejected(f"Cal.com does not allow the key to do this {said}. {KEY_HELP}")
    if refusal.status == 404 and event_type_id:
        return EventTypeChanged(f"Cal.com knows no event type {event_type_id} {said}. {EVENT_TYPE_HELP}")
    about = f" about event type {event_type_id}" if event_type_id else ""
    return CalendarRejected(f"Cal.com refused a request{about} {said}")


def number(event_type_id: EventTypeId) -> str:
    """Return the number of an event type, as Cal.com names it."""
    if not (event_type_id.isascii() and event_type_id.isdigit()):
        raise CalendarRejected(f"{event_type_id!r} is no event type of Cal.com: those are numbers. {EVENT_TYPE_HELP}")
    return event_type_id


def without_personal_data(text: str, private: Iterable[str | None]) -> str:
    """Return `text` without what is `private` of what was sent, and without any e-mail address."""
    for each in filter(None, private):
        text = re.sub(rf"(?<!\w){re.escape(each)}(?!\w)", "…", text, flags=re.IGNORECASE)
    return E_MAIL.sub("…", text)
