"""Twilio's side of a call that waits: `<Enqueue>` with its waitUrl, `<Leave>`, and `<Gather>` with the keys pressed."""

from __future__ import annotations

import asyncio
import re
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urljoin

if TYPE_CHECKING:
    from collections.abc import Callable
    from xml.etree.ElementTree import Element

LONGEST_NAME = 64
MOST_ROUNDS = 200
WORDS_A_SECOND = 2.5
_IN_A_QUEUE = frozenset({"Play", "Say", "Pause", "Hangup", "Redirect", "Leave", "Gather"})
"""https://www.twilio.com/docs/voice/twiml/enqueue#waiturl"""
_IN_A_GATHER = frozenset({"Play", "Say", "Pause"})
_ENQUEUE_ATTRIBUTES = frozenset({"action", "method", "waitUrl", "waitUrlMethod", "workflowSid", "maxQueueSize"})
_GATHER_ATTRIBUTES = frozenset(
    {
        "action", "actionOnEmptyResult", "barge-in", "bargeIn", "enhanced", "finishOnKey", "hints", "input",
        "language", "maxSpeechTime", "method", "numDigits", "partialResultCallback", "partialResultCallbackMethod",
        "profanityFilter", "speechModel", "speechTimeout", "timeout",
    }
)  # fmt: skip


class Asks(Protocol):
    """Posts a webhook and returns the verbs of its TwiML."""

    async def __call__(self, url: str, **fields: str) -> list[Element]: ...


@dataclass(slots=True)
class Queues:
    """Who waits in which queue, in the order they came."""

    waiting: dict[str, list[str]] = field(default_factory=dict)

    def join(self, name: str, call_sid: str) -> None:
        self.waiting.setdefault(name, []).append(call_sid)

    def leave(self, name: str, call_sid: str) -> None:
        self.waiting[name].remove(call_sid)

    def position(self, name: str, call_sid: str) -> int:
        return self.waiting[name].index(call_sid) + 1


@dataclass(frozen=True, slots=True)
class Next:
    """Where a call goes on: at these `verbs`, which came from `url`."""

    url: str
    verbs: list[Element]


