"""Which calendar is booked, and whether the built-in one has anything to offer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from agent.doctor.calcom_account import LOOK_AHEAD, check_calcom
from agent.doctor.findings import Check, Finding, failed, ok, skipped, warning
from agent.doctor.zones import judge_zones, shown
from agent.front_desk import calendar_mistake
from appointments.errors import CalendarUnavailable, ConfigError
from appointments.rules import open_slots, violation
from appointments.store.inspection import RecordState, inspect_record
from appointments.store.store import Store
from calendars.builtin import BuiltinCalendar

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from agent.doctor.installation import Installation
    from agent.settings import Settings
    from appointments.model import Action, Business, Slot

_CALCOM_CHECKS = (Check.CALCOM_KEY, Check.CALCOM_VERSION, Check.CALCOM_CALENDARS, Check.EVENT_TYPE)
_SLOT_CHECKS = (Check.ZONES, Check.FREE_SLOTS)
_SHOWN = 3
"""So many of an action's free slots are named."""


async def check_calendar(installation: Installation) -> list[Finding]:
    """Look at the calendar in use."""
    if why := installation.lacks("calendar", "calcom_event_type_id"):
        return [skipped(check, why) for check in (Check.CALENDAR, *_CALCOM_CHECKS, *_SLOT_CHECKS)]
    settings = installation.settings
    assert settings is not None
    if settings.calendar_in_use == "calcom":
        return [ok(Check.CALENDAR, _chosen(settings)), *await check_calcom(installation)]
    others = [skipped(check, "not tried: the built-in calendar is booked") for check in _CALCOM_CHECKS]
    if installation.business is None:
        why = installation.lacks(business=True)
        return [ok(Check.CALENDAR, _chosen(settings)), *others, *(skipped(check, why) for check in _SLOT_CHECKS)]
    chosen = _choices(settings, installation.business)
    return [*chosen, *others, *await _slots(installation, installation.business, settings)]


def _chosen(settings: Settings) -> str:
    if settings.calendar_in_use == "calcom":
        return f"Cal.com, because {'CALENDAR is calcom' if settings.calendar else 'CALCOM_API_KEY is set'}"
    why = "CALENDAR is builtin" if settings.calendar else "CALCOM_API_KEY is unset"
    return f"the built-in calendar, because {why}"


def _choices(settings: Settings, business: Business) -> list[Finding]:
    """Return whether the built-in calendar is what is meant, and can be booked as the business file says."""
    if mistake := calendar_mistake(settings, business):
        seen, _, fix = mistake.partition(". ")
        return [failed(Check.CALENDAR, f"{settings.business_file}: {seen}", f"{fix}.")]
    if not business.hours:
        seen = f"{_chosen(settings)}; it is open in the business's hours, and there are none"
        fix = f'Write them below [hours] in {settings.business_file}, such as monday = ["09:00-17:00"].'
        return [failed(Check.CALENDAR, seen, fix)]
    meetings = [_no_link(action) for action in business.actions if action.platform not in ("phone", "in_person")]
    return [ok(Check.CALENDAR, _chosen(settings)), *meetings]


def _no_link(action: Action) -> Finding:
    seen = f"{action.name}: its platform is {action.platform}, and the built-in calendar makes no meeting links"
    fix = 'Write platform = "phone" or "in_person", or a link of your own into its sms_template.'
    return warning(Check.CALENDAR, seen, fix)


async def _slots(installation: Installation, business: Business, settings: Settings) -> list[Finding]:
    """Return the findings about each action's free slots."""
    now = settings.clock(business.zone)()
    zones: list[Finding] = []
    slots: list[Finding] = []
    free = await _free(installation, business, settings, now)
    for action in business.actions:
        found = free.get(action.name) if free is not None else None
        at = found[0].start if found else now
        zones.append(judge_zones(action, business, at=at, is_slot=bool(found)))
        if found is not None:
            slots.append(judge_open_slots(action, business, found))
    return [*zones, *(slots or [skipped(Check.FREE_SLOTS, "not looked for: see database")])]


async def _free(
    installation: Installation, business: Business, settings: Settings, now: datetime
) -> dict[str, list[Slot]] | None:
    """Return what callers could be offered, by the action's name; None when nobody can tell what is booked."""
    url = settings.database_url.get_secret_value()
    try:
        if installation.lacks("data_dir", "database_url"):
            return None
        state = (await asyncio.to_thread(inspect_record, url)).state
        if state is RecordState.MISSING:  # and so nothing is booked
            free = {action.name: _open(action, business, now) for action in business.actions}
        elif state is RecordState.CURRENT:  # and so opening it changes nothing
            free = await _unbooked(url, business, now)
        else:
            return None
    except (ConfigError, CalendarUnavailable):
        return None
    return {
        name: [slot for slot in slots if violation(slot, business, now=now) is None] for name, slots in free.items()
    }


def _open(action: Action, business: Business, now: datetime) -> Sequence[Slot]:
    return list(open_slots(business, action.duration, start=now, end=now + LOOK_AHEAD))


async def _unbooked(url: str, business: Business, now: datetime) -> dict[str, Sequence[Slot]]:
    store = await Store.open(url)
    try:
        calendar = BuiltinCalendar(store, lambda: business)
        return {
            action.name: await calendar.free_slots(action.event_type_id, start=now, end=now + LOOK_AHEAD)
            for action in business.actions
        }
    finally:
        await store.close()


def judge_open_slots(action: Action, business: Business, slots: Sequence[Slot]) -> Finding:
    """Return what callers of the built-in calendar are offered next."""
    if not slots:
        minutes = f"{action.duration.total_seconds() / 60:.0f} minutes"
        seen = f"{action.name}: none in the next {LOOK_AHEAD.days} days, so callers are told that all is taken"
        fix = (
            f"See in the business file whether [hours] and [rules] leave room for {minutes}; "
            "if they do, everything is booked."
        )
        return warning(Check.FREE_SLOTS, seen, fix)
    first = ", ".join(shown(slot.start, business.zone) for slot in slots[:_SHOWN])
    return ok(Check.FREE_SLOTS, f"{action.name}: {len(slots)} in the next {LOOK_AHEAD.days} days; next {first}")
