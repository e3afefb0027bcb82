"""Checking a business file by the calendar that is booked: Cal.com's advice where it is Cal.com, and only there."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from agent.authoring.review import review
from agent.settings import AuthorSettings
from prompts.loader import REHEARSAL_BUSINESS
from tests.author_files import NOW, RULE_LINE, SETTINGS, check, plant, told, write_files

if TYPE_CHECKING:
    from pathlib import Path

NO_KEY = SETTINGS.model_copy(update={"calcom_api_key": SecretStr("")})
BUILTIN = NO_KEY.model_copy(update={"calendar": "builtin"})
EVENT_TYPE = 'event_type = "101"\n'
LOST_EMAIL = ("caller+{digits}@harborstreet.clinic", "caller+{digits}@example.com")


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Return instructions and a business file in which nothing is to be found."""
    return write_files(tmp_path)


def test_an_event_type_of_cal_com_without_its_key_is_found_with_all_ways_out(files: tuple[Path, Path]) -> None:
    line = plant(files[1], EVENT_TYPE, EVENT_TYPE)

    (found,) = check(files, NO_KEY).findings

    assert (found.line, found.rule, found.severity) == (line, "no-calcom-key", "warning")
    assert "has event_type 101, a number at Cal.com, and CALCOM_API_KEY is unset here" in found.text
    assert found.better.startswith("set CALCOM_API_KEY where the worker runs; ")
    assert f"or delete event_type in line {line} of {files[1]}, or set CALENDAR=builtin, " in found.better


def test_the_event_type_of_the_settings_without_a_key_is_found_there(files: tuple[Path, Path]) -> None:
    plant(files[1], EVENT_TYPE, "")
    settings = NO_KEY.model_copy(update={"business_file": files[1], "calcom_event_type_id": "7"})

    (found,) = check(files, settings).findings

    assert found.rule == "no-calcom-key"
    assert "or delete CALCOM_EVENT_TYPE_ID, or" in found.better


@pytest.mark.parametrize("settings", [SETTINGS, BUILTIN, SETTINGS.model_copy(update={"calendar": "calcom"})])
def test_an_event_type_is_fine_where_a_calendar_is_chosen(files: tuple[Path, Path], settings: AuthorSettings) -> None:
    assert check(files, settings).findings == ()


def test_the_shipped_examples_need_no_key(files: tuple[Path, Path]) -> None:
    assert check((files[0], REHEARSAL_BUSINESS), NO_KEY).findings == ()


@pytest.mark.parametrize(("settings", "is_for_calcom"), [(SETTINGS, True), (NO_KEY, False), (BUILTIN, False)])
def test_what_cal_com_would_do_is_told_only_where_it_is_booked(
    files: tuple[Path, Path], settings: AuthorSettings, *, is_for_calcom: bool
) -> None:
    plant(files[1], EVENT_TYPE, "")
    plant(files[1], *LOST_EMAIL)
    plant(files[0], RULE_LINE, "Send a reminder the day before.")

    findings = check(files, settings).findings
    words = " ".join(f"{found.text} {found.better}" for found in findings)

    assert {found.rule for found in findings} == {"cannot-do"} | ({"example-email"} if is_for_calcom else set())
    assert ("Cal.com" in words) is is_for_calcom


def test_nobody_gets_an_email_from_the_built_in_calendar(files: tuple[Path, Path]) -> None:
    plant(files[1], 'fallback_email = "caller+{digits}@harborstreet.clinic"\n', "")
    plant(files[0], RULE_LINE, 'Say: "You will get an e-mail."')

    assert [found.rule for found in check(files, BUILTIN).findings] == ["cannot-do"]
    assert check(files).findings == ()


@pytest.mark.parametrize(("settings", "better"), [(SETTINGS, "at Cal.com"), (BUILTIN, "leave event_type out of both")])
def test_one_event_type_twice_is_put_right_by_calendar(
    files: tuple[Path, Path], settings: AuthorSettings, better: str
) -> None:
    plant(files[1], "[[actions]]", f'[[actions]]\ntitle = "Home Visit"\n{EVENT_TYPE}[[actions]]')

    (found,) = check(files, settings).findings

    assert found.rule == "same-event-type"
    assert better in found.better


def test_two_actions_that_make_the_same_tool_are_told_once(files: tuple[Path, Path]) -> None:
    plant(files[1], EVENT_TYPE, "")
    plant(files[1], "[[actions]]", '[[actions]]\ntitle = "30 minute consultation"\n[[actions]]')

    assert [found.rule for found in check(files, NO_KEY).findings] == ["business-file"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('platform = "cal_video"', 'platform = "cal_video"\nminutes = 480'),
        ("[hours]", "[rules]\ngrid_minutes = 240\nblocked = [{from = \"11:00\", until = \"17:00\", "
         'weekdays = ["monday", "tuesday", "wednesday", "thursday", "friday"]}]\n[hours]'),
    ],
)  # fmt: skip
def test_an_action_that_fits_nowhere_is_found(files: tuple[Path, Path], old: str, new: str) -> None:
    text = files[1].read_text().replace("09:00-17:00", "09:00-12:00")
    files[1].write_text(text)
    plant(files[1], old, new)

    (found,) = check(files).findings

    assert found.rule == "no-room"
    assert "callers are told that all is taken" in found.text


def test_a_weekend_is_no_lack_of_room(files: tuple[Path, Path]) -> None:
    plant(files[1], "[hours]", "[rules]\nmaximum_advance_days = 0\nminimum_notice_minutes = 0\n[hours]")
    saturday = NOW + timedelta(days=4)

    assert review(*files, SETTINGS, saturday).findings == ()


def test_an_action_that_just_fits_is_fine(files: tuple[Path, Path]) -> None:
    plant(files[1], 'platform = "cal_video"', 'platform = "cal_video"\nminutes = 480')

    assert told(check(files).findings) == []
