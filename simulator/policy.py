"""The stand-in model: a scripted receptionist that answers chat messages by rules, not by a language model."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from simulator.policy_answer import Answer, ToolCall
from simulator.policy_desk import Desk
from simulator.policy_digits import meant_by_keys
from simulator.policy_note import read_note
from simulator.policy_resume import read_last_call
from simulator.policy_tools import Toolbox
from simulator.policy_transfer import read_return
from simulator.policy_turn import answer_caller
from simulator.policy_when import CalendarTable
from simulator.policy_words import about, plain

if TYPE_CHECKING:
    from collections.abc import Sequence


def answer(messages: Sequence[dict[str, Any]], tools: Sequence[dict[str, Any]]) -> Answer:
    """Return what the model says and calls next. It remembers nothing: all it knows is in the messages and tools."""
    instructions = "\n".join(_text(message) for message in messages if message.get("role") in ("system", "developer"))
    desk = Desk(CalendarTable.read(instructions), Toolbox.read(tools))
    read_last_call(desk, instructions)
    read_return(desk, instructions)
    calls: dict[str, ToolCall] = {}
    unclear = ""
    for position, message in enumerate(messages):
        role, text = message.get("role"), _text(message)
        if role == "user":
            unclear = _hear(desk, meant_by_keys(text), unclear)
            continue
        unclear = ""
        if role == "assistant":
            calls.update(_calls(message))
            desk.note_said(text)
        elif role == "tool":
            _read_result(desk, calls.get(str(message.get("tool_call_id"))), text)
        elif role == "developer" or (role == "system" and position > 0):
            _read_note(desk, calls, text)
    return desk.answer


def _hear(desk: Desk, text: str, unclear: str) -> str:
    """Answer what the caller said; return it when it made no sense, for the rest of it may be in the next message."""
    whole = f"{unclear} {text}".strip()
    if unclear and answer_caller(desk, whole, is_again=True):
        return ""
    return "" if answer_caller(desk, text, is_again=bool(unclear)) else whole


def _read_result(desk: Desk, call: ToolCall | None, text: str) -> None:
    if call is None:
        return
    result = _object(text)
    if result is not None and result.get("type") == "async_tool":
        desk.is_booking = not call.name.startswith(("find_", "end_"))
        desk.say("I'm still working on that. One moment, please.")
        return
    desk.take_result(call, result)


def _read_note(desk: Desk, calls: dict[str, ToolCall], text: str) -> None:
    """Follow what the worker tells the model: a late result, what a call has left out, what to say to who is silent."""
    if read_note(desk, text):
        return
    note = _object(text)
    if note is not None and note.get("type") == "async_tool":
        call = calls.get(str(note.get("tool_call_id")))
        if call is not None and note.get("status") == "finished":
            desk.take_result(call, _object(str(note.get("result") or "")))
        return
    words = plain(text)
    if about("part", words):
        desk.part()
    elif about("nudge", words):
        desk.is_nudged = True
        desk.say("Are you still there?")
    elif about("unheard", words):
        desk.say(f"Sorry, I didn't catch that. {desk.question()}")


def _calls(message: dict[str, Any]) -> dict[str, ToolCall]:
    calls = {}
    for call in message.get("tool_calls") or []:
        function = call.get("function") or {}
        arguments = _object(str(function.get("arguments") or "{}")) or {}
        calls[str(call.get("id"))] = ToolCall(str(function.get("name")), arguments)
    return calls


def _object(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _text(message: dict[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, list):
        return " ".join(str(part.get("text", "")) for part in content if isinstance(part, dict)).strip()
    return str(content or "")
