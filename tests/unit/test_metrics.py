"""What a worker counts, what labels it may have, and how processes tell of it together."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile

import pytest
import structlog
from prometheus_client.parser import text_string_to_metric_families

from agent import metrics
from appointments.store.records import CallTimes, TurnTimes

COUNT = """
import os, sys
from agent import metrics
from appointments.store.records import CallTimes
metrics.LIVE_CALLS.inc()
metrics.call_ended("completed", CallTimes())
print(os.getpid(), flush=True)
sys.stdin.read()
"""
TIMES = TurnTimes(at_ms=1000, voice_to_voice_ms=1600, turn_end_ms=500, stt_ms=0, llm_ms=700, tts_ms=400)


def sample(name: str, **labels: str) -> float:
    return metrics.REGISTRY.get_sample_value(name, labels) or 0.0


def samples(text: str) -> dict[str, float]:
    """Return the samples of a scrape by their names, whatever their labels."""
    return {each.name: each.value for family in text_string_to_metric_families(text) for each in family.samples}


def test_an_answer_counts_with_the_stages_that_are_known_of_it() -> None:
    answers = sample("slotline_voice_to_voice_seconds_count")
    stages = {stage: sample("slotline_answer_stage_seconds_count", stage=stage) for stage in ("stt", "play")}

    metrics.answer(TIMES)

    assert sample("slotline_voice_to_voice_seconds_count") == answers + 1
    assert sample("slotline_answer_stage_seconds_count", stage="stt") == stages["stt"] + 1
    assert sample("slotline_answer_stage_seconds_count", stage="play") == stages["play"]


def test_a_call_counts_by_its_outcome_with_what_was_measured() -> None:
    before = sample("slotline_calls_total", outcome="completed"), sample("slotline_worst_silence_seconds_sum")

    metrics.call_ended("completed", CallTimes(greeting_ms=20, worst_silence_ms=1500))
    metrics.call_ended("completed", CallTimes())

    assert sample("slotline_calls_total", outcome="completed") == before[0] + 2
    assert sample("slotline_worst_silence_seconds_sum") == before[1] + 1.5


def test_what_the_carrier_may_say_of_a_text_makes_no_labels_of_its_own() -> None:
    before = sample("slotline_texts_total", state="other")

    metrics.text_status("delivered")
    metrics.text_status("made up by somebody")

    assert sample("slotline_texts_total", state="other") == before + 1
    assert "made up" not in metrics.exposition().decode()


def test_the_histograms_tell_the_limits_that_matter_apart() -> None:
    told = metrics.exposition().decode()

    # The promise of a filler, and the silence that is too much: docs/howto/watch-a-worker.md asks for the second.
    assert 'slotline_voice_to_voice_seconds_bucket{le="1.5"}' in told
    assert 'slotline_worst_silence_seconds_bucket{le="3.0"}' in told


async def test_processes_tell_of_each_other_and_the_dead_carry_no_calls() -> None:
    with metrics.shared_by_processes() as shared:
        environment = {**os.environ, **shared}
        running = [
            await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", COUNT),
                env=environment,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            for _ in range(2)
        ]
        pids = [int(await process.stdout.readline()) for process in running if process.stdout]
        together = samples(await scrape(environment))
        running[0].kill()
        await running[0].wait()
        metrics.process_died(pids[0], shared)
        afterwards = samples(await scrape(environment))
        await running[1].communicate(b"")

    assert (together["slotline_calls_total"], together["slotline_live_calls"]) == (2, 2)
    assert (afterwards["slotline_calls_total"], afterwards["slotline_live_calls"]) == (2, 1)


async def scrape(environment: dict[str, str]) -> str:
    """Return what a process tells that has counted nothing itself."""
    tell = "import sys; from agent import metrics; sys.stdout.buffer.write(metrics.exposition())"
    command = [sys.executable, "-c", tell]
    told = await asyncio.to_thread(subprocess.run, command, env=environment, capture_output=True, check=True)
    return str(told.stdout.decode())


def test_without_a_folder_each_process_tells_of_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise PermissionError("read-only")

    monkeypatch.setattr(tempfile, "TemporaryDirectory", refuse)

    with structlog.testing.capture_logs() as logs, metrics.shared_by_processes() as shared:
        metrics.process_died(1, shared)

    assert shared == {}
    assert [line["event"] for line in logs] == ["metrics_not_shared"]
