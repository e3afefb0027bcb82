"""A worker that starts tries the keys of every server that it will ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import structlog

from agent.bootstrap import check_accounts
from appointments.errors import ConfigError
from simulator import openai
from simulator.faults import FaultBoard
from simulator.world import Credentials, run_app
from tests.worker import open_house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

CREDENTIALS = Credentials.generate()


@pytest.fixture
async def other() -> AsyncIterator[str]:
    """Serve another server than the main one."""
    runner, url = await run_app(openai.build_app(CREDENTIALS, FaultBoard("openai")), 0)
    yield f"{url}/v1"
    await runner.cleanup()


async def test_keys_that_are_taken_are_no_trouble(tmp_path: Path, other: str) -> None:
    key = CREDENTIALS.openai_api_key
    changes: dict[str, Any] = {"tts_base_url": other, "tts_api_key": key}
    async with open_house(tmp_path, **changes) as house:
        await check_accounts(house.worker)


async def test_a_wrong_key_keeps_the_worker_from_starting(tmp_path: Path) -> None:
    async with open_house(tmp_path, openai_api_key="sk-wrong") as house:
        with pytest.raises(ConfigError, match=r"^OPENAI_API_KEY was refused \(401\)\."):
            await check_accounts(house.worker)


async def test_a_wrong_key_of_the_voices_server_is_named(tmp_path: Path, other: str) -> None:
    async with open_house(tmp_path, tts_base_url=other, tts_api_key="sk-wrong") as house:
        with pytest.raises(ConfigError, match=r"^TTS_API_KEY was refused \(401\)\.$"):
            await check_accounts(house.worker)


async def test_calls_are_taken_although_nobody_could_stand_in(tmp_path: Path, other: str) -> None:
    fallback: dict[str, Any] = {
        "llm_fallback_base_url": other,
        "llm_fallback_api_key": "sk-wrong",
        "llm_fallback_model": "gpt-4.1",
    }
    async with open_house(tmp_path, **fallback) as house:
        with structlog.testing.capture_logs() as logs:
            await check_accounts(house.worker)

    assert [(entry["event"], entry["setting"]) for entry in logs] == [("fallback_key_refused", "LLM_FALLBACK_API_KEY")]


async def test_a_server_that_is_down_is_logged(tmp_path: Path) -> None:
    async with open_house(tmp_path, stt_base_url="http://127.0.0.1:1/v1") as house:
        with structlog.testing.capture_logs() as logs:
            await check_accounts(house.worker)

    assert [(entry["event"], entry["setting"]) for entry in logs] == [("openai_not_checked", "STT_API_KEY")]
