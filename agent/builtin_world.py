"""A scenario's world for the built-in calendar: a business file that leaves its times free, and who takes a slot."""

from __future__ import annotations

import copy
import itertools
import json
import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from agent.business import business_of
from agent.business_file import BusinessFile
from agent.toml_lines import parse_toml
from appointments.availability import LOOK_AHEAD
from appointments.errors import ConfigError
from appointments.rules import open_slots
from prompts.reading import read_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from agent.scenarios import Scenario, ScenarioFault
    from appointments.model import Business

COARSEST_GRID = 240
"""The most minutes that a business file may have for its grid."""
TAKER = "fault:"
"""How the idempotency keys of bookings begin that a fault has made."""

_CLAIMS = {"create": ("appointments", "1"), "reschedule": ("changes", "NEW.kind = 'move'")}
"""What is claimed in the record before the calendar is asked to do it, by the calendar's operation."""
_TAKE = """
CREATE TRIGGER rehearsal_{on} AFTER INSERT ON {table}
WHEN {claims} AND (SELECT count(*) FROM bookings WHERE idempotency_key = '{key}') < {times}
BEGIN
    INSERT INTO bookings (
        booking_uid, event_type_id, starts_at, ends_at, status, idempotency_key,
        location, attendee_name, attendee_zone, notes, reason, created_at
    ) VALUES (
        lower(hex(randomblob(16))), '', NEW.starts_at, NEW.ends_at, 'accepted', '{key}',
        '', 'Somebody else', 'UTC', '', '', NEW.claimed_at
    );
END
"""


class NotForBuiltin(ConfigError):
    """A scenario cannot be rehearsed with the built-in calendar; the message says why."""


def check_faults(faults: Iterable[ScenarioFault]) -> None:
    """Raise `NotForBuiltin` when something is to go wrong that cannot: there is no network before this calendar."""
    for fault in faults:
        if fault.service == "calcom":
            raise NotForBuiltin("its faults are those of Cal.com, which is not in use")
        if fault.service == "calendar" and fault.kind != "taken":
            raise NotForBuiltin(f"{fault.kind} takes a network, and there is none before the built-in calendar")


def write_business(file: Path, scenario: Scenario, now: datetime, folder: Path) -> Path:
    """Return the business file of a rehearsal that begins `now`: `file`, or one in `folder` with the scenario's times.

    Raises:
        NotForBuiltin: no hours and blocked times leave exactly the scenario's times free.
    """
    if scenario.free is None and not scenario.minutes:
        return file
    plan = _Plan.read(file, scenario, now)
    data = plan.data if scenario.free is None else plan.with_free_times()
    path = folder / "business.toml"
    path.write_text("".join(f"{key} = {_toml(value)}\n" for key, value in data.items()), encoding="utf-8")
    return path


