"""Twilio's side of a call around its media stream: the signed webhooks, the TwiML they answer, the end."""

from __future__ import annotations

import asyncio
import secrets
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit
from xml.etree import ElementTree

import httpx

from simulator.dial_edge import DialEdge
from simulator.media_edge import MediaStream, StreamEnd, StreamRefused, StreamTarget, close, open_stream
from simulator.queue_edge import Next, QueueEdge, Queues
from simulator.signing import sign

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from xml.etree.ElementTree import Element

    from simulator.dial_edge import Dialled, Person
    from simulator.media_edge import Party

ANONYMOUS = "+266696687"
"""What Twilio puts in `From` when the caller withholds the number ("ANONYMOUS" on a keypad)."""

_WEBHOOK_TIMEOUT = httpx.Timeout(15.0, connect=5.0)
_POLL_SECS = 20
_MOST_STREAMS = 3


@dataclass(frozen=True, slots=True)
class TwilioAccount:
    """Whose number is called; `control_url` is the Twilio stand-in, which also serves the REST API."""

    account_sid: str
    auth_token: str
    control_url: str


@dataclass(frozen=True, slots=True)
class CallEnd:
    """How a call ended: by "caller" or "agent", and the verbs Twilio followed after the stream."""

    by: str
    verbs: tuple[str, ...] = ()
    max_lag_secs: float = 0.0

    @property
    def after(self) -> str:
        """The verb that says most about what happened to the caller after the stream."""
        for kind in ("dial:", "say:", "reject", "refused:"):
            for verb in self.verbs:
                if verb.startswith(kind):
                    return verb
        return "hangup"


