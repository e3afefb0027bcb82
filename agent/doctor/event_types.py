"""Whether an event type of Cal.com can be booked by phone the way the business file says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.doctor.findings import Check, Finding, failed, ok, warning
from appointments.model import Scope
from calendars.calcom_event_types import Obstacle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from appointments.model import Action
    from calendars.calcom_event_types import EventTypeDetails

_WAYS_OUT = {
    Obstacle.MANAGED: "Use the number of the event type that a member got from it: open it in that member's account.",
    Obstacle.PRICE: "Set its price to 0, or turn off the payment app, under Apps of the event type.",
    Obstacle.SEATS: 'Turn off "Offer seats" under Advanced of the event type.',
    Obstacle.RECURRENCE: 'Turn off "Recurring event" under Recurring of the event type.',
    Obstacle.VERIFICATION: 'Turn off "Requires booker email verification" under Advanced of the event type.',
}

_PLATFORMS = {
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

_CHANGES = {
    Scope.RESCHEDULE: ("move", "Disable Rescheduling"),
    Scope.CANCEL: ("cancel", "Disable Cancelling"),
}
"""Each: what callers may want with a booking, and the switch at Cal.com that forbids it."""

_FILLED_BY_CALENDAR = frozenset({"location", "rescheduleReason"})
_FILLED_BY_CALLER_ID = frozenset({"attendeePhoneNumber", "smsReminderNumber"})


def judge_event_type(
    action: Action,
    details: EventTypeDetails,
    minutes_place: str = "",
    *,
    scopes: frozenset[Scope] = frozenset(Scope),
) -> list[Finding]:
    """Return everything in `details` that stands between a caller and a booking, or that it is fine.

    Args:
        scopes: What the business lets the agent do.
        minutes_place: Where the business file says how long it takes; "": nowhere.
    """
    found = details.event_type
    name = f"{action.name}: event type {found.id}, {found.title!r}, {found.duration.total_seconds() / 60:.0f} min"
    findings = [*_failures(name, details), *_cautions(name, action, details)]
    findings += [_forbidden(name, scope) for scope in _CHANGES if scope in details.forbidden & scopes]
    if minutes_place and action.duration != found.duration:
        findings.append(_other_length(name, minutes_place))
    return findings or [ok(Check.EVENT_TYPE, name)]


def _failures(name: str, details: EventTypeDetails) -> Iterator[Finding]:
    for obstacle in details.obstacles:
        yield failed(Check.EVENT_TYPE, f"{name}: {obstacle}", _WAYS_OUT[obstacle])
    if details.lacks_hosts:
        fix = "Add a host under Assignment of the event type."
        yield failed(Check.EVENT_TYPE, f"{name}: it belongs to a team and has no hosts", fix)
    questions = [field for field in details.required_fields if field not in _FILLED_BY_CALENDAR | _FILLED_BY_CALLER_ID]
    if questions:
        yield failed(
            Check.EVENT_TYPE,
            f"{name}: it demands {', '.join(questions)}, which the agent cannot always fill in",
            "Make these questions optional under Advanced → Booking questions of the event type.",
        )


def _forbidden(name: str, scope: Scope) -> Finding:
    what, switch = _CHANGES[scope]
    seen = f"{name}: Cal.com lets nobody {what} its bookings, so callers who ask for it are told that it did not work"
    fix = (
        f'Turn off "{switch}" under Advanced of the event type, or take "{scope}" out of scopes in the business file: '
        "then the agent does not offer it."
    )
    return warning(Check.EVENT_TYPE, seen, fix)


def _other_length(name: str, minutes_place: str) -> Finding:
    fix = f"Change {minutes_place} or leave it out, or change the length at Cal.com, which is the one that counts."
    return warning(Check.EVENT_TYPE, f"{name}: the business file says something else of how long it takes", fix)


def _cautions(name: str, action: Action, details: EventTypeDetails) -> Iterator[Finding]:
    if details.needs_confirmation:
        yield warning(
            Check.EVENT_TYPE,
            f"{name}: bookings wait for a confirmation, so callers hear that a person will check",
            'Turn off "Requires confirmation" under Advanced of the event type, unless that is meant.',
        )
    if details.event_type.requires_email and not action.fallback_email:
        yield warning(
            Check.EVENT_TYPE,
            f"{name}: it demands an e-mail address, so every caller has to spell one",
            "Make the e-mail optional and the phone number required under Advanced → Booking questions of the "
            "event type, or set fallback_email for this action in the business file.",
        )
    if details.event_type.requires_email and _FILLED_BY_CALLER_ID & set(details.required_fields):
        yield warning(
            Check.EVENT_TYPE,
            f"{name}: it demands a phone number beside the e-mail, so callers who withhold theirs cannot book",
            "Make the phone number optional under Advanced → Booking questions of the event type.",
        )
    yield from _place(name, action, details)


def _place(name: str, action: Action, details: EventTypeDetails) -> Iterator[Finding]:
    default = details.locations[0] if details.locations else ""
    platform = _PLATFORMS.get(default, action.platform)
    if platform != action.platform:
        yield warning(
            Check.EVENT_TYPE,
            f"{name}: the agent says {action.platform}, but Cal.com's first location is {default}",
            f'Write platform = "{platform}" for this action in the business file, or change the first location '
            "of the event type.",
        )
