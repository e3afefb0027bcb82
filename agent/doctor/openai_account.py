"""Whether OpenAI, or whoever speaks its language, takes the key, has the models, and goes on having them."""

from __future__ import annotations

import asyncio
import difflib
from typing import TYPE_CHECKING

import openai
from openai import AsyncOpenAI
from pydantic import BaseModel, ValidationError

from agent.doctor.findings import Check, Finding, failed, ok, skipped, warning
from agent.doctor.installation import MODEL_ADDRESSES, MODEL_KEYS
from agent.doctor.services import REQUEST_SECS, host_of, reach_help
from agent.doctor.voice import check_voice
from agent.endpoints import accounts
from agent.retirements import DEPRECATIONS, retirement_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from agent.doctor.installation import Installation
    from agent.endpoints import Endpoint
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
    """Look at every server that is asked for speech or language, those that stand in too."""
    checks = (Check.OPENAI_KEY, Check.OPENAI_MODEL, Check.OPENAI_VOICE)
    if why := installation.lacks(*MODEL_KEYS, *MODEL_ADDRESSES):
        return [skipped(check, why) for check in checks]
    assert installation.settings is not None
    async with asyncio.TaskGroup() as group:
        looks = [group.create_task(_look(installation, account)) for account in accounts(installation.settings)]
    found = [finding for look in looks for finding in look.result()]
    return sorted(found, key=lambda finding: checks.index(finding.check))


async def _look(installation: Installation, account: Sequence[Endpoint]) -> list[Finding]:
    """Return what is found at one server with one key."""
    first, voices = account[0], [endpoint for endpoint in account if endpoint.part == "tts"]
    # The same client as the worker's, so that it meets the same proxies; but asked only once.
    client = AsyncOpenAI(api_key=first.key, base_url=first.url, timeout=REQUEST_SECS, max_retries=0)
    async with client:
        listed = await _listed_models(client, first)
        if isinstance(listed, Finding):
            why = "not looked at: see openai_key"
            return [listed, skipped(Check.OPENAI_MODEL, why), *(skipped(Check.OPENAI_VOICE, why) for _ in voices)]
        spoken = [
            await check_voice(client, installation, voice, is_listed=listed is None or voice.model in listed)
            for voice in voices
        ]
        if listed is None:
            return [_lists_nothing(first), *spoken]
        return [
            ok(Check.OPENAI_KEY, f"{first.key_setting} is accepted by {host_of(first.url)}"),
            *(
                judge_model(name, places, listed, retirement_of(name) if first.is_openais else None)
                for name, places in _wanted(installation, account).items()
            ),
            *spoken,
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
    if "TTS_MODEL" in where:
        fix += " It may be another server's: see TTS_BASE_URL."
    return warning(Check.OPENAI_MODEL, seen, f"{fix} OpenAI tells what ends when: {DEPRECATIONS}")


def _wanted(installation: Installation, account: Sequence[Endpoint]) -> Mapping[str, Sequence[str]]:
    """Return each model's name and where it is named. The instructions' own takes the place of LLM_MODEL."""
    settings, prompts = installation.settings, installation.prompts
    assert settings is not None
    own = prompts.prompt.head.model if prompts is not None else ""
    wanted: dict[str, list[str]] = {}
    for endpoint in account:
        name, place = endpoint.model, endpoint.model_setting
        if place == "LLM_MODEL" and own and prompts:
            name, place = own, f"model in {prompts.prompt.path}"
        wanted.setdefault(name, []).append(place)
        if place == "STT_MODEL" and settings.stt_mode == "realtime":
            wanted.setdefault(settings.stt_realtime_model, []).append("STT_REALTIME_MODEL")
    return wanted


async def _listed_models(client: AsyncOpenAI, endpoint: Endpoint) -> Mapping[str, str] | Finding | None:
    """Return the account's models and their last days, or the finding that says why they cannot be had.

    None: the server is one of its own for a part of a call, and lists nothing.
    """
    url, key = endpoint.url, endpoint.key_setting
    try:
        async with asyncio.timeout(REQUEST_SECS):
            answer = await client.models.with_raw_response.list()
            return {model.id: model.shutdown_date or "" for model in _Models.model_validate_json(answer.content).data}
    except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
        # Its own text shows a part of the key.
        status = error.status_code
        may_list = " and, if it is a restricted key, let it read models" if status == 403 else ""
        where = f" at {_KEYS}" if key == "OPENAI_API_KEY" else ""
        fix = f"Create a key{where}{may_list}, and set {key}."
        return failed(Check.OPENAI_KEY, f"{key} was refused by {host_of(url)} ({status})", fix)
    except openai.RateLimitError:
        seen = f"{host_of(url)} limits the rate of this account's requests (429)"
        return warning(
            Check.OPENAI_KEY, seen, "See whether the account has credit left: platform.openai.com → Billing."
        )
    except openai.NotFoundError as error:
        if endpoint.url_setting != "OPENAI_BASE_URL":
            return None
        return failed(Check.OPENAI_KEY, *_strange(endpoint, f"answered {error.status_code}"))
    except openai.APIStatusError as error:
        return failed(Check.OPENAI_KEY, *_strange(endpoint, f"answered {error.status_code}"))
    except ValidationError:
        return failed(Check.OPENAI_KEY, *_strange(endpoint, "answered with no list of models"))
    except (openai.APIConnectionError, TimeoutError) as error:
        is_slow = isinstance(error, openai.APITimeoutError | TimeoutError)
        seen = f"{host_of(url)} {f'did not answer within {REQUEST_SECS:g} s' if is_slow else 'cannot be reached'}"
        return failed(Check.OPENAI_KEY, seen, reach_help(url, endpoint.url_setting, _STATUS))


def _lists_nothing(endpoint: Endpoint) -> Finding:
    """A server that only speaks or hears may well have no list of models."""
    seen = f"{host_of(endpoint.url)} lists no models, so that of {endpoint.model_setting} was not looked up"
    fix = f"Make sure that {endpoint.url_setting} is the address that ends with /v1 and the model is known there."
    return warning(Check.OPENAI_KEY, seen, fix)


def _strange(endpoint: Endpoint, what: str) -> tuple[str, str]:
    name = endpoint.url_setting
    fix = f"Set {name} to the address that ends with /v1, or unset it; otherwise see {_STATUS}."
    return f"{endpoint.url}/models {what}", fix
