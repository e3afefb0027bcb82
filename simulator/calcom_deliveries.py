"""How Cal.com's webhooks are brought: once and at once, or lost, repeated and out of order as a scenario has it."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

import aiohttp
from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from collections.abc import Sequence

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_TIMEOUT = aiohttp.ClientTimeout(total=5)


class DeliveryOrder(BaseModel):
    """The body of ``POST /control/deliveries``: how deliveries go wrong from now on.

    `lost` and `repeated` are parts of all. With a `window` so many are kept back, and whenever another comes, one of
    them goes out; which one, the seed decides.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = 0
    lost: float = Field(default=0, ge=0, le=1)
    repeated: float = Field(default=0, ge=0, le=1)
    window: int = Field(default=0, ge=0)


@dataclass(slots=True)
class Delivery:
    """One webhook to one subscriber, and what became of it."""

    trigger: str
    uid: str
    url: str
    body: bytes
    headers: dict[str, str]
    status: int = 0
    outcome: Literal["pending", "delivered", "refused", "failed", "lost", "not sent"] = "pending"

    @property
    def summary(self) -> dict[str, object]:
        return {
            "trigger": self.trigger,
            "uid": self.uid,
            "url": self.url,
            "status": self.status,
            "outcome": self.outcome,
        }


class Deliveries:
    """Brings webhooks in the background, each once: nothing is tried again. Nothing leaves loopback."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self.reset()

    def reset(self) -> None:
        """Forget what was brought and what is kept back; all goes well from now on."""
        self._sent: list[Delivery] = []
        self._held: list[Delivery] = []
        self.order(DeliveryOrder())

    def order(self, order: DeliveryOrder) -> None:
        """Let deliveries go wrong in this way."""
        self._order = order
        self._chance = random.Random(order.seed)  # noqa: S311 -- chooses what goes wrong, and must do so again

    @property
    def pending(self) -> int:
        """How many are on their way."""
        return len(self._tasks)

    @property
    def held(self) -> int:
        """How many are kept back."""
        return len(self._held)

    @property
    def sent(self) -> list[dict[str, object]]:
        """What was sent, or lost, in this order."""
        return [delivery.summary for delivery in self._sent]

    def post(self, delivery: Delivery) -> Sequence[asyncio.Task[None]]:
        """Bring `delivery`, unless it is lost or kept back; return what to wait for where its end matters."""
        if self._chance.random() < self._order.lost:
            delivery.outcome = "lost"
            self._sent.append(delivery)
            return ()
        self._held += [delivery] * (2 if self._chance.random() < self._order.repeated else 1)
        tasks = []
        while len(self._held) > self._order.window:
            tasks.append(self._bring(self._held.pop(self._chance.randrange(len(self._held)))))
        return tasks

    def flush(self) -> None:
        """Bring what is kept back, in any order."""
        self._chance.shuffle(self._held)
        while self._held:
            self._bring(self._held.pop())

    async def aclose(self) -> None:
        """Stop all deliveries."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _bring(self, delivery: Delivery) -> asyncio.Task[None]:
        task = asyncio.create_task(self._send(delivery))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._sent.append(delivery)
        return task

    async def _send(self, delivery: Delivery) -> None:
        if urlsplit(delivery.url).hostname not in LOOPBACK:
            delivery.outcome = "not sent"
            return
        # One at a time to each subscriber: without an order to mix them up, they come in the order of what happened.
        async with self._turns[delivery.url]:
            try:
                async with (
                    aiohttp.ClientSession(timeout=_TIMEOUT) as http,
                    http.post(
                        delivery.url, data=delivery.body, headers=delivery.headers, allow_redirects=False
                    ) as answer,
                ):
                    delivery.status = answer.status
                    delivery.outcome = "delivered" if answer.status < HTTPStatus.MULTIPLE_CHOICES else "refused"
            except (aiohttp.ClientError, TimeoutError):
                delivery.outcome = "failed"
