"""Each part of a call is asked of the server that the settings name, and no key is shown to another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from agent.endpoints import Endpoints, accounts
from agent.settings import OPENAI_URL, Settings

if TYPE_CHECKING:
    from agent.endpoints import Endpoint, Part

OTHER = "https://voice.example.com/v1"


def settings(**changes: Any) -> Settings:
    values = {
        "public_base_url": "https://phone.example.com",
        "twilio_account_sid": "AC",
        "twilio_auth_token": "-",
        "openai_api_key": "sk-openais",
        "business_file": "-",
    }
    return Settings(_env_file=None, **(values | changes))  # type: ignore[call-arg]


def asked(endpoint: Endpoint | None) -> tuple[str, str, str]:
    assert endpoint is not None
    return endpoint.url, endpoint.key, endpoint.model


@pytest.mark.parametrize("part", ["llm", "stt", "tts"])
def test_everything_is_asked_of_openai_unless_something_else_is_set(part: Part) -> None:
    endpoints = Endpoints.of(settings(), part)

    assert asked(endpoints.main)[:2] == (OPENAI_URL, "sk-openais")
    assert endpoints.fallback is None


def test_another_server_is_not_shown_openais_key() -> None:
    other = settings(tts_base_url=OTHER, tts_model="kokoro")

    assert asked(Endpoints.of(other, "tts").main) == (OTHER, "none", "kokoro")
    assert asked(Endpoints.of(other, "stt").main)[:2] == (OPENAI_URL, "sk-openais")


def test_another_server_is_shown_its_own_key() -> None:
    other = settings(stt_base_url=OTHER, stt_api_key="sk-theirs")

    assert asked(Endpoints.of(other, "stt").main)[:2] == (OTHER, "sk-theirs")


def test_who_stands_in_may_be_another_model_of_the_same_server() -> None:
    same = settings(llm_fallback_model="gpt-4.1")

    assert asked(Endpoints.of(same, "llm").fallback) == (OPENAI_URL, "sk-openais", "gpt-4.1")


def test_who_stands_in_may_be_elsewhere() -> None:
    other = settings(
        tts_fallback_base_url=f"{OTHER}/", tts_fallback_model="kokoro", tts_fallback_voice="af_heart", tts_voice="ash"
    )
    fallback = Endpoints.of(other, "tts").fallback

    assert asked(fallback) == (OTHER, "none", "kokoro")
    assert fallback is not None
    assert fallback.voice == "af_heart"


def test_a_voice_of_one_server_is_not_asked_of_another() -> None:
    here = settings(tts_voice="af_heart", tts_fallback_model="kokoro-2")
    elsewhere = settings(tts_voice="af_heart", tts_fallback_model="tts-1", tts_fallback_base_url=OTHER)

    voices = [Endpoints.of(each, "tts").fallback for each in (here, elsewhere)]

    assert [endpoint and endpoint.voice for endpoint in voices] == ["af_heart", ""]


def test_what_has_one_address_and_key_is_one_account() -> None:
    found = accounts(settings(tts_base_url=OTHER, llm_fallback_base_url=OTHER, llm_fallback_model="llama"))

    assert [[endpoint.model_setting for endpoint in account] for account in found] == [
        ["LLM_MODEL", "STT_MODEL"],
        ["TTS_MODEL", "LLM_FALLBACK_MODEL"],
    ]


@pytest.mark.parametrize("name", ["llm_fallback_base_url", "stt_fallback_api_key", "tts_fallback_voice"])
def test_who_stands_in_needs_a_model(name: str) -> None:
    with pytest.raises(ValidationError, match=f"is unset beside {name.upper()}"):
        settings(**{name: "https://voice.example.com/v1"})


def test_no_key_is_shown_by_accident() -> None:
    told = repr(Endpoints.of(settings(llm_fallback_model="gpt-4.1"), "llm"))

    assert "sk-openais" not in told
