"""What a calendar's word about a booking means for the record."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from appointments.errors import NotChangeable
from appointments.message_plan import plan_for
from appointments.model import AppointmentStatus as Status
from appointments.model import Attendee, BookingStatus, BookingUid, EventTypeId
from appointments.outside_verdict import Outlook, verdict
from appointments.store.outside_records import Known, OutsideEvent
from tests.factories import ACTION, ATTENDEE, CALLER, NOW, ZONE, a_slot, an_appointment
from tests.outside import TEMPLATES, TEXTING, a_listed_booking

if TYPE_CHECKING:
    from appointments.listed_bookings import ListedBooking
    from appointments.message_plan import MessagePlan
    from appointments.store.outside_records import OutsideChange

UID = BookingUid("bk_1")
OUTLOOK = Outlook(business=TEXTING, texts=TEMPLATES, now=NOW)


def known(status: Status = Status.ACTIVE, *, is_busy: bool = False, is_no_show: bool = False, **changes: Any) -> Known:
    facts: dict[str, Any] = {"booking_uid": UID, "meeting_link": "https://meet.test/1", "status": status}
    return Known(an_appointment(**(facts | changes)), _plan(), is_busy=is_busy, is_no_show=is_no_show)


def _plan() -> MessagePlan:
    return plan_for(TEXTING, TEXTING.actions[0], TEMPLATES, phone=CALLER)


def judged(what: Known | None, booking: ListedBooking, *trail: BookingUid, **outlook: Any) -> OutsideChange | None:
    return verdict(what, booking, trail or (booking.uid,), replace(OUTLOOK, **outlook))


def kinds(change: OutsideChange | None) -> list[str]:
    assert change is not None
    return [message.kind.value for message in change.messages]


def test_what_the_record_says_already_changes_nothing() -> None:
    assert judged(known(), a_listed_booking()) is None
    assert judged(known(Status.RESCHEDULED), a_listed_booking()) is None


def test_a_cancellation_is_told_as_a_version_of_its_own() -> None:
    change = judged(known(), a_listed_booking(status=BookingStatus.CANCELLED, reason="Ill"))

    assert change is not None
    assert (change.event, change.reason) == (OutsideEvent.CANCELLED, "Ill")
    assert (change.appointment.status, change.appointment.version) == (Status.CANCELLED, 2)
    assert kinds(change) == ["cancelled"]


@pytest.mark.parametrize("status", [Status.ACTIVE, Status.RESCHEDULED, Status.REQUESTED, Status.UNCONFIRMED])
def test_whatever_is_live_can_be_called_off(status: Status) -> None:
    change = judged(known(status), a_listed_booking(status=BookingStatus.REJECTED))

    assert change is not None
    assert change.appointment.status is Status.CANCELLED


@pytest.mark.parametrize("status", [Status.CANCELLED, Status.COMPLETED, Status.FAILED])
@pytest.mark.parametrize("said", [BookingStatus.ACCEPTED, BookingStatus.CANCELLED])
def test_what_is_over_stays_over(status: Status, said: BookingStatus) -> None:
    assert judged(known(status), a_listed_booking(status=said)) is None


@pytest.mark.parametrize("status", [Status.CANCELLED, Status.COMPLETED])
def test_what_is_over_lives_again_in_the_booking_that_has_taken_its_place(status: Status) -> None:
    again = a_listed_booking("bk_2", slot=a_slot(54), moved_from="bk_1")

    change = judged(known(status, version=2), again, BookingUid("bk_2"), UID)

    assert change is not None
    after = change.appointment
    assert (change.event, after.status, after.version) == (OutsideEvent.MOVED, Status.RESCHEDULED, 3)
    assert (after.slot, after.booking_uid) == (a_slot(54), "bk_2")
    assert kinds(change)[0] == "moved"


def test_what_is_over_stays_over_when_what_took_its_place_is_over_too() -> None:
    again = a_listed_booking("bk_2", moved_from="bk_1")

    assert judged(known(Status.CANCELLED), again, BookingUid("bk_2"), UID, now=again.slot.end) is None


def test_a_move_keeps_the_appointment_and_takes_the_new_uid() -> None:
    moved = a_listed_booking("bk_2", slot=a_slot(54), meeting_link="https://meet.test/2", moved_from="bk_1")

    change = judged(known(confirmed_at=NOW), moved, BookingUid("bk_2"), UID)

    assert change is not None
    after = change.appointment
    assert (change.event, after.status, after.version) == (OutsideEvent.MOVED, Status.RESCHEDULED, 2)
    assert (after.slot, after.booking_uid, after.meeting_link) == (a_slot(54), "bk_2", "https://meet.test/2")
    assert after.confirmed_at is None
    assert kinds(change)[0] == "moved"
    assert "reminder_day" in kinds(change)


def test_a_move_that_the_host_must_accept_is_requested() -> None:
    asked = a_listed_booking("bk_2", slot=a_slot(54), status=BookingStatus.PENDING, moved_from="bk_1")

    change = judged(known(), asked, BookingUid("bk_2"), UID)

    assert change is not None
    assert change.appointment.status is Status.REQUESTED
    assert kinds(change) == ["requested"]


@pytest.mark.parametrize("status", [Status.REQUESTED, Status.UNCONFIRMED])
def test_what_was_open_is_confirmed_when_the_calendar_has_it(status: Status) -> None:
    change = judged(known(status), a_listed_booking())

    assert change is not None
    assert (change.event, change.appointment.status) == (OutsideEvent.ACCEPTED, Status.ACTIVE)
    assert change.appointment.version == 1
    assert kinds(change)[0] == "confirmation"


def test_what_nobody_knew_of_may_still_have_to_be_accepted() -> None:
    change = judged(known(Status.UNCONFIRMED), a_listed_booking(status=BookingStatus.PENDING))

    assert change is not None
    assert change.appointment.status is Status.REQUESTED
    assert kinds(change) == ["requested"]


def test_a_link_that_comes_late_refreshes_what_is_to_be_sent() -> None:
    change = judged(known(meeting_link=""), a_listed_booking(host_name="Priya"))

    assert change is not None
    assert change.event is OutsideEvent.REFRESHED
    assert (change.appointment.meeting_link, change.appointment.host_name) == ("https://meet.test/1", "Priya")
    assert change.appointment.version == 1


@pytest.mark.parametrize("what", [known(is_busy=True), known(Status.PENDING, booking_uid=None)])
def test_what_a_call_is_changing_is_left_to_it(what: Known) -> None:
    with pytest.raises(NotChangeable) as caught:
        judged(what, a_listed_booking(status=BookingStatus.CANCELLED))

    assert caught.value.is_busy


def test_a_booking_whose_place_another_has_taken_changes_nothing() -> None:
    assert judged(known(booking_uid=BookingUid("bk_9")), a_listed_booking(status=BookingStatus.CANCELLED)) is None


def test_who_did_not_come_is_noted_once_and_not_thanked() -> None:
    change = judged(known(Status.COMPLETED), a_listed_booking(is_absent=True))

    assert change is not None
    assert (change.event, change.appointment.status) == (OutsideEvent.NO_SHOW, Status.COMPLETED)
    assert (change.plan.follow_up_after, change.plan.review_link) == (None, "")
    assert judged(known(Status.COMPLETED, is_no_show=True), a_listed_booking(is_absent=True)) is None


def test_what_has_ended_is_completed() -> None:
    change = judged(known(), a_listed_booking(), has_ended=True)

    assert change is not None
    assert (change.event, change.appointment.status) == (OutsideEvent.ENDED, Status.COMPLETED)


# Bookings that others have made.


def test_a_booking_made_outside_becomes_an_appointment_and_is_confirmed() -> None:
    change = judged(None, a_listed_booking(notes="Leaking tap"))

    assert change is not None
    made = change.appointment
    assert (change.event, made.status) == (OutsideEvent.BOOKED, Status.ACTIVE)
    assert (made.call_sid, made.idempotency_key) == ("", "outside:bk_1")
    assert (made.title, made.zone, made.attendee, made.notes) == (ACTION.title, ZONE.key, ATTENDEE, "Leaking tap")
    assert kinds(change)[0] == "confirmation"


def test_a_request_made_outside_is_told_as_one() -> None:
    change = judged(None, a_listed_booking(status=BookingStatus.PENDING))

    assert change is not None
    assert change.appointment.status is Status.REQUESTED
    assert kinds(change) == ["requested"]


@pytest.mark.parametrize(
    "booking",
    [
        a_listed_booking(status=BookingStatus.CANCELLED),
        a_listed_booking(status=BookingStatus.REJECTED),
        a_listed_booking(slot=a_slot(-1)),
        a_listed_booking(event_type_id=EventTypeId("999")),
    ],
)
def test_what_takes_no_place_here_becomes_nothing(booking: ListedBooking) -> None:
    assert judged(None, booking) is None


def test_without_a_number_nothing_is_texted() -> None:
    change = judged(None, a_listed_booking(attendee=Attendee("Maya Chen", "", email="maya@example.com")))

    assert change is not None
    assert change.appointment.attendee.zone == ZONE.key
    assert (change.plan.to, change.plan.email) == ("", "")
    assert kinds(change) == []


def test_a_booking_of_another_slotline_is_texted_by_that_one() -> None:
    change = judged(None, a_listed_booking(idempotency_key="CA9:101:0"))

    assert kinds(change) == []


def test_what_was_booked_before_anybody_watched_is_reminded_of_only() -> None:
    change = judged(None, a_listed_booking(), is_old=True)

    assert set(kinds(change)) == {"reminder_day", "reminder_hours"}


# A calendar that texts by itself.


def test_a_calendar_that_texts_is_not_repeated() -> None:
    cancelled = judged(known(), a_listed_booking(status=BookingStatus.CANCELLED), calendar_texts=True)
    moved = judged(known(), a_listed_booking(slot=a_slot(54)), calendar_texts=True)
    booked = judged(None, a_listed_booking(), calendar_texts=True)

    assert kinds(cancelled) == []
    assert set(kinds(moved)) == {"reminder_day", "reminder_hours"}
    assert kinds(booked) == []
