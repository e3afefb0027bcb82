"""How many tokens a text takes, for authors; a call never counts."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from splintr import AnyTokenizer

ENCODING = "o200k_base"
"""What the GPT-4.1 and GPT-4o models read: https://github.com/openai/tiktoken/blob/main/tiktoken/model.py"""
NOT_COUNTED = "tokens are not counted: uv sync --group authoring"
"""What is said instead of a number."""


def count_tokens(text: str) -> int | None:
    """Return how many tokens `text` takes, None when the tokenizer is not installed."""
    tokenizer = _tokenizer()
    return None if tokenizer is None else len(tokenizer.encode(text))


@cache
def _tokenizer() -> AnyTokenizer | None:
    try:
        from splintr import Tokenizer
    except ImportError:  # a production image leaves the authors' tools out
        return None
    return Tokenizer.from_pretrained(ENCODING)
