"""Asks a worker through its public address, as Twilio would, in ways that begin no call and store nothing."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import httpx
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]  # the package ships no types
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus, WebSocketException

from telephony.urls import STATUS_PATH, PublicUrls

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

SIGNATURE_HEADER: Final = "X-Twilio-Signature"
STRANGE_CALL_SID: Final = "CA" + "0" * 32
"""A call that nobody knows; a worker notes its status in the log and nowhere else."""

_STATUS_OF_NO_CALL: Final = {"CallSid": STRANGE_CALL_SID, "CallStatus": "queued"}
_REFUSAL: Final = {"detail": "not signed by Twilio"}
_CLOSE_SECS: Final = 1.0
_TLS_REASONS: Final = dict.fromkeys(("WRONG_VERSION_NUMBER", "HTTP_REQUEST"), "what listens there speaks no TLS")


class Trouble(StrEnum):
    """Why there is no answer."""

    NO_ADDRESS = "no_address"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    TLS = "tls"
    BROKEN_OFF = "broken_off"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: a `status`, 101 for an open socket, or else a `trouble` and its `reason`.

    `is_ours` claims that a worker of ours answered, as far as the answer tells.
    `location` is where a redirect leads, without its query. The `reason` of an answer is a tunnel's own code, if any.
    """

    status: int = 0
    is_ours: bool = False
    location: str = ""
    trouble: Trouble | None = None
    reason: str = ""


class WorkerProbe:
    """Requests to one worker, each with a deadline."""

    def __init__(self, public_base_url: str, *, secret: str, timeout_secs: float) -> None:
        """Sign with `secret`, the auth token."""
        self._urls = PublicUrls(public_base_url)
        self._validator = RequestValidator(secret)
        self._timeout_secs = timeout_secs
        self._tls = httpx.create_ssl_context(trust_env=False)
        self._http = httpx.AsyncClient(
            timeout=timeout_secs,
            verify=self._tls,
            trust_env=False,  # a proxy of this machine is not on Twilio's way
            follow_redirects=False,  # neither does Twilio with a signed request
        )

    async def aclose(self) -> None:
        await self._http.aclose()

    async def health(self) -> Answer:
        """Ask whether the worker runs."""
        return await self._ask("GET", "/healthz", ours={"status": "ok"})

    async def readiness(self) -> Answer:
        """Ask whether the worker takes calls; 503 while it does not."""
        return await self._ask("GET", "/readyz", ours={"status": "ready"})

    async def signed(self) -> Answer:
        """Report the status of a call that nobody knows, signed as Twilio signs."""
        url = self._urls.webhook(STATUS_PATH)
        signature = self._validator.compute_signature(url, _STATUS_OF_NO_CALL)
        answer = await self._ask("POST", STATUS_PATH, headers={SIGNATURE_HEADER: signature}, ours=_REFUSAL)
        return Answer(answer.status, is_ours=True) if answer.status == httpx.codes.NO_CONTENT else answer

    async def unsigned(self) -> Answer:
        """Report the same without a signature."""
        return await self._ask("POST", STATUS_PATH, ours=_REFUSAL)

    async def media(self) -> Answer:
        """Open the media socket, signed as Twilio signs, and close it again."""
        url = self._urls.media
        headers = {SIGNATURE_HEADER: self._validator.compute_signature(url, {})}
        tls = self._tls if url.startswith("wss://") else None
        try:
            async with (
                asyncio.timeout(self._timeout_secs),
                connect(
                    url, additional_headers=headers, ssl=tls, proxy=None, open_timeout=None, close_timeout=_CLOSE_SECS
                ),
            ):
                return Answer(httpx.codes.SWITCHING_PROTOCOLS, is_ours=True)
        except InvalidStatus as refusal:
            return Answer(refusal.response.status_code)
        except (OSError, WebSocketException) as error:  # OSError is also TimeoutError and what TLS raises
            return _no_answer(error)

    async def _ask(
        self, method: str, path: str, *, ours: Mapping[str, str], headers: Mapping[str, str] | None = None
    ) -> Answer:
        form = _STATUS_OF_NO_CALL if method == "POST" else None
        try:
            async with asyncio.timeout(self._timeout_secs):
                response = await self._http.request(method, self._urls.webhook(path), data=form, headers=headers)
        except (httpx.RequestError, TimeoutError) as error:
            return _no_answer(error)
        return Answer(
            response.status_code,
            is_ours=_body(response) == ours,
            location=_location(response),
            reason=response.headers.get("ngrok-error-code", ""),
        )


def _body(response: httpx.Response) -> object:
    try:
        return response.json()
    except ValueError:
        return None


def _location(response: httpx.Response) -> str:
    return response.headers.get("location", "").partition("?")[0] if response.has_redirect_location else ""


def _no_answer(error: BaseException) -> Answer:
    """Tell why there is no answer: what matters lies below what the libraries raise."""
    for cause in _causes(error):
        match cause:
            case ssl.SSLCertVerificationError():
                return Answer(trouble=Trouble.TLS, reason=cause.verify_message.rstrip("."))
            case ssl.SSLError():
                return Answer(trouble=Trouble.TLS, reason=_TLS_REASONS.get(cause.reason, "the handshake failed"))
            case socket.gaierror():
                return Answer(trouble=Trouble.NO_ADDRESS)
            case ConnectionRefusedError():
                return Answer(trouble=Trouble.REFUSED)
            case TimeoutError() | httpx.TimeoutException():
                return Answer(trouble=Trouble.TIMEOUT)
            case OSError(errno=errno.ENETUNREACH | errno.EHOSTUNREACH as number):
                return Answer(trouble=Trouble.BROKEN_OFF, reason=os.strerror(number).lower())
    return Answer(trouble=Trouble.BROKEN_OFF, reason=type(error).__name__)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield `error` and all that led to it, the innermost first."""
    if error is None:
        return
    yield from _causes(error.__cause__ or error.__context__)
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _causes(inner)
    yield error
