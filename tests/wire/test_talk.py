"""`slotline talk` before and around a call: what it refuses, what its page may do, and what it takes of the page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

import httpx
import pytest
from pipecat.frames.frames import InputTransportMessageFrame, InterruptionFrame
from pipecat.tests.utils import run_test

from agent import talk
from agent.settings import Settings, load_settings, talk_settings
from appointments.errors import ConfigError
from tests.worker import open_house

pytest.importorskip("aiortc", reason="without the browser's packages: uv run --group talk pytest")
from agent import web_app
from agent.speech_check import try_speech
from agent.web_app import CAPTURE, OUR_CAPTURE, PAGE, build_web_app
from agent.web_call import PageMessages, PagePlayout

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from pipecat.transports.smallwebrtc.connection import SmallWebRTCConnection

CALLER = "+14155550123"
URL = "http://127.0.0.1:7860"


@pytest.fixture
def unset(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Leave none of our settings in the environment."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


async def talk_with(**options: Any) -> int:
    usual: dict[str, Any] = {"is_real": False, "host": "127.0.0.1", "port": 0, "caller": CALLER, "env_file": None}
    return await talk.run(**(usual | options))


async def test_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(talk, "find_spec", lambda package: None if package == "aiortc" else object())

    with pytest.raises(ConfigError, match=re.escape("uv run --group talk slotline talk")):
        await talk_with()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.2", "phone.example.com", "::"])  # noqa: S104 -- refused
async def test_is_for_this_machine_only(host: str) -> None:
    with pytest.raises(ConfigError, match="--host must be this machine's own"):
        await talk_with(host=host)


async def test_wants_a_number_that_calls() -> None:
    with pytest.raises(ConfigError, match="--caller is no phone number"):
        await talk_with(caller="Maya")


async def test_says_where_speech_is_had_when_there_is_none(unset: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError) as refused:
        await talk_with()

    for part in ("OPENAI_API_KEY is unset", "https://platform.openai.com/api-keys", "OPENAI_BASE_URL", "slotline chat"):
        assert part in str(refused.value)


async def test_names_all_that_is_unset_when_every_service_is_real(unset: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="TWILIO_ACCOUNT_SID is unset"):
        await talk_with(is_real=True)


def test_a_server_of_ones_own_needs_no_key(unset: pytest.MonkeyPatch) -> None:
    unset.setenv("OPENAI_BASE_URL", "http://127.0.0.1:8000/v1/")

    assert talk_settings(None).has_own_server


def test_what_is_given_goes_before_the_environment(unset: pytest.MonkeyPatch, tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("OPENAI_API_KEY=sk-mine\nCALCOM_API_KEY=cal_live_mine\nRECORD_CALLS=true\n")
    given = {
        "public_base_url": "http://127.0.0.1:1",
        "twilio_account_sid": "AC1",
        "twilio_auth_token": "made up",
        "calcom_api_key": "made up",
        "business_file": tmp_path,
    }

    settings = load_settings(env_file, given=given)

    assert settings.calcom_api_key.get_secret_value() == "made up"
    assert settings.openai_api_key.get_secret_value() == "sk-mine"
    assert settings.record_calls


@pytest.mark.parametrize(
    ("on", "setting"), [("speech", "TTS_MODEL"), ("transcribe", "STT_MODEL"), ("chat", "LLM_MODEL")]
)
async def test_names_what_does_not_work(tmp_path: Path, on: str, setting: str) -> None:
    async with open_house(tmp_path) as house:
        await try_speech(house.worker)
        await house.break_down("openai", on, "error_500", times=5)

        with pytest.raises(ConfigError, match=f"{setting}=.* does not work at http://127.0.0.1"):
            await try_speech(house.worker)


@pytest.fixture
async def page() -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of the application, whose calls nobody answers."""

    async def answer(_connection: SmallWebRTCConnection) -> None:
        raise AssertionError("nobody called")

    transport = httpx.ASGITransport(build_web_app(answer))
    async with httpx.AsyncClient(transport=transport, base_url=URL, follow_redirects=True) as client:
        yield client


