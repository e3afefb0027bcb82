"""Runs the `slotline` command as its users do: a process in a folder of its own."""

from __future__ import annotations

import json
import os
import shutil
import site
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

GUARD = Path(__file__).with_name("acceptance_guard.py")
REAL_KEYS = {
    "PUBLIC_BASE_URL": "https://phone.harborstreet.example.com",
    "TWILIO_ACCOUNT_SID": "AC0f1e2d3c4b5a69788796a5b4c3d2e1f0",
    "TWILIO_AUTH_TOKEN": "b7d1c1f2a94e4b0f8a6f3d5c2e1b0a99",
    "TWILIO_API_KEY_SID": "SK11223344556677889900aabbccddeeff",
    "TWILIO_API_KEY_SECRET": "q8ZpRt0vYxW3sKdMnB5cLhJf7gAeUi2o",
    "TWILIO_API_BASE_URL": "https://api.twilio.com",
    "OPENAI_API_KEY": "sk-proj-Zr7QeT3yUiOpAsDfGhJkLzXcVbNm0123456789",
    "OPENAI_BASE_URL": "https://api.openai.com/v1",
    "CALCOM_API_KEY": "cal_live_5f4e3d2c1b0a99887766554433221100",
    "CALCOM_BASE_URL": "https://api.cal.com",
    "CALCOM_EVENT_TYPE_ID": "123456",
}
"""Settings that look like a real account's; none of it is one."""
SECRETS = tuple(
    REAL_KEYS[name] for name in ("TWILIO_AUTH_TOKEN", "TWILIO_API_KEY_SECRET", "OPENAI_API_KEY", "CALCOM_API_KEY")
)
PROXIES = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), "http://192.0.2.1:3128")
"""An address that no machine has (RFC 5737)."""


@dataclass(frozen=True, slots=True)
class Finished:
    """How a command ended and what it said."""

    status: int
    out: str
    err: str

    @property
    def objects(self) -> list[dict[str, Any]]:
        """The lines of its output, each an object."""
        return [json.loads(line) for line in self.out.splitlines()]


def run(
    *arguments: str,
    folder: Path,
    typed: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    python: str = sys.executable,
    timeout_secs: float = 240,
) -> Finished:
    """Run `slotline` with `typed` as its input; `environment` None is ours."""
    finished = subprocess.run(
        [python, "-m", "agent.cli", *arguments],
        cwd=folder,
        env=os.environ if environment is None else environment,
        input="".join(f"{line}\n" for line in typed),
        capture_output=True,
        encoding="utf-8",
        timeout=timeout_secs,
        check=False,
    )
    return Finished(finished.returncode, finished.stdout, finished.stderr)


@dataclass(frozen=True, slots=True)
class WatchedPython:
    """An interpreter that notes what it and its children, which use the same one, connect to."""

    python: str
    _seen: Path

    @classmethod
    def make(cls, folder: Path) -> WatchedPython:
        """Make one in `folder` that sees the packages of this one."""
        venv.create(folder, symlinks=True)
        packages = next((folder / "lib").glob("python*/site-packages"))
        shutil.copy(GUARD, packages / "slotline_guard.py")
        # Not by a variable: a rehearsal gives its children an environment of their own.
        ours = "".join(f"import site; site.addsitedir({path!r})\n" for path in site.getsitepackages())
        (packages / "slotline_guard.pth").write_text(f"{ours}import slotline_guard\n")
        return cls(str(folder / "bin" / "python"), packages / "seen.jsonl")

    @property
    def seen(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._seen.read_text().splitlines()]

    @property
    def processes(self) -> list[str]:
        """The command lines that ran."""
        return [" ".join(entry["runs"]) for entry in self.seen if "runs" in entry]

    @property
    def strangers(self) -> list[dict[str, Any]]:
        """What was not loopback."""
        return [entry for entry in self.seen if "runs" not in entry]


def with_real_keys(folder: Path) -> dict[str, str]:
    """Put real-looking keys into `.env` and return an environment that has them and a proxy too."""
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in REAL_KEYS.items()))
    return {**os.environ, **REAL_KEYS, **PROXIES}


def files_with(secret: str, folder: Path) -> list[Path]:
    """Return the files below `folder`, other than `.env`, that hold `secret`."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != ".env")
    return [path for path in files if secret.encode() in path.read_bytes()]
