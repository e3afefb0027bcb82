"""The stand-in of Cal.com reserves slots as Cal.com does: a courtesy that hides them, and no lock."""

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
NOW = "2026-12-01T09:00:00-05:00"  # a Tuesday
TWO, QUARTER_PAST, THREE = (f"2026-12-03T{at}:00-05:00" for at in ("14:00", "14:15", "15:00"))
THURSDAY = {"start": "2026-12-03T05:00:00Z", "end": "2026-12-04T04:59:59Z"}
ATTENDEE = {"name": "Maya Chen", "email": "maya@example.com", "timeZone": "America/New_York"}
CUT, COLOUR = 301, 302
PATH = "/v2/slots/reservations"
RESERVED = "This time slot is already reserved by another user. Please choose a different time."
BOOKED = "Can't reserve a slot if the event is already booked."


@pytest.fixture
async def salon() -> AsyncIterator[StandIn]:
    async with serving_calcom() as stand_in:
        event_types = [{"id": CUT, "title": "Cut"}, {"id": COLOUR, "title": "Colour", "minutes": 60}]
        free = [TWO, QUARTER_PAST, THREE]
        await stand_in.order("world", now=NOW, zone="America/New_York", free=free, event_types=event_types)
        yield stand_in


async def reserve(salon: StandIn, start: str = TWO, event_type_id: int = CUT, **body: Any) -> httpx.Response:
    body = {"eventTypeId": event_type_id, "slotStart": start, **body}
    return await salon.http.post(PATH, json=body, headers=SLOTS)


async def book(salon: StandIn, start: str = TWO, event_type_id: int = CUT) -> httpx.Response:
    body = {"eventTypeId": event_type_id, "start": start, "attendee": ATTENDEE}
    return await salon.http.post("/v2/bookings", json=body, headers=BOOKINGS)


async def free(salon: StandIn, event_type_id: int = CUT) -> list[str]:
    answer = await salon.http.get("/v2/slots", params={**THURSDAY, "eventTypeId": event_type_id}, headers=SLOTS)
    return [slot["start"][11:16] for slots in answer.json()["data"].values() for slot in slots]


def message(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["message"])


async def test_a_reservation_lasts_five_minutes(salon: StandIn) -> None:
    answer = await reserve(salon)

    data = answer.json()["data"]
    assert answer.status_code == httpx.codes.CREATED
    assert data.pop("reservationUid")
    assert data.pop("reservationUntil").startswith("2026-12-01T14:05:")
    assert data == {
        "eventTypeId": CUT,
        "slotStart": "2026-12-03T19:00:00.000Z",
        "slotEnd": "2026-12-03T19:30:00.000Z",
        "slotDuration": 30,
        "reservationDuration": 5,
    }


async def test_a_reservation_hides_its_time_for_every_event_type_until_it_expires(salon: StandIn) -> None:
    await reserve(salon, reservationDuration=10)
    hidden = [await free(salon, CUT), await free(salon, COLOUR)]
    await salon.order("clock", now="2026-12-01T09:09:00-05:00")
    later = await free(salon)
    await salon.order("clock", now="2026-12-01T09:10:30-05:00")

    assert hidden == [["20:00"], ["20:00"]]
    assert later == ["20:00"]
    assert await free(salon) == ["19:00", "19:15", "20:00"]
    assert (await reserve(salon)).status_code == httpx.codes.CREATED


async def test_a_reservation_stops_no_booking_and_outlives_it(salon: StandIn) -> None:
    await reserve(salon)

    booked = await book(salon)
    uid = booked.json()["data"]["uid"]
    await salon.http.post(f"/v2/bookings/{uid}/cancel", json={"cancellationReason": "x"}, headers=BOOKINGS)

    assert booked.status_code == httpx.codes.CREATED
    assert await free(salon) == ["20:00"]


async def test_what_is_no_slot_can_be_reserved(salon: StandIn) -> None:
    assert (await reserve(salon, "2026-12-03T03:00:00-05:00")).status_code == httpx.codes.CREATED


