"""What the owner's commands print, and which appointment or request an id names."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import typer

from agent.owner.appointments import STANDING, as_object, from_today, lines
from agent.owner.requests import lines as request_lines
from agent.owner.words import columns, plain, short, the_one
from appointments.model import AppointmentId, AppointmentStatus, CallSid
from appointments.store.records import CallerRequest, Change, ChangeKind, KeptRequest, RequestKind
from tests.factories import ATTENDEE, CALLER, NOW, STUDIO, ZONE, a_slot, an_appointment

if TYPE_CHECKING:
    from appointments.model import Slot

FIRST, SECOND = "ap_8f3a2b1c00000001", "ap_8f3a2b1c00000002"
BOOKED = an_appointment(status=AppointmentStatus.ACTIVE, appointment_id=AppointmentId(FIRST))
TODAY = NOW.astimezone(ZONE)


def named(given: str) -> str:
    return the_one([FIRST, SECOND, "ap_1"], given, id_of=str, kind="appointment", listed_by="slotline appointments")


@pytest.mark.parametrize("given", [SECOND, "8F3A2B1C00000002", " 8f3a2b1c00000002 ", "8f3a2b1c00000002"])
def test_an_id_names_one_however_it_is_written(given: str) -> None:
    assert named(given) == SECOND


def test_what_is_shown_of_an_id_names_it() -> None:
    assert the_one([FIRST], short(FIRST), id_of=str, kind="appointment", listed_by="") == FIRST


@pytest.mark.parametrize("given", ["8", "8f3a2b1", "8f3a2b1d", ""])
def test_less_of_an_id_or_another_one_names_nothing(given: str) -> None:
    with pytest.raises(typer.BadParameter, match=r"there is no appointment .*`slotline appointments` shows the ids"):
        named(given)


def test_an_id_of_several_is_answered_with_all_of_them() -> None:
    with pytest.raises(typer.BadParameter, match=f"2 appointments begin with 8f3a2b1c: .*{FIRST} {SECOND}"):
        named("8f3a2b1c")


def test_appointments_are_told_by_day_in_the_business_s_time() -> None:
    told = list(lines([replace(BOOKED, notes="Bring\nthe x-rays")], {}, STUDIO))

    assert told == [
        "Ada's Studio, times of America/New_York.",
        "\nThursday, December 3, 2026",
        "  8f3a2b1c   2:00 PM  30 min  30-Minute Consultation  Maya Chen  +14155550123  booked",
        "            notes: Bring the x-rays",
    ]


def test_where_there_is_none_it_says_so() -> None:
    assert list(lines([], {}, STUDIO)) == ["Ada's Studio has no such appointments."]
    assert list(request_lines([], STUDIO)) == ["Nobody waits for Ada's Studio."]


def test_every_status_is_told_in_words_of_its_own() -> None:
    assert STANDING.keys() == set(AppointmentStatus)
    assert len(set(STANDING.values())) == len(STANDING)


def test_what_the_caller_has_confirmed_is_told() -> None:
    assert list(lines([replace(BOOKED, confirmed_at=NOW)], {}, STUDIO))[-1].endswith("booked, confirmed by the caller")


def test_what_a_person_must_check_is_counted_and_marked() -> None:
    unconfirmed = replace(BOOKED, status=AppointmentStatus.UNCONFIRMED)

    told = list(lines([unconfirmed, BOOKED], {}, STUDIO))

    assert told[1] == "To be checked by a person: 1, marked with CHECK."
    assert [line.endswith("CHECK whether the calendar has it") for line in told[-2:]] == [True, False]


@pytest.mark.parametrize(
    ("slot", "says"),
    [(a_slot(77), "moved to Friday, December 4, 2026 at 2:00 PM"), (None, "cancelled")],
)
def test_a_change_that_nobody_is_sure_of_must_be_checked(slot: Slot | None, says: str) -> None:
    kind = ChangeKind.MOVE if slot else ChangeKind.CANCEL
    change = Change("ch_1", BOOKED.appointment_id, kind, "", CallSid("CA1"), slot=slot)
    unclear = {BOOKED.appointment_id: change}

    assert list(lines([BOOKED], unclear, STUDIO))[-1].endswith(f"CHECK whether the calendar has it {says}")
    assert as_object([BOOKED], unclear, STUDIO)["appointments"][0]["must_be_checked"]
    assert not as_object([replace(BOOKED, status=AppointmentStatus.CANCELLED)], unclear, STUDIO)["appointments"][0][
        "must_be_checked"
    ]


def test_nothing_that_was_said_steers_the_terminal() -> None:
    hostile = replace(BOOKED, attendee=replace(ATTENDEE, name="Maya\x1b[2J\n Chen"))

    assert "Maya [2J Chen" in list(lines([hostile], {}, STUDIO))[-1]
    assert plain("\x9b31mred") == "31mred"


def test_what_is_over_today_is_listed_and_what_was_called_off_is_not() -> None:
    this_morning = replace(BOOKED, slot=a_slot(-4), status=AppointmentStatus.COMPLETED)
    yesterday = replace(BOOKED, slot=a_slot(-24), status=AppointmentStatus.COMPLETED)
    cancelled = replace(BOOKED, status=AppointmentStatus.CANCELLED)

    assert from_today([this_morning, yesterday, cancelled, BOOKED], TODAY, None) == [this_morning, BOOKED]


@pytest.mark.parametrize(("days", "is_listed"), [(2, False), (3, True), (None, True)])
def test_so_many_days_are_those_from_today(days: int | None, is_listed: bool) -> None:
    assert from_today([BOOKED], TODAY, days) == ([BOOKED] if is_listed else [])


def test_requests_are_told_by_kind_with_what_they_are_about() -> None:
    call_back = CallerRequest(
        CallSid("CA1"), RequestKind.CALL_BACK, CALLER, name="Maya Chen", best_time="after 5", notes="A leaking tap"
    )
    waitlist = CallerRequest(CallSid("CA2"), RequestKind.WAITLIST, CALLER, title="30-Minute Consultation")

    told = list(
        request_lines(
            [
                KeptRequest("rq_aaaaaaaa1", waitlist, NOW, NOW + timedelta(hours=1)),
                KeptRequest("rq_bbbbbbbb1", call_back, NOW, None),
            ],
            STUDIO,
        )
    )

    assert told == [
        "Ada's Studio, times of America/New_York.",
        "\nTo be called back",
        "  bbbbbbbb  Tuesday, December 1, 2026 at 9:00 AM  +14155550123  Maya Chen",
        "            best time: after 5; about: A leaking tap",
        "\nOn the waitlist",
        "  aaaaaaaa  Tuesday, December 1, 2026 at 9:00 AM  +14155550123  30-Minute Consultation"
        "  done on Tuesday, December 1, 2026 at 10:00 AM",
    ]


def test_a_column_that_is_empty_takes_no_place() -> None:
    assert columns([("a", "", "c"), ("bb", "", "")]) == ["a   c", "bb"]
