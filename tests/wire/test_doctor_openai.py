"""The doctor tries OpenAI's key and looks the models up."""

from __future__ import annotations

import contextlib
import socket
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from aiohttp import web

from agent.doctor import openai_account
from agent.doctor.findings import Check, Finding, State
from agent.doctor.installation import Installation
from agent.doctor.openai_account import check_openai
from agent.instructions import PromptSet, load_prompt_set
from agent.settings import Settings
from simulator import openai
from simulator.faults import FaultBoard
from simulator.room import Room
from simulator.world import Credentials, run_app
from tests.odd_services import answering

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CREDENTIALS = Credentials.generate()
WRONG = "sk-proj-0123456789abcdef0123456789abcdef"


@pytest.fixture
async def url() -> AsyncIterator[str]:
    runner, root = await run_app(openai.build_app(CREDENTIALS, FaultBoard("openai")), 0)
    yield f"{root}/v1"
    await runner.cleanup()


async def findings(url: str, prompts: PromptSet | None = None, **changes: Any) -> list[Finding]:
    values = {
        "public_base_url": "https://phone.example.com",
        "twilio_account_sid": "AC",
        "twilio_auth_token": "-",
        "openai_api_key": CREDENTIALS.openai_api_key,
        "openai_base_url": url,
        "calcom_api_key": "-",
        "business_file": "-",
    }
    settings = Settings(_env_file=None, **(values | changes))  # type: ignore[call-arg]
    found = await check_openai(Installation(settings, prompts=prompts))
    told = "".join(finding.seen + finding.fix for finding in found)
    assert not any(secret[-4:] in told for secret in (CREDENTIALS.openai_api_key, WRONG))
    return found


def told(found: list[Finding]) -> list[str]:
    return [f"{finding.state.value} {finding.seen.partition(' is no ')[0]}" for finding in found[1:-1]]


async def test_the_key_and_the_models_are_known(url: str) -> None:
    found = await findings(url)

    assert told(found) == [
        "ok gpt-6-luna (LLM_MODEL)",
        "ok gpt-4o-transcribe (STT_MODEL)",
        "ok gpt-4o-mini-tts (TTS_MODEL)",
    ]
    assert found[0].check is Check.OPENAI_KEY


async def test_a_wrong_key_is_told_without_any_of_it(url: str) -> None:
    found = await findings(url, openai_api_key=WRONG)

    assert [finding.state.value for finding in found] == ["failed", "skipped", "skipped"]
    assert "OPENAI_API_KEY was refused" in found[0].seen
    assert "https://platform.openai.com/api-keys" in found[0].fix


async def test_unknown_models_are_each_told(url: str) -> None:
    found = await findings(url, llm_model="gpt-4.2", stt_model="whisper-2")

    assert told(found) == [
        "failed gpt-4.2 (LLM_MODEL)",
        "failed whisper-2 (STT_MODEL)",
        "ok gpt-4o-mini-tts (TTS_MODEL)",
    ]


async def test_the_instructions_own_model_takes_the_place_of_the_settings(url: str) -> None:
    prompts = load_prompt_set()
    head = prompts.prompt.head.model_copy(update={"model": "gpt-9"})
    prompts = replace(prompts, prompt=replace(prompts.prompt, head=head))
    found = await findings(url, prompts, llm_model="never asked for")

    assert told(found)[0] == f"failed gpt-9 (model in {prompts.prompt.path})"
    assert len(found) == 5


@pytest.mark.parametrize(
    ("status", "body", "seen", "fix"),
    [
        (403, {"error": {"message": "Missing scopes: api.model.read"}}, "refused by", "let it read models"),
        (404, {"error": {"message": "no"}}, "/models answered 404", "ends with /v1"),
        (429, {"error": {"message": "no credit"}}, "limits the rate", "credit"),
        (500, {"error": {"message": "sorry"}}, "/models answered 500", "https://status.openai.com"),
        (200, {"models": []}, "no list of models", "ends with /v1"),
    ],
)
async def test_other_answers_are_told(status: int, body: object, seen: str, fix: str) -> None:
    async with answering(lambda _request: web.json_response(body, status=status)) as url:
        found = await findings(url)

    assert [finding.check for finding in found] == [Check.OPENAI_KEY, Check.OPENAI_MODEL, Check.OPENAI_VOICE]
    assert seen in found[0].seen
    assert fix in found[0].fix


async def test_a_page_is_no_list_of_models() -> None:
    async with answering(lambda _request: web.Response(text="<h1>Welcome</h1>", content_type="text/html")) as url:
        found = await findings(url)

    assert "no list of models" in found[0].seen


async def test_a_service_that_cannot_be_reached_is_told() -> None:
    found = await findings("http://127.0.0.1:1/v1")

    assert found[0].seen == "127.0.0.1:1 cannot be reached"


async def test_a_service_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai_account, "REQUEST_SECS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        found = await findings(f"http://127.0.0.1:{silent.getsockname()[1]}/v1")

    assert found[0].seen.endswith("did not answer within 0.2 s")


async def test_a_model_that_the_service_will_shut_down_is_a_warning() -> None:
    models = [{"id": name, "shutdown_date": day} for name, day in (("gpt-4.1", "2027-01-14"), ("a", None), ("b", None))]
    async with answering(lambda _request: web.json_response({"data": models})) as url:
        found = await findings(url, llm_model="gpt-4.1", stt_model="a", tts_model="b")

    assert [finding.state.value for finding in found[1:4]] == ["warning", "ok", "ok"]
    assert found[1].seen.startswith("gpt-4.1 (LLM_MODEL) ends on 2027-01-14")
    assert "Name another model in LLM_MODEL before that day" in found[1].fix


