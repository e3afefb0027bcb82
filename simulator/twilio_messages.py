"""The texts the stand-in Twilio has taken, and their way through its statuses with signed callbacks."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import aiohttp

from simulator.twilio_webhooks import post_signed
from simulator.twilio_wire import API, rfc2822

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulator.twilio_wire import ListMessages

DELIVERY = ("sent", "delivered")
NO_DELIVERY = ("sent", "undelivered")
NOBODY: Mapping[str, int] = {}
_STEP_SECS = 0.05
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
    error_code: int | None = None
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
            "error_code": self.error_code,
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

    def reset(self, worker_url: str | None, undeliverable: Mapping[str, int] = NOBODY) -> None:
        """Forget all texts; report from now on to `worker_url`, None to nobody.

        Args:
            undeliverable: The numbers that no text reaches, with the error that their carrier reports.
        """
        self._worker_url = worker_url
        self._undeliverable = undeliverable
        self.messages: list[Message] = []
        self.callbacks: list[dict[str, object]] = []

    def take(self, message: Message) -> None:
        """Accept `message` and deliver it in the background."""
        self.messages.append(message)
        task = asyncio.create_task(self._deliver(message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @property
    def under_way(self) -> int:
        """How many texts are still being delivered or reported on."""
        return len(self._tasks)

    def is_of_worker(self, url: str) -> bool:
        """Whether `url` is the worker's: we call no other."""
        return self._worker_url is not None and url.startswith(self._worker_url.rstrip("/") + "/")

    async def aclose(self) -> None:
        """Stop all deliveries."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def find(self, query: ListMessages) -> list[Message]:
        """Return the texts that fit `query`, newest first."""
        return [message for message in reversed(self.messages) if _matches(message, query)]

    async def _deliver(self, message: Message) -> None:
        error_code = self._undeliverable.get(message.to)
        for status in NO_DELIVERY if error_code else DELIVERY:
            await asyncio.sleep(_STEP_SECS)
            message.status = status
            message.error_code = error_code if status == "undelivered" else None
            message.date_sent = message.date_sent or datetime.now(UTC)
            if message.callback:
                await self._report(message, message.callback)

    async def _report(self, message: Message, url: str) -> None:
        report: dict[str, object] = {"sid": message.sid, "status": message.status, "answered": None}
        self.callbacks.append(report)
        if not self.is_of_worker(url):
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
        code = str(message.error_code) if message.error_code else None
        given = {"From": message.from_, "MessagingServiceSid": message.messaging_service_sid, "ErrorCode": code}
        form |= {name: value for name, value in given.items() if value}
        try:
            report["answered"], _ = await post_signed(self._auth_token, url, form)
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
