"""What a caller says while the agent speaks that asks for nothing, and where the agent goes on then."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_SOUNDS: Final = frozenset(
    {"ah", "aha", "hm", "hmm", "hmmm", "huh", "mhm", "mm", "mmhm", "mmhmm", "mmm", "oh", "uh", "uhhuh", "uhm", "um"}
)
"""What nobody means as an answer while they are being told something."""
_NODS: Final = frozenset(
    {"alright", "cool", "fine", "good", "got", "great", "i", "it", "k", "nice", "ok", "okay", "perfect", "right"}
    | {"see", "sure", "yeah", "yep", "yes"}
)
"""What may be an answer, and then to the question that the agent has just come to."""
_MOST_WORDS: Final = 4
_WORD: Final = re.compile(r"[^\W_]+(?:'[^\W_]+)?")
_SENTENCE: Final = re.compile(r"[^.!?]+[.!?]*")


def is_aside(text: str, unsaid: str) -> bool:
    """Return whether `text`, said over the agent, is no turn of the caller's.

    Args:
        unsaid: The sentences that the agent was cut off in or has not come to, "" when it was not speaking.
    """
    if not unsaid:
        return False
    words = [word.lower() for word in _WORD.findall(text.replace("-", ""))]
    if not words or len(words) > _MOST_WORDS:
        return False
    if all(word in _SOUNDS for word in words):
        return True
    is_nod = all(word in _NODS or word in _SOUNDS for word in words)
    return is_nod and not _is_one_question(unsaid)


def _is_one_question(unsaid: str) -> bool:
    sentences = [sentence for sentence in _SENTENCE.findall(unsaid) if sentence.strip()]
    return len(sentences) == 1 and sentences[0].rstrip().endswith("?")


def unsaid_of(answer: str, messages: Sequence[Any]) -> str | None:
    """Return what of `answer` is not in the conversation yet, None when something else was said in its place."""
    said: list[str] = []
    for message in reversed(messages):
        if not isinstance(message, dict) or message.get("role") != "assistant":
            break
        said.append(str(message.get("content") or ""))
    whole, heard = (" ".join(text.split()) for text in (answer, " ".join(reversed(said))))
    return whole.removeprefix(heard).strip() if whole.startswith(heard) else None
