"""What is kept of the times of calls, what may fail, and who may read what is counted."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import httpx
import pytest
import structlog
from sqlalchemy.exc import OperationalError

from agent import metrics
from agent.app import build_app
from agent.latency import LatencyWatch
from agent.measuring import Measuring
from agent.tracing import Traces
from agent.transcript import Turn
from appointments.model import CallSid
from appointments.store.records import CallTimes, TurnTimes
from appointments.store.store import Store
from tests.stores import opened_store
from tests.worker import open_house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

CALL = CallSid("CA1")
FIRST = TurnTimes(at_ms=3000, voice_to_voice_ms=900, turn_end_ms=500, stt_ms=350, llm_ms=300, tts_ms=90, play_ms=10)
SECOND = TurnTimes(at_ms=9000, voice_to_voice_ms=1500)
TOKEN = "made up for a scraper"


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    async with opened_store(database_url) as opened:
        await opened.begin_call(CALL, caller=None, called="+14155550100", at=datetime.now(UTC))
        yield opened


async def test_the_times_of_a_call_are_kept(store: Store) -> None:
    times = CallTimes(greeting_ms=20, worst_silence_ms=1500, turns=(FIRST, SECOND))

    await store.keep_times(CALL, times)

    assert await store.times(CALL) == times
    assert await store.timed_calls() == [times]
    assert await store.times(CallSid("CA2")) == CallTimes()


async def test_a_call_in_two_parts_keeps_its_greeting_and_its_worst_silence(store: Store) -> None:
    await store.keep_times(CALL, CallTimes(greeting_ms=20, worst_silence_ms=1500, turns=(FIRST,)))
    await store.keep_times(CALL, CallTimes(greeting_ms=40, worst_silence_ms=700, turns=(SECOND,)))

    assert await store.times(CALL) == CallTimes(20, 1500, (FIRST, SECOND))


async def test_a_call_without_a_number_leaves_that_of_another_part(store: Store) -> None:
    await store.keep_times(CALL, CallTimes())
    await store.keep_times(CALL, CallTimes(greeting_ms=40, worst_silence_ms=700))
    await store.keep_times(CALL, CallTimes())

    assert await store.times(CALL) == CallTimes(40, 700)


async def test_a_record_that_cannot_be_written_costs_the_numbers_only(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise OperationalError("insert", {}, Exception("disk full"))

    monkeypatch.setattr(store, "keep_times", fail)
    ended = metrics.REGISTRY.get_sample_value("slotline_calls_total", {"outcome": "completed"}) or 0
    live = metrics.REGISTRY.get_sample_value("slotline_live_calls")
    measuring = Measuring(CALL, store=store, traces=Traces())
    measuring.follow(LatencyWatch(is_owed=lambda: False))

    with structlog.testing.capture_logs() as logs:
        measuring.end("completed")
        await measuring.keep()

    assert [line["event"] for line in logs] == ["times_not_kept"]
    assert metrics.REGISTRY.get_sample_value("slotline_calls_total", {"outcome": "completed"}) == ended + 1
    assert metrics.REGISTRY.get_sample_value("slotline_live_calls") == live


async def test_tools_and_turns_count_without_their_words(store: Store) -> None:
    turns = metrics.REGISTRY.get_sample_value("slotline_turns_total") or 0
    measuring = Measuring(CALL, store=store, traces=Traces())

    measuring.turn(Turn("caller", "This is Bartholomew.", 100))
    measuring.turn(Turn("agent", "Hello Bartholomew.", 200))
    measuring.turn(Turn("tool", "nothing_free", 300, "find_slots", 40))
    measuring.end("completed")

    told = metrics.exposition().decode()
    assert metrics.REGISTRY.get_sample_value("slotline_turns_total") == turns + 1
    assert 'slotline_tool_seconds_count{status="nothing_free",tool="find_slots"}' in told
    assert "Bartholomew" not in told


async def test_who_shows_the_token_may_read_the_metrics(tmp_path: Path) -> None:
    async with open_house(tmp_path, metrics_token=TOKEN) as house, reader(build_app(house.worker)) as http:
        without = await http.get("/metrics")
        wrong = await http.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}s"})
        odd = await http.get("/metrics", headers={b"Authorization": "Bearer ünknown".encode()})
        right = await http.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})

    assert [answer.status_code for answer in (without, wrong, odd, right)] == [401, 401, 401, 200]
    assert without.headers["www-authenticate"] == "Bearer"
    assert (without.text, wrong.text) == ("", "")
    assert right.headers["content-type"] == metrics.CONTENT_TYPE
    assert "slotline_live_calls" in right.text


async def test_without_a_token_nobody_may(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house, reader(build_app(house.worker)) as http:
        answers = [await http.get("/metrics", headers=headers) for headers in ({}, {"Authorization": "Bearer "})]

    assert [answer.status_code for answer in answers] == [404, 404]


def reader(app: object) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1")  # type: ignore[arg-type]
