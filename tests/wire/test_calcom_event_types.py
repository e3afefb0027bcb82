"""Event types of Cal.com over a real socket: their questions, places, lengths and hosts, and what an account has."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from agent.event_types import run
from agent.settings import CalComSettings
from appointments.booking_fields import BookingField, FieldKind, misfits
from appointments.errors import CalendarRejected, ConfigError, EventTypeChanged
from appointments.model import Attendee, EventTypeId, PhoneNumber, Slot
from calendars.calcom import CalComCalendar
from calendars.calcom_account import ConnectedCalendar
from tests.factories import ACTION
from tests.stand_ins import serving_calcom

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from appointments.model import Action, Booking
    from tests.stand_ins import StandIn

NOW = "2026-12-01T09:00:00-05:00"
TWO = datetime.fromisoformat("2026-12-03T14:00:00-05:00")
MAYA = Attendee("Maya Chen", "America/New_York", PhoneNumber("+14155550123"), "maya@example.com")
ID = EventTypeId("101")
INSURANCE = {"type": "text", "slug": "insurance", "label": "Which insurance?", "required": True}


@pytest.fixture
async def stand_in() -> AsyncIterator[StandIn]:
    async with serving_calcom() as served:
        yield served


async def offering(stand_in: StandIn, *event_types: dict[str, Any], **of_world: Any) -> None:
    """Begin anew with these event types, of which the first has the usual number, free on Thursday at two."""
    first, *others = event_types or ({},)
    ordered = [{"id": 101, "title": "Visit", **first}, *others]
    await stand_in.order("world", now=NOW, free=[TWO.isoformat()], event_types=ordered, **of_world)


class Office:
    """A calendar as a worker has it, whose business books `action`."""

    def __init__(self, stand_in: StandIn, action: Action = ACTION) -> None:
        key = stand_in.credentials.calcom_api_key
        self.calendar = CalComCalendar.connect(
            stand_in.url, api_key=key, pauses_secs=(), action_of=lambda asked: action if asked == ID else None
        )

    async def __aenter__(self) -> Office:
        return self

    async def __aexit__(self, *_raised: object) -> None:
        await self.calendar.aclose()

    async def free(self) -> list[Slot]:
        return list(await self.calendar.free_slots(ID, start=TWO, end=TWO + timedelta(hours=1)))

    async def book(self, attendee: Attendee = MAYA, *, minutes: int = 30, **answers: Any) -> Booking:
        event_type = await self.calendar.event_type(ID)
        slot = Slot(TWO, timedelta(minutes=minutes))
        told = replace(attendee, answers=answers)
        return await self.calendar.book(event_type, slot, told, notes="", idempotency_key="CA1:101:1")


async def made(stand_in: StandIn) -> dict[str, Any]:
    (booking,) = (await stand_in.state())["bookings"]
    return dict(booking)


# Questions.


async def test_the_questions_of_an_event_type_are_read_with_what_answers_them(stand_in: StandIn) -> None:
    fields = [
        INSURANCE,
        {"type": "number", "slug": "guests-count", "label": "How many?"},
        {"type": "boolean", "slug": "terms", "label": "Agreed?", "required": True, "hidden": True},
        {"type": "select", "slug": "plan", "label": "Which plan?", "options": ["Basic", "Plus"]},
        {"type": "checkbox", "slug": "days", "label": "Which days?", "options": ["Mon", "Tue"]},
        {"type": "url", "slug": "site", "label": "Site?"},
    ]
    await offering(stand_in, {"fields": fields})
    async with Office(stand_in) as office:
        event_type = await office.calendar.event_type(ID)

    own = [field for field in event_type.fields if field.slug not in ("notes", "title", "guests")]
    assert own == [
        BookingField("insurance", "Which insurance?", is_required=True),
        BookingField("guests-count", "How many?", FieldKind.NUMBER),
        BookingField("terms", "Agreed?", FieldKind.YES_NO, is_required=True),
        BookingField("plan", "Which plan?", FieldKind.CHOICE, options=("Basic", "Plus")),
        BookingField("days", "Which days?", FieldKind.CHOICES, options=("Mon", "Tue")),
        BookingField("site", "Site?", FieldKind.LINK),
    ]


async def test_a_plain_event_type_asks_nothing_that_has_to_be_answered(stand_in: StandIn) -> None:
    await offering(stand_in)
    async with Office(stand_in) as office:
        event_type = await office.calendar.event_type(ID)

    assert list(misfits(ACTION, event_type)) == []


async def test_answers_of_every_kind_are_taken_by_calcom(stand_in: StandIn) -> None:
    fields = [
        INSURANCE,
        {"type": "number", "slug": "size", "label": "How many?"},
        {"type": "boolean", "slug": "terms", "label": "Agreed?", "required": True},
        {"type": "multiselect", "slug": "days", "label": "Which days?", "options": ["Mon", "Tue"]},
    ]
    await offering(stand_in, {"fields": fields})
    async with Office(stand_in) as office:
        await office.book(insurance="Blue Cross", size=4.0, terms=True, days=("Mon",))

    answers = (await made(stand_in))["responses"]
    assert answers.items() >= {"insurance": "Blue Cross", "size": 4, "terms": True, "days": ["Mon"]}.items()


@pytest.mark.parametrize(
    ("field", "answers", "said"),
    [
        (INSURANCE, {}, "Missing required booking field response"),
        ({**INSURANCE, "hidden": True}, {}, "Missing required booking field response"),
        ({**INSURANCE, "type": "select", "options": ["A"]}, {"insurance": "Blue Cross"}, "Invalid option '…'"),
        ({**INSURANCE, "type": "number"}, {"insurance": "Blue Cross"}, "Invalid type"),
    ],
)
async def test_an_event_type_that_wants_another_answer_by_now_has_changed(
    stand_in: StandIn, field: dict[str, Any], answers: dict[str, Any], said: str
) -> None:
    await offering(stand_in, {"fields": [field]})
    async with Office(stand_in) as office:
        with pytest.raises(EventTypeChanged) as caught:
            await office.book(**answers)

    assert said in str(caught.value)
    assert "Blue Cross" not in str(caught.value)
    assert "slotline doctor" in str(caught.value)


async def test_an_event_type_that_is_gone_has_changed(stand_in: StandIn) -> None:
    await offering(stand_in)
    async with Office(stand_in) as office:
        await office.calendar.event_type(ID)
        await stand_in.order("event_types", event_types=[{"id": 102, "title": "Another"}])
        with pytest.raises(EventTypeChanged, match="knows no event type 101"):
            await office.free()


# Places.

ZOOM = {"type": "integration", "integration": "zoom"}
OFFICE = {"type": "address", "address": "12 Harbor Street"}


@pytest.mark.parametrize(
    ("platform", "places", "where"),
    [
        ("zoom", [OFFICE, ZOOM], "https://zoom.us/j/"),
        ("in_person", [ZOOM, OFFICE], "12 Harbor Street"),
        ("phone", [ZOOM, {"type": "attendeePhone"}], "+14155550123"),
        ("phone", [{"type": "attendeePhone"}], "+14155550123"),
        ("phone", [OFFICE, ZOOM], "12 Harbor Street"),
    ],
)
async def test_of_several_places_the_one_that_the_business_file_names_is_booked(
    stand_in: StandIn, platform: str, places: list[dict[str, Any]], where: str
) -> None:
    await offering(stand_in, {"locations": places})
    async with Office(stand_in, replace(ACTION, platform=platform)) as office:
        booking = await office.book()

    assert (booking.meeting_link or booking.location).startswith(where)


@pytest.mark.parametrize("kind", ["attendeeAddress", "attendeeDefined"])
async def test_where_the_attendee_says_where_the_caller_is_asked(stand_in: StandIn, kind: str) -> None:
    await offering(stand_in, {"locations": [{"type": kind}]})
    action = replace(ACTION, platform="in_person", address="at your place")
    async with Office(stand_in, action) as office:
        (misfit,) = misfits(action, await office.calendar.event_type(ID))
        booking = await office.book(location="12 Elm Street")

    assert "demands an answer to location" in misfit.seen
    assert booking.location == "12 Elm Street"


# Lengths.


async def test_the_length_that_the_business_file_names_is_offered_and_booked(stand_in: StandIn) -> None:
    await offering(stand_in, {"minutes": 30, "lengths": [30, 60]})
    action = replace(ACTION, duration=timedelta(minutes=60), has_length=True)
    async with Office(stand_in, action) as office:
        (slot,) = await office.free()
        reservation = await office.calendar.hold(ID, slot, until=TWO)
        booking = await office.book(minutes=60)

    assert slot.duration == booking.slot.duration == timedelta(minutes=60)
    assert reservation


@pytest.mark.parametrize("lengths", [[], [30, 45]])
async def test_a_length_that_calcom_does_not_offer_is_not_asked_for(stand_in: StandIn, lengths: list[int]) -> None:
    await offering(stand_in, {"minutes": 30, "lengths": lengths})
    action = replace(ACTION, duration=timedelta(minutes=60), has_length=True)
    async with Office(stand_in, action) as office:
        (slot,) = await office.free()
        booking = await office.book()

    assert slot.duration == booking.slot.duration == timedelta(minutes=30)


async def test_a_length_that_nobody_has_named_is_calcoms_own(stand_in: StandIn) -> None:
    await offering(stand_in, {"minutes": 60, "lengths": [30, 60]})
    async with Office(stand_in) as office:
        (slot,) = await office.free()

    assert slot.duration == timedelta(minutes=60)


async def test_an_event_type_that_has_grown_is_booked_as_long_as_it_is(stand_in: StandIn) -> None:
    await offering(stand_in)
    async with Office(stand_in) as office:
        await office.calendar.event_type(ID)
        await stand_in.order("event_types", event_types=[{"id": 101, "title": "Visit", "minutes": 45}])
        booking = await office.book()

    assert booking.slot.duration == timedelta(minutes=45)


# Hosts.


async def test_the_host_who_gets_a_booking_of_a_team_is_told(stand_in: StandIn) -> None:
    await offering(stand_in, {"scheduling": "roundRobin", "hosts": ["Priya", "Sam"]})
    async with Office(stand_in) as office:
        event_type = await office.calendar.event_type(ID)
        booking = await office.book()

    assert event_type.assigns_host
    assert booking.host_name == "Priya"


# The account.


async def test_the_owners_and_the_teams_event_types_are_listed(stand_in: StandIn) -> None:
    team = {"id": 102, "title": "Team Visit", "scheduling": "roundRobin", "hosts": ["Priya"]}
    await offering(stand_in, {}, team, {"id": 103, "title": "Hidden", "hidden": True})
    async with Office(stand_in) as office:
        owner = await office.calendar.account.owner()
        ids = await office.calendar.account.event_type_ids(owner)

    assert (owner.username, owner.zone) == ("ada", "America/New_York")
    assert sorted(ids) == ["101", "102", "103"]


async def test_the_calendars_that_are_checked_and_written_to_are_told(stand_in: StandIn) -> None:
    calendars = [
        {"integration": "google_calendar", "name": "Work"},
        {"integration": "google_calendar", "name": "Home", "is_checked": False},
    ]
    await offering(stand_in, calendars=calendars, writes_to="Work")
    async with Office(stand_in) as office:
        found = await office.calendar.account.calendars()

    assert found.connected == (
        ConnectedCalendar("Work", is_checked=True),
        ConnectedCalendar("Home", is_checked=False),
    )
    assert found.writes_to == "Work"


async def test_an_account_without_a_calendar_has_none(stand_in: StandIn) -> None:
    await offering(stand_in, calendars=[])
    async with Office(stand_in) as office:
        found = await office.calendar.account.calendars()

    assert (found.connected, found.writes_to) == ((), "")


async def test_the_apps_that_are_connected_are_told_as_the_business_file_names_them(stand_in: StandIn) -> None:
    await offering(stand_in, apps=["zoom"])
    async with Office(stand_in) as office:
        platforms = await office.calendar.account.platforms()

    assert platforms == {"cal_video", "zoom"}


# The command.


def settings(stand_in: StandIn, **changes: Any) -> CalComSettings:
    given = {"calcom_api_key": stand_in.credentials.calcom_api_key, "calcom_base_url": stand_in.url, **changes}
    return CalComSettings(_env_file=None, **given)  # type: ignore[call-arg]


async def test_the_command_writes_what_can_be_booked_and_why_the_rest_cannot(
    stand_in: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    hidden = {**INSURANCE, "hidden": True}
    await offering(stand_in, {"fields": [hidden]}, {"id": 102, "title": "Class", "minutes": 60, "seats": 4})
    await run(settings(stand_in))

    printed = capsys.readouterr().out
    assert "# ada has 2 event types at Cal.com; 1 can be booked by phone." in printed
    assert 'insurance = { ask = "Which insurance?" }' in printed
    assert "# 102, Class, 60 min: it has seats" in printed


async def test_the_command_without_a_key_says_where_to_get_one(stand_in: StandIn) -> None:
    with pytest.raises(ConfigError, match="CALCOM_API_KEY is unset"):
        await run(settings(stand_in, calcom_api_key=""))


async def test_the_command_with_a_wrong_key_says_so(stand_in: StandIn) -> None:
    with pytest.raises(CalendarRejected, match="refused the key"):
        await run(settings(stand_in, calcom_api_key="cal_live_0123456789abcdef0123456789abcdef"))
