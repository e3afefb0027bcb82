"""Whether Cal.com takes the key, has the event types, and has anything free in them."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from agent.doctor.event_types import judge_event_type
from agent.doctor.findings import Check, Finding, State, failed, ok, skipped, warning
from agent.doctor.services import REQUEST_SECS, host_of, reach_help
from agent.doctor.zones import judge_zones, shown
from appointments.errors import CalendarRejected, CalendarUnavailable
from appointments.model import Rule
from appointments.rules import broken_rule
from calendars.calcom import CalComCalendar
from calendars.calcom_requests import ADDRESS_HELP, EVENT_TYPE_HELP, EVENT_TYPE_PLACES, KEY_HELP
from calendars.client import RateLimited

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from agent.doctor.installation import Installation
    from agent.settings import Settings
    from appointments.model import Action, Business, Slot
    from calendars.calcom_account import Calendars

LOOK_AHEAD = timedelta(days=14)
_CHECKS = (Check.CALCOM_VERSION, Check.CALCOM_CALENDARS, Check.EVENT_TYPE, Check.ZONES, Check.FREE_SLOTS)
_STATUS = "https://status.cal.com"


async def check_calcom(installation: Installation) -> list[Finding]:
    if why := installation.lacks("calcom_api_key", "calcom_base_url"):
        return [skipped(check, why) for check in (Check.CALCOM_KEY, *_CHECKS)]
    settings = installation.settings
    assert settings is not None
    calendar = CalComCalendar.connect(
        settings.calcom_base_url,
        api_key=settings.calcom_api_key.get_secret_value(),
        timeout_secs=REQUEST_SECS,
        pauses_secs=(),
        action_of=installation.business.action_of if installation.business else lambda _: None,
    )
    async with aclosing(calendar):
        try:
            owner_zone = await calendar.me()
        except (CalendarRejected, CalendarUnavailable) as error:
            why = "not asked: see calcom_key"
            return [_trouble(Check.CALCOM_KEY, error, settings), *(skipped(check, why) for check in _CHECKS)]
        seen = f"CALCOM_API_KEY is accepted by {host_of(settings.calcom_base_url)}; its owner is in {owner_zone}"
        return [ok(Check.CALCOM_KEY, seen), *await _ask_all(installation, calendar, owner_zone)]


async def _ask_all(installation: Installation, calendar: CalComCalendar, owner_zone: str) -> list[Finding]:
    settings, business = installation.settings, installation.business
    assert settings is not None
    if why := installation.lacks("calcom_event_type_id", business=True):
        of_account = [*await _version(calendar, settings), *await _calendars(calendar)]
        return [*of_account, *(skipped(check, why) for check in _CHECKS[2:])]
    assert business is not None
    connected = await _connected(calendar)
    actions = (_action(action, installation, calendar, owner_zone, connected) for action in business.actions)
    found = await asyncio.gather(_version(calendar, settings), _calendars(calendar), *actions)
    return [finding for findings in found for finding in findings]


async def _version(calendar: CalComCalendar, settings: Settings) -> list[Finding]:
    try:
        if await calendar.understands_us():
            return [ok(Check.CALCOM_VERSION, "the server knows the version of the API that slotline speaks")]
    except (CalendarRejected, CalendarUnavailable) as error:
        return [_trouble(Check.CALCOM_VERSION, error, settings)]
    seen = f"{host_of(settings.calcom_base_url)} answers in an older shape than slotline understands"
    fix = "Update your own Cal.com, or use the hosted one: unset CALCOM_BASE_URL."
    return [failed(Check.CALCOM_VERSION, seen, fix)]


async def _calendars(calendar: CalComCalendar) -> list[Finding]:
    try:
        return [judge_calendars(await calendar.account.calendars())]
    except (CalendarRejected, CalendarUnavailable) as error:
        return [skipped(Check.CALCOM_CALENDARS, f"not known: {error}")]


def judge_calendars(calendars: Calendars) -> Finding:
    """Return which calendars make times taken at Cal.com, and which one gets the bookings."""
    checked = [_shortened(each.name) for each in calendars.connected if each.is_checked]
    if not checked:
        there = "none is connected" if not calendars.connected else "none of those connected is checked"
        seen = f"{there}, so what is in the owner's own calendar does not make a time taken"
        fix = "Connect one at Cal.com → Settings → Calendars, and check it for conflicts there."
        return warning(Check.CALCOM_CALENDARS, seen, fix)
    seen = f"taken is what stands in {', '.join(checked)}"
    if not calendars.writes_to:
        fix = "Choose the calendar to add events to at Cal.com → Settings → Calendars."
        return warning(Check.CALCOM_CALENDARS, f"{seen}; bookings are written to none of them", fix)
    return ok(Check.CALCOM_CALENDARS, f"{seen}; bookings are written to {_shortened(calendars.writes_to)}")


def _shortened(name: str) -> str:
    """Return the name of a calendar so that its owner knows it: often it is an e-mail address."""
    user, at, host = name.partition("@")
    return f"{user[:2]}…@{host}" if at else name


async def _connected(calendar: CalComCalendar) -> Collection[str] | None:
    """Return the platforms that are connected at Cal.com, None when it does not say: some servers cannot."""
    try:
        return await calendar.account.platforms()
    except (CalendarRejected, CalendarUnavailable):
        return None


async def _action(
    action: Action,
    installation: Installation,
    calendar: CalComCalendar,
    owner_zone: str,
    connected: Collection[str] | None,
) -> list[Finding]:
    settings, business = installation.settings, installation.business
    assert settings is not None
    assert business is not None
    now = settings.clock(business.zone)()
    details, (free, first) = await asyncio.gather(
        _details(action, calendar, installation, connected),
        _free_slots(action, business, calendar, settings, now),
    )
    zones = judge_zones(action, business, owner_zone, at=first or now, is_slot=first is not None)
    if any(finding.state is State.FAILED for finding in details) and free.state is State.FAILED:
        free = skipped(Check.FREE_SLOTS, f"{action.name}: the event type must be put right first")
    if first is not None and State.WARNING is free.state is zones.state:
        free = replace(free, fix=f"Put zones above right first: it may explain this. Otherwise: {free.fix}")
    return [*details, zones, free]


async def _details(
    action: Action, calendar: CalComCalendar, installation: Installation, connected: Collection[str] | None
) -> list[Finding]:
    settings, business = installation.settings, installation.business
    assert settings is not None
    assert business is not None
    minutes_place = installation.minutes_places.get(action.name, "")
    try:
        details = await calendar.describe(action.event_type_id)
        return judge_event_type(action, details, minutes_place, scopes=business.scopes, connected=connected)
    except (CalendarRejected, CalendarUnavailable) as error:
        found = _trouble(Check.EVENT_TYPE, error, settings, action.name)
        return [replace(found, fix=found.fix.replace(EVENT_TYPE_PLACES, action.event_type_place))]


async def _free_slots(
    action: Action, business: Business, calendar: CalComCalendar, settings: Settings, now: datetime
) -> tuple[Finding, datetime | None]:
    """Return the finding and when the first free slot is, None when there is none."""
    try:
        slots = await calendar.free_slots(action.event_type_id, start=now, end=now + LOOK_AHEAD)
    except (CalendarRejected, CalendarUnavailable) as error:
        return _trouble(Check.FREE_SLOTS, error, settings, action.name), None
    return judge_free_slots(action, business, slots), slots[0].start if slots else None


def judge_free_slots(action: Action, business: Business, slots: Sequence[Slot]) -> Finding:
    """Return whether there is something to offer, and whether hours and grid let all of it through."""
    if not slots:
        seen = f"{action.name}: none in the next {LOOK_AHEAD.days} days, so callers are told that all is taken"
        fix = (
            "See at Cal.com whether the event type has a schedule with hours in it (Availability), whether its limits "
            "leave room (Limits), and whether a connected calendar is full."
        )
        return warning(Check.FREE_SLOTS, seen, fix)
    seen = f"{action.name}: {len(slots)} in the next {LOOK_AHEAD.days} days"
    hidden = [(slot, rule) for slot in slots if (rule := broken_rule(slot, business)) in _CURES]
    if not hidden:
        return ok(Check.FREE_SLOTS, seen)
    slot, rule = hidden[0]
    why, fix = _CURES[rule]
    seen += f", {len(hidden)} of them never offered: {shown(slot.start, business.zone)}, for one, {why}"
    return warning(Check.FREE_SLOTS, seen, fix)


_CURES: Mapping[Rule | None, tuple[str, str]] = {
    Rule.OUTSIDE_HOURS: (
        "does not lie within the business's hours",
        "Change the schedule at Cal.com → Availability, or [hours] in the business file, whichever is wrong.",
    ),
    Rule.OFF_GRID: (
        "begins off the grid",
        "Change grid_minutes in [rules] of the business file; 0 takes the times as Cal.com has them.",
    ),
}


def _trouble(
    check: Check, error: CalendarRejected | CalendarUnavailable, settings: Settings, action: str = ""
) -> Finding:
    """Split what the calendar's error says into what was seen and the way out that ends it."""
    seen = f"{action}: {error}" if action else str(error)
    if isinstance(error, RateLimited):
        return warning(check, seen, "Run this again in a minute; a worker that shares the key is limited too.")
    if isinstance(error, CalendarUnavailable):
        return failed(check, seen, reach_help(settings.calcom_base_url, "CALCOM_BASE_URL", _STATUS))
    for way_out in (KEY_HELP, ADDRESS_HELP, EVENT_TYPE_HELP):
        if seen.endswith(way_out):
            return failed(check, seen.removesuffix(way_out).strip(), way_out)
    return failed(check, seen, EVENT_TYPE_HELP if action else ADDRESS_HELP)