@dataclass(slots=True)
class QueueEdge:
    """One call that waits or is asked for a key.

    Args:
        keys: What the caller presses, one entry for each time that they are asked.
        pace: How long a second of waiting takes here.
    """

    ask: Asks
    call_sid: str
    queues: Queues
    keys: list[str]
    pace: float
    note: Callable[[str], None]
    """Is told each verb that is followed."""
    problem: Callable[[str], None]
    completed: asyncio.Event
    _waited_secs: float = field(init=False, default=0.0)

    async def enqueue(self, verb: Element, url: str) -> Next | None:
        """Let the caller wait until they leave; return what follows, None for the verb behind `verb`."""
        name, wait_url = (verb.text or "").strip(), verb.get("waitUrl")
        self._check_enqueue(verb, name)
        if not wait_url:
            self.problem("<Enqueue> without a waitUrl keeps the caller waiting until somebody dials the queue")
            return Next(url, [])
        self._waited_secs, queue_sid = 0.0, f"QU{secrets.token_hex(16)}"
        self.queues.join(name, self.call_sid)
        try:
            result = await self._wait(urljoin(url, wait_url), name, queue_sid)
        finally:
            self.queues.leave(name, self.call_sid)
        action = verb.get("action")
        if result == "hangup" or action is None:
            return Next(url, []) if result == "hangup" else None
        url = urljoin(url, action)
        fields = {"QueueResult": result, "QueueSid": queue_sid, "QueueTime": str(round(self._waited_secs))}
        return Next(url, await self.ask(url, CallStatus="in-progress", **fields))

    async def gather(self, verb: Element, url: str) -> Next | None:
        """Ask the caller for keys; return what follows those pressed, None for the verb behind `verb`."""
        self._check_gather(verb)
        for said in verb:
            await self._hear(said)
        if not self.keys:
            timeout = verb.get("timeout", "5")
            await self._pass(float(timeout) if timeout.isdecimal() else 5.0)
            return None
        digits = self.keys.pop(0)[: int(verb.get("numDigits", "99"))]
        url = urljoin(url, verb.get("action", ""))
        return Next(url, await self.ask(url, CallStatus="in-progress", Digits=digits))

    async def _wait(self, url: str, name: str, queue_sid: str) -> str:
        """Follow what `url` answers again and again; return how the wait ended."""
        for _ in range(MOST_ROUNDS):
            verbs = await self.ask(
                url,
                CallStatus="in-progress",
                QueueSid=queue_sid,
                QueuePosition=str(self.queues.position(name, self.call_sid)),
                QueueTime=str(round(self._waited_secs)),
                AvgQueueTime=str(round(self._waited_secs)),
                CurrentQueueSize=str(len(self.queues.waiting[name])),
            )
            before = self._waited_secs
            if result := await self._follow_wait(verbs, url):
                return result
            if self._waited_secs == before:
                self.problem(f"{url} takes no time, so it would be asked again without end")
                return "system-error"
        self.problem("the caller waits in the queue without end")
        return "hangup"

    async def _follow_wait(self, verbs: list[Element], url: str) -> str:
        pending = list(verbs)
        while pending:
            verb = pending.pop(0)
            if self.completed.is_set():
                return "hangup"
            if verb.tag not in _IN_A_QUEUE:
                self.problem(f"12200: <{verb.tag}> may not be used while a caller waits in a queue")
                return "system-error"
            match verb.tag:
                case "Leave":
                    self.note("leave")
                    return "leave"
                case "Hangup":
                    return "hangup"
                case "Redirect":
                    pending = await self.ask(urljoin(url, (verb.text or "").strip()), CallStatus="in-progress")
                case "Gather":
                    if following := await self.gather(verb, url):
                        pending = following.verbs
                case _:
                    await self._hear(verb)
        return ""

    async def _hear(self, verb: Element) -> None:
        if verb.tag == "Say":
            text = (verb.text or "").strip()
            self.note(f"say:{text}")
            await self._pass(len(text.split()) / WORDS_A_SECOND)
        else:
            await self._pass(float(verb.get("length", "1")))

    async def _pass(self, secs: float) -> None:
        self._waited_secs += secs
        await asyncio.sleep(secs * self.pace)

    def _check_enqueue(self, verb: Element, name: str) -> None:
        if not 0 < len(name) <= LONGEST_NAME:
            self.problem(f"14201: <Enqueue> has the queue name {name!r}")
        self._check_attributes(verb, _ENQUEUE_ATTRIBUTES)
        for attribute in ("method", "waitUrlMethod"):
            if verb.get(attribute, "POST") != "POST":
                self.problem(f"<Enqueue> has a {attribute} that is not acted out here: write POST")

    def _check_gather(self, verb: Element) -> None:
        self._check_attributes(verb, _GATHER_ATTRIBUTES)
        if not re.fullmatch(r"[1-9]\d*", verb.get("numDigits", "1")):
            self.problem(f"13314: <Gather> has the numDigits {verb.get('numDigits')!r}")
        if not re.fullmatch(r"\d+|auto", verb.get("timeout", "5")):
            self.problem(f"13313: <Gather> has the timeout {verb.get('timeout')!r}")
        if verb.get("method", "POST") != "POST":
            self.problem("<Gather> asks for a method that is not acted out here: write POST")
        for child in verb:
            if child.tag not in _IN_A_GATHER:
                self.problem(f"12200: <{child.tag}> may not stand in a <Gather>")

    def _check_attributes(self, verb: Element, known: frozenset[str]) -> None:
        if unknown := set(verb.keys()) - known:
            self.problem(f"12200: <{verb.tag}> has no attribute {', '.join(sorted(unknown))}")
