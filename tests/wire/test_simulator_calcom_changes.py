"""The stand-in of Cal.com moves and cancels bookings, and refuses to, as strictly as Cal.com."""

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
NOW = "2026-12-01T09:00:00-05:00"  # a Tuesday
TWO, QUARTER_PAST, THREE = (f"2026-12-03T{at}:00-05:00" for at in ("14:00", "14:15", "15:00"))
FREE = [TWO, QUARTER_PAST, THREE]
THURSDAY = {"eventTypeId": "101", "start": "2026-12-03T05:00:00Z", "end": "2026-12-04T04:59:59Z"}
ATTENDEE = {"name": "Maya Chen", "email": "maya@example.com", "timeZone": "America/New_York"}
TAKEN = "User either already has booking at this time or is not available"
REASON = "Customer request"


@pytest.fixture
async def calcom() -> AsyncIterator[StandIn]:
    async with serving_calcom() as stand_in:
        await start(stand_in)
        yield stand_in


async def start(calcom: StandIn, **event_type: object) -> None:
    await calcom.order("world", now=NOW, zone="America/New_York", free=FREE, event_types=[event_type])


async def book(calcom: StandIn, start: str = TWO, **attendee: str) -> str:
    """Book and return the uid."""
    body = {
        "eventTypeId": 101,
        "start": start,
        "attendee": {**ATTENDEE, **attendee},
        "metadata": {"idem": "CA1:1"},
        "bookingFieldsResponses": {"notes": "Tap"},
    }
    answer = await calcom.http.post("/v2/bookings", json=body, headers=BOOKINGS)
    assert answer.status_code == httpx.codes.CREATED, answer.text
    return str(answer.json()["data"]["uid"])


async def move(calcom: StandIn, uid: str, start: str = THREE, **body: Any) -> httpx.Response:
    body = {"start": start, "reschedulingReason": REASON, **body}
    return await calcom.http.post(f"/v2/bookings/{uid}/reschedule", json=body, headers=BOOKINGS)


async def cancel(calcom: StandIn, uid: str, body: Any = None) -> httpx.Response:
    body = {"cancellationReason": REASON} if body is None else body
    return await calcom.http.post(f"/v2/bookings/{uid}/cancel", json=body, headers=BOOKINGS)


async def read(calcom: StandIn, uid: str) -> dict[str, Any]:
    data: dict[str, Any] = (await calcom.http.get(f"/v2/bookings/{uid}", headers=BOOKINGS)).json()["data"]
    return data


async def free(calcom: StandIn, **params: str) -> list[str]:
    answer = await calcom.http.get("/v2/slots", params={**THURSDAY, **params}, headers=SLOTS)
    return [slot["start"][11:16] for slots in answer.json()["data"].values() for slot in slots]


def message(answer: httpx.Response) -> str:
    """Return the text of an error in Cal.com's envelope."""
    return str(answer.json()["error"]["message"])


async def test_a_move_cancels_one_booking_and_makes_another(calcom: StandIn) -> None:
    uid = await book(calcom)

    answer = await move(calcom, uid)

    new, old = answer.json()["data"], await read(calcom, uid)
    assert answer.status_code == httpx.codes.CREATED
    assert (new["status"], new["start"], new["rescheduledFromUid"]) == ("accepted", "2026-12-03T20:00:00.000Z", uid)
    assert (old["status"], old["rescheduledToUid"]) == ("cancelled", new["uid"])
    assert "rescheduledToUid" not in new
    assert new["metadata"] == {"idem": "CA1:1"}
    assert new["bookingFieldsResponses"]["notes"] == "Tap"
    assert new["attendees"] == old["attendees"]
    assert new["reschedulingReason"] == new["cancellationReason"] == REASON
    assert await read(calcom, new["uid"]) == new
    assert await free(calcom) == ["19:00", "19:15"]


@pytest.mark.parametrize("to", [QUARTER_PAST, TWO])
async def test_a_booking_is_not_in_its_own_way(calcom: StandIn, to: str) -> None:
    assert (await move(calcom, await book(calcom), to)).status_code == httpx.codes.CREATED


async def test_slots_leave_a_booking_out_that_is_to_be_moved(calcom: StandIn) -> None:
    uid = await book(calcom)

    assert await free(calcom) == ["20:00"]
    assert await free(calcom, bookingUidToReschedule=uid) == ["19:00", "19:15", "20:00"]


