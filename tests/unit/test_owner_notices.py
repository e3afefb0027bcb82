"""What the owner is told, on each of their channels."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from appointments.message_plan import (
    MessagePlan,
    booked,
    cancelled,
    change_unconfirmed,
    moved,
    not_done,
    plan_for,
    plan_from,
    unconfirmed,
)
from appointments.messages import segments
from appointments.model import AppointmentStatus, BookingUid, CallSid, OwnerChannels, OwnerEvent, PhoneNumber
from appointments.owner_notices import LONGEST_TEXT, request_notices
from appointments.store.records import CallerRequest, Channel, MessageKind, OutgoingMessage, RequestKind
from tests.factories import ACTION, ATTENDEE, CALLER, NOW, STUDIO, an_appointment

SMS, EMAIL, WEBHOOK = "+14155550190", "owner@example.com", "https://owner.example.com/hook"
EVERYWHERE = OwnerChannels(sms=SMS, email=EMAIL, webhook=WEBHOOK)
PLAN = MessagePlan(business="Ada's Studio", owner=EVERYWHERE)
BOOKED = an_appointment(
    call_sid=CallSid("CA" + "1" * 32),
    status=AppointmentStatus.ACTIVE,
    booking_uid=BookingUid("bk_1"),
    notes="A sore knee.\nSecond visit.",
    meeting_link="https://meet.test/1",
    attendee=replace(ATTENDEE, email="maya@example.com"),
)
WISH = CallerRequest(CallSid("CA1"), RequestKind.CALL_BACK, CALLER, name="Maya Chen", best_time="after five")


def by_channel(messages: Any) -> dict[Channel, OutgoingMessage]:
    return {message.channel: message for message in messages if message.kind is MessageKind.OWNER_NOTICE}


def test_a_booking_is_told_on_every_channel() -> None:
    told = by_channel(booked(PLAN, BOOKED, now=NOW))

    assert {channel: message.to for channel, message in told.items()} == {
        Channel.SMS: SMS,
        Channel.EMAIL: EMAIL,
        Channel.WEBHOOK: WEBHOOK,
    }
    assert told[Channel.SMS].body == (
        "Booked: 30-Minute Consultation\n"
        "Maya Chen, +14155550123, maya@example.com\n"
        "Thu, Dec 3 at 2:00 PM\n"
        "Notes: A sore knee. Second visit.\n"
        f"Call: transcripts/{BOOKED.call_sid}.jsonl"
    )
    assert told[Channel.EMAIL].subject == "Ada's Studio: Booked: 30-Minute Consultation"
    assert "A sore knee.\nSecond visit." in told[Channel.EMAIL].body


def test_a_program_is_told_in_json() -> None:
    told = json.loads(by_channel(booked(PLAN, BOOKED, now=NOW))[Channel.WEBHOOK].body)

    assert told == {
        "event": "booked",
        "headline": "Booked",
        "business": "Ada's Studio",
        "appointment": {
            "id": "ap_1",
            "version": 1,
            "status": "active",
            "title": "30-Minute Consultation",
            "start": "2026-12-03T14:00:00-05:00",
            "duration_min": 30,
            "zone": "America/New_York",
            "booking_uid": "bk_1",
            "host": "",
            "location": "",
            "meeting_link": "https://meet.test/1",
        },
        "customer": {"name": "Maya Chen", "phone": CALLER, "email": "maya@example.com"},
        "notes": "A sore knee.\nSecond visit.",
        "call_sid": BOOKED.call_sid,
        "transcript": f"transcripts/{BOOKED.call_sid}.jsonl",
    }


def test_each_event_is_told_of_once_on_each_channel() -> None:
    later = replace(BOOKED, version=2, status=AppointmentStatus.RESCHEDULED)
    gone = replace(BOOKED, version=3, status=AppointmentStatus.CANCELLED)
    told = [
        *booked(PLAN, replace(BOOKED, status=AppointmentStatus.REQUESTED), now=NOW),
        *booked(PLAN, BOOKED, now=NOW),
        *moved(PLAN, later, now=NOW),
        *cancelled(PLAN, gone),
        *unconfirmed(PLAN, replace(BOOKED, status=AppointmentStatus.UNCONFIRMED)),
        *change_unconfirmed(PLAN, BOOKED, "ch_1"),
        *not_done(PLAN, BOOKED, of="ch_2", headline="Not moved"),
    ]

    assert len({message.dedupe_key for message in told}) == len(told) == 7 * 3


@pytest.mark.parametrize(
    ("told", "headline"),
    [
        (booked(PLAN, replace(BOOKED, status=AppointmentStatus.REQUESTED), now=NOW), "To be accepted by you"),
        (moved(PLAN, BOOKED, now=NOW), "Moved"),
        (cancelled(PLAN, BOOKED), "Cancelled"),
        (unconfirmed(PLAN, BOOKED), "CHECK the calendar, it may or may not be booked"),
        (change_unconfirmed(PLAN, BOOKED, "ch_1"), "CHECK the calendar, a change may or may not be made"),
    ],
)
def test_the_first_line_says_what_happened(told: Any, headline: str) -> None:
    assert by_channel(told)[Channel.SMS].body.splitlines()[0] == f"{headline}: 30-Minute Consultation"


@pytest.mark.parametrize(
    ("call_sid", "has_transcript"),
    [(CallSid("CA9"), True), (CallSid("SM9"), False), (CallSid("owner_9"), False), (None, False)],
)
def test_only_a_call_has_a_transcript(call_sid: CallSid | None, has_transcript: bool) -> None:
    told = by_channel(cancelled(PLAN, BOOKED, call_sid=call_sid))

    assert ("transcripts/" in told[Channel.SMS].body) is has_transcript


def test_the_owner_hears_only_of_what_they_want() -> None:
    plan = replace(PLAN, owner=replace(EVERYWHERE, notify=(OwnerEvent.CANCELLED,)))

    assert booked(plan, BOOKED, now=NOW) == ()
    assert len(cancelled(plan, BOOKED)) == 3
    assert request_notices(plan.owner, WISH, business="Ada's Studio") == ()


def test_nobody_is_told_by_default() -> None:
    assert by_channel(booked(MessagePlan(), BOOKED, now=NOW)) == {}


def test_the_owner_is_told_of_who_cannot_be_texted_too() -> None:
    business = replace(STUDIO, owner=EVERYWHERE)

    for phone in (None, PhoneNumber("+442071838750")):
        assert plan_for(business, ACTION, {}, phone=phone).owner == EVERYWHERE


def test_the_plan_that_is_kept_still_knows_the_owner() -> None:
    assert plan_from(json.loads(json.dumps(PLAN.to_json()))) == PLAN


def test_a_text_stays_short_whatever_was_said() -> None:
    long = replace(BOOKED, notes="\N{SMILING FACE WITH OPEN MOUTH} and then " * 100, title="Consultation " * 40)

    body = by_channel(booked(PLAN, long, now=NOW))[Channel.SMS].body

    assert len(body) <= LONGEST_TEXT
    assert segments(body) <= 2


def test_a_call_back_is_told_with_number_and_best_time() -> None:
    told = by_channel(request_notices(EVERYWHERE, replace(WISH, notes="About a bill"), business="Ada's Studio"))

    assert told[Channel.SMS].body == (
        "Wants to be called back\nMaya Chen, +14155550123\nBest time: after five\nNotes: About a bill\n"
        "Call: transcripts/CA1.jsonl"
    )
    wire = json.loads(told[Channel.WEBHOOK].body)
    assert wire["event"] == "call_back"
    assert wire["request"] == {"kind": "call_back", "title": "", "best_time": "after five"}
    assert wire["customer"]["phone"] == CALLER


def test_who_leaves_the_same_again_is_told_of_once_and_who_corrects_it_again() -> None:
    def keys(wish: CallerRequest) -> list[str]:
        return [message.dedupe_key for message in request_notices(EVERYWHERE, wish, business="Ada's Studio")]

    assert keys(WISH) == keys(replace(WISH))
    assert not set(keys(WISH)) & set(keys(replace(WISH, best_time="before nine")))


def test_the_waitlist_names_what_is_waited_for() -> None:
    wish = replace(WISH, kind=RequestKind.WAITLIST, title="Haircut")

    told = by_channel(request_notices(EVERYWHERE, wish, business="Ada's Studio"))

    assert told[Channel.SMS].body.startswith("On the waitlist: Haircut\n")


def test_a_notice_waits_for_no_time() -> None:
    told = by_channel(booked(PLAN, BOOKED, now=NOW))

    assert {message.held_back for message in told.values()} == {timedelta(0)}
    assert {message.expires_at for message in told.values()} == {None}
