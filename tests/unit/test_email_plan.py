"""Which e-mails an appointment brings, and what its attendee's calendar is told."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from agent.business import email_template_problems, load_email_template
from appointments.message_plan import MessagePlan, booked, cancelled, email_name, moved, plan_for, plan_from
from appointments.model import AppointmentStatus, MessageSettings
from appointments.store.records import Channel, MessageKind, OutgoingMessage
from prompts.loader import EMAIL_TEMPLATES
from tests.factories import ACTION, ATTENDEE, CALLER, NOW, STUDIO, a_slot, an_appointment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appointments.store.records import Invite

MAYA = "maya@example.com"
SHIPPED = {email_name(kind): load_email_template(kind) for kind in EMAIL_TEMPLATES}
APPOINTMENT = an_appointment(status=AppointmentStatus.ACTIVE, attendee=replace(ATTENDEE, email=MAYA))


def a_plan(settings: MessageSettings | None = None, **changes: Any) -> MessagePlan:
    action = replace(ACTION, messages=settings or MessageSettings(), fallback_email="caller+{digits}@ada.example")
    given: dict[str, Any] = {"phone": CALLER, "email": MAYA, "can_text": False}
    return plan_for(STUDIO, action, SHIPPED, **(given | changes))


def mailed(messages: Sequence[OutgoingMessage]) -> OutgoingMessage:
    (message,) = [message for message in messages if message.channel is Channel.EMAIL]
    return message


def invited(messages: Sequence[OutgoingMessage]) -> Invite:
    invite = mailed(messages).attachment
    assert invite is not None
    return invite


def test_a_booking_is_told_by_e_mail_with_an_invitation() -> None:
    message = mailed(booked(a_plan(), APPOINTMENT, now=NOW))

    assert (message.to, message.kind, message.dedupe_key) == (
        MAYA,
        MessageKind.CONFIRMATION,
        "ap_1|confirmation|1|email",
    )
    assert message.subject == "Ada's Studio: your appointment on Thu, Dec 3 at 2:00 PM"
    assert "you are booked at Ada's Studio on Thu, Dec 3 at 2:00 PM, for 30 minutes." in message.body
    invite = message.attachment
    assert invite is not None
    assert (invite.method, invite.uid, invite.sequence) == ("REQUEST", "ap_1", 1)
    assert (invite.starts_at, invite.ends_at) == (APPOINTMENT.slot.start, APPOINTMENT.slot.end)
    assert (invite.title, invite.business, invite.attendee_name) == (
        "Appointment with Ada's Studio",
        "Ada's Studio",
        "Maya Chen",
    )


def test_a_move_and_a_cancellation_are_later_versions_of_the_same_event() -> None:
    later = replace(APPOINTMENT, slot=a_slot(77), version=2)
    gone = replace(later, status=AppointmentStatus.CANCELLED, version=3)

    change, end = invited(moved(a_plan(), later, now=NOW)), invited(cancelled(a_plan(), gone))

    assert (change.method, change.uid, change.sequence, change.starts_at) == ("REQUEST", "ap_1", 2, later.slot.start)
    assert (end.method, end.uid, end.sequence) == ("CANCEL", "ap_1", 3)


def test_a_request_enters_nobodys_calendar() -> None:
    requested = replace(APPOINTMENT, status=AppointmentStatus.REQUESTED)

    assert booked(a_plan(), requested, now=NOW) == ()


def test_reminders_go_by_text_alone() -> None:
    kinds = [(message.channel, message.kind) for message in booked(a_plan(can_text=True), APPOINTMENT, now=NOW)]

    assert [kind for channel, kind in kinds if channel is Channel.EMAIL] == [MessageKind.CONFIRMATION]


def test_who_gives_no_number_is_told_by_e_mail() -> None:
    assert mailed(booked(a_plan(phone=None), APPOINTMENT, now=NOW)).to == MAYA


@pytest.mark.parametrize(
    "plan",
    [
        a_plan(MessageSettings(has_email=False)),
        a_plan(email=None),
        a_plan(email="caller+14155550123@ada.example"),
        plan_for(STUDIO, ACTION, {}, phone=CALLER, email=MAYA),
    ],
    ids=["switched off", "no address", "the business's own address", "none are sent here"],
)
def test_no_e_mail_without_switch_address_and_server(plan: MessagePlan) -> None:
    assert [message for message in booked(plan, APPOINTMENT, now=NOW) if message.channel is Channel.EMAIL] == []


def test_an_e_mail_may_come_without_an_invitation() -> None:
    assert mailed(booked(a_plan(MessageSettings(has_invites=False)), APPOINTMENT, now=NOW)).attachment is None


def test_the_event_is_called_what_the_business_calls_it() -> None:
    plan = a_plan(MessageSettings(invite_title="{duration} with {business}"))

    assert invited(booked(plan, APPOINTMENT, now=NOW)).title == "30 minutes with Ada's Studio"


def test_an_event_always_has_a_title() -> None:
    plan = a_plan(MessageSettings(invite_title="With {host}"))

    assert invited(booked(plan, APPOINTMENT, now=NOW)).title == "30-Minute Consultation"


def test_where_there_is_no_place_the_link_stands_for_it() -> None:
    online = replace(APPOINTMENT, meeting_link="https://meet.test/1")

    assert invited(booked(a_plan(), online, now=NOW)).location == "https://meet.test/1"


def test_letters_that_a_text_cannot_hold_are_kept() -> None:
    named = replace(APPOINTMENT, attendee=replace(APPOINTMENT.attendee, name="Łucja Żak 雪"))

    assert "Hello Łucja Żak 雪," in mailed(booked(a_plan(), named, now=NOW)).body


def test_the_plan_is_the_same_when_it_was_kept() -> None:
    assert plan_from(a_plan().to_json()) == a_plan()


@pytest.mark.parametrize(
    ("template", "line", "problem"),
    [
        ("Your appointment\n\n{when}", 3, "{when} is no placeholder"),
        ("Only a subject", 1, "nothing below its first line"),
        ("Your appointment\n\nReply CANCEL to cancel.", 1, "asks for the reply CANCEL"),
    ],
)
def test_a_wrong_template_is_told_with_its_line(template: str, line: int, problem: str) -> None:
    (found,) = email_template_problems(template)

    assert found.line == line
    assert problem in found.text
