"""Whether the business, what is booked and Cal.com reckon in the same time zone: if not, times are off by hours."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from agent.doctor.findings import Check, Finding, ok, warning

if TYPE_CHECKING:
    from datetime import datetime

    from appointments.model import Action, Business

_HALF_A_YEAR = timedelta(days=182)
"""So much apart, both winter time and summer time are seen."""


def judge_zones(
    action: Action, business: Business, owner_zone: str | None = None, *, at: datetime, is_slot: bool
) -> Finding:
    """Return what the zones of an action make of the moment `at`: a free slot, or now when there is none.

    Args:
        owner_zone: That of Cal.com's owner; None where Cal.com is not used.
    """
    moment = "the first free slot" if is_slot else "now"
    seen = (
        f"{action.name}: {moment} is {shown(at, business.zone)} for the business, "
        f"{shown(at, action.zone)} in what callers hear"
    )
    fixes = [] if _agree(action.zone, business.zone, at) else [_fix_of_action(action, business)]
    if owner_zone is None:
        return warning(Check.ZONES, seen, " ".join(fixes)) if fixes else ok(Check.ZONES, seen)
    try:
        owner = ZoneInfo(owner_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        seen = f"{action.name}: Cal.com's owner is in {owner_zone!r}, a zone that this machine does not know"
        return warning(Check.ZONES, seen, "Choose another time zone at Cal.com → Settings → General.")
    seen = f"{seen}, {shown(at, owner)} at Cal.com"
    if not _agree(owner, action.zone, at) and not (fixes and _agree(owner, business.zone, at)):
        fixes.append(_fix_of_owner(action, owner))
    return warning(Check.ZONES, seen, " ".join(fixes)) if fixes else ok(Check.ZONES, seen)


def shown(at: datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%a %Y-%m-%d %H:%M} ({zone.key})"


def _agree(one: ZoneInfo, other: ZoneInfo, at: datetime) -> bool:
    """Tell whether both show the same time all year round."""
    return all(
        moment.astimezone(one).utcoffset() == moment.astimezone(other).utcoffset() for moment in (at, at + _HALF_A_YEAR)
    )


def _fix_of_action(action: Action, business: Business) -> str:
    return (
        f"Callers hear and get texts in {action.zone.key}, and the opening hours are in {business.zone.key}. "
        "If that is not meant, take `zone` out of the action in the business file."
    )


def _fix_of_owner(action: Action, owner: ZoneInfo) -> str:
    return (
        f"Callers hear {action.zone.key} and your Cal.com shows {owner.key}, so the times look off. "
        f"Set {action.zone.key} at Cal.com, under Settings → General and in the schedule under Availability; "
        f'or, if you are in {owner.key}, write zone = "{owner.key}" in the business file.'
    )
