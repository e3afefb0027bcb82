"""The first words of an answer, which the voice need not wait for a whole sentence with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pipecat.utils.text.base_text_aggregator import Aggregation, TextType
from pipecat.utils.text.simple_text_aggregator import SimpleTextAggregator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_OPENINGS: Final = frozenset(
    {
        "all right",
        "alright",
        "got it",
        "great",
        "i see",
        "no problem",
        "okay",
        "perfect",
        "sorry",
        "thank you",
        "thanks",
    }
    | {"understood", "wonderful", "you're welcome"}
)
"""What is said with a pause behind it anyway, and so often that its sound is mostly at hand (agent/sayings.py).

No "yes" and nothing like it: the guard may find that what follows it is not so.
"""
_LONGEST: Final = max(map(len, _OPENINGS))


def is_opening(text: str) -> bool:
    """Return whether `text` is a usual opening, with its comma."""
    return text.endswith(",") and text[:-1].strip().lower().replace("\u2019", "'") in _OPENINGS


class AnswerAggregator(SimpleTextAggregator):
    """Cuts an answer into sentences, and a usual opening off the first of them."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._is_beginning = True

    async def aggregate(self, text: str) -> AsyncIterator[Aggregation]:
        if self._is_beginning:
            head, comma, tail = text.partition(",")
            begun = f"{self._text}{head}".lstrip()
            self._is_beginning = not comma and len(begun) <= _LONGEST
            if comma and is_opening(f"{begun},"):
                self._text = ""
                yield Aggregation(f"{begun},", TextType.SENTENCE)
                text = tail
        async for sentence in super().aggregate(text):
            yield sentence

    async def flush(self) -> Aggregation | None:
        self._is_beginning = True
        return await super().flush()

    async def handle_interruption(self) -> None:
        self._is_beginning = True
        await super().handle_interruption()  # type: ignore[no-untyped-call]
