"""How the Dockerfile builds the image, read from the file itself."""

from __future__ import annotations

import re
import shlex
from fnmatch import fnmatch
from functools import cache
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[1]


@cache
def instructions() -> tuple[list[str], ...]:
    """Return the words of each instruction of the Dockerfile."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    lines = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ").splitlines()
    return tuple(shlex.split(line) for line in lines if line)


def copied() -> set[str]:
    """Return what the Dockerfile copies from the repository."""
    copies = [words[1:-1] for words in instructions() if words[0] == "COPY"]
    return {source for sources in copies if not sources[0].startswith("--from") for source in sources}


def syncs() -> list[list[str]]:
    """Return the arguments of each `uv sync` of the Dockerfile."""
    return [words[words.index("sync") + 1 :] for words in instructions() if "sync" in words]


def left_out() -> set[str]:
    """Return the packages that the Dockerfile does not install although they are needed in name."""
    return {words[at + 1] for words in syncs() for at, word in enumerate(words) if word == "--no-install-package"}


def is_in_context(path: str) -> bool:
    """Whether Docker gets to see `path`: the last line of .dockerignore that matches it, or what it is in, decides."""
    parts = PurePosixPath(path).parts
    wholes = ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]
    is_in = True
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.strip().lstrip("!").removeprefix("**/")
        is_anywhere = "**/" in line
        candidates = [*wholes, *parts] if is_anywhere else wholes
        if pattern and not line.startswith("#") and any(_matches(name, pattern) for name in candidates):
            is_in = line.startswith("!")
    return is_in


def _matches(name: str, pattern: str) -> bool:
    return name.count("/") == pattern.count("/") and fnmatch(name, pattern)  # * stays within one folder
