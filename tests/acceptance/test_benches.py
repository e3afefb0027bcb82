"""The benches, small: they end as promised, and find what is wrong where something is taken away."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from bench import booking_cost, booking_race, calls, crash, message_lives
from tests.postgres import GET_IT

BENCHES = {
    "booking_race": booking_race.main,
    "booking_cost": booking_cost.main,
    "crash": crash.main,
    "calls": calls.main,
    "message_lives": message_lives.main,
}

Bench = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def bench(capsys: pytest.CaptureFixture[str]) -> Bench:
    """Return what runs a bench and gives its exit status and the last line; in this process, to be quick."""

    def run(name: str, *arguments: str) -> tuple[int, dict[str, Any]]:
        try:
            status = BENCHES[name](arguments)
        except SystemExit as error:
            if error.code == GET_IT:
                pytest.skip(GET_IT)
            raise
        return status, json.loads(capsys.readouterr().out.splitlines()[-1])

    return run


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_each_slot_is_booked_once_in_a_race_of_several_processes(bench: Bench, database: str) -> None:
    arguments = ("--callers", "12", "--slots", "3", "--processes", "2", "--database", database)

    status, result = bench("booking_race", *arguments)

    assert (status, result["bookings"], result["refused"], result["double"]) == (0, 3, 9, 0)
    assert (result["database"], result["errors"], result["untrue"]) == (database, 0, 0)
    assert 0 < result["p50_ms"] <= result["p95_ms"]


def test_our_own_claims_prevent_the_double_booking_and_nothing_else(bench: Bench) -> None:
    arguments = ("--callers", "12", "--slots", "3", "--processes", "2", "--calendar", "overlapping")

    status, guarded = bench("booking_race", *arguments)
    unguarded_status, unguarded = bench("booking_race", *arguments, "--unguarded")

    assert (status, guarded["bookings"], guarded["double"]) == (0, 3, 0)
    assert unguarded_status == 1
    assert unguarded["double"] > 0


def test_the_cost_of_a_booking_is_measured(bench: Bench) -> None:
    _, result = bench("booking_cost", "--bookings", "5", "--provider-ms", "20")

    # How much it is depends on what else the machine does.
    assert 0 < result["own_p50_ms"] <= result["own_p95_ms"]
    assert result["late_by_us_max_ms"] <= result["late_max_ms"]
    assert result["provider_p50_ms"] >= 20


def test_killed_processes_lose_nothing_and_do_nothing_twice(bench: Bench) -> None:
    status, result = bench("crash", "--runs", "4")

    assert (status, result["runs"], result["lost"], result["duplicates"]) == (0, 4, 0, 0)
    assert result["kills"] >= 3


def test_another_process_ends_what_one_leaves_that_dies_holding_leases(bench: Bench) -> None:
    status, result = bench("crash", "--only", "book/lost_answer/waits/answered.create:1/peer/None")

    assert (status, result["kills"], result["lost"], result["duplicates"]) == (0, 1, 0, 0)
    assert result["outcomes"] == {"active": 1}


def test_without_look_ups_a_text_is_sent_twice(bench: Bench) -> None:
    status, result = bench("crash", "--only", "send/lost_answer/waits/None/restart/None", "--blind")

    assert (status, result["duplicates"]) == (1, 1)


def test_each_version_is_told_of_once_over_lives_with_faults_and_kills(bench: Bench) -> None:
    status, result = bench("message_lives", "--lives", "3")

    assert (status, result["lost"], result["duplicates"], result["unexpected"]) == (0, 0, 0, 0)
    assert 0 < result["expected"] <= result["sent"]
    assert result["kills"] > 0


def test_without_look_ups_lives_are_told_of_something_twice(bench: Bench) -> None:
    status, result = bench("message_lives", "--lives", "6", "--blind")

    assert status == 1
    assert result["duplicates"] + result["unexpected"] > 0


def test_calls_are_measured(bench: Bench) -> None:
    status, result = bench("calls", "--only", "slotline", "--turns", "1", "--rounds", "1")

    figures = result["slotline"]
    # How much it is depends on what else the machine does, and so does whether the bench itself was punctual.
    assert status == int(result["void"])
    assert (figures["missed_turns"], result["plain"], result["ratio"]) == (0, None, None)
    assert figures["greeting"] > 0
    assert 0 < figures["voice_to_voice_p50"] == figures["voice_to_voice_p95"]
    assert figures["cpu"] > 0
    steps = [result["further"]["slotline"][step] for step in ("stt_request", "llm_request", "tts_request", "heard")]
    assert steps == sorted(steps)


def test_a_turn_that_a_worker_does_not_answer_in_time_is_missed(bench: Bench) -> None:
    slow = ("--stt-ms", "4000", "--patience", "1.5")

    status, result = bench("calls", "--only", "plain", "--turns", "1", "--rounds", "1", *slow)

    assert (status, result["plain"]["missed_turns"]) == (1, 1)
    assert result["plain"]["greeting"] > 0
    assert result["plain"]["voice_to_voice_p50"] is None
