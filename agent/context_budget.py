"""What of a long call is sent to the model: all while it fits, and then its end, behind a note of the rest."""

from __future__ import annotations

import json
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final

import structlog
from pipecat.processors.aggregators import async_tool_messages

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Message = dict[str, Any]

log = structlog.get_logger(__name__)

BYTES_PER_TOKEN: Final = 4
"""A token of English is about four letters: https://help.openai.com/en/articles/4936856. Of UTF-8 that is nearly right
for other writings too, whose letters take more bytes and more tokens."""
TOKENS_PER_MESSAGE: Final = 4
KEPT_TURNS: Final = 3
"""So many of the caller's last turns stay word for word, unless they are very long."""
_NOTE_SHARE, _KEPT_SHARE, _MOST_SHARE = 0.25, 0.5, 0.7
_SHORTEST: Final = 40
"""Characters: a text of more may be cut to make the rest fit."""


def tokens_in(messages: Sequence[Message]) -> int:
    """Return about how many tokens `messages` take, a little more rather than less."""
    return sum(map(_tokens, messages))


def _tokens(message: Message) -> int:
    return TOKENS_PER_MESSAGE - (-_size(message) // BYTES_PER_TOKEN)


class ContextBudget:
    """Keeps what is sent of one call within so many tokens.

    When it grows beyond them its beginning is left out in one go, down to about half: what is sent begins with the
    same words for many turns then, which is what the provider's prompt cache goes by.

    Args:
        tokens: How many may be sent, instructions and tools not counted.
        note: Returns a note of the messages that are left out, in at most so many bytes of UTF-8.
    """

    def __init__(self, tokens: int, note: Callable[[Sequence[Message], int], str]) -> None:
        self._tokens = tokens
        self._make_note = note
        self._kept_from = 0
        self._note: Message | None = None

    def fit(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Return what is sent of `messages`, which are those of the last time and what has come since.

        They are returned themselves while all of them are sent.
        """
        sent = self._sent(messages)
        if tokens_in(sent) <= self._tokens:
            return sent
        self._kept_from = self._cut(messages)
        room = int(self._tokens * _NOTE_SHARE)
        text = self._make_note(messages[: self._kept_from], (room - TOKENS_PER_MESSAGE) * BYTES_PER_TOKEN)
        self._note = {"role": "developer", "content": text} if self._kept_from else None
        log.info("context_folded", messages=self._kept_from, kept=len(messages) - self._kept_from)
        return self._shortened(self._sent(messages))

    def _sent(self, messages: Sequence[Message]) -> Sequence[Message]:
        return [self._note, *messages[self._kept_from :]] if self._note else messages

    def _cut(self, messages: Sequence[Message]) -> int:
        """Return where what is kept begins: it holds the last turns, and no tool's result without its call."""
        places = _places_to_cut(messages)
        costs = list(accumulate(map(_tokens, reversed(messages))))[::-1]
        small = next((place for place in places if costs[place] <= self._tokens * _KEPT_SHARE), places[-1])
        turns = [at for at, message in enumerate(messages) if message.get("role") == "user"]
        last = turns[-KEPT_TURNS] if len(turns) >= KEPT_TURNS else 0
        whole = [place for place in places if place <= min(small, last) and costs[place] <= self._tokens * _MOST_SHARE]
        return whole[-1] if whole else small

    def _shortened(self, messages: Sequence[Message]) -> Sequence[Message]:
        """Cut the longest texts while all is too long: somebody has read out a book."""
        shortened = list(messages)
        while tokens_in(shortened) > self._tokens:
            longest = max(range(len(shortened)), key=lambda at: len(_text(shortened[at])))
            text = _text(shortened[longest])
            if len(text) <= _SHORTEST:
                break
            shortened[longest] = {**shortened[longest], "content": f"{text[: len(text) // 2]}\u2026"}
        return shortened


def _places_to_cut(messages: Sequence[Message]) -> list[int]:
    """Return where `messages` may be cut: nowhere between a tool's call and the last that is told of it."""
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    for at, message in enumerate(messages):
        for call in message.get("tool_calls") or ():
            first.setdefault(str(call["id"]), at)
        call_id, is_running = _told_of(message)
        if call_id in first:
            last[call_id] = len(messages) if is_running else at
    between = {at for call_id, end in last.items() for at in range(first[call_id] + 1, end + 1)}
    return [at for at in range(len(messages)) if at not in between] or [0]


def _told_of(message: Message) -> tuple[str, bool]:
    """Return the call whose result `message` is, "" when it is none, and whether the result is still to come."""
    late = async_tool_messages.parse_message(message) if message.get("role") in ("tool", "developer") else None  # type: ignore[arg-type]
    if late is not None:
        return late.tool_call_id, late.kind != "final"
    return str(message.get("tool_call_id") or ""), False


def _text(message: Message) -> str:
    content = message.get("content")
    return content if isinstance(content, str) else ""


def _size(message: Message) -> int:
    content, calls = message.get("content"), message.get("tool_calls")
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False) if content else ""
    told = json.dumps(calls, ensure_ascii=False) if calls else str(message.get("tool_call_id") or "")
    return len(text.encode()) + len(told.encode())
