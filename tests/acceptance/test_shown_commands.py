"""The commands that the documents show do what is said of them: each is run, in the order of its page."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from agent.stand_ins import free_port
from tests.shown import NOT_RUN, PAGES, ROOT, plain_lines, shown_commands

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

START_SECS = 60.0
COMMAND_SECS = 240.0
LOOK_EVERY_SECS = 0.05

RUN_ELSEWHERE = {
    "pip install uv && uv run slotline rehearse": "tests/acceptance/test_rehearsal.py holds this very call",
    "uv run slotline rehearse --all --typed": "tests/acceptance/test_typed_rehearsals.py",
    "uv run pytest": "this is it",
}
"""Why a shown command is not run here."""
LAST_PRINTED = "LOG_FORMAT="
"""Of the environment that `slotline simulator` prints."""
STAYS = ("serve", "talk", "simulator")
"""The commands that run until they are told to stop."""


@dataclass(slots=True)
class Workshop:
    """A reader's folder, with the shipped files in it and a `.env` that leads to stand-ins."""

    folder: Path
    closing: contextlib.ExitStack
    port: int
    url: str
    has_worker: bool = False

    def follow(self, command: str) -> None:
        """Do what a page says, and expect it to work."""
        words = shlex.split(command)
        if "slotline" not in words:
            subprocess.run(words, cwd=self.folder, check=True, timeout=COMMAND_SECS)
            return
        arguments = words[words.index("slotline") + 1 :]
        output = self.folder / arguments.pop() if ">" in arguments else None
        arguments = self._ours([word for word in arguments if word != ">"])
        if arguments[0] == "doctor" and not self.has_worker:
            self._start(["serve", "--port", str(self.port)])
        if arguments[0] in STAYS:
            self._start(arguments, output)
        else:
            self._finish(arguments)

    def _ours(self, arguments: list[str]) -> list[str]:
        """Keep ports apart, and spare the time of hearing what can be typed."""
        if "--port" in arguments:
            arguments[arguments.index("--port") + 1] = str(self.port)
        elif arguments[0] == "talk":
            arguments += ["--port", str(free_port())]
        if arguments[0] == "rehearse" and not {"--typed", "--list"} & set(arguments):
            arguments.append("--typed")
        return arguments

    def _finish(self, arguments: list[str]) -> None:
        finished = subprocess.run(
            [sys.executable, "-m", "agent.cli", *arguments],
            cwd=self.folder,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECS,
            check=False,
        )
        assert finished.returncode == 0, (arguments, finished.stdout, finished.stderr)

    def _start(self, arguments: list[str], output: Path | None = None) -> None:
        """Start what stays, wait until it answers, and stop it when the page is done."""
        with (output or self.folder / "told.txt").open("w") as told:
            process = subprocess.Popen(
                [sys.executable, "-m", "agent.cli", *arguments],
                cwd=self.folder,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=told,
                stderr=subprocess.DEVNULL,
            )
        self.closing.callback(_stop, process)
        match arguments[0]:
            case "serve":
                self.has_worker = True
                _wait_until(process, lambda: _answers(f"{self.url}/readyz"))
            case "talk":
                _wait_until(process, lambda: _answers(f"http://127.0.0.1:{arguments[-1]}/"))
            case _:
                _wait_until(process, lambda: LAST_PRINTED in Path(told.name).read_text())


def _environment() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}


def _wait_until(process: subprocess.Popen[bytes], is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_SECS
    while not is_so():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(LOOK_EVERY_SECS)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False, follow_redirects=True).is_success
    except httpx.TransportError:
        return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=START_SECS) == 0


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    folder = tmp_path / "reader"
    shutil.copytree(ROOT / "prompts", folder / "prompts", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "env.example", folder)
    (folder / "thursday.yaml").write_text(shown_scenario())
    port = free_port()
    printed = folder / ".env"
    with contextlib.ExitStack() as closing:
        shop = Workshop(folder, closing, port, f"http://127.0.0.1:{port}")
        shop.follow(f"slotline simulator --worker-port {port} > {printed.name}")
        yield shop


def shown_scenario() -> str:
    """Return the scenario that the reader has written by then."""
    page = (ROOT / "docs" / "howto" / "write-a-scenario.md").read_text(encoding="utf-8")
    found = re.search(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


PAGES_WITH_COMMANDS = [page for page in PAGES if set(shown_commands(page)) - set(RUN_ELSEWHERE)]


@pytest.mark.parametrize("page", PAGES_WITH_COMMANDS, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_of_a_page_works(page: Path, workshop: Workshop) -> None:
    commands = [command for command in shown_commands(page) if command not in RUN_ELSEWHERE]
    if any("slotline talk" in command for command in commands) and find_spec("aiortc") is None:
        pytest.skip("needs the group talk: uv sync --group talk")
    for command in commands:
        workshop.follow(command)


def test_what_is_not_run_here_is_still_shown() -> None:
    shown = {command for page in PAGES for command in plain_lines(page)}

    assert set(RUN_ELSEWHERE) <= shown
    assert set(NOT_RUN) <= {command.split()[0] for command in shown}
