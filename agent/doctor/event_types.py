"""Whether an event type of Cal.com can be booked by phone the way the business file says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent.doctor.findings import Check, Finding, failed, ok, warning
from appointments.booking_fields import misfits
from appointments.model import Scope
from calendars.calcom_event_types import Obstacle
from calendars.calcom_places import PLATFORMS, chosen_kind

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from appointments.model import Action
    from calendars.calcom_event_types import EventTypeDetails

_WAYS_OUT = {
    Obstacle.MANAGED: "Use the number of the event type that a member got from it: open it in that member's account.",
    Obstacle.PRICE: "Set its price to 0, or turn off the payment app, under Apps of the event type.",
    Obstacle.SEATS: 'Turn off "Offer seats" under Advanced of the event type.',
    Obstacle.RECURRENCE: 'Turn off "Recurring event" under Recurring of the event type.',
    Obstacle.VERIFICATION: 'Turn off "Requires booker email verification" under Advanced of the event type.',
}

_CHANGES = {
    Scope.RESCHEDULE: ("move", "Disable Rescheduling"),
    Scope.CANCEL: ("cancel", "Disable Cancelling"),
}
"""Each: what callers may want with a booking, and the switch at Cal.com that forbids it."""


def judge_event_type(
    action: Action,
    details: EventTypeDetails,
    minutes_place: str = "",
    *,
    scopes: frozenset[Scope] = frozenset(Scope),
    connected: Collection[str] | None = None,
) -> list[Finding]:
    """Return everything in `details` that stands between a caller and a booking, or that it is fine.

    Args:
        minutes_place: Where the business file says how long it takes; "": nowhere.
        scopes: What the business lets the agent do.
        connected: The platforms that Cal.com is connected to; None: nobody knows.
    """
    found = details.event_type
    is_chosen = action.has_length and action.duration in details.lengths
    duration = action.duration if is_chosen else found.duration
    name = f"{action.name}: event type {found.id}, {found.title!r}, {duration.total_seconds() / 60:.0f} min"
    findings = [failed(Check.EVENT_TYPE, f"{name}: {what}", fix) for what, fix in obstacles(details)]
    findings += [*_unfitting(name, action, details), *_cautions(name, action, details)]
    findings += _place(name, action, details, connected)
    findings += [_forbidden(name, scope) for scope in _CHANGES if scope in details.forbidden & scopes]
    if minutes_place and action.duration != duration:
        findings.append(_other_length(name, minutes_place, details))
    return findings or [ok(Check.EVENT_TYPE, name)]


def obstacles(details: EventTypeDetails) -> Iterator[tuple[str, str]]:
    """Yield what keeps an event type from being booked by phone at all, each with the way out."""
    for obstacle in details.obstacles:
        yield obstacle.value, _WAYS_OUT[obstacle]
    if details.lacks_hosts:
        yield "it belongs to a team and has no hosts", "Add a host under Assignment of the event type."


def _unfitting(name: str, action: Action, details: EventTypeDetails) -> Iterator[Finding]:
    for misfit in misfits(action, details.event_type):
        judge = failed if misfit.is_fatal else warning
        yield judge(Check.EVENT_TYPE, f"{name}: {misfit.seen}", misfit.fix)


def _forbidden(name: str, scope: Scope) -> Finding:
    what, switch = _CHANGES[scope]
    seen = f"{name}: Cal.com lets nobody {what} its bookings, so callers who ask for it are told that it did not work"
    fix = (
        f'Turn off "{switch}" under Advanced of the event type, or take "{scope}" out of scopes in the business file: '
        "then the agent does not offer it."
    )
    return warning(Check.EVENT_TYPE, seen, fix)


def _other_length(name: str, minutes_place: str, details: EventTypeDetails) -> Finding:
    fix = f"Change {minutes_place} or leave it out, or change the length at Cal.com, which is the one that counts."
    if details.lengths:
        choice = ", ".join(f"{length.total_seconds() / 60:.0f}" for length in details.lengths)
        fix = f"Change {minutes_place} to one of {choice}, or add the length to the event type at Cal.com."
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
    if details.event_type.requires_email and details.demands_phone:
        yield warning(
            Check.EVENT_TYPE,
            f"{name}: it demands a phone number beside the e-mail, so callers who withhold theirs cannot book",
            "Make the phone number optional under Advanced → Booking questions of the event type.",
        )


def _place(
    name: str, action: Action, details: EventTypeDetails, connected: Collection[str] | None
) -> Iterator[Finding]:
    kind = chosen_kind(details.places, action.platform)
    platform = PLATFORMS.get(kind, action.platform)
    if platform != action.platform:
        yield warning(
            Check.EVENT_TYPE,
            f"{name}: the agent says {action.platform}, but Cal.com's first location is {kind}",
            f'Write platform = "{platform}" for this action in the business file, or add a location of that kind to '
            "the event type.",
        )
    if kind == "address" and not details.address:
        yield warning(
            Check.EVENT_TYPE,
            f"{name}: it takes place in person, and its location has no address, so no text says where",
            "Write the address under Location of the event type.",
        )
    # Of a team, each member's own apps count.
    if connected is not None and kind in _APPS and platform not in connected and not details.event_type.assigns_host:
        yield warning(
            Check.EVENT_TYPE,
            f"{name}: it takes place by {kind}, which is not connected at Cal.com, so its bookings get no link",
            "Connect it at Cal.com under Apps, or choose another location for the event type.",
        )


_APPS = frozenset({"zoom", "google-meet", "office365-video"})
"""The places that somebody has to connect first; Cal Video is always there."""