async def test_a_booking_is_not_moved_to_what_is_no_free_slot(calcom: StandIn) -> None:
    uid = await book(calcom)
    await book(calcom, THREE)

    for start in (THREE, "2026-12-03T14:45:00-05:00", "2026-12-03T16:00:00-05:00"):
        answer = await move(calcom, uid, start)
        assert (answer.status_code, message(answer)) == (httpx.codes.BAD_REQUEST, TAKEN)

    assert (await read(calcom, uid))["status"] == "accepted"


@pytest.mark.parametrize(
    ("start", "text"),
    [
        ("2026-12-01T08:30:00-05:00", "Attempting to book a meeting in the past."),
        ("2026-12-01T09:30:00-05:00", 'The event type can\'t be booked at the "start" time provided.'),
        ("2027-12-03T14:00:00-05:00", 'The event type can\'t be booked at the "start" time provided.'),
    ],
    ids=["past", "too soon", "too far"],
)
async def test_a_booking_is_not_moved_out_of_bounds(calcom: StandIn, start: str, text: str) -> None:
    await calcom.order("world", now=NOW, free=[TWO], event_types=[{"notice_minutes": 60}])

    answer = await move(calcom, await book(calcom), start)

    assert answer.status_code == httpx.codes.BAD_REQUEST
    assert message(answer).startswith(text)


async def test_a_booking_is_moved_once_and_its_successor_again(calcom: StandIn) -> None:
    uid = await book(calcom)
    new = (await move(calcom, uid)).json()["data"]["uid"]

    answer = await move(calcom, uid, QUARTER_PAST)

    assert answer.status_code == httpx.codes.BAD_REQUEST
    assert message(answer).startswith(
        f"Can't reschedule booking with uid={uid} because it has been cancelled and rescheduled already to booking "
        f"with uid={new}."
    )
    assert (await move(calcom, new, QUARTER_PAST)).status_code == httpx.codes.CREATED


async def test_a_cancelled_booking_is_not_moved(calcom: StandIn) -> None:
    uid = await book(calcom)
    await cancel(calcom, uid)

    answer = await move(calcom, uid)

    assert (answer.status_code, message(answer)) == (
        httpx.codes.BAD_REQUEST,
        f"Can't reschedule booking with uid={uid} because it has been cancelled. "
        "Please provide uid of a booking that is not cancelled.",
    )


async def test_an_unknown_booking_is_not_changed(calcom: StandIn) -> None:
    moved, cancelled = await move(calcom, "none"), await cancel(calcom, "none")

    assert (moved.status_code, message(moved)) == (404, "Booking with uid=none was not found in the database")
    assert (cancelled.status_code, message(cancelled)) == (404, "Booking with uid=none not found")


@pytest.mark.parametrize(
    ("event_type", "status", "text"),
    [
        ({"disable_rescheduling": True}, 400, "This event type does not allow rescheduling"),
        (
            {"reschedule_notice_minutes": 7 * 24 * 60},
            403,
            "Rescheduling is not allowed within the minimum notice period before the event",
        ),
    ],
)
async def test_an_event_type_may_forbid_moves(
    calcom: StandIn, event_type: dict[str, object], status: int, text: str
) -> None:
    await start(calcom, **event_type)

    answer = await move(calcom, await book(calcom))

    assert answer.status_code == status
    assert answer.json() == {"statusCode": status, "message": text}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"start": "2026-12-03T15:00:00"}, "start property is wrong"),
        ({"rescheduleReason": "x"}, "property rescheduleReason should not exist"),
        ({"seatUid": "x"}, "property seatUid should not exist"),
        ({"reschedulingReason": 1}, "reschedulingReason property is wrong"),
    ],
)
async def test_a_move_with_a_wrong_field_is_refused(calcom: StandIn, body: dict[str, Any], text: str) -> None:
    uid = await book(calcom)

    answer = await move(calcom, uid, **body)

    assert answer.status_code == httpx.codes.BAD_REQUEST
    assert text in message(answer)
    assert (await read(calcom, uid))["status"] == "accepted"


