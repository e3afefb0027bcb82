"""What the doctor makes of what it has seen: event types, zones, clocks, numbers and models."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from agent.doctor.calcom_account import judge_calendars, judge_free_slots
from agent.doctor.clock import judge as judge_clock
from agent.doctor.event_types import judge_event_type
from agent.doctor.findings import Check, Finding, State
from agent.doctor.numbers import judge_calls, judge_texts
from agent.doctor.openai_account import judge_model
from agent.doctor.zones import judge_zones
from agent.retirements import retirement_of
from appointments.booking_fields import BookingField
from appointments.model import OpeningHours, PhoneNumber, Scope, Slot
from calendars.calcom_account import Calendars, ConnectedCalendar
from calendars.calcom_event_types import EventTypeDetails, Obstacle
from telephony.numbers import IncomingNumber, Webhook
from telephony.urls import PublicUrls
from tests.factories import ACTION, EVENT_TYPE
from tests.sessions import CLINIC

VIDEO = replace(ACTION, platform="cal_video")
PLAIN = EventTypeDetails(EVENT_TYPE, places=("cal-video",))
INSURANCE = BookingField("insurance", "Which insurance?", is_required=True)
WINTER = datetime(2026, 12, 3, 19, tzinfo=UTC)
URLS = PublicUrls("https://phone.example.com")


def states(findings: list[Finding]) -> list[str]:
    return [f"{finding.check.value} {finding.state.value}" for finding in findings]


def test_a_plain_event_type_is_fine() -> None:
    (finding,) = judge_event_type(VIDEO, PLAIN)

    assert finding.state is State.OK
    assert finding.seen == "Book 30-Minute Consultation: event type 101, '30-Minute Consultation', 30 min"


@pytest.mark.parametrize("obstacle", list(Obstacle))
def test_an_obstacle_is_a_failure_with_its_own_way_out(obstacle: Obstacle) -> None:
    (finding,) = judge_event_type(VIDEO, replace(PLAIN, obstacles=(obstacle,)))

    assert finding.state is State.FAILED
    assert obstacle in finding.seen
    assert finding.fix


def test_every_obstacle_is_told() -> None:
    findings = judge_event_type(VIDEO, replace(PLAIN, obstacles=tuple(Obstacle)))

    assert len({finding.fix for finding in findings}) == len(Obstacle)


DOUBTFUL: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "no hosts": ({"lacks_hosts": True}, "failed", "no hosts", "Assignment"),
    "its own questions": (
        {"event_type": replace(EVENT_TYPE, fields=(INSURANCE,)), "demands_phone": True},
        "failed",
        "it demands an answer to insurance",
        'insurance = { ask = "Which insurance?" }',
    ),
    "confirmation": ({"needs_confirmation": True}, "warning", "a person will check", "Requires confirmation"),
    "an e-mail": (
        {"event_type": replace(EVENT_TYPE, requires_email=True)},
        "warning",
        "has to spell one",
        "fallback_email",
    ),
    "no moving": (
        {"forbidden": frozenset({Scope.RESCHEDULE})},
        "warning",
        "lets nobody move its bookings",
        'Turn off "Disable Rescheduling"',
    ),
    "no cancelling": (
        {"forbidden": frozenset({Scope.CANCEL})},
        "warning",
        "lets nobody cancel its bookings",
        'take "cancel" out of scopes',
    ),
    "another place": ({"places": ("zoom", "phone")}, "warning", "first location is zoom", 'platform = "zoom"'),
    "a visit": (
        {"places": ("address",), "address": "12 Harbor Street"},
        "warning",
        "first location is address",
        'platform = "in_person"',
    ),
}


@pytest.mark.parametrize("what", DOUBTFUL)
def test_what_stands_between_a_caller_and_a_booking_is_told(what: str) -> None:
    changes, state, seen, fix = DOUBTFUL[what]
    (finding,) = judge_event_type(VIDEO, replace(PLAIN, **changes))

    assert finding.state.value == state
    assert seen in finding.seen
    assert fix in finding.fix


@pytest.mark.parametrize(
    "changes",
    [
        {"demands_phone": True},
        {"places": ("zoom", "cal-video")},
        {"places": ("link",)},
        {"places": ()},
        {"places": ("organizersDefaultApp",)},
    ],
)
def test_what_a_caller_can_do_is_not_told(changes: dict[str, Any]) -> None:
    (finding,) = judge_event_type(VIDEO, replace(PLAIN, **changes))

    assert finding.state is State.OK


def test_what_the_business_does_not_let_the_agent_do_may_be_forbidden_at_calcom() -> None:
    details = replace(PLAIN, forbidden=frozenset({Scope.RESCHEDULE, Scope.CANCEL}))
    (finding,) = judge_event_type(VIDEO, details, scopes=frozenset({Scope.READ, Scope.CREATE}))

    assert finding.state is State.OK


def test_an_e_mail_and_a_phone_number_at_once_keep_withheld_callers_out() -> None:
    details = replace(PLAIN, event_type=replace(EVENT_TYPE, requires_email=True), demands_phone=True)
    (finding,) = judge_event_type(replace(VIDEO, fallback_email="caller{digits}@example.com"), details)

    assert finding.state is State.WARNING
    assert "callers who withhold theirs cannot book" in finding.seen


def test_what_the_business_file_names_and_the_event_type_does_not_ask_is_a_warning() -> None:
    action = replace(VIDEO, constants={"insurence": "none"})
    details = replace(PLAIN, event_type=replace(EVENT_TYPE, fields=(replace(INSURANCE, is_required=False),)))
    (finding,) = judge_event_type(action, details)

    assert finding.state is State.WARNING
    assert finding.fix == "Rename it to insurance."


def test_an_address_that_says_nothing_is_a_warning() -> None:
    visit = replace(ACTION, platform="in_person", address="12 Harbor Street")
    (finding,) = judge_event_type(visit, replace(PLAIN, places=("address",)))

    assert finding.state is State.WARNING
    assert "no address" in finding.seen


@pytest.mark.parametrize(
    ("places", "connected", "assigns_host", "state"),
    [
        (("zoom",), frozenset({"zoom"}), False, State.OK),
        (("zoom",), frozenset(), False, State.WARNING),
        (("zoom",), frozenset(), True, State.OK),
        (("zoom",), None, False, State.OK),
        (("cal-video", "zoom"), frozenset({"cal_video"}), False, State.WARNING),
    ],
)
def test_an_app_that_nobody_has_connected_is_a_warning(
    places: tuple[str, ...], connected: frozenset[str] | None, assigns_host: bool, state: State
) -> None:
    details = replace(PLAIN, places=places, event_type=replace(EVENT_TYPE, assigns_host=assigns_host))
    (finding,) = judge_event_type(replace(ACTION, platform="zoom"), details, connected=connected)

    assert finding.state is state


@pytest.mark.parametrize(
    ("lengths", "minutes", "state", "told"),
    [
        ((30, 60), 60, State.OK, "60 min"),
        ((30, 60), 45, State.WARNING, "to one of 30, 60"),
        ((), 45, State.WARNING, "which is the one that counts"),
    ],
)
def test_a_length_that_can_be_chosen_is_fine(lengths: tuple[int, ...], minutes: int, state: State, told: str) -> None:
    action = replace(VIDEO, duration=timedelta(minutes=minutes), has_length=True)
    details = replace(PLAIN, lengths=tuple(timedelta(minutes=each) for each in lengths))
    (finding,) = judge_event_type(action, details, "minutes in line 7 of clinic.toml")

    assert finding.state is state
    assert told in f"{finding.seen} {finding.fix}"


@pytest.mark.parametrize(
    ("calendars", "state", "seen"),
    [
        (Calendars((), ""), State.WARNING, "none is connected"),
        (Calendars((ConnectedCalendar("Work", is_checked=False),), "Work"), State.WARNING, "none of those connected"),
        (Calendars((ConnectedCalendar("Work", is_checked=True),), ""), State.WARNING, "written to none"),
        (
            Calendars(
                (ConnectedCalendar("Work", is_checked=True), ConnectedCalendar("Home", is_checked=False)), "Work"
            ),
            State.OK,
            "taken is what stands in Work; bookings are written to Work",
        ),
        (
            Calendars((ConnectedCalendar("ada.lin@example.com", is_checked=True),), "ada.lin@example.com"),
            State.OK,
            "taken is what stands in ad…@example.com; bookings are written to ad…@example.com",
        ),
    ],
)
def test_the_calendars_that_calcom_checks_and_writes_to_are_told(calendars: Calendars, state: State, seen: str) -> None:
    finding = judge_calendars(calendars)

    assert finding.state is state
    assert seen in finding.seen


def test_zones_that_agree_are_shown_with_the_slot_in_each() -> None:
    finding = judge_zones(ACTION, CLINIC, "America/Detroit", at=WINTER, is_slot=True)

    assert finding.state is State.OK
    assert finding.seen == (
        "Book 30-Minute Consultation: the first free slot is Thu 2026-12-03 14:00 (America/New_York) for the business, "
        "Thu 2026-12-03 14:00 (America/New_York) in what callers hear, "
        "Thu 2026-12-03 14:00 (America/Detroit) at Cal.com"
    )


def test_another_zone_at_calcom_is_why_times_are_off() -> None:
    finding = judge_zones(ACTION, CLINIC, "America/Los_Angeles", at=WINTER, is_slot=True)

    assert finding.state is State.WARNING
    assert "14:00 (America/New_York) in what callers hear" in finding.seen
    assert "11:00 (America/Los_Angeles) at Cal.com" in finding.seen
    assert "times look off" in finding.fix
    assert 'zone = "America/Los_Angeles"' in finding.fix


def test_another_zone_of_an_action_is_told_once() -> None:
    action = replace(ACTION, zone=ZoneInfo("Europe/Berlin"))
    finding = judge_zones(action, CLINIC, "America/New_York", at=WINTER, is_slot=False)

    assert finding.state is State.WARNING
    assert "now is Thu 2026-12-03 14:00 (America/New_York)" in finding.seen
    assert "Fri" not in finding.seen
    assert "take `zone` out of the action" in finding.fix
    assert "Set Europe/Berlin at Cal.com" not in finding.fix


def test_zones_that_differ_in_summer_only_differ() -> None:
    finding = judge_zones(ACTION, CLINIC, "America/Panama", at=WINTER, is_slot=True)

    assert finding.state is State.WARNING


def test_a_zone_nobody_knows_is_told() -> None:
    finding = judge_zones(ACTION, CLINIC, "Atlantis/Center", at=WINTER, is_slot=True)

    assert finding.state is State.WARNING
    assert "'Atlantis/Center'" in finding.seen


@pytest.mark.parametrize(
    ("ahead_secs", "state", "seen"),
    [
        ([], "skipped", "not compared"),
        ([0.4, -3.0, 900.0], "ok", "within 5 s of what 3 services say"),
        ([7.6], "warning", "8 s ahead of what a service says"),
        ([-60.0, -30.0], "warning", "45 s behind what 2 services say"),
        ([-7200.2, -7199.9, 0.0], "failed", "7200 s behind"),
        ([61.0, 62.0], "failed", "62 s ahead of"),
    ],
)
def test_the_clock_is_judged_by_the_middle_one(ahead_secs: list[float], state: str, seen: str) -> None:
    finding = judge_clock(ahead_secs)

    assert finding.state.value == state
    assert seen in finding.seen
    assert ("timedatectl" in finding.fix) == (state in ("warning", "failed"))


def a_number(**changes: Any) -> IncomingNumber:
    """Return the clinic's number, set up as it should be."""
    number = IncomingNumber(
        number=CLINIC.number,
        takes_calls=True,
        takes_texts=True,
        voice=Webhook("https://phone.example.com/twilio/voice", "POST"),
        status=Webhook("https://phone.example.com/twilio/status", "POST"),
        sms=Webhook("https://phone.example.com/twilio/sms", "POST"),
    )
    return replace(number, **changes)


