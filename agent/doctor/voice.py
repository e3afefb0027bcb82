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
    from agent.endpoints import Endpoint

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


async def check_voice(
    client: AsyncOpenAI, installation: Installation, endpoint: Endpoint, *, is_listed: bool
) -> Finding:
    """Have one word spoken by the model of an endpoint, and throw it away.

    Args:
        is_listed: Claims that the model is among those of the account.
    """
    prompts = installation.prompts
    if prompts is None:
        return skipped(Check.OPENAI_VOICE, "not tried: the instructions must be put right first")
    if not is_listed:
        return skipped(Check.OPENAI_VOICE, "not tried: see openai_model")
    voice, model, url = endpoint.voice or prompts.prompt.head.voice, endpoint.model, endpoint.url
    try:
        async with asyncio.timeout(REQUEST_SECS):
            await client.audio.speech.create(model=model, voice=voice, input=WORD, response_format="pcm")
    except _REFUSALS as error:
        fix = _way_out(
            error, endpoint, endpoint.voice_setting if endpoint.voice else f"`voice` in {prompts.prompt.path}"
        )
        return failed(Check.OPENAI_VOICE, f'voice "{voice}" of {model} is refused ({error.status_code})', fix)
    except openai.APIStatusError as error:
        seen = f"{host_of(url)} answered {error.status_code} when it was to speak one word"
        return warning(Check.OPENAI_VOICE, seen, _LATER)
    except (openai.APIConnectionError, TimeoutError):
        seen = f"{host_of(url)} did not speak one word within {REQUEST_SECS:g} s: so late, callers would hear silence"
        return warning(
            Check.OPENAI_VOICE,
            seen,
            f"Run this again in a minute; if it stays so, name a faster {endpoint.model_setting}.",
        )
    return ok(Check.OPENAI_VOICE, f'voice "{voice}" of {model} has spoken one word')


def _way_out(error: openai.APIStatusError, endpoint: Endpoint, voice: str) -> str:
    """Name the setting that is refused, as far as the service says which it is."""
    model = endpoint.model_setting
    if isinstance(error, openai.PermissionDeniedError):
        return f"Let the key of {endpoint.key_setting} make speech, or name a model that it may use in {model}."
    if error.param == "voice":
        return f"Write another {voice}: {_said(error)}"
    if error.param == "model" or isinstance(error, openai.NotFoundError):
        return f"Name a model in {model} that makes speech: {_said(error)}"
    return f"Write another {voice}, or name another model in {model}: {_said(error)}"


def _said(error: openai.APIStatusError) -> str:
    body = error.body if isinstance(error.body, dict) else {}
    return f"the service says {str(body.get('message') or 'no more')!r}"
