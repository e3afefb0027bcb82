"""Twilio's REST API against the stand-in: what is done once, what is unclear, and what is refused."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from aiohttp import web

from simulator.faults import Fault, FaultBoard
from simulator.twilio import build_app
from simulator.world import BUSINESS_NUMBER, HOST, Credentials, run_app
from telephony.calls import Calls
from telephony.errors import TwilioError, TwilioRefused, TwilioThrottled, TwilioUnclear, TwilioUnreachable
from telephony.messages import Messages
from telephony.rest import TwilioRest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

CALLER = "+14155550123"
CALL_SID = "CA" + "1" * 32
BODY = "You are booked for Thursday, December 3 at 2:00 PM. (ref 7f3a)"
CREDENTIALS = Credentials.generate()
TIMEOUT = timedelta(seconds=2)


@dataclass
class StandIn:
    """The stand-in of Twilio and our clients of it."""

    url: str
    faults: FaultBoard
    rest: TwilioRest

    @property
    def messages(self) -> Messages:
        return Messages(self.rest, from_=BUSINESS_NUMBER, status_callback_base="http://127.0.0.1:9")

    @property
    def calls(self) -> Calls:
        return Calls(self.rest)

    async def state(self) -> Any:
        async with httpx.AsyncClient(trust_env=False) as http:
            return (await http.get(f"{self.url}/control/state")).json()

    async def register_call(self) -> None:
        call = {"call_sid": CALL_SID, "from": CALLER, "to": BUSINESS_NUMBER}
        async with httpx.AsyncClient(trust_env=False) as http:
            (await http.post(f"{self.url}/control/calls", json=call)).raise_for_status()


@asynccontextmanager
async def rest_at(url: str, *, password: str = CREDENTIALS.twilio_api_key_secret) -> AsyncIterator[TwilioRest]:
    rest = TwilioRest(
        account_sid=CREDENTIALS.twilio_account_sid,
        username=CREDENTIALS.twilio_api_key_sid,
        password=password,
        base_url=url,
        timeout=TIMEOUT,
    )
    try:
        yield rest
    finally:
        await rest.aclose()


@pytest.fixture
async def twilio() -> AsyncIterator[StandIn]:
    faults = FaultBoard("twilio")
    runner, url = await run_app(build_app(CREDENTIALS, faults), 0)
    async with rest_at(url) as rest:
        yield StandIn(url, faults, rest)
    await runner.cleanup()


async def test_a_text_is_sent_and_found(twilio: StandIn) -> None:
    since = datetime.now(UTC)
    message_sid = await twilio.messages.send(CALLER, BODY, "outbox-7")
    assert message_sid.startswith("SM")
    [message] = (await twilio.state())["messages"]
    assert (message["to"], message["from"], message["body"]) == (CALLER, BUSINESS_NUMBER, BODY)
    assert await twilio.messages.find(CALLER, BODY, since) == message_sid


async def test_only_the_same_text_to_the_same_number_in_time_is_found(twilio: StandIn) -> None:
    since = datetime.now(UTC)
    await twilio.messages.send(CALLER, BODY, "outbox-7")
    assert await twilio.messages.find(CALLER, "another text", since) is None
    assert await twilio.messages.find("+14155550124", BODY, since) is None
    assert await twilio.messages.find(CALLER, BODY, since + timedelta(hours=1)) is None


async def test_a_text_whose_answer_was_lost_is_unclear_and_found(twilio: StandIn) -> None:
    since = datetime.now(UTC)
    twilio.faults.replace([Fault(on="messages", kind="drop_after")])
    with pytest.raises(TwilioUnclear):
        await twilio.messages.send(CALLER, BODY, "outbox-7")
    [message] = (await twilio.state())["messages"]
    assert await twilio.messages.find(CALLER, BODY, since) == message["sid"]


@pytest.mark.parametrize("kind", ["drop_before", "error_500"])
async def test_a_text_that_failed_is_unclear_and_never_repeated(twilio: StandIn, kind: Any) -> None:
    twilio.faults.replace([Fault(on="messages", kind=kind)])
    with pytest.raises(TwilioUnclear):
        await twilio.messages.send(CALLER, BODY, "outbox-7")
    assert (await twilio.state())["messages"] == []
    assert await twilio.messages.find(CALLER, BODY, datetime.now(UTC)) is None


async def test_a_slow_text_is_unclear_in_time(twilio: StandIn) -> None:
    twilio.faults.replace([Fault(on="messages", kind="slow", seconds=10)])
    started = time.monotonic()
    with pytest.raises(TwilioUnclear):
        await twilio.messages.send(CALLER, BODY, "outbox-7")
    assert time.monotonic() - started < TIMEOUT.total_seconds() + 1


async def test_a_throttled_text_was_not_sent(twilio: StandIn) -> None:
    twilio.faults.replace([Fault(on="messages", kind="rate_limited")])
    with pytest.raises(TwilioThrottled) as throttled:
        await twilio.messages.send(CALLER, BODY, "outbox-7")
    assert throttled.value.retry_after_secs >= 0
    assert (await twilio.state())["messages"] == []


@pytest.mark.parametrize(
    ("to", "code"), [("+15005550001", 21211), ("+15005550004", 21610), ("+15005550009", 21614), ("nobody", 21211)]
)
async def test_a_refused_text_carries_twilios_code(twilio: StandIn, to: str, code: int) -> None:
    with pytest.raises(TwilioRefused) as refused:
        await twilio.messages.send(to, BODY, "outbox-7")
    assert (refused.value.code, refused.value.status) == (code, 400)


async def test_credentials_are_checked(twilio: StandIn) -> None:
    await twilio.rest.check()
    async with rest_at(twilio.url, password="wrong") as stranger:
        with pytest.raises(TwilioRefused) as refused:
            await stranger.check()
    assert refused.value.status == 401
    assert "wrong" not in str(refused.value)


async def test_a_call_is_hung_up(twilio: StandIn) -> None:
    await twilio.register_call()
    await twilio.calls.hang_up(CALL_SID)
    await twilio.calls.hang_up(CALL_SID)
    [call] = (await twilio.state())["calls"]
    assert call["status"] == "completed"


async def test_a_call_that_is_gone_is_hung_up_already(twilio: StandIn) -> None:
    await twilio.calls.hang_up("CA" + "9" * 32)


@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "error_500", "rate_limited"])
async def test_hanging_up_is_tried_once_more(twilio: StandIn, kind: Any) -> None:
    await twilio.register_call()
    twilio.faults.replace([Fault(on="calls", kind=kind)])
    await twilio.calls.hang_up(CALL_SID)
    [call] = (await twilio.state())["calls"]
    assert call["status"] == "completed"


async def test_hanging_up_gives_up_when_twilio_stays_away(twilio: StandIn) -> None:
    await twilio.register_call()
    twilio.faults.replace([Fault(on="calls", kind="error_500", times=5)])
    with pytest.raises(TwilioUnclear):
        await twilio.calls.hang_up(CALL_SID)


async def test_no_connection_means_nothing_was_sent() -> None:
    runner, url = await run_app(web.Application(), 0)
    await runner.cleanup()
    async with rest_at(url) as rest:
        with pytest.raises(TwilioUnreachable):
            await Messages(rest, from_=BUSINESS_NUMBER, status_callback_base=url).send(CALLER, BODY, "outbox-7")


async def test_proxies_and_regions_in_the_environment_are_not_asked(
    twilio: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"HTTP_PROXY": f"http://{HOST}:9", "TWILIO_REGION": "ie1", "TWILIO_EDGE": "dublin"}.items():
        monkeypatch.setenv(name, value)
    async with rest_at(twilio.url) as rest:
        messages = Messages(rest, from_=BUSINESS_NUMBER, status_callback_base="http://127.0.0.1:9")
        assert await messages.send(CALLER, BODY, "outbox-7")


async def test_a_paged_list_stays_with_our_base_url() -> None:
    requested: list[str] = []

    async def list_messages(request: web.Request) -> web.Response:
        requested.append(request.path_qs)
        is_first = "Page=1" not in request.query_string
        page = f"/2010-04-01/Accounts/{CREDENTIALS.twilio_account_sid}/Messages.json?Page=1"
        return web.json_response({"messages": [{"sid": "SM1"}], "next_page_uri": page if is_first else None})

    async with answering(list_messages) as rest:
        messages = Messages(rest, from_=BUSINESS_NUMBER, status_callback_base="http://127.0.0.1:9")
        assert await messages.find(CALLER, BODY, datetime.now(UTC)) is None
    assert len(requested) == 2


@asynccontextmanager
async def answering(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[TwilioRest]:
    """Yield a client of a server that answers everything with `handler`."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner, url = await run_app(app, 0)
    async with rest_at(url) as rest:
        yield rest
    await runner.cleanup()


