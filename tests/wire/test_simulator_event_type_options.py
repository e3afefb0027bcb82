"""The stand-in of Cal.com with event types that ask, choose and divide: fields, places, lengths, hosts and limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.stand_ins import serving_calcom

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.stand_ins import StandIn

SLOTS = {"cal-api-version": "2024-09-04"}
BOOKINGS = {"cal-api-version": "2024-08-13"}
EVENT_TYPES = {"cal-api-version": "2024-06-14"}
NOW = "2026-12-01T09:00:00-05:00"  # a Tuesday
TWO, HALF_PAST, THREE = (f"2026-12-03T{at}:00-05:00" for at in ("14:00", "14:30", "15:00"))
THURSDAY = {"eventTypeId": "101", "start": "2026-12-03T05:00:00Z", "end": "2026-12-04T04:59:59Z"}
ATTENDEE = {"name": "Maya Chen", "email": "maya@example.com", "timeZone": "America/New_York"}
TEAM_TAKEN = "One of the hosts either already has booking at this time or is not available"


@pytest.fixture
async def calcom() -> AsyncIterator[StandIn]:
    async with serving_calcom() as stand_in:
        yield stand_in


async def start(calcom: StandIn, *event_types: dict[str, object], **world: object) -> None:
    free = [TWO, HALF_PAST, THREE]
    types = list(event_types) or [{}]
    await calcom.order("world", now=NOW, zone="America/New_York", free=free, event_types=types, **world)


async def book(calcom: StandIn, start: str = TWO, **changes: Any) -> httpx.Response:
    body = {"eventTypeId": 101, "start": start, "attendee": ATTENDEE, **changes}
    return await calcom.http.post("/v2/bookings", json=body, headers=BOOKINGS)


async def booked(calcom: StandIn, start: str = TWO, **changes: Any) -> dict[str, Any]:
    answer = await book(calcom, start, **changes)
    assert answer.status_code == httpx.codes.CREATED, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


async def free(calcom: StandIn, **params: str) -> list[dict[str, str]]:
    answer = await calcom.http.get("/v2/slots", params={**THURSDAY, "format": "range", **params}, headers=SLOTS)
    assert answer.status_code == httpx.codes.OK, answer.text
    return [slot for slots in answer.json()["data"].values() for slot in slots]


async def told(calcom: StandIn, path: str, **params: str) -> Any:
    answer = await calcom.http.get(path, params=params, headers=EVENT_TYPES)
    assert answer.status_code == httpx.codes.OK, answer.text
    return answer.json()["data"]


def message(answer: httpx.Response) -> str:
    body = answer.json()
    return str(body["error"]["message"] if "error" in body else body["message"])


FIELDS: list[dict[str, object]] = [
    {"type": "text", "slug": "pet", "label": "Which pet?", "required": True},
    {"type": "select", "slug": "size", "options": ["small", "large"]},
    {"type": "checkbox", "slug": "extras", "options": ["bath", "brush"]},
    {"type": "number", "slug": "age"},
    {"type": "boolean", "slug": "chipped"},
    {"type": "phone", "slug": "second-phone"},
]


async def test_fields_are_described_and_their_answers_kept(calcom: StandIn) -> None:
    await start(calcom, {"fields": FIELDS})
    answers = {"pet": "Rex", "size": "large", "extras": ["bath"], "age": 3, "chipped": True, "notes": "Barks"}

    found = await told(calcom, "/v2/event-types/101")
    booking = await booked(calcom, bookingFieldsResponses=answers)

    fields = {field["slug"]: field for field in found["bookingFields"]}
    pet = fields["pet"]
    assert (pet["label"], pet["required"], pet["isDefault"]) == ("Which pet?", True, False)
    assert fields["size"]["options"] == ["small", "large"]
    assert {"name", "email", "attendeePhoneNumber", "location", "notes"} <= set(fields)
    assert answers.items() <= booking["bookingFieldsResponses"].items()
    assert booking["description"] == "Barks"


@pytest.mark.parametrize(
    ("answers", "text"),
    [
        ({}, "Missing required booking field response: pet - it is required by the event type booking fields"),
        ({"pet": None}, "Missing required booking field response: pet"),
        ({"pet": 3}, "Invalid type for booking field 'pet'. Expected type string (compatible with field type 'text')"),
        ({"pet": ""}, "{pet}error_required_field"),
        ({"pet": "Rex", "size": "huge"}, "Invalid option 'huge' for booking field 'size'. Allowed options are: small"),
        ({"pet": "Rex", "extras": "bath"}, "Invalid type for booking field 'extras'. Expected type array"),
        ({"pet": "Rex", "extras": ["nails"]}, "One or more invalid options for booking field 'extras'."),
        ({"pet": "Rex", "age": "3"}, "Expected type number (compatible with field type 'number'), but received string"),
        ({"pet": "Rex", "chipped": 1}, "Expected type boolean"),
        ({"pet": "Rex", "second-phone": "555"}, "{second-phone}invalid_number"),
    ],
)
async def test_answers_that_do_not_fit_are_refused(calcom: StandIn, answers: dict[str, object], text: str) -> None:
    await start(calcom, {"fields": FIELDS})

    answer = await book(calcom, bookingFieldsResponses=answers)

    assert answer.status_code == httpx.codes.BAD_REQUEST
    assert text in message(answer)
    assert (await calcom.state())["bookings"] == []


async def test_notes_may_be_required(calcom: StandIn) -> None:
    await start(calcom, {"fields": [{"slug": "notes", "required": True}]})

    found = await told(calcom, "/v2/event-types/101")
    without = await book(calcom)
    with_some = await book(calcom, bookingFieldsResponses={"notes": "Barks"})

    assert [field["required"] for field in found["bookingFields"] if field["slug"] == "notes"] == [True]
    assert (without.status_code, message(without)) == (400, "{notes}error_required_field")
    assert with_some.status_code == httpx.codes.CREATED


async def test_an_event_type_may_require_a_phone_number(calcom: StandIn) -> None:
    await start(calcom, {"requires_phone": True, "requires_email": False})

    without = await book(calcom)
    with_one = await book(calcom, attendee={**ATTENDEE, "phoneNumber": "+14155550123"})

    assert "Missing attendee phone number" in message(without)
    assert with_one.status_code == httpx.codes.CREATED


PLACES: list[dict[str, object]] = [
    {"type": "address", "address": "8 Willow Street", "public": True},
    {"type": "integration", "integration": "zoom"},
    {"type": "attendeePhone"},
    {"type": "link", "link": "https://meet.example.com/ada", "public": True},
]


@pytest.mark.parametrize(
    ("asked", "location"),
    [
        (None, "8 Willow Street"),
        ({"type": "address"}, "8 Willow Street"),
        ({"type": "integration", "integration": "zoom"}, "https://zoom.us/j/{uid}"),
        ({"type": "attendeePhone", "phone": "+14155550123"}, "+14155550123"),
        ({"type": "link"}, "https://meet.example.com/ada"),
    ],
)
async def test_a_booking_gets_the_place_it_asks_for(calcom: StandIn, asked: object, location: str) -> None:
    await start(calcom, {"locations": PLACES})

    wish: dict[str, Any] = {"location": asked} if asked else {}
    booking = await booked(calcom, **wish)

    assert (await told(calcom, "/v2/event-types/101"))["locations"] == PLACES
    assert booking["location"] == location.format(uid=booking["uid"])


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        (
            {"type": "phone"},
            "Booking location with type phone not valid for event type with id=101. The event type has following "
            "location types: address, integration, attendeePhone, link, and only these types are allowed",
        ),
        (
            {"type": "integration", "integration": "google-meet"},
            "Booking location with integration google-meet not valid for event type with id=101. "
            "The event type has following integrations: zoom, and only these integrations are allowed",
        ),
        ({"type": "integration", "integration": "telephone"}, "location"),
        ({"type": "attendeePhone"}, "location"),
        ({"type": "address", "address": "12 Main Street"}, "location"),
        ("zoom", "location"),
    ],
)
async def test_a_place_the_event_type_does_not_have_is_refused(calcom: StandIn, asked: object, text: str) -> None:
    await start(calcom, {"locations": PLACES})

    answer = await book(calcom, location=asked)

    assert answer.status_code == httpx.codes.BAD_REQUEST
    assert text in message(answer)


async def test_a_place_that_the_attendee_did_not_say_is_told_by_its_kind(calcom: StandIn) -> None:
    await start(calcom, {"locations": [{"type": "attendeePhone"}]})

    assert (await booked(calcom))["location"] == "phone"


async def test_lengths_are_chosen_and_kept_in_a_move(calcom: StandIn) -> None:
    await start(calcom, {"lengths": [30, 60]})
    hour = await free(calcom, duration="60")
    booking = await booked(calcom, lengthInMinutes=60)
    left = [slot["start"] for slot in await free(calcom)]
    moved = await calcom.http.post(f"/v2/bookings/{booking['uid']}/reschedule", json={"start": THREE}, headers=BOOKINGS)

    assert (await told(calcom, "/v2/event-types/101"))["lengthInMinutesOptions"] == [30, 60]
    assert hour[0] == {"start": "2026-12-03T19:00:00.000Z", "end": "2026-12-03T20:00:00.000Z"}
    assert (booking["duration"], booking["end"]) == (60, "2026-12-03T20:00:00.000Z")
    assert left == ["2026-12-03T20:00:00.000Z"]
    assert moved.json()["data"]["duration"] == 60


@pytest.mark.parametrize(
    ("event_type", "minutes", "text"),
    [
        ({}, 60, "Can't specify 'lengthInMinutes' because event type does not have multiple possible lengths."),
        ({"lengths": [30, 60]}, 45, "The possible lengths are: 30, 60"),
    ],
)
async def test_a_length_that_there_is_not_is_refused(
    calcom: StandIn, event_type: dict[str, object], minutes: int, text: str
) -> None:
    await start(calcom, event_type)

    answer = await book(calcom, lengthInMinutes=minutes)

    assert answer.status_code == httpx.codes.BAD_REQUEST
    assert text in message(answer)


async def test_event_types_change_and_vanish_while_bookings_stay(calcom: StandIn) -> None:
    await start(calcom)
    uid = (await booked(calcom))["uid"]
    await calcom.order("event_types", event_types=[{"minutes": 60}])
    longer = await booked(calcom, THREE)
    kept = (await calcom.http.get(f"/v2/bookings/{uid}", headers=BOOKINGS)).json()["data"]
    await calcom.order("event_types", event_types=[{"id": 102, "title": "Other"}])
    gone = await book(calcom, HALF_PAST)

    assert (longer["duration"], kept["duration"]) == (60, 30)
    assert (gone.status_code, message(gone)) == (404, "Event type with id 101 not found.")


ROUND_ROBIN: dict[str, object] = {"scheduling": "roundRobin", "hosts": ["Priya", "Sam"], "requires_email": True}


async def test_hosts_take_turns_until_all_are_busy(calcom: StandIn) -> None:
    await start(calcom, ROUND_ROBIN)
    attendees = [{**ATTENDEE, "email": f"caller{number}@example.com"} for number in range(3)]

    first, second = [await booked(calcom, attendee=attendee) for attendee in attendees[:2]]
    third = await book(calcom, attendee=attendees[2])

    assert [each["hosts"][0]["name"] for each in (first, second)] == ["Priya", "Sam"]
    assert first["hosts"][0]["email"] == "priya@example.com"
    assert "Priya" in first["title"]
    assert (third.status_code, message(third)) == (400, TEAM_TAKEN)
    assert [slot["start"][11:16] for slot in await free(calcom)] == ["19:30", "20:00"]


async def test_the_same_wish_is_booked_once_where_hosts_take_turns(calcom: StandIn) -> None:
    await start(calcom, ROUND_ROBIN)

    assert (await booked(calcom))["uid"] == (await booked(calcom))["uid"]


async def test_hosts_who_meet_together_must_all_be_free(calcom: StandIn) -> None:
    together = {"id": 102, "title": "Panel", "scheduling": "collective", "hosts": ["Priya", "Sam"]}
    await start(calcom, ROUND_ROBIN, together)
    await booked(calcom)

    answer = await book(calcom, eventTypeId=102)

    assert (answer.status_code, message(answer)) == (400, TEAM_TAKEN)
    assert (await booked(calcom, THREE, eventTypeId=102))["hosts"][0]["name"] == "Priya"


async def test_a_team_has_its_event_types_to_itself(calcom: StandIn) -> None:
    await start(calcom, {"id": 1, "title": "Own"}, {**ROUND_ROBIN, "id": 2, "title": "Shared"})

    own = await told(calcom, "/v2/event-types", username="ada")
    [team] = await told(calcom, "/v2/teams")
    shared = await told(calcom, f"/v2/teams/{team['id']}/event-types")
    found = await told(calcom, "/v2/event-types/2")

    assert [each["id"] for each in own] == [1]
    assert [each["id"] for each in shared] == [2]
    assert found == shared[0]
    assert (found["schedulingType"], [host["name"] for host in found["hosts"]]) == ("roundRobin", ["Priya", "Sam"])
    assert "schedulingType" not in own[0]


async def test_the_list_of_event_types_is_the_owners(calcom: StandIn) -> None:
    secret = {"type": "text", "slug": "source", "hidden": True}
    types = ({"id": 2, "title": "Later", "fields": [secret]}, {"id": 1, "title": "Hidden", "hidden": True})
    await start(calcom, *types)

    every = await told(calcom, "/v2/event-types", username="ada", sortCreatedAt="asc")
    one = await told(calcom, "/v2/event-types", username="ada", eventSlug="later")
    nobodys = await told(calcom, "/v2/event-types", username="robin")
    unnamed = await told(calcom, "/v2/event-types")
    async with httpx.AsyncClient(base_url=calcom.url) as stranger:
        seen = await stranger.get("/v2/event-types", params={"username": "ada"}, headers=EVENT_TYPES)

    assert [each["id"] for each in every] == [1, 2]
    assert [each["id"] for each in one] == [2]
    assert (nobodys, unnamed) == ([], [])
    assert [each["id"] for each in seen.json()["data"]] == [2]
    assert "source" not in {field["slug"] for field in one[0]["bookingFields"]}


@pytest.mark.parametrize(
    ("event_type", "status", "text"),
    [
        ({"scheduling": "managed", "hosts": ["Priya"]}, 400, "is the parent managed event type that can't be booked"),
        ({"scheduling": "roundRobin"}, 422, "Can't book this team event type because it has no hosts."),
        ({"verifies_email": True}, 400, "email_verification_required"),
    ],
)
async def test_an_event_type_that_cannot_be_booked_is_not(
    calcom: StandIn, event_type: dict[str, object], status: int, text: str
) -> None:
    await start(calcom, event_type)

    answer = await book(calcom)

    assert answer.status_code == status
    assert text in message(answer)


async def test_event_types_tell_what_is_in_the_way(calcom: StandIn) -> None:
    await start(calcom, {"price": 20.5, "seats": 4, "recurs": True, "verifies_email": True, "booker_limit": 1})

    found = await told(calcom, "/v2/event-types/101")

    assert (found["price"], found["currency"], found["seats"]["seatsPerTimeSlot"]) == (20.5, "usd", 4)
    assert found["recurrence"]["frequency"] == "weekly"
    assert found["requiresBookerEmailVerification"] is True
    assert found["bookerActiveBookingsLimit"]["maximumActiveBookings"] == 1


async def test_an_attendee_has_no_more_bookings_than_allowed(calcom: StandIn) -> None:
    await start(calcom, {"booker_limit": 1})
    await booked(calcom)

    again = await book(calcom, THREE)
    other = await book(calcom, THREE, attendee={**ATTENDEE, "email": "robin@example.com"})

    assert "maximum number of active bookings has been reached" in message(again)
    assert other.status_code == httpx.codes.CREATED


async def test_calendars_and_apps_that_are_connected_are_listed(calcom: StandIn) -> None:
    calendars = [
        {"name": "Home", "is_checked": False},
        {"name": "Work"},
        {"name": "Shop", "integration": "office365_calendar", "is_read_only": True},
    ]
    await start(calcom, calendars=calendars, writes_to="Work", apps=["zoom"])

    found = await told(calcom, "/v2/calendars")
    apps = await told(calcom, "/v2/conferencing")

    google, office = found["connectedCalendars"]
    assert [(each["name"], each["isSelected"]) for each in google["calendars"]] == [("Home", False), ("Work", True)]
    assert (office["integration"]["type"], office["calendars"][0]["readOnly"]) == ("office365_calendar", True)
    assert found["destinationCalendar"]["name"] == "Work"
    assert [each["type"] for each in apps] == ["zoom_video"]


async def test_no_calendar_at_all_is_told_so(calcom: StandIn) -> None:
    await start(calcom, calendars=[], apps=[])

    assert await told(calcom, "/v2/calendars") == {"connectedCalendars": [], "destinationCalendar": None}
    assert await told(calcom, "/v2/conferencing") == []


async def test_links_put_a_booking_into_other_calendars(calcom: StandIn) -> None:
    await start(calcom)
    uid = (await booked(calcom))["uid"]

    answer = await calcom.http.get(f"/v2/bookings/{uid}/calendar-links", headers=BOOKINGS)
    none = await calcom.http.get("/v2/bookings/none/calendar-links", headers=BOOKINGS)

    links = {each["label"]: each["link"] for each in answer.json()["data"]}
    assert list(links) == ["Google Calendar", "Microsoft Office", "Microsoft Outlook", "ICS"]
    assert links["Google Calendar"].startswith("https://calendar.google.com/")
    assert "20261203T190000Z" in links["Microsoft Outlook"]
    assert links["ICS"].startswith("data:text/calendar,")
    assert none.status_code == httpx.codes.NOT_FOUND


@pytest.mark.parametrize(
    "world",
    [
        {"event_types": [{"lengths": [45, 60]}]},
        {"event_types": [{"hosts": ["Priya"]}]},
        {"event_types": [{"fields": [{"type": "select", "slug": "size"}]}]},
        {"event_types": [{"fields": [{"type": "text", "slug": "size", "options": ["small"]}]}]},
        {"event_types": [{"fields": [{"type": "text", "slug": "notes"}]}]},
        {"event_types": [{"fields": [{"type": "text", "slug": "email"}]}]},
        {"event_types": [{"locations": []}]},
        {"writes_to": "Nowhere"},
        {"apps": ["telephone"]},
    ],
)
async def test_a_world_that_cannot_be_is_refused(calcom: StandIn, world: dict[str, object]) -> None:
    answer = await calcom.http.post("/control/world", json=world)

    assert answer.status_code == httpx.codes.BAD_REQUEST