async def test_what_is_reserved_is_not_reserved_again(salon: StandIn) -> None:
    await reserve(salon)

    for start in (TWO, QUARTER_PAST, "2026-12-03T13:45:00-05:00"):
        answer = await reserve(salon, start)
        assert (answer.status_code, message(answer)) == (422, RESERVED)
    assert answer.json()["error"]["code"] == "UnprocessableEntityException"
    assert (await reserve(salon, "2026-12-03T14:30:00-05:00")).status_code == httpx.codes.CREATED
    assert (await reserve(salon, TWO, COLOUR)).status_code == httpx.codes.CREATED


async def test_what_is_booked_is_not_reserved(salon: StandIn) -> None:
    await book(salon)

    answer = await reserve(salon, QUARTER_PAST)

    assert (answer.status_code, message(answer)) == (422, BOOKED)
    assert (await reserve(salon, QUARTER_PAST, COLOUR)).status_code == httpx.codes.CREATED


async def test_a_reservation_can_be_read_until_it_is_gone(salon: StandIn) -> None:
    made = (await reserve(salon)).json()["data"]
    path = f"{PATH}/{made['reservationUid']}"

    read = await salon.http.get(path, headers=SLOTS)
    released = await salon.http.delete(path, headers=SLOTS)
    gone = await salon.http.get(path, headers=SLOTS)

    assert read.json() == {"status": "success", "data": made}
    assert (released.status_code, released.json()) == (200, {"status": "success"})
    assert (gone.status_code, gone.json()) == (200, {"status": "success", "data": None})
    assert (await salon.http.delete(path, headers=SLOTS)).status_code == httpx.codes.OK
    assert await free(salon) == ["19:00", "19:15", "20:00"]


async def test_a_change_moves_a_reservation_but_is_in_its_own_way(salon: StandIn) -> None:
    path = f"{PATH}/{(await reserve(salon)).json()['data']['reservationUid']}"
    body = {"eventTypeId": CUT, "slotStart": TWO, "reservationDuration": 10}

    longer = await salon.http.patch(path, json=body, headers=SLOTS)
    moved = await salon.http.patch(path, json={**body, "slotStart": THREE}, headers=SLOTS)

    assert (longer.status_code, message(longer)) == (422, RESERVED)
    assert moved.status_code == httpx.codes.OK
    assert path.endswith(moved.json()["data"]["reservationUid"])
    assert await free(salon) == ["19:00", "19:15"]
    unknown = await salon.http.patch(f"{PATH}/none", json=body, headers=SLOTS)
    assert (unknown.status_code, message(unknown)) == (404, "Slot with uid=none not found")


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ({"eventTypeId": 1}, 404, "Event Type with ID=1 not found"),
        ({"slotDuration": 60}, 400, "not a variable length event type"),
        ({"slotStart": "tomorrow"}, 400, "Bad Request Exception"),
        ({"eventTypeId": "301"}, 400, "Bad Request Exception"),
        ({"reservationDuration": "5"}, 400, "Bad Request Exception"),
        ({"bookingUid": "x"}, 400, "Bad Request Exception"),
    ],
)
async def test_refuses_a_reservation_that_makes_no_sense(
    salon: StandIn, body: dict[str, Any], status: int, text: str
) -> None:
    answer = await reserve(salon, **body)

    assert answer.status_code == status
    assert text in message(answer)
    assert (await salon.state())["reservations"] == []


async def test_a_wrong_field_is_named_in_a_list(salon: StandIn) -> None:
    answer = await reserve(salon, reservationDuration=0)

    (problem,) = answer.json()["error"]["details"]["errors"]
    assert problem["property"] == "reservationDuration"


async def test_only_those_with_a_key_say_how_long(salon: StandIn) -> None:
    body = {"eventTypeId": CUT, "slotStart": TWO}
    async with httpx.AsyncClient(base_url=salon.url, headers=SLOTS) as visitor:
        wanting = await visitor.post(PATH, json={**body, "reservationDuration": 5})
        content = await visitor.post(PATH, json=body)
        wrong_key = await visitor.post(PATH, json=body, headers={"Authorization": "Bearer cal_live_wrong"})

    assert wanting.status_code == wrong_key.status_code == httpx.codes.UNAUTHORIZED
    assert message(wanting).startswith("reservationDuration can only be used for authenticated requests")
    assert content.status_code == httpx.codes.CREATED


async def test_a_new_world_forgets_the_reservations(salon: StandIn) -> None:
    await reserve(salon)

    await salon.order("world", now=NOW, free=[TWO])

    assert (await salon.state())["reservations"] == []