@dataclass(slots=True)
class CallEdge:
    """One incoming call at a Twilio number whose voice webhook is the worker's."""

    worker_url: str
    account: TwilioAccount
    caller: str | None
    called: str
    problem: Callable[[str], None]
    attestation: str | None = None
    """A, B or C: how far the caller's carrier vouches for the number; None: it does not say."""
    person: Person = "answers"
    """What becomes of a phone that the call is put through to."""
    on_dialled: Callable[[Dialled], None] = lambda _dialled: None
    keys: Sequence[str] = ()
    """What the caller presses, one entry for each time that TwiML asks them to."""
    queues: Queues = field(default_factory=Queues)
    """Where calls wait that know of each other."""
    queue_pace: float = 1.0
    """How long a second of waiting in a queue takes here."""
    call_sid: str = field(default_factory=lambda: f"CA{secrets.token_hex(16)}")
    _http: httpx.AsyncClient = field(init=False)
    _completed: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    _began: float = field(init=False, default=0.0)
    _lag_secs: float = field(init=False, default=0.0)

    async def place(self, party: Party) -> CallEnd:
        """Ring, follow what the worker answers until the call is over, and report the end as Twilio does."""
        self._began = time.monotonic()
        async with httpx.AsyncClient(timeout=_WEBHOOK_TIMEOUT, trust_env=False) as self._http:
            await self._control("", call_sid=self.call_sid, **{"from": self._from, "to": self.called})
            async with self._watched():
                by, verbs = await self._follow(party)
            await self._control(f"/{self.call_sid}", status="completed")
            await self._report_end()
        return CallEnd(by, tuple(verbs), self._lag_secs)

    @property
    def _from(self) -> str:
        return self.caller or ANONYMOUS

    async def _follow(self, party: Party) -> tuple[str, list[str]]:
        url = f"{self.worker_url}/twilio/voice"
        pending, followed, streams = await self._ask(url, CallStatus="ringing"), list[str](), 0
        waits = QueueEdge(
            ask=self._ask,
            call_sid=self.call_sid,
            queues=self.queues,
            keys=list(self.keys),
            pace=self.queue_pace,
            note=followed.append,
            problem=self.problem,
            completed=self._completed,
        )
        while pending:
            verb = pending.pop(0)
            if verb.tag != "Connect":
                followed.append(_described(verb))
                if verb.tag in {"Hangup", "Reject", "refused"}:
                    break
                if following := await self._wait(verb, url, waits):
                    url, pending = following.url, following.verbs
                if verb.tag == "Dial":
                    dialled = await self._dial(verb, url)
                    if self._completed.is_set():
                        break
                    if action := verb.get("action"):
                        url = urljoin(url, action)
                        pending = await self._ask(url, CallStatus="in-progress", **dialled.fields)
                continue
            streams += 1
            if streams > _MOST_STREAMS:
                self.problem("the worker connected the call to a stream again and again")
                break
            end = await self._stream(verb, party)
            if end in {StreamEnd.CALLER, StreamEnd.COMPLETED}:
                return ("caller" if end is StreamEnd.CALLER else "agent"), followed
            if self._completed.is_set():
                break
            if action := verb.get("action"):
                url = urljoin(url, action)
                pending = await self._ask(url, CallStatus="in-progress")
        return "agent", followed

    async def _wait(self, verb: Element, url: str, waits: QueueEdge) -> Next | None:
        """Do what takes the call to another document; None: it goes on with the next verb."""
        match verb.tag:
            case "Enqueue":
                return await waits.enqueue(verb, url)
            case "Gather":
                return await waits.gather(verb, url)
            case "Redirect":
                url = urljoin(url, (verb.text or "").strip())
                return Next(url, await self._ask(url, CallStatus="in-progress"))
            case _:
                return None

    async def _dial(self, verb: Element, url: str) -> Dialled:
        edge = DialEdge(
            ask=self._ask,
            call_sid=self.call_sid,
            caller=self._from,
            called=self.called,
            person=self.person,
            problem=self.problem,
            completed=self._completed,
        )
        dialled = await edge.dial(verb, url)
        self.on_dialled(dialled)
        return dialled

    async def _stream(self, connect: Element, party: Party) -> StreamEnd:
        target = self._target(connect)
        if target is None:
            return StreamEnd.REFUSED
        try:
            websocket = await open_stream(target, self.account.auth_token)
        except StreamRefused as refused:
            self.problem(str(refused))
            return StreamEnd.REFUSED
        stream = MediaStream(
            websocket,
            target,
            party,
            account_sid=self.account.account_sid,
            call_sid=self.call_sid,
            stream_sid=f"MZ{secrets.token_hex(16)}",
            problem=self.problem,
        )
        try:
            return await stream.run(self._completed)
        finally:
            self._lag_secs = max(self._lag_secs, stream.max_lag_secs)
            await close(websocket)

    def _target(self, connect: Element) -> StreamTarget | None:
        stream = connect.find("Stream")
        url = stream.get("url") if stream is not None else None
        if stream is None or not url:
            self.problem("12200: <Connect> has no <Stream> with a url")
            return None
        parts = urlsplit(url)
        if parts.scheme not in {"ws", "wss"} or parts.query:
            self.problem(f"31922: a stream's url is wss:// and has no query string, unlike {url!r}")
            return None
        parameters = {p.get("name", ""): p.get("value", "") for p in stream.findall("Parameter")}
        return StreamTarget(url, parameters)

    async def _ask(self, url: str, **fields: str) -> list[Element]:
        """Post a webhook and return the verbs of its TwiML; a refusal comes back as the verb `refused`."""
        answer = await self._post(url, fields)
        if answer is None or answer.status_code != httpx.codes.OK:
            status = "no answer" if answer is None else str(answer.status_code)
            self.problem(f"11200: {url} answered {status}")
            return [ElementTree.Element("refused", {"status": status})]
        try:
            root = ElementTree.fromstring(answer.content)  # noqa: S314 -- the worker's own TwiML, from loopback
        except ElementTree.ParseError as error:
            self.problem(f"12100: {url} answered no XML: {error}")
            return []
        if root.tag != "Response" or "xml" not in answer.headers.get("content-type", ""):
            self.problem(f"12100: {url} answered no TwiML")
        return list(root)

    async def _post(self, url: str, fields: dict[str, str]) -> httpx.Response | None:
        form = self._common_fields() | fields
        headers = {
            "X-Twilio-Signature": sign(self.account.auth_token, url, form),
            "I-Twilio-Idempotency-Token": secrets.token_hex(16),
            "User-Agent": "TwilioProxy/1.1",
        }
        try:
            return await self._http.post(url, data=form, headers=headers)
        except httpx.HTTPError as error:
            self.problem(f"11200: {url} could not be reached: {type(error).__name__}")
            return None

    def _common_fields(self) -> dict[str, str]:
        parties = {"From": self._from, "Caller": self._from, "To": self.called, "Called": self.called}
        countries = {f"{name}Country": "US" if number.startswith("+1") else "" for name, number in parties.items()}
        return {
            "CallSid": self.call_sid,
            "AccountSid": self.account.account_sid,
            "Direction": "inbound",
            "ApiVersion": "2010-04-01",
            **({"StirVerstat": f"TN-Validation-Passed-{self.attestation}"} if self.attestation else {}),
            **parties,
            **countries,
        }

    async def _report_end(self) -> None:
        took_secs = round(time.monotonic() - self._began)
        fields = {
            "CallStatus": "completed",
            "CallDuration": str(took_secs),
            "Duration": str(-(-took_secs // 60)),
            "CallbackSource": "call-progress-events",
            "SequenceNumber": "0",
        }
        answer = await self._post(f"{self.worker_url}/twilio/status", fields)
        if answer is not None and not answer.is_success:
            self.problem(f"15003: /twilio/status answered {answer.status_code}")

    async def _control(self, path: str, **body: str) -> None:
        url = f"{self.account.control_url}/control/calls{path}"
        try:
            answer = await self._http.post(url, json=body)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            self.problem(f"the Twilio stand-in at {url} did not take the call: {error!r}")

    @asynccontextmanager
    async def _watched(self) -> AsyncIterator[None]:
        """Watch for the worker ending the call through REST."""
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(self._watch())
            try:
                yield
            finally:
                watching.cancel()

    async def _watch(self) -> None:
        url = f"{self.account.control_url}/control/calls/{self.call_sid}"
        while True:
            try:
                answer = await self._http.get(url, params={"wait": _POLL_SECS}, timeout=_POLL_SECS + 10)
                status = answer.raise_for_status().json()["status"]
            except httpx.HTTPError as error:
                self.problem(f"the Twilio stand-in no longer knows the call: {error!r}")
                return
            if status != "in-progress":
                self._completed.set()
                return


def _described(verb: Element) -> str:
    match verb.tag:
        case "Say":
            return f"say:{(verb.text or '').strip()}"
        case "Dial":
            number = verb.find("Number")
            return f"dial:{((number.text if number is not None else verb.text) or '').strip()}"
        case "refused":
            return f"refused:{verb.get('status')}"
        case other:
            return other.lower()
