"""Our clients keep to the services' own OpenAPI contracts, and the proxy that says so can tell."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import httpx
import pytest
from aiohttp import web

from appointments.model import Attendee, EventTypeId, PhoneNumber, Slot
from calendars.calcom import CalComCalendar
from simulator.world import run_app
from telephony.calls import Calls
from telephony.messages import Messages
from telephony.rest import TwilioRest
from tests.contract import FOLDER_VARIABLE, ContractProxy, load
from tests.factories import ACTION
from tests.stand_ins import serving_calcom, serving_twilio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

EVENT_TYPE = EventTypeId("101")
TWO = Slot(datetime(2026, 12, 3, 19, tzinfo=UTC), timedelta(minutes=30))
HALF_PAST_TWO = Slot(TWO.end, TWO.duration)
NOW = datetime(2026, 12, 1, 14, tzinfo=UTC)
CALL_SID = "CA" + "1" * 32


@pytest.mark.parametrize(
    "attendee",
    [
        Attendee("Maya Chen", "America/New_York", PhoneNumber("+14155550123"), "maya@example.com"),
        Attendee("Maya Chen", "America/New_York", None, "maya@example.com"),
        Attendee("Maya Chen", "America/New_York", PhoneNumber("+14155550123")),
    ],
    ids=["both", "e-mail", "phone"],
)
async def test_calcom_client_keeps_to_the_contract(attendee: Attendee) -> None:
    async with serving_calcom() as stand_in, ContractProxy(load("calcom"), stand_in.url) as proxy:
        event_types = [{"requires_email": attendee.email is not None}]
        await stand_in.order(
            "world", now="2026-12-01T09:00:00-05:00", free=[TWO.start.isoformat()], event_types=event_types
        )
        calendar = CalComCalendar.connect(proxy.url, api_key=stand_in.credentials.calcom_api_key)
        async with contextlib.aclosing(calendar):
            await calendar.me()
            offered = await calendar.event_type(EVENT_TYPE)
            free = await calendar.free_slots(EVENT_TYPE, start=TWO.start, end=TWO.end)
            booking = await calendar.book(offered, TWO, attendee, notes="Tap", idempotency_key="CA1:1")
            found = await calendar.find(EVENT_TYPE, TWO, idempotency_key="CA1:1")
            read = await calendar.get(booking.uid)

    assert proxy.violations == []
    assert len(proxy.exchanges) == 6
    assert list(free) == [TWO]
    assert booking == found == read


async def test_calcom_client_keeps_to_the_contract_in_changes() -> None:
    async with serving_calcom() as stand_in, ContractProxy(load("calcom"), stand_in.url) as proxy:
        free = [slot.start.isoformat() for slot in (TWO, HALF_PAST_TWO)]
        await stand_in.order("world", now=NOW.isoformat(), free=free)
        calendar = CalComCalendar.connect(proxy.url, api_key=stand_in.credentials.calcom_api_key, clock=lambda: NOW)
        async with contextlib.aclosing(calendar):
            offered = await calendar.event_type(EVENT_TYPE)
            reservation = await calendar.hold(EVENT_TYPE, TWO, until=NOW + timedelta(minutes=5))
            attendee = Attendee("Maya Chen", "America/New_York", None, "maya@example.com")
            booking = await calendar.book(offered, TWO, attendee, notes="", idempotency_key="CA1:1")
            await calendar.release(reservation)
            moved = await calendar.reschedule(booking.uid, HALF_PAST_TWO, reason="")
            again = await calendar.reschedule(booking.uid, HALF_PAST_TWO, reason="Customer requested a new time")
            cancelled = await calendar.cancel(booking.uid, reason="Customer request")

    assert proxy.violations == []
    assert [exchange.status for exchange in proxy.exchanges if exchange.method != "get"] == [
        201,
        201,
        200,
        201,
        400,
        400,
        200,
    ]
    assert again == moved
    assert cancelled.uid == moved.uid


@pytest.mark.parametrize(
    ("place", "platform"),
    [
        ({"type": "attendeePhone"}, "phone"),
        ({"type": "attendeeAddress"}, "in_person"),
        ({"type": "attendeeDefined"}, "in_person"),
        ({"type": "address", "address": "12 Harbor Street"}, "in_person"),
        ({"type": "integration", "integration": "zoom"}, "zoom"),
    ],
    ids=lambda each: each["type"] if isinstance(each, dict) else each,
)
async def test_calcom_client_keeps_to_the_contract_in_what_it_chooses(place: dict[str, str], platform: str) -> None:
    action = replace(ACTION, platform=platform, duration=timedelta(minutes=60), has_length=True)
    answers = {"insurance": "Blue Cross", "location": "12 Elm Street"}
    attendee = Attendee("Maya Chen", "America/New_York", PhoneNumber("+14155550123"), "maya@example.com", answers)
    event_type = {
        "lengths": [30, 60],
        "locations": [{"type": "integration"}, place],
        "fields": [{"type": "text", "slug": "insurance", "required": True}],
    }
    async with serving_calcom() as stand_in, ContractProxy(load("calcom"), stand_in.url) as proxy:
        await stand_in.order("world", now=NOW.isoformat(), free=[TWO.start.isoformat()], event_types=[event_type])
        calendar = CalComCalendar.connect(
            proxy.url, api_key=stand_in.credentials.calcom_api_key, action_of=lambda _: action, clock=lambda: NOW
        )
        async with contextlib.aclosing(calendar):
            offered = await calendar.event_type(EVENT_TYPE)
            (slot,) = await calendar.free_slots(EVENT_TYPE, start=TWO.start, end=TWO.end)
            await calendar.release(await calendar.hold(EVENT_TYPE, slot, until=NOW + timedelta(minutes=5)))
            booking = await calendar.book(offered, slot, attendee, notes="", idempotency_key="CA1:1")
            await calendar.describe(EVENT_TYPE)
            owner = await calendar.account.owner()
            await calendar.account.event_type_ids(owner)

    assert proxy.violations == []
    assert booking.slot == Slot(TWO.start, timedelta(minutes=60))


async def test_twilio_client_keeps_to_the_contract() -> None:
    async with serving_twilio() as stand_in, ContractProxy(load("twilio"), stand_in.url) as proxy:
        await stand_in.order("calls", call_sid=CALL_SID, to="+14155550100", **{"from": "+14155550123"})
        ours = stand_in.credentials
        rest = TwilioRest(
            account_sid=ours.twilio_account_sid,
            username=ours.twilio_api_key_sid,
            password=ours.twilio_api_key_secret,
            base_url=proxy.url,
            timeout=timedelta(seconds=5),
        )
        async with contextlib.aclosing(rest):
            messages = Messages(rest, from_="+14155550100", status_callback_base="https://example.com")
            await rest.check()
            sid = await messages.send("+14155550123", "See you on Thursday.", "outbox 7")
            found = await messages.find("+14155550123", "See you on Thursday.", datetime.now(UTC) - timedelta(hours=1))
            await Calls(rest).hang_up(CALL_SID)

    assert proxy.violations == []
    assert [exchange.status for exchange in proxy.exchanges] == [200, 201, 200, 200]
    assert sid == found


@contextlib.asynccontextmanager
async def upstream(body: object, status: int = 200) -> AsyncIterator[str]:
    """Serve a service that answers everything with `body`."""

    async def answer(_request: web.Request) -> web.Response:
        return web.json_response(body, status=status)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner, url = await run_app(app, 0)
    try:
        yield url
    finally:
        await runner.cleanup()


async def test_proxy_notices_an_answer_the_contract_does_not_know() -> None:
    async with (
        upstream({"slots": {"2026-12-03": []}}) as url,
        ContractProxy(load("calcom"), url) as proxy,
        httpx.AsyncClient() as http,
    ):
        answer = await http.get(
            f"{proxy.url}/v2/slots",
            params={"eventTypeId": "101", "start": "2026-12-03", "end": "2026-12-03"},
            headers={"cal-api-version": "2024-09-04"},
        )

    assert answer.json() == {"slots": {"2026-12-03": []}}
    assert [exchange.request_problem for exchange in proxy.violations] == [""]
    assert "status" in proxy.violations[0].response_problem


async def test_proxy_notices_a_request_that_a_lax_service_lets_pass() -> None:
    async with (
        upstream({"status": "success", "data": {}}) as url,
        ContractProxy(load("calcom"), url) as proxy,
        httpx.AsyncClient() as http,
    ):
        await http.get(f"{proxy.url}/v2/slots", params={"start": "2026-12-03"})
        await http.get(f"{proxy.url}/v1/slots")

    assert len(proxy.violations) == 2
    assert all(exchange.request_problem for exchange in proxy.violations)


async def test_proxy_drops_what_the_service_drops() -> None:
    async with serving_calcom() as stand_in, ContractProxy(load("calcom"), stand_in.url) as proxy:
        await stand_in.break_down("any", "drop_before")

        with pytest.raises(httpx.TransportError):
            await stand_in.http.get(f"{proxy.url}/v2/me")


def test_missing_contract_skips_a_test_and_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))

    with pytest.raises(pytest.skip.Exception, match=FOLDER_VARIABLE):
        load("calcom")
