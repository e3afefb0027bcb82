"""Pipecat's services of one call, on the clients that all calls share and with those who stand in for them."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from pipecat.frames.frames import Frame, LLMContextFrame, LLMMessagesAppendFrame, TTSAudioRawFrame
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.services.openai.tts import OpenAITTSService
from pipecat.utils.tracing.service_decorators import traced_tts

from agent.failover import FAILURES, NoAnswer
from agent.language_models import request_settings
from agent.speech_guard import AnswerGoesOnFrame

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Iterator, Mapping

    from openai import AsyncOpenAI, AsyncStream
    from openai.types.audio import Transcription
    from openai.types.chat import ChatCompletionChunk
    from pipecat.processors.aggregators.llm_context import LLMContext
    from pipecat.processors.frame_processor import FrameDirection

    from agent.failover import Begun, Failover
    from agent.sayings import Sayings

CHUNK_BYTES: Final = 1920
"""40 ms at 24 kHz. Pipecat waits for half a second of sound before any is played: 80 ms at a common pace."""
_NO_SOUND = ("text/", "application/json")
"""As what a gateway sends its own words; it would be noise in the caller's ear."""
_OF_A_MODEL = ("temperature", "reasoning_effort")
"""What `request_settings` may set."""
GO_ON: Final = (
    "A technical fault cut your last answer off where it ends above, and the caller has heard that much. "
    "Go on from there as if nothing had happened, without repeating what you said."
)


@dataclass(frozen=True, slots=True)
class Model:
    """A model and the client of its server.

    Args:
        voice: Whom it sounds like, "" for whom the instructions say.
        place: Its server, if that is not the usual one: the same name may mean another voice there.
    """

    client: AsyncOpenAI
    name: str
    voice: str = ""
    place: tuple[str, ...] = ()

    @property
    def is_openais(self) -> bool:
        return urlsplit(str(self.client.base_url)).hostname == "api.openai.com"


class SharedLLM(OpenAILLMService):
    """The language model, which is asked on the worker's clients.

    An answer that breaks off when some of it was said is not begun anew: the model is told to go on where it ended.

    Args:
        temperature: For a model that stands in and takes one.
    """

    def __init__(self, models: Failover[Model], *, temperature: float, **options: Any) -> None:
        self._models = models
        self._temperature = temperature
        self._goes_on = False
        """Whether the next answer goes on with one that broke off."""
        self._has_said = False
        self.answer = ""
        """The words of the last answer, as far as the model has given them."""
        self.is_answer_whole = False
        """Whether the model had given all of it before it was cut off."""
        super().__init__(**options)

    def create_client(self, **_options: Any) -> AsyncOpenAI:  # type: ignore[override]
        return self._models.main.client

    async def _process_context(self, context: LLMContext) -> None:
        is_going_on, self._goes_on, self._has_said = self._goes_on, False, False
        self.answer, self.is_answer_whole = "", False
        try:
            await super()._process_context(context)
            self.is_answer_whole = True
        except FAILURES:
            # One that breaks off again and again is an error like any other.
            if not self._has_said or is_going_on:
                raise
            self._goes_on = True
            await self.push_frame(AnswerGoesOnFrame())

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, LLMContextFrame) and self._goes_on:
            # Behind the end of what was said, so that the context has that before it.
            message: Any = {"role": "developer", "content": GO_ON}
            await self.push_frame(LLMMessagesAppendFrame([message], run_llm=True))

    async def _push_llm_text(self, text: str) -> None:
        self._has_said = True
        self.answer += text
        await super()._push_llm_text(text)

    async def get_chat_completions(self, context: LLMContext) -> AsyncGenerator[ChatCompletionChunk]:  # type: ignore[override]
        self._log_llm_response(context)
        settings: Any = self._settings
        given = await self.get_llm_adapter().get_llm_invocation_params(
            context, system_instruction=settings.system_instruction, convert_developer_to_user=False
        )
        params = self.build_chat_completion_params(given)
        return self._models.stream(lambda model, begun: _chunks(model, self._params_for(model, params), begun))

    def _params_for(self, model: Model, params: dict[str, Any]) -> dict[str, Any]:
        if model is self._models.main:
            return params
        own = request_settings(model.name, self._temperature)
        usual = {name: value for name, value in params.items() if name not in _OF_A_MODEL}
        return {
            **usual,
            "messages": params["messages"] if model.is_openais else [_plain(each) for each in params["messages"]],
            "model": model.name,
            **own.pop("extra", {}),
            **own,
        }


