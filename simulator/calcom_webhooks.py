"""Cal.com's webhooks: who subscribed to what, over the API or by hand, and what they are sent."""

from __future__ import annotations

import hashlib
import hmac
import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlsplit
from uuid import uuid4

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from simulator.calcom_deliveries import LOOPBACK, Deliveries, Delivery, DeliveryOrder
from simulator.calcom_payloads import TRIGGERS, Trigger
from simulator.calcom_people import OWNER
from simulator.calcom_wire import (
    Body,
    CalComError,
    NoQuery,
    PageQuery,
    bad_request,
    read_body,
    read_query,
    success,
    wrong_properties,
)
from simulator.world import read_order

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Mapping, Sequence

VERSION: Final = "2021-10-20"
UNSIGNED = "no-secret-provided"
"""What the signature says where there is no secret to sign with."""


class CreateWebhook(Body):
    """The body of ``POST /v2/webhooks``; templates of the payload are not played."""

    subscriber_url: str
    triggers: list[Trigger]
    active: bool
    secret: str | None = None
    payload_template: Literal[""] | None = None
    version: Literal["2021-10-20"] = VERSION


class UpdateWebhook(Body):
    """The body of ``PATCH /v2/webhooks/{id}``: what it leaves out stays."""

    subscriber_url: str | None = None
    triggers: list[Trigger] | None = None
    active: bool | None = None
    secret: str | None = None
    payload_template: Literal[""] | None = None
    version: Literal["2021-10-20"] = VERSION


class WebhookOrder(BaseModel):
    """The body of ``POST /control/webhooks``: the owner subscribes somebody by hand."""

    model_config = ConfigDict(extra="forbid")

    url: str = Field(alias="subscriberUrl")
    triggers: list[Trigger] = list(TRIGGERS)
    active: bool = True
    secret: str | None = None


class Webhook(BaseModel):
    """A subscription."""

    url: str
    triggers: list[Trigger]
    active: bool = True
    secret: str | None = None
    id: str = Field(default_factory=lambda: str(uuid4()))

    @property
    def told(self) -> dict[str, object]:
        """How the API tells of it. Its ids are texts, though the published description says numbers."""
        return {
            "id": self.id,
            "userId": OWNER.id,
            "subscriberUrl": self.url,
            "triggers": self.triggers,
            "active": self.active,
            "payloadTemplate": None,
            "secret": self.secret,
        }

    def delivery(self, trigger: Trigger, uid: str, told: Mapping[str, object]) -> Delivery:
        """Return what is sent to the subscriber, signed."""
        body = json.dumps(told, separators=(",", ":"), ensure_ascii=False).encode()
        signature = hmac.new(self.secret.encode(), body, hashlib.sha256).hexdigest() if self.secret else UNSIGNED
        headers = {
            "Content-Type": "application/json",
            "X-Cal-Signature-256": signature,
            "X-Cal-Webhook-Version": VERSION,
        }
        return Delivery(trigger, uid, self.url, body, headers)


