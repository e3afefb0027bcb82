"""What stands in for a provider that fails: the same request is answered by another within the same turn."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeAlias, TypeVar

import aiohttp
import httpx2
import openai
import structlog

from agent import metrics

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

Provider = TypeVar("Provider")
Answer = TypeVar("Answer")
Item = TypeVar("Item")

Begun: TypeAlias = "Callable[[], None]"
"""To be called when an answer has begun, once or often: from then on nobody else is asked for being faster."""

log = structlog.get_logger(__name__)


class NoAnswer(Exception):
    """What a provider has sent is no answer, or not all of one; the message holds nothing of it."""


FAILURES: Final = (openai.APIError, httpx2.HTTPError, aiohttp.ClientError, TimeoutError, NoAnswer)
"""What asking a provider fails with. The client lets errors of its transports through: all of them while a body is
read, and aiohttp's of an answer that is no HTTP."""

_OF_ONE_REQUEST: Final = frozenset({400, 413, 422})
"""What a provider answers to a request that is wrong: it says nothing about the provider."""

MOST_FAILURES: Final = 2
WITHIN_SECS: Final = 60.0
OPEN_SECS: Final = 30.0


def said(error: Exception) -> str:
    """Return what may be logged of a failure: its kind and status, for its text may hold what was said."""
    status = getattr(error, "status_code", None)
    if status:
        return f"{type(error).__name__} {status}"
    kinds = dict.fromkeys((type(error).__name__, type(_origin(error)).__name__))
    return " from ".join(kinds)


def _origin(error: Exception) -> Exception:
    """Return what `error` comes from: the client calls a connection that was refused or lost a timeout too."""
    while isinstance(error.__cause__, Exception):
        error = error.__cause__
    return error


def _was_too_slow(error: Exception) -> bool:
    return isinstance(_origin(error), TimeoutError | openai.APITimeoutError | httpx2.TimeoutException)


