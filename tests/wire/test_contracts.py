"""The stand-ins hold against the services' own OpenAPI contracts, and refuse what those refuse."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.contract import ContractProxy, load
from tests.stand_ins import serving_calcom, serving_twilio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.stand_ins import StandIn

SLOTS = {"cal-api-version": "2024-09-04"}
BOOKINGS = {"cal-api-version": "2024-08-13"}
EVENT_TYPES = {"cal-api-version": "2024-06-14"}
MONDAY_MORNING = "2026-11-30T09:00:00-05:00"
MONDAY = {"eventTypeId": "101", "start": "2026-11-30T05:00:00Z", "end": "2026-12-01T04:59:59Z"}
ATTENDEE = {
    "name": "Maya Chen",
    "email": "maya@example.com",
    "phoneNumber": "+14155550123",
    "timeZone": "America/New_York",
    "language": "en",
}
BOOKING = {
    "eventTypeId": 101,
    "start": "2026-11-30T15:00:00Z",
    "attendee": ATTENDEE,
    "metadata": {"idem": "CA1:1"},
    "bookingFieldsResponses": {"notes": "A leaky faucet"},
}
MOVE = {"start": "2026-11-30T15:30:00Z", "reschedulingReason": "Customer requested a new time"}
CANCELLATION = {"cancellationReason": "Customer request"}
RESERVATION = {"eventTypeId": 101, "slotStart": "2026-11-30T15:00:00Z", "reservationDuration": 5}
TEXT = {"To": "+14155550123", "From": "+14155550100", "Body": "See you on Monday."}
CALL_SID = "CA" + "1" * 32


@pytest.fixture
async def calcom() -> AsyncIterator[tuple[StandIn, ContractProxy]]:
    async with serving_calcom() as stand_in, _checked(stand_in, "calcom") as proxy:
        await stand_in.order("world", now=MONDAY_MORNING, zone="America/New_York")
        yield stand_in, proxy


@pytest.fixture
async def twilio() -> AsyncIterator[tuple[StandIn, ContractProxy]]:
    async with serving_twilio() as stand_in, _checked(stand_in, "twilio") as proxy:
        await stand_in.order("calls", call_sid=CALL_SID, to="+14155550100", **{"from": "+14155550123"})
        yield stand_in, proxy


@contextlib.asynccontextmanager
async def _checked(stand_in: StandIn, contract: str) -> AsyncIterator[ContractProxy]:
    async with ContractProxy(load(contract), stand_in.url) as proxy:
        yield proxy


async def test_calcom_stand_in_holds_in_everything_a_booking_needs(calcom: tuple[StandIn, ContractProxy]) -> None:
    stand_in, proxy = calcom
    http = stand_in.http
    found = {"eventTypeIds": "101", "afterStart": "2026-11-30T14:59:59Z", "beforeEnd": "2026-11-30T15:30:01Z"}

    answers = [
        await http.get(f"{proxy.url}/v2/me"),
        await http.get(f"{proxy.url}/v2/event-types/101", headers=EVENT_TYPES),
        await http.get(f"{proxy.url}/v2/slots", params=MONDAY, headers=SLOTS),
        await http.get(
            f"{proxy.url}/v2/slots",
            params={**MONDAY, "format": "range", "timeZone": "America/New_York"},
            headers=SLOTS,
        ),
        booked := await http.post(f"{proxy.url}/v2/bookings", json=BOOKING, headers=BOOKINGS),
        await http.get(f"{proxy.url}/v2/bookings/{booked.json()['data']['uid']}", headers=BOOKINGS),
        await http.get(f"{proxy.url}/v2/bookings", params=found, headers=BOOKINGS),
        await http.get(f"{proxy.url}/v2/bookings", params={"status": "upcoming", "take": 5}, headers=BOOKINGS),
    ]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 201, 200, 200, 200]
    assert proxy.violations == []
    assert len(proxy.exchanges) == len(answers)


async def test_calcom_stand_in_holds_in_its_errors(calcom: tuple[StandIn, ContractProxy]) -> None:
    stand_in, proxy = calcom
    http = stand_in.http
    wrong_key = {**BOOKINGS, "Authorization": "Bearer cal_live_wrong"}

    await http.post(f"{proxy.url}/v2/bookings", json=BOOKING, headers=BOOKINGS)
    answers = [
        await http.post(f"{proxy.url}/v2/bookings", json=BOOKING, headers=BOOKINGS),
        await http.get(f"{proxy.url}/v2/bookings/none", headers=BOOKINGS),
        await http.get(f"{proxy.url}/v2/event-types/102", headers=EVENT_TYPES),
        await http.get(f"{proxy.url}/v2/bookings", headers=wrong_key),
    ]
    await stand_in.break_down("list", "rate_limited")
    answers.append(await http.get(f"{proxy.url}/v2/bookings", headers=BOOKINGS))

    assert [answer.status_code for answer in answers] == [400, 404, 404, 401, 429]
    assert proxy.violations == []


async def test_calcom_stand_in_holds_in_changes(calcom: tuple[StandIn, ContractProxy]) -> None:
    stand_in, proxy = calcom
    http, bookings = stand_in.http, f"{proxy.url}/v2/bookings"
    booked = (await http.post(bookings, json=BOOKING, headers=BOOKINGS)).json()["data"]["uid"]

    answers = [
        moved := await http.post(f"{bookings}/{booked}/reschedule", json=MOVE, headers=BOOKINGS),
        await http.get(f"{bookings}/{booked}", headers=BOOKINGS),
        await http.post(f"{bookings}/{booked}/reschedule", json=MOVE, headers=BOOKINGS),
        await http.post(f"{bookings}/{booked}/cancel", json=CANCELLATION, headers=BOOKINGS),
        await http.post(f"{bookings}/none/reschedule", json=MOVE, headers=BOOKINGS),
        await http.post(f"{bookings}/none/cancel", json=CANCELLATION, headers=BOOKINGS),
        await http.post(f"{bookings}/{moved.json()['data']['uid']}/cancel", json=CANCELLATION, headers=BOOKINGS),
        await http.get(bookings, params={"status": "cancelled"}, headers=BOOKINGS),
    ]

    assert [answer.status_code for answer in answers] == [201, 200, 400, 400, 404, 404, 200, 200]
    assert proxy.violations == []


async def test_calcom_stand_in_holds_in_requests_and_in_what_event_types_forbid(
    calcom: tuple[StandIn, ContractProxy],
) -> None:
    stand_in, proxy = calcom
    http, forbids = stand_in.http, {"disable_cancelling": True, "reschedule_notice_minutes": 30}
    await stand_in.order("world", now=MONDAY_MORNING, event_types=[{"requires_confirmation": True, **forbids}])

    described = await http.get(f"{proxy.url}/v2/event-types/101", headers=EVENT_TYPES)
    requested = (await http.post(f"{proxy.url}/v2/bookings", json=BOOKING, headers=BOOKINGS)).json()["data"]
    moved = await http.post(f"{proxy.url}/v2/bookings/{requested['uid']}/reschedule", json=MOVE, headers=BOOKINGS)

    assert described.status_code == httpx.codes.OK
    assert (requested["status"], moved.json()["data"]["status"]) == ("pending", "pending")
    assert proxy.violations == []


async def test_calcom_stand_in_holds_in_what_a_host_does(calcom: tuple[StandIn, ContractProxy]) -> None:
    stand_in, proxy = calcom
    http, bookings = stand_in.http, f"{proxy.url}/v2/bookings"
    await stand_in.order("world", now=MONDAY_MORNING, event_types=[{"requires_confirmation": True}])
    uids = [
        (await http.post(bookings, json={**BOOKING, "start": start}, headers=BOOKINGS)).json()["data"]["uid"]
        for start in ("2026-11-30T15:00:00Z", "2026-11-30T15:30:00Z")
    ]

    answers = [
        await http.post(f"{bookings}/{uids[0]}/confirm", headers=BOOKINGS),
        await http.post(f"{bookings}/{uids[1]}/decline", json={"reason": "Closed"}, headers=BOOKINGS),
        await http.get(bookings, params={"afterUpdatedAt": "2026-11-30T00:00:00Z", "take": 250}, headers=BOOKINGS),
    ]
    await stand_in.order("clock", now="2026-11-30T10:10:00-05:00")
    absent = {"attendees": [{"email": "maya@example.com", "absent": True}]}
    answers.append(await http.post(f"{bookings}/{uids[0]}/mark-absent", json=absent, headers=BOOKINGS))

    assert [answer.status_code for answer in answers] == [200] * 4
    assert proxy.violations == []


async def test_calcom_stand_in_holds_in_what_event_types_ask_and_choose(calcom: tuple[StandIn, ContractProxy]) -> None:
    stand_in, proxy = calcom
    http = stand_in.http
    fields = [
        {"type": "text", "slug": "pet", "label": "Which pet?", "required": True},
        {"type": "select", "slug": "size", "label": "How big?", "options": ["small", "large"]},
        {"type": "boolean", "slug": "chipped", "label": "Is it chipped?"},
    ]
    places = [{"type": "address", "address": "8 Willow Street"}, {"type": "attendeePhone"}]
    asking = {"fields": fields, "locations": places, "lengths": [30, 60], "booker_limit": 3, "seats": 0}
    await stand_in.order("world", now=MONDAY_MORNING, event_types=[asking])
    booking = {
        **BOOKING,
        "location": {"type": "attendeePhone", "phone": "+14155550123"},
        "lengthInMinutes": 60,
        "bookingFieldsResponses": {"pet": "Rex", "size": "small", "chipped": True},
    }

    answers = [
        await http.get(f"{proxy.url}/v2/event-types", params={"username": "ada"}, headers=EVENT_TYPES),
        await http.get(f"{proxy.url}/v2/event-types/101", headers=EVENT_TYPES),
        await http.get(f"{proxy.url}/v2/slots", params={**MONDAY, "duration": 60}, headers=SLOTS),
        await http.post(f"{proxy.url}/v2/bookings", json=booking, headers=BOOKINGS),
        await http.get(f"{proxy.url}/v2/teams"),
    ]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 201, 200]
    assert proxy.violations == []


MISTAKEN = (
    "is not of type 'number'",  # the ids of webhooks are texts
    "None for not nullable",  # a template that is not set is null
    "None is not of type 'string'",
    "1 is not of type 'object'",  # the ids of calendars are numbers
    "'success' is not of type 'object'",
)
"""What the contract says, and the server's code knows better."""