async def test_a_request_stays_one_when_it_is_moved(calcom: StandIn) -> None:
    await start(calcom, requires_confirmation=True)
    uid = await book(calcom)

    moved = (await move(calcom, uid)).json()["data"]
    by_host = (await move(calcom, moved["uid"], TWO, rescheduledBy="ada@example.com")).json()["data"]

    assert [(await read(calcom, uid))["status"], moved["status"], by_host["status"]] == [
        "cancelled",
        "pending",
        "accepted",
    ]


async def test_requests_take_no_time_and_the_same_one_is_made_once(calcom: StandIn) -> None:
    await start(calcom, requires_confirmation=True)

    first, again, other = await book(calcom), await book(calcom), await book(calcom, email="robin@example.com")

    assert first == again
    assert other != first
    assert await free(calcom) == ["19:00", "19:15", "20:00"]
    listed = await calcom.http.get("/v2/bookings", params={"status": "unconfirmed"}, headers=BOOKINGS)
    assert len(listed.json()["data"]) == 2


async def test_the_loser_of_a_race_for_a_new_time_gets_the_raw_conflict(calcom: StandIn) -> None:
    uid = await book(calcom)
    slow = await slowly(calcom, "reschedule", move(calcom, uid))
    await book(calcom, THREE)

    loser = await slow

    assert (loser.status_code, loser.json()) == (409, {"statusCode": 409, "message": "booking_conflict_error"})
    assert (await read(calcom, uid))["status"] == "accepted"


async def test_somebody_else_takes_the_new_time_first(calcom: StandIn) -> None:
    uid = await book(calcom)
    await calcom.break_down("reschedule", "taken")

    answer = await move(calcom, uid)

    assert (answer.status_code, message(answer)) == (httpx.codes.BAD_REQUEST, TAKEN)
    assert [each["by"] for each in (await calcom.state())["bookings"]] == ["api", "fault"]


async def test_a_cancelled_booking_gives_its_time_back(calcom: StandIn) -> None:
    uid = await book(calcom)

    answer = await cancel(calcom, uid)

    data = answer.json()["data"]
    assert answer.status_code == httpx.codes.OK
    assert (data["uid"], data["status"], data["cancellationReason"]) == (uid, "cancelled", REASON)
    assert await read(calcom, uid) == data
    assert await free(calcom) == ["19:00", "19:15", "20:00"]
    assert await book(calcom) != uid


async def test_a_booking_is_cancelled_once(calcom: StandIn) -> None:
    uid, moved = await book(calcom), await book(calcom, THREE)
    await cancel(calcom, uid)
    await move(calcom, moved, TWO)

    for each in (uid, moved):
        answer = await cancel(calcom, each)
        assert (answer.status_code, message(answer)) == (
            httpx.codes.BAD_REQUEST,
            f"Can't cancel booking with uid={each} because it has been cancelled already. "
            "Please provide uid of a booking that is not cancelled.",
        )


async def test_whoever_cancels_second_at_once_is_told_so_in_the_raw(calcom: StandIn) -> None:
    uid = await book(calcom)
    slow = await slowly(calcom, "cancel", cancel(calcom, uid))
    await cancel(calcom, uid)

    assert (await slow).json() == {"statusCode": 400, "message": "This booking has already been cancelled."}


async def test_hosts_must_say_why_they_cancel(calcom: StandIn) -> None:
    uid = await book(calcom)

    answers = [await cancel(calcom, uid, body) for body in ({}, {"cancellationReason": " "})]

    for answer in answers:
        assert answer.json() == {"statusCode": 400, "message": "Cancellation reason is required"}
    async with httpx.AsyncClient(base_url=calcom.url) as attendee:
        answer = await attendee.post(f"/v2/bookings/{uid}/cancel", json={}, headers=BOOKINGS)
    assert answer.status_code == httpx.codes.OK


async def test_an_event_type_may_forbid_cancelling(calcom: StandIn) -> None:
    await start(calcom, disable_cancelling=True)

    answer = await cancel(calcom, await book(calcom))

    assert answer.json() == {"statusCode": 400, "message": "This event type does not allow cancellations"}


async def test_what_is_over_is_not_cancelled(calcom: StandIn) -> None:
    uid = await book(calcom)
    await calcom.order("clock", now="2026-12-03T14:31:00-05:00")

    answer = await cancel(calcom, uid)

    assert answer.json() == {"statusCode": 400, "message": "Cannot cancel a booking that has already ended"}


