"""The doctor asks Cal.com for the key, the event types and what is free in them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from agent.doctor.calcom_account import check_calcom
from agent.doctor.findings import Check, Finding, State
from agent.doctor.installation import Installation
from agent.settings import Settings
from appointments.booking_fields import BookingField, FieldKind
from appointments.model import EventType, EventTypeId, OpeningHours
from calendars.calcom_event_types import Obstacle
from tests.factories import ACTION
from tests.odd_services import answering
from tests.scripted_calcom import API_KEY, connected, scripted
from tests.sessions import CLINIC
from tests.stand_ins import serving_calcom

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.stand_ins import StandIn

BUSINESS = replace(
    CLINIC,
    hours=tuple(OpeningHours(day, time(9), time(17)) for day in range(5)),
    actions=(replace(ACTION, platform="cal_video", fallback_email="c{digits}@example.com"),),
)
FINE = {
    Check.CALCOM_KEY: "ok",
    Check.CALCOM_VERSION: "ok",
    Check.CALCOM_CALENDARS: "ok",
    Check.EVENT_TYPE: "ok",
    Check.FREE_SLOTS: "ok",
    Check.ZONES: "ok",
}


@pytest.fixture
async def calcom() -> AsyncIterator[StandIn]:
    async with serving_calcom() as stand_in:
        yield stand_in


async def findings(url: str, api_key: str, **known: Any) -> list[Finding]:
    values: dict[str, Any] = {
        "public_base_url": "https://phone.example.com",
        "twilio_account_sid": "AC",
        "twilio_auth_token": "-",
        "openai_api_key": "-",
        "calcom_api_key": api_key,
        "calcom_base_url": url,
        "business_file": "-",
    }
    settings = Settings(_env_file=None, **values)  # type: ignore[call-arg]
    found = await check_calcom(Installation(settings, **{"business": BUSINESS, **known}))
    assert api_key not in "".join(finding.seen + finding.fix for finding in found)
    return found


async def of(calcom: StandIn, **known: Any) -> dict[Check, Finding]:
    found = await findings(calcom.url, calcom.credentials.calcom_api_key, **known)
    return {finding.check: finding for finding in found}


def states(found: dict[Check, Finding]) -> dict[Check, str]:
    return {check: finding.state.value for check, finding in found.items()}


async def test_an_account_that_is_set_up_is_fine(calcom: StandIn) -> None:
    found = await of(calcom)

    assert states(found) == FINE
    assert "its owner is in America/New_York" in found[Check.CALCOM_KEY].seen
    assert "in the next 14 days" in found[Check.FREE_SLOTS].seen
    assert "(America/New_York) at Cal.com" in found[Check.ZONES].seen


async def test_a_wrong_key_is_told_once(calcom: StandIn) -> None:
    found = await findings(calcom.url, "cal_live_0123456789abcdef0123456789abcdef")

    assert [finding.state.value for finding in found] == ["failed", *["skipped"] * 5]
    assert found[0].seen == "Cal.com refused the key (401)."
    assert found[0].fix.startswith("Create a key under Cal.com")


async def test_an_event_type_that_is_not_there_is_told_with_its_place(calcom: StandIn) -> None:
    place = "event_type in line 7 of clinic.toml"
    lost = replace(BUSINESS.actions[0], event_type_id=EventTypeId("999"), event_type_place=place)
    found = await of(calcom, business=replace(BUSINESS, actions=(lost,)))

    assert states(found) == FINE | {Check.EVENT_TYPE: "failed", Check.FREE_SLOTS: "skipped"}
    assert "knows no event type 999" in found[Check.EVENT_TYPE].seen
    assert f"Set {place} to the number" in found[Check.EVENT_TYPE].fix
    assert "CALCOM_EVENT_TYPE_ID" not in found[Check.EVENT_TYPE].fix


async def test_a_calendar_that_is_open_when_the_business_is_not_is_a_warning(calcom: StandIn) -> None:
    mornings = replace(BUSINESS, hours=tuple(OpeningHours(day, time(9), time(12)) for day in range(5)))
    found = await of(calcom, business=mornings)

    assert states(found) == FINE | {Check.FREE_SLOTS: "warning"}
    assert "does not lie within the business's hours" in found[Check.FREE_SLOTS].seen
    assert "12:00 (America/New_York)" in found[Check.FREE_SLOTS].seen


async def test_every_action_is_asked_for(calcom: StandIn) -> None:
    lost = replace(BUSINESS.actions[0], name="Book a visit", event_type_id=EventTypeId("999"))
    business = replace(BUSINESS, actions=(BUSINESS.actions[0], lost))
    found = await findings(calcom.url, calcom.credentials.calcom_api_key, business=business)

    event_types = [finding for finding in found if finding.check is Check.EVENT_TYPE]
    assert [finding.state.value for finding in event_types] == ["ok", "failed"]
    assert event_types[1].seen.startswith("Book a visit: ")


async def test_changes_that_calcom_forbids_are_warnings(calcom: StandIn) -> None:
    event_types = [{"id": 101, "title": "Visit", "disable_rescheduling": True, "disable_cancelling": True}]
    await calcom.order("world", event_types=event_types)
    found = await findings(calcom.url, calcom.credentials.calcom_api_key)

    told = [finding for finding in found if finding.check is Check.EVENT_TYPE]
    assert [finding.state for finding in told] == [State.WARNING] * 2
    assert ["move" in finding.seen for finding in told] == [True, False]


async def test_nothing_free_is_a_warning(calcom: StandIn) -> None:
    await calcom.order("world", free=[])
    found = await of(calcom)

    assert states(found) == FINE | {Check.FREE_SLOTS: "warning"}
    assert "callers are told that all is taken" in found[Check.FREE_SLOTS].seen
    assert "Availability" in found[Check.FREE_SLOTS].fix
    assert "now is" in found[Check.ZONES].seen


async def test_an_owner_in_another_zone_is_a_warning(calcom: StandIn) -> None:
    await calcom.order("world", zone="Europe/Berlin")
    found = await of(calcom)

    assert states(found) == FINE | {Check.ZONES: "warning", Check.FREE_SLOTS: "warning"}
    assert found[Check.FREE_SLOTS].fix.startswith("Put zones above right first")
    assert "(Europe/Berlin) at Cal.com" in found[Check.ZONES].seen


async def test_without_a_business_the_key_is_tried_all_the_same(calcom: StandIn) -> None:
    found = await of(calcom, business=None)

    assert states(found) == {
        **dict.fromkeys(FINE, "skipped"),
        Check.CALCOM_KEY: "ok",
        Check.CALCOM_VERSION: "ok",
        Check.CALCOM_CALENDARS: "ok",
    }


@pytest.mark.parametrize(("kind", "state"), [("error_500", "failed"), ("rate_limited", "warning")])
async def test_a_calcom_that_fails_is_told(calcom: StandIn, kind: str, state: str) -> None:
    await calcom.break_down("slots", kind, times=10, seconds=30)
    found = await of(calcom)

    assert states(found) == FINE | {Check.FREE_SLOTS: state}


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "not found"])
async def test_an_address_without_calcom_is_told(url: str) -> None:
    async with answering(lambda _request: web.Response(status=404, text="<h1>Not here</h1>")) as strange:
        found = await findings(strange if url == "not found" else url, API_KEY)

    assert [finding.state.value for finding in found] == ["failed", *["skipped"] * 5]
    assert "CALCOM_BASE_URL" in found[0].fix


async def test_a_server_that_does_not_know_our_version_is_told() -> None:
    async with answering(_old_server) as url:
        found = {finding.check: finding for finding in await findings(url, API_KEY)}

    assert found[Check.CALCOM_VERSION].state is State.FAILED
    assert "older shape" in found[Check.CALCOM_VERSION].seen
    assert found[Check.EVENT_TYPE].state is State.OK


def _old_server(request: web.Request) -> web.Response:
    """Answer as a Cal.com that ignores the version of bookings."""
    soon = datetime.now(UTC) + timedelta(days=1)
    slot = {"start": soon.isoformat(), "end": (soon + timedelta(minutes=30)).isoformat()}
    data: dict[str, Any] = {
        "/v2/me": {"timeZone": "America/New_York"},
        "/v2/event-types/101": {"title": "30-Minute Consultation", "lengthInMinutes": 30},
        "/v2/slots": {"2026-12-01": [slot]},
        "/v2/bookings": {"bookings": [], "totalCount": 0, "nextCursor": None},
    }
    return web.json_response({"status": "success", "data": data[request.path]})


# What an event type says, as Cal.com puts it.

REQUIRED = {"type": "text", "required": True, "isDefault": False}
SAID: dict[str, tuple[dict[str, Any], str, object]] = {
    "a managed parent": ({"schedulingType": "managed"}, "obstacles", (Obstacle.MANAGED,)),
    "a price and seats": (
        {"price": 25, "seats": {"seatsPerTimeSlot": 4}},
        "obstacles",
        (Obstacle.PRICE, Obstacle.SEATS),
    ),
    "a recurrence": (
        {"recurrence": {"interval": 1, "occurrences": 4, "frequency": "weekly"}},
        "obstacles",
        ("it recurs",),
    ),
    "a code by e-mail": ({"requiresBookerEmailVerification": True}, "obstacles", (Obstacle.VERIFICATION,)),
    "nothing in the way": ({"seats": {"disabled": True}, "recurrence": {"disabled": True}}, "obstacles", ()),
    "confirmation": (
        {"confirmationPolicy": {"type": "always", "blockUnconfirmedBookingsInBooker": False}},
        "needs_confirmation",
        True,
    ),
    "no confirmation": ({"confirmationPolicy": {"disabled": True}}, "needs_confirmation", False),
    "a team of nobody": ({"schedulingType": "roundRobin", "hosts": []}, "lacks_hosts", True),
    "a team of all": (
        {"schedulingType": "roundRobin", "hosts": [], "assignAllTeamMembers": True},
        "lacks_hosts",
        False,
    ),
    "a team": ({"schedulingType": "collective", "hosts": [{"userId": 7}]}, "lacks_hosts", False),
    "questions": (
        {
            "bookingFields": [
                {"type": "name", "slug": "name", "required": True},
                {"type": "email", "slug": "email", "required": True},
                {**REQUIRED, "slug": "insurance"},
                {**REQUIRED, "slug": "secret", "hidden": True},
                {**REQUIRED, "slug": "colour", "required": False},
            ]
        },
        "event_type",
        EventType(
            EventTypeId("101"),
            "30-Minute Consultation",
            timedelta(minutes=30),
            requires_email=True,
            fields=(
                BookingField("insurance", is_required=True),
                # The API demands what its page hides.
                BookingField("secret", is_required=True),
                BookingField("colour"),
            ),
        ),
    ),
    "places": (
        {
            "locations": [
                {"type": "integration", "integration": "zoom"},
                {"type": "attendeePhone"},
                {"type": "unknown", "location": "?"},
                "odd",
            ]
        },
        "places",
        ("zoom", "attendeePhone", "unknown"),
    ),
    "odd shapes": ({"locations": "here", "hosts": 7, "confirmationPolicy": []}, "places", ()),
    "a number that is demanded": (
        {"bookingFields": [{"type": "phone", "slug": "attendeePhoneNumber", "required": True, "isDefault": False}]},
        "demands_phone",
        True,
    ),
    "a title that nobody is asked": (
        {"bookingFields": [{"type": "text", "slug": "title", "required": True, "hidden": True, "isDefault": True}]},
        "event_type",
        EventType(EventTypeId("101"), "30-Minute Consultation", timedelta(minutes=30), fields=(BookingField("title"),)),
    ),
    "options": (
        {
            "bookingFields": [
                {"type": "select", "slug": "plan", "label": "Plan?", "options": ["Basic", "Plus"], "isDefault": False},
                {"type": "checkbox", "slug": "days", "options": [{"value": "Mon", "label": "Monday"}]},
            ]
        },
        "event_type",
        EventType(
            EventTypeId("101"),
            "30-Minute Consultation",
            timedelta(minutes=30),
            fields=(
                BookingField("plan", "Plan?", FieldKind.CHOICE, options=("Basic", "Plus")),
                BookingField("days", kind=FieldKind.CHOICES, options=("Mon",)),
            ),
        ),
    ),
    "lengths": ({"lengthInMinutesOptions": [30, 60]}, "lengths", (timedelta(minutes=30), timedelta(minutes=60))),
    "an address": (
        {"locations": [{"type": "address", "address": " 12 Harbor Street "}]},
        "address",
        "12 Harbor Street",
    ),
    "hidden": ({"hidden": True}, "is_hidden", True),
}


@pytest.mark.parametrize("what", SAID)
async def test_what_an_event_type_says_is_understood(what: str) -> None:
    said, name, expected = SAID[what]
    data = {"title": "30-Minute Consultation", "lengthInMinutes": 30, **said}
    async with scripted(lambda: web.json_response({"status": "success", "data": data})) as (_, calendar):
        details = await calendar.describe(EventTypeId("101"))

    assert getattr(details, name) == expected
    assert details.event_type.title == "30-Minute Consultation"


async def test_the_stand_ins_event_type_is_understood(calcom: StandIn) -> None:
    async with connected(calcom.url, calcom.credentials.calcom_api_key) as calendar:
        details = await calendar.describe(EventTypeId("101"))
        understands = await calendar.understands_us()

    assert details.places == ("cal-video",)
    assert [field.slug for field in details.event_type.fields if field.is_required] == []
    assert understands
