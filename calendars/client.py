"""An HTTP client for calendar services: deadlines, careful repeats, and status codes turned into our errors."""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING, Any

import httpx

from appointments.errors import CalendarRejected, CalendarUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

READ_PAUSES_SECS = (0.25, 0.5)
"""Pauses before a read is repeated. Writes are never repeated here."""

LONGEST_PAUSE_SECS = 2.0
"""A service that wants to be left alone for longer than this is not asked again: somebody is on the line."""

CONNECT_SECS = 3.0
MAX_CONNECTIONS = 20

NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
"""Failures after which the service certainly saw nothing."""

KEY_REFUSED = (401, 498)
"""498 is Cal.com's own, for a token that has expired. A 403 may mean many things; its text says which."""


class Refusal(Exception):
    """A 3xx or 4xx answer whose meaning the caller of the client decides by its text.

    `text` is the service's own and may repeat what was sent: neither log nor show it as it is.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"refused with {status}")
        self.status = status
        self.text = text


class RateLimited(CalendarUnavailable):
    """Too many requests (429); nothing was done. `reset_secs` is how long the service wants to be left alone."""

    def __init__(self, message: str, *, reset_secs: float) -> None:
        super().__init__(message)
        self.reset_secs = reset_secs


class ServiceClient:
    """Talks JSON to one calendar service with one key.

    Args:
        name: What messages call the service.
        key_help: Where a person gets a new key; ends the message of a refused key.
        timeout_secs: For a whole answer, a read's repeats included; connecting gets at most 3 s of it.
        pauses_secs: Before each repeat of a read.
    """

    def __init__(
        self,
        base_url: str,
        *,
        api_key: str,
        name: str,
        key_help: str,
        timeout_secs: float,
        pauses_secs: Sequence[float] = READ_PAUSES_SECS,
    ) -> None:
        self._timeout_secs = timeout_secs
        self._pauses_secs = pauses_secs
        self._name = name
        self._key_help = key_help
        connect_secs = min(CONNECT_SECS, timeout_secs)
        self._http = httpx.AsyncClient(
            base_url=base_url,
            headers={"Authorization": f"Bearer {api_key}"},
            timeout=httpx.Timeout(timeout_secs, connect=connect_secs, pool=connect_secs),
            limits=httpx.Limits(max_connections=MAX_CONNECTIONS, keepalive_expiry=300),
            follow_redirects=False,
            trust_env=False,  # a proxy or a netrc in the environment must not redirect or re-authenticate us
        )

    async def aclose(self) -> None:
        await self._http.aclose()

    async def get(self, path: str, *, params: Mapping[str, str], headers: Mapping[str, str]) -> Any:
        """Read `path`, repeating it when the service stumbles.

        Raises:
            CalendarUnavailable: no useful answer, in spite of the repeats or within the timeout.
            CalendarRejected: the key is refused.
            Refusal: any other 3xx or 4xx.
        """
        try:
            async with asyncio.timeout(self._timeout_secs):
                for pause_secs in self._pauses_secs:
                    try:
                        return await self._send("GET", path, params=params, headers=headers)
                    except RateLimited as error:
                        if error.reset_secs > LONGEST_PAUSE_SECS:
                            raise
                        await asyncio.sleep(max(pause_secs, error.reset_secs))
                    except CalendarUnavailable:
                        await asyncio.sleep(pause_secs)
                return await self._send("GET", path, params=params, headers=headers)
        except TimeoutError:
            raise CalendarUnavailable(self._too_late("GET", path)) from None

    async def post(self, path: str, *, body: Mapping[str, Any], headers: Mapping[str, str]) -> Any:
        """Write once; raises as `get` does, with `is_unclear` when the work may have been done."""
        return await self._send_once("POST", path, json=body, headers=headers)

    async def patch(self, path: str, *, body: Mapping[str, Any], headers: Mapping[str, str]) -> Any:
        """Change once; raises as `post` does."""
        return await self._send_once("PATCH", path, json=body, headers=headers)

    async def delete(self, path: str, *, headers: Mapping[str, str]) -> Any:
        """Delete once; raises as `post` does."""
        return await self._send_once("DELETE", path, headers=headers)

    async def _send_once(self, method: str, path: str, **request: Any) -> Any:
        try:
            async with asyncio.timeout(self._timeout_secs):
                return await self._send(method, path, **request)
        except TimeoutError:
            raise CalendarUnavailable(self._too_late(method, path), is_unclear=True) from None

    async def _send(self, method: str, path: str, **request: Any) -> Any:
        is_write = method != "GET"
        try:
            response = await self._http.request(method, path, **request)
        except NOT_SENT as error:
            raise CalendarUnavailable(f"{self._name} cannot be reached: {type(error).__name__}") from error
        except httpx.RequestError as error:
            raise CalendarUnavailable(
                f"{self._name} did not answer {method} {path}: {type(error).__name__}", is_unclear=is_write
            ) from error
        if response.is_success:
            return self._decode(response, is_unclear=is_write)
        raise self._failure(response, is_unclear=is_write)

    def _decode(self, response: httpx.Response, *, is_unclear: bool) -> Any:
        try:
            return response.json()
        except ValueError:
            # `from None`: the cause holds the whole answer.
            message = f"{self._name} answered something that is not JSON"
            raise CalendarUnavailable(message, is_unclear=is_unclear) from None

    def _failure(self, response: httpx.Response, *, is_unclear: bool) -> Exception:
        status = response.status_code
        if status >= 500 or status == 408:
            return CalendarUnavailable(f"{self._name} failed with {status}", is_unclear=is_unclear)
        if status == 429:
            reset_secs = _reset_secs(response)
            return RateLimited(f"{self._name} limits the rate of requests (429)", reset_secs=reset_secs)
        if status in KEY_REFUSED:
            return CalendarRejected(f"{self._name} refused the key ({status}). {self._key_help}")
        return Refusal(status, error_text(response))

    def _too_late(self, method: str, path: str) -> str:
        return f"{self._name} did not answer {method} {path} within {self._timeout_secs:g} s"


def error_text(response: httpx.Response) -> str:
    """Return the message of either error envelope, `{"error": {"message"}}` or `{"message"}`, else ""."""
    try:
        body = response.json()
    except ValueError:
        return ""
    if not isinstance(body, dict):
        return ""
    error = body.get("error")
    if not isinstance(error, dict):
        return _joined(body.get("message"))
    # What is wrong with a body stands in a list beside a message that says only "Bad Request Exception".
    details = error.get("details")
    problems = _joined(details.get("errors")) if isinstance(details, dict) else ""
    return f"{_joined(error.get('message'))}: {problems}" if problems else _joined(error.get("message"))


def _joined(value: object) -> str:
    if isinstance(value, dict):
        # A problem with one property. The rest of it repeats the values that were sent.
        value = [value.get("property"), *_values(value.get("constraints"))]
    if isinstance(value, list):
        return "; ".join(filter(None, map(_joined, value)))
    return value if isinstance(value, str) else ""


def _values(value: object) -> list[object]:
    return list(value.values()) if isinstance(value, dict) else []


def _reset_secs(response: httpx.Response) -> float:
    """Return how long to wait after a 429, 0 when the answer does not say."""
    for name in ("Retry-After", "X-RateLimit-Reset-Default"):
        try:
            secs = float(response.headers.get(name, ""))
        except ValueError:
            continue
        # Cal.com's code sends seconds, its documentation promises a Unix time.
        secs = secs - time.time() if secs > 1e6 else secs
        if math.isfinite(secs):
            return max(0.0, secs)
    return 0.0
