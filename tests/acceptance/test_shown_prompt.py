"""`slotline prompts show` as its users run it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from prompts.loader import FRONT_DESK
from tests.acceptance_commands import Finished, run

if TYPE_CHECKING:
    from pathlib import Path


def show(*arguments: str, folder: Path, **environment: str) -> Finished:
    names = ("BUSINESS_FILE", "CALCOM_EVENT_TYPE_ID", "LLM_MODEL", "COLUMNS")
    clean = {name: value for name, value in os.environ.items() if name not in names}
    return run("prompts", "show", *arguments, folder=folder, environment=clean | environment)


def test_needs_no_settings_and_writes_plain_text_into_a_pipe(tmp_path: Path) -> None:
    finished = show(folder=tmp_path)

    assert (finished.status, finished.err) == (0, "")
    assert finished.out.startswith("Who writes what\nauthor        │ ")
    assert "\x1b" not in finished.out
    assert max(map(len, finished.out.splitlines())) <= 80


def test_is_as_wide_as_it_is_told_to_be(tmp_path: Path) -> None:
    finished = show(folder=tmp_path, COLUMNS="120")

    assert 80 < max(map(len, finished.out.splitlines())) <= 120


def test_a_pipe_that_takes_ascii_only_gets_all_of_it(tmp_path: Path) -> None:
    (tmp_path / "desk.md").write_text(FRONT_DESK.read_text().replace("# Who you are", "# You, née she"))

    finished = show("desk.md", folder=tmp_path, PYTHONIOENCODING="ascii")

    assert (finished.status, finished.err) == (0, "")
    assert "author      8 | # You, n\\xe9e she\n" in finished.out


def test_a_file_of_its_own_takes_the_settings_from_an_env_file(tmp_path: Path) -> None:
    (tmp_path / "desk.md").write_text(FRONT_DESK.read_text().replace("# Who you are", "# You"))
    (tmp_path / ".env").write_text("LLM_MODEL=gpt-9\n")

    ours, nobodys = show("desk.md", folder=tmp_path), show("desk.md", "--no-env-file", folder=tmp_path)

    assert "author      8 │ # You\n" in ours.out
    assert "model         │ gpt-9 (LLM_MODEL" in ours.out
    assert "model         │ gpt-6-luna (LLM_MODEL" in nobodys.out


def test_a_broken_file_is_told_with_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "desk.md").write_text("---\nname: x\nvoice: x\ngreeting: x\n---\nYou are {nobody}.\n")

    finished = show("desk.md", folder=tmp_path)

    assert (finished.status, finished.out) == (2, "")
    assert finished.err.startswith("slotline: desk.md:6: {nobody} is no placeholder")