def test_a_number_that_is_set_up_is_fine() -> None:
    findings = judge_calls(CLINIC, a_number(), URLS) + judge_texts(CLINIC, a_number(), URLS)

    assert states(findings) == ["number ok", "voice_url ok", "status_callback ok", "sms_number ok", "sms_url ok"]


@pytest.mark.parametrize(
    "url",
    [
        "https://phone.example.com/twilio/voice#rc=2&rp=ct,5xx",
        "https://PHONE.example.com:443/twilio/voice",
        "https://phone.example.com/twilio/voice?tenant=1",
    ],
)
def test_another_spelling_of_the_same_address_is_fine(url: str) -> None:
    findings = judge_calls(CLINIC, a_number(voice=Webhook(url, "POST")), URLS)

    assert {finding.state for finding in findings} == {State.OK}


ELSEWHERE = {
    "nowhere": (Webhook("", "POST"), "sends calls nowhere"),
    "another host": (
        Webhook("https://demo.twilio.com/welcome/voice/", "POST"),
        "to https://demo.twilio.com/welcome/voice/",
    ),
    "another scheme": (Webhook("http://phone.example.com/twilio/voice", "POST"), "to http://phone.example.com"),
    "another port": (Webhook("https://phone.example.com:8443/twilio/voice", "POST"), ":8443/twilio/voice"),
    "another path": (Webhook("https://phone.example.com/twilio/voice/", "POST"), "/twilio/voice/"),
    "another method": (
        Webhook("https://phone.example.com/twilio/voice", "GET"),
        "by GET to https://phone.example.com/twilio/voice",
    ),
    "a trunk": (Webhook("https://phone.example.com/twilio/voice", "POST", "the SIP trunk TK1"), "to the SIP trunk TK1"),
    "no address": (Webhook("https://[::1/twilio/voice", "POST"), "to https://[::1/twilio/voice"),
}