async def test_calcom_stand_in_holds_in_all_else_but_for_what_the_contract_mistakes(
    calcom: tuple[StandIn, ContractProxy],
) -> None:
    stand_in, proxy = calcom
    http, webhooks, bookings = stand_in.http, f"{proxy.url}/v2/webhooks", f"{proxy.url}/v2/bookings"
    webhook = {"subscriberUrl": "https://front-desk.example.com", "triggers": ["BOOKING_CREATED"], "active": True}

    answers = [
        made := await http.post(webhooks, json={**webhook, "secret": "a secret"}),
        await http.get(webhooks, params={"take": 250}),
        await http.patch(f"{webhooks}/{made.json()['data']['id']}", json={"active": False}),
        await http.delete(f"{webhooks}/{made.json()['data']['id']}"),
        await http.get(f"{proxy.url}/v2/calendars"),
        booked := await http.post(bookings, json=BOOKING, headers=BOOKINGS),
        await http.get(f"{bookings}/{booked.json()['data']['uid']}/calendar-links", headers=BOOKINGS),
    ]

    assert [answer.status_code for answer in answers] == [201, 200, 200, 200, 200, 201, 200]
    assert [exchange.request_problem for exchange in proxy.exchanges] == [""] * 7
    problems = [part for exchange in proxy.exchanges for part in exchange.response_problem.split("; ")[1:]]
    assert [problem for problem in problems if not problem.endswith(MISTAKEN)] == []


