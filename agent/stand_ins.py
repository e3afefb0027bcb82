"""Starts the stand-ins and the worker of a rehearsal as processes, with a complete environment of their own."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shlex
import signal
import socket
import ssl
import sys
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from agent.toml_lines import parse_toml
from appointments.errors import SlotlineError
from prompts.loader import REHEARSAL_BUSINESS
from prompts.reading import FileProblem, read_text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from agent.settings import CalendarName

START_SECS = 60.0
STOP_SECS = 15.0
KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "SYSTEMROOT")
"""What a child needs of our environment; everything else is made up for it."""


_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Trusts nobody: on loopback it is not used, and reading all the roots takes 25 ms a client."""


class RehearsalFailed(SlotlineError):
    """A process of the rehearsal did not start, or a stand-in did not do what it was told."""


@dataclass(frozen=True, slots=True)
class StandIns:
    """Where the stand-ins listen and what they accept."""

    twilio: str
    openai: str
    calcom: str
    credentials: Mapping[str, str]
    business_number: str
    event_type_id: str
    fallback: str = ""
    """Another like OpenAI's, which stands in for it; "" when there is none."""
    smtp: str = ""
    """The mail server's URL; "" when there is none."""
    mail: str = ""
    """Where the mail server is told and asked."""
    webhook_secret: str = field(default_factory=lambda: secrets.token_hex(32))
    """With which a worker has Cal.com sign what it delivers."""

    @property
    def services(self) -> tuple[str, ...]:
        others = [name for name, url in {"fallback": self.fallback, "mail": self.mail}.items() if url]
        return ("calcom", "twilio", "openai", *others)

    async def control(self, service: str, path: str, body: object) -> dict[str, Any]:
        """Post `body` to a stand-in's control endpoint, and return what it answers."""
        told: dict[str, Any] = (await self._ask(service, "POST", path, body)).json()
        return told

    async def state(self, service: str, path: str = "state") -> dict[str, Any]:
        """Return what a stand-in holds and which faults fired, or what it tells at another `path`."""
        state: dict[str, Any] = (await self._ask(service, "GET", path)).json()
        return state

    async def _ask(self, service: str, method: str, path: str, body: object = None) -> httpx.Response:
        try:
            async with httpx.AsyncClient(timeout=30, trust_env=False, verify=_NO_TLS) as client:
                answer = await client.request(method, f"{self._root(service)}/control/{path}", json=body)
        except httpx.HTTPError as error:
            raise RehearsalFailed(f"the stand-in of {service} does not answer: {error!r}") from error
        if not answer.is_success:
            raise RehearsalFailed(f"the stand-in of {service} refused its {path}: {answer.text.strip()}")
        return answer

    def _root(self, service: str) -> str:
        urls = {
            "twilio": self.twilio,
            "openai": self.openai,
            "calcom": self.calcom,
            "fallback": self.fallback,
            "mail": self.mail,
        }
        return urls[service].removesuffix("/v1")


def worker_environment(
    stand_ins: StandIns,
    *,
    url: str,
    data_dir: Path,
    clock_start: str,
    business_file: Path = REHEARSAL_BUSINESS,
    calendar: CalendarName = "calcom",
    has_fallback: bool = False,
    stt_mode: str = "http",
    context_tokens: int | None = None,
) -> dict[str, str]:
    """Return the whole environment of a worker that talks to stand-ins only."""
    keys = stand_ins.credentials
    has_calcom = calendar == "calcom"
    return {
        **kept_environment(),
        "PUBLIC_BASE_URL": url,
        "TWILIO_ACCOUNT_SID": keys["twilio_account_sid"],
        "TWILIO_AUTH_TOKEN": keys["twilio_auth_token"],
        "TWILIO_API_KEY_SID": keys["twilio_api_key_sid"],
        "TWILIO_API_KEY_SECRET": keys["twilio_api_key_secret"],
        "TWILIO_API_BASE_URL": stand_ins.twilio,
        "OPENAI_API_KEY": keys["openai_api_key"],
        "OPENAI_BASE_URL": stand_ins.openai,
        "STT_MODE": stt_mode,
        "CONTEXT_TOKENS": str(context_tokens or ""),
        **(_fallbacks(stand_ins) if has_fallback else {}),
        "CALENDAR": calendar,
        "CALCOM_API_KEY": keys["calcom_api_key"] if has_calcom else "",
        "CALCOM_BASE_URL": stand_ins.calcom,
        "CALCOM_WEBHOOK_SECRET": stand_ins.webhook_secret if has_calcom else "",
        "CALCOM_EVENT_TYPE_ID": event_type_setting(business_file, stand_ins.event_type_id) if has_calcom else "",
        **(_mail(stand_ins) if stand_ins.smtp else {}),
        "DATA_DIR": str(data_dir),
        "DATABASE_URL": database_url(data_dir),
        "BUSINESS_FILE": str(business_file),
        "RECORD_CALLS": "true",
        "CLOCK_START": clock_start,
        "TURN_END": "speech_timeout",
        # Synthetic voices mislead the turn model: https://github.com/pipecat-ai/smart-turn is trained on people.
        "SPEECH_TIMEOUT_SECS": "0.5",
        "LOG_FORMAT": "json",
    }


