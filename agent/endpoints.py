"""Where speech and language are had: the servers that the settings name, and those that stand in for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Self
from urllib.parse import urlsplit

from agent.settings import NO_KEY

if TYPE_CHECKING:
    from agent.settings import Settings

Part = Literal["llm", "stt", "tts"]
"""The language model, speech to text and text to speech."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A model at a server that speaks OpenAI's language, and the settings that name each.

    `voice` is whom a speech service is to sound like, "" for whom the instructions say.
    """

    url: str
    key: str = field(repr=False)
    model: str
    url_setting: str
    key_setting: str
    model_setting: str
    voice: str = ""

    @property
    def part(self) -> Part:
        """What of a call it does."""
        prefix = self.model_setting.partition("_")[0]
        return "llm" if prefix == "LLM" else "stt" if prefix == "STT" else "tts"

    @property
    def voice_setting(self) -> str:
        return self.model_setting.replace("_MODEL", "_VOICE")

    @property
    def is_fallback(self) -> bool:
        return self.model_setting.endswith("_FALLBACK_MODEL")

    @property
    def is_openais(self) -> bool:
        return urlsplit(self.url).hostname == "api.openai.com"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Who is asked for one part of a call: the one first, the other where it fails."""

    main: Endpoint
    fallback: Endpoint | None

    @classmethod
    def of(cls, settings: Settings, part: Part) -> Self:
        main = _main(settings, part)
        return cls(main, _fallback(settings, part, main))

    @property
    def all(self) -> tuple[Endpoint, ...]:
        return (self.main,) if self.fallback is None else (self.main, self.fallback)


def all_endpoints(settings: Settings) -> tuple[Endpoint, ...]:
    """Return every model that a call may need, those that stand in last."""
    parts: tuple[Part, ...] = ("llm", "stt", "tts")
    endpoints = [endpoint for part in parts for endpoint in Endpoints.of(settings, part).all]
    return tuple(sorted(endpoints, key=lambda endpoint: endpoint.is_fallback))


def accounts(settings: Settings) -> tuple[tuple[Endpoint, ...], ...]:
    """Return the endpoints of each server and key together."""
    found: dict[tuple[str, str], tuple[Endpoint, ...]] = {}
    for endpoint in all_endpoints(settings):
        account = (endpoint.url, endpoint.key)
        found[account] = (*found.get(account, ()), endpoint)
    return tuple(found.values())


def _main(settings: Settings, part: Part) -> Endpoint:
    openais = Endpoint(
        url=settings.openai_base_url,
        key=settings.openai_api_key.get_secret_value(),
        model="",
        url_setting="OPENAI_BASE_URL",
        key_setting="OPENAI_API_KEY",
        model_setting="",
    )
    match part:
        case "llm":
            return _at(openais, "LLM", "", "", model=settings.llm_model)
        case "stt":
            key = settings.stt_api_key.get_secret_value()
            return _at(openais, "STT", settings.stt_base_url, key, model=settings.stt_model)
        case "tts":
            key = settings.tts_api_key.get_secret_value()
            return _at(openais, "TTS", settings.tts_base_url, key, model=settings.tts_model, voice=settings.tts_voice)


def _fallback(settings: Settings, part: Part, main: Endpoint) -> Endpoint | None:
    match part:
        case "llm":
            url, key, model = settings.llm_fallback_base_url, settings.llm_fallback_api_key, settings.llm_fallback_model
        case "stt":
            url, key, model = settings.stt_fallback_base_url, settings.stt_fallback_api_key, settings.stt_fallback_model
        case "tts":
            url, key, model = settings.tts_fallback_base_url, settings.tts_fallback_api_key, settings.tts_fallback_model
    if not model:
        return None
    voice = settings.tts_fallback_voice or ("" if url else main.voice) if part == "tts" else ""
    return _at(main, f"{part.upper()}_FALLBACK", url, key.get_secret_value(), model=model, voice=voice)


def _at(usual: Endpoint, prefix: str, url: str, key: str, *, model: str, voice: str = "") -> Endpoint:
    """Return a model at the `usual` server, or at the one of `url`, which is shown no key but its own."""
    return Endpoint(
        url=url or usual.url,
        key=key or (NO_KEY if url else usual.key),
        model=model,
        url_setting=f"{prefix}_BASE_URL" if url else usual.url_setting,
        key_setting=f"{prefix}_API_KEY" if url or key else usual.key_setting,
        model_setting=f"{prefix}_MODEL",
        voice=voice,
    )
