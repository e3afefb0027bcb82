"""Twilio's REST API through Twilio's package, on a transport of ours that has deadlines and repeats no POST."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import httpx
from twilio.http import AsyncHttpClient  # type: ignore[import-untyped]  # the package ships no types
from twilio.http.response import Response  # type: ignore[import-untyped]
from twilio.rest import Client  # type: ignore[import-untyped]

from telephony.errors import TwilioRefused, TwilioThrottled, TwilioUnclear, TwilioUnreachable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

_NEVER_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_DEFAULT_RETRY_SECS: Final = 2.0


class TwilioRest:
    """A client of one account. Its methods' errors are ours, translated where the answer arrives."""

    def __init__(self, *, account_sid: str, username: str, password: str, base_url: str, timeout: timedelta) -> None:
        """Use `base_url` (https://api.twilio.com) for every request; `timeout` holds for a whole request."""
        self._http = _Http(base_url, timeout)
        self.client = Client(
            username,
            password,
            account_sid=account_sid,
            http_client=self._http,
            environment={"TWILIO_REGION": ""},  # an empty mapping would make it read the real environment
        )

    async def check(self) -> None:
        """Make sure that Twilio takes our credentials.

        Raises:
            TwilioRefused: it does not; `status` is 401 or 403.
        """
        await self.client.messages.list_async(limit=1)

    async def aclose(self) -> None:
        await self._http.aclose()


class _Http(AsyncHttpClient):  # type: ignore[misc]  # untyped base
    """Carries the package's requests over httpx."""

    def __init__(self, base_url: str, timeout: timedelta) -> None:
        super().__init__(logging.getLogger(__name__), True)
        self._timeout_secs = timeout.total_seconds()
        self._client = httpx.AsyncClient(
            base_url=base_url,
            timeout=self._timeout_secs,
            trust_env=False,  # a proxy or a netrc in the environment must not redirect or re-authenticate us
            follow_redirects=False,
        )

    async def request(
        self,
        method: str,
        url: str,
        params: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 -- the package's signature; ours is set once
        allow_redirects: bool = False,
    ) -> Response:
        request = self._client.build_request(
            method, _path(url), params=dict(params or {}) or None, data=dict(data or {}) or None, headers=headers
        )
        response = await self._send(request, httpx.BasicAuth(*auth) if auth else None)
        _check(response)
        return Response(response.status_code, response.text, response.headers)

    async def _send(self, request: httpx.Request, auth: httpx.BasicAuth | None) -> httpx.Response:
        try:
            # httpx counts from byte to byte; a server that drips would hold us for ever.
            async with asyncio.timeout(self._timeout_secs):
                try:
                    return await self._client.send(request, auth=auth)
                except _NEVER_SENT:
                    return await self._client.send(request, auth=auth)
        except _NEVER_SENT as error:
            message = f"no connection to {request.url.host}: {type(error).__name__}"
            raise TwilioUnreachable(message, retry_after_secs=_DEFAULT_RETRY_SECS) from error
        except (httpx.RequestError, TimeoutError) as error:
            raise TwilioUnclear(f"no answer to a {request.method}: {type(error).__name__}") from error

    async def aclose(self) -> None:
        await self._client.aclose()


def _path(url: str) -> str:
    """Return `url` without its host: whatever host the package has in mind, the request goes to our base URL."""
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def _check(response: httpx.Response) -> None:
    status = response.status_code
    if status == httpx.codes.TOO_MANY_REQUESTS:
        raise TwilioThrottled("too many requests (429)", retry_after_secs=_retry_after(response))
    if status >= httpx.codes.INTERNAL_SERVER_ERROR:
        raise TwilioUnclear(f"Twilio answered {status}")
    payload = _payload(response)
    if response.is_success:
        if payload is None:
            raise TwilioUnclear(f"Twilio answered {status} with something that is not JSON")
        return
    answer = payload or {}
    code = answer.get("code")
    raise TwilioRefused(
        code if isinstance(code, int) else status, str(answer.get("message", "no reason given")), status=status
    )


def _payload(response: httpx.Response) -> dict[str, Any] | None:
    try:
        payload = json.loads(response.text)
    except ValueError:
        return None
    return payload if isinstance(payload, dict) else None


def _retry_after(response: httpx.Response) -> float:
    try:
        return max(0.0, float(response.headers.get("retry-after", "")))
    except ValueError:
        return _DEFAULT_RETRY_SECS
