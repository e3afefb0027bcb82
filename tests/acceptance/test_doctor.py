"""`slotline doctor` as a process, beside a worker that runs with stand-ins."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from agent.stand_ins import (
    StandIns,
    free_port,
    running_stand_ins,
    slotline,
    stop,
    wait_until_ready,
    worker_environment,
)
from tests import shaky_proxy
from tests.acceptance_commands import Finished
from tests.shaky_proxy import ShakyProxy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

WRONG = {
    "OPENAI_API_KEY": "sk-proj-Zr7QeT3yUiOpAsDfGhJkLzXcVbNm0123456789",
    "CALCOM_API_KEY": "cal_live_5f4e3d2c1b0a99887766554433221100",
    "TWILIO_AUTH_TOKEN": "b7d1c1f2a94e4b0f8a6f3d5c2e1b0a99",
    "TWILIO_API_KEY_SECRET": "q8ZpRt0vYxW3sKdMnB5cLhJf7gAeUi2o",
}
"""Keys that look like a real account's; none of it is one."""
SECRET_NAMES = ("twilio_auth_token", "twilio_api_key_secret", "openai_api_key", "calcom_api_key")


@dataclass(frozen=True, slots=True)
class Office:
    """A worker behind a proxy, the stand-ins it talks to, and the environment it runs in."""

    folder: Path
    stand_ins: StandIns
    proxy: ShakyProxy
    environment: dict[str, str]

    async def doctor(self, *options: str, **changes: str) -> Finished:
        """Run the command in the worker's environment, with some settings changed."""
        finished = await doctor(self.folder, {**self.environment, **changes}, *options)
        secrets = [self.stand_ins.credentials[name] for name in SECRET_NAMES] + list(WRONG.values())
        assert not any(secret in finished.out + finished.err for secret in secrets)
        return finished

    async def found(self, **changes: str) -> tuple[bool, dict[str, dict[str, str]]]:
        """Return whether all is ok, and the findings that are neither ok nor skipped by their check."""
        finished = await self.doctor("--json", **changes)
        told: dict[str, Any] = json.loads(finished.out)
        assert (finished.status, finished.err) == (0 if told["ok"] else 1, "")
        odd = {found["check"]: found for found in told["findings"] if found["state"] not in ("ok", "skipped")}
        return told["ok"], odd


async def doctor(folder: Path, environment: dict[str, str], *options: str) -> Finished:
    process = await asyncio.create_subprocess_exec(
        *slotline("doctor", "--no-env-file", *options),
        cwd=folder,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return Finished(process.returncode or 0, out.decode(), err.decode())


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with ShakyProxy().open() as proxy, running_stand_ins() as stand_ins:
        await stand_ins.control("twilio", "world", {"worker_url": proxy.url})
        environment = worker_environment(stand_ins, url=proxy.url, data_dir=tmp_path / "data", clock_start="")
        async with _worker(environment, proxy, tmp_path):
            yield Office(tmp_path, stand_ins, proxy, environment)


@contextlib.asynccontextmanager
async def _worker(environment: dict[str, str], proxy: ShakyProxy, folder: Path) -> AsyncIterator[None]:
    proxy.backend = free_port()
    log = folder / "worker.log"
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            *slotline("serve", "--no-env-file", "--port", str(proxy.backend)),
            cwd=folder,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stderr=file,
        )
        try:
            await wait_until_ready(f"http://127.0.0.1:{proxy.backend}", process, log)
            yield
        finally:
            await stop(process)


def a_database_from_the_future(path: Path) -> str:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num)")
        connection.execute("INSERT INTO alembic_version VALUES ('0999')")
        connection.commit()
    return f"sqlite+aiosqlite:///{path}"


async def test_a_healthy_installation(office: Office) -> None:
    finished = await office.doctor()

    assert (finished.status, finished.err) == (0, "")
    lines = finished.out.splitlines()
    assert lines[-1].startswith("Nothing failed. ")
    assert all(line.startswith("ok ") for line in lines[:-2])
    assert "\x1b" not in finished.out
    assert [line.split()[1] for line in lines if line.split()[1:2] in (["settings"], ["zones"], ["media_socket"])] == [
        "settings",
        "zones",
        "media_socket",
    ]


