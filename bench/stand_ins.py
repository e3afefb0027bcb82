"""The stand-ins Cal.com and Twilio of a bench, and what is seen of their work from outside."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
from aiohttp import web

from agent.jobs import TwilioSender
from bench.processes import CONTEXT, ended, start
from calendars.calcom import CalComCalendar
from simulator import calcom, calcom_throttle, twilio
from simulator.faults import FaultBoard
from simulator.world import BUSINESS_NUMBER, Credentials, run_app
from telephony.messages import Messages
from telephony.rest import TwilioRest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from multiprocessing.connection import Connection

    from aiohttp.typedefs import Handler

_TEXTS = {("POST", twilio.MESSAGES): "send", ("GET", twilio.MESSAGES): "look_for_text"}
OPERATIONS = calcom.OPERATIONS | _TEXTS
"""What the requests are called, by method and canonical path."""

NOWHERE = "http://127.0.0.1:9"
"""Where the stand-in Twilio would report: it was told of no worker, so it reports nothing."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the stand-ins are and what they accept; may be handed to another process."""

    calcom: str
    twilio: str
    credentials: Credentials

    def calendar(self, *, timeout: timedelta, pauses_secs: tuple[float, ...] = (0.25, 0.5)) -> CalComCalendar:
        """Return our client of the calendar."""
        return CalComCalendar.connect(
            self.calcom,
            api_key=self.credentials.calcom_api_key,
            timeout_secs=timeout.total_seconds(),
            pauses_secs=pauses_secs,
        )

    def twilio_rest(self, *, timeout: timedelta) -> TwilioRest:
        """Return our client of Twilio."""
        return TwilioRest(
            account_sid=self.credentials.twilio_account_sid,
            username=self.credentials.twilio_api_key_sid,
            password=self.credentials.twilio_api_key_secret,
            base_url=self.twilio,
            timeout=timeout,
        )

    async def control(self, service: str, path: str, order: object) -> None:
        """Post to a control endpoint of ``calcom`` or ``twilio``."""
        async with httpx.AsyncClient(timeout=30, trust_env=False) as http:
            (await http.post(f"{self._root(service)}/control/{path}", json=order)).raise_for_status()

    async def state(self, service: str) -> dict[str, Any]:
        """Return what a stand-in holds."""
        async with httpx.AsyncClient(timeout=30, trust_env=False) as http:
            answer = (await http.get(f"{self._root(service)}/control/state")).raise_for_status()
            state: dict[str, Any] = answer.json()
            return state

    def _root(self, service: str) -> str:
        return {"calcom": self.calcom, "twilio": self.twilio}[service]


def sender(rest: TwilioRest) -> TwilioSender:
    """Return what the outbox sends with."""
    return TwilioSender(Messages(rest, from_=BUSINESS_NUMBER, status_callback_base=NOWHERE))


class Watch:
    """Sees every request come and go, outside of the stand-ins and their faults.

    Args:
        on_point: Called with ``arrived.<operation>`` and, when its answer is ready, ``answered.<operation>``.
    """

    def __init__(self, on_point: Callable[[str], None] = lambda _: None) -> None:
        self._on_point = on_point
        self.under_way = 0
        self.took: list[tuple[str, float]] = []
        """The operations in the order they were answered, each with the milliseconds it took here."""

    @web.middleware
    async def look(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        resource = request.match_info.route.resource
        operation = OPERATIONS.get((request.method, resource.canonical)) if resource else None
        if operation is None:
            return await handler(request)
        try:
            await request.read()
        except ConnectionResetError:
            return web.Response()  # whoever asks was killed in the middle of it
        self.under_way += 1
        began = time.perf_counter()
        try:
            self._on_point(f"arrived.{operation}")
            answer = await handler(request)
            self._on_point(f"answered.{operation}")
            return answer
        finally:
            self.took.append((operation, (time.perf_counter() - began) * 1000))
            self.under_way -= 1


@asynccontextmanager
async def serving(watch: Watch) -> AsyncIterator[Addresses]:
    """Serve new stand-ins in this event loop."""
    credentials = Credentials.generate()
    async with AsyncExitStack() as closing:
        urls = {}
        for service, build in (("calcom", calcom.build_app), ("twilio", twilio.build_app)):
            app = build(credentials, FaultBoard(service))
            app.middlewares.insert(0, watch.look)
            runner, urls[service] = await run_app(app, 0)
            closing.push_async_callback(runner.cleanup)
        yield Addresses(urls["calcom"], urls["twilio"], credentials)


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Stand-ins in a process of their own."""

    addresses: Addresses
    _pipe: Connection

    async def took(self) -> list[tuple[str, float]]:
        """Return how long each request took there."""
        self._pipe.send("took")
        took: list[tuple[str, float]] = await asyncio.to_thread(self._pipe.recv)
        return took


@asynccontextmanager
async def serving_elsewhere(slow_ms: float = 0.0) -> AsyncIterator[Elsewhere]:
    """Serve new stand-ins in another process, which lets any number of requests a minute pass.

    Args:
        slow_ms: What bookings and texts take longer.
    """
    ours, theirs = CONTEXT.Pipe()
    process = start(_serve, theirs, slow_ms)
    theirs.close()  # so that the end of that process ends our waiting for its word
    try:
        addresses = await asyncio.to_thread(ours.recv)
        yield Elsewhere(addresses, ours)
    finally:
        ours.send("end")
        await ended(process)


def _serve(pipe: Connection, slow_ms: float) -> None:
    calcom_throttle.RATE_LIMIT = 10**9
    asyncio.run(_serve_until_told(pipe, slow_ms))


async def _serve_until_told(pipe: Connection, slow_ms: float) -> None:
    watch = Watch()
    async with serving(watch) as addresses:
        if slow_ms:
            for service, operation in (("calcom", "create"), ("twilio", "messages")):
                fault = {"on": operation, "kind": "slow", "seconds": slow_ms / 1000, "times": 10**9}
                await addresses.control(service, "faults", [fault])
        pipe.send(addresses)
        while await asyncio.to_thread(pipe.recv) != "end":
            pipe.send(watch.took)
