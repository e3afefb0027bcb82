"""The sentences that are said without a model, so that no failure can silence the agent."""

from __future__ import annotations

from typing import Final

MOMENTS: Final = (
    "One moment, please.",
    "Just a moment.",
    "Bear with me for a moment.",
    "One second, please.",
)
"""Said first while an answer is on its way, one after the other, so that no two waits of a call sound the same."""
WORKINGS: Final = (
    "I'm still on it. Thank you for waiting.",
    "Still working on it. Thanks for bearing with me.",
    "I'm still checking. Thank you for your patience.",
)
"""Said second."""
ONE_MOMENT: Final = MOMENTS[0]
STILL_WORKING: Final = WORKINGS[0]
SLOW: Final = "I'm sorry, this is taking longer than it should. Please bear with me, or call us again in a few minutes."
SLOW_LOOKUP: Final = (
    "I'm sorry, this is taking longer than it should. You can wait a little longer, or I can have somebody call you "
    "back instead."
)
SLOW_CHANGE: Final = (
    "I'm still confirming that, and it's taking longer than it should. Please stay with me a little longer."
)
SLOW_BOOKING: Final = (
    "I'm still confirming that, and it's taking longer than it should. You don't have to wait: "
    "you'll get a text as soon as it's settled."
)
"""True of a booking only, and only when it is texted."""
SAY_AGAIN: Final = "Sorry, I didn't catch that. Could you say it again?"
TAKE_YOUR_TIME: Final = "Take your time."
STILL_HERE: Final = "I'm still here, whenever you're ready."
MINUTE_LEFT: Final = "Just so you know, we have about a minute left on this call."
KEYS_FOR_TIMES: Final = "You can also use the keys of your phone: press one for the first time, or two for the second."
KEYS_FOR_YES: Final = "You can also use the keys of your phone: press one for yes, or two for no."
STILL_THERE: Final = "Are you still there?"
NOBODY_THERE: Final = "I can't hear anyone, so I'll hang up now. Goodbye."
OUT_OF_ORDER: Final = "I'm sorry, something isn't working on our side. Please call again a little later. Goodbye."
OUT_OF_TIME: Final = "I'm sorry, we've run out of time for this call. Please call again if you need more. Goodbye."
GOODBYE: Final = "Thank you for calling. Goodbye."
PUTTING_THROUGH: Final = "I'll put you through now."
NOBODY_ANSWERED: Final = "I'm sorry, nobody could take your call just now. Shall I have somebody call you back?"
CUT_OFF: Final = "Sorry, we were cut off."
CLOSING: Final = "I'm sorry, we have to end this call now. Please call again in a minute. Goodbye."
ALL: Final = (
    *MOMENTS,
    *WORKINGS,
    SLOW,
    SLOW_LOOKUP,
    SLOW_CHANGE,
    SLOW_BOOKING,
    SAY_AGAIN,
    TAKE_YOUR_TIME,
    STILL_HERE,
    MINUTE_LEFT,
    KEYS_FOR_TIMES,
    KEYS_FOR_YES,
    STILL_THERE,
    NOBODY_THERE,
    OUT_OF_ORDER,
    OUT_OF_TIME,
    GOODBYE,
    PUTTING_THROUGH,
    NOBODY_ANSWERED,
    CUT_OFF,
    CLOSING,
)

FILLERS: Final = frozenset({*MOMENTS, *WORKINGS, SLOW})
"""Said while an answer is on its way; the model need not know of them."""
