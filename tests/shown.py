"""What the documents show: their pages, and the commands in them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "AGENTS.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
ELSEWHERE = ("docker", "sudo", "systemctl", "git", "uvx", "cloudflared", "bash .ci/run")
"""What needs more than this repository: a container daemon, another machine, the network."""


def shown_commands(page: Path) -> list[str]:
    """Return the commands in the plain code blocks of `page`, in order."""
    lines = [line.strip() for line in _plain_blocks(page)]
    return [line for line in lines if line and not line.startswith("#") and not line.startswith(ELSEWHERE)]


def _plain_blocks(page: Path) -> Iterator[str]:
    """Yield the lines of the code blocks that name no language."""
    opened: str | None = None
    for line in page.read_text(encoding="utf-8").splitlines():
        if fence := re.fullmatch(r" *```(\w*)", line):
            opened = fence[1] if opened is None else None
        elif opened == "":
            yield line
