"""Connects a Cal.com calendar to a server that gives every request one answer, odd ones included."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

from appointments.model import BookingUid
from calendars.calcom import CalComCalendar
from simulator.world import run_app
from tests.calendar_conformance import EVENT_TYPE, KEY, NEXT_DAY, NOW, REASON, TWO, book, find, free, hold

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping


API_KEY = "cal_live_0123456789abcdef"
Operation = Callable[[CalComCalendar], Awaitable[object]]

READS: dict[str, Operation] = {
    "slots": free,
    "list": lambda calendar: find(calendar, TWO, KEY),
    "get": lambda calendar: calendar.get(BookingUid("bk_1")),
    "any": lambda calendar: calendar.event_type(EVENT_TYPE.id),
}
"""How each operation of the stand-in that only reads is reached."""

WRITES: dict[str, Operation] = {
    "create": lambda calendar: book(calendar, TWO),
    "reschedule": lambda calendar: calendar.reschedule(BookingUid("bk_1"), NEXT_DAY, reason=REASON),
    "cancel": lambda calendar: calendar.cancel(BookingUid("bk_1"), reason=REASON),
    "reservations": lambda calendar: hold(calendar, TWO),
}
"""How each operation of the stand-in that writes is reached."""


@contextlib.asynccontextmanager
async def connected(url: str, api_key: str = API_KEY, *, timeout_secs: float = 8.0) -> AsyncIterator[CalComCalendar]:
    """Connect a calendar for the length of a test."""
    made = CalComCalendar.connect(
        url, api_key=api_key, timeout_secs=timeout_secs, pauses_secs=(0.01, 0.01), clock=lambda: NOW
    )
    async with contextlib.aclosing(made):
        yield made


@dataclass(slots=True)
class Scripted:
    """A server that gives every request the same answer and remembers what was asked."""

    answer: Callable[[], web.Response]
    url: str = ""
    requests: list[tuple[str, str, Mapping[str, str]]] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        self.requests.append((request.method, request.path, dict(request.query)))
        self.bodies.append(await request.json() if request.can_read_body else None)
        return self.answer()


@contextlib.asynccontextmanager
async def scripted(answer: Callable[[], web.Response]) -> AsyncIterator[tuple[Scripted, CalComCalendar]]:
    """Serve one answer to everything and connect a calendar to it."""
    server = Scripted(answer)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.handle)
    runner, server.url = await run_app(app, 0)
    try:
        async with connected(server.url) as connection:
            yield server, connection
    finally:
        await runner.cleanup()


def says(data: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Callable[[], web.Response]:
    """Return an answer in JSON."""
    return lambda: web.json_response(data, status=status, headers=headers)


def refuses(status: int, message: object, **error: object) -> Callable[[], web.Response]:
    """Return an answer in Cal.com's own envelope."""
    return says({"status": "error", "error": {"code": "X", "message": message, **error}}, status=status)


def refuses_raw(status: int, message: object) -> Callable[[], web.Response]:
    """Return an answer in the envelope of errors that Cal.com does not map."""
    return says({"statusCode": status, "message": message}, status=status)


def wire_booking(**changes: Any) -> dict[str, Any]:
    """Return a booking as Cal.com describes it."""
    described = {
        "uid": "bk_1",
        "status": "accepted",
        "start": "2026-12-03T14:00:00.000-05:00",
        "end": "2026-12-03T14:30:00.000-05:00",
        "location": "https://app.cal.com/video/bk_1",
        "hosts": [{"name": "Ada"}],
        "metadata": {"idem": KEY},
    }
    return {**described, **changes}


def whole_text(error: BaseException) -> str:
    """Return all that a log would show of an error, its causes included."""
    return "".join(traceback.format_exception(error))
