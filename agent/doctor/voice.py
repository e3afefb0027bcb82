"""Whether the speech service speaks in the voice of the instructions: it is asked for one word."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import openai

from agent.doctor.findings import Check, Finding, failed, ok, skipped, warning
from agent.doctor.services import REQUEST_SECS, host_of

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from agent.doctor.installation import Installation

WORD: Final = "Hello"
"""Costs about a hundredth of a cent."""
_LATER = (
    "Run this again in a minute. "
    "If it stays so, see whether the account has credit left: platform.openai.com → Billing."
)
_REFUSALS = (
    openai.BadRequestError,
    openai.NotFoundError,
    openai.PermissionDeniedError,
    openai.UnprocessableEntityError,
)


async def check_voice(client: AsyncOpenAI, installation: Installation, *, is_listed: bool) -> Finding:
    """Have one word spoken, and throw it away.

    Args:
        is_listed: Claims that TTS_MODEL is among the models of the account.
    """
    settings, prompts = installation.settings, installation.prompts
    assert settings is not None
    if prompts is None:
        return skipped(Check.OPENAI_VOICE, "not tried: the instructions must be put right first")
    if not is_listed:
        return skipped(Check.OPENAI_VOICE, "not tried: see openai_model")
    voice, model, url = prompts.prompt.head.voice, settings.tts_model, settings.openai_base_url
    try:
        async with asyncio.timeout(REQUEST_SECS):
            await client.audio.speech.create(model=model, voice=voice, input=WORD, response_format="pcm")
    except _REFUSALS as error:
        fix = _way_out(error, f"`voice` in {prompts.prompt.path}")
        return failed(Check.OPENAI_VOICE, f'voice "{voice}" of {model} is refused ({error.status_code})', fix)
    except openai.APIStatusError as error:
        seen = f"{host_of(url)} answered {error.status_code} when it was to speak one word"
        return warning(Check.OPENAI_VOICE, seen, _LATER)
    except (openai.APIConnectionError, TimeoutError):
        seen = f"{host_of(url)} did not speak one word within {REQUEST_SECS:g} s: so late, callers would hear silence"
        return warning(Check.OPENAI_VOICE, seen, "Run this again in a minute; if it stays so, name a faster TTS_MODEL.")
    return ok(Check.OPENAI_VOICE, f'voice "{voice}" of {model} has spoken one word')


def _way_out(error: openai.APIStatusError, voice: str) -> str:
    """Name the setting that is refused, as far as the service says which it is."""
    if isinstance(error, openai.PermissionDeniedError):
        return "Let the key of OPENAI_API_KEY make speech, or name a model that it may use in TTS_MODEL."
    if error.param == "voice":
        return f"Write another {voice}: {_said(error)}"
    if error.param == "model" or isinstance(error, openai.NotFoundError):
        return f"Name a model in TTS_MODEL that makes speech: {_said(error)}"
    return f"Write another {voice}, or name another model in TTS_MODEL: {_said(error)}"


def _said(error: openai.APIStatusError) -> str:
    body = error.body if isinstance(error.body, dict) else {}
    return f"the service says {str(body.get('message') or 'no more')!r}"
