"""The sentences that are said without a model, so that no failure can silence the agent."""

from __future__ import annotations

from typing import Final

ONE_MOMENT: Final = "One moment, please."
STILL_WORKING: Final = "I'm still on it. Thank you for waiting."
SAY_AGAIN: Final = "Sorry, I didn't catch that. Could you say it again?"
STILL_THERE: Final = "Are you still there?"
NOBODY_THERE: Final = "I can't hear anyone, so I'll hang up now. Goodbye."
OUT_OF_ORDER: Final = "I'm sorry, something isn't working on our side. Please call again a little later. Goodbye."
OUT_OF_TIME: Final = "I'm sorry, we've run out of time for this call. Please call again if you need more. Goodbye."
GOODBYE: Final = "Thank you for calling. Goodbye."
ALL: Final = (
    ONE_MOMENT,
    STILL_WORKING,
    SAY_AGAIN,
    STILL_THERE,
    NOBODY_THERE,
    OUT_OF_ORDER,
    OUT_OF_TIME,
    GOODBYE,
)

FILLERS: Final = frozenset({ONE_MOMENT, STILL_WORKING})
"""Said while an answer is on its way; the model need not know of them."""
