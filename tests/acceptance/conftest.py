"""One whole spoken call that several tests look at."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance_commands import Finished, WatchedPython, run, with_real_keys

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """A rehearsal that ran in `folder`, and all that it left."""

    folder: Path
    finished: Finished
    result: dict[str, Any]
    watched: WatchedPython

    @property
    def log(self) -> list[dict[str, Any]]:
        """What the worker logged."""
        return [json.loads(line) for line in self._kept("log").read_text().splitlines()]

    @property
    def recording(self) -> Path:
        return self._kept("recording")

    @property
    def transcript(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._kept("transcript").read_text().splitlines()]

    @property
    def database(self) -> Path:
        return self._kept("database")

    @property
    def call_sid(self) -> str:
        return self.recording.stem

    def _kept(self, name: str) -> Path:
        path: str = self.result["files"][name]
        return self.folder / path


@pytest.fixture(scope="session")
def rehearsed(tmp_path_factory: pytest.TempPathFactory) -> Rehearsed:
    """Rehearse the default scenario with audio, where keys of a real account lie about."""
    watched = WatchedPython.make(tmp_path_factory.mktemp("watched"))
    folder = tmp_path_factory.mktemp("rehearsed")
    finished = run(
        "rehearse", "--json", "result.json", folder=folder, environment=with_real_keys(folder), python=watched.python
    )
    result = folder / "result.json"
    return Rehearsed(folder, finished, json.loads(result.read_text()) if result.exists() else {}, watched)
