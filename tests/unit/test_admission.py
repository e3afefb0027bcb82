"""Which calls a process takes, and how it counts those it carries."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from agent.admission import STREAM_WITHIN_SECS, Admission, LiveCalls, Refusal
from agent.loop_lag import WINDOW, LoopLag

MOST_LAG_MS = 100


@dataclass
class Clock:
    """A clock that a test moves."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def calls(clock: Clock) -> LiveCalls:
    return LiveCalls(monotonic=clock)


def admission(calls: LiveCalls, *, most_calls: int = 2, lag: LoopLag | None = None) -> Admission:
    return Admission(calls, lag or LoopLag(), most_calls=most_calls, most_lag_ms=MOST_LAG_MS)


def a_lag(*late_ms: float) -> LoopLag:
    lag = LoopLag()
    for each in late_ms:
        lag.note(each)
    return lag


def test_calls_are_taken_up_to_the_limit(calls: LiveCalls) -> None:
    door = admission(calls)

    with calls.carrying("CA1"):
        assert (door.refusal(), door.free_places) == (None, 1)
        with calls.carrying("CA2"):
            assert (door.refusal(), door.free_places) == (Refusal.FULL, 0)
        assert door.refusal() is None


def test_a_place_is_kept_for_the_stream_of_an_answered_call(calls: LiveCalls) -> None:
    calls.expect("CA1")
    calls.expect("CA1")

    assert (len(calls), calls.carried) == (1, 0)
    with calls.carrying("CA1"):
        assert (len(calls), calls.carried) == (1, 1)


def test_a_stream_that_went_to_another_process_keeps_no_place_for_long(calls: LiveCalls, clock: Clock) -> None:
    calls.expect("CA1")

    clock.now += STREAM_WITHIN_SECS

    assert len(calls) == 0


def test_a_call_that_is_over_before_its_stream_opened_keeps_no_place(calls: LiveCalls) -> None:
    calls.expect("CA1")

    calls.forget("CA1")

    assert len(calls) == 0


def test_a_resumed_call_counts_beside_the_stream_that_it_left(calls: LiveCalls) -> None:
    with calls.carrying("CA1"):
        with calls.carrying("CA1"):
            assert len(calls) == 2

        assert len(calls) == 1


def test_no_call_is_taken_while_the_event_loop_is_behind(calls: LiveCalls) -> None:
    door = admission(calls, lag=a_lag(*[MOST_LAG_MS] * 10))

    assert (door.refusal(), door.free_places) == (Refusal.LATE, 0)


def test_one_late_moment_refuses_nobody(calls: LiveCalls) -> None:
    door = admission(calls, lag=a_lag(*[1.0] * 99, 5000.0))

    assert door.refusal() is None


def test_lateness_is_forgotten_after_a_while() -> None:
    lag = a_lag(*[500.0] * WINDOW)
    assert lag.p95_ms == 500

    for _ in range(WINDOW):
        lag.note(2)

    assert lag.p95_ms == 2


def test_nothing_is_known_of_a_loop_that_has_just_begun() -> None:
    assert LoopLag().p95_ms == 0


def test_a_draining_process_takes_no_call(calls: LiveCalls) -> None:
    calls.is_draining = True

    assert admission(calls).refusal() is Refusal.DRAINING


async def test_goodbye_is_said_in_every_call_once(calls: LiveCalls) -> None:
    told: list[str] = []

    async def tell(call_sid: str) -> None:
        told.append(call_sid)

    with calls.carrying("CA1") as first, calls.carrying("CA2") as second:
        first.attach(lambda: tell("CA1"))
        second.attach(lambda: tell("CA2"))
        calls.close()
        calls.close()
        await asyncio.sleep(0)

    assert told == ["CA1", "CA2"]


async def test_a_call_whose_agent_is_not_there_yet_hears_goodbye_when_it_is(calls: LiveCalls) -> None:
    told = asyncio.Event()

    async def tell() -> None:
        told.set()

    with calls.carrying("CA1") as early:
        calls.close()
        with calls.carrying("CA2") as late:
            early.attach(tell)
            await asyncio.wait_for(told.wait(), 1)
            told.clear()
            late.attach(tell)
            await asyncio.wait_for(told.wait(), 1)
