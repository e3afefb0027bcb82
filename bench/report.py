"""What a bench prints: what it runs on, how it goes, and its result as one JSON object on the last line."""

from __future__ import annotations

import json
import math
import os
import platform
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def say(line: str) -> None:
    """Print a line for people."""
    print(line, flush=True)  # noqa: T201 -- what the command is for


def say_machine() -> None:
    """Print what the figures depend on: other work on the machine changes them."""
    now = datetime.now(UTC)
    say(f"{now:%Y-%m-%d %H:%M} UTC, Python {platform.python_version()}, {os.cpu_count()} cores, load {load():.1f}")


def load() -> float:
    """Return how many processes wanted a core during the last minute."""
    return os.getloadavg()[0]


def conclude(result: Mapping[str, object]) -> None:
    """Print the result, as the last line."""
    say(json.dumps(result))


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest of `values` that `share` of them do not exceed, to a tenth; 0 of none."""
    ordered = sorted(values)
    return round(ordered[max(0, math.ceil(share * len(ordered)) - 1)], 1) if ordered else 0.0
