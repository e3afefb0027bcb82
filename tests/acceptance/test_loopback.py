"""Rehearsals and chats talk to loopback only, whatever keys lie about."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.acceptance_commands import SECRETS, WatchedPython, files_with, run, with_real_keys

if TYPE_CHECKING:
    from pathlib import Path

    from tests.acceptance.conftest import Rehearsed


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> WatchedPython:
    return WatchedPython.make(tmp_path_factory.mktemp("watched-chat"))


def test_a_watched_process_cannot_talk_unseen(tmp_path: Path) -> None:
    watched = WatchedPython.make(tmp_path)
    knocks = "import socket; s = socket.socket(); s.setblocking(False); s.connect_ex(('192.0.2.1', 80))"
    in_a_child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {knocks!r}], env={{}})"
    subprocess.run([watched.python, "-c", in_a_child], env={}, check=True)

    assert [(stranger["event"], stranger["host"]) for stranger in watched.strangers] == [
        ("socket.connect", "192.0.2.1")
    ]


def test_a_rehearsal_stays_on_loopback(rehearsed: Rehearsed) -> None:
    ran = " ; ".join(rehearsed.watched.processes)

    assert all(part in ran for part in ("agent.cli rehearse", "-m simulator --until-eof", "agent.cli serve"))
    assert "simulator.caller" in ran
    assert rehearsed.watched.strangers == []


def test_a_rehearsal_uses_no_key_it_finds(rehearsed: Rehearsed) -> None:
    for secret in SECRETS:
        assert secret not in rehearsed.finished.out + rehearsed.finished.err
        assert files_with(secret, rehearsed.folder) == []


def test_a_chat_stays_on_loopback_and_uses_no_key_it_finds(tmp_path: Path, watched: WatchedPython) -> None:
    environment = with_real_keys(tmp_path)
    finished = run("chat", "--json", folder=tmp_path, typed=["Hello."], environment=environment, python=watched.python)

    assert finished.status == 0, finished
    assert "result" in finished.objects[-1]
    assert any("agent.cli chat --real" in process for process in watched.processes)
    assert watched.strangers == []
    for secret in SECRETS:
        assert secret not in finished.out + finished.err
        assert files_with(secret, tmp_path) == []
