"""The route that Cal.com delivers to: what is kept, what is refused, and what a delivery may look like."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy.exc import OperationalError

from agent.calcom_webhooks import LARGEST_BODY_BYTES, WEBHOOK_PATH, build_router
from appointments.listed_bookings import News

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from appointments.listed_bookings import Delivery

SECRET = "a secret of thirty-two characters"


class Desk:
    """Keeps what is delivered, or fails to."""

    def __init__(self) -> None:
        self.kept: list[Delivery] = []
        self.is_broken = False

    async def keep(self, delivery: Delivery) -> bool:
        if self.is_broken:
            raise OperationalError("insert", None, Exception("the disk is full"))
        is_new = delivery not in self.kept
        self.kept.append(delivery)
        return is_new


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
async def http(desk: Desk) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    app.include_router(build_router(SECRET, keep=desk.keep))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="https://phone.example.com") as client:
        yield client


def a_body(trigger: str = "BOOKING_CREATED", **more: Any) -> bytes:
    payload = {"uid": "bk_1", "title": "Zoë", **more}
    return json.dumps({"triggerEvent": trigger, "createdAt": "2026-12-01T14:00:00.000Z", "payload": payload}).encode()


def signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    return {"X-Cal-Signature-256": hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


async def deliver(http: httpx.AsyncClient, body: bytes, headers: dict[str, str] | None = None) -> int:
    answer = await http.post(WEBHOOK_PATH, content=body, headers=signed(body) if headers is None else headers)
    return answer.status_code


async def test_a_signed_delivery_is_kept(http: httpx.AsyncClient, desk: Desk) -> None:
    assert await deliver(http, a_body()) == 200

    (delivery,) = desk.kept
    assert (delivery.news, delivery.booking_uid) == (News.CHANGED, "bk_1")


async def test_the_same_delivery_again_is_answered_alike(http: httpx.AsyncClient, desk: Desk) -> None:
    assert [await deliver(http, a_body()), await deliver(http, a_body())] == [200, 200]

    assert desk.kept[0] == desk.kept[1]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Cal-Signature-256": ""},
        {"X-Cal-Signature-256": "no-secret-provided"},
        {"X-Cal-Signature-256": "0" * 64},
        signed(a_body(), "another secret, just as long"),
        signed(a_body("BOOKING_CANCELLED")),
    ],
)
async def test_what_is_not_signed_is_refused(http: httpx.AsyncClient, desk: Desk, headers: dict[str, str]) -> None:
    assert await deliver(http, a_body(), headers) == 403
    assert desk.kept == []


async def test_a_body_that_was_changed_on_the_way_is_refused(http: httpx.AsyncClient, desk: Desk) -> None:
    assert await deliver(http, a_body().replace(b"bk_1", b"bk_2"), signed(a_body())) == 403
    assert await deliver(http, a_body()[:-5], signed(a_body())) == 403
    assert desk.kept == []


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"\xff", b"a=1", a_body(uid=7), b"[" * 50_000])
async def test_what_is_signed_and_malformed_is_told_so(http: httpx.AsyncClient, desk: Desk, body: bytes) -> None:
    assert await deliver(http, body) == 400
    assert desk.kept == []


async def test_an_enormous_body_is_refused(http: httpx.AsyncClient, desk: Desk) -> None:
    assert await deliver(http, a_body(notes="x" * LARGEST_BODY_BYTES)) == 413
    assert desk.kept == []


async def test_other_triggers_are_answered_and_ignored(http: httpx.AsyncClient, desk: Desk) -> None:
    assert await deliver(http, a_body("RECORDING_READY")) == 200
    assert await deliver(http, a_body("PING")) == 200
    assert desk.kept == []


async def test_a_record_that_cannot_be_written_is_said_so(http: httpx.AsyncClient, desk: Desk) -> None:
    desk.is_broken = True

    assert await deliver(http, a_body()) == 503
