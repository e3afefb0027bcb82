"""Plays a scenario's caller by typing into `slotline chat --json`."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

from agent.phrases import FILLERS
from agent.stand_ins import slotline

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from agent.outcome import Outcome
    from simulator.script import Line, Script

CALL_SECS = 180.0
TURN_ENDS_AFTER_SECS = 0.4
"""Nothing more from the agent for so long, and no tool running: it is the caller's turn."""
AFTER_LAST_LINE_SECS = 8.0


@dataclass(slots=True)
class _Hearing:
    """What came from the agent since the caller's last line."""

    text: str = ""
    tools: set[str] = field(default_factory=set)


async def chat_process(
    environment: Mapping[str, str],
    caller: str | None,
    *,
    stdin: int | None,
    is_attested: bool = False,
    log: IO[bytes] | None = None,
    prompt: Path | None = None,
) -> asyncio.subprocess.Process:
    """Start a typed worker in `environment`; without `log` what goes wrong is shown to the user.

    Args:
        caller: Their number, None when it is withheld.
        is_attested: Whether the carrier vouches for it.
    """
    followed = [*(("--attested",) if is_attested else ()), *(("--prompt", str(prompt)) if prompt else ())]
    return await asyncio.create_subprocess_exec(
        *slotline("chat", "--real", "--json", "--no-env-file", "--caller", caller or "", *followed),
        env={**environment, "LOG_LEVEL": "INFO" if log else "ERROR", "LOG_FORMAT": "json" if log else "console"},
        stdin=stdin,
        stdout=asyncio.subprocess.PIPE,
        stderr=log,
    )


async def type_through(
    process: asyncio.subprocess.Process,
    script: Script,
    outcome: Outcome,
    *,
    note: Callable[[dict[str, Any]], None],
    said: Callable[[str], None],
    ready: Callable[[], Awaitable[None]] | None,
    code: Callable[[], Awaitable[str]],
) -> None:
    """Hold the script's side of a conversation with a chat process.

    Args:
        note: Is told all that the process tells.
        said: Is told what the caller types.
        ready: Is awaited before the caller's first line.
        code: Returns the code that was texted last, once there is one.
    """
    caller = _TypedCaller(process, script, outcome, note, said, code)
    try:
        async with asyncio.timeout(CALL_SECS):
            await caller.first_words()
            if ready is not None:
                await ready()
            await caller.talk()
    except TimeoutError:
        outcome.problems.append("the typed call did not end")


class _TypedCaller:
    def __init__(
        self,
        process: asyncio.subprocess.Process,
        script: Script,
        outcome: Outcome,
        note: Callable[[dict[str, Any]], None],
        said: Callable[[str], None],
        code: Callable[[], Awaitable[str]],
    ) -> None:
        self._process = process
        self._script = script
        self._outcome = outcome
        self._tell = note
        self._said = said
        self._code = code
        self._heard = _Hearing()
        self._is_connected = False

    async def first_words(self) -> None:
        """Wait for the greeting."""
        while not self._heard.text:
            if not await self._listen(CALL_SECS):
                raise TimeoutError

    async def talk(self) -> None:
        while await self._wait_for_turn():
            line = self._script.next_line(self._heard.text)
            if line is None:
                break
            self._do(line, code=await self._code() if line.needs_code else "")
            if line.ends_call:
                break
        self._hang_up()
        while await self._listen(CALL_SECS):
            pass

    async def _wait_for_turn(self) -> bool:
        """Wait until the agent has answered; False when the conversation is over."""
        patience = AFTER_LAST_LINE_SECS if self._script.is_exhausted else CALL_SECS
        while True:
            has_answered = bool(self._heard.text) and not self._heard.tools
            try:
                if not await self._listen(TURN_ENDS_AFTER_SECS if has_answered else patience):
                    return False
            except TimeoutError:
                return has_answered and not self._script.is_exhausted

    async def _listen(self, patience_secs: float) -> bool:
        """Take in one line of the chat; False at its end."""
        assert self._process.stdout is not None
        async with asyncio.timeout(patience_secs):
            raw = await self._process.stdout.readline()
        if not raw:
            return False
        self._note(json.loads(raw))
        return True

    def _note(self, told: dict[str, Any]) -> None:
        if not self._is_connected:
            self._is_connected = True
            self._outcome.connected()
        self._tell(told)
        if told.get("agent") in FILLERS:
            return
        if "agent" in told:
            self._heard.text = f"{self._heard.text} {told['agent']}".strip()
        elif told.get("state") == "started":
            self._heard.tools.add(told["tool"])
            line = self._script.tool_line(told["tool"], self._heard.text)
            if line is not None:
                self._do(line, keep=self._heard.tools)
        elif "tool" in told:
            self._heard.tools.discard(told["tool"])

    def _do(self, line: Line, keep: set[str] | None = None, *, code: str = "") -> None:
        self._heard = _Hearing(tools=keep or set())
        filled = line.with_code(code) if code else line
        if filled.say:
            self._type(filled.say, shown=line.say or "")
        elif filled.press:
            # Where no time passes only # ends an entry.
            self._type(f"{filled.press.removesuffix('#')}#", shown=f"[presses {line.press}]")
        if line.ends_call:
            self._hang_up()

    def _type(self, text: str, *, shown: str) -> None:
        if self._process.stdin is not None and not self._process.stdin.is_closing():
            self._said(shown)
            self._process.stdin.write(text.encode() + b"\n")

    def _hang_up(self) -> None:
        if self._process.stdin is not None and not self._process.stdin.is_closing():
            self._process.stdin.close()
