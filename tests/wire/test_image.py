"""What the image runs beside the worker: its health check, the modules it can do without, the backup that is shown."""

from __future__ import annotations

import http.server
import re
import shlex
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from agent.stand_ins import database_url, free_port
from appointments.model import CallSid
from appointments.store.store import Store
from tests.image import ROOT, instructions, left_out

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NO_PROXY_THERE = {"HTTP_PROXY": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}


class Answering(http.server.BaseHTTPRequestHandler):
    """Answers every path but /healthz with 500, and that with `status`."""

    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/healthz" else 500)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def answering() -> Iterator[tuple[type[Answering], int]]:
    handler = type("Handler", (Answering,), {})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            yield handler, server.server_port
        finally:
            server.shutdown()
            serving.join()


def health_check(port: int) -> int:
    """Run the image's health check against another port and return its exit status."""
    (words,) = [words for words in instructions() if words[0] == "HEALTHCHECK"]
    text = " ".join(words)
    flags, code = re.findall(r"\[python3, (-\w+), -c, (.*)\]$", text)[0]
    finished = subprocess.run(
        [sys.executable, flags, "-c", code.replace("8080", str(port))],
        env=NO_PROXY_THERE,
        capture_output=True,
        check=False,
    )
    return finished.returncode


@pytest.mark.parametrize(("status", "exit_status"), [(200, 0), (503, 1)])
def test_the_health_check_tells_whether_the_worker_is_well(
    answering: tuple[type[Answering], int], status: int, exit_status: int
) -> None:
    handler, port = answering
    handler.status = status

    assert health_check(port) == exit_status


def test_the_health_check_fails_when_nobody_listens() -> None:
    assert health_check(free_port()) == 1


def test_a_worker_needs_nothing_that_the_image_leaves_out() -> None:
    blocked = f"import sys; sys.modules.update(dict.fromkeys({sorted(left_out())}))"
    worker = "import agent.server, agent.doctor.examination, agent.authoring.show"

    finished = subprocess.run(
        [sys.executable, "-c", f"{blocked}; {worker}"], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert finished.returncode == 0, finished.stderr


async def test_the_shown_backup_count_and_deletion_work_beside_a_worker(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    store = await Store.open(database_url(tmp_path / "data"))
    try:
        await store.begin_call(CallSid("CA1"), caller=None, called="+14155550100", at=datetime.now(UTC))
        count, _, _ = [_run(code, tmp_path) for code in shown_python()]
    finally:
        await store.close()

    with closing(sqlite3.connect(tmp_path / "data" / "backup.db")) as backup:
        calls = backup.execute("SELECT call_sid FROM calls").fetchall()
    assert count == "1"
    assert calls == [("CA1",)]


def shown_python() -> list[str]:
    """Return what the deployment page has Python do in a container."""
    page = (ROOT / "docs" / "howto" / "deploy.md").read_text(encoding="utf-8")
    return [shlex.split(line)[-1] for line in page.splitlines() if "exec slotline python3 -c" in line]


def _run(code: str, folder: Path) -> str:
    finished = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    return finished.stdout.strip()
