"""A scenario's times in the built-in calendar: open as hours and blocked times have it, or a reason why not."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.builtin_world import NotForBuiltin, check_faults, write_business
from agent.business import load_business
from agent.scenarios import Scenario, ScenarioFault, list_scenarios
from appointments.availability import LOOK_AHEAD
from appointments.model import Business
from appointments.rules import open_slots
from prompts.loader import REHEARSAL_BUSINESS

SHIPPED = [scenario for scenario in list_scenarios() if scenario.free is not None]
NOW = datetime(2026, 12, 1, 14, tzinfo=UTC)
HARBOR = REHEARSAL_BUSINESS.read_text(encoding="utf-8")
VISIT = '\n[[actions]]\ntitle = "Visit"\nminutes = 120\n'


def a_scenario(*free: str, **changes: Any) -> Scenario:
    values = {
        "name": "A call",
        "now": "2026-12-01T09:00",
        "free": list(free),
        "lines": [{"hang_up": True}],
        "expect": {"booking": None},
    }
    return Scenario.model_validate(values | changes)


def written(tmp_path: Path, scenario: Scenario, text: str = HARBOR) -> Business:
    file = tmp_path / "harbor.toml"
    file.write_text(text, encoding="utf-8")
    return load_business(write_business(file, scenario, NOW, tmp_path))


def open_times(business: Business, title: str) -> list[str]:
    """Return when what has this title can be booked, on the business's wall clock."""
    (action,) = [action for action in business.actions if action.title == title]
    slots = open_slots(business, action.duration, start=NOW, end=NOW + LOOK_AHEAD)
    return [f"{slot.start.astimezone(business.zone):%Y-%m-%dT%H:%M}" for slot in slots]


@pytest.mark.parametrize("scenario", SHIPPED, ids=lambda scenario: scenario.stem)
def test_what_a_shipped_scenario_books_is_free_at_its_times_and_no_others(tmp_path: Path, scenario: Scenario) -> None:
    assert scenario.now is not None
    business = load_business(scenario.business_file)
    now = scenario.now.replace(tzinfo=business.zone)

    business = load_business(write_business(scenario.business_file, scenario, now, tmp_path))

    for action in business.actions:
        if scenario.expect.title in (None, action.title):
            slots = open_slots(business, action.duration, start=now, end=now + LOOK_AHEAD)
            local = [slot.start.astimezone(business.zone).replace(tzinfo=None) for slot in slots]
            # What exists before the call is booked at times that are open.
            assert local == sorted({*(scenario.free or ()), *(each.at for each in scenario.booked)})


def test_the_hours_stay_so_that_a_closed_day_is_closed_and_another_one_full(tmp_path: Path) -> None:
    before, after = load_business(REHEARSAL_BUSINESS), written(tmp_path, a_scenario())

    assert open_times(after, "30-Minute Consultation") == []
    assert after.hours == before.hours
    assert after.rules.grid_minutes == before.rules.grid_minutes


def test_a_time_off_the_usual_grid_can_be_free(tmp_path: Path) -> None:
    business = written(tmp_path, a_scenario("2026-12-02T10:20", "2026-12-02T11:00"))

    assert open_times(business, "30-Minute Consultation") == ["2026-12-02T10:20", "2026-12-02T11:00"]


def test_what_is_booked_counts_where_a_longer_appointment_needs_more_room(tmp_path: Path) -> None:
    free = ("2026-12-02T10:00", "2026-12-02T11:00")
    booked = a_scenario(*free, expect={"booking": "2026-12-02T10:00", "title": "Visit"})

    business = written(tmp_path, booked, HARBOR + VISIT)

    assert open_times(business, "Visit") == list(free)
    assert open_times(business, "30-Minute Consultation") == [*free, "2026-12-02T12:00"]
    with pytest.raises(NotForBuiltin, match="2026-12-02 10:00, 2026-12-02 11:00"):
        written(tmp_path, a_scenario(*free), HARBOR + VISIT)


@pytest.mark.parametrize(
    "free",
    [
        ("2026-12-02T18:00",),
        ("2026-12-02T16:45",),
        ("2026-12-06T10:00",),
        ("2026-12-02T10:00", "2026-12-02T10:20", "2026-12-02T10:30"),
    ],
    ids=["after hours", "until after hours", "on a Sunday", "with another between them"],
)
def test_what_hours_and_blocked_times_cannot_leave_free_is_told(tmp_path: Path, free: tuple[str, ...]) -> None:
    with pytest.raises(NotForBuiltin, match=r"^no blocked times leave exactly these free: 2026-12-0"):
        written(tmp_path, a_scenario(*free))