@pytest.mark.parametrize("where", ELSEWHERE)
def test_calls_that_go_elsewhere_are_a_failure(where: str) -> None:
    webhook, seen = ELSEWHERE[where]
    findings = judge_calls(CLINIC, a_number(voice=webhook), URLS)

    assert states(findings) == ["number ok", "voice_url failed", "status_callback ok"]
    assert seen in findings[1].seen
    assert "callers do not reach this worker" in findings[1].seen
    assert "'A call comes in' to https://phone.example.com/twilio/voice, HTTP POST" in findings[1].fix


def test_the_secrets_of_an_address_are_not_told() -> None:
    webhook = Webhook("https://ada:pass%40word@old.example.com/voice?token=s3cret#x", "POST")
    findings = judge_calls(CLINIC, a_number(voice=webhook, status=webhook), URLS)

    told = "".join(finding.seen + finding.fix for finding in findings)
    assert "https://old.example.com/voice," in told
    assert not any(secret in told for secret in ("ada", "pass", "s3cret"))


def test_reports_and_texts_that_go_elsewhere_are_warnings() -> None:
    number = a_number(status=Webhook("", "POST"), sms=Webhook("https://demo.twilio.com/sms", "POST"))
    findings = judge_calls(CLINIC, number, URLS) + judge_texts(CLINIC, number, URLS)

    assert states(findings) == [
        "number ok",
        "voice_url ok",
        "status_callback warning",
        "sms_number ok",
        "sms_url warning",
    ]


