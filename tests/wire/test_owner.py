"""The owner's commands on a record of each kind: what they print, and what they change."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from agent.bootstrap import open_bookings
from agent.business import load_business
from agent.cli import app
from agent.settings import Settings, load_settings
from appointments.booking import BookingRequest
from appointments.errors import ConfigError
from appointments.model import AppointmentStatus, BookingStatus, CallSid, Slot
from appointments.store.records import CallerRequest, RequestKind
from prompts.loader import REHEARSAL_BUSINESS
from tests.factories import ATTENDEE, CALLER, ZONE
from tests.stores import opened_store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from appointments.model import Appointment, Booking
    from appointments.store.records import HistoryEntry, OutboxRow

WISH = CallerRequest(CallSid("CA7"), RequestKind.CALL_BACK, CALLER, name="Maya Chen", best_time="after five")
WHAT = "30-Minute Consultation of Maya Chen on Wednesday, December 2, 2026 at 10:00 AM"


@pytest.fixture
def settings(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings of a worker with the built-in calendar, in the environment too."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    values = {
        "PUBLIC_BASE_URL": "http://127.0.0.1:8080",
        "TWILIO_ACCOUNT_SID": "AC0",
        "TWILIO_AUTH_TOKEN": "token",
        "OPENAI_API_KEY": "key",
        "CALENDAR": "builtin",
        "DATA_DIR": str(tmp_path / "data"),
        "DATABASE_URL": database_url,
        "BUSINESS_FILE": str(REHEARSAL_BUSINESS),
        "CLOCK_START": "2026-12-01T09:00",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    return load_settings(None)


@pytest.fixture
def booked(settings: Settings) -> Appointment:
    return asyncio.run(book(settings))


async def book(settings: Settings) -> Appointment:
    business = load_business(settings.business_file)
    action = business.actions[0]
    async with open_bookings(settings, business) as service:
        event_type = await service.event_type(action)
        slot = Slot(datetime(2026, 12, 2, 10, tzinfo=ZONE), event_type.duration)
        return await service.book(BookingRequest(CallSid("CA1"), business, action, event_type, slot, ATTENDEE))


def slotline(*arguments: str) -> tuple[int, str]:
    """Run a command of the owner; return its exit status and all that it printed."""
    result = CliRunner().invoke(app, [*arguments, "--no-env-file"])
    if isinstance(result.exception, ConfigError):
        return 2, str(result.exception)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.output


def listed(*arguments: str) -> list[dict[str, Any]]:
    status, output = slotline(*arguments, "--json")
    assert status == 0
    told: list[dict[str, Any]] = json.loads(output)[arguments[0]]
    return told


async def recorded(
    settings: Settings, appointment: Appointment
) -> tuple[Appointment | None, Sequence[Booking], Sequence[HistoryEntry], Sequence[OutboxRow]]:
    async with opened_store(settings.database_url.get_secret_value()) as store:
        return (
            await store.appointment(appointment.appointment_id),
            await store.bookings(start=appointment.slot.start, end=appointment.slot.end),
            await store.history(appointment.appointment_id),
            await store.messages(appointment.appointment_id),
        )


async def leave(settings: Settings, wish: CallerRequest) -> None:
    async with opened_store(settings.database_url.get_secret_value()) as store:
        await store.leave_request(wish)


def test_the_appointments_are_listed_in_local_time(booked: Appointment) -> None:
    status, output = slotline("appointments")

    assert status == 0
    assert "Wednesday, December 2, 2026" in output
    assert f"  {booked.appointment_id[3:11]}  10:00 AM  30 min  30-Minute Consultation  Maya Chen  {CALLER}" in output


def test_an_appointment_that_the_owner_cancels_is_cancelled_in_the_calendar_and_texted(
    settings: Settings, booked: Appointment
) -> None:
    status, output = slotline("appointments", "cancel", booked.appointment_id[3:11], "--yes", "--reason", "Ill")

    assert (status, output) == (
        0,
        f"Cancelled: {WHAT}; a text to {CALLER} goes out by the running worker, "
        "or by the next one that starts within a day.\n",
    )
    appointment, bookings, history, texts = asyncio.run(recorded(settings, booked))
    assert appointment is not None
    assert appointment.status is AppointmentStatus.CANCELLED
    assert [each for each in bookings if each.status is not BookingStatus.CANCELLED] == []
    assert (history[-1].event, history[-1].reason) == ("cancelled", "Ill")
    assert [text.state for text in texts] == ["pending"]
    assert "is cancelled" in texts[0].body
    assert listed("appointments") == []
    assert [each["status"] for each in listed("appointments", "--all")] == ["cancelled"]


def test_cancelling_twice_is_cancelling_and_is_texted_once(settings: Settings, booked: Appointment) -> None:
    slotline("appointments", "cancel", booked.appointment_id, "--yes")

    assert slotline("appointments", "cancel", booked.appointment_id) == (0, f"Cancelled already: {WHAT}.\n")
    assert len(asyncio.run(recorded(settings, booked))[3]) == 1


@pytest.mark.parametrize(("given", "says"), [("00000000", "slotline appointments --all"), ("", "add --yes")])
def test_nothing_is_cancelled_without_a_known_id_and_a_yes(given: str, says: str, booked: Appointment) -> None:
    status, output = slotline("appointments", "cancel", given or booked.appointment_id)

    assert status == 2
    assert says in output
    assert [each["status"] for each in listed("appointments")] == ["active"]


def test_what_is_over_is_not_cancelled(booked: Appointment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOCK_START", "2026-12-02T11:00")

    assert slotline("appointments", "cancel", booked.appointment_id, "--yes") == (
        1,
        f"Not cancelled: {WHAT} is over.\n",
    )


def test_a_request_is_listed_until_it_is_done(settings: Settings) -> None:
    asyncio.run(leave(settings, WISH))
    (kept,) = listed("requests")
    first = slotline("requests", "done", kept["id"])
    second = slotline("requests", "done", kept["id"][3:11])

    assert (kept["kind"], kept["name"], kept["number"], kept["best_time"]) == (
        "call_back",
        "Maya Chen",
        CALLER,
        "after five",
    )
    assert (first, second) == ((0, f"Done: Maya Chen {CALLER}.\n"), (0, f"Done already: Maya Chen {CALLER}.\n"))
    assert listed("requests") == []
    assert [each["is_done"] for each in listed("requests", "--all")] == [True]


def test_a_request_that_is_corrected_is_open_again(settings: Settings) -> None:
    asyncio.run(leave(settings, WISH))
    slotline("requests", "done", listed("requests")[0]["id"])
    asyncio.run(leave(settings, WISH))

    assert len(listed("requests")) == 1


def test_without_a_record_none_is_made(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "")

    status, output = slotline("appointments")

    assert status == 2
    assert f"there is no record at {tmp_path}/data/slotline.db yet" in output
    assert not (tmp_path / "data").exists()


def test_options_before_another_command_are_refused(settings: Settings) -> None:
    status, output = slotline("appointments", "--all", "cancel", "00000000")

    assert status == 2
    assert "put options behind `cancel`" in output