class Breaker:
    """Remembers for every call of a worker that a provider fails, so that no other caller waits for it.

    It opens when the provider has failed `MOST_FAILURES` times within `WITHIN_SECS`, and at once when a caller has
    noticed, because it was too slow or broke off. Every `OPEN_SECS` it may be tried; when that goes well it closes.

    Args:
        part: What the provider does, for the log.
        clock: Seconds that only grow.
    """

    def __init__(self, part: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._part = part
        self._clock = clock
        self._failed_at: deque[float] = deque(maxlen=MOST_FAILURES)
        self._try_at: float | None = None
        """When the provider is to be tried, None while nothing is wrong with it."""

    @property
    def is_open(self) -> bool:
        """Whether the provider is taken to be down."""
        return self._try_at is not None

    def take_trial(self) -> bool:
        """Return whether the provider is to be tried now; nobody else is told so for a while."""
        if self._try_at is None or self._clock() < self._try_at:
            return False
        self._try_at = self._clock() + OPEN_SECS
        return True

    def succeeded(self) -> None:
        if self._try_at is not None:
            log.info("provider_recovered", part=self._part)
        self._try_at = None
        self._failed_at.clear()

    def failed(self, error: Exception, *, is_noticed: bool = False) -> None:
        if getattr(error, "status_code", None) in _OF_ONE_REQUEST:
            return
        now = self._clock()
        self._failed_at.append(now)
        is_noticed |= _was_too_slow(error)
        is_repeated = len(self._failed_at) == MOST_FAILURES and now - self._failed_at[0] <= WITHIN_SECS
        if self._try_at is not None:
            self._try_at = now + OPEN_SECS
        elif is_noticed or is_repeated:
            self._try_at = now + OPEN_SECS
            metrics.PROVIDER_SWITCHES.labels(self._part).inc()
            log.warning("provider_switched", part=self._part, error=said(error))


def provider_failed(part: str, provider: str, error: Exception) -> None:
    """Log and count that a provider, the "main" one or the "fallback", has not answered."""
    metrics.PROVIDER_FAILURES.labels(part, provider).inc()
    log.warning("provider_failed", part=part, provider=provider, error=said(error))


@dataclass(frozen=True, slots=True)
class _Begun(Generic[Item]):
    """A stream whose first item is there."""

    is_mains: bool
    first: Item | None
    rest: AsyncGenerator[Item]

    async def aclose(self) -> None:
        await self.rest.aclose()


class Failover(Generic[Provider]):
    """A provider and, where there is one, the other that answers when it does not.

    While the breaker is open the other is asked first. The provider is then tried beside a request, not by it: its
    answer is thrown away, and no caller waits for it.

    Args:
        part: What they do, for the log.
        patience_secs: How long the provider may take to begin its answer before the other is asked.
    """

    def __init__(
        self,
        part: str,
        main: Provider,
        fallback: Provider | None = None,
        *,
        patience_secs: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.main = main
        self.fallback = fallback
        self.breaker = Breaker(part, clock=clock)
        self._part = part
        self._patience_secs = patience_secs
        self._trials: set[asyncio.Task[None]] = set()

    @property
    def providers(self) -> tuple[Provider, ...]:
        """The provider, and the other if there is one."""
        return (self.main,) if self.fallback is None else (self.main, self.fallback)

    async def aclose(self) -> None:
        for trial in self._trials:
            trial.cancel()
        await asyncio.gather(*self._trials, return_exceptions=True)

    async def ask(
        self,
        request: Callable[[Provider, Begun], Awaitable[Answer]],
        *,
        discard: Callable[[Answer], Awaitable[None]] | None = None,
    ) -> Answer:
        """Return the answer to `request` of whoever gives one.

        Args:
            request: Asks a provider; may be done more than once.
            discard: Closes an answer that nobody wants.

        Raises:
            One of FAILURES: nobody has answered; it is what the last who was asked has failed with.
        """
        if self.fallback is None:
            return await self._ask_patiently(self.main, "main", request)
        if self.breaker.take_trial():
            self._try_beside(request, discard)
        if self.breaker.is_open:
            with suppress(*FAILURES):
                return await self._ask_patiently(self.fallback, "fallback", request)
            return await self._ask_main(request)
        with suppress(*FAILURES):
            return await self._ask_main(request)
        return await self._ask_patiently(self.fallback, "fallback", request)

    async def stream(self, open_stream: Callable[[Provider, Begun], AsyncGenerator[Item]]) -> AsyncGenerator[Item]:
        """Yield the items of whoever gives a first one; what fails after that is not asked for again.

        Raises:
            One of FAILURES: nobody has answered, or who answered broke off.
        """

        async def begin(provider: Provider, begun: Begun) -> _Begun[Item]:
            items = open_stream(provider, begun)
            try:
                return _Begun(provider is self.main, await anext(items, None), items)
            except BaseException:
                await items.aclose()
                raise

        stream = await self.ask(begin, discard=_Begun.aclose)
        async with aclosing(stream.rest) as rest:
            if stream.first is not None:
                yield stream.first
            try:
                async for item in rest:
                    yield item
            except FAILURES as error:
                provider_failed(self._part, "main" if stream.is_mains else "fallback", error)
                if stream.is_mains and self.fallback is not None:
                    self.breaker.failed(error, is_noticed=True)
                raise

    async def _ask_patiently(
        self, provider: Provider, name: str, request: Callable[[Provider, Begun], Awaitable[Answer]]
    ) -> Answer:
        try:
            return await request(provider, _nothing)
        except FAILURES as error:
            provider_failed(self._part, name, error)
            raise

    async def _ask_main(self, request: Callable[[Provider, Begun], Awaitable[Answer]]) -> Answer:
        was_open, is_awaited = self.breaker.is_open, True

        def begun() -> None:
            nonlocal is_awaited
            if is_awaited:
                is_awaited = False
                limit.reschedule(None)

        try:
            async with asyncio.timeout(self._patience_secs) as limit:
                answer = await request(self.main, begun)
                is_awaited = False
        except FAILURES as error:
            provider_failed(self._part, "main", error)
            self.breaker.failed(error)
            raise
        if was_open or not self.breaker.is_open:
            # Otherwise it was asked before the others found that it is down: it is no sign that it is back.
            self.breaker.succeeded()
        return answer

    def _try_beside(
        self,
        request: Callable[[Provider, Begun], Awaitable[Answer]],
        discard: Callable[[Answer], Awaitable[None]] | None,
    ) -> None:
        async def trial() -> None:
            with suppress(*FAILURES):
                answer = await self._ask_main(request)
                if discard is not None:
                    await discard(answer)

        task = asyncio.create_task(trial())
        self._trials.add(task)
        task.add_done_callback(self._trials.discard)


def _nothing() -> None:
    """Note nothing: there is no other to ask."""
