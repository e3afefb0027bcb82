"""What is found wrong with what stands after a rehearsed call."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from agent.booked_before import call_before
from agent.expectations import Expectation, LaterExpectation
from agent.rehearsal_events import Event
from agent.scenarios import Scenario
from agent.verdict import (
    Happened,
    Held,
    concerned,
    wrong_bookings,
    wrong_mails,
    wrong_record,
    wrong_requests,
    wrong_texts,
    wrong_transfer,
    wrong_words,
)
from appointments.model import AppointmentStatus, CallSid, PhoneNumber
from appointments.store.records import CallerRequest, RequestKind
from tests.factories import an_appointment
from tests.sessions import CLINIC

if TYPE_CHECKING:
    from collections.abc import Sequence

THURSDAY, FRIDAY, MONDAY = "2026-12-03T14:00", "2026-12-04T10:00", "2026-12-07T09:00"
MINE = {"at": THURSDAY, "name": "Maya Chen"}
OTHERS = {"at": FRIDAY, "name": "Robin Sato", "number": "+14155550199"}


def a_scenario(expect: dict[str, Any], booked: Sequence[dict[str, str]] = (MINE, OTHERS)) -> Scenario:
    return Scenario.model_validate(
        {"name": "x", "lines": [{"hang_up": True}], "booked": booked, "expect": {"booking": None} | expect}
    )


def held(*starts: str, title: str = "30-Minute Consultation") -> list[Held]:
    return [Held(datetime.fromisoformat(start).replace(tzinfo=CLINIC.zone), title) for start in starts]


@pytest.mark.parametrize(
    ("expect", "starts"),
    [
        ({}, [THURSDAY, FRIDAY]),
        ({"moved": MONDAY}, [FRIDAY, MONDAY]),
        ({"cancelled": True}, [FRIDAY]),
        ({"confirmed": True}, [THURSDAY, FRIDAY]),
        ({"booking": MONDAY}, [MONDAY, THURSDAY, FRIDAY]),
    ],
)
def test_what_existed_stands_unless_something_else_is_expected(expect: dict[str, Any], starts: list[str]) -> None:
    scenario = a_scenario(expect)

    assert wrong_bookings(scenario, scenario.expect, CLINIC, held(*starts)) == []
    assert wrong_bookings(scenario, scenario.expect, CLINIC, held(*starts[1:])) != []


def test_another_ones_appointment_that_went_instead_is_noticed() -> None:
    scenario = a_scenario({"cancelled": True})

    (problem,) = wrong_bookings(scenario, scenario.expect, CLINIC, held(THURSDAY))

    assert "a booking at 2026-12-03 14:00, not a booking at 2026-12-04 10:00" in problem


def test_each_of_several_bookings_is_for_its_title() -> None:
    scenario = a_scenario({"booking": [FRIDAY, MONDAY], "title": ["Repair", "Quote"]}, booked=())
    calendar = [*held(FRIDAY, title="Repair"), *held(MONDAY, title="Repair")]

    assert wrong_bookings(scenario, scenario.expect, CLINIC, calendar) == ["the booking is for Repair, not for Quote"]


@pytest.mark.parametrize(
    ("expect", "status", "is_confirmed", "problems"),
    [
        ({}, AppointmentStatus.ACTIVE, False, []),
        ({}, AppointmentStatus.CANCELLED, False, ["the record says that the appointment is cancelled"]),
        ({"cancelled": True}, AppointmentStatus.CANCELLED, False, []),
        ({"confirmed": True}, AppointmentStatus.ACTIVE, True, []),
        (
            {"confirmed": True},
            AppointmentStatus.ACTIVE,
            False,
            ["the record says that the appointment is not confirmed"],
        ),
    ],
)
def test_the_record_must_tell_the_same(
    expect: dict[str, Any], status: AppointmentStatus, is_confirmed: bool, problems: list[str]
) -> None:
    scenario = a_scenario(expect)
    first = replace(
        an_appointment(),
        call_sid=call_before(0),
        status=status,
        confirmed_at=datetime.now(CLINIC.zone) if is_confirmed else None,
    )

    assert wrong_record(scenario, scenario.expect, [an_appointment(), first]) == problems
    assert wrong_record(scenario, scenario.expect, [])


def test_codes_and_other_texts_are_counted_apart() -> None:
    scenario = a_scenario({"moved": MONDAY, "codes": 1})
    code, moved = {"body": "Clinic: your code is 048211."}, {"body": "It is now on Mon. Join: https://x/8e048211b"}

    assert wrong_texts(scenario, scenario.expect, [code, moved]) == []
    assert wrong_texts(scenario, scenario.expect, [moved]) == ["texts with a code accepted for the caller: 0, not 1"]


REMINDER = {"to": "+14155550123", "body": "Reminder: Thu, Dec 3. Reply C to confirm."}
TO_ROBIN = {"to": "+14155550199", "body": "Your appointment is cancelled."}


@pytest.mark.parametrize(
    ("expected", "wrong"),
    [
        ([{"matches": "reply c"}, {"matches": "cancelled", "to": "+14155550199"}], []),
        ([{"matches": "cancelled", "to": "+14155550199"}, {"matches": "^reminder"}], []),
        (
            [{"matches": "reply c"}, {"matches": "cancelled"}],
            ["no text to +14155550123 matches: cancelled"],
        ),
        (
            [{"matches": "reply c"}, {"matches": "reply c"}],
            ["no text to +14155550123 matches: reply c"],
        ),
        (
            [{"matches": "reply c"}],
            ["texts accepted for the caller: 2, not 1"],
        ),
    ],
)
def test_each_expected_text_is_another_one_that_went_to_its_number(
    expected: list[dict[str, str]], wrong: list[str]
) -> None:
    scenario = a_scenario({"texts": expected})

    assert wrong_texts(scenario, scenario.expect, [REMINDER, TO_ROBIN]) == wrong


def test_what_no_text_may_say_is_found() -> None:
    scenario = a_scenario({"sms": 1, "no_text": "reply c"})

    assert wrong_texts(scenario, scenario.expect, [TO_ROBIN]) == []
    assert wrong_texts(scenario, scenario.expect, [REMINDER]) == [f"a text says: {REMINDER['body']}"]


def test_mails_that_did_not_come_are_missed_and_others_do_not_matter() -> None:
    scenario = a_scenario({"mails": [{"matches": "confirmed", "to": "maya@example.com"}]})
    mail = {"to": "maya@example.com", "subject": "Confirmed: Thu, Dec 3", "text": "See you."}

    assert wrong_mails(scenario.expect, [mail | {"subject": "Something else"}, mail]) == []
    assert wrong_mails(scenario.expect, []) == ["no mail to maya@example.com matches: confirmed"]


def test_a_number_that_is_to_get_a_text_later_counts_from_the_beginning() -> None:
    scenario = Scenario.model_validate(
        {
            "name": "x",
            "now": "2026-12-01T09:00",
            "lines": [{"hang_up": True}],
            "later": [
                {
                    "now": "2026-12-02T09:00",
                    "expect": {"texts": [{"matches": "new booking", "to": "+14155550177"}]},
                }
            ],
            "expect": {"booking": None},
        }
    )

    assert concerned(scenario) == {"+14155550123", "+14155550177"}


BOOKED = {"booking": FRIDAY, "texts": [{"matches": "see you"}]}


def later_on(later: dict[str, Any], expect: dict[str, Any] = BOOKED) -> Expectation:
    """Return what must stand after `later`."""
    before = a_scenario(expect, booked=()).expect
    return LaterExpectation.model_validate(later).after(before)


def test_what_stood_before_must_stand_later_unless_something_else_is_expected() -> None:
    friday = datetime.fromisoformat(FRIDAY)

    unchanged = later_on({})
    cancelled = later_on({"cancelled": True, "texts": [{"matches": "cancelled"}]})

    assert (unchanged.bookings, unchanged.cancelled, unchanged.sms, unchanged.texts) == ((friday,), False, 0, ())
    assert (cancelled.bookings, cancelled.cancelled, cancelled.sms) == ((friday,), True, 1)


def test_what_becomes_of_an_appointment_last_is_what_counts() -> None:
    moved = later_on({"moved": MONDAY})

    cancelled = LaterExpectation.model_validate({"cancelled": True}).after(moved)

    assert (cancelled.cancelled, cancelled.moved) == (True, None)


@pytest.mark.parametrize(
    ("later", "starts"),
    [({}, [FRIDAY]), ({"moved": MONDAY}, [MONDAY]), ({"cancelled": True}, [])],
)
def test_without_what_existed_it_is_the_first_booking_that_changes_later(
    later: dict[str, Any], starts: list[str]
) -> None:
    scenario = a_scenario(BOOKED, booked=())

    assert wrong_bookings(scenario, later_on(later), CLINIC, held(*starts)) == []
    assert wrong_bookings(scenario, later_on(later), CLINIC, held(THURSDAY)) != []


def test_only_what_was_added_happened_since() -> None:
    hello, bye = Event("agent", "Hello.", 0), Event("agent", "Goodbye.", 1)
    before = Happened((TO_ROBIN,), (), (hello,), ())

    since = Happened((TO_ROBIN, REMINDER), (), (hello, bye), ()).beyond(before)

    assert since == Happened((REMINDER,), (), (bye,), ())


def test_texts_may_go_to_the_caller_and_to_whom_the_appointments_are_under() -> None:
    assert concerned(a_scenario({})) == {"+14155550123", "+14155550199"}


def test_what_the_caller_left_is_compared() -> None:
    scenario = a_scenario({"requests": ["waitlist"]})
    left = CallerRequest(CallSid("CA1"), RequestKind.WAITLIST, PhoneNumber("+14155550123"))

    assert wrong_requests(scenario.expect, [left]) == []
    assert wrong_requests(scenario.expect, []) == ["left are no requests, not waitlist"]


def test_what_must_not_be_said_is_found_in_the_agents_words_only() -> None:
    scenario = a_scenario({"unsaid": r"\btwo\b"})
    caller, agent = Event("caller", "Is it at two?", 0), Event("agent", "It is at Two.", 1)

    assert wrong_words(scenario.expect, [caller]) == []
    assert wrong_words(scenario.expect, [caller, agent]) == ["the agent said: It is at Two."]


def test_what_must_be_said_is_missed_until_the_agent_says_it() -> None:
    scenario = a_scenario({"said": ["moment", "still"]})
    caller, agent = Event("caller", "A moment. Still there?", 0), Event("agent", "One Moment, please.", 1)

    assert wrong_words(scenario.expect, [caller, agent]) == ["the agent never said: still"]
    assert wrong_words(scenario.expect, [agent, Event("agent", "I'm still on it.", 2)]) == []


@pytest.mark.parametrize(
    ("expect", "sms"),
    [
        ({}, 0),
        ({"booking": FRIDAY}, 1),
        ({"booking": [FRIDAY, MONDAY]}, 2),
        ({"moved": MONDAY}, 1),
        ({"cancelled": True}, 1),
        ({"cancelled": True, "sms": 0}, 0),
    ],
)
def test_each_change_is_texted_unless_the_scenario_says_otherwise(expect: dict[str, Any], sms: int) -> None:
    assert a_scenario(expect).expect.sms == sms


@pytest.mark.parametrize(
    ("expect", "booked", "problem"),
    [
        ({"moved": MONDAY}, (), "booked names nothing"),
        ({"moved": MONDAY, "cancelled": True}, (MINE,), "a cancelled appointment is nowhere"),
        ({"booking": [FRIDAY], "title": ["Repair", "Quote"]}, (), "2 titles for 1 bookings"),
    ],
)
def test_what_cannot_be_is_refused(expect: dict[str, Any], booked: tuple[dict[str, str], ...], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        a_scenario(expect, booked)


def test_what_exists_takes_a_time_that_was_free() -> None:
    scenario = Scenario.model_validate(
        {
            "name": "x",
            "free": [MONDAY],
            "booked": [MINE],
            "lines": [{"hang_up": True}],
            "expect": {"booking": None},
        }
    )

    assert scenario.open_times == (datetime.fromisoformat(THURSDAY), datetime.fromisoformat(MONDAY))


TAKEN = {"number": "+14155550198", "status": "completed", "is_bridged": True, "told": "Maya Chen is on the line."}
MISSED = TAKEN | {"status": "no-answer", "is_bridged": False, "told": ""}


@pytest.mark.parametrize(
    ("expect", "dialled", "wrong"),
    [
        ({}, [], []),
        ({}, [MISSED], []),
        ({"transferred": True}, [TAKEN], []),
        ({"transferred": True, "told": "maya"}, [TAKEN], []),
        ({"transferred": True}, [MISSED], ["a person has not taken the call"]),
        ({"transferred": True}, [], ["a person has not taken the call"]),
        ({}, [TAKEN], ["a person has taken the call"]),
        ({"transferred": True, "told": "Robin"}, [TAKEN], ["the person was told: Maya Chen is on the line."]),
        ({"told": "Maya"}, [MISSED], ["the person was told: nothing"]),
    ],
)
def test_who_takes_the_call_and_what_they_are_told(
    expect: dict[str, Any], dialled: list[dict[str, Any]], wrong: list[str]
) -> None:
    assert wrong_transfer(a_scenario(expect, booked=()).expect, dialled) == wrong