def test_a_number_of_somebody_else_is_a_failure() -> None:
    findings = judge_calls(CLINIC, None, URLS) + judge_texts(CLINIC, None, URLS)

    assert states(findings) == [
        "number failed",
        "voice_url skipped",
        "status_callback skipped",
        "sms_number failed",
        "sms_url skipped",
    ]
    assert CLINIC.number in findings[0].seen


def test_a_number_that_can_do_neither_is_a_failure() -> None:
    number = a_number(takes_calls=False, takes_texts=False)
    findings = judge_calls(CLINIC, number, URLS) + judge_texts(CLINIC, number, URLS)

    assert states(findings)[::3] == ["number failed", "sms_number failed"]


def test_the_number_that_texts_come_from_is_named_as_the_file_names_it() -> None:
    business = replace(CLINIC, sms_from=PhoneNumber("+14155550177"))
    findings = judge_texts(business, None, URLS)

    assert findings[0].seen.startswith("+14155550177")
    assert "as `sms_from` in the business file" in findings[0].fix


def test_nothing_is_compared_with_an_address_that_is_not_known() -> None:
    findings = judge_calls(CLINIC, a_number(), None) + judge_texts(CLINIC, a_number(), None)

    assert states(findings)[1:3] == ["voice_url skipped", "status_callback skipped"]