async def dripping(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(status=201)
    await response.prepare(request)
    for _ in range(100):
        await response.write(b" ")
        await asyncio.sleep(0.1)
    return response


async def html(request: web.Request) -> web.StreamResponse:
    return web.Response(status=200, text="<html>Welcome</html>", content_type="text/html")


async def no_sid(request: web.Request) -> web.StreamResponse:
    return web.json_response({"status": "queued"}, status=201)


@pytest.mark.parametrize("handler", [dripping, html, no_sid])
async def test_an_answer_that_makes_no_sense_is_unclear(
    handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> None:
    async with answering(handler) as rest:
        started = time.monotonic()
        with pytest.raises(TwilioUnclear):
            await Messages(rest, from_=BUSINESS_NUMBER, status_callback_base="http://127.0.0.1:9").send(
                CALLER, BODY, "outbox-7"
            )
    assert time.monotonic() - started < TIMEOUT.total_seconds() + 1


@pytest.mark.parametrize("status", [301, 400, 403])
async def test_a_refusal_without_a_reason_is_still_a_refusal(status: int) -> None:
    async def refuse(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text="no")

    async with answering(refuse) as rest:
        with pytest.raises(TwilioError) as refused:
            await rest.check()
    assert isinstance(refused.value, TwilioRefused)
    assert refused.value.status == status
