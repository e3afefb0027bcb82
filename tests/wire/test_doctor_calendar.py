"""The doctor says which calendar is booked, and what is free in the built-in one."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import time, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from agent.doctor.calendar import check_calendar
from agent.doctor.findings import Check, Finding, State
from agent.doctor.installation import Installation, look_at_installation
from agent.settings import Settings
from agent.stand_ins import database_url
from appointments.model import BookingRules, EventTypeId, OpeningHours
from appointments.store.store import Store
from prompts.loader import REHEARSAL_BUSINESS
from tests.factories import ACTION, ATTENDEE, a_booking, a_slot
from tests.sessions import CLINIC

if TYPE_CHECKING:
    from pathlib import Path

    from appointments.model import Business

VISIT = replace(ACTION, name="Book Visit", title="Visit", event_type_id=EventTypeId("book_visit"), platform="phone")
BUSINESS = replace(
    CLINIC,
    hours=tuple(OpeningHours(day, time(9), time(17)) for day in range(7)),
    actions=(VISIT,),
    rules=BookingRules(),
)
BEFORE_NINE = "2026-12-01T08:59:00-05:00"


def installation(folder: Path, business: Business | None = BUSINESS, **changes: Any) -> Installation:
    values: dict[str, Any] = {
        "public_base_url": "http://127.0.0.1:8080",
        "twilio_account_sid": "AC",
        "twilio_auth_token": "-",
        "openai_api_key": "-",
        "business_file": "clinic.toml",
        "data_dir": folder,
        "clock_start": BEFORE_NINE,
    }
    settings = Settings(_env_file=None, **(values | changes))  # type: ignore[call-arg]
    return Installation(settings, business=business)


async def found(folder: Path, business: Business | None = BUSINESS, **changes: Any) -> dict[Check, list[Finding]]:
    told: dict[Check, list[Finding]] = {}
    for finding in await check_calendar(installation(folder, business, **changes)):
        told.setdefault(finding.check, []).append(finding)
    return told


@pytest.fixture
async def record(tmp_path: Path) -> Path:
    """Return the folder of a database in which the 2nd of December at nine is booked."""
    store = await Store.open(database_url(tmp_path))
    await store.add_booking(a_booking(a_slot(24)), event_type_id=VISIT.event_type_id, attendee=ATTENDEE, notes="")
    await store.close()
    return tmp_path


async def test_the_built_in_calendar_is_told_with_its_next_free_times(record: Path) -> None:
    told = await found(record)

    assert [finding.state for finding in told[Check.CALENDAR]] == [State.OK]
    assert told[Check.CALENDAR][0].seen == "the built-in calendar, because CALCOM_API_KEY is unset"
    (slots,) = told[Check.FREE_SLOTS]
    assert slots.state is State.OK
    assert slots.seen.startswith("Book Visit: 219 in the next 14 days; next Tue 2026-12-01 11:00 (America/New_York), ")
    assert told[Check.ZONES][0].state is State.OK
    for check in (Check.CALCOM_KEY, Check.CALCOM_VERSION, Check.CALCOM_CALENDARS, Check.EVENT_TYPE):
        assert [(each.state, each.seen) for each in told[check]] == [
            (State.SKIPPED, "not tried: the built-in calendar is booked")
        ]


async def test_what_is_booked_is_not_free(record: Path) -> None:
    everything, left = await found(record / "none"), await found(record)

    assert everything[Check.FREE_SLOTS][0].seen.startswith("Book Visit: 220 in")
    assert left[Check.FREE_SLOTS][0].seen.startswith("Book Visit: 219 in")
    assert not (record / "none").exists()


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


async def test_looking_changes_nothing(record: Path) -> None:
    before = files_in(record)

    await found(record)

    assert files_in(record) == before


async def test_no_hours_are_a_failure(tmp_path: Path) -> None:
    told = await found(tmp_path, replace(BUSINESS, hours=()))

    assert told[Check.CALENDAR][0].state is State.FAILED
    assert "open in the business's hours, and there are none" in told[Check.CALENDAR][0].seen
    assert told[Check.FREE_SLOTS][0].state is State.WARNING
    assert "callers are told that all is taken" in told[Check.FREE_SLOTS][0].seen


async def test_an_appointment_that_fits_in_nowhere_is_a_warning(tmp_path: Path) -> None:
    told = await found(tmp_path, replace(BUSINESS, actions=(replace(VISIT, duration=timedelta(hours=9)),)))

    assert told[Check.FREE_SLOTS][0].state is State.WARNING
    assert "leave room for 540 minutes" in told[Check.FREE_SLOTS][0].fix


async def test_a_zone_that_callers_hear_and_the_business_does_not_have_is_a_warning(tmp_path: Path) -> None:
    told = await found(tmp_path, replace(BUSINESS, actions=(replace(VISIT, zone=ZoneInfo("America/Denver")),)))

    assert told[Check.ZONES][0].state is State.WARNING
    assert "Cal.com" not in told[Check.ZONES][0].seen + told[Check.ZONES][0].fix
    assert "take `zone` out of the action" in told[Check.ZONES][0].fix


async def test_a_meeting_without_a_link_is_a_warning(tmp_path: Path) -> None:
    told = await found(tmp_path, replace(BUSINESS, actions=(replace(VISIT, platform="zoom"),)))

    assert [finding.state for finding in told[Check.CALENDAR]] == [State.OK, State.WARNING]
    assert "makes no meeting links" in told[Check.CALENDAR][1].seen


async def test_an_event_type_of_cal_com_without_a_key_is_a_failure(tmp_path: Path) -> None:
    at_calcom = replace(ACTION, event_type_place="event_type in line 7 of clinic.toml")
    business = replace(BUSINESS, actions=(at_calcom, at_calcom))
    (told,) = (await found(tmp_path, business))[Check.CALENDAR]
    named = (await found(tmp_path, business, calendar="builtin"))[Check.CALENDAR]

    assert told.state is State.FAILED
    assert '"30-Minute Consultation" has event_type 101, a number at Cal.com, and CALCOM_API_KEY is unset' in told.seen
    assert told.fix.startswith("Set CALCOM_API_KEY to book there; or delete event_type in line 7 of clinic.toml and 1 ")
    assert "or set CALENDAR=builtin" in told.fix
    assert named[0].seen == "the built-in calendar, because CALENDAR is builtin"


async def test_a_database_that_cannot_be_read_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "slotline.db").write_bytes(b"no database" * 1000)
    told = await found(tmp_path)

    assert [(each.state, each.seen) for each in told[Check.FREE_SLOTS]] == [
        (State.SKIPPED, "not looked for: see database")
    ]


@pytest.mark.parametrize(
    ("changes", "seen"),
    [
        ({}, "Cal.com, because CALCOM_API_KEY is set"),
        ({"calendar": "calcom"}, "Cal.com, because CALENDAR is calcom"),
    ],
)
async def test_cal_com_is_told_and_asked(tmp_path: Path, changes: dict[str, str], seen: str) -> None:
    nowhere = {"calcom_api_key": "cal_live_1", "calcom_base_url": "http://127.0.0.1:1"}
    told = await found(tmp_path, BUSINESS, **nowhere, **changes)

    assert [(each.state, each.seen) for each in told[Check.CALENDAR]] == [(State.OK, seen)]
    assert told[Check.CALCOM_KEY][0].state is State.FAILED


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ("CALENDAR=outlook", "CALENDAR"),
        ("CALCOM_EVENT_TYPE_ID=101", "CALCOM_EVENT_TYPE_ID"),
        ("CALENDAR=calcom", "CALCOM_API_KEY"),
    ],
)
async def test_settings_of_the_calendar_that_are_wrong_come_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: str, named: str
) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    (tmp_path / ".env").write_text(f"{settings}\nBUSINESS_FILE={REHEARSAL_BUSINESS}\nDATA_DIR={tmp_path}\n")
    looked, _ = await asyncio.to_thread(look_at_installation, tmp_path / ".env")
    told = {finding.check: finding for finding in await check_calendar(looked)}

    assert told[Check.FREE_SLOTS].seen == f"not tried: {named} must be put right first"
    assert told[Check.CALCOM_KEY].state is State.SKIPPED


async def test_a_broken_business_file_leaves_the_calendar_known(tmp_path: Path) -> None:
    told = await found(tmp_path, None)

    assert told[Check.CALENDAR][0].state is State.OK
    assert told[Check.FREE_SLOTS][0].seen == "not tried: the business file must be put right first"
