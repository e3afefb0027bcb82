"""Whether OpenAI, or whoever speaks its language, takes the key, has the models, and goes on having them."""

from __future__ import annotations

import asyncio
import difflib
from typing import TYPE_CHECKING

import openai
from openai import AsyncOpenAI
from pydantic import BaseModel, ValidationError

from agent.doctor.findings import Check, Finding, failed, ok, skipped, warning
from agent.doctor.services import REQUEST_SECS, host_of, reach_help
from agent.doctor.voice import check_voice
from agent.retirements import DEPRECATIONS, retirement_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agent.doctor.installation import Installation
    from agent.retirements import Retirement

_KEYS = "https://platform.openai.com/api-keys"
_STATUS = "https://status.openai.com"


class _Model(BaseModel):
    id: str
    shutdown_date: str | None = None
    """As ``2027-01-14``, since October 2026: https://developers.openai.com/api/docs/deprecations"""


class _Models(BaseModel):
    data: list[_Model]


async def check_openai(installation: Installation) -> list[Finding]:
    checks = (Check.OPENAI_KEY, Check.OPENAI_MODEL, Check.OPENAI_VOICE)
    if why := installation.lacks("openai_api_key", "openai_base_url"):
        return [skipped(check, why) for check in checks]
    settings = installation.settings
    assert settings is not None
    url = settings.openai_base_url
    # The same client as the worker's, so that it meets the same proxies; but asked only once.
    client = AsyncOpenAI(
        api_key=settings.openai_api_key.get_secret_value(), base_url=url, timeout=REQUEST_SECS, max_retries=0
    )
    async with client:
        listed = await _listed_models(client, url)
        if isinstance(listed, Finding):
            return [listed, *(skipped(check, "not looked at: see openai_key") for check in checks[1:])]
        is_openais = host_of(url).endswith("api.openai.com")
        return [
            ok(Check.OPENAI_KEY, f"OPENAI_API_KEY is accepted by {host_of(url)}"),
            *(
                judge_model(name, places, listed, retirement_of(name) if is_openais else None)
                for name, places in _wanted(installation).items()
            ),
            await check_voice(client, installation, is_listed=settings.tts_model in listed),
        ]


def judge_model(
    name: str, places: Sequence[str], listed: Mapping[str, str], retirement: Retirement | None = None
) -> Finding:
    """Return the finding for a model that is named in these places.

    Args:
        listed: The last day of each model of the account, "" where its service tells none.
        retirement: What we know of the model's end.
    """
    where = " and ".join(places)
    if name in listed:
        if last_day := listed[name] or (str(retirement.day) if retirement else ""):
            return _ending(f"{name} ({where})", where, last_day, retirement.successor if retirement else "")
        return ok(Check.OPENAI_MODEL, f"{name} ({where})")
    close = difflib.get_close_matches(name, listed, n=3)
    choice = f"such as {', '.join(close)}" if close else "which `GET /v1/models` lists"
    return failed(
        Check.OPENAI_MODEL,
        f"{name} ({where}) is no model of this account",
        f"Name a model of the account in {where}, {choice}; or use a key of a project that may use {name}.",
    )


def _ending(named: str, where: str, last_day: str, successor: str) -> Finding:
    seen = f"{named} ends on {last_day}: its service shuts it down, and then no call can be held"
    such_as = f", such as {successor}," if successor else ""
    fix = f"Name another model in {where} before that day{such_as} and try it with `slotline talk`."
    return warning(Check.OPENAI_MODEL, seen, f"{fix} OpenAI tells what ends when: {DEPRECATIONS}")


def _wanted(installation: Installation) -> Mapping[str, Sequence[str]]:
    """Return each model's name and where it is named. The instructions' own takes the place of LLM_MODEL."""
    settings, prompts = installation.settings, installation.prompts
    assert settings is not None
    own = prompts.prompt.head.model if prompts is not None else ""
    language_model = (own, f"model in {prompts.prompt.path}") if own and prompts else (settings.llm_model, "LLM_MODEL")
    wanted: dict[str, list[str]] = {}
    for name, place in (language_model, (settings.stt_model, "STT_MODEL"), (settings.tts_model, "TTS_MODEL")):
        wanted.setdefault(name, []).append(place)
    return wanted


async def _listed_models(client: AsyncOpenAI, url: str) -> Mapping[str, str] | Finding:
    """Return the account's models and their last days, or the finding that says why they cannot be had."""
    try:
        async with asyncio.timeout(REQUEST_SECS):
            answer = await client.models.with_raw_response.list()
            return {model.id: model.shutdown_date or "" for model in _Models.model_validate_json(answer.content).data}
    except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
        # Its own text shows a part of the key.
        status = error.status_code
        may_list = " and, if it is a restricted key, let it read models" if status == 403 else ""
        fix = f"Create a key at {_KEYS}{may_list}, and set OPENAI_API_KEY."
        return failed(Check.OPENAI_KEY, f"OPENAI_API_KEY was refused by {host_of(url)} ({status})", fix)
    except openai.RateLimitError:
        seen = f"{host_of(url)} limits the rate of this account's requests (429)"
        return warning(
            Check.OPENAI_KEY, seen, "See whether the account has credit left: platform.openai.com → Billing."
        )
    except openai.APIStatusError as error:
        return failed(Check.OPENAI_KEY, *_strange(url, f"answered {error.status_code}"))
    except ValidationError:
        return failed(Check.OPENAI_KEY, *_strange(url, "answered with no list of models"))
    except (openai.APIConnectionError, TimeoutError) as error:
        is_slow = isinstance(error, openai.APITimeoutError | TimeoutError)
        seen = f"{host_of(url)} {f'did not answer within {REQUEST_SECS:g} s' if is_slow else 'cannot be reached'}"
        return failed(Check.OPENAI_KEY, seen, reach_help(url, "OPENAI_BASE_URL", _STATUS))


def _strange(url: str, what: str) -> tuple[str, str]:
    fix = f"Set OPENAI_BASE_URL to the address that ends with /v1, or unset it; otherwise see {_STATUS}."
    return f"{url}/models {what}", fix
