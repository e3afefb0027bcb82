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
NOT_RUN = ("docker", "git", "sudo")
"""What needs more than this repository: a container daemon, the network, the system itself."""


def shown_commands(page: Path) -> list[str]:
    """Return the commands of `page` that can be run here, in order."""
    return [line for line in plain_lines(page) if line.split()[0] not in NOT_RUN]


def plain_lines(page: Path) -> list[str]:
    """Return what stands in the code blocks that name no language: commands, one a line."""
    return [line.strip() for line in _plain_blocks(page) if line.strip()]


def _plain_blocks(page: Path) -> Iterator[str]:
    opened: str | None = None
    for line in page.read_text(encoding="utf-8").splitlines():
        if fence := re.fullmatch(r" *```(\w*)", line):
            opened = fence[1] if opened is None else None
        elif opened == "":
            yield line
