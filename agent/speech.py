"""The speech and language services: what all calls share, and what is made for one call."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import openai
from openai import AsyncOpenAI, DefaultAsyncHttpxClient
from pipecat.audio.turn.smart_turn.local_smart_turn_v3 import LocalSmartTurnAnalyzerV3
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.services.openai.llm import OpenAILLMService
from pipecat.services.openai.stt import OpenAISTTService
from pipecat.services.openai.tts import OpenAITTSService
from pipecat.transcriptions.language import Language
from pipecat.turns.user_start import TranscriptionUserTurnStartStrategy, VADUserTurnStartStrategy
from pipecat.turns.user_stop import SpeechTimeoutUserTurnStopStrategy, TurnAnalyzerUserTurnStopStrategy
from pipecat.turns.user_turn_strategies import UserTurnStrategies
from pipecat.utils.http import connection_limits

from agent.language_models import request_settings
from agent.phrase_book import TTS_RATE

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.instructions import Instructions
    from agent.settings import Settings

Model = TypeVar("Model")

PROVIDER_SECS = 10.0
"""How long one request to a provider may take; the watchdog has spoken long before."""


class Spare(Generic[Model]):
    """Keeps one model ready, because loading one on the event loop of live calls is heard in all of them."""

    def __init__(self, load: Callable[[], Model]) -> None:
        self._load = load
        self._next: asyncio.Task[Model] | None = None

    def prepare(self) -> None:
        """Start loading the next one, in a thread."""
        self._next = asyncio.create_task(asyncio.to_thread(self._load))

    async def take(self) -> Model:
        """Return one that nobody else has, and load the next."""
        mine, self._next = self._next, None
        if mine is None or (mine.done() and (mine.cancelled() or mine.exception())):
            mine = asyncio.create_task(asyncio.to_thread(self._load))
        self.prepare()
        return await mine


class Speech:
    """One per worker: the connections to the providers and the models of turn-taking."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # The SDK's default closes idle connections after 5 s: a handshake in nearly every turn.
        self._http = DefaultAsyncHttpxClient(
            timeout=openai.Timeout(PROVIDER_SECS, connect=2.0),
            limits=connection_limits(max_connections=1000, max_keepalive_connections=100, keepalive_expiry=None),
        )
        self.client = AsyncOpenAI(
            api_key=settings.openai_api_key.get_secret_value(),
            base_url=settings.openai_base_url,
            http_client=self._http,
            max_retries=1,
        )
        self._vad = Spare(SileroVADAnalyzer)
        self._smart_turn = Spare(LocalSmartTurnAnalyzerV3)

    def prepare(self) -> None:
        """Load the models of the first call."""
        self._vad.prepare()
        if self._settings.turn_end == "smart_turn":
            self._smart_turn.prepare()

    async def aclose(self) -> None:
        await self.client.close()

    async def vad(self) -> SileroVADAnalyzer:
        return await self._vad.take()

    async def turn_strategies(self) -> UserTurnStrategies:
        """Return when a caller's turn starts and ends."""
        stop: Any
        if self._settings.turn_end == "smart_turn":
            stop = TurnAnalyzerUserTurnStopStrategy(turn_analyzer=await self._smart_turn.take())
        else:
            stop = SpeechTimeoutUserTurnStopStrategy(user_speech_timeout=self._settings.speech_timeout_secs)
        return UserTurnStrategies(start=[VADUserTurnStartStrategy(), TranscriptionUserTurnStartStrategy()], stop=[stop])

    def stt(self, instructions: Instructions) -> OpenAISTTService:
        return OpenAISTTService(
            **self._account(),
            push_empty_transcripts=True,
            settings=OpenAISTTService.Settings(
                model=self._settings.stt_model, language=Language(instructions.language)
            ),
        )

    def llm(self, instructions: Instructions) -> OpenAILLMService:
        model = instructions.model or self._settings.llm_model
        return _SharedLLM(
            self.client,
            settings=OpenAILLMService.Settings(
                model=model,
                system_instruction=instructions.system,
                **request_settings(model, instructions.temperature),
            ),
        )

    def tts(self, instructions: Instructions) -> OpenAITTSService:
        # Without its own rate 24 kHz audio is taken for 8 kHz and plays three times too slow.
        return OpenAITTSService(
            **self._account(),
            sample_rate=TTS_RATE,
            settings=OpenAITTSService.Settings(model=self._settings.tts_model, voice=instructions.voice),
        )

    def _account(self) -> dict[str, Any]:
        return {
            "api_key": self._settings.openai_api_key.get_secret_value(),
            "base_url": self._settings.openai_base_url,
            "http_client": self._http,
        }


class _SharedLLM(OpenAILLMService):
    """Pipecat's service on the worker's client, instead of one of its own with a TLS context for each call."""

    def __init__(self, client: AsyncOpenAI, **options: Any) -> None:
        self._shared_client = client
        super().__init__(**options)

    def create_client(self, **_options: Any) -> AsyncOpenAI:  # type: ignore[override]
        return self._shared_client
