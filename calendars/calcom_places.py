"""Where an appointment takes place: Cal.com's kinds of place, and which of them the business file's platform means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appointments.booking_fields import LOCATION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appointments.model import Attendee

PLATFORMS = {
    "phone": "phone",
    "attendeePhone": "phone",
    "address": "in_person",
    "attendeeAddress": "in_person",
    "cal-video": "cal_video",
    "zoom": "zoom",
    "google-meet": "google_meet",
    "office365-video": "microsoft_teams",
}
"""What the business file calls Cal.com's kinds of place; of the others nothing can be said."""

ATTENDEE_SAYS = {"attendeeAddress": "address", "attendeeDefined": "location"}
"""The kinds of place that only the attendee can name, and the key under which Cal.com wants it."""

_PLAIN = frozenset({"address", "link", "phone", "organizersDefaultApp"})
"""The kinds that are named by themselves; what is neither here nor above is an app for meetings."""


def kind_of_place(place: object) -> str:
    """Return the kind of one of an event type's places, the app where they meet by video; "" for what is none."""
    if not isinstance(place, dict):
        return ""
    kind = place.get("integration") if place.get("type") == "integration" else place.get("type")
    return kind if isinstance(kind, str) else ""


def chosen_kind(kinds: Sequence[str], platform: str) -> str:
    """Return the kind of place that `platform` means among those of an event type, else Cal.com's default, or ""."""
    default = kinds[0] if kinds else ""
    return next((each for each in kinds if PLATFORMS.get(each) == platform), default)


def place_to_book(kinds: Sequence[str], platform: str, attendee: Attendee) -> dict[str, str] | None:
    """Return the place to ask for among an event type's `kinds`; None where Cal.com's own choice is right.

    Args:
        platform: What the business file says, "" when nothing is known.
    """
    kind = chosen_kind(kinds, platform)
    if kind == "attendeePhone":
        return {"type": kind, "phone": attendee.phone} if attendee.phone else None
    if key := ATTENDEE_SAYS.get(kind):
        said = attendee.answers.get(LOCATION)
        return {"type": kind, key: said} if isinstance(said, str) else None
    if not kind or kind == kinds[0]:
        return None
    return {"type": kind} if kind in _PLAIN else {"type": "integration", "integration": kind}
