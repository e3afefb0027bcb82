"""`slotline chat`: type to the agent instead of speaking."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Any

from agent.bootstrap import open_worker
from agent.typed import run_typed_call

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent.settings import Settings
    from agent.transcript import Turn


async def chat(settings: Settings, *, caller: str, as_json: bool) -> None:
    """Hold one typed conversation over stdin and stdout with the services that `settings` name."""
    show = _show_json if as_json else _show_plain
    async with open_worker(settings) as worker:
        call_sid = await run_typed_call(
            worker,
            caller=caller,
            typed=_stdin_lines(prompt="" if as_json else "you    "),
            on_turn=lambda turn: show(_told(turn)),
            on_tool=lambda tool: show({"tool": tool, "state": "started"}),
        )
        await worker.service.drain()
        appointments = await worker.store.appointments(call_sid)
        while await worker.store.pending_texts():
            await asyncio.sleep(0.1)
    show({"result": {"appointments": [a.appointment_id for a in appointments]}})


def _told(turn: Turn) -> dict[str, Any]:
    if turn.who == "tool":
        return {"tool": turn.tool, "state": "finished", "status": turn.text, "took_ms": turn.took_ms}
    return {turn.who: turn.text}


def _show_json(told: dict[str, Any]) -> None:
    if "caller" not in told:
        print(json.dumps(told, ensure_ascii=False), flush=True)  # noqa: T201 -- the command's output


def _show_plain(told: dict[str, Any]) -> None:
    if "agent" in told:
        print(f"agent  {told['agent']}", flush=True)  # noqa: T201 -- the command's output
    elif told.get("state") == "finished":
        print(f"       [{told['tool']}: {told['status']}, {told['took_ms']} ms]", flush=True)  # noqa: T201 -- same


async def _stdin_lines(prompt: str) -> AsyncIterator[str]:
    """Yield what is typed, line by line, until the end of input."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while raw := await reader.readline():
        if text := raw.decode(errors="replace").strip():
            yield text
