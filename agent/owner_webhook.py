"""Posts the owner's notices to a program of theirs, signed, so that it can tell them from forged ones."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from typing import TYPE_CHECKING

import httpx

from appointments.errors import MessageDeferred, MessageRefused, MessageUnclear

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from appointments.store.records import OutboxRow

SIGNATURE_HEADER = "X-Slotline-Signature"
"""``sha256=`` and the HMAC-SHA256 of the body as it is sent, in hex."""
DELIVERY_HEADER = "X-Slotline-Delivery"
"""The same for every try of one notice: who has seen it ignores the others."""
TIMEOUT_SECS = 10.0
CONNECT_SECS = 3.0
LONGEST_ADVICE_SECS = 300.0
_LATER = (httpx.codes.REQUEST_TIMEOUT, httpx.codes.TOO_EARLY, httpx.codes.TOO_MANY_REQUESTS)
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


class OwnerWebhook:
    """Sends what the outbox has for the channel `webhook`."""

    def __init__(self, secret: str, *, timeout_secs: float = TIMEOUT_SECS) -> None:
        """Sign with `secret`; `timeout_secs` holds for a whole answer."""
        self._secret = secret.encode()
        self._timeout_secs = timeout_secs
        self._http = httpx.AsyncClient(
            timeout=httpx.Timeout(timeout_secs, connect=min(CONNECT_SECS, timeout_secs)),
            follow_redirects=False,
            trust_env=False,  # a proxy or a netrc in the environment must not redirect or re-authenticate us
        )

    async def send(self, row: OutboxRow) -> str:
        """Post one notice and return "": a program gives it no name of its own.

        Raises:
            MessageRefused: it is not taken, and would not be the next time.
            MessageDeferred: it was not taken; try again later.
            MessageUnclear: it may have been taken. Posting it again is safe.
        """
        body = row.body.encode()
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            SIGNATURE_HEADER: f"sha256={signature(self._secret, body)}",
            DELIVERY_HEADER: row.outbox_id,
        }
        try:
            # httpx counts from byte to byte; a server that drips would hold us for ever.
            async with asyncio.timeout(self._timeout_secs):
                answer = await self._http.post(row.to, content=body, headers=headers)
        except _NOT_SENT as error:
            raise MessageDeferred(f"no connection to the owner's webhook: {type(error).__name__}") from error
        except (httpx.RequestError, TimeoutError) as error:
            raise MessageUnclear(f"no answer of the owner's webhook: {type(error).__name__}") from error
        if answer.is_success:
            return ""
        if answer.is_server_error or answer.status_code in _LATER:
            raise MessageDeferred(
                f"the owner's webhook answered {answer.status_code}", retry_after_secs=_retry_after(answer)
            )
        raise MessageRefused(f"the owner's webhook answered {answer.status_code}", code=answer.status_code)

    async def find(self, row: OutboxRow, *, since: datetime, other_than: Collection[str]) -> str | None:
        """Return None: a program cannot be asked, and knows a notice that it has seen by its name."""
        return None

    async def aclose(self) -> None:
        await self._http.aclose()


def signature(secret: bytes, body: bytes) -> str:
    """Return what proves that `body` comes from who knows `secret`."""
    return hmac.new(secret, body, hashlib.sha256).hexdigest()


def _retry_after(answer: httpx.Response) -> float:
    try:
        return min(max(1.0, float(answer.headers.get("retry-after", ""))), LONGEST_ADVICE_SECS)
    except ValueError:
        return 5.0
