"""How late the event loop has been of late: what every live call hears as a stutter."""

from __future__ import annotations

import math
from collections import deque
from typing import Final

WINDOW: Final = 250
"""So many looks are remembered: five seconds' worth at one every 20 ms."""
SHARE: Final = 0.95


class LoopLag:
    """The lateness that 95 of 100 looks of the last seconds did not exceed."""

    def __init__(self) -> None:
        self._late_ms: deque[float] = deque(maxlen=WINDOW)

    def note(self, late_ms: float) -> None:
        """Remember how late the loop was this time."""
        self._late_ms.append(max(0.0, late_ms))

    @property
    def p95_ms(self) -> float:
        """0 while nothing is known."""
        if not self._late_ms:
            return 0.0
        return sorted(self._late_ms)[math.ceil(SHARE * len(self._late_ms)) - 1]
