"""What is sent about each event of an appointment, by the plan that is kept with it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from appointments.message_plan import (
    NO_MESSAGES,
    MessagePlan,
    booked,
    cancelled,
    change_failed,
    completed,
    failed,
    moved,
    plan_for,
    plan_from,
)
from appointments.model import Appointment, AppointmentStatus, MessageSettings, PhoneNumber, QuietHours
from appointments.store.records import (
    AT_ONCE,
    Channel,
    MessageKind,
    OutgoingMessage,
)
from prompts.loader import SMS_TEMPLATES, sms_template
from tests.factories import ACTION, CALLER, NOW, STUDIO, a_slot, an_appointment

if TYPE_CHECKING:
    from collections.abc import Sequence

SHIPPED = {name: sms_template(name) for name in SMS_TEMPLATES}
SETTINGS = MessageSettings()
WITH_ALL = replace(SETTINGS, follow_up_after=timedelta(hours=1), review_link="https://reviews.example.com/ada")
CONFIRMED = replace(ACTION, sms_template=SHIPPED["confirmation"])


def a_plan(settings: MessageSettings = SETTINGS, **changes: Any) -> MessagePlan:
    action = replace(CONFIRMED, messages=settings, **changes)
    return plan_for(STUDIO, action, SHIPPED, phone=CALLER)


def an_active(**changes: Any) -> Appointment:
    """Return an appointment on Thursday at two in the afternoon, booked on Tuesday morning."""
    return replace(an_appointment(status=AppointmentStatus.ACTIVE), **changes)


def kinds(messages: Sequence[OutgoingMessage]) -> list[str]:
    return [message.kind.value for message in messages]


def test_a_booking_is_confirmed_at_once_and_reminded_of_a_day_and_two_hours_before() -> None:
    appointment = an_active()

    confirmation, day, hours = booked(a_plan(), appointment, now=NOW)

    start = appointment.slot.start
    assert kinds([confirmation, day, hours]) == ["confirmation", "reminder_day", "reminder_hours"]
    assert confirmation.not_before == AT_ONCE
    assert confirmation.expires_at is None
    assert (day.not_before, hours.not_before) == (start - timedelta(hours=24), start - timedelta(hours=2))
    assert hours.expires_at == start - timedelta(hours=1)
    assert "Reply C to confirm, R to reschedule, X to cancel" in day.body


def test_a_request_is_neither_confirmed_nor_reminded_of() -> None:
    appointment = replace(an_active(), status=AppointmentStatus.REQUESTED)

    assert kinds(booked(a_plan(), appointment, now=NOW)) == ["requested"]
    assert kinds(moved(a_plan(), appointment, now=NOW)) == ["requested"]


def test_each_version_is_told_of_under_a_key_of_its_own() -> None:
    first = booked(a_plan(), an_active(), now=NOW)
    second = moved(a_plan(), an_active(version=2, slot=a_slot(77)), now=NOW)

    keys = [message.dedupe_key for message in (*first, *second)]
    assert keys[0] == "ap_1|confirmation|1"
    assert keys[3] == "ap_1|moved|2"
    assert len(set(keys)) == len(keys)


def test_a_cancellation_is_told_of_and_nothing_follows() -> None:
    (message,) = cancelled(a_plan(), an_active(version=2, status=AppointmentStatus.CANCELLED))

    assert (message.kind, message.dedupe_key) == (MessageKind.CANCELLED, "ap_1|cancelled|2")


def test_a_reminder_that_would_have_been_due_before_the_booking_is_left_out() -> None:
    soon = an_active(slot=a_slot(20))

    assert kinds(booked(a_plan(), soon, now=NOW)) == ["confirmation", "reminder_hours"]


def test_two_reminders_at_one_moment_are_one() -> None:
    plan = a_plan(replace(SETTINGS, reminders=(timedelta(hours=3), timedelta(hours=2))))
    morning = an_active(slot=a_slot(47.5))  # Thursday at half past eight in New York

    reminders = booked(plan, morning, now=NOW)[1:]

    assert kinds(reminders) == ["reminder_hours"]
    assert reminders[0].dedupe_key == "ap_1|reminder_hours.120|1"


def test_quiet_hours_are_those_of_the_attendees_zone() -> None:
    appointment = an_active(slot=a_slot(51))  # noon in New York, nine in the morning in Los Angeles
    there = replace(appointment, attendee=replace(appointment.attendee, zone="America/Los_Angeles"))

    here_hours, there_hours = (booked(a_plan(), each, now=NOW)[-1] for each in (appointment, there))

    assert here_hours.not_before == appointment.slot.start - timedelta(hours=2)
    assert there_hours.not_before == datetime(2026, 12, 3, 4, 30, tzinfo=UTC)  # 20:30 the evening before


def test_thanks_and_the_wish_for_a_review_follow_the_end_when_they_are_on() -> None:
    over = an_active(status=AppointmentStatus.COMPLETED)

    thanks, review = completed(a_plan(WITH_ALL), over)

    assert thanks.not_before == over.slot.end + timedelta(hours=1)
    assert review.not_before == over.slot.end + timedelta(hours=24)
    assert "https://reviews.example.com/ada" in review.body
    assert not completed(a_plan(), over)


def test_what_is_switched_off_is_not_sent_and_not_promised() -> None:
    plan = a_plan(replace(SETTINGS, reminders=()), sms_confirmation=False)

    assert booked(plan, an_active(), now=NOW) == ()
    assert not plan.sends(MessageKind.CONFIRMATION)
    assert plan.sends(MessageKind.MOVED)


@pytest.mark.parametrize("number", [None, "+18005550199", "+442079460018"])
def test_a_number_that_may_not_be_texted_gets_nothing(number: str | None) -> None:
    plan = plan_for(STUDIO, CONFIRMED, SHIPPED, phone=PhoneNumber(number) if number else None)

    assert booked(plan, an_active(), now=NOW) == ()


def test_an_action_words_its_own_texts() -> None:
    plan = a_plan(replace(SETTINGS, templates={"reminder_day": "{host} expects {caller_name} for {duration}."}))

    reminder = booked(plan, an_active(host_name="Priya Patel"), now=NOW)[1]

    assert reminder.body == "Priya Patel expects Maya Chen for 30 minutes."


def test_a_failure_that_may_be_heard_is_held_back() -> None:
    heard, unheard = (failed(a_plan(), an_active(), may_be_heard=may) for may in (True, False))

    assert heard[0].held_back > unheard[0].held_back == timedelta(0)


def test_a_failed_change_is_told_of_once_for_each_change() -> None:
    first, second = (change_failed(a_plan(), an_active(), change_id)[0] for change_id in ("ch_1", "ch_2"))

    assert first.dedupe_key != second.dedupe_key


def test_a_template_that_cannot_be_filled_loses_its_text_only() -> None:
    plan = a_plan()
    plan = replace(plan, templates={**plan.templates, "confirmation": "{nonsense}"})

    assert kinds(booked(plan, an_active(), now=NOW)) == ["reminder_day", "reminder_hours"]


def test_an_e_mail_brings_the_invite_of_its_version() -> None:
    plan = MessagePlan(
        business="Ada's Studio",
        email="maya@example.com",
        emails={"confirmation": "Your appointment on {date}\n\nDear {caller_name},\nsee you at {time}."},
        has_invites=True,
    )

    (message,) = booked(plan, an_active(), now=NOW)

    assert (message.channel, message.to) == (Channel.EMAIL, "maya@example.com")
    assert message.subject == "Your appointment on Thu, Dec 3"
    assert message.body == "Dear Maya Chen,\nsee you at 2:00 PM."
    assert message.dedupe_key == "ap_1|confirmation|1|email"
    assert message.attachment is not None
    assert (message.attachment.method, message.attachment.sequence) == ("REQUEST", 1)


def test_a_plan_survives_the_record() -> None:
    plan = a_plan(replace(WITH_ALL, quiet=QuietHours()))

    assert plan_from(json.loads(json.dumps(plan.to_json()))) == plan
    assert plan_from({}) == NO_MESSAGES


def test_a_plan_of_an_older_or_newer_version_can_be_read() -> None:
    kept = a_plan().to_json() | {"of_tomorrow": 1}
    del kept["reminders"]

    assert plan_from(kept).reminders == ()
