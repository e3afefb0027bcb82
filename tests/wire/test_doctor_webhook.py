"""The doctor tries the way from Twilio to the worker, and tells each way in which a proxy may be in it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sqlite3
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
import structlog
import uvicorn
from pydantic import SecretStr

from agent.app import build_app
from agent.doctor.findings import Check, Finding, State
from agent.doctor.installation import Installation
from agent.doctor.webhook import check_webhook
from tests import shaky_proxy
from tests.shaky_proxy import ShakyProxy
from tests.worker import House, open_house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.shaky_proxy import Change

SILENT_SECS = 4.5
"""A little more than the doctor waits for one answer."""


@dataclass(slots=True)
class Office:
    """A worker that is served behind a proxy."""

    house: House
    proxy: ShakyProxy
    folder: Path
    changes: dict[str, object] = field(default_factory=dict)

    async def findings(self) -> dict[Check, Finding]:
        settings = self.house.worker.settings.model_copy(update=self.changes)
        return {finding.check: finding for finding in await check_webhook(Installation(settings))}

    async def states(self) -> list[str]:
        return [finding.state.value for finding in (await self.findings()).values()]


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with (
        ShakyProxy().open() as proxy,
        open_house(tmp_path, public_base_url=proxy.url) as house,
        serving(house) as proxy.backend,
    ):
        yield Office(house, proxy, tmp_path)


@contextlib.asynccontextmanager
async def serving(house: House) -> AsyncIterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(build_app(house.worker), log_config=None, access_log=False))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(server.serve(sockets=[listener]))
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True


async def is_ready(office: Office) -> None:
    async with asyncio.timeout(30):
        while (await office.house.http.get(f"{office.proxy.url}/readyz")).status_code != 200:
            await asyncio.sleep(0.05)


def rows(database: Path) -> dict[str, int]:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0]  # noqa: S608 -- our own table
            for name in names
        }


async def test_all_is_well_with_a_proxy_that_passes_everything_on(office: Office) -> None:
    await is_ready(office)

    assert await office.states() == ["ok"] * 5


async def test_the_examination_stores_nothing_and_begins_no_call(office: Office) -> None:
    await is_ready(office)
    before = rows(office.folder / "slotline.db")
    with structlog.testing.capture_logs() as logs:
        await office.findings()

    assert rows(office.folder / "slotline.db") == before
    events = {entry["event"] for entry in logs} - {"event_loop_late"}
    assert sorted(events) == ["call_status_changed", "media_stream_refused", "webhook_refused"]


async def test_a_worker_that_still_renders_its_sentences_is_a_warning(office: Office) -> None:
    await office.house.break_down("openai", "speech", "error_500", times=1000)
    found = (await office.findings())[Check.WORKER_READY]

    assert found.state is State.WARNING
    assert "renders" in found.seen


async def test_no_worker_behind_the_proxy(office: Office) -> None:
    office.proxy.change = shaky_proxy.answers(502)
    found = await office.findings()

    assert [finding.state.value for finding in found.values()] == ["failed", *["skipped"] * 4]
    assert "502: the proxy or tunnel finds no worker behind it" in found[Check.PUBLIC_URL].seen
    assert "Start `slotline serve`" in found[Check.PUBLIC_URL].fix


@pytest.mark.parametrize(
    ("change", "seen", "fix"),
    [
        (shaky_proxy.answers(200, "<h1>Welcome</h1>"), "answers 200, and not from slotline", "point the proxy"),
        (
            shaky_proxy.answers(404, ngrok_error_code="ERR_NGROK_3200"),
            "answers 404, ERR_NGROK_3200, and not from slotline",
            "point the proxy",
        ),
        (
            shaky_proxy.answers(301, location="https://www.example.com/healthz?token=5"),
            "redirects to https://www.example.com/healthz",
            "Set PUBLIC_BASE_URL",
        ),
        (shaky_proxy.answers(401), "answers 401, and not from slotline", "without login"),
    ],
)
async def test_something_else_answers(office: Office, change: Change, seen: str, fix: str) -> None:
    office.proxy.change = change
    found = await office.findings()

    assert [finding.state.value for finding in found.values()] == ["failed", *["skipped"] * 4]
    assert seen in found[Check.PUBLIC_URL].seen
    assert "token" not in found[Check.PUBLIC_URL].seen
    assert fix in found[Check.PUBLIC_URL].fix


@pytest.mark.parametrize(
    ("change", "seen", "fix"),
    [
        (shaky_proxy.drops_websockets, "passes no websockets on", "proxy_set_header Upgrade $http_upgrade"),
        (shaky_proxy.loses_signature_of_upgrades, "though a signed request is accepted", "with the upgrade too"),
    ],
)
async def test_a_proxy_that_spoils_the_upgrade_only(office: Office, change: Change, seen: str, fix: str) -> None:
    await is_ready(office)
    office.proxy.change = change
    found = await office.findings()

    assert [finding.state.value for finding in found.values()] == ["ok"] * 4 + ["failed"]
    assert seen in found[Check.MEDIA_SOCKET].seen
    assert fix in found[Check.MEDIA_SOCKET].fix


async def test_a_proxy_that_changes_the_path(office: Office) -> None:
    await is_ready(office)
    office.proxy.change = shaky_proxy.takes_off_twilio
    found = await office.findings()

    assert found[Check.PUBLIC_URL].state is State.OK
    assert found[Check.SIGNED_REQUEST].state is State.FAILED
    assert "/twilio/status answers 404" in found[Check.SIGNED_REQUEST].seen
    assert "must arrive as /twilio/voice" in found[Check.SIGNED_REQUEST].fix
    assert found[Check.UNSIGNED_REQUEST].state is State.SKIPPED


async def test_a_proxy_that_loses_the_signature(office: Office) -> None:
    await is_ready(office)
    office.proxy.change = shaky_proxy.loses_signature
    found = await office.findings()

    assert [finding.state.value for finding in found.values()] == ["ok", "ok", "failed", "ok", "failed"]
    assert "X-Twilio-Signature" in found[Check.SIGNED_REQUEST].fix
    assert "(403)" in found[Check.MEDIA_SOCKET].seen


async def test_a_proxy_that_passes_on_twilios_routes_only_is_a_warning(office: Office) -> None:
    await is_ready(office)
    office.proxy.change = shaky_proxy.hides_health
    found = await office.findings()

    assert [finding.state.value for finding in found.values()] == ["warning", "skipped", "ok", "ok", "ok"]


@pytest.mark.parametrize("name", ["public_base_url", "twilio_auth_token"])
async def test_a_worker_that_goes_by_other_settings(office: Office, name: str) -> None:
    await is_ready(office)

    port = office.proxy.url.rpartition(":")[2]
    others = {"public_base_url": f"http://localhost:{port}", "twilio_auth_token": SecretStr("another")}
    office.changes = {name: others[name]}
    found = await office.findings()

    assert found[Check.PUBLIC_URL].state is State.OK
    assert found[Check.SIGNED_REQUEST].state is State.FAILED
    assert "another PUBLIC_BASE_URL or TWILIO_AUTH_TOKEN" in found[Check.SIGNED_REQUEST].seen
    assert "Restart the worker" in found[Check.SIGNED_REQUEST].fix
    assert found[Check.UNSIGNED_REQUEST].state is State.OK
    assert found[Check.MEDIA_SOCKET].state is State.FAILED


@pytest.mark.parametrize(
    ("url", "seen", "fix"),
    [
        ("https://127.0.0.1:{worker}", "speaks no TLS", "certificate"),
        ("http://127.0.0.1:1", "127.0.0.1:1 refuses connections", "Correct the port in PUBLIC_BASE_URL"),
        ("https://nobody.invalid", "nobody.invalid has no address", "DNS record"),
    ],
)
async def test_nobody_can_be_reached(office: Office, url: str, seen: str, fix: str) -> None:
    office.changes = {
        "public_base_url": url.format(worker=office.proxy.backend),
        "twilio_api_base_url": "http://127.0.0.1:1",
    }
    found = await office.findings()

    assert [finding.state.value for finding in found.values()] == ["failed", *["skipped"] * 4]
    assert seen in found[Check.PUBLIC_URL].seen
    assert fix in found[Check.PUBLIC_URL].fix


async def test_a_server_that_does_not_answer_is_not_waited_for(office: Office) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        office.changes = {"public_base_url": f"http://127.0.0.1:{silent.getsockname()[1]}"}
        async with asyncio.timeout(SILENT_SECS):
            found = await office.findings()

    assert "did not answer within" in found[Check.PUBLIC_URL].seen


async def test_an_address_that_twilio_cannot_reach(office: Office) -> None:
    office.changes = {"twilio_api_base_url": "https://api.twilio.com"}
    found = await office.findings()

    assert found[Check.PUBLIC_URL].state is State.FAILED
    assert "which Twilio cannot reach" in found[Check.PUBLIC_URL].seen
