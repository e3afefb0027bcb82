"""The texts the stand-in Twilio has taken, and their way through its statuses with signed callbacks."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import aiohttp

from simulator.signing import SIGNATURE_HEADER, sign
from simulator.twilio_wire import API, rfc2822

if TYPE_CHECKING:
    from simulator.twilio_wire import ListMessages

DELIVERY = ("sent", "delivered")
_STEP_SECS = 0.05
_CALLBACK_TIMEOUT = aiohttp.ClientTimeout(total=15)
_GSM_7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_7_DOUBLE = frozenset("^{}\\[~]|€")


@dataclass(slots=True)
class Message:
    """One text Twilio has accepted."""

    to: str
    from_: str | None
    messaging_service_sid: str | None
    body: str
    callback: str | None
    status: str = "queued"
    date_created: datetime = field(default_factory=lambda: datetime.now(UTC))
    date_sent: datetime | None = None
    sid: str = field(default_factory=lambda: "SM" + secrets.token_hex(16))

    @property
    def summary(self) -> dict[str, str | None]:
        """What the control endpoints tell about it."""
        return {"sid": self.sid, "to": self.to, "from": self.from_, "body": self.body, "status": self.status}

    def rendered(self, account_sid: str) -> dict[str, object]:
        """Return the message as the REST API shows it."""
        uri = f"/{API}/Accounts/{account_sid}/Messages/{self.sid}"
        return {
            "account_sid": account_sid,
            "api_version": API,
            "body": self.body,
            "date_created": rfc2822(self.date_created),
            "date_sent": rfc2822(self.date_sent),
            "date_updated": rfc2822(self.date_sent or self.date_created),
            "direction": "outbound-api",
            "error_code": None,
            "error_message": None,
            "from": self.from_,
            "messaging_service_sid": self.messaging_service_sid,
            "num_media": "0",
            "num_segments": str(segments(self.body)),
            "price": None,
            "price_unit": "USD",
            "sid": self.sid,
            "status": self.status,
            "subresource_uris": {"media": f"{uri}/Media.json"},
            "to": self.to,
            "uri": f"{uri}.json",
        }


class MessageQueue:
    """Takes texts and delivers them. Reports go to URLs of the worker alone: nothing leaves loopback."""

    def __init__(self, account_sid: str, auth_token: str) -> None:
        self._account_sid = account_sid
        self._auth_token = auth_token
        self._tasks: set[asyncio.Task[None]] = set()
        self.reset(None)

    def reset(self, worker_url: str | None) -> None:
        """Forget all texts; report from now on to `worker_url`, None to nobody."""
        self._worker_url = worker_url
        self.messages: list[Message] = []
        self.callbacks: list[dict[str, object]] = []

    def take(self, message: Message) -> None:
        """Accept `message` and deliver it in the background."""
        self.messages.append(message)
        task = asyncio.create_task(self._deliver(message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def aclose(self) -> None:
        """Stop all deliveries."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def find(self, query: ListMessages) -> list[Message]:
        """Return the texts that fit `query`, newest first."""
        return [message for message in reversed(self.messages) if _matches(message, query)]

    async def _deliver(self, message: Message) -> None:
        for status in DELIVERY:
            await asyncio.sleep(_STEP_SECS)
            message.status = status
            message.date_sent = message.date_sent or datetime.now(UTC)
            if message.callback:
                await self._report(message, message.callback)

    async def _report(self, message: Message, url: str) -> None:
        report: dict[str, object] = {"sid": message.sid, "status": message.status, "answered": None}
        self.callbacks.append(report)
        if self._worker_url is None or not url.startswith(self._worker_url.rstrip("/") + "/"):
            return
        form = {
            "AccountSid": self._account_sid,
            "ApiVersion": API,
            "MessageSid": message.sid,
            "MessageStatus": message.status,
            "SmsSid": message.sid,
            "SmsStatus": message.status,
            "To": message.to,
        }
        sender = {"From": message.from_, "MessagingServiceSid": message.messaging_service_sid}
        form |= {name: value for name, value in sender.items() if value}
        headers = {SIGNATURE_HEADER: sign(self._auth_token, url, form)}
        try:
            async with (
                aiohttp.ClientSession(timeout=_CALLBACK_TIMEOUT) as http,
                http.post(url, data=form, headers=headers, allow_redirects=False) as answer,
            ):
                report["answered"] = answer.status
        except (aiohttp.ClientError, TimeoutError) as error:
            report["problem"] = repr(error)


def segments(body: str) -> int:
    """Return how many texts `body` is billed as."""
    if set(body) <= _GSM_7 | _GSM_7_DOUBLE:
        size, single, several = len(body) + sum(letter in _GSM_7_DOUBLE for letter in body), 160, 153
    else:
        size, single, several = len(body.encode("utf-16-be")) // 2, 70, 67
    return 1 if size <= single else -(-size // several)


def _matches(message: Message, query: ListMessages) -> bool:
    sent = message.date_sent
    asks_date = query.date_sent or query.date_sent_before or query.date_sent_after
    if query.to not in (None, message.to) or query.from_ not in (None, message.from_):
        return False
    if asks_date is None:
        return True
    return (
        sent is not None
        and (query.date_sent is None or sent.date() == query.date_sent.date())
        and (query.date_sent_before is None or sent <= query.date_sent_before)
        and (query.date_sent_after is None or sent >= query.date_sent_after)
    )
