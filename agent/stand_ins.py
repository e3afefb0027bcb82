"""Starts the stand-ins and the worker of a rehearsal as processes, with a complete environment of their own."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import httpx

from appointments.errors import SlotlineError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

START_SECS = 60.0
STOP_SECS = 15.0
KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "SYSTEMROOT")
"""What a child needs of our environment; everything else is made up for it."""


class RehearsalFailed(SlotlineError):
    """A process of the rehearsal did not start or did not end."""


@dataclass(frozen=True, slots=True)
class StandIns:
    """Where the stand-ins listen and what they accept."""

    twilio: str
    openai: str
    calcom: str
    credentials: Mapping[str, str]
    business_number: str
    event_type_id: str

    async def control(self, service: str, path: str, body: object) -> None:
        """Post `body` to a stand-in's control endpoint."""
        async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
            answer = await client.post(f"{self._root(service)}/control/{path}", json=body)
            answer.raise_for_status()

    async def state(self, service: str) -> dict[str, Any]:
        """Return what a stand-in holds and which faults fired."""
        async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
            answer = await client.get(f"{self._root(service)}/control/state")
            answer.raise_for_status()
            state: dict[str, Any] = answer.json()
            return state

    def _root(self, service: str) -> str:
        return {"twilio": self.twilio, "openai": self.openai.removesuffix("/v1"), "calcom": self.calcom}[service]


def worker_environment(stand_ins: StandIns, *, url: str, data_dir: Path, clock_start: str) -> dict[str, str]:
    """Return the whole environment of a worker that talks to stand-ins only."""
    keys = stand_ins.credentials
    return {
        **{name: os.environ[name] for name in KEPT if name in os.environ},
        "PUBLIC_BASE_URL": url,
        "TWILIO_ACCOUNT_SID": keys["twilio_account_sid"],
        "TWILIO_AUTH_TOKEN": keys["twilio_auth_token"],
        "TWILIO_API_KEY_SID": keys["twilio_api_key_sid"],
        "TWILIO_API_KEY_SECRET": keys["twilio_api_key_secret"],
        "TWILIO_API_BASE_URL": stand_ins.twilio,
        "OPENAI_API_KEY": keys["openai_api_key"],
        "OPENAI_BASE_URL": stand_ins.openai,
        "CALCOM_API_KEY": keys["calcom_api_key"],
        "CALCOM_BASE_URL": stand_ins.calcom,
        "CALCOM_EVENT_TYPE_ID": stand_ins.event_type_id,
        "DATA_DIR": str(data_dir),
        "BUSINESS_FILE": str(rehearsal_business()),
        "RECORD_CALLS": "true",
        "CLOCK_START": clock_start,
        "TURN_END": "speech_timeout",
        # Synthetic voices mislead the turn model: https://github.com/pipecat-ai/smart-turn is trained on people.
        "SPEECH_TIMEOUT_SECS": "0.5",
        "LOG_FORMAT": "json",
    }


def rehearsal_business() -> Path:
    """Return the business file that rehearsals use."""
    return files("prompts") / "business" / "rehearsal.toml"  # type: ignore[return-value]


def free_port() -> int:
    """Return a port of loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def running_stand_ins() -> AsyncIterator[StandIns]:
    """Run the stand-ins in a process that ends with us."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "simulator",
        "--until-eof",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(START_SECS):
            line = await process.stdout.readline()
        if not line:
            raise RehearsalFailed("the stand-ins did not start; what they said stands above")
        told = json.loads(line)
        yield StandIns(
            twilio=told["twilio"],
            openai=told["openai"],
            calcom=told["calcom"],
            credentials=told["credentials"],
            business_number=told["numbers"]["business"],
            event_type_id=told["event_type_id"],
        )
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await stop(process)


async def wait_until_ready(url: str, process: asyncio.subprocess.Process, log: Path) -> None:
    """Wait for the worker at `url` to take calls."""
    async with httpx.AsyncClient(timeout=2, trust_env=False) as client:
        try:
            async with asyncio.timeout(START_SECS):
                while process.returncode is None:
                    try:
                        if (await client.get(f"{url}/readyz")).is_success:
                            return
                    except httpx.TransportError:
                        pass
                    await asyncio.sleep(0.05)
        except TimeoutError:
            pass
    raise RehearsalFailed(f"the worker did not get ready; its log is {log}")


async def stop(process: asyncio.subprocess.Process) -> None:
    """End a process of ours: asked first, made to after a while."""
    if process.returncode is None:
        process.terminate()
    try:
        async with asyncio.timeout(STOP_SECS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