async def test_the_voice_says_one_word(url: str) -> None:
    found = await findings(url, load_prompt_set())
    async with httpx.AsyncClient(trust_env=False) as http:
        spoken = (await http.get(f"{url.removesuffix('/v1')}/control/spoken")).json()

    assert (found[-1].check, found[-1].state) == (Check.OPENAI_VOICE, State.OK)
    assert [utterance["text"] for utterance in spoken["spoken"]] == ["Hello"]


async def test_a_voice_that_is_refused_is_told_with_what_to_change(url: str) -> None:
    prompts = load_prompt_set()
    head = prompts.prompt.head.model_copy(update={"voice": "nobody"})
    prompts = replace(prompts, prompt=replace(prompts.prompt, head=head))
    found = (await findings(url, prompts))[-1]

    assert (found.check, found.state) == (Check.OPENAI_VOICE, State.FAILED)
    assert found.seen == 'voice "nobody" of gpt-4o-mini-tts is refused (400)'
    assert found.fix.startswith(f"Write another `voice` in {prompts.prompt.path}: ")


@pytest.mark.parametrize(
    ("status", "param", "state", "fix"),
    [
        (400, "model", "failed", "Name a model in TTS_MODEL that makes speech: the service says 'It is no good.'"),
        (404, None, "failed", "Name a model in TTS_MODEL"),
        (403, None, "failed", "Let the key of OPENAI_API_KEY make speech"),
        (400, None, "failed", "or name another model in TTS_MODEL"),
        (429, None, "warning", "credit left"),
        (503, None, "warning", "Run this again"),
    ],
)
async def test_a_speech_model_that_does_not_speak_is_told(status: int, param: str, state: str, fix: str) -> None:
    def answer(request: web.Request) -> web.Response:
        if request.method == "GET":
            return web.json_response({"data": [{"id": "tts-1"}]})
        return web.json_response({"error": {"message": "It is no good.", "param": param}}, status=status)

    async with answering(answer) as url:
        found = (await findings(url, load_prompt_set(), tts_model="tts-1"))[-1]

    assert (found.check, found.state.value) == (Check.OPENAI_VOICE, state)
    assert fix in found.fix


async def test_a_speech_model_that_is_not_there_is_not_tried(url: str) -> None:
    found = await findings(url, load_prompt_set(), tts_model="whisper-2")

    assert found[-1].seen == "not tried: see openai_model"


@contextlib.asynccontextmanager
async def standing_in() -> AsyncIterator[str]:
    """Serve another account's server, which stands in."""
    app = openai.build_fallback(CREDENTIALS, FaultBoard("fallback"), Room())
    runner, root = await run_app(app, 0)
    yield f"{root}/v1"
    await runner.cleanup()


async def test_who_stands_in_is_tried_too(url: str) -> None:
    async with standing_in() as other:
        found = await findings(
            url,
            load_prompt_set(),
            llm_fallback_base_url=other,
            llm_fallback_api_key=CREDENTIALS.fallback_api_key,
            llm_fallback_model="gpt-4.1",
            tts_fallback_base_url=other,
            tts_fallback_api_key=CREDENTIALS.fallback_api_key,
            tts_fallback_model="gpt-4o-mini-tts",
            tts_fallback_voice="coral",
        )

    assert {finding.state for finding in found} == {State.OK}
    assert [finding.seen.partition(" is accepted")[0] for finding in found[:2]] == [
        "OPENAI_API_KEY",
        "LLM_FALLBACK_API_KEY",
    ]
    assert found[-1].seen == 'voice "coral" of gpt-4o-mini-tts has spoken one word'


async def test_the_key_of_who_stands_in_is_told_by_its_setting(url: str) -> None:
    async with standing_in() as other:
        found = await findings(
            url, stt_fallback_base_url=other, stt_fallback_api_key=WRONG, stt_fallback_model="gpt-transcribe"
        )

    refused = [finding for finding in found if finding.state is State.FAILED]
    assert [finding.seen.partition(" was")[0] for finding in refused] == ["STT_FALLBACK_API_KEY"]
    assert refused[0].fix.endswith("set STT_FALLBACK_API_KEY.")


async def test_openais_key_is_shown_to_nobody_else(url: str) -> None:
    shown = []

    def answer(request: web.Request) -> web.Response:
        shown.append(request.headers["Authorization"])
        return web.json_response({"data": [{"id": "kokoro"}]})

    async with answering(answer) as other:
        await findings(url, tts_base_url=other, tts_model="kokoro")

    assert shown == ["Bearer none"]


async def test_a_server_that_only_speaks_need_not_list_models(url: str) -> None:
    def answer(request: web.Request) -> web.Response:
        return web.Response(body=bytes(480)) if request.method == "POST" else web.json_response({}, status=404)

    async with answering(answer) as other:
        found = await findings(url, load_prompt_set(), tts_base_url=other, tts_model="kokoro", tts_voice="af_heart")

    warned = [finding for finding in found if finding.state is State.WARNING]
    assert ["lists no models" in finding.seen for finding in warned] == [True]
    assert found[-1].seen == 'voice "af_heart" of kokoro has spoken one word'


async def test_the_model_of_the_realtime_api_is_looked_up(url: str) -> None:
    found = await findings(url, stt_mode="realtime", stt_realtime_model="gpt-live-9")

    assert "failed gpt-live-9 (STT_REALTIME_MODEL)" in told(found)
