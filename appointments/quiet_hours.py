"""When a message that is not urgent may reach somebody: never at night, as the receiver's own clock has it.

The law of a reminder, which is due its lead before the start:

1. What would be due before the booking was made is left out.
2. By day it is sent when it is due.
3. In quiet hours it is sent half an hour before they begin. When that has passed, it is sent as they end.
4. It is sent no later than half of its lead before the start, and never in quiet hours: then it is dropped.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from appointments.model import QuietHours

BEFORE_QUIET = timedelta(minutes=30)
"""So long before the quiet hours comes what would be due in them."""
LATEST = timedelta(hours=24)
"""Nobody is thanked later than that."""
# Offsets from UTC are multiples of it, and so are the bounds of quiet hours: within one it is day or it is night.
_QUARTER = timedelta(minutes=15)
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Window:
    """When something may be sent: from `opens` until before `closes`."""

    opens: datetime
    closes: datetime


def reminder_window(
    start: datetime, lead: timedelta, *, quiet: QuietHours | None, zone: ZoneInfo, booked_at: datetime
) -> Window | None:
    """Return when the reminder `lead` before `start` may be sent to somebody in `zone`, None when never."""
    start = start.astimezone(UTC)  # in a zone of its own it would be reckoned by the wall clock
    due, last = start - lead, start - lead / 2
    if due <= booked_at:
        return None
    opens: datetime | None = due
    if quiet is not None and is_quiet(due, quiet, zone):
        began = _change_before(due, quiet, zone)
        opens = began - BEFORE_QUIET if began else None
        if opens is None or opens <= booked_at or is_quiet(opens, quiet, zone):
            opens = _change_after(due, quiet, zone)
    return _until_quiet(opens, last, quiet, zone)


def later_window(at: datetime, *, quiet: QuietHours | None, zone: ZoneInfo) -> Window | None:
    """Return when something that is due `at`, or as soon after as may be, may be sent to somebody in `zone`."""
    at = at.astimezone(UTC)
    opens: datetime | None = at
    if quiet is not None and is_quiet(at, quiet, zone):
        opens = _change_after(at, quiet, zone)
    return _until_quiet(opens, at + LATEST, quiet, zone)


def is_quiet(at: datetime, quiet: QuietHours, zone: ZoneInfo) -> bool:
    """Claim that `at` lies in the quiet hours of somebody in `zone`."""
    clock = at.astimezone(zone).time()
    if quiet.begins < quiet.ends:
        return quiet.begins <= clock < quiet.ends
    return clock >= quiet.begins or clock < quiet.ends


def _until_quiet(opens: datetime | None, last: datetime, quiet: QuietHours | None, zone: ZoneInfo) -> Window | None:
    if opens is None:
        return None
    night = _change_after(opens, quiet, zone) if quiet else None
    closes = min(last, night) if night else last
    return Window(opens, closes) if opens < closes else None


def _change_after(at: datetime, quiet: QuietHours, zone: ZoneInfo) -> datetime | None:
    """Return when night becomes day or day becomes night after `at`, None when neither does for a day."""
    was_quiet, moment = is_quiet(at, quiet, zone), _quarter(at)
    while moment < at + _DAY:
        moment += _QUARTER
        if is_quiet(moment, quiet, zone) != was_quiet:
            return moment
    return None


def _change_before(at: datetime, quiet: QuietHours, zone: ZoneInfo) -> datetime | None:
    """Return when what it is at `at`, night or day, began."""
    was_quiet, moment = is_quiet(at, quiet, zone), _quarter(at)
    while moment > at - _DAY:
        if is_quiet(moment - _QUARTER, quiet, zone) != was_quiet:
            return moment
        moment -= _QUARTER
    return None


def _quarter(at: datetime) -> datetime:
    """Return the begin of the quarter of an hour that `at` lies in."""
    return at - timedelta(minutes=at.minute % 15, seconds=at.second, microseconds=at.microsecond)
