"""Cal.com's limit on the rate of requests: 120 a minute for each key, then a minute of refusals."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from http import HTTPStatus
from typing import TYPE_CHECKING

from simulator.calcom_wire import CalComError
from simulator.faults import RETRY_SECS

if TYPE_CHECKING:
    from aiohttp import web

RATE_LIMIT = 120
RATE_WINDOW_SECS = 60.0


class Throttle:
    """Counts the requests of each client."""

    def __init__(self) -> None:
        self._recent: defaultdict[str, deque[float]] = defaultdict(deque)
        self._blocked_until: dict[str, float] = {}

    def admit(self, client: str) -> None:
        """Count a request, or answer 429."""
        now = time.monotonic()
        recent = self._recent[client]
        while recent and recent[0] <= now - RATE_WINDOW_SECS:
            recent.popleft()
        if len(recent) >= RATE_LIMIT and now >= self._blocked_until.get(client, 0.0):
            self._blocked_until[client] = now + RATE_WINDOW_SECS
        if now < self._blocked_until.get(client, 0.0):
            raise _too_many_requests()
        recent.append(now)

    def headers(self, client: str) -> dict[str, str]:
        """Return the rate headers; the reset is the number of seconds to wait."""
        now = time.monotonic()
        recent = self._recent[client]
        reset_at = self._blocked_until.get(client, 0.0)
        if now >= reset_at:
            reset_at = (recent[0] if recent else now) + RATE_WINDOW_SECS
        remaining = 0 if now < self._blocked_until.get(client, 0.0) else RATE_LIMIT - len(recent)
        return _rate_headers(remaining, reset_at - now)


def rate_limited(request: web.Request) -> web.Response:
    """Return the 429 that a fault orders."""
    answer = _too_many_requests().answer(request.path)
    answer.headers.update(_rate_headers(0, request[RETRY_SECS]))
    return answer


def _rate_headers(remaining: int, reset_secs: float) -> dict[str, str]:
    return {
        "X-RateLimit-Limit-Default": str(RATE_LIMIT),
        "X-RateLimit-Remaining-Default": str(remaining),
        "X-RateLimit-Reset-Default": str(max(1, round(reset_secs))),
    }


def _too_many_requests() -> CalComError:
    text = "CustomThrottlerGuard - Too many requests. Please try again later."
    return CalComError(HTTPStatus.TOO_MANY_REQUESTS, text, code="ThrottlerException")