async def test_calcom_stand_in_holds_in_reservations(calcom: tuple[StandIn, ContractProxy]) -> None:
    stand_in, proxy = calcom
    http, reservations = stand_in.http, f"{proxy.url}/v2/slots/reservations"

    answers = [
        made := await http.post(reservations, json=RESERVATION, headers=SLOTS),
        await http.post(reservations, json=RESERVATION, headers=SLOTS),
        await http.post(reservations, json={**RESERVATION, "eventTypeId": 1}, headers=SLOTS),
        await http.get(path := f"{reservations}/{made.json()['data']['reservationUid']}", headers=SLOTS),
        await http.patch(path, json={**RESERVATION, "slotStart": "2026-11-30T16:00:00Z"}, headers=SLOTS),
        await http.delete(path, headers=SLOTS),
    ]

    assert [answer.status_code for answer in answers] == [201, 422, 404, 200, 200, 200]
    assert proxy.violations == []


async def test_twilio_stand_in_holds_in_texts_and_calls(twilio: tuple[StandIn, ContractProxy]) -> None:
    stand_in, proxy = twilio
    http = stand_in.http
    account = f"{proxy.url}/2010-04-01/Accounts/{stand_in.credentials.twilio_account_sid}"

    answers = [
        sent := await http.post(f"{account}/Messages.json", data=TEXT),
        await http.post(
            f"{account}/Messages.json",
            data={"To": TEXT["To"], "Body": TEXT["Body"], "MessagingServiceSid": "MG" + "0" * 32},
        ),
        await http.get(f"{account}/Messages/{sent.json()['sid']}.json"),
        await http.get(f"{account}/Messages.json", params={"To": TEXT["To"], "PageSize": 1}),
        await http.get(f"{account}/Messages.json", params={"DateSent>": "2026-11-20T00:00:00Z"}),
        await http.get(f"{account}/Calls/{CALL_SID}.json"),
        await http.post(f"{account}/Calls/{CALL_SID}.json", data={"Twiml": "<Response><Hangup/></Response>"}),
        await http.post(f"{account}/Calls/{CALL_SID}.json", data={"Status": "completed"}),
        await http.post(f"{account}/Calls/{CALL_SID}.json", data={"Status": "completed"}),
    ]

    assert [answer.status_code for answer in answers] == [201, 201, 200, 200, 200, 200, 200, 200, 400]
    assert proxy.violations == []


