"""What Cal.com's refusals and senseless answers become, and what no message of them may contain."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from appointments.errors import CalendarRejected, CalendarUnavailable, SlotlineError, SlotTaken
from appointments.model import BookingUid, EventTypeId
from tests.calendar_conformance import EVENT_TYPE, MAYA, REASON, TWO, book
from tests.scripted_calcom import (
    API_KEY,
    READS,
    WRITES,
    Operation,
    connected,
    refuses,
    refuses_raw,
    says,
    scripted,
    whole_text,
    wire_booking,
)
from tests.stand_ins import serving_calcom

if TYPE_CHECKING:
    from collections.abc import Callable


ASKING: dict[str, Operation] = {**READS, "me": lambda calendar: calendar.me()}
OPERATIONS: dict[str, Operation] = {**ASKING, **WRITES}

# Refusals.


@pytest.mark.parametrize("envelope", [refuses, refuses_raw])
@pytest.mark.parametrize(
    ("status", "text"),
    [
        (400, "User either already has booking at this time or is not available"),
        (400, "One of the hosts either already has booking at this time or is not available"),
        (400, "no_available_users_found_error"),
        (400, "fixed_hosts_unavailable_for_booking"),
        (400, "round_robin_host_unavailable_for_booking"),
        (400, "booking_seats_full_error"),
        (409, "booking_conflict_error"),
        (409, "some other conflict"),
        (400, "The event type can't be booked at the \"start\" time provided. This could be because it's too soon"),
        (400, "Attempting to book a meeting in the past."),
    ],
)
@pytest.mark.parametrize("on", ["create", "reschedule"])
async def test_a_slot_that_is_not_to_be_had_is_taken(
    envelope: Callable[[int, str], Callable[[], web.Response]], status: int, text: str, on: str
) -> None:
    async with scripted(envelope(status, text)) as (server, calendar):
        with pytest.raises(SlotTaken):
            await WRITES[on](calendar)

    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (refuses(400, "Attendee with this email can't book because the maximum number is reached."), "the maximum"),
        (refuses_raw(400, "{email}error_required_field"), "{email}error_required_field"),
        (refuses_raw(400, ["start is late", "metadata is odd"]), "start is late; metadata is odd"),
        (refuses(400, "Bad Request Exception", details={"errors": ["a must be b"]}), "a must be b"),
        (
            refuses(
                400,
                "Bad Request Exception",
                details={"errors": [{"property": "name", "value": MAYA.name, "constraints": {"isString": "no text"}}]},
            ),
            "name; no text",
        ),
        (refuses(422, "it has no hosts"), "about event type 101 (422): it has no hosts"),
        (refuses_raw(400, {"deep": 1}), "(400)"),
        (says(["unheard of"], status=400), "(400)"),
        (lambda: web.Response(text="<html>", status=400), "(400)"),
    ],
)
async def test_any_other_refusal_of_a_create_is_final_and_quoted(answer: Callable[[], web.Response], said: str) -> None:
    async with scripted(answer) as (server, calendar):
        with pytest.raises(CalendarRejected) as caught:
            await book(calendar, TWO)

    assert said in str(caught.value)
    assert MAYA.name not in whole_text(caught.value)
    assert len(server.requests) == 1


@pytest.mark.parametrize("on", OPERATIONS)
async def test_a_refused_key_names_the_setting_and_where_to_get_one(on: str) -> None:
    async with serving_calcom() as stand_in, connected(stand_in.url, API_KEY) as calendar:
        with pytest.raises(CalendarRejected, match=r"\(401\).*API keys.*CALCOM_API_KEY") as caught:
            await OPERATIONS[on](calendar)

    assert API_KEY not in whole_text(caught.value)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (refuses(403, "checkBookingRequiresAuthentication: log in"), "checkBooking.*CALCOM_API_KEY"),
        (refuses(498, "expired"), "CALCOM_API_KEY"),
        (refuses(404, "Event Type not found"), "no event type 101 .*CALCOM_EVENT_TYPE_ID.*business file"),
        (refuses(404, "Cannot GET /v2/event-types/101"), "CALCOM_BASE_URL"),
        (lambda: web.Response(status=301, headers={"Location": "https://cal.test"}), "CALCOM_BASE_URL"),
    ],
    ids=["forbidden", "expired", "unknown", "no route", "redirect"],
)
async def test_a_refusal_names_the_setting_that_is_wrong(answer: Callable[[], web.Response], said: str) -> None:
    async with scripted(answer) as (server, calendar):
        with pytest.raises(CalendarRejected, match=said):
            await calendar.event_type(EVENT_TYPE.id)

    assert len(server.requests) == 1


async def test_a_wrong_address_does_not_look_like_an_unknown_booking() -> None:
    async with scripted(refuses(404, "Cannot GET /v2/bookings/bk_1")) as (_, calendar):
        with pytest.raises(CalendarRejected, match="CALCOM_BASE_URL"):
            await calendar.get(BookingUid("bk_1"))


@pytest.mark.parametrize("wrong", ["30-minutes", "", "../me", "-1", "¹"])
async def test_an_event_type_that_is_no_number_is_not_even_asked_for(wrong: str) -> None:
    async with scripted(says({})) as (server, calendar):
        with pytest.raises(CalendarRejected, match="CALCOM_EVENT_TYPE_ID"):
            await calendar.event_type(EventTypeId(wrong))

    assert server.requests == []


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"price": 5000}, "price"),
        ({"seats": {"seatsPerTimeSlot": 4}}, "seats"),
        ({"recurrence": {"interval": 1, "occurrences": 4, "frequency": "weekly"}}, "recurs"),
        ({"requiresBookerEmailVerification": True}, "verify"),
    ],
)
async def test_refuses_event_types_no_call_can_book_once(more: dict[str, Any], why: str) -> None:
    data = {"id": 101, "title": "Talk", "lengthInMinutes": 15, **more}
    async with scripted(says({"status": "success", "data": data})) as (_, calendar):
        with pytest.raises(CalendarRejected, match=f"101.*Talk.*{why}.*CALCOM_EVENT_TYPE_ID"):
            await calendar.event_type(EVENT_TYPE.id)


@pytest.mark.parametrize(
    "more", [{"price": 0, "seats": None, "recurrence": None}, {"seats": {"disabled": True}, "recurrence": {}}]
)
async def test_accepts_event_types_whose_extras_are_off(more: dict[str, Any]) -> None:
    data = {"id": 101, "title": "Talk", "lengthInMinutes": 15, **more}
    async with scripted(says({"status": "success", "data": data})) as (_, calendar):
        assert (await calendar.event_type(EVENT_TYPE.id)).title == "Talk"


# Answers that make no sense.

ODD_ANSWERS: dict[str, Callable[[], web.Response]] = {
    "not JSON": lambda: web.Response(text="<html>It works!</html>"),
    "empty": lambda: web.Response(),
    "not UTF-8": lambda: web.Response(body=b'{"data": "\xff"}', content_type="application/json"),
    "not gzip": lambda: web.Response(body=b"plain", headers={"Content-Encoding": "gzip"}),
    "a list": says([1]),
    "null": says(None),
    "no data": says({"status": "success"}),
    "null data": says({"status": "success", "data": None}),
    "text": says({"status": "success", "data": "Maya Chen"}),
    "numbers": says({"status": "success", "data": [1]}),
}


@pytest.mark.parametrize("answer", ODD_ANSWERS.values(), ids=ODD_ANSWERS)
@pytest.mark.parametrize("on", ASKING)
async def test_an_odd_answer_to_a_read_is_unavailable(answer: Callable[[], web.Response], on: str) -> None:
    async with scripted(answer) as (_, calendar):
        with pytest.raises(CalendarUnavailable) as caught:
            await ASKING[on](calendar)

    assert not caught.value.is_unclear


@pytest.mark.parametrize("answer", ODD_ANSWERS.values(), ids=ODD_ANSWERS)
@pytest.mark.parametrize("on", WRITES)
async def test_an_odd_answer_to_a_write_is_unclear(answer: Callable[[], web.Response], on: str) -> None:
    async with scripted(answer) as (server, calendar):
        with pytest.raises(CalendarUnavailable) as caught:
            await WRITES[on](calendar)

    assert caught.value.is_unclear
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "changes",
    [{"uid": ""}, {"start": "2026-12-03T14:00:00"}, {"end": None}, {"status": "unheard of"}, {"metadata": []}],
)
async def test_a_receipt_that_makes_no_sense_is_unclear(changes: dict[str, Any]) -> None:
    receipt = wire_booking(**changes, attendees=[{"name": MAYA.name, "email": MAYA.email}])
    async with scripted(says({"status": "success", "data": receipt}, status=201)) as (_, calendar):
        with pytest.raises(CalendarUnavailable, match="unknown shape: " + next(iter(changes))) as caught:
            await book(calendar, TWO)

    assert caught.value.is_unclear
    assert "Maya" not in whole_text(caught.value)


# What no message may contain.

PRIVATE = (API_KEY, "Maya Chen", "maya@example.com", "4155550123", "leaking tap", "someone@else.example")
ECHO = 'attendee "maya chen" <Maya@Example.com> +14155550123 / 14155550123 (A leaking tap), someone@else.example'


@pytest.mark.parametrize(
    "answer",
    [
        refuses(400, ECHO),
        refuses_raw(400, ECHO),
        refuses(403, ECHO),
        refuses(404, ECHO),
        refuses(409, ECHO),
        refuses(401, ECHO),
        refuses(500, ECHO),
        says({"data": {"uid": ECHO}}, status=201),
        lambda: web.Response(text=ECHO),
    ],
    ids=["400", "400 raw", "403", "404", "409", "401", "500", "odd shape", "not JSON"],
)
async def test_no_error_of_a_booking_repeats_what_was_sent(answer: Callable[[], web.Response]) -> None:
    async with scripted(answer) as (_, calendar):
        with pytest.raises(SlotlineError) as caught:
            await book(calendar, TWO)

    shown = whole_text(caught.value).lower()
    assert [private for private in PRIVATE if private.lower() in shown] == []


@pytest.mark.parametrize("envelope", [refuses, refuses_raw])
@pytest.mark.parametrize("status", [400, 403, 404, 409, 401, 500])
@pytest.mark.parametrize("on", ["reschedule", "cancel"])
async def test_no_error_of_a_change_repeats_why_it_was_wanted(
    envelope: Callable[[int, str], Callable[[], web.Response]], status: int, on: str
) -> None:
    async with scripted(envelope(status, f"{REASON.upper()} said maya@example.com")) as (_, calendar):
        with pytest.raises(SlotlineError) as caught:
            await WRITES[on](calendar)

    shown = whole_text(caught.value).lower()
    assert "dentist" not in shown
    assert "maya@example.com" not in shown


async def test_a_name_that_is_part_of_a_word_does_not_garble_the_message() -> None:
    async with scripted(refuses(400, "Attendee cannot book")) as (_, calendar):
        with pytest.raises(CalendarRejected, match="Attendee cannot book"):
            await book(calendar, TWO, replace(MAYA, name="A"))
