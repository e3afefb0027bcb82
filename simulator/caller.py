"""The caller process: phones the worker through a Twilio edge, talks by a script, reports the call as JSON lines."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urljoin

import httpx
import numpy as np
from pydantic import BaseModel, ValidationError

from simulator import voices
from simulator.audio import SPEECH_LEVEL_DBFS, TELEPHONE_RATE, Pcm, at_level, mulaw_decode, telephone_band, write_wav
from simulator.call_edge import CallEdge, TwilioAccount
from simulator.caller_texts import follow_codes
from simulator.conversation import Conversation, Mouth, report
from simulator.dial_edge import Dialled, Person
from simulator.ears import Ears, KnownTexts, Rendered
from simulator.script import Line, Script

if TYPE_CHECKING:
    from simulator.ears import AgentTurn

_POLL_SECS = 20
_MOST_TEXTS = 300
_MOST_INPUT = 1 << 20


class TwilioPlan(BaseModel):
    """The Twilio stand-in and the account the number belongs to."""

    url: str
    account_sid: str
    auth_token: str


class VoiceBehind(BaseModel):
    """Somebody who talks behind the caller, over and over, `db` quieter than they."""

    says: str
    voice: str = "en-us+m2"
    db: float = 15


class CallerVoice(BaseModel):
    """Who calls: `number` None is a caller who withholds it."""

    number: str | None = None
    attestation: Literal["A", "B", "C"] | None = None
    voice: str = "en-us"
    noise_db: float | None = None
    behind: VoiceBehind | None = None


class CallPlan(BaseModel):
    """The first line of stdin: whom to call and what to say."""

    worker_url: str
    called: str
    twilio: TwilioPlan
    openai_url: str
    caller: CallerVoice = CallerVoice()
    person: Person = "answers"
    lines: list[Line]
    again: str = "Sorry?"
    max_secs: float = 240
    seed: int = 0
    recording: Path | None = None


class Journal:
    """What the agent's voice was asked to say, followed at the OpenAI stand-in, and how the caller understands it."""

    def __init__(self, http: httpx.AsyncClient, openai_url: str) -> None:
        self._http = http
        self._url = openai_url
        self._texts: list[str] = []
        self._last_id = 0
        self._known = KnownTexts(self._render)
        self._voice = ""
        """The agent's, known once this is open."""

    @property
    def asked(self) -> int:
        return len(self._texts)

    def asked_since(self, count: int) -> list[str]:
        return self._texts[count:]

    async def open(self) -> None:
        """Learn what the agent's voice was asked before the call: a worker keeps its fixed phrases."""
        state = await self._http.get(urljoin(self._url, "/control/state"))
        self._voice = state.raise_for_status().json()["agent_voice"]
        await self._read(wait=0)
        await asyncio.to_thread(self._known.learn, self._recent())

    async def follow(self) -> None:
        """Keep up with the journal until cancelled."""
        while True:
            await self._read(wait=_POLL_SECS)

    async def understand(self, turn: AgentTurn, *, fresh: list[str]) -> str:
        """Return what was said in `turn`; the comparing is done in a thread, as frames must not wait."""
        return await asyncio.to_thread(
            self._known.recognise,
            bytes(turn.audio),
            self._recent(),
            fresh=fresh,
            was_cut=turn.was_cut,
            follows_cut=turn.follows_cut,
        )

    def _recent(self) -> list[str]:
        return list(dict.fromkeys(reversed(self._texts)))[:_MOST_TEXTS]

    async def _read(self, *, wait: int) -> None:
        answer = await self._http.get(
            urljoin(self._url, "/control/spoken"), params={"after": self._last_id, "wait": wait}, timeout=wait + 10
        )
        for entry in answer.raise_for_status().json()["spoken"]:
            self._last_id = max(self._last_id, entry["id"])
            self._texts.append(entry["text"])

    def _render(self, text: str) -> Rendered:
        spoken = voices.speak_with_words(text, self._voice)
        words = tuple((character, sample * TELEPHONE_RATE // voices.RATE) for character, sample in spoken.words)
        return Rendered(voices.at_rate(spoken.pcm, TELEPHONE_RATE), words)


async def call(plan: CallPlan, commands: asyncio.StreamReader) -> None:
    """Place the call of `plan` and carry it to its end."""
    speech = await asyncio.to_thread(_speech, plan)
    noise_dbfs = None if plan.caller.noise_db is None else SPEECH_LEVEL_DBFS - plan.caller.noise_db
    account = TwilioAccount(plan.twilio.account_sid, plan.twilio.auth_token, plan.twilio.url)
    edge = CallEdge(
        plan.worker_url,
        account,
        plan.caller.number,
        plan.called,
        problem=_problem,
        attestation=plan.caller.attestation,
        person=plan.person,
        on_dialled=_tell_dialled,
    )
    async with httpx.AsyncClient(timeout=10, trust_env=False) as http:
        journal = Journal(http, plan.openai_url)
        await journal.open()
        behind = await asyncio.to_thread(_behind, plan.caller.behind) if plan.caller.behind else None
        mouth = Mouth(speech, noise_dbfs=noise_dbfs, seed=plan.seed, behind=behind)
        conversation = Conversation(
            Script(plan.lines, plan.again),
            Ears(),
            mouth,
            journal,
            emit=emit,
            max_secs=plan.max_secs,
        )
        async with asyncio.TaskGroup() as tasks:
            background = [tasks.create_task(_follow(journal)), tasks.create_task(_obey(commands, conversation))]
            if any(line.needs_code for line in plan.lines):
                background.append(tasks.create_task(_follow_codes(http, plan, mouth, conversation)))
            end = await edge.place(conversation)
            await conversation.finish()
            for task in background:
                task.cancel()
    if plan.recording:
        await asyncio.to_thread(_record, plan.recording, conversation)
    emit(
        "ended",
        by=end.by,
        at_ms=conversation.at_ms,
        **report(conversation),
        after=end.after,
        verbs=list(end.verbs),
        lag_ms=round(end.max_lag_secs * 1000),
    )


async def _follow(journal: Journal) -> None:
    try:
        await journal.follow()
    except httpx.HTTPError as error:
        _problem(f"what the agent says can no longer be followed: {error!r}")


async def _follow_codes(http: httpx.AsyncClient, plan: CallPlan, mouth: Mouth, conversation: Conversation) -> None:
    """Make the lines with a code in them sayable, and the recogniser understand them, as soon as there is one."""

    async def take(code: str) -> None:
        filled = [line.with_code(code) for line in plan.lines if line.needs_code]
        texts = [line.say for line in filled if line.say]
        for text in texts:
            mouth.learn(text, _on_the_phone(await asyncio.to_thread(voices.speak, text, plan.caller.voice)))
        if texts:
            answer = await http.post(urljoin(plan.openai_url, "/control/lines"), json={"lines": texts})
            answer.raise_for_status()
        conversation.code_came(code)

    try:
        await follow_codes(http, plan.twilio.url, on_code=take)
    except httpx.HTTPError as error:
        _problem(f"the caller's texts can no longer be followed: {error!r}")


async def _obey(commands: asyncio.StreamReader, conversation: Conversation) -> None:
    """Pass on what the parent tells; the end of its input hangs up."""
    while line := await commands.readline():
        try:
            command = json.loads(line)
        except json.JSONDecodeError:
            _problem(f"a command is not JSON: {line!r}")
            continue
        if isinstance(command, dict) and isinstance(tool := command.get("tool_started"), str):
            conversation.tool_started(tool)
    conversation.hang_up()


def emit(event: str, **facts: Any) -> None:
    """Report an event to the parent process."""
    sys.stdout.write(json.dumps({"event": event, **facts}) + "\n")
    sys.stdout.flush()


def _tell_dialled(dialled: Dialled) -> None:
    emit(
        "dialled",
        number=dialled.number,
        status=dialled.status,
        is_bridged=dialled.is_bridged,
        told=dialled.told,
    )


def _problem(text: str) -> None:
    emit("problem", text=text)


def _speech(plan: CallPlan) -> dict[str, Pcm]:
    texts = {line.say for line in plan.lines if line.say and not line.needs_code} | {plan.again}
    return {text: _on_the_phone(voices.speak(text, plan.caller.voice)) for text in sorted(texts)}


def _behind(voice: VoiceBehind) -> Pcm:
    """Return what `voice` says, with a second of silence before it begins again."""
    said: Pcm = _on_the_phone(voices.speak(voice.says, voice.voice)) * np.float32(10 ** (-voice.db / 20))
    return np.pad(said, (0, TELEPHONE_RATE))


def _on_the_phone(pcm: Pcm) -> Pcm:
    return at_level(telephone_band(voices.at_rate(pcm, TELEPHONE_RATE), TELEPHONE_RATE))


def _record(path: Path, conversation: Conversation) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    sides = mulaw_decode(bytes(conversation.sent)), mulaw_decode(bytes(conversation.played))
    path.write_bytes(write_wav(TELEPHONE_RATE, *sides))


async def _run() -> int:
    reader = asyncio.StreamReader(limit=_MOST_INPUT)
    loop = asyncio.get_running_loop()
    stdin, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    try:
        plan = CallPlan.model_validate_json(await reader.readline())
        await call(plan, reader)
    except ValidationError as error:
        _problem(f"the plan on stdin is not understood: {error}")
        return 2
    except (httpx.HTTPError, ValueError, voices.VoicesMissing) as error:
        _problem(f"no call could be placed: {error!r}")
        return 1
    finally:
        stdin.close()
    return 0


def main() -> int:
    """Run the process: the plan and commands on stdin, events on stdout."""
    with suppress(KeyboardInterrupt):
        return asyncio.run(_run())
    return 130


if __name__ == "__main__":
    sys.exit(main())
