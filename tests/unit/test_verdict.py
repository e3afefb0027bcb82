"""What is found wrong with what stands after a rehearsed call."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from agent.booked_before import call_before
from agent.rehearsal import Event
from agent.scenarios import Scenario
from agent.verdict import (
    Held,
    concerned,
    wrong_bookings,
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

    assert wrong_texts(scenario.expect, [code, moved]) == []
    assert wrong_texts(scenario.expect, [moved]) == ["texts with a code accepted for the caller: 0, not 1"]


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
