"""A stand-in OpenAI that is quick and punctual: what was said it reads off the line's marks, answers are known ahead.

`simulator.openai` listens, thinks and speaks, and takes its time; here every delay is a setting.
"""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import groupby
from math import ceil
from typing import TYPE_CHECKING, Any, NamedTuple

from aiohttp import web

from bench import tones
from bench.line_marks import PLACES, read_marks
from bench.small_talk import EVERYTHING, GREETING, NAME, Needs, Question

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

    from bench.line_marks import LineMark

CHUNK_SECS = 0.1
_CHUNK_BYTES = round(CHUNK_SECS * tones.SPEECH_RATE) * 2
_LONGEST_PHRASE_WORDS = 4
"""Of a phrase only the beginning is spoken: what it says is of no interest here, and a greeting may be long."""
_READING_TOOLS = ("find_slots", "opening_hours")
"""What is called to look something up: slotline's, or that of the plain bot."""
_LARGEST_UPLOAD = 25 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Delays:
    """How long the services take."""

    stt_ms: float = 0.0
    llm_ms: float = 0.0
    """To the first word."""
    word_ms: float = 0.0
    """For each further word."""
    tts_ms: float = 0.0
    """To the first sound."""
    tts_speed: float = 0.0
    """How much faster than real time the sound comes; 0: at once."""


REALISTIC = Delays(stt_ms=350, llm_ms=400, word_ms=20, tts_ms=250, tts_speed=3)


class Stage(NamedTuple):
    """A moment of a turn, on the clock that all processes of a machine share."""

    call: int
    turn: int
    name: str
    at: float


