"""The opening of an answer, cut off its first sentence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.openings import AnswerAggregator

CHUNKS = st.lists(
    st.sampled_from(
        ["Great", ",", " Thank", " you,", " we do.", " Okay", "!", " Tuesday, or", " Friday? ", "No, ", "Mr. ", "4.5 "]
    ),
    max_size=12,
)


async def cut(*chunks: str) -> list[str]:
    aggregator = AnswerAggregator()
    pieces = [piece.text for chunk in chunks async for piece in aggregator.aggregate(chunk)]
    rest = await aggregator.flush()
    return [*pieces, *([rest.text] if rest else [])]


@pytest.mark.parametrize(
    ("chunks", "pieces"),
    [
        (["Great, that is done. Goodbye."], ["Great,", "that is done.", "Goodbye."]),
        (["Thank", " you", ", there", " is."], ["Thank you,", "there is."]),
        (["You\u2019re welcome, goodbye."], ["You\u2019re welcome,", "goodbye."]),
    ],
)
async def test_a_usual_opening_comes_first(chunks: list[str], pieces: list[str]) -> None:
    assert await cut(*chunks) == pieces


@pytest.mark.parametrize(
    "answer",
    [
        "Yes.",
        "On Tuesday, I have two o'clock.",
        "Ten, or two.",
        "Well then, let me see.",
        "It is free, yes, of course.",
    ],
)
async def test_nothing_else_is_cut_off(answer: str) -> None:
    assert await cut(answer) == [answer]


async def test_only_the_beginning_of_an_answer_opens_it() -> None:
    assert await cut("We do. Great, we do.") == ["We do.", "Great, we do."]


async def test_the_next_answer_has_an_opening_of_its_own() -> None:
    aggregator = AnswerAggregator()
    for _ in range(2):
        assert [piece.text async for piece in aggregator.aggregate("Okay, we do")] == ["Okay,"]
        await aggregator.flush()
    async for _ in aggregator.aggregate("It was cut"):
        pass
    await aggregator.handle_interruption()

    assert [piece.text async for piece in aggregator.aggregate("Thanks, go on")] == ["Thanks,"]


@given(CHUNKS)
async def test_no_letter_is_lost(chunks: list[str]) -> None:
    pieces = await cut(*chunks)

    assert "".join("".join(pieces).split()) == "".join("".join(chunks).split())