def test_a_model_that_the_account_lacks_is_told_with_those_that_are_close() -> None:
    listed = dict.fromkeys(["gpt-4.1", "gpt-4.1-mini", "whisper-1"], "")
    known = judge_model("gpt-4.1", ["LLM_MODEL"], listed)
    unknown = judge_model("gpt-4.1-minni", ["LLM_MODEL"], listed)
    strange = judge_model("llama", ["STT_MODEL", "TTS_MODEL"], listed)

    assert (known.state, known.seen) == (State.OK, "gpt-4.1 (LLM_MODEL)")
    assert unknown.state is State.FAILED
    assert "such as gpt-4.1-mini" in unknown.fix
    assert "STT_MODEL and TTS_MODEL" in strange.seen


def test_the_checks_are_told_from_this_machine_outwards() -> None:
    order = list(Check)

    assert order.index(Check.SETTINGS) < order.index(Check.DATABASE) < order.index(Check.OPENAI_KEY)
    assert order.index(Check.TWILIO_AUTH) < order.index(Check.PUBLIC_URL) < order.index(Check.VOICE_URL)


HOURS = (OpeningHours(3, time(9), time(12)), OpeningHours(3, time(13), time(17)))
"""Of a Thursday in New York."""


@pytest.mark.parametrize(
    ("hours_later", "state", "seen"),
    [
        ((-5, -2.5, -1, 2.5), "ok", "4 in the next 14 days"),
        (
            (-1, -1.5, 3, 24),
            "warning",
            "4 in the next 14 days, 3 of them never offered: Thu 2026-12-03 12:30 (America/New_York), for one, "
            "does not lie within the business's hours",
        ),
        (
            (-1, -0.75),
            "warning",
            "2 in the next 14 days, 1 of them never offered: Thu 2026-12-03 13:15 (America/New_York), for one, "
            "begins off the grid",
        ),
        ((), "warning", "none in the next 14 days"),
    ],
)
def test_slots_that_hours_or_grid_keep_from_being_offered_are_a_warning(
    hours_later: tuple[float, ...], state: str, seen: str
) -> None:
    slots = [Slot(WINTER + timedelta(hours=hours), timedelta(minutes=30)) for hours in hours_later]
    finding = judge_free_slots(ACTION, replace(CLINIC, hours=HOURS), slots)

    assert finding.state.value == state
    assert f"Book 30-Minute Consultation: {seen}" in finding.seen


@pytest.mark.parametrize(
    ("listed", "seen", "fix"),
    [
        ("", "ends on 2027-02-26", "STT_MODEL before that day, such as gpt-transcribe"),
        ("2027-01-31", "ends on 2027-01-31", "STT_MODEL before that day, such as gpt-transcribe"),
    ],
)
def test_a_model_that_will_be_shut_down_is_a_warning(listed: str, seen: str, fix: str) -> None:
    name = "gpt-4o-transcribe"
    finding = judge_model(name, ["STT_MODEL"], {name: listed}, retirement_of(name))

    assert finding.state is State.WARNING
    assert seen in finding.seen
    assert fix in finding.fix


@pytest.mark.parametrize(
    ("model", "day"),
    [
        ("gpt-4.1", date(2027, 1, 14)),
        ("gpt-4.1-mini-2025-04-14", date(2027, 1, 14)),
        ("gpt-4o-mini-tts", date(2027, 1, 6)),
        ("gpt-4o-transcribe", date(2027, 2, 26)),
        ("gpt-4o-2024-05-13", date(2026, 10, 23)),
    ],
)
def test_the_last_days_of_models_are_known(model: str, day: date) -> None:
    known = retirement_of(model)

    assert known is not None
    assert known.day == day


@pytest.mark.parametrize("model", ["gpt-4.1-large", "gpt-transcribe", "llama"])
def test_nothing_is_known_of_other_models(model: str) -> None:
    assert retirement_of(model) is None