def _plain(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return `message` without the role that OpenAI's API has and others refuse, such as DeepSeek's."""
    return {**message, "role": "system"} if message.get("role") == "developer" else message


async def _chunks(model: Model, params: dict[str, Any], begun: Begun) -> AsyncGenerator[ChatCompletionChunk]:
    """Yield the answer of `model`, its words as they come and its calls of tools when it is whole.

    What breaks off before a word was passed on can then be asked of another model, and no tool is called twice.

    Raises:
        One of `agent.failover.FAILURES`, NoAnswer also when the stream ends as if it were whole: its last words, or the
        arguments of a tool, may be missing then.
    """
    held: list[ChatCompletionChunk] = []
    has_finished = False
    async with await model.client.chat.completions.create(**params) as chunks, aclosing(_read(chunks)) as read:
        async for chunk in read:
            choice = chunk.choices[0] if chunk.choices else None
            delta = choice.delta if choice else None
            has_finished |= choice is not None and choice.finish_reason is not None
            if delta is not None and (delta.content or delta.tool_calls):
                begun()
            if delta is not None and delta.content and not delta.tool_calls:
                yield chunk
            else:
                held.append(chunk)
    if not has_finished:
        raise NoAnswer("it ends without a finish_reason")
    for each in _one_call_each(held):
        yield each


def _one_call_each(chunks: Iterable[ChatCompletionChunk]) -> Iterator[ChatCompletionChunk]:
    """Yield `chunks` with a piece of one tool's call in each, the calls numbered as they come.

    Pipecat reads the first of a chunk and goes by the numbers. There are servers that send all calls in one chunk, as
    Ollama does, or give each of them the number 0, as Gemini's does.
    """
    number, call_id = -1, None
    for chunk in chunks:
        choice = chunk.choices[0] if chunk.choices else None
        if choice is None or not choice.delta or not choice.delta.tool_calls:
            yield chunk
            continue
        for call in choice.delta.tool_calls:
            if call.function and call.function.name and (call.id is None or call.id != call_id):
                number, call_id = number + 1, call.id
            delta = choice.delta.model_copy(update={"tool_calls": [call.model_copy(update={"index": max(0, number)})]})
            yield chunk.model_copy(update={"choices": [choice.model_copy(update={"delta": delta})]})


async def _read(chunks: AsyncStream[ChatCompletionChunk]) -> AsyncGenerator[ChatCompletionChunk]:
    try:
        async for chunk in chunks:
            yield chunk
    except ValueError as error:
        # Its text is what was received.
        raise NoAnswer(type(error).__name__) from None


async def transcribe(models: Failover[Model], wav: bytes, *, language: str) -> Transcription:
    """Return what is said in `wav`; raises one of `agent.failover.FAILURES` when nobody can tell."""

    async def request(model: Model, _begun: Begun) -> Transcription:
        try:
            heard = await model.client.audio.transcriptions.create(
                file=("audio.wav", wav, "audio/wav"), model=model.name, language=language
            )
        except ValueError as error:  # JSON that breaks off
            raise NoAnswer("no transcript") from error
        # The client does not check an answer, and returns one that is no JSON as it is.
        if not isinstance(getattr(heard, "text", None), str):
            raise NoAnswer("no transcript")
        return heard

    return await models.ask(request)


class SharedTTS(OpenAITTSService):
    """The voice, which is asked on the worker's clients for what it has not said before."""

    def __init__(self, models: Failover[Model], sayings: Sayings, **options: Any) -> None:
        super().__init__(**options)
        self._models = models
        self._sayings = sayings

    @traced_tts
    async def run_tts(self, text: str, context_id: str) -> AsyncGenerator[Frame, None]:
        """Yield `text` as sound. Unlike Pipecat's it takes any voice: another server has others."""
        settings: Any = self._settings
        voice = settings.voice
        if known := self._sayings.sound(self._models.main.name, voice, text):
            yield TTSAudioRawFrame(known, self.sample_rate, 1, context_id=context_id)
            return
        await self.start_tts_usage_metrics(text)
        speakers: list[Model] = []

        def speech(model: Model, _begun: Begun) -> AsyncGenerator[bytes]:
            speakers.append(model)
            return spoken(model, text, voice=voice)

        said = bytearray()
        async with aclosing(self._models.stream(speech)) as chunks:
            async for chunk in chunks:
                await self.stop_ttfb_metrics()
                said += chunk
                yield TTSAudioRawFrame(chunk, self.sample_rate, 1, context_id=context_id)
        if speakers == [self._models.main]:
            self._sayings.keep(self._models.main.name, voice, text, bytes(said))


async def spoken(model: Model, text: str, *, voice: str) -> AsyncGenerator[bytes]:
    """Yield `text` as 16-bit sound at 24 kHz, in the model's own voice or, when it has none, in `voice`.

    Raises:
        One of `agent.failover.FAILURES`, NoAnswer when words have no sound or come as a page of text.
    """
    is_silent = any(map(str.isalnum, text))
    async with model.client.audio.speech.with_streaming_response.create(
        model=model.name, voice=model.voice or voice, input=text, response_format="pcm"
    ) as answer:
        if answer.headers.get("content-type", "").startswith(_NO_SOUND):
            raise NoAnswer("no sound")
        async for chunk in answer.iter_bytes(CHUNK_BYTES):
            if chunk:
                is_silent = False
                yield chunk
    if is_silent:
        raise NoAnswer("no sound")
