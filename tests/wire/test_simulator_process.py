"""`python -m simulator` says where it listens, answers there, and ends when it should."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from simulator.world import Credentials

if TYPE_CHECKING:
    from collections.abc import Iterator

END_SECS = 10


@contextlib.contextmanager
def simulator(*flags: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """Run the process and yield it with what it says once it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-m", "simulator", *flags],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        try:
            yield process, json.loads(process.stdout.readline() or "{}")
        finally:
            process.kill()


def test_stand_ins_answer_where_the_line_says() -> None:
    with simulator() as (_, ready):
        states = [
            httpx.get(f"{ready['twilio']}/control/state"),
            httpx.get(f"{ready['openai'].removesuffix('/v1')}/control/state"),
            httpx.get(f"{ready['fallback'].removesuffix('/v1')}/control/state"),
            httpx.get(f"{ready['calcom']}/control/state"),
        ]
        key = {"Authorization": f"Bearer {ready['credentials']['calcom_api_key']}"}
        me = httpx.get(f"{ready['calcom']}/v2/me", headers=key)

    assert [state.status_code for state in states] == [200] * 4
    assert all(state.json()["faults"] == [] for state in states)
    assert me.status_code == httpx.codes.OK
    assert ready["numbers"] == {"business": "+14155550100"}
    assert ready["event_type_id"] == "101"
    assert ready["openai"].endswith("/v1")


def test_credentials_can_be_given() -> None:
    ours = asdict(Credentials.generate())
    with simulator("--credentials", json.dumps(ours)) as (_, ready):
        assert ready["credentials"] == ours


def test_incomplete_credentials_are_refused() -> None:
    with simulator("--credentials", '{"openai_api_key": "sk-1"}') as (process, ready):
        _, problems = process.communicate(timeout=END_SECS)

    assert ready == {}
    assert process.returncode == 2
    assert "twilio_account_sid" in problems


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ends_cleanly_on_a_signal(number: signal.Signals) -> None:
    with simulator() as (process, ready):
        assert ready
        process.send_signal(number)
        _, problems = process.communicate(timeout=END_SECS)

    assert (process.returncode, problems) == (0, "")


def test_ends_with_its_parent_when_told_to() -> None:
    with simulator("--until-eof") as (process, ready):
        assert ready
        _, problems = process.communicate(timeout=END_SECS)

    assert (process.returncode, problems) == (0, "")


def test_ends_although_somebody_is_still_waiting_for_news() -> None:
    call_sid = "CA" + "1" * 32
    with simulator() as (process, ready):
        url = httpx.URL(ready["twilio"])
        call = {"call_sid": call_sid, "from": "+14155550123", "to": "+14155550100"}
        httpx.post(f"{url}/control/calls", json=call).raise_for_status()
        with socket.create_connection((url.host, url.port)) as waiting:
            waiting.sendall(f"GET /control/calls/{call_sid}?wait=60 HTTP/1.1\r\nHost: {url.host}\r\n\r\n".encode())
            httpx.get(f"{url}/control/state").raise_for_status()
            process.terminate()
            process.communicate(timeout=END_SECS)

    assert process.returncode == 0


def test_keeps_running_without_stdin() -> None:
    with simulator() as (process, ready):
        assert process.stdin is not None
        process.stdin.close()
        answer = httpx.get(f"{ready['twilio']}/control/state")

        assert answer.status_code == httpx.codes.OK
        assert process.poll() is None
