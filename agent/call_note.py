"""What the model is told of the beginning of a long call when that is no longer sent: facts, made by code."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from pipecat.processors.aggregators import async_tool_messages

from appointments.spoken import say_slot
from tools.replies import Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from appointments.model import Action
    from appointments.offer import OfferedSlot
    from tools.session import BookingSession

HEAD = "This call is long, and its beginning is left out here. What stands of it:"
MOST_DONE, MOST_SAID, MOST_INTRODUCTIONS, LONGEST_QUOTE = 6, 5, 2, 100
_DONE = frozenset(
    {
        Status.BOOKED,
        Status.REQUESTED,
        Status.PENDING,
        Status.UNCONFIRMED,
        Status.CONFIRMED,
        Status.MOVED,
        Status.CANCELLED,
        Status.NOTED,
        Status.CODE_SENT,
    }
)
_INTRODUCES = re.compile(r"\b(?:my name(?:'s| is)|this is|i'm called|i am called)\b", re.IGNORECASE)
_ASKED_FOR = re.compile(
    r"\b(?:name|e-?mail|number|about|reason|why|which (?:kind|appointment))\b[^?]*\?", re.IGNORECASE
)


def call_note(session: BookingSession, left_out: Sequence[dict[str, Any]], most_bytes: int) -> str:
    """Return the note, what matters most first; what would make it longer than `most_bytes` is not in it.

    Args:
        left_out: The messages that it stands for.
    """
    note = HEAD
    for line in (*_facts(session, left_out), *_offers(session)):
        longer = f"{note}\n{line}"
        if len(longer.encode()) <= most_bytes:
            note = longer
    return note


def _facts(session: BookingSession, left_out: Sequence[dict[str, Any]]) -> Iterator[str]:
    if session.held is not None:
        yield _chosen(session, *session.held)
    if name := _name(session, left_out):
        yield f'The caller gave their name as "{_quoted(name)}".'
    if session.identity.known:
        yield f"They have shown that {session.identity.known} is their number."
    yield from (f"Done: {say}" for say in _done(left_out)[-MOST_DONE:])
    for key, appointment in session.found.items():
        action = session.action_of(appointment)
        when = say_slot(appointment.slot, action.zone if action else session.business.zone)
        yield f"Their appointment {key}: {appointment.title} on {when}, {appointment.status.value}."
    yield from _answers(left_out)


def _chosen(session: BookingSession, action: Action, slot: Any) -> str:
    offered = next((each for each in session.ledger(action) if each.slot == slot), None)
    key = f", slot key {offered.key}" if offered else ""
    booked = "it is booked, or being confirmed" if slot in session.booked_for else "it is not booked yet"
    return f"They have chosen {say_slot(slot, action.zone)}, for {action.title}{key}; {booked}."


def _name(session: BookingSession, left_out: Sequence[dict[str, Any]]) -> str:
    names = [*session.booked_for.values(), *(str(call.get("name") or "") for call in _arguments(left_out))]
    return next((name for name in reversed(names) if name), "")


def _arguments(messages: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for message in messages:
        for call in message.get("tool_calls") or ():
            arguments = _object(call["function"]["arguments"])
            if arguments:
                yield arguments


def _done(messages: Sequence[dict[str, Any]]) -> list[str]:
    """Return what the tools have told the caller of what was done."""
    replies = [_object(_result(message)) for message in messages]
    return [reply["say"] for reply in replies if reply and reply.get("status") in _DONE and reply.get("say")]


def _result(message: dict[str, Any]) -> str:
    if message.get("role") == "developer" and (told := async_tool_messages.parse_message(message)):  # type: ignore[arg-type]
        return told.result or ""
    return str(message.get("content") or "") if message.get("role") == "tool" else ""


def _answers(messages: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield what the caller said of themselves, and answered to questions for what only they know, the latest first."""
    asked, is_answered = "", False
    answers: dict[str, str] = {}
    for before, message in pairwise([{}, *messages]):
        text = message.get("content")
        if message.get("role") == "assistant" and isinstance(text, str):
            found = _ASKED_FOR.findall(text)
            asked = re.split(r"(?<=[.!?])\s+", text.strip())[-1] if found else ""
            is_answered = False
        elif message.get("role") == "user" and asked and isinstance(text, str):
            if not is_answered:
                answers.pop(asked, None)
                answers[asked], is_answered = text.strip(), True
            elif before.get("role") == "user":
                # Said in two breaths, before the model could answer.
                answers[asked] += f" {text.strip()}"
    introduced = [text for text in map(_said_by_caller, messages) if _INTRODUCES.search(text)]
    yield from (f'They said "{_quoted(text)}".' for text in introduced[:MOST_INTRODUCTIONS])
    for question, answer in list(reversed(answers.items()))[:MOST_SAID]:
        yield f'To "{_quoted(question)}" they said "{_quoted(answer)}".'


def _said_by_caller(message: dict[str, Any]) -> str:
    return str(message.get("content") or "") if message.get("role") == "user" else ""


def _offers(session: BookingSession) -> Iterator[str]:
    """Yield what can be booked now, the latest offer first."""
    bookable = list(session.bookable())
    if bookable:
        yield "Times that were offered and can still be booked, by their keys:"
    for action, offered in sorted(bookable, key=lambda each: each[1].offered_at, reverse=True):
        yield _offer(action, offered)


def _offer(action: Action, offered: OfferedSlot) -> str:
    local = offered.slot.start.astimezone(action.zone)
    return f"{offered.key} = {offered.say} ({local:%Y-%m-%d %H:%M}), for {action.title}"


def _quoted(text: str) -> str:
    """Return words of the call for quotation marks, on one line and not too many: they are no note of ours."""
    plain = " ".join(text.replace('"', "'").split())
    return plain if len(plain) <= LONGEST_QUOTE else f"{plain[:LONGEST_QUOTE]}\u2026"


def _object(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
