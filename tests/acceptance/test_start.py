"""How the command starts: its version, its help, and `serve` without a key or with one that is refused."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import pytest

from agent.stand_ins import free_port, kept_environment, running_stand_ins, slotline, stop, worker_environment
from tests.acceptance_commands import REAL_KEYS, SECRETS, Finished, run

if TYPE_CHECKING:
    from pathlib import Path

START_SECS = 30
TWILIO_KEYS = "Twilio Console → Account → API keys & tokens"
OPENAI_KEYS = "https://platform.openai.com/api-keys"
CALCOM_KEYS = "Cal.com → Settings → Developer → API keys"


def test_the_version_is_told_with_what_it_runs_on(tmp_path: Path) -> None:
    finished = run("--version", folder=tmp_path)

    assert (finished.status, finished.err) == (0, "")
    assert re.fullmatch(r"slotline \d+\.\d+\.\d+ \(Python 3\.\d+\.\d+, pipecat 1\.\d+\.\d+\)\n", finished.out)


@pytest.mark.parametrize("command", ["", "serve", "rehearse", "chat", "simulator"])
def test_every_command_explains_itself(tmp_path: Path, command: str) -> None:
    finished = run(*command.split(), "--help", folder=tmp_path)

    assert (finished.status, finished.err) == (0, "")
    assert "Usage:" in finished.out
    if not command:
        assert all(name in finished.out for name in ("serve", "rehearse", "chat", "simulator"))


@pytest.mark.parametrize(
    ("name", "where"),
    [
        ("PUBLIC_BASE_URL", "https://phone.example.com"),
        ("TWILIO_ACCOUNT_SID", TWILIO_KEYS),
        ("TWILIO_AUTH_TOKEN", TWILIO_KEYS),
        ("OPENAI_API_KEY", OPENAI_KEYS),
        ("BUSINESS_FILE", "prompts/business/rehearsal.toml"),
    ],
)
def test_a_missing_setting_is_named_with_where_to_get_it(tmp_path: Path, name: str, where: str) -> None:
    settings = {**REAL_KEYS, "BUSINESS_FILE": str(tmp_path / "business.toml")}
    (tmp_path / ".env").write_text("".join(f"{key}={value}\n" for key, value in settings.items() if key != name))
    finished = run("serve", folder=tmp_path, environment=kept_environment())

    assert (finished.status, finished.out) == (2, "")
    (line,) = [line for line in finished.err.splitlines() if line.startswith(("slotline:", name))]
    assert f"{name} is unset" in line
    assert where in line
    assert not any(secret in finished.err for secret in SECRETS)


async def test_an_event_type_of_cal_com_is_not_booked_without_its_key(tmp_path: Path) -> None:
    async with running_stand_ins() as stand_ins:
        port = free_port()
        environment = worker_environment(
            stand_ins, url=f"http://127.0.0.1:{port}", data_dir=tmp_path / "data", clock_start=""
        )
        without = dict.fromkeys(("CALENDAR", "CALCOM_API_KEY", "CALCOM_EVENT_TYPE_ID"), "")
        finished = await _serve(environment | without, port)

    assert (finished.status, finished.out) == (2, "")
    assert 'rehearsal.toml: "30-Minute Consultation" has event_type 101' in finished.err
    assert "Set CALCOM_API_KEY to book there; or delete event_type in line " in finished.err
    assert ", or set CALENDAR=builtin" in finished.err


@pytest.mark.parametrize(
    ("name", "wrong", "named", "where"),
    [
        ("CALCOM_API_KEY", "cal_live_0123456789abcdef0123456789abcdef", "CALCOM_API_KEY", CALCOM_KEYS),
        ("TWILIO_API_KEY_SECRET", "0123456789abcdef0123456789abcdef", "TWILIO_API_KEY_SID", TWILIO_KEYS),
        ("TWILIO_AUTH_TOKEN", "0123456789abcdef0123456789abcdef", "TWILIO_AUTH_TOKEN", TWILIO_KEYS),
        ("OPENAI_API_KEY", "sk-proj-0123456789abcdef0123456789abcdef", "OPENAI_API_KEY", OPENAI_KEYS),
    ],
)
async def test_a_refused_key_is_named_with_where_to_get_another(
    tmp_path: Path, name: str, wrong: str, named: str, where: str
) -> None:
    async with running_stand_ins() as stand_ins:
        port = free_port()
        environment = worker_environment(
            stand_ins, url=f"http://127.0.0.1:{port}", data_dir=tmp_path / "data", clock_start=""
        )
        finished = await _serve(environment | {name: wrong}, port)

    assert finished.status == 2, finished.err
    assert f"{named}" in finished.err
    assert "401" in finished.err
    assert where in finished.err
    assert wrong not in finished.err + finished.out
    assert not any(
        secret in finished.err
        for key, secret in stand_ins.credentials.items()
        if key not in ("twilio_account_sid", "twilio_api_key_sid")
    )


async def test_a_data_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file in its place")
    async with running_stand_ins() as stand_ins:
        port = free_port()
        environment = worker_environment(
            stand_ins, url=f"http://127.0.0.1:{port}", data_dir=tmp_path / "data", clock_start=""
        )
        finished = await _serve(environment, port)

    assert (finished.status, finished.out) == (2, "")
    assert "DATA_DIR" in finished.err
    assert "Traceback" not in finished.err


async def test_a_calendar_that_cannot_be_reached_is_named(tmp_path: Path) -> None:
    async with running_stand_ins() as stand_ins:
        port = free_port()
        environment = worker_environment(
            stand_ins, url=f"http://127.0.0.1:{port}", data_dir=tmp_path / "data", clock_start=""
        )
        finished = await _serve(environment | {"CALCOM_BASE_URL": f"http://127.0.0.1:{free_port()}"}, port)

    assert finished.status == 2
    assert "Cal.com cannot be reached" in finished.err
    assert "Traceback" not in finished.err


async def _serve(environment: dict[str, str], port: int) -> Finished:
    process = await asyncio.create_subprocess_exec(
        *slotline("serve", "--no-env-file", "--port", str(port)),
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(START_SECS):
            out, err = await process.communicate()
    except TimeoutError:
        pytest.fail(f"it went on serving for {START_SECS} s")
    finally:
        await stop(process)
    return Finished(process.returncode or 0, out.decode(), err.decode())
