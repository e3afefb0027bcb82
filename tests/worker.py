"""Opens a worker in a test's own event loop, with stand-ins for all it talks to."""

from __future__ import annotations

import contextlib
import json
import secrets
from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import httpx
from aiohttp import web

from agent.bootstrap import open_worker
from agent.settings import Settings
from simulator import calcom, openai, twilio
from simulator.faults import FaultBoard
from simulator.world import Credentials, run_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from agent.bootstrap import Worker

CALLER = "+14155550123"
NOW = "2026-12-01T09:00:00-05:00"
FREE = ["2026-12-02T10:00:00-05:00", "2026-12-02T14:00:00-05:00", "2026-12-03T11:00:00-05:00"]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the scripted model answers one request with. `calls` are names and raw arguments."""

    text: str = ""
    calls: tuple[tuple[str, str], ...] = ()
    status: int = 200


@dataclass(slots=True)
class ScriptedModel:
    """An OpenAI that answers chat completions with `answers`, one a request, and then with the last one."""

    answers: list[Answer] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    spoken: list[str] = field(default_factory=list)
    """What its voice was asked to say."""

    def app(self) -> web.Application:
        app = web.Application()
        app.add_routes([web.post("/v1/chat/completions", self._chat), web.post("/v1/audio/speech", self._speak)])
        return app

    async def _speak(self, request: web.Request) -> web.Response:
        self.spoken.append((await request.json())["input"])
        return web.Response(body=bytes(4800), content_type="audio/pcm")

    async def _chat(self, request: web.Request) -> web.Response:
        self.requests.append(await request.json())
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer.status != web.HTTPOk.status_code:
            return web.json_response({"error": {"message": "broken", "type": "server_error"}}, status=answer.status)
        chunks: list[dict[str, Any]] = [{"role": "assistant", "content": answer.text}]
        for index, (name, arguments) in enumerate(answer.calls):
            call = {"id": f"call_{secrets.token_hex(8)}", "type": "function"}
            chunks.append(
                {"tool_calls": [{"index": index, **call, "function": {"name": name, "arguments": arguments}}]}
            )
        events: list[dict[str, Any]] = [
            {"choices": [{"index": 0, "delta": chunk, "finish_reason": None}]} for chunk in chunks
        ]
        finish = "tool_calls" if answer.calls else "stop"
        events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
        head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "scripted"}
        lines = [f"data: {json.dumps({**head, **event})}\n\n" for event in events]
        return web.Response(text="".join([*lines, "data: [DONE]\n\n"]), content_type="text/event-stream")


@dataclass(frozen=True, slots=True)
class House:
    """A worker and the stand-ins around it, by their URLs."""

    worker: Worker
    urls: dict[str, str]
    http: httpx.AsyncClient
    closing: contextlib.AsyncExitStack
    """What is still to be done before the worker is closed."""

    async def break_down(self, service: str, on: str, kind: str, *, times: int = 1, seconds: float = 0.0) -> None:
        faults = [{"on": on, "kind": kind, "times": times, "seconds": seconds}]
        (await self.http.post(f"{self.urls[service]}/control/faults", json=faults)).raise_for_status()

    async def order(self, service: str, **world: Any) -> None:
        (await self.http.post(f"{self.urls[service]}/control/world", json=world)).raise_for_status()

    async def state(self, service: str) -> Any:
        return (await self.http.get(f"{self.urls[service]}/control/state")).json()

    async def bookings(self) -> list[str]:
        """Return the starts of what the calendar holds."""
        return [booking["start"] for booking in (await self.state("calcom"))["bookings"]]


@contextlib.asynccontextmanager
async def open_house(folder: Path, *, model: ScriptedModel | None = None, **settings: Any) -> AsyncIterator[House]:
    """Open a worker on stand-ins whose calendar holds `FREE`; `model` takes the place of OpenAI's."""
    credentials = Credentials.generate()
    apps = {
        "twilio": twilio.build_app(credentials, FaultBoard("twilio")),
        "openai": model.app() if model else openai.build_app(credentials, FaultBoard("openai")),
        "calcom": calcom.build_app(credentials, FaultBoard("calcom")),
    }
    async with contextlib.AsyncExitStack() as stack:
        urls = {}
        for service, app in apps.items():
            runner, urls[service] = await run_app(app, 0)
            stack.push_async_callback(runner.cleanup)
        http = await stack.enter_async_context(httpx.AsyncClient(trust_env=False))
        world = {"now": NOW, "zone": "America/New_York", "free": FREE}
        (await http.post(f"{urls['calcom']}/control/world", json=world)).raise_for_status()
        worker = await stack.enter_async_context(open_worker(_settings(folder, credentials, urls, settings)))
        closing = await stack.enter_async_context(contextlib.AsyncExitStack())
        yield House(worker, urls, http, closing)


def _settings(folder: Path, credentials: Credentials, urls: dict[str, str], changes: dict[str, Any]) -> Settings:
    values: dict[str, Any] = {
        "public_base_url": "http://127.0.0.1:8080",
        "twilio_account_sid": credentials.twilio_account_sid,
        "twilio_auth_token": credentials.twilio_auth_token,
        "twilio_api_key_sid": credentials.twilio_api_key_sid,
        "twilio_api_key_secret": credentials.twilio_api_key_secret,
        "twilio_api_base_url": urls["twilio"],
        "openai_api_key": credentials.openai_api_key,
        "openai_base_url": f"{urls['openai']}/v1",
        "calcom_api_key": credentials.calcom_api_key,
        "calcom_base_url": urls["calcom"],
        "calcom_event_type_id": "101",
        "data_dir": folder,
        "business_file": files("prompts") / "business" / "rehearsal.toml",
        "clock_start": NOW,
        "turn_end": "speech_timeout",
    }
    return Settings(_env_file=None, **(values | changes))  # type: ignore[call-arg]