def _without(body: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name != key}


BAD_BOOKINGS = {
    "an unknown field": {**BOOKING, "title": "Consultation"},
    "the body of API v1": {"eventTypeId": 101, "start": BOOKING["start"], "responses": ATTENDEE},
    "no attendee": _without(BOOKING, "attendee"),
    "no start": _without(BOOKING, "start"),
    "no event type": _without(BOOKING, "eventTypeId"),
    "a start without an offset": {**BOOKING, "start": "2026-11-30T15:00:00"},
    "an event type in quotes": {**BOOKING, "eventTypeId": "101"},
    "no way to reach the attendee": {**BOOKING, "attendee": {"name": "Maya Chen", "timeZone": "UTC"}},
    "an unknown field of the attendee": {**BOOKING, "attendee": {**ATTENDEE, "phone": "+14155550123"}},
    "a phone number without its country": {**BOOKING, "attendee": {**ATTENDEE, "phoneNumber": "4155550123"}},
    "an e-mail that is none": {**BOOKING, "attendee": {**ATTENDEE, "email": "maya"}},
    "a language nobody speaks": {**BOOKING, "attendee": {**ATTENDEE, "language": "English"}},
    "an unknown kind of location": {**BOOKING, "location": {"type": "somewhere"}},
    "metadata that is too long": {**BOOKING, "metadata": {"idem": "x" * 501}},
    "metadata that is nested": {**BOOKING, "metadata": {"call": {"sid": "CA1"}}},
    "too much metadata": {**BOOKING, "metadata": {f"key{number}": "x" for number in range(51)}},
}