class QuickOpenAI:
    """The handlers, and which turn each request belongs to."""

    def __init__(self, delays: Delays) -> None:
        self._delays = delays
        self._stages: list[Stage] = []
        self._asked: dict[str, LineMark] = {}
        """Who said these words last."""
        self._answered: dict[str, LineMark] = {}
        """Whose answer holds this sentence, since it was last given."""
        self._pitches: dict[str, int] = {}
        """Of the sentences that tools gave to say."""
        self.unmarked = 0
        """Recordings without a mark: nobody can tell what was said."""

    def app(self) -> web.Application:
        app = web.Application(client_max_size=_LARGEST_UPLOAD)
        app.add_routes(
            [
                web.get("/v1/models", self._models),
                web.post("/v1/audio/transcriptions", self._transcribe),
                web.post("/v1/chat/completions", self._chat),
                web.post("/v1/audio/speech", self._speech),
            ]
        )
        return app

    def take_stages(self) -> list[Stage]:
        """Return the moments since this was last asked."""
        taken, self._stages = self._stages, []
        return taken

    async def _models(self, _request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": []})

    async def _transcribe(self, request: web.Request) -> web.Response:
        arrived = time.monotonic()
        marks = read_marks(await request.read())
        last = marks[-1] if marks else None
        self.unmarked += last is None
        self._note("stt_request", last, arrived)
        await _pause(self._delays.stt_ms)
        self._note("transcript", last)
        text = self._heard(marks)
        return web.json_response({"text": text, "usage": {"type": "duration", "seconds": 1}})

    def _heard(self, marks: Sequence[LineMark]) -> str:
        """Return the words in a recording, and remember whose they are."""
        said = []
        for part, group in groupby(marks, key=lambda mark: replace(mark, place=0)):
            places = [mark.place for mark in group]
            # Of what came before, a recording may have the last syllables: they are no words.
            if places[0] < PLACES / 2:
                words = EVERYTHING[part.utterance].parts[part.part].split()
                said.append(" ".join(words[: ceil((places[-1] + 1) / PLACES * len(words))]))
        text = " ".join(said)
        if text:
            self._asked[text] = marks[-1]
        return text

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        arrived = time.monotonic()
        order = json.loads(await request.read())
        mark, result = self._last_said(order["messages"])
        self._note("llm_request", mark, arrived)
        question = EVERYTHING[mark.utterance] if mark is not None else None
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        with suppress(ConnectionResetError):  # nobody wants to hear the rest: the caller spoke over it
            await response.prepare(request)
            await _pause(self._delays.llm_ms)
            self._note("first_token", mark)
            if question is not None and question.needs and result is None:
                await response.write(b"".join(map(_event, _tool_call(order, question, mark))))
            else:
                await self._say(response, self._answer(question, result), mark)
            if (order.get("stream_options") or {}).get("include_usage"):
                await response.write(_event({"choices": [], "usage": _USAGE}))
            await response.write(b"data: [DONE]\n\n")
        return response

    def _last_said(self, messages: Sequence[Mapping[str, Any]]) -> tuple[LineMark | None, Mapping[str, Any] | None]:
        """Return whose words the caller's last are, and what a tool has answered since, if any has."""
        result = None
        for message in reversed(messages):
            if message["role"] == "tool" and result is None:
                result = _result(message)
            if message["role"] == "user":
                text = _text(message)
                found = [(text.rfind(said) + len(said), len(said), said) for said in self._asked if said in text]
                if found:
                    return self._asked[max(found)[2]], result
        return None, result

    def _answer(self, question: Question | None, result: Mapping[str, Any] | None) -> str:
        if question is None:
            return GREETING
        if question.needs is not Needs.BOOKING or result is None:
            return question.answer
        answer = str(result.get("say") or question.answer)
        self._pitches.update(dict.fromkeys(_sentences(answer), question.pitch))
        return answer

    async def _say(self, response: web.StreamResponse, answer: str, mark: LineMark | None) -> None:
        if mark is not None:
            self._answered.update(dict.fromkeys(_sentences(answer), mark))
        events = [_event(_chunk(content)) for content in _words(answer)]
        end = _event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        if not self._delays.word_ms:
            await response.write(b"".join(events) + end)
            return
        for number, event in enumerate(events):
            if number:
                await _pause(self._delays.word_ms)
            await response.write(event)
        await response.write(end)

    async def _speech(self, request: web.Request) -> web.StreamResponse:
        arrived = time.monotonic()
        text: str = json.loads(await request.read())["input"].strip()
        mark = self._answered.get(text)
        self._note("tts_request", mark, arrived)
        response = web.StreamResponse(headers={"Content-Type": "audio/pcm"})
        with suppress(ConnectionResetError):
            await response.prepare(request)
            await _pause(self._delays.tts_ms)
            self._note("first_sound", mark)
            async for chunk in self._sound(text):
                await response.write(chunk)
        return response

    async def _sound(self, text: str) -> AsyncIterator[bytes]:
        words, pitch = len(text.split()), self._pitch(text)
        pcm = tones.speech(words if pitch != tones.PHRASE else min(words, _LONGEST_PHRASE_WORDS), pitch)
        if not self._delays.tts_speed:
            yield pcm
            return
        began = time.monotonic()
        for number, at in enumerate(range(0, len(pcm), _CHUNK_BYTES)):
            due = began + number * CHUNK_SECS / self._delays.tts_speed
            await asyncio.sleep(max(due - time.monotonic(), 0))
            yield pcm[at : at + _CHUNK_BYTES]

    def _pitch(self, text: str) -> int:
        """Return the pitch of the answer that `text` is of; a worker may spell out what is not said as written."""
        if (pitch := _PITCH_OF.get(text, self._pitches.get(text))) is not None:
            return pitch
        words = set(text.split())
        alike = [pitch for said, pitch in self._pitches.items() if len(words & set(said.split())) > len(words) / 2]
        return alike[-1] if alike else tones.PHRASE

    def _note(self, name: str, mark: LineMark | None, at: float | None = None) -> None:
        if mark is not None:
            self._stages.append(Stage(mark.call, mark.turn, name, time.monotonic() if at is None else at))


async def _pause(milliseconds: float) -> None:
    if milliseconds:
        await asyncio.sleep(milliseconds / 1000)


def _result(message: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        result = json.loads(_text(message))
    except ValueError:
        return {}
    return result if isinstance(result, dict) else {}


def _text(message: Mapping[str, Any]) -> str:
    content = message["content"]
    return content if isinstance(content, str) else " ".join(each.get("text", "") for each in content)


def _tool_call(order: Mapping[str, Any], question: Question, mark: LineMark | None) -> Iterator[dict[str, Any]]:
    names = [tool["function"]["name"] for tool in order.get("tools") or ()]
    if question.needs is Needs.BOOKING:
        slots = next(
            slots
            for message in reversed(order["messages"])
            if message["role"] == "tool" and (slots := _result(message).get("slots"))
        )
        # Callers at once want different slots, as far as there are enough.
        slot = slots[(mark.call if mark else 0) % len(slots)]["key"]
        name, arguments = next(name for name in names if name.startswith("book_")), {"slot": slot, "name": NAME}
    else:
        name, arguments = next(name for name in _READING_TOOLS if name in names), {}
    call = {"index": 0, "id": f"call_{time.monotonic_ns()}", "type": "function"}
    delta = {"tool_calls": [{**call, "function": {"name": name, "arguments": json.dumps(arguments)}}]}
    yield {"choices": [{"index": 0, "delta": {"role": "assistant", **delta}, "finish_reason": None}]}
    yield {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}


def _chunk(content: str) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": content}, "finish_reason": None}]}


def _event(event: Mapping[str, Any]) -> bytes:
    return f"data: {json.dumps({**_HEAD, **event})}\n\n".encode()


def _words(answer: str) -> list[str]:
    """Return the answer in pieces as a model makes them: words with the space before them."""
    first, *others = answer.split()
    return [first, *(f" {word}" for word in others)]


def _sentences(answer: str) -> list[str]:
    """Return what the voice may be asked to say of an answer: its sentences, or all of it."""
    ends = [at + 1 for at, character in enumerate(answer) if character in ".?!"]
    return [answer[begin:end].strip() for begin, end in zip([0, *ends], ends, strict=False)] + [answer]


_HEAD = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "quick"}
_USAGE = {"prompt_tokens": 1000, "completion_tokens": 20, "total_tokens": 1020}
_PITCH_OF = {sentence: question.pitch for question in EVERYTHING for sentence in _sentences(question.answer)}