async def test_the_page_may_load_and_reach_nothing_else(page: httpx.AsyncClient) -> None:
    shown = await page.get("/")

    assert shown.status_code == httpx.codes.OK
    policy = shown.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "http" not in policy
    assert "*" not in policy


async def test_the_microphone_is_opened_by_our_own_file(page: httpx.AsyncClient) -> None:
    served = await page.get(f"/client/{CAPTURE}")

    assert served.text == OUR_CAPTURE.read_text()
    assert "javascript" in served.headers["content-type"]
    assert "https://" not in served.text


def test_our_file_has_what_the_page_takes_from_it() -> None:
    takes = re.compile(rf'import{{(\w+) as \w+}}from"./{CAPTURE.removeprefix("assets/")}"')
    scripts = [script.read_text() for script in (PAGE / "assets").glob("*.js")]
    taken = {name for script in scripts for name in takes.findall(script)}

    assert taken == {"t"}
    assert "export const t = " in OUR_CAPTURE.read_text()


def test_another_page_than_we_know_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_app, "CAPTURE", "assets/daily-esm-other.js")

    with pytest.raises(ConfigError, match="uv sync --group talk"):
        build_web_app(None)  # type: ignore[arg-type]


async def test_no_other_host_is_asked_for_addresses(page: httpx.AsyncClient) -> None:
    started = (await page.post("/start", json={"transport": "webrtc", "enableDefaultIceServers": True})).json()

    assert started["iceConfig"] == {"iceServers": []}


@pytest.mark.parametrize(
    "headers",
    [{"host": "phone.example.com"}, {"origin": "https://phone.example.com"}, {"origin": "http://127.0.0.1:7861"}],
)
async def test_another_sites_page_cannot_call(page: httpx.AsyncClient, headers: dict[str, str]) -> None:
    assert (await page.post("/start", json={}, headers=headers)).status_code == httpx.codes.FORBIDDEN


async def test_our_page_can_call(page: httpx.AsyncClient) -> None:
    assert (await page.post("/start", json={}, headers={"origin": URL})).status_code == httpx.codes.OK


async def test_a_connection_that_is_gone_is_not_begun_anew(page: httpx.AsyncClient) -> None:
    offer = {"sdp": "v=0", "type": "offer", "pc_id": "SmallWebRTCConnection#0", "restart_pc": True}

    assert (await page.post("/sessions/1/api/offer", json=offer)).status_code == httpx.codes.NOT_FOUND


async def test_a_page_is_a_caller_and_nothing_more() -> None:
    typed: list[str] = []
    messages = PageMessages()
    messages.on_typed = typed.append
    told = [
        {"label": "rtvi-ai", "type": "client-ready", "data": {"version": "2.1.0"}},
        {"label": "rtvi-ai", "type": "send-text", "data": {"content": "At ten, please."}},
        {"label": "rtvi-ai", "type": "disconnect-bot"},
        {"label": "rtvi-ai", "type": "llm-function-call-result", "data": {"result": "booked"}},
        {"label": "rtvi-ai", "type": "send-text", "data": {"content": 1}},
        "hello",
    ]

    down, _ = await run_test(
        messages,
        frames_to_send=[InputTransportMessageFrame(message=message) for message in told],
        expected_down_frames=[InputTransportMessageFrame, InputTransportMessageFrame],
    )

    assert [frame.message["type"] for frame in cast("Any", down)] == ["client-ready", "send-text"]
    assert typed == ["At ten, please."]


async def test_knows_that_all_was_played() -> None:
    playout = PagePlayout()
    mark, played = playout.mark()

    await run_test(playout, frames_to_send=[mark], expected_down_frames=[])

    assert await played.wait()


async def test_knows_that_the_caller_spoke_over_it() -> None:
    playout = PagePlayout()
    _, played = playout.mark()

    await run_test(playout, frames_to_send=[InterruptionFrame()], expected_down_frames=[InterruptionFrame])

    assert not await played.wait()
