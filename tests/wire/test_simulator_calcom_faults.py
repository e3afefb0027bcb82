"""The stand-in of Cal.com goes wrong as ordered, and only then."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from tests.stand_ins import serving_calcom

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.stand_ins import StandIn

SLOTS = {"cal-api-version": "2024-09-04"}
BOOKINGS = {"cal-api-version": "2024-08-13"}
TWO = "2026-12-03T14:00:00-05:00"
THURSDAY = {"eventTypeId": "101", "start": "2026-12-03T05:00:00Z", "end": "2026-12-04T04:59:59Z"}
ATTENDEE = {"name": "Maya Chen", "email": "maya@example.com", "timeZone": "America/New_York"}


@pytest.fixture
async def calcom() -> AsyncIterator[StandIn]:
    async with serving_calcom() as stand_in:
        await stand_in.order("world", now="2026-12-01T09:00:00-05:00", zone="America/New_York", free=[TWO])
        yield stand_in


async def book(calcom: StandIn) -> httpx.Response:
    body = {"eventTypeId": 101, "start": TWO, "attendee": ATTENDEE}
    return await calcom.http.post("/v2/bookings", json=body, headers=BOOKINGS)


async def test_fault_answers_500_without_doing_the_work(calcom: StandIn) -> None:
    await calcom.break_down("create", "error_500")

    answer = await book(calcom)

    assert answer.status_code == httpx.codes.INTERNAL_SERVER_ERROR
    assert answer.json() == {"statusCode": 500, "message": "Internal server error"}
    assert (await calcom.state())["bookings"] == []
    assert (await book(calcom)).status_code == httpx.codes.CREATED


async def test_fault_answers_429_with_the_time_to_wait(calcom: StandIn) -> None:
    await calcom.break_down("slots", "rate_limited", seconds=7)

    answer = await calcom.http.get("/v2/slots", params=THURSDAY, headers=SLOTS)

    assert answer.status_code == httpx.codes.TOO_MANY_REQUESTS
    assert answer.headers["X-RateLimit-Reset-Default"] == "7"
    assert answer.headers["X-RateLimit-Remaining-Default"] == "0"


async def test_fault_drops_the_request_before_the_work(calcom: StandIn) -> None:
    await calcom.break_down("create", "drop_before")

    with pytest.raises(httpx.TransportError):
        await book(calcom)

    assert (await calcom.state())["bookings"] == []


async def test_fault_drops_the_answer_after_the_work(calcom: StandIn) -> None:
    await calcom.break_down("create", "drop_after")

    with pytest.raises(httpx.TransportError):
        await book(calcom)

    assert len((await calcom.state())["bookings"]) == 1


async def test_fault_answers_500_although_the_work_is_done(calcom: StandIn) -> None:
    await calcom.break_down("create", "error_500_after")

    answer = await book(calcom)

    assert answer.status_code == httpx.codes.INTERNAL_SERVER_ERROR
    assert len((await calcom.state())["bookings"]) == 1


async def test_fault_drops_a_refusal_too(calcom: StandIn) -> None:
    await book(calcom)
    await calcom.break_down("create", "drop_after")

    with pytest.raises(httpx.TransportError):
        await book(calcom)


async def test_fault_on_any_hits_every_operation_as_often_as_ordered(calcom: StandIn) -> None:
    await calcom.break_down("any", "error_500", times=3)

    answers = [
        await book(calcom),
        await calcom.http.get("/v2/slots", params=THURSDAY, headers=SLOTS),
        await calcom.http.get("/v2/me"),
        await calcom.http.get("/v2/me"),
    ]

    assert [answer.status_code for answer in answers] == [500, 500, 500, 200]
    assert [fault["on"] for fault in (await calcom.state())["faults"]] == ["create", "slots", "any"]


@pytest.mark.parametrize(
    "fault",
    [
        {"on": "everything", "kind": "error_500"},
        {"on": "create", "kind": "explode"},
        {"on": "slots", "kind": "taken"},
        {"on": "cancel", "kind": "taken"},
        {"on": "create", "kind": "error_500", "times": 0},
        {"on": "create", "kind": "error_500", "when": "now"},
    ],
)
async def test_refuses_an_order_of_an_unknown_fault(calcom: StandIn, fault: dict[str, object]) -> None:
    answer = await calcom.http.post("/control/faults", json=[fault])

    assert answer.status_code == httpx.codes.BAD_REQUEST


@pytest.mark.parametrize(
    ("on", "method", "path"),
    [
        ("reschedule", "POST", "/v2/bookings/x/reschedule"),
        ("cancel", "POST", "/v2/bookings/x/cancel"),
        ("reservations", "POST", "/v2/slots/reservations"),
        ("reservations", "GET", "/v2/slots/reservations/x"),
        ("reservations", "PATCH", "/v2/slots/reservations/x"),
        ("reservations", "DELETE", "/v2/slots/reservations/x"),
    ],
)
async def test_faults_hit_changes_and_reservations(calcom: StandIn, on: str, method: str, path: str) -> None:
    await calcom.break_down(on, "error_500")

    answer = await calcom.http.request(method, path, headers=SLOTS if "slots" in path else BOOKINGS)

    assert answer.status_code == httpx.codes.INTERNAL_SERVER_ERROR
    assert [fault["on"] for fault in (await calcom.state())["faults"]] == [on]