async def test_an_installation_without_cal_com(office: Office) -> None:
    finished = await office.doctor(CALENDAR="builtin", CALCOM_API_KEY="", CALCOM_EVENT_TYPE_ID="")

    assert (finished.status, finished.err) == (0, "")
    assert "the built-in calendar, because CALENDAR is builtin" in finished.out
    assert (
        "calcom_key, calcom_version, calcom_calendars, event_type: not tried: the built-in calendar is booked"
        in finished.out
    )
    assert re.search(
        r"^ok +free_slots +Book 30-Minute Consultation: \d+ in the next 14 days; next ", finished.out, re.M
    )


async def test_several_broken_things_are_all_found(office: Office) -> None:
    number = {"phone_number": office.stand_ins.business_number, "voice_url": "https://demo.twilio.com/welcome/voice/"}
    await office.stand_ins.control("twilio", "world", {"numbers": [number]})
    await office.stand_ins.control("calcom", "world", {"zone": "America/Los_Angeles"})
    office.proxy.change = shaky_proxy.drops_websockets
    is_ok, found = await office.found(
        OPENAI_API_KEY=WRONG["OPENAI_API_KEY"], DATABASE_URL=a_database_from_the_future(office.folder / "future.db")
    )

    assert not is_ok
    assert {check: finding["state"] for check, finding in found.items()} == {
        "database": "failed",
        "openai_key": "failed",
        "zones": "warning",
        "free_slots": "warning",
        "voice_url": "failed",
        "status_callback": "warning",
        "sms_url": "warning",
        "media_socket": "failed",
    }
    assert all(finding["fix"] for finding in found.values())
    assert "newer than this slotline" in found["database"]["seen"]
    assert "https://demo.twilio.com/welcome/voice/" in found["voice_url"]["seen"]
    assert f"{office.proxy.url}/twilio/voice" in found["voice_url"]["fix"]
    assert "(America/Los_Angeles) at Cal.com" in found["zones"]["seen"]


async def test_every_wrong_key_is_found(office: Office) -> None:
    is_ok, found = await office.found(**WRONG)

    assert not is_ok
    assert {check for check, finding in found.items() if finding["state"] == "failed"} == {
        "openai_key",
        "calcom_key",
        "twilio_auth_token",
        "twilio_api_key",
        "signed_request",
        "media_socket",
    }


async def test_no_worker_and_a_mistake_in_the_business_file(tmp_path: Path) -> None:
    (tmp_path / "clinic.toml").write_text('name = "Clinic"\nnumber = "4155550100"\n')
    async with running_stand_ins() as stand_ins:
        url = f"http://127.0.0.1:{free_port()}"
        environment = worker_environment(stand_ins, url=url, data_dir=tmp_path / "data", clock_start="")
        finished = await doctor(tmp_path, {**environment, "BUSINESS_FILE": "clinic.toml"})

    assert finished.status == 1
    assert "clinic.toml:2: number must be a valid phone number" in finished.out
    assert "refuses connections" in finished.out
    assert "start `slotline serve` on that port" in finished.out
    assert not (tmp_path / "data").exists()


async def test_services_that_do_not_answer_are_not_waited_for(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(4)]
        urls = [f"http://127.0.0.1:{server.getsockname()[1]}" for server in silent]
        stand_ins = StandIns(urls[0], f"{urls[1]}/v1", urls[2], _keys(), "+14155550100", "101")
        environment = worker_environment(stand_ins, url=urls[3], data_dir=tmp_path / "data", clock_start="")
        finished = await doctor(tmp_path, environment)

    assert finished.status == 1
    assert finished.err == ""
    assert ", 4 failed, " in finished.out


def _keys() -> dict[str, str]:
    names = {name.lower(): value for name, value in WRONG.items()}
    return {**names, "twilio_account_sid": "AC" + "0" * 32, "twilio_api_key_sid": "SK" + "0" * 32}
