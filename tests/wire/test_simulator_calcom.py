"""The stand-in of Cal.com behaves as strictly as Cal.com, and remembers what it was told."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from simulator.calcom_throttle import RATE_LIMIT
from tests.stand_ins import serving_calcom

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.stand_ins import StandIn

SLOTS = {"cal-api-version": "2024-09-04"}
BOOKINGS = {"cal-api-version": "2024-08-13"}
EVENT_TYPES = {"cal-api-version": "2024-06-14"}
NOW = "2026-12-01T09:00:00-05:00"  # a Tuesday
TWO, THREE = "2026-12-03T14:00:00-05:00", "2026-12-03T15:00:00-05:00"
THURSDAY = {"eventTypeId": "101", "start": "2026-12-03T05:00:00Z", "end": "2026-12-04T04:59:59Z"}
ATTENDEE = {"name": "Maya Chen", "email": "maya@example.com", "timeZone": "America/New_York"}
TAKEN = "User either already has booking at this time or is not available"


@pytest.fixture
async def calcom() -> AsyncIterator[StandIn]:
    async with serving_calcom() as stand_in:
        await stand_in.order("world", now=NOW, zone="America/New_York", free=[TWO, THREE])
        yield stand_in


async def book(calcom: StandIn, start: str = TWO, **changes: Any) -> httpx.Response:
    body = {"eventTypeId": 101, "start": start, "attendee": ATTENDEE, **changes}
    return await calcom.http.post("/v2/bookings", json=body, headers=BOOKINGS)


async def free(calcom: StandIn, **params: str) -> dict[str, list[dict[str, str]]]:
    answer = await calcom.http.get("/v2/slots", params={**THURSDAY, **params}, headers=SLOTS)
    assert answer.status_code == httpx.codes.OK, answer.text
    days: dict[str, list[dict[str, str]]] = answer.json()["data"]
    return days


def message(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["message"])


async def test_offers_exactly_the_free_slots_of_the_scenario(calcom: StandIn) -> None:
    days = await free(calcom)

    assert days == {
        "2026-12-03": [{"start": "2026-12-03T19:00:00.000Z"}, {"start": "2026-12-03T20:00:00.000Z"}],
    }


async def test_days_and_offsets_follow_the_zone_that_is_asked_for(calcom: StandIn) -> None:
    days = await free(calcom, timeZone="Asia/Tokyo", format="range")

    assert days["2026-12-04"][0] == {
        "start": "2026-12-04T04:00:00.000+09:00",
        "end": "2026-12-04T04:30:00.000+09:00",
    }


async def test_offers_nothing_as_an_empty_object(calcom: StandIn) -> None:
    await calcom.order("world", now=NOW, free=[])

    assert await free(calcom) == {}


async def test_ordinary_week_is_monday_to_friday_from_nine_to_five(calcom: StandIn) -> None:
    await calcom.order("world", now="2026-12-04T16:15:00-05:00", zone="America/New_York")

    days = await free(calcom, end="2026-12-08T04:59:59Z", timeZone="America/New_York")

    assert list(days) == ["2026-12-04", "2026-12-07"]  # a Friday that is nearly over, then Monday
    assert [slot["start"] for slot in days["2026-12-04"]] == ["2026-12-04T16:30:00.000-05:00"]
    assert days["2026-12-07"][0]["start"] == "2026-12-07T09:00:00.000-05:00"
    assert days["2026-12-07"][-1]["start"] == "2026-12-07T16:30:00.000-05:00"
    assert len(days["2026-12-07"]) == 16


async def test_ordinary_week_keeps_its_hours_when_the_clocks_change(calcom: StandIn) -> None:
    await calcom.order("world", now="2027-03-12T09:00:00-05:00", zone="America/New_York")

    days = await free(calcom, start="2027-03-12T00:00:01Z", end="2027-03-15T23:59:59Z", timeZone="UTC")

    assert days["2027-03-12"][-1]["start"] == "2027-03-12T21:30:00.000Z"
    assert days["2027-03-15"][0]["start"] == "2027-03-15T13:00:00.000Z"


async def test_follows_the_system_clock_without_a_scenario() -> None:
    now = datetime.now(UTC)
    params = {"start": now.isoformat(), "end": (now + timedelta(days=7)).isoformat()}
    async with serving_calcom() as calcom:
        days = await free(calcom, **params)

    assert len(days) >= 4
    assert all(datetime.fromisoformat(slot["start"]) > now for day in days.values() for slot in day)


async def test_widens_an_end_at_midnight_to_the_whole_day(calcom: StandIn) -> None:
    assert await free(calcom, end="2026-12-03T00:00:00Z", start="2026-12-02T00:00:00Z")
    assert await free(calcom, end="2026-12-03", start="2026-12-02")
    assert not await free(calcom, end="2026-12-03T00:00:01Z", start="2026-12-02T00:00:00Z")


async def test_booking_is_remembered_and_takes_its_slot(calcom: StandIn) -> None:
    attendee = {**ATTENDEE, "phoneNumber": "+14155550123"}
    answer = await book(calcom, attendee=attendee, metadata={"idem": "CA1:1"}, bookingFieldsResponses={"notes": "Tap"})

    assert answer.status_code == httpx.codes.CREATED
    booking = answer.json()["data"]
    assert (booking["start"], booking["end"]) == ("2026-12-03T19:00:00.000Z", "2026-12-03T19:30:00.000Z")
    assert booking["status"] == "accepted"
    assert booking["metadata"] == {"idem": "CA1:1"}
    assert booking["location"] == booking["meetingUrl"] == f"https://app.cal.com/video/{booking['uid']}"
    assert booking["bookingFieldsResponses"]["notes"] == "Tap"
    assert booking["attendees"][0]["phoneNumber"] == "+14155550123"
    assert [slot["start"] for slot in (await free(calcom))["2026-12-03"]] == ["2026-12-03T20:00:00.000Z"]
    read = await calcom.http.get(f"/v2/bookings/{booking['uid']}", headers=BOOKINGS)
    assert read.json()["data"] == booking
    assert (await calcom.state())["bookings"] == [
        {
            "uid": booking["uid"],
            "start": "2026-12-03T19:00:00.000Z",
            "end": "2026-12-03T19:30:00.000Z",
            "status": "accepted",
            "metadata": {"idem": "CA1:1"},
            "attendee": {
                "name": "Maya Chen",
                "email": "maya@example.com",
                "phoneNumber": "+14155550123",
                "timeZone": "America/New_York",
            },
            "eventTypeId": 101,
            "by": "api",
            "rescheduledFromUid": "",
            "rescheduledToUid": "",
            "reason": "",
            "changedBy": "",
            "updatedAt": booking["updatedAt"],
            "location": booking["location"],
            "responses": {"notes": "Tap"},
            "host": "Ada",
            "absent": False,
        }
    ]


async def test_second_booking_of_a_slot_is_refused_in_the_envelope(calcom: StandIn) -> None:
    await book(calcom)

    answer = await book(calcom)

    assert answer.status_code == httpx.codes.BAD_REQUEST
    assert answer.json()["status"] == "error"
    assert answer.json()["path"] == "/v2/bookings"
    assert answer.json()["error"]["code"] == "BadRequestException"
    assert message(answer) == TAKEN


async def test_loser_of_a_race_gets_the_raw_conflict(calcom: StandIn) -> None:
    await calcom.break_down("create", "slow", seconds=0.3)
    slow = asyncio.create_task(book(calcom))
    async with asyncio.timeout(5):
        while not (await calcom.state())["faults"]:
            pass
    winner = await book(calcom)

    loser = await slow

    assert winner.status_code == httpx.codes.CREATED
    assert loser.status_code == httpx.codes.CONFLICT
    assert loser.json() == {"statusCode": 409, "message": "booking_conflict_error"}
    assert len((await calcom.state())["bookings"]) == 1


async def test_somebody_else_takes_the_slot_first(calcom: StandIn) -> None:
    await calcom.break_down("create", "taken")

    answer = await book(calcom)

    assert (answer.status_code, message(answer)) == (httpx.codes.BAD_REQUEST, TAKEN)
    state = await calcom.state()
    assert [booking["by"] for booking in state["bookings"]] == ["fault"]
    assert [(fault["service"], fault["on"], fault["kind"]) for fault in state["faults"]] == [
        ("calcom", "create", "taken")
    ]
    assert (await book(calcom, THREE)).status_code == httpx.codes.CREATED


@pytest.mark.parametrize(
    ("start", "text"),
    [
        ("2026-12-03T14:30:00-05:00", TAKEN),
        ("2026-12-01T08:30:00-05:00", "Attempting to book a meeting in the past."),
        ("2027-12-03T14:00:00-05:00", 'The event type can\'t be booked at the "start" time provided.'),
    ],
)
async def test_refuses_a_start_that_is_no_free_slot(calcom: StandIn, start: str, text: str) -> None:
    answer = await book(calcom, start)

    assert answer.status_code == httpx.codes.BAD_REQUEST
    assert message(answer).startswith(text)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"attendee": {**ATTENDEE, "phoneNumber": "+15555551234"}}, "Invalid phone number format."),
        ({"attendee": {**ATTENDEE, "timeZone": "New York"}}, "must be a valid IANA time-zone"),
        ({"attendee": {"name": "Maya Chen", "timeZone": "UTC"}}, "at least one contact method"),
        (
            {"attendee": {"name": "Maya Chen", "timeZone": "UTC", "phoneNumber": "+14155550123"}},
            "{email}error_required_field",
        ),
        ({"title": "Consultation"}, "property title should not exist"),
        ({"metadata": {"x" * 41: "1"}}, "Metadata must have at most 50 keys"),
        ({"lengthInMinutes": 60}, "lengthInMinutes"),
        ({"location": {"type": "attendeePhone", "phone": "+14155550123"}}, "location"),
    ],
)
async def test_refuses_a_booking_with_a_wrong_field(calcom: StandIn, changes: dict[str, Any], text: str) -> None:
    answer = await book(calcom, **changes)

    assert answer.status_code == httpx.codes.BAD_REQUEST
    assert text in message(answer)
    assert (await calcom.state())["bookings"] == []


async def test_refuses_a_body_that_is_no_json(calcom: StandIn) -> None:
    for content, kind in ((b"{", "application/json"), (b"{}", "text/plain"), (b"[]", "application/json")):
        headers = {**BOOKINGS, "Content-Type": kind}

        answer = await calcom.http.post("/v2/bookings", content=content, headers=headers)

        assert answer.status_code == httpx.codes.BAD_REQUEST


async def test_phone_number_alone_is_enough_where_no_email_is_required(calcom: StandIn) -> None:
    event_types = [{"title": "Callback", "minutes": 15, "requires_email": False}]
    await calcom.order("world", now=NOW, free=[TWO], event_types=event_types)
    attendee = {"name": "Maya Chen", "timeZone": "UTC", "phoneNumber": "+14155550123"}

    booking = (await book(calcom, attendee=attendee)).json()["data"]

    assert booking["attendees"][0]["email"] == "14155550123@sms.cal.com"
    assert booking["end"] == "2026-12-03T19:15:00.000Z"
    described = (await calcom.http.get("/v2/event-types/101", headers=EVENT_TYPES)).json()["data"]
    assert (described["title"], described["lengthInMinutes"]) == ("Callback", 15)
    assert {field["slug"]: field["required"] for field in described["bookingFields"]}["email"] is False


async def test_list_finds_a_booking_by_type_and_time(calcom: StandIn) -> None:
    uid = (await book(calcom)).json()["data"]["uid"]
    await book(calcom, THREE)
    params = {"eventTypeIds": "101", "afterStart": "2026-12-03T18:59:59Z", "beforeEnd": "2026-12-03T19:30:01Z"}

    answer = await calcom.http.get("/v2/bookings", params=params, headers=BOOKINGS)

    assert [booking["uid"] for booking in answer.json()["data"]] == [uid]


@pytest.mark.parametrize(
    ("params", "starts"),
    [
        ({"sortStart": "asc"}, [19, 20]),
        ({"sortStart": "desc"}, [20, 19]),
        ({"sortStart": "asc", "take": "1"}, [19]),
        ({"sortStart": "asc", "take": "1", "skip": "1"}, [20]),
        ({"status": "upcoming,past", "sortEnd": "desc"}, [20, 19]),
        ({"status": "past"}, []),
        ({"attendeeEmail": "maya@example.com", "sortStart": "asc"}, [19, 20]),
        ({"attendeeEmail": "nobody@example.com"}, []),
        ({"eventTypeId": "102"}, []),
        ({"afterCreatedAt": "2026-12-01T15:00:00Z"}, []),
    ],
)
async def test_list_filters_sorts_and_pages(calcom: StandIn, params: dict[str, str], starts: list[int]) -> None:
    await book(calcom, THREE)
    await book(calcom, TWO)

    answer = await calcom.http.get("/v2/bookings", params=params, headers=BOOKINGS)

    assert [datetime.fromisoformat(booking["start"]).hour for booking in answer.json()["data"]] == starts
    assert answer.json()["pagination"]["returnedItems"] == len(starts)


async def test_list_counts_its_pages(calcom: StandIn) -> None:
    await book(calcom, TWO)
    await book(calcom, THREE)

    answer = await calcom.http.get("/v2/bookings", params={"take": "1"}, headers=BOOKINGS)

    assert answer.json()["pagination"] == {
        "totalItems": 2,
        "remainingItems": 1,
        "returnedItems": 1,
        "itemsPerPage": 1,
        "currentPage": 1,
        "totalPages": 2,
        "hasNextPage": True,
        "hasPreviousPage": False,
    }


@pytest.mark.parametrize("take", ["0", "251"])
async def test_list_refuses_a_page_of_a_wrong_size(calcom: StandIn, take: str) -> None:
    answer = await calcom.http.get("/v2/bookings", params={"take": take}, headers=BOOKINGS)

    assert answer.status_code == httpx.codes.BAD_REQUEST


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/v2/me", {}, 401),
        ("/v2/event-types/101", EVENT_TYPES, 401),
        ("/v2/bookings", BOOKINGS, 401),
        ("/v2/slots?eventTypeId=101&start=2026-12-03&end=2026-12-03", SLOTS, 200),
        ("/v2/bookings/none", BOOKINGS, 404),
    ],
)
async def test_key_is_needed_where_cal_com_needs_it(
    calcom: StandIn, path: str, headers: dict[str, str], status: int
) -> None:
    async with httpx.AsyncClient(base_url=calcom.url) as nobody:
        without_key = await nobody.get(path, headers=headers)
        with_wrong_key = await nobody.get(path, headers={**headers, "Authorization": "Bearer cal_live_wrong"})

    assert without_key.status_code == status
    assert with_wrong_key.status_code == httpx.codes.UNAUTHORIZED
    assert with_wrong_key.json()["error"]["code"] == "UnauthorizedException"


@pytest.mark.parametrize(
    ("path", "version"),
    [("/v2/slots", ""), ("/v2/slots", "2024-08-13"), ("/v2/bookings", "2024-04-15"), ("/v2/event-types/101", "")],
)
async def test_unknown_version_is_not_found(calcom: StandIn, path: str, version: str) -> None:
    headers = {"cal-api-version": version} if version else {}

    answer = await calcom.http.get(path, headers=headers)

    assert answer.status_code == httpx.codes.NOT_FOUND
    assert message(answer) == f"Cannot GET {path}"


async def test_unknown_path_and_method_are_not_found_in_the_envelope(calcom: StandIn) -> None:
    for answer in (await calcom.http.get("/v1/slots"), await calcom.http.delete("/v2/bookings", headers=BOOKINGS)):
        assert answer.status_code == httpx.codes.NOT_FOUND
        assert answer.json()["error"]["code"] == "NotFoundException"


async def test_tells_who_owns_the_key(calcom: StandIn) -> None:
    answer = await calcom.http.get("/v2/me")

    assert answer.json()["data"]["timeZone"] == "America/New_York"


async def test_every_answer_says_how_many_requests_are_left(calcom: StandIn) -> None:
    first = await calcom.http.get("/v2/me")
    second = await calcom.http.get("/v2/nothing")

    assert first.headers["X-RateLimit-Limit-Default"] == str(RATE_LIMIT)
    assert first.headers["X-RateLimit-Remaining-Default"] == str(RATE_LIMIT - 1)
    assert second.headers["X-RateLimit-Remaining-Default"] == str(RATE_LIMIT - 2)
    assert 55 <= int(second.headers["X-RateLimit-Reset-Default"]) <= 60


async def test_blocks_a_key_that_asks_too_often(calcom: StandIn) -> None:
    for _ in range(RATE_LIMIT):
        assert (await calcom.http.get("/v2/me")).status_code == httpx.codes.OK

    answer = await calcom.http.get("/v2/me")

    assert answer.status_code == httpx.codes.TOO_MANY_REQUESTS
    assert answer.json()["error"]["code"] == "ThrottlerException"
    assert answer.headers["X-RateLimit-Remaining-Default"] == "0"
    await calcom.order("world", now=NOW)
    assert (await calcom.http.get("/v2/me")).status_code == httpx.codes.OK


async def test_new_world_forgets_the_old_bookings(calcom: StandIn) -> None:
    await book(calcom)

    await calcom.order("world", now=NOW, free=[TWO])

    assert (await calcom.state())["bookings"] == []
    assert (await book(calcom)).status_code == httpx.codes.CREATED


@pytest.mark.parametrize(
    "order",
    [
        {"now": "2026-12-01T09:00:00"},
        {"zone": "Mars"},
        {"free": ["tomorrow"]},
        {"freee": []},
        {"event_type": {"minutes": 30}},
    ],
)
async def test_refuses_a_world_it_does_not_understand(calcom: StandIn, order: dict[str, object]) -> None:
    answer = await calcom.http.post("/control/world", json=order)

    assert answer.status_code == httpx.codes.BAD_REQUEST
