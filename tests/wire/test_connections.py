"""Connections to the providers that are open before somebody needs them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from pydantic import SecretStr

from agent.settings import Settings
from agent.speech import CONNECTIONS, Speech
from simulator.world import run_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Provider:
    """Counts the connections that were made to it."""

    def __init__(self) -> None:
        self.url = ""
        self.connections: set[object] = set()
        self.asked = 0
        self.status = 200

    def speech(self) -> Speech:
        settings = Settings(
            _env_file=None,  # type: ignore[call-arg]
            public_base_url="https://phone.example.com",
            twilio_account_sid="AC",
            twilio_auth_token=SecretStr("-"),
            openai_api_key=SecretStr("-"),
            openai_base_url=self.url,
            business_file=Path("-"),
        )
        return Speech(settings)

    async def answer(self, request: web.Request) -> web.Response:
        self.connections.add(request.transport)
        self.asked += 1
        await asyncio.sleep(0)
        return web.json_response({"object": "list", "data": []}, status=self.status)


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    one = Provider()
    app = web.Application()
    app.router.add_get("/v1/models", one.answer)
    runner, url = await run_app(app, 0)
    one.url = f"{url}/v1"
    yield one
    await runner.cleanup()


async def until_asked(provider: Provider, times: int) -> None:
    async with asyncio.timeout(5):
        while provider.asked < times:
            await asyncio.sleep(0.01)


async def test_a_ringing_call_finds_connections_open(provider: Provider) -> None:
    speech = provider.speech()

    speech.open_connections()
    await until_asked(provider, CONNECTIONS)
    connections = set(provider.connections)
    await speech.llms.main.client.models.list()
    await speech.aclose()

    assert provider.connections == connections


async def test_calls_that_ring_one_after_the_other_open_nothing_more(provider: Provider) -> None:
    speech = provider.speech()

    speech.open_connections()
    speech.open_connections()
    await until_asked(provider, CONNECTIONS)
    await speech.llms.main.client.models.list()
    await speech.aclose()

    assert provider.asked == CONNECTIONS + 1


@pytest.mark.parametrize("status", [401, 404, 500])
async def test_a_provider_that_refuses_or_fails_is_no_matter(provider: Provider, status: int) -> None:
    provider.status = status
    speech = provider.speech()

    speech.open_connections()
    await until_asked(provider, CONNECTIONS)
    await speech.aclose()
