"""An invitation says what was booked, to whatever calendar reads it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar, Event

from appointments.store.records import Invite
from mail.invite import render_invite
from tests.letters import INVITE, MAYA

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)


def rendered(invite: Invite) -> bytes:
    return render_invite(invite, organizer="clinic@example.com", attendee=MAYA, at=NOW)


def event_of(ical: bytes) -> Event:
    (event,) = Calendar.from_ical(ical).walk("VEVENT")
    assert isinstance(event, Event)
    return event


def test_a_request_enters_the_appointment() -> None:
    ical = rendered(INVITE)

    event = event_of(ical)
    assert str(Calendar.from_ical(ical)["METHOD"]) == "REQUEST"
    assert (str(event["UID"]), event.sequence, str(event["STATUS"])) == ("ap_1", 1, "CONFIRMED")
    assert str(event["SUMMARY"]) == "Appointment with Harbor Street Clinic"
    assert str(event["LOCATION"]) == "12 Harbor Street, Springfield"
    assert (str(event["ORGANIZER"]), event["ORGANIZER"].params["CN"]) == (
        "mailto:clinic@example.com",
        "Harbor Street Clinic",
    )


def test_a_cancellation_takes_out_the_same_event() -> None:
    ical = rendered(replace(INVITE, method="CANCEL", sequence=2))

    event = event_of(ical)
    assert str(Calendar.from_ical(ical)["METHOD"]) == "CANCEL"
    assert (str(event["UID"]), event.sequence, str(event["STATUS"])) == ("ap_1", 2, "CANCELLED")


def test_who_said_yes_on_the_phone_is_not_asked_again() -> None:
    attendee = event_of(rendered(INVITE))["ATTENDEE"]

    assert str(attendee) == f"mailto:{MAYA}"
    assert {name: str(value) for name, value in attendee.params.items()} == {
        "CN": "Maya Chen",
        "ROLE": "REQ-PARTICIPANT",
        "PARTSTAT": "ACCEPTED",
        "RSVP": "FALSE",
    }


def test_the_time_is_one_that_needs_no_rules_of_a_zone() -> None:
    ical = rendered(INVITE)

    assert b"\r\nDTSTART:20261201T193000Z\r\nDTEND:20261201T200000Z\r\n" in ical
    assert b"VTIMEZONE" not in ical


def test_words_of_a_caller_cannot_add_to_the_file() -> None:
    odd = replace(INVITE, title='Ann;"B", C\r\nATTENDEE:mailto:eve@example.com', attendee_name='A"\r\nX-EVE:1')

    event = event_of(rendered(odd))

    assert str(event["ATTENDEE"]) == f"mailto:{MAYA}"
    assert "X-EVE" not in event
    assert "eve@example.com" in str(event["SUMMARY"])


@given(
    st.datetimes(NOW.replace(tzinfo=None), timezones=st.sampled_from(["UTC", "Australia/Lord_Howe"]).map(ZoneInfo)),
    st.integers(5, 600),
)
def test_whoever_reads_it_reads_the_same_moments(at: datetime, minutes: int) -> None:
    start = at.replace(microsecond=0)
    invite = replace(INVITE, starts_at=start, ends_at=start.astimezone(UTC) + timedelta(minutes=minutes))

    event = event_of(rendered(invite))

    assert (event.decoded("DTSTART"), event.decoded("DTEND")) == (start.astimezone(UTC), invite.ends_at)
