"""An HTTP client for calendar services: deadlines, careful repeats, and status codes turned into our errors."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import httpx

from appointments.errors import CalendarRejected, CalendarUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

READ_REPEATS_SECS = (0.25, 0.5)
"""Pauses before a read is repeated. Writes are never repeated here."""

NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
"""Failures after which the service certainly saw nothing."""


@dataclass(frozen=True, slots=True)
class Refusal(Exception):
    """A 4xx answer whose meaning the caller of the client decides by its text."""

    status: int
    text: str


class ServiceClient:
    """Talks JSON to one calendar service with one key.

    Args:
        name: What messages call the service.
        key_help: Where a person gets a new key; ends the message of a 401 or 403.
        timeout_secs: For a whole answer; connecting gets at most 3 s of it.
    """

    def __init__(
        self, base_url: str, *, api_key: str, name: str, key_help: str, timeout_secs: float, max_connections: int = 20
    ) -> None:
        self.timeout_secs = timeout_secs
        self._name = name
        self._key_help = key_help
        self._http = httpx.AsyncClient(
            base_url=base_url,
            headers={"Authorization": f"Bearer {api_key}"},
            timeout=httpx.Timeout(timeout_secs, connect=min(3.0, timeout_secs)),
            limits=httpx.Limits(max_connections=max_connections, keepalive_expiry=300),
            follow_redirects=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._http.aclose()

    async def get(self, path: str, *, params: Mapping[str, str], headers: Mapping[str, str]) -> Any:
        """Read `path`, repeating twice when the service stumbles.

        Raises:
            CalendarUnavailable: no useful answer after the repeats.
            CalendarRejected: the key is refused.
            Refusal: any other 4xx.
        """
        for pause_secs in READ_REPEATS_SECS:
            with contextlib.suppress(CalendarUnavailable):
                return await self._send("GET", path, params=params, headers=headers)
            await asyncio.sleep(pause_secs)
        return await self._send("GET", path, params=params, headers=headers)

    async def post(self, path: str, *, body: Mapping[str, Any], headers: Mapping[str, str]) -> Any:
        """Write once. A `CalendarUnavailable` with `is_unclear` means that the work may have been done."""
        return await self._send("POST", path, json=body, headers=headers)

    async def _send(self, method: str, path: str, **request: Any) -> Any:
        try:
            response = await self._http.request(method, path, **request)
        except NOT_SENT as error:
            raise CalendarUnavailable(f"{self._name} cannot be reached: {type(error).__name__}") from error
        except httpx.TransportError as error:
            raise CalendarUnavailable(
                f"{self._name} did not answer {method} {path}: {type(error).__name__}", is_unclear=True
            ) from error
        if response.is_success:
            return self._decode(response)
        raise self._refusal(response)

    def _decode(self, response: httpx.Response) -> Any:
        try:
            return response.json()
        except ValueError as error:
            raise CalendarUnavailable(f"{self._name} answered something that is not JSON", is_unclear=True) from error

    def _refusal(self, response: httpx.Response) -> Exception:
        status = response.status_code
        if status >= 500 or status == 408:
            return CalendarUnavailable(f"{self._name} failed with {status}", is_unclear=True)
        if status == 429:
            return CalendarUnavailable(f"{self._name} limits the rate of requests (429)")
        if status in (401, 403):
            return CalendarRejected(f"{self._name} refused the key ({status}). {self._key_help}")
        return Refusal(status, error_text(response))


def error_text(response: httpx.Response) -> str:
    """Return the message of either error envelope, `{"error": {"message"}}` or `{"message"}`, else ""."""
    try:
        body = response.json()
    except ValueError:
        return ""
    if not isinstance(body, dict):
        return ""
    error = body.get("error")
    if isinstance(error, dict):
        return str(error.get("message", ""))
    return str(body.get("message", ""))
