"""The speech and language services: the clients that all calls share, and the services made for one call."""

from __future__ import annotations

import asyncio
import math
import ssl
import time
from typing import TYPE_CHECKING, Any

import openai
import structlog
from openai import AsyncOpenAI, DefaultAioHttpClient
from pipecat.transcriptions.language import Language
from pipecat.utils.http import connection_limits

from agent.endpoints import Endpoints
from agent.failover import FAILURES, Breaker, Failover, said
from agent.language_models import request_settings
from agent.phrase_book import TTS_RATE
from agent.realtime_stt import PART as REALTIME_PART
from agent.realtime_stt import RealtimeSTT
from agent.sayings import Sayings
from agent.speech_services import Model, SharedLLM, SharedTTS
from agent.spoken_forms import transforms

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from agent.endpoints import Endpoint, Part
    from agent.instructions import Instructions
    from agent.settings import Settings

log = structlog.get_logger(__name__)

PROVIDER_SECS = 10.0
"""How long one request to a provider may take; the watchdog has spoken long before."""
PATIENCE_SECS: dict[Part, float] = {"llm": 2.5, "stt": 2.5, "tts": 2.0}
"""How long the first token, the transcript and the first sound may take before the other is asked, if there is one."""
RETRIES: dict[Part, int] = {"llm": 1, "stt": 2, "tts": 2}
"""How often a request is repeated where nobody stands in; otherwise the other is asked instead."""


IDLE_SECS = 3600.0
"""How long we leave a connection open that nobody uses; its other end closes it before."""
OPEN_SECS = 20.0
"""How long a connection is surely left open by the provider when nobody uses it."""
CONNECTIONS = 2
"""What one call needs at once: a sentence is spoken while the next is being written."""


class Speech:
    """One per worker: the connections to the providers."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # The SDK's default closes idle connections after 5 s: a handshake in nearly every turn. aiohttp takes two
        # thirds of the time for a request (docs/explanation/latency.md).
        self._http = DefaultAioHttpClient(
            timeout=openai.Timeout(PROVIDER_SECS, connect=2.0),
            limits=connection_limits(max_connections=1000, max_keepalive_connections=100, keepalive_expiry=IDLE_SECS),
        )
        self.llms = self._models("llm")
        self.stts = self._models("stt")
        self.voices = self._models("tts")
        self.realtime_breaker = Breaker(REALTIME_PART)
        is_secured = settings.stt_mode == "realtime" and self.stts.main.client.base_url.scheme == "https"
        self._tls = ssl.create_default_context() if is_secured else None
        self._sayings = Sayings()
        self._opened_at = -math.inf
        self._opening: set[asyncio.Task[None]] = set()

    def open_connections(self) -> None:
        """Open connections to the providers in the background: a call that rings need not wait for handshakes."""
        now = time.monotonic()
        if now - self._opened_at < OPEN_SECS:
            return
        self._opened_at = now
        clients = {models.main.client.base_url: models.main.client for models in (self.llms, self.stts, self.voices)}
        for client in clients.values():
            for _ in range(CONNECTIONS):
                opening = asyncio.create_task(_reach(client))
                self._opening.add(opening)
                opening.add_done_callback(self._opening.discard)

    async def aclose(self) -> None:
        for opening in self._opening:
            opening.cancel()
        await asyncio.gather(*self._opening, return_exceptions=True)
        for models in (self.llms, self.stts, self.voices):
            await models.aclose()
        await self._http.aclose()

    def client(self, endpoint: Endpoint, *, retries: int = 1) -> AsyncOpenAI:
        """Return a client of an endpoint's server, on the connections of all calls."""
        return AsyncOpenAI(api_key=endpoint.key, base_url=endpoint.url, http_client=self._http, max_retries=retries)

    def realtime_stt(
        self,
        instructions: Instructions,
        *,
        transcribe: Callable[[bytes], Awaitable[str]],
        on_not_transcribed: Callable[[], Awaitable[None]],
    ) -> RealtimeSTT:
        """Return what transcribes a call while it is spoken, and by `transcribe` when that fails."""
        main = Endpoints.of(self._settings, "stt").main
        return RealtimeSTT(
            transcribe=transcribe,
            breaker=self.realtime_breaker,
            on_not_transcribed=on_not_transcribed,
            tls=self._tls,
            api_key=main.key,
            base_url=f"{main.url.replace('http', 'ws', 1)}/realtime",
            settings=RealtimeSTT.Settings(
                model=self._settings.stt_realtime_model, language=Language(instructions.language)
            ),
        )

    def llm(self, instructions: Instructions) -> SharedLLM:
        model = instructions.model or self._settings.llm_model
        return SharedLLM(
            self.llms,
            temperature=instructions.temperature,
            settings=SharedLLM.Settings(
                model=model,
                system_instruction=instructions.system,
                **request_settings(model, instructions.temperature),
            ),
        )

    def tts(self, instructions: Instructions) -> SharedTTS:
        # Without its own rate 24 kHz audio is taken for 8 kHz and plays three times too slow.
        return SharedTTS(
            self.voices,
            self._sayings,
            **self._account("tts"),
            sample_rate=TTS_RATE,
            text_transforms=transforms(instructions.language),
            settings=SharedTTS.Settings(model=self._settings.tts_model, voice=instructions.voice),
        )

    def _models(self, part: Part) -> Failover[Model]:
        endpoints = Endpoints.of(self._settings, part)
        fallback = self._model(endpoints.fallback, retries=1) if endpoints.fallback else None
        main = self._model(endpoints.main, retries=0 if fallback else RETRIES[part])
        return Failover(part, main, fallback, patience_secs=PATIENCE_SECS[part])

    def _model(self, endpoint: Endpoint, *, retries: int) -> Model:
        place = () if endpoint.url == self._settings.openai_base_url else (endpoint.url,)
        return Model(self.client(endpoint, retries=retries), endpoint.model, endpoint.voice, place)

    def _account(self, part: Part) -> dict[str, Any]:
        """Return what Pipecat makes a client of that nobody uses; a transport of its own would cost a TLS context."""
        main = Endpoints.of(self._settings, part).main
        return {"api_key": main.key, "base_url": main.url, "http_client": self._http}


async def _reach(client: AsyncOpenAI) -> None:
    """Ask for something that costs nothing, for the connection's sake."""
    try:
        await client.with_options(max_retries=0).models.list()
    except FAILURES as error:
        log.debug("connection_not_opened", error=said(error))
