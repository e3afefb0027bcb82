"""The stand-in of Cal.com with several event types: told apart, and one host's time for all of them."""

from __future__ import annotations

import asyncio
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
TWO, THREE = "2026-12-03T14:00:00-05:00", "2026-12-03T15:00:00-05:00"
THURSDAY = {"start": "2026-12-03T05:00:00Z", "end": "2026-12-04T04:59:59Z"}
ATTENDEE = {"name": "Maya Chen", "email": "maya@example.com", "timeZone": "America/New_York"}
TAKEN = "User either already has booking at this time or is not available"
CUT, COLOUR = 301, 302
SALON = [
    {"id": CUT, "title": "Haircut", "minutes": 45, "requires_email": False},
    {"id": COLOUR, "title": "Colour", "minutes": 120},
]


@pytest.fixture
async def salon() -> AsyncIterator[StandIn]:
    async with serving_calcom() as stand_in:
        await stand_in.order("world", now=NOW, zone="America/New_York", free=[TWO], event_types=SALON)
        yield stand_in


async def book(salon: StandIn, event_type_id: int, start: str = TWO) -> httpx.Response:
    body = {"eventTypeId": event_type_id, "start": start, "attendee": ATTENDEE}
    return await salon.http.post("/v2/bookings", json=body, headers=BOOKINGS)


async def free(salon: StandIn, event_type_id: int, **params: str) -> list[dict[str, str]]:
    """Return the free slots of Thursday."""
    params |= {**THURSDAY, "eventTypeId": str(event_type_id)}
    answer = await salon.http.get("/v2/slots", params=params, headers=SLOTS)
    assert answer.status_code == httpx.codes.OK, answer.text
    return answer.json()["data"].get("2026-12-03", [])  # type: ignore[no-any-return]  # JSON


async def listed(salon: StandIn, event_type_id: int) -> list[dict[str, Any]]:
    answer = await salon.http.get("/v2/bookings", params={"eventTypeIds": event_type_id}, headers=BOOKINGS)
    return answer.json()["data"]  # type: ignore[no-any-return]  # JSON


def message(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["message"])


async def test_several_event_types_are_told_apart(salon: StandIn) -> None:
    paths = [f"/v2/event-types/{number}" for number in (CUT, COLOUR)]
    found = [(await salon.http.get(path, headers=EVENT_TYPES)).json()["data"] for path in paths]
    colour = await free(salon, COLOUR, format="range")
    booked = (await book(salon, COLOUR)).json()["data"]

    assert [(each["id"], each["title"], each["slug"], each["lengthInMinutes"]) for each in found] == [
        (CUT, "Haircut", "haircut", 45),
        (COLOUR, "Colour", "colour", 120),
    ]
    assert colour == [{"start": "2026-12-03T19:00:00.000Z", "end": "2026-12-03T21:00:00.000Z"}]
    assert (booked["eventTypeId"], booked["eventType"]) == (COLOUR, {"id": COLOUR, "slug": "colour"})
    assert (booked["title"], booked["duration"]) == ("Colour between Ada and Maya Chen", 120)
    assert (await salon.state())["bookings"][0]["eventTypeId"] == COLOUR
    assert [each["uid"] for each in await listed(salon, COLOUR)] == [booked["uid"]]
    assert await listed(salon, CUT) == []


async def test_an_event_type_that_is_not_there_is_refused_everywhere(salon: StandIn) -> None:
    answers = [
        await salon.http.get("/v2/event-types/101", headers=EVENT_TYPES),
        await salon.http.get("/v2/event-types/haircut", headers=EVENT_TYPES),
        await salon.http.get("/v2/slots", params={**THURSDAY, "eventTypeId": 101}, headers=SLOTS),
        await book(salon, 101),
    ]

    assert [answer.status_code for answer in answers] == [404] * 4


async def test_an_event_type_may_be_named_by_its_address(salon: StandIn) -> None:
    params = {**THURSDAY, "eventTypeSlug": "colour", "username": "ada", "format": "range"}

    answer = await salon.http.get("/v2/slots", params=params, headers=SLOTS)

    assert answer.json()["data"]["2026-12-03"][0]["end"] == "2026-12-03T21:00:00.000Z"


