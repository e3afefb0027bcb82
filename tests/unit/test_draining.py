"""How a process ends that was told to: calls finish, or are told goodbye, and then it is over."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from agent.admission import ASKED_WITHIN_SECS, DIALLED_WITHIN_SECS, STREAM_WITHIN_SECS, LiveCalls
from agent.draining import Drain, Stage

GRACE_SECS, GOODBYE_SECS = 600.0, 20.0


@dataclass
class Clock:
    """A clock that a test moves."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


class Calls(LiveCalls):
    """Live calls that count how often they are told goodbye."""

    goodbyes = 0

    def close(self) -> None:
        self.goodbyes += 1
        super().close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def calls(clock: Clock) -> Calls:
    return Calls(monotonic=clock)


@pytest.fixture
def drain(calls: Calls, clock: Clock) -> Drain:
    return Drain(calls, grace_secs=GRACE_SECS, goodbye_secs=GOODBYE_SECS, monotonic=clock)


def test_nothing_ends_by_itself(drain: Drain, calls: Calls) -> None:
    assert not drain.tick()
    assert not calls.is_draining


def test_a_process_without_calls_ends_at_the_first_word(drain: Drain, calls: Calls) -> None:
    drain.hurry()

    assert calls.is_draining
    assert drain.tick()


def test_live_calls_finish_first_and_hear_nothing_of_it(drain: Drain, calls: Calls, clock: Clock) -> None:
    with calls.carrying("CA1"):
        drain.hurry()
        clock.now += GRACE_SECS - 1
        assert not drain.tick()
        calls.asked("CA1")

    assert drain.tick()
    assert calls.goodbyes == 0


def test_twilio_is_still_told_what_follows_the_last_stream(drain: Drain, calls: Calls) -> None:
    drain.hurry()
    with calls.carrying("CA1"):
        pass
    assert not drain.tick()

    calls.asked("CA1")

    assert drain.tick()


def test_a_question_that_another_process_was_asked_is_not_waited_for_long(
    drain: Drain, calls: Calls, clock: Clock
) -> None:
    drain.hurry()
    with calls.carrying("CA1"):
        pass
    clock.now += ASKED_WITHIN_SECS

    assert drain.tick()


def test_a_caller_for_whom_a_persons_phone_rings_is_not_left_alone(drain: Drain, calls: Calls, clock: Clock) -> None:
    calls.dials("CA1")
    drain.hurry()
    clock.now += DIALLED_WITHIN_SECS - 1
    assert not drain.tick()

    calls.dialled("CA1")

    assert drain.tick()


def test_two_who_have_long_been_talking_are_not_waited_for(drain: Drain, calls: Calls, clock: Clock) -> None:
    calls.dials("CA1")
    drain.hurry()
    clock.now += DIALLED_WITHIN_SECS

    assert drain.tick()


def test_nothing_more_is_expected_of_a_call_that_twilio_has_ended(drain: Drain, calls: Calls) -> None:
    with calls.carrying("CA1"):
        pass
    calls.expect("CA1")
    calls.dials("CA1")
    drain.hurry()

    calls.over("CA1")

    assert drain.tick()


def test_a_call_that_was_just_answered_is_waited_for(drain: Drain, calls: Calls, clock: Clock) -> None:
    calls.expect("CA1")
    drain.hurry()
    assert not drain.tick()

    clock.now += STREAM_WITHIN_SECS

    assert drain.tick()


def test_the_second_word_says_goodbye(drain: Drain, calls: Calls, clock: Clock) -> None:
    with calls.carrying("CA1"):
        drain.hurry()
        clock.now += 1
        drain.hurry()
        assert calls.goodbyes == 1
        assert not drain.tick()
        calls.asked("CA1")

    assert drain.tick()


def test_goodbye_is_said_when_the_grace_is_over(drain: Drain, calls: Calls, clock: Clock) -> None:
    with calls.carrying("CA1"):
        drain.hurry()
        clock.now += GRACE_SECS
        assert not drain.tick()

        assert (drain.stage, calls.goodbyes) == (Stage.CLOSING, 1)


def test_a_call_that_does_not_end_on_goodbye_is_not_waited_for_longer(drain: Drain, calls: Calls, clock: Clock) -> None:
    with calls.carrying("CA1"):
        drain.hurry()
        clock.now += 1
        drain.hurry()
        clock.now += GOODBYE_SECS

        assert drain.tick()


def test_the_third_word_ends_at_once(drain: Drain, calls: Calls, clock: Clock) -> None:
    with calls.carrying("CA1"):
        for _ in range(3):
            clock.now += 1
            drain.hurry()

        assert drain.tick()


def test_who_loses_those_that_started_them_after_the_signal_lets_calls_finish(
    drain: Drain, calls: Calls, clock: Clock
) -> None:
    with calls.carrying("CA1"):
        drain.stop()
        clock.now += 1
        drain.stop()

        assert (drain.stage, calls.goodbyes) == (Stage.DRAINING, 0)


def test_a_signal_that_comes_by_two_ways_is_one_word(drain: Drain, calls: Calls) -> None:
    with calls.carrying("CA1"):
        drain.hurry()
        drain.hurry()

        assert (drain.stage, calls.goodbyes) == (Stage.DRAINING, 0)
