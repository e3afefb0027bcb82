"""A provider that fails costs one caller a moment, and no caller an answer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import aiohttp
import httpx2
import openai
import pytest
import structlog

from agent.failover import OPEN_SECS, WITHIN_SECS, Breaker, Failover, NoAnswer, said

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from agent.failover import Begun

REQUEST = httpx2.Request("POST", "http://127.0.0.1/v1/chat/completions")


def status_error(status: int) -> openai.APIStatusError:
    kinds = {400: openai.BadRequestError, 401: openai.AuthenticationError, 429: openai.RateLimitError}
    kind = kinds.get(status, openai.InternalServerError)
    return kind("no", response=httpx2.Response(status, request=REQUEST), body=None)


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Provider:
    """Answers with its name, or fails with what is next in `failures`; None there is an answer."""

    name: str
    failures: list[Exception | None] = field(default_factory=list)
    asked: int = 0

    async def answer(self) -> str:
        self.asked += 1
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure
        return self.name


def asking(provider: Provider, _begun: Begun) -> asyncio.Future[str]:
    return asyncio.ensure_future(provider.answer())


@dataclass
class Pair:
    """A provider with one that stands in."""

    main: Provider = field(default_factory=lambda: Provider("main"))
    fallback: Provider = field(default_factory=lambda: Provider("fallback"))
    clock: Clock = field(default_factory=Clock)
    patience_secs: float = 5.0

    def __post_init__(self) -> None:
        self.failover = Failover("llm", self.main, self.fallback, patience_secs=self.patience_secs, clock=self.clock)

    async def ask(self) -> str:
        return await self.failover.ask(asking)


@pytest.mark.parametrize(
    "failure",
    [
        status_error(500),
        status_error(429),
        status_error(401),
        openai.APIConnectionError(request=REQUEST),
        openai.APITimeoutError(request=REQUEST),
        httpx2.ReadError("lost"),
        aiohttp.ClientResponseError(None, ()),  # type: ignore[arg-type]
        TimeoutError(),
        NoAnswer("cut off"),
    ],
)
async def test_the_other_answers_the_request_that_failed(failure: Exception) -> None:
    pair = Pair(Provider("main", [failure]))

    assert await pair.ask() == "fallback"
    assert pair.main.asked == 1


async def test_a_provider_that_works_is_asked_alone() -> None:
    pair = Pair()

    assert [await pair.ask() for _ in range(3)] == ["main"] * 3
    assert pair.fallback.asked == 0


async def test_without_one_that_stands_in_the_failure_is_told() -> None:
    failover = Failover("llm", Provider("main", [status_error(500)]), patience_secs=5.0)

    with pytest.raises(openai.InternalServerError):
        await failover.ask(asking)


async def test_a_provider_that_is_too_slow_is_not_waited_for() -> None:
    pair = Pair(patience_secs=0.01)

    async def request(provider: Provider, _begun: Begun) -> str:
        if provider is pair.main:
            await asyncio.Event().wait()
        return provider.name

    async with asyncio.timeout(2):
        assert await pair.failover.ask(request) == "fallback"
    assert pair.failover.breaker.is_open


async def test_an_answer_that_has_begun_may_take_its_time() -> None:
    pair = Pair(patience_secs=0.02)

    async def request(provider: Provider, begun: Begun) -> str:
        begun()
        await asyncio.sleep(0.05)
        begun()
        return provider.name

    assert await pair.failover.ask(request) == "main"


async def test_nobody_waits_for_a_provider_that_failed_twice() -> None:
    pair = Pair(Provider("main", [status_error(500), status_error(429)]))
    await pair.ask()
    await pair.ask()

    assert [await pair.ask() for _ in range(5)] == ["fallback"] * 5
    assert pair.main.asked == 2


def connection_error(origin: Exception) -> openai.APIConnectionError:
    """Return what the client makes of an error of aiohttp's."""
    timeout, told = httpx2.ConnectTimeout("no"), openai.APITimeoutError(request=REQUEST)
    timeout.__cause__, told.__cause__ = origin, timeout
    return told


async def test_a_connection_that_was_lost_once_switches_nothing() -> None:
    pair = Pair(Provider("main", [connection_error(aiohttp.ServerDisconnectedError())]))

    assert [await pair.ask(), await pair.ask()] == ["fallback", "main"]


async def test_a_provider_that_made_a_caller_wait_is_not_asked_again() -> None:
    pair = Pair(Provider("main", [connection_error(aiohttp.SocketTimeoutError())]))

    assert [await pair.ask(), await pair.ask()] == ["fallback", "fallback"]