def _mail(stand_ins: StandIns) -> dict[str, str]:
    return {
        "SMTP_URL": stand_ins.smtp,
        "SMTP_USER": stand_ins.credentials["smtp_user"],
        "SMTP_PASSWORD": stand_ins.credentials["smtp_password"],
        "SMTP_FROM": stand_ins.credentials["smtp_from"],
    }


def _fallbacks(stand_ins: StandIns) -> dict[str, str]:
    models = {"LLM": "gpt-4.1", "STT": "gpt-transcribe", "TTS": "gpt-4o-mini-tts"}
    settings = {f"{part}_FALLBACK_MODEL": model for part, model in models.items()}
    for part in models:
        settings[f"{part}_FALLBACK_BASE_URL"] = stand_ins.fallback
        settings[f"{part}_FALLBACK_API_KEY"] = stand_ins.credentials["fallback_api_key"]
    return settings


def event_type_setting(business_file: Path, event_type_id: str) -> str:
    """Return `event_type_id` where the file's one action names none, so that CALCOM_EVENT_TYPE_ID completes it."""
    try:
        data, _ = parse_toml(read_text(business_file), business_file)
    except FileProblem:
        return ""  # whoever reads the whole file says what is wrong with it
    match data.get("actions"):
        case [{"event_type": named}] if named:
            return ""
        case [_]:
            return event_type_id
    return ""


def kept_environment() -> dict[str, str]:
    """Return what a child that needs no settings gets of our environment."""
    return {name: os.environ[name] for name in KEPT if name in os.environ}


def database_url(data_dir: Path) -> str:
    """Return the URL of the SQLite database in `data_dir`."""
    return f"sqlite+aiosqlite:///{data_dir / 'slotline.db'}"


def slotline(*arguments: str) -> tuple[str, ...]:
    """Return the command line of a `slotline` of this installation."""
    return (sys.executable, "-m", "agent.cli", *arguments)


def free_port() -> int:
    """Return a port of loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def running_stand_ins(ports: Mapping[str, int] | None = None) -> AsyncIterator[StandIns]:
    """Run the stand-ins in a process that ends with us; `ports` by service, any where none is named."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "simulator",
        "--until-eof",
        *(part for service, port in (ports or {}).items() for part in (f"--{service}-port", str(port))),
        env=kept_environment(),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        process_group=0,  # Ctrl-C is for us: while a call ends, the worker still needs its services
    )
    try:
        assert process.stdout is not None
        line = b""
        with suppress(TimeoutError):
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
            fallback=told["fallback"],
            smtp=told["smtp"],
            mail=told["mail"],
        )
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await stop(process, ends_by_itself=True)


async def run_alone(ports: Mapping[str, int], *, worker_port: int) -> None:
    """Run the stand-ins until interrupted, having printed the environment of a worker that uses them."""
    async with running_stand_ins(ports) as stand_ins:
        url = f"http://127.0.0.1:{worker_port}"
        await stand_ins.control("twilio", "world", {"worker_url": url})
        environment = worker_environment(stand_ins, url=url, data_dir=Path("data"), clock_start="")
        for name, value in environment.items():
            if name not in KEPT and value:
                print(f"{name}={shlex.quote(value)}", flush=True)  # noqa: T201 -- the command's output
        print(f"# What was e-mailed: {stand_ins.mail}/control/state", flush=True)  # noqa: T201 -- likewise
        stopped = asyncio.Event()
        for sign in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(sign, stopped.set)
        await stopped.wait()


async def wait_until_ready(url: str, process: asyncio.subprocess.Process, log: Path) -> None:
    """Wait for the worker at `url` to take calls."""
    async with httpx.AsyncClient(timeout=2, trust_env=False, verify=_NO_TLS) as client:
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


async def stop(process: asyncio.subprocess.Process, *, ends_by_itself: bool = False) -> None:
    """End a process of ours: asked first, made to after a while."""
    signals = (None, signal.SIGTERM, signal.SIGKILL) if ends_by_itself else (signal.SIGTERM, signal.SIGKILL)
    for sign in signals:
        if sign is not None and process.returncode is None:
            # Not `process.terminate`, which reaps a process that has just ended under asyncio's nose.
            with suppress(ProcessLookupError):
                os.kill(process.pid, sign)
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECS):
                await process.wait()
                return
