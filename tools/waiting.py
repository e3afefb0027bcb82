"""Whether what a caller said asks for a moment and for nothing else: "Hold on, let me check my calendar."."""

from __future__ import annotations

import re


def asks_to_wait(said: str) -> bool:
    """Claim that all of `said` asks to wait, so that there is nothing in it to answer.

    Whoever says more ("Hold on, is that Tuesday?") wants an answer.
    """
    found = re.findall(r"[a-z']+|[^a-z'\s,.!?\u2026\u2013\u2014-]", said.casefold().replace("\u2019", "'"))
    words, is_question = " ".join(found), said.rstrip().endswith("?")
    if len(found) > _MOST_WORDS or not _WAITS.fullmatch(words):
        return False
    return not is_question or _POLITELY.search(words) is not None


_MOST_WORDS = 24
"""More of them are no request to wait, and would take long to read."""
# All that is known of it stands here, in words without punctuation.
_A_WHILE = (
    r"(?:(?:just )?(?:a|one|another|two|a few|a couple of) (?:quick )?"
    r"(?:seconds?|secs?|moments?|minutes?|mins?|bit|tick)|a little)"
)
_THING = (
    r"(?:(?:my|the|our|his|her) (?:own |work |family )?(?:calendar|diary|schedule|planner|agenda|phone|computer|laptop|"
    r"notes|wallet|purse|card|papers?|pen|glasses|wife|husband|partner|boss|mom|mum|mother|dad|father|daughter|son|"
    r"kids?|friend|assistant|secretary|colleague|roommate)"
    r"|a pen|something to write(?: with)?)"
)
_AT = r"(?: (?:at|in|on|with|about|for|up))?"
# "Let me get that" takes what was offered.
_DO = (
    rf"(?:(?:check|look|see|think|ask|write|look up){_AT}(?: (?:that|it|this))?(?: down| up)?"
    rf"|(?:check|look|ask|find|get|grab|fetch|open|pull up|look up|talk to){_AT} {_THING})"
)
_DOING = (
    rf"(?:(?:checking|looking|thinking|asking|writing){_AT}(?: (?:that|it|this))?(?: down| up)?"
    rf"|(?:checking|looking|asking|finding|getting|grabbing|opening|pulling up){_AT} {_THING})"
)
_WAIT = (
    rf"(?:hold on|hang on|hold up|hold the line|bear with me|stay with me|wait up|wait|hold)(?: for)?(?: {_A_WHILE})?"
)
# Who says "I'll think about it", or that they have to ask somebody first, may be about to leave: that is answered.
_CORES = (
    rf"(?:can|could|would|will) you (?:please )?(?:just )?(?:{_WAIT}|give me {_A_WHILE})",
    rf"(?:just )?{_WAIT}",
    rf"(?:just )?(?:give me|gimme|i need|i'll need|i just need) {_A_WHILE}",
    r"(?:just )?(?:a|one) (?:quick )?(?:moment|minute|sec)",
    r"(?:just a|just one|one|one quick|two) (?:seconds?|secs?)",
    rf"(?:let me|lemme|i'll just|i'm just going to|i'm just gonna) (?:just |quickly |go )*{_DO}",
    rf"(?:i'm|i am) (?:just |still )?{_DOING}",
    r"(?:i'll |i will )?(?:be )?(?:right|straight) back",
)
_WHY = rf"(?:(?:while|so) (?:i|i can) (?:just |quickly |go )?{_DO}|to (?:just |quickly )?{_DO})"
_LEAD = r"(?:oh|ah|uh+|um+|hm+|mm+|er|well|ok|okay|sorry|yes|yeah|sure|alright|all right|and|hey|please|actually|so)"
_TRAIL = rf"(?:please|thanks|thank you|ok|okay|sorry|first|quickly|real quick|for me|for {_A_WHILE}|{_WHY})"
_ONE = rf"(?:{_LEAD} )*(?:{'|'.join(_CORES)})(?: {_TRAIL})*"
_WAITS = re.compile(rf"{_ONE}(?: {_ONE})*")
_POLITELY = re.compile(r"\b(?:can|could|would|will) you\b")