def test_times_that_are_over_are_not_missed(tmp_path: Path) -> None:
    business = written(tmp_path, a_scenario("2026-12-01T08:00", "2026-12-02T10:00"))

    assert open_times(business, "30-Minute Consultation") == ["2026-12-02T10:00"]


def test_a_longer_booking_window_is_blocked_to_its_end(tmp_path: Path) -> None:
    text = HARBOR.replace("[hours]", "[rules]\nmaximum_advance_days = 90\n\n[hours]", 1)
    business = written(tmp_path, a_scenario("2026-12-02T10:00"), text)

    slots = list(open_slots(business, timedelta(minutes=30), start=NOW, end=NOW + timedelta(days=91)))

    assert len(slots) == 1


def test_a_clock_that_is_put_back_leaves_the_same_times(tmp_path: Path) -> None:
    now = datetime(2026, 10, 30, 14, tzinfo=UTC)
    scenario = a_scenario("2026-11-01T03:00", "2026-11-02T09:00", now="2026-10-30T10:00")
    (tmp_path / "harbor.toml").write_text(HARBOR.replace("[hours]", '[hours]\nsunday = ["00:30-17:00"]'))

    business = load_business(write_business(tmp_path / "harbor.toml", scenario, now, tmp_path))

    slots = list(open_slots(business, timedelta(minutes=30), start=now, end=now + LOOK_AHEAD))
    assert [slot.start.isoformat() for slot in slots] == ["2026-11-01T08:00:00+00:00", "2026-11-02T14:00:00+00:00"]


def test_the_minutes_of_a_scenario_are_the_actions(tmp_path: Path) -> None:
    business = written(tmp_path, a_scenario(free=None, minutes={"Visit": 45}), HARBOR + VISIT)

    assert [action.duration for action in business.actions] == [timedelta(minutes=30), timedelta(minutes=45)]


def test_an_ordinary_week_is_the_business_file_itself(tmp_path: Path) -> None:
    assert write_business(REHEARSAL_BUSINESS, a_scenario(free=None), NOW, tmp_path) == REHEARSAL_BUSINESS
    assert list(tmp_path.iterdir()) == []


def test_nothing_else_in_the_file_is_changed(tmp_path: Path) -> None:
    odd = 'about = "\U0001f9b7 \\"Ada\\\\\'s\\" \\u007f \\t caf\u00e9\\nnext line"\nprompt = "front.md"\n'
    text = f"{odd}{HARBOR[: HARBOR.index('about =')]}{HARBOR[HARBOR.index('[hours]') :]}"
    (tmp_path / "front.md").touch()
    (tmp_path / "harbor.toml").write_text(text, encoding="utf-8")
    (tmp_path / "rehearsal").mkdir()

    file = write_business(tmp_path / "harbor.toml", a_scenario("2026-12-02T10:00"), NOW, tmp_path / "rehearsal")

    before, after = tomllib.loads(text), tomllib.loads(file.read_text(encoding="utf-8"))
    assert after.pop("prompt") == str(tmp_path / "front.md")
    assert "rules" in after
    assert {key: value for key, value in before.items() if key not in ("prompt", "rules")} == {
        key: value for key, value in after.items() if key != "rules"
    }


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"service": "calendar", "on": "create", "kind": "drop_after"}, "drop_after takes a network"),
        ({"service": "calendar", "on": "any", "kind": "error_500"}, "error_500 takes a network"),
        ({"service": "calcom", "on": "create", "kind": "taken"}, "those of Cal.com, which is not in use"),
    ],
)
def test_what_takes_a_network_or_cal_com_cannot_happen(fault: dict[str, str], reason: str) -> None:
    with pytest.raises(NotForBuiltin, match=reason):
        check_faults([ScenarioFault.model_validate(fault)])


def test_a_taken_slot_and_the_faults_of_other_services_can_happen() -> None:
    faults = [
        {"service": "calendar", "on": "create", "kind": "taken"},
        {"service": "calendar", "on": "reschedule", "kind": "taken"},
        {"service": "twilio", "on": "messages", "kind": "drop_after"},
    ]

    check_faults([ScenarioFault.model_validate(fault) for fault in faults])