@pytest.mark.parametrize("body", [{"reason": "x"}, {"cancellationReason": 1}, {"cancelledBy": "ada@example.com"}, []])
async def test_a_cancellation_with_a_wrong_field_is_refused(calcom: StandIn, body: object) -> None:
    answer = await cancel(calcom, await book(calcom), body)

    assert answer.status_code == httpx.codes.BAD_REQUEST
    assert "property" in message(answer)


async def test_changes_show_in_the_list(calcom: StandIn) -> None:
    uid = await book(calcom)
    await calcom.order("clock", now="2026-12-02T09:00:00-05:00")
    new = (await move(calcom, uid)).json()["data"]["uid"]

    for params, uids in (
        ({"status": "cancelled"}, [uid]),
        ({"status": "upcoming"}, [new]),
        ({"afterUpdatedAt": "2026-12-02T00:00:00Z", "sortStart": "asc"}, [uid, new]),
        ({"afterCreatedAt": "2026-12-02T00:00:00Z"}, [new]),
        ({"beforeUpdatedAt": "2026-12-02T00:00:00Z"}, []),
    ):
        answer = await calcom.http.get("/v2/bookings", params=params, headers=BOOKINGS)
        assert [each["uid"] for each in answer.json()["data"]] == uids


async def test_event_types_say_what_may_not_be_done(calcom: StandIn) -> None:
    await calcom.order(
        "world",
        event_types=[
            {"id": 1, "title": "Open"},
            {"id": 2, "title": "Shut", "disable_rescheduling": True, "disable_cancelling": True},
            {"id": 3, "title": "Late", "reschedule_notice_minutes": 60, "requires_confirmation": True},
        ],
    )
    headers = {"cal-api-version": "2024-06-14"}
    open_, shut, late = [
        (await calcom.http.get(f"/v2/event-types/{n}", headers=headers)).json()["data"] for n in (1, 2, 3)
    ]

    assert (open_["disableRescheduling"], open_["disableCancelling"]) == ({"disabled": False}, {"disabled": False})
    assert (shut["disableRescheduling"], shut["disableCancelling"]) == ({"disabled": True}, {"disabled": True})
    assert late["disableRescheduling"] == {"minutesBefore": 60}
    assert late["confirmationPolicy"]["type"] == "always"


async def test_the_owner_moves_and_cancels_whatever_the_event_type_forbids(calcom: StandIn) -> None:
    await start(calcom, disable_rescheduling=True, disable_cancelling=True)
    uid = await book(calcom)

    moved = await calcom.http.post("/control/owner", json={"uid": uid, "move_to": "2026-12-03T20:00:00-05:00"})
    new = moved.json()["uid"]
    await calcom.order("owner", start="2026-12-03T20:00:00-05:00", reason="Ill")

    assert (await read(calcom, uid))["rescheduledToUid"] == new
    assert ((await read(calcom, new))["status"], (await read(calcom, new))["cancellationReason"]) == (
        "cancelled",
        "Ill",
    )
    assert [(each["by"], each["changedBy"]) for each in (await calcom.state())["bookings"]] == [("api", "owner")] * 2


@pytest.mark.parametrize(
    "order",
    [
        {},
        {"uid": "none"},
        {"start": QUARTER_PAST},
        {"start": TWO, "move_to": THREE},
        {"start": TWO, "uid": "both"},
        {"start": TWO, "move_to": "tomorrow"},
    ],
)
async def test_an_owner_who_cannot_do_that_is_told(calcom: StandIn, order: dict[str, str]) -> None:
    await book(calcom)
    await book(calcom, THREE)

    answer = await calcom.http.post("/control/owner", json=order)

    assert answer.status_code == httpx.codes.BAD_REQUEST
    assert [each["status"] for each in (await calcom.state())["bookings"]] == ["accepted", "accepted"]


async def slowly(calcom: StandIn, on: str, request: Any) -> asyncio.Task[httpx.Response]:
    """Send a request and return when it has arrived; others that are sent now are done before it."""
    await calcom.break_down(on, "slow", seconds=0.3)
    slow: asyncio.Task[httpx.Response] = asyncio.create_task(request)
    async with asyncio.timeout(5):
        while not (await calcom.state())["faults"]:
            pass
    return slow