def test_the_log_tells_a_refused_connection_from_a_slow_one() -> None:
    assert said(connection_error(ConnectionRefusedError())) == "APITimeoutError from ConnectionRefusedError"
    assert said(connection_error(aiohttp.SocketTimeoutError())) == "APITimeoutError from SocketTimeoutError"
    assert said(status_error(429)) == "RateLimitError 429"


async def test_failures_far_apart_switch_nothing() -> None:
    pair = Pair(Provider("main", [status_error(500), None, status_error(500)]))
    await pair.ask()
    pair.clock.now += WITHIN_SECS + 1

    await pair.ask()
    await pair.ask()

    assert not pair.failover.breaker.is_open


async def test_requests_that_are_wrong_themselves_say_nothing_about_the_provider() -> None:
    pair = Pair(Provider("main", [status_error(400)] * 5))

    assert [await pair.ask() for _ in range(5)] == ["fallback"] * 5
    assert not pair.failover.breaker.is_open


async def test_a_provider_that_is_back_is_found_without_a_caller_waiting_for_it() -> None:
    pair = Pair(Provider("main", [TimeoutError()]))
    await pair.ask()
    pair.clock.now += OPEN_SECS

    beside = await pair.ask()
    async with asyncio.timeout(2):
        while pair.failover.breaker.is_open:
            await asyncio.sleep(0)

    assert (beside, await pair.ask()) == ("fallback", "main")


async def test_a_provider_that_is_still_down_is_tried_once_in_a_while() -> None:
    pair = Pair(Provider("main", [TimeoutError()] * 9))
    await pair.ask()
    pair.clock.now += OPEN_SECS
    await pair.ask()
    async with asyncio.timeout(2):
        while pair.main.asked < 2:
            await asyncio.sleep(0)

    await pair.ask()
    await pair.ask()

    assert pair.main.asked == 2


async def test_an_answer_that_was_on_its_way_is_no_sign_that_a_provider_is_back() -> None:
    pair = Pair()
    is_down = asyncio.Event()

    async def request(provider: Provider, begun: Begun) -> str:
        begun()
        await is_down.wait()
        return provider.name

    slow = asyncio.create_task(pair.failover.ask(request))
    await asyncio.sleep(0)
    pair.failover.breaker.failed(TimeoutError())
    is_down.set()

    assert await slow == "main"
    assert pair.failover.breaker.is_open


async def test_the_first_is_asked_after_all_when_the_other_fails() -> None:
    pair = Pair(Provider("main", [TimeoutError()]), Provider("fallback", [None, status_error(500)]))
    await pair.ask()

    assert await pair.ask() == "main"


async def test_a_switch_and_its_end_are_logged_once() -> None:
    breaker = Breaker("llm")
    with structlog.testing.capture_logs() as logs:
        for _ in range(4):
            breaker.failed(TimeoutError())
        breaker.succeeded()
        breaker.succeeded()

    assert [entry["event"] for entry in logs] == ["provider_switched", "provider_recovered"]


async def items(provider: Provider, *, before_failing: int) -> AsyncGenerator[str]:
    provider.asked += 1
    for number in range(3):
        if provider.failures and number == before_failing:
            raise provider.failures.pop(0) or TimeoutError
        yield f"{provider.name} {number}"


async def test_every_item_may_tell_that_the_answer_has_begun() -> None:
    pair = Pair()

    async def each(provider: Provider, begun: Begun) -> AsyncGenerator[str]:
        async for item in items(provider, before_failing=9):
            begun()
            yield item

    assert [item async for item in pair.failover.stream(each)] == ["main 0", "main 1", "main 2"]


async def test_a_stream_that_fails_before_its_first_item_comes_from_the_other() -> None:
    pair = Pair(Provider("main", [status_error(500)]))

    heard = [item async for item in pair.failover.stream(lambda provider, _begun: items(provider, before_failing=0))]

    assert heard == ["fallback 0", "fallback 1", "fallback 2"]


async def test_nothing_is_heard_twice_of_a_stream_that_breaks_off() -> None:
    pair = Pair(Provider("main", [httpx2.ReadError("lost")]))
    heard = []

    async def listen() -> None:
        async for item in pair.failover.stream(lambda provider, _begun: items(provider, before_failing=1)):
            heard.append(item)

    with pytest.raises(httpx2.ReadError):
        await listen()

    assert heard == ["main 0"]
    assert pair.fallback.asked == 0


async def test_a_stream_that_nobody_listens_to_any_more_is_closed() -> None:
    pair = Pair()
    closed = asyncio.Event()

    async def endless(provider: Provider, _begun: Begun) -> AsyncGenerator[str]:
        try:
            while True:
                yield provider.name
        finally:
            closed.set()

    stream = pair.failover.stream(endless)
    await anext(stream)
    await stream.aclose()

    assert closed.is_set()
