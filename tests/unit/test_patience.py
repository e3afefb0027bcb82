"""How long a silent caller is left in peace, and that the model is not asked about a request to wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pipecat.frames.frames import LLMContextFrame, LLMTextFrame
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection
from pipecat.tests.utils import run_test

from agent.patience import HOLD_SECS, NUDGE_SECS, Patience, TurnsWithoutModel, tells_to_wait
from agent.phrases import STILL_HERE, STILL_THERE
from tools.waiting import asks_to_wait

if TYPE_CHECKING:
    from pipecat.frames.frames import Frame


def nudges(patience: Patience, count: int, *, awaits_code: bool = False) -> list[tuple[float, str]]:
    """Return after how many seconds of silence each time what is said."""
    return [(patience.secs, patience.nudge(awaits_code=awaits_code)) for _ in range(count)]


def test_a_silent_caller_is_asked_twice() -> None:
    assert nudges(Patience(), 3) == [(NUDGE_SECS, STILL_THERE), (NUDGE_SECS, STILL_THERE), (NUDGE_SECS, "")]


def test_who_waits_for_a_code_is_asked_more_often() -> None:
    assert [said for _, said in nudges(Patience(), 7, awaits_code=True)] == [*[STILL_THERE] * 6, ""]


def test_who_asked_to_wait_is_left_alone_for_long_and_reminded_once() -> None:
    patience = Patience()
    nudges(patience, 1)
    patience.caller_asked_to_wait()

    assert nudges(patience, 5) == [
        (HOLD_SECS, STILL_HERE),
        (HOLD_SECS, STILL_THERE),
        (NUDGE_SECS, STILL_THERE),
        (NUDGE_SECS, ""),
        (NUDGE_SECS, ""),
    ]


def test_who_comes_back_is_treated_as_ever() -> None:
    patience = Patience()
    patience.caller_asked_to_wait()
    nudges(patience, 2)
    patience.caller_is_back()

    assert not patience.is_holding
    assert nudges(patience, 3) == [(NUDGE_SECS, STILL_THERE), (NUDGE_SECS, STILL_THERE), (NUDGE_SECS, "")]


@pytest.mark.parametrize(
    ("said", "waits"),
    [
        ("Take your time.", True),
        ("Of course, take all the time you need.", True),
        ("Take your time. Is there anything else?", False),
        ("It takes some time.", False),
    ],
)
def test_whom_the_agent_tells_to_take_their_time_is_left_alone_too(said: str, *, waits: bool) -> None:
    assert tells_to_wait(said) is waits


# What the model is asked


def said(*texts: str) -> LLMContextFrame:
    """Return the frame that asks the model about `texts`, of agent and caller in turn."""
    messages: list[Any] = [
        {"role": "user" if at % 2 else "assistant", "content": text} for at, text in enumerate(texts)
    ]
    return LLMContextFrame(LLMContext(messages))


async def passes(*frames: Frame) -> tuple[list[Frame], TurnsWithoutModel]:
    gate = TurnsWithoutModel(asks_to_wait)
    down, _ = await run_test(gate, frames_to_send=frames, start_timeout=5)
    return [frame for frame in down if isinstance(frame, (LLMContextFrame, LLMTextFrame))], gate


async def test_a_request_to_wait_does_not_reach_the_model() -> None:
    passed, gate = await passes(said("How can I help?", "Hold on a second."))

    assert passed == []
    assert (gate.has_kept(), gate.has_kept()) == (True, False)


async def test_all_else_reaches_the_model() -> None:
    frames = [
        said("How can I help?", "Hold on, is that Tuesday?"),
        said("How can I help?", "Hold on.", "Take your time."),
        LLMTextFrame("Hold on."),
    ]

    passed, gate = await passes(*frames)

    assert [type(frame) for frame in passed] == [type(frame) for frame in frames]
    assert not gate.has_kept()


async def test_a_guess_that_the_caller_went_on_from_is_forgotten() -> None:
    passed, gate = await passes(
        said("How can I help?", "Hold on."), whole := said("How can I help?", "Hold on, is that Tuesday?")
    )

    assert [frame.id for frame in passed] == [whole.id]
    assert not gate.has_kept()


async def test_words_since_the_agent_spoke_are_taken_together() -> None:
    whole = said("How can I help?", "Is that Tuesday?")
    whole.context.add_message({"role": "user", "content": "Hold on."})

    passed, _ = await passes(whole)

    assert [frame.id for frame in passed] == [whole.id]


async def test_what_the_tools_bring_reaches_the_model() -> None:
    """It comes from below, where nothing of the caller is waiting to be answered."""
    gate = TurnsWithoutModel(asks_to_wait)

    _, up = await run_test(
        gate,
        frames_to_send=[said("How can I help?", "Hold on.")],
        frames_to_send_direction=FrameDirection.UPSTREAM,
        start_timeout=5,
    )

    assert any(isinstance(frame, LLMContextFrame) for frame in up)
