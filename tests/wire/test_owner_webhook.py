"""Notices reach the owner's program signed, and what it answers decides what becomes of them."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from agent.owner_webhook import DELIVERY_HEADER, SIGNATURE_HEADER, OwnerWebhook
from appointments.errors import MessageDeferred, MessageRefused, MessageUnclear
from appointments.model import CallSid, PhoneNumber
from appointments.store.records import AT_ONCE, CallerRequest, Channel, MessageKind, OutboxRow, RequestKind
from prompts.loader import REHEARSAL_BUSINESS
from simulator.world import run_app
from tests.worker import CALLER, open_house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

WITHIN_SECS = 10
SECRET = "a secret of the owner's"
NOW = datetime(2026, 12, 1, 14, tzinfo=UTC)


@dataclass
class OwnersProgram:
    """Takes notices, and answers as told."""

    url: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    hangs: bool = False
    bodies: list[bytes] = field(default_factory=list)
    received: list[dict[str, str]] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.read())
        self.received.append(dict(request.headers))
        if self.hangs:
            await asyncio.Event().wait()
        return web.Response(status=self.status, headers=self.headers)


@pytest.fixture
async def program() -> AsyncIterator[OwnersProgram]:
    program = OwnersProgram()
    app = web.Application()
    app.router.add_post("/notices", program.take)
    runner, url = await run_app(app, 0)
    program.url = f"{url}/notices?of=slotline"
    yield program
    await runner.cleanup()


@asynccontextmanager
async def webhook(timeout_secs: float = 5.0) -> AsyncIterator[OwnerWebhook]:
    sender = OwnerWebhook(SECRET, timeout_secs=timeout_secs)
    try:
        yield sender
    finally:
        await sender.aclose()


def a_row(url: str, body: str = '{"event": "booked", "name": "Zoë"}') -> OutboxRow:
    return OutboxRow(
        outbox_id="ob_1",
        appointment_id=None,
        call_sid=None,
        channel=Channel.WEBHOOK,
        kind=MessageKind.OWNER_NOTICE,
        version=1,
        to=url,
        subject="",
        body=body,
        attachment=None,
        state="leased",
        status="",
        reason="",
        attempts=1,
        not_before=AT_ONCE,
        expires_at=None,
        created_at=NOW,
        tried_at=None,
        message_sid="",
        error_code="",
    )


async def test_a_notice_is_posted_with_a_signature_over_its_bytes(program: OwnersProgram) -> None:
    row = a_row(program.url)
    async with webhook() as sender:
        assert await sender.send(row) == ""

    (body,), (headers,) = program.bodies, program.received
    expected = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    assert body == row.body.encode()
    assert headers[SIGNATURE_HEADER] == f"sha256={expected}"
    assert headers[DELIVERY_HEADER] == "ob_1"
    assert headers["Content-Type"].startswith("application/json")


@pytest.mark.parametrize("status", [301, 400, 401, 404, 410])
async def test_what_is_refused_is_not_posted_again(program: OwnersProgram, status: int) -> None:
    program.status = status
    program.headers = {"Location": program.url}
    async with webhook() as sender:
        with pytest.raises(MessageRefused) as refused:
            await sender.send(a_row(program.url))

    assert refused.value.code == status
    assert len(program.bodies) == 1


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
async def test_what_is_not_taken_now_is_posted_later(program: OwnersProgram, status: int) -> None:
    program.status = status
    program.headers = {"Retry-After": "17"}
    async with webhook() as sender:
        with pytest.raises(MessageDeferred) as deferred:
            await sender.send(a_row(program.url))

    assert deferred.value.retry_after_secs == 17


async def test_a_program_that_is_not_there_is_posted_to_later(program: OwnersProgram) -> None:
    async with webhook() as sender:
        with pytest.raises(MessageDeferred):
            await sender.send(a_row("http://127.0.0.1:1/notices"))


async def test_a_program_that_does_not_answer_may_have_taken_it(program: OwnersProgram) -> None:
    program.hangs = True
    async with webhook(timeout_secs=0.2) as sender:
        with pytest.raises(MessageUnclear):
            await sender.send(a_row(program.url))

        assert await sender.find(a_row(program.url), since=NOW, other_than=()) is None


async def test_no_error_holds_anything_of_a_customer(program: OwnersProgram) -> None:
    program.status = 500
    async with webhook() as sender:
        with pytest.raises(MessageDeferred) as deferred:
            await sender.send(a_row(program.url))

    assert "Zoë" not in str(deferred.value)
    assert program.url not in str(deferred.value)


async def test_a_worker_tells_the_owners_program_of_what_a_caller_leaves(
    program: OwnersProgram, tmp_path: Path
) -> None:
    business_file = tmp_path / "harbor.toml"
    owner = f'\n[owner]\nwebhook = "{program.url}"\n'
    business_file.write_text(REHEARSAL_BUSINESS.read_text(encoding="utf-8") + owner, encoding="utf-8")
    wish = CallerRequest(CallSid("CA1"), RequestKind.CALL_BACK, PhoneNumber(CALLER), name="Maya Chen")
    async with open_house(tmp_path, business_file=business_file, owner_webhook_secret=SECRET) as house:
        worker = house.worker
        await worker.service.leave_request(wish, worker.desk.business)
        async with asyncio.timeout(WITHIN_SECS):
            while not program.bodies or await worker.store.pending_messages():
                await asyncio.sleep(0.01)
        (row,) = await worker.store.messages()

    (body,) = program.bodies
    assert json.loads(body)["customer"] == {"name": "Maya Chen", "phone": CALLER, "email": None}
    assert (row.channel, row.state) == (Channel.WEBHOOK, "sent")