@pytest.mark.parametrize("why", BAD_BOOKINGS)
async def test_calcom_stand_in_refuses_a_booking_the_contract_refuses(
    calcom: tuple[StandIn, ContractProxy], why: str
) -> None:
    stand_in, proxy = calcom

    answer = await stand_in.http.post(f"{proxy.url}/v2/bookings", json=BAD_BOOKINGS[why], headers=BOOKINGS)

    assert proxy.exchanges[0].request_problem
    assert answer.status_code == httpx.codes.BAD_REQUEST
    assert (await stand_in.state())["bookings"] == []


BAD_CHANGES: dict[str, tuple[str, dict[str, Any], dict[str, str]]] = {
    "a move without a time": ("/v2/bookings/{uid}/reschedule", _without(MOVE, "start"), BOOKINGS),
    "a move with a reason that is no text": (
        "/v2/bookings/{uid}/reschedule",
        {**MOVE, "reschedulingReason": 1},
        BOOKINGS,
    ),
    "a move without a version": ("/v2/bookings/{uid}/reschedule", MOVE, {}),
    "a cancellation with a reason that is no text": (
        "/v2/bookings/{uid}/cancel",
        {"cancellationReason": ["x"]},
        BOOKINGS,
    ),
    "a cancellation without a version": ("/v2/bookings/{uid}/cancel", CANCELLATION, {}),
    "a reservation without a slot": ("/v2/slots/reservations", _without(RESERVATION, "slotStart"), SLOTS),
    "a reservation of no event type": ("/v2/slots/reservations", _without(RESERVATION, "eventTypeId"), SLOTS),
    "a reservation for some text of minutes": (
        "/v2/slots/reservations",
        {**RESERVATION, "reservationDuration": "five"},
        SLOTS,
    ),
    "a reservation with another resource's version": ("/v2/slots/reservations", RESERVATION, BOOKINGS),
}


@pytest.mark.parametrize("why", BAD_CHANGES)
async def test_calcom_stand_in_refuses_a_change_the_contract_refuses(
    calcom: tuple[StandIn, ContractProxy], why: str
) -> None:
    stand_in, proxy = calcom
    path, body, headers = BAD_CHANGES[why]
    booked = await stand_in.http.post("/v2/bookings", json=BOOKING, headers=BOOKINGS)

    answer = await stand_in.http.post(
        proxy.url + path.format(uid=booked.json()["data"]["uid"]), json=body, headers=headers
    )

    assert proxy.exchanges[0].request_problem
    assert answer.status_code in (400, 404)
    assert "error" in answer.json()
    state = await stand_in.state()
    assert [booking["status"] for booking in state["bookings"]] == ["accepted"]
    assert state["reservations"] == []


BAD_READS: dict[str, tuple[str, dict[str, str], dict[str, str]]] = {
    "no version": ("/v2/slots", MONDAY, {}),
    "another resource's version": ("/v2/slots", MONDAY, BOOKINGS),
    "no version for an event type": ("/v2/event-types/101", {}, {}),
    "the parameters of API v1": (
        "/v2/slots",
        {"eventTypeId": "101", "startTime": MONDAY["start"], "endTime": MONDAY["end"]},
        SLOTS,
    ),
    "no end": ("/v2/slots", _without(MONDAY, "end"), SLOTS),
    "an unknown format": ("/v2/slots", {**MONDAY, "format": "list"}, SLOTS),
    "an event type that is no number": ("/v2/slots", {**MONDAY, "eventTypeId": "consultation"}, SLOTS),
    "an unknown parameter": ("/v2/bookings", {"phoneNumber": "+14155550123"}, BOOKINGS),
    "a booking's status instead of a list's": ("/v2/bookings", {"status": "accepted"}, BOOKINGS),
    "an unknown order": ("/v2/bookings", {"sortStart": "ascending"}, BOOKINGS),
    "a page size that is no number": ("/v2/bookings", {"take": "all"}, BOOKINGS),
    "a list without its version": ("/v2/bookings", {}, {}),
    "a version that is not out": ("/v2/bookings", {}, {"cal-api-version": "2030-01-01"}),
}


