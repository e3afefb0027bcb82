"""Twilio's side of a `<Dial>`: the phone of a person rings, they are told what the worker has to tell, they talk."""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol
from urllib.parse import urljoin

from simulator.twilio_wire import is_e164

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from xml.etree.ElementTree import Element

Person = Literal["answers", "no_answer", "busy", "answering_machine"]
"""What becomes of a phone that is dialled."""

RING_SECS = 1.0
UNANSWERED_SECS = 3.0
"""How long a phone rings here that nobody answers; at Twilio it does for `timeout`, which nobody wants to wait for."""
TALK_SECS = 3.0
"""How long caller and person talk."""
PRESSED = "1"
_LONGEST_TIMEOUT_SECS = 600
_MOST_DOCUMENTS = 10
_ATTRIBUTES = frozenset(
    {
        "action", "answerOnBridge", "callReason", "callerId", "events", "hangupOnStar", "method", "record",
        "recordingStatusCallback", "recordingStatusCallbackEvent", "recordingStatusCallbackMethod", "recordingTrack",
        "referMethod", "referUrl", "ringTone", "sequential", "timeLimit", "timeout", "trim",
    }
)  # fmt: skip
"""https://www.twilio.com/docs/voice/twiml/dial#attributes"""


@dataclass(frozen=True, slots=True)
class Dialled:
    """What became of a `<Dial>`: `told` is what the person heard before the caller, `status` is Twilio's word."""

    number: str
    status: str
    is_bridged: bool = False
    told: str = ""
    call_sid: str = ""
    took_secs: int = 0

    @property
    def fields(self) -> dict[str, str]:
        """What the `action` is told."""
        return {
            "DialCallStatus": self.status,
            "DialCallSid": self.call_sid,
            "DialCallDuration": str(self.took_secs),
            "DialBridged": "true" if self.is_bridged else "false",
        }


class Asks(Protocol):
    """Posts a webhook and returns the verbs of its TwiML."""

    async def __call__(self, url: str, **fields: str) -> list[Element]: ...


@dataclass(slots=True)
class DialEdge:
    """The phones that one call dials."""

    ask: Asks
    call_sid: str
    caller: str
    called: str
    person: Person
    problem: Callable[[str], None]
    completed: asyncio.Event
    """Set when the worker has ended the call through REST."""

    async def dial(self, verb: Element, url: str) -> Dialled:
        """Do what `verb`, of the document at `url`, says, until somebody hangs up or nobody answers."""
        noun = verb.find("Number")
        number = ((noun.text if noun is not None else verb.text) or "").strip()
        self._check(verb, number)
        call_sid = f"CA{secrets.token_hex(16)}"
        if not is_e164(number):
            return Dialled(number, "failed", call_sid=call_sid)
        if self.person == "busy":
            return Dialled(number, "busy", call_sid=call_sid)
        await self._until_completed(UNANSWERED_SECS if self.person == "no_answer" else RING_SECS)
        if self.completed.is_set():
            self.problem("the worker hung up while a person's phone rang")
            return Dialled(number, "canceled", call_sid=call_sid)
        if self.person == "no_answer":
            return Dialled(number, "no-answer", call_sid=call_sid)
        began = time.monotonic()
        first = noun.get("url") if noun is not None else None
        leg = _Leg(self, call_sid, verb.get("callerId") or self.caller, number)
        is_taken = await leg.hears(urljoin(url, first)) if first else True
        if is_taken:
            await self._until_completed(TALK_SECS)
            if self.completed.is_set():
                self.problem("the worker hung up a call that a person had taken")
        took_secs = round(time.monotonic() - began)
        return Dialled(number, "completed", is_taken, " ".join(leg.heard), call_sid, took_secs)

    async def _until_completed(self, secs: float) -> None:
        try:
            async with asyncio.timeout(secs):
                await self.completed.wait()
        except TimeoutError:
            return

    def _check(self, verb: Element, number: str) -> None:
        """Tell of all that Twilio would not take, or warn of."""
        if unknown := set(verb.keys()) - _ATTRIBUTES:
            self.problem(f"12200: <Dial> has no attribute {', '.join(sorted(unknown))}")
        timeout = verb.get("timeout", "30")
        if not timeout.isdecimal() or not 1 <= int(timeout) <= _LONGEST_TIMEOUT_SECS:
            self.problem(f"13212: <Dial> has the timeout {timeout!r}")
        if verb.get("method", "POST") != "POST":
            self.problem("<Dial> asks for a method that is not acted out here: write POST")
        caller_id = verb.get("callerId")
        if caller_id is not None and caller_id not in {self.caller, self.called}:
            self.problem(f"13214: <Dial> has the callerId {caller_id!r}, which is no number of this call")
        if not is_e164(number):
            self.problem(f"13224: <Dial> dials {number!r}, which is no phone number")


@dataclass(slots=True)
class _Leg:
    """The call to the person, which has a sid of its own and plays TwiML until it is bridged."""

    edge: DialEdge
    call_sid: str
    caller_id: str
    number: str
    heard: list[str] = field(default_factory=list)

    async def hears(self, url: str) -> bool:
        """Play the document at `url` and those that follow; return whether the person comes to hear the caller."""
        verbs = await self._ask(url)
        for _ in range(_MOST_DOCUMENTS):
            gather = self._listen(verbs)
            if gather is None:
                return not any(verb.tag in {"Hangup", "refused"} for verb in verbs)
            url = urljoin(url, gather.get("action", ""))
            verbs = await self._ask(url, Digits=PRESSED)
        self.edge.problem("the person is asked for a key again and again")
        return False

    def _listen(self, verbs: Iterable[Element]) -> Element | None:
        """Hear `verbs` and return the `<Gather>` at which a key is pressed; a machine presses none."""
        for verb in verbs:
            match verb.tag:
                case "Say":
                    self.heard.append((verb.text or "").strip())
                case "Gather":
                    self.heard += [(said.text or "").strip() for said in verb.iter("Say")]
                    if self.edge.person == "answers":
                        return verb
                case "Pause" | "Hangup" | "refused":
                    pass
                case other:
                    self.edge.problem(f"12200: <{other}> is not acted out before a call is bridged")
        return None

    async def _ask(self, url: str, **fields: str) -> list[Element]:
        return await self.edge.ask(
            url,
            CallSid=self.call_sid,
            ParentCallSid=self.edge.call_sid,
            CallStatus="in-progress",
            Direction="outbound-dial",
            From=self.caller_id,
            Caller=self.caller_id,
            To=self.number,
            Called=self.number,
            **fields,
        )