async def test_only_the_type_that_demands_an_email_does(salon: StandIn) -> None:
    body = {"start": TWO, "attendee": {"name": "Maya Chen", "timeZone": "UTC", "phoneNumber": "+14155550123"}}

    colour = await salon.http.post("/v2/bookings", json={**body, "eventTypeId": COLOUR}, headers=BOOKINGS)
    cut = await salon.http.post("/v2/bookings", json={**body, "eventTypeId": CUT}, headers=BOOKINGS)

    assert (colour.status_code, message(colour)) == (httpx.codes.BAD_REQUEST, "{email}error_required_field")
    assert cut.status_code == httpx.codes.CREATED


async def test_a_booking_of_one_type_makes_the_others_busy_while_it_lasts(salon: StandIn) -> None:
    hours = [f"2026-12-03T{hour}:00:00-05:00" for hour in range(11, 17)]
    await salon.order("world", now=NOW, zone="America/New_York", free=hours, event_types=SALON)
    await book(salon, COLOUR, TWO)

    zone = {"timeZone": "America/New_York"}
    cuts = [slot["start"][11:13] for slot in await free(salon, CUT, **zone)]
    colours = [slot["start"][11:13] for slot in await free(salon, COLOUR, **zone)]
    overlapping = await book(salon, CUT, THREE)
    beside = await book(salon, CUT, hours[-1])

    assert cuts == ["11", "12", "13", "16"]
    assert colours == ["11", "12", "16"]  # one that starts at one would run into the booking
    assert (overlapping.status_code, message(overlapping)) == (httpx.codes.BAD_REQUEST, TAKEN)
    assert beside.status_code == httpx.codes.CREATED


async def test_the_loser_of_a_race_against_a_longer_type_finds_the_time_taken(salon: StandIn) -> None:
    await salon.break_down("create", "slow", seconds=0.3)
    slow = asyncio.create_task(book(salon, CUT))
    async with asyncio.timeout(5):
        while not (await salon.state())["faults"]:
            pass
    await book(salon, COLOUR)

    loser = await slow

    # Cal.com's unique key is made of start, end and host: another end is another key.
    assert (loser.status_code, message(loser)) == (httpx.codes.BAD_REQUEST, TAKEN)


@pytest.mark.parametrize(
    ("location", "told"),
    [
        ({"type": "address", "address": "8 Willow Street", "public": True}, "8 Willow Street"),
        ({"type": "phone", "phone": "+14155550100", "public": True}, "+14155550100"),
        ({"type": "integration", "integration": "zoom"}, "https://zoom.us/j/{uid}"),
        ({"type": "integration", "integration": "google-meet"}, "https://meet.google.com/{uid}"),
    ],
)
async def test_a_booking_happens_where_its_event_type_does(
    salon: StandIn, location: dict[str, object], told: str
) -> None:
    await salon.order("world", now=NOW, free=[TWO], event_types=[SALON[1], {**SALON[0], "location": location}])
    described = (await salon.http.get(f"/v2/event-types/{CUT}", headers=EVENT_TYPES)).json()["data"]
    booked = (await book(salon, CUT)).json()["data"]

    assert described["locations"] == [location]
    assert booked["location"] == booked["meetingUrl"] == told.format(uid=booked["uid"])


async def test_ordinary_week_follows_the_length_of_the_event_type(salon: StandIn) -> None:
    await salon.order("world", now=NOW, zone="America/New_York", event_types=SALON)

    slots = await free(salon, COLOUR, timeZone="America/New_York")

    assert [slot["start"][11:16] for slot in slots] == ["09:00", "11:00", "13:00", "15:00"]


@pytest.mark.parametrize(
    "event_types",
    [
        [],
        [{"id": 1, "title": "Cut"}, {"id": 1, "title": "Colour"}],
        [{"id": 1, "title": "Cut"}, {"id": 2, "title": "cut"}],
        [{"id": 1, "title": ""}],
        [{"id": 1, "price": -20}],
        [{"id": 1, "location": {"type": "address"}}],
        [{"id": 1, "location": {"type": "somewhere"}}],
    ],
)
async def test_refuses_event_types_that_cannot_be(salon: StandIn, event_types: list[dict[str, object]]) -> None:
    answer = await salon.http.post("/control/world", json={"event_types": event_types})

    assert answer.status_code == httpx.codes.BAD_REQUEST
