"""How a person is told what became of a call."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from agent.outcome import Report
from agent.report_lines import print_report

if TYPE_CHECKING:
    from agent.settings import CalendarName

STANDS = {
    "id": "ap_1",
    "start": "2026-12-02T10:00:00-05:00",
    "duration_min": 30,
    "attendee": "Maya Chen",
    "phone": "+14155550123",
    "booking_uid": "bk_1",
    "status": "active",
}


def told(report: Report, **how: bool) -> list[str]:
    written = StringIO()
    print_report(Console(file=written, highlight=False, soft_wrap=True), report, **how)
    return written.getvalue().splitlines()


def a_report(**known: Any) -> Report:
    return Report("a_scenario", ok=True, **known)


@pytest.mark.parametrize(
    ("calendar", "is_real", "words"),
    [("calcom", False, "Cal.com (stand-in)"), ("calcom", True, "Cal.com"), ("builtin", False, "built-in")],
)
def test_the_calendar_is_named_and_whether_it_was_a_stand_in(calendar: CalendarName, is_real: bool, words: str) -> None:
    assert f"Calendar     {words}" in told(a_report(calendar=calendar), is_real=is_real)


def test_every_appointment_of_the_call_is_told_with_what_became_of_it() -> None:
    lines = told(a_report(appointments=[STANDS, STANDS | {"booking_uid": "bk_2", "status": "cancelled"}]))

    assert lines.count("Appointment  2026-12-02T10:00:00-05:00, 30 min, Maya Chen, +14155550123") == 2
    assert "             active, booking bk_1" in lines
    assert "             cancelled, booking bk_2" in lines


def test_who_gave_no_number_is_told_with_their_address() -> None:
    by_email = STANDS | {"phone": None, "email": "maya@gmail.com"}
    lines = told(a_report(appointments=[by_email, by_email | {"email": None}]))

    assert "Appointment  2026-12-02T10:00:00-05:00, 30 min, Maya Chen, maya@gmail.com" in lines
    assert "Appointment  2026-12-02T10:00:00-05:00, 30 min, Maya Chen" in lines


def test_an_e_mail_is_told_with_its_subject() -> None:
    mail = {"to": "maya@gmail.com", "subject": "You are booked", "body": "Thursday at two."}
    lines = told(a_report(mails=[mail]))

    assert lines[lines.index("E-mail       to maya@gmail.com") + 1] == "             You are booked"


def test_what_callers_waited_for_is_told() -> None:
    measured = {"turn_end": 310, "stt": 200, "llm": 90, "tts": 80, "play": 20}
    latency = {"p50": 500, "p95": 700}
    lines = told(a_report(greeting_ms=20, voice_to_voice_ms=latency, stages_ms=measured, worst_silence_ms=1200))

    assert "Latency      greeting 20 ms; voice-to-voice p50 500 ms, p95 700 ms" in lines
    assert (
        "Stages       turn end 310, of it transcript 200, first word 90, first audio 80, on the line 20 ms (medians)"
        in lines
    )
    assert "Silence      1200 ms at worst" in lines


def test_nothing_is_as_expected_where_nobody_expected_anything() -> None:
    assert told(a_report())[-1] == "As expected."
    assert told(a_report(), expects=False)[-1] == "Appointment  none"