class Webhooks:
    """The handlers of the API's webhooks, and the subscriptions they keep."""

    def __init__(self) -> None:
        self._deliveries = Deliveries()
        self.reset()

    def routes(self) -> list[web.RouteDef]:
        path = "/v2/webhooks"
        return [
            web.post(path, self.create),
            web.get(path, self.list),
            web.get(path + "/{id}", self.get),
            web.patch(path + "/{id}", self.change),
            web.delete(path + "/{id}", self.delete),
            web.post("/control/webhooks", self.subscribe),
            web.post("/control/deliveries", self.order_deliveries),
            web.post("/control/deliveries/flush", self.flush),
            web.get("/control/deliveries", self.deliveries),
        ]

    def reset(self) -> None:
        """Forget all subscriptions and what was sent."""
        self._webhooks: list[Webhook] = []
        self._deliveries.reset()

    async def running(self, _app: web.Application) -> AsyncIterator[None]:
        """Own the deliveries for as long as the application runs."""
        yield
        await self._deliveries.aclose()

    def announce(self, trigger: Trigger, uid: str, told: Mapping[str, object]) -> Sequence[asyncio.Task[None]]:
        """Send `told` to everybody who subscribed to `trigger`; return what to wait for where that matters."""
        subscribed = [each for each in self._webhooks if each.active and trigger in each.triggers]
        return [task for each in subscribed for task in self._deliveries.post(each.delivery(trigger, uid, told))]

    @property
    def summary(self) -> dict[str, object]:
        """What the control endpoints tell of subscriptions and deliveries."""
        return {"webhooks": [each.told for each in self._webhooks], "deliveries": self._deliveries.sent}

    async def create(self, request: web.Request) -> web.Response:
        order = await read_body(request, CreateWebhook, refusal=wrong_properties)
        _check_url(order.subscriber_url)
        if "DELEGATION_CREDENTIAL_ERROR" in order.triggers:
            raise bad_request("DELEGATION_CREDENTIAL_ERROR trigger is only available for organization webhooks")
        if any(each.url == order.subscriber_url for each in self._webhooks):
            text = "Webhook with this subscriber url already exists for this user"
            raise CalComError(HTTPStatus.CONFLICT, text, code="ConflictException")
        webhook = Webhook(
            url=order.subscriber_url, triggers=order.triggers, active=order.active, secret=order.secret or None
        )
        self._webhooks.append(webhook)
        return success(webhook.told, status=HTTPStatus.CREATED)

    async def list(self, request: web.Request) -> web.Response:
        query = read_query(request, PageQuery)
        return success([each.told for each in self._webhooks[query.skip : query.skip + query.take]])

    async def get(self, request: web.Request) -> web.Response:
        read_query(request, NoQuery)
        return success(self._named(request).told)

    async def change(self, request: web.Request) -> web.Response:
        order = await read_body(request, UpdateWebhook, refusal=wrong_properties)
        webhook = self._named(request)
        if order.subscriber_url not in (None, webhook.url):
            _check_url(order.subscriber_url)
        changes = {"url": order.subscriber_url, "triggers": order.triggers, "active": order.active}
        if "secret" in order.model_fields_set:
            webhook.secret = order.secret or None
        for name, value in changes.items():
            if value is not None:
                setattr(webhook, name, value)
        return success(webhook.told)

    async def delete(self, request: web.Request) -> web.Response:
        webhook = self._named(request)
        self._webhooks.remove(webhook)
        return success(webhook.told)

    async def subscribe(self, request: web.Request) -> web.Response:
        order = await read_order(request, WebhookOrder)
        webhook = Webhook(**order.model_dump())
        self._webhooks.append(webhook)
        return web.json_response({"id": webhook.id})

    async def order_deliveries(self, request: web.Request) -> web.Response:
        self._deliveries.order(await read_order(request, DeliveryOrder))
        return web.json_response({})

    async def flush(self, _request: web.Request) -> web.Response:
        self._deliveries.flush()
        return web.json_response({})

    async def deliveries(self, _request: web.Request) -> web.Response:
        told = {"pending": self._deliveries.pending, "held": self._deliveries.held, "sent": self._deliveries.sent}
        return web.json_response(told)

    def _named(self, request: web.Request) -> Webhook:
        """Return the webhook that the path names, or answer 404."""
        webhook_id = request.match_info["id"]
        for webhook in self._webhooks:
            if webhook.id == webhook_id:
                return webhook
        raise CalComError(HTTPStatus.NOT_FOUND, f"Webhook ({webhook_id}) not found")


def _check_url(url: str | None) -> None:
    """Answer 400 unless webhooks may go there: with https, or, as to a Cal.com of one's own, to loopback."""
    parts = urlsplit(url or "")
    if not parts.hostname or parts.scheme not in ("http", "https"):
        raise bad_request("Webhook URL is not allowed: Invalid URL format")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise bad_request("Webhook URL is not allowed: Only HTTPS URLs are allowed")