@pytest.mark.parametrize("why", BAD_READS)
async def test_calcom_stand_in_refuses_a_read_the_contract_refuses(
    calcom: tuple[StandIn, ContractProxy], why: str
) -> None:
    stand_in, proxy = calcom
    path, params, headers = BAD_READS[why]

    answer = await stand_in.http.get(proxy.url + path, params=params, headers=headers)

    assert proxy.exchanges[0].request_problem
    assert answer.status_code in (400, 404)
    assert "error" in answer.json()


BAD_TEXTS = {
    "no receiver": _without(TEXT, "To"),
    "an unknown field": {**TEXT, "Bogus": "1"},
    "a service that is none": {**TEXT, "MessagingServiceSid": "MG1"},
    "an unknown schedule": {**TEXT, "ScheduleType": "later"},
    "a time that is none": {**TEXT, "SendAt": "tomorrow"},
    "an application that is none": {**TEXT, "ApplicationSid": "front desk"},
    "a validity that is no number": {**TEXT, "ValidityPeriod": "an hour"},
}


@pytest.mark.parametrize("why", BAD_TEXTS)
async def test_twilio_stand_in_refuses_a_text_the_contract_refuses(
    twilio: tuple[StandIn, ContractProxy], why: str
) -> None:
    stand_in, proxy = twilio
    url = f"{proxy.url}/2010-04-01/Accounts/{stand_in.credentials.twilio_account_sid}/Messages.json"

    answer = await stand_in.http.post(url, data=BAD_TEXTS[why])

    assert proxy.exchanges[0].request_problem
    assert answer.status_code == httpx.codes.BAD_REQUEST
    assert (await stand_in.state())["messages"] == []


@pytest.mark.parametrize(
    ("method", "path", "form"),
    [
        ("POST", f"/Calls/{CALL_SID}.json", {"Status": "over"}),
        ("POST", f"/Calls/{CALL_SID}.json", {"Bogus": "1"}),
        ("POST", "/Calls/CA1.json", {"Status": "completed"}),
        ("GET", "/Calls/CA1.json", {}),
        ("GET", "/Messages/SM1.json", {}),
        ("GET", "/Messages.json?PageSize=2000", {}),
        ("GET", "/Messages.json?DateSent=today", {}),
        ("GET", "/Messages.json?Body=hello", {}),
        ("PUT", "/Messages.json", {}),
    ],
)
async def test_twilio_stand_in_refuses_what_the_contract_refuses(
    twilio: tuple[StandIn, ContractProxy], method: str, path: str, form: dict[str, str]
) -> None:
    stand_in, proxy = twilio
    url = f"{proxy.url}/2010-04-01/Accounts/{stand_in.credentials.twilio_account_sid}{path}"

    answer = await stand_in.http.request(method, url, data=form or None)

    assert proxy.exchanges[0].request_problem
    assert answer.status_code in (400, 404, 405)
    assert answer.json()["status"] == answer.status_code


async def test_twilio_stand_in_refuses_a_request_without_a_login(twilio: tuple[StandIn, ContractProxy]) -> None:
    stand_in, proxy = twilio
    url = f"{proxy.url}/2010-04-01/Accounts/{stand_in.credentials.twilio_account_sid}/Messages.json"

    async with httpx.AsyncClient() as nobody:
        answer = await nobody.get(url)

    assert proxy.exchanges[0].request_problem
    assert answer.status_code == httpx.codes.UNAUTHORIZED