@dataclass(frozen=True, slots=True)
class _Plan:
    """A business file's `data`, when the rehearsal begins, and what is to be free then."""

    file: Path
    data: dict[str, Any]
    now: datetime
    free: Sequence[datetime]
    """In UTC, earliest first."""
    titles: Sequence[str]
    """What must be free then and at no other time."""

    @classmethod
    def read(cls, file: Path, scenario: Scenario, now: datetime) -> _Plan:
        data, _ = parse_toml(read_text(file), file)
        plan: Any = copy.deepcopy(data)
        for action in plan["actions"]:
            if action["title"] in scenario.minutes:
                action["minutes"] = scenario.minutes[action["title"]]
        if plan.get("prompt"):
            plan["prompt"] = os.path.normpath(file.parent / plan["prompt"])
        zone = _business(plan, file).zone
        free = sorted(start.replace(tzinfo=zone).astimezone(UTC) for start in scenario.open_times or ())
        titles = [action["title"] for action in plan["actions"]]
        if set(scenario.expect.titles) <= set(titles):
            named = {*scenario.expect.titles, *(each.title or titles[0] for each in scenario.booked)}
            titles = [title for title in titles if title in named] if scenario.expect.titles else titles
        return cls(file, plan, now, [start for start in free if start >= now], titles)

    def with_free_times(self) -> dict[str, Any]:
        """Return the file's data with blocked times, and the coarsest grid, that leave exactly the free times open."""
        business = _business(self.data, self.file)
        lengths = [action.duration for action in business.actions]
        of_titles = [action.duration for action in business.actions if action.title in self.titles]
        for length, grid in itertools.product(dict.fromkeys([max(lengths), max(of_titles)]), self._grids(business)):
            data = self._blocked(business, length, grid)
            if self._is_exact(_business(data, self.file)):
                return data
        free = ", ".join(f"{start.astimezone(business.zone):%Y-%m-%d %H:%M}" for start in self.free)
        raise NotForBuiltin(f"no blocked times leave exactly these free: {free}")

    def _grids(self, business: Business) -> Iterator[int]:
        """Return the grids that have all free times, the coarsest first: few other times fit into what is left open."""
        if not self.free:
            yield business.rules.grid_minutes
            return
        local = [start.astimezone(business.zone) for start in self.free]
        minutes = [start.hour * 60 + start.minute for start in local]
        yield from (grid for grid in range(COARSEST_GRID, 0, -1) if all(minute % grid == 0 for minute in minutes))

    def _blocked(self, business: Business, length: timedelta, grid: int) -> dict[str, Any]:
        rules = self.data.get("rules", {})
        first = self.now.astimezone(business.zone).date()
        days = max(LOOK_AHEAD.days, business.rules.maximum_advance_days) + 2
        blocked = [block for n in range(days) for block in self._blocks(business, first + timedelta(days=n), length)]
        return {
            **self.data,
            "rules": {**rules, "grid_minutes": grid, "blocked": [*rules.get("blocked", []), *blocked]},
        }

    def _blocks(self, business: Business, day: date, length: timedelta) -> Iterator[dict[str, Any]]:
        """Return what is left of the opening hours of `day` when `length` from each free time on is taken away."""
        local = [[at.astimezone(business.zone) for at in (start, start + length)] for start in self.free]
        open_ = [
            (start.time(), end.time() if end.date() == day else time.max) for start, end in local if start.date() == day
        ]
        for hours in business.intervals(day):
            begin = hours.opens
            for start, end in (*open_, (hours.closes, hours.closes)):
                if begin < min(start, hours.closes):
                    yield _block(day, begin, min(start, hours.closes))
                begin = max(begin, end)

    def _is_exact(self, business: Business) -> bool:
        until = self.now + LOOK_AHEAD
        return all(
            {slot.start for slot in open_slots(business, action.duration, start=self.now, end=until)}
            == {start for start in self.free if start < until}
            for action in business.actions
            if action.title in self.titles
        )


def _business(data: dict[str, Any], file: Path) -> Business:
    return business_of(BusinessFile.model_validate(data), file, "")


def _block(day: date, begin: time, end: time) -> dict[str, Any]:
    return {"date": day, "from": f"{begin:%H:%M}", "until": f"{end:%H:%M}"}


def _toml(value: Any) -> str:
    match value:
        case dict():
            return "{" + ", ".join(f"{json.dumps(key)} = {_toml(each)}" for key, each in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_toml, value)) + "]"
        case bool():
            return str(value).lower()
        case str():
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case _:
            return str(value)


def take_slots(database: Path, faults: Iterable[ScenarioFault]) -> None:
    """Let somebody else book what our calls claim, between the claim and the booking, as often as `faults` say."""
    with closing(sqlite3.connect(database)) as connection, connection:
        for fault in faults:
            if fault.service == "calendar":
                table, claims = _CLAIMS[fault.on]
                key = f"{TAKER}{fault.on}"
                connection.execute(_TAKE.format(on=fault.on, table=table, claims=claims, key=key, times=fault.times))


def fired(database: Path) -> list[dict[str, str]]:
    """Return the faults that have happened to the built-in calendar, as a stand-in tells of its own."""
    query = "SELECT idempotency_key, created_at FROM bookings WHERE idempotency_key LIKE ? ORDER BY created_at"
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute(query, (f"{TAKER}%",)).fetchall()
    times = [datetime.fromisoformat(at).replace(tzinfo=UTC).isoformat() for _, at in rows]
    return [
        {"service": "builtin", "on": key.removeprefix(TAKER), "kind": "taken", "at": at}
        for (key, _), at in zip(rows, times, strict=True)
    ]
