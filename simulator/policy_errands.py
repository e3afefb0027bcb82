"""How the stand-in model takes what a caller says of an appointment that exists."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from simulator import policy_existing as existing
from simulator import policy_requests as requests
from simulator.policy_answer import MORE, OTHER_TIME, Asked
from simulator.policy_digits import CODE_LENGTH, longest_digits, number_said, says_this_number
from simulator.policy_existing import Errand
from simulator.policy_offer import place_named
from simulator.policy_tools import CHECK_CODE, FIND_MINE, TEXT_CODE
from simulator.policy_when import nearest_day_of_month, seen_from, when_said
from simulator.policy_words import plain

if TYPE_CHECKING:
    from simulator.policy_desk import Desk
    from simulator.policy_reading import Turn

CAN_ONLY_BOOK = "I'm sorry, I can't change or cancel appointments. I can only book new appointments."
CANNOT = "I'm sorry, I can't do that with an appointment that exists."

_MINE = r"(?:(?:one of )?(?:my|our)|the|an|a|this|that|an existing)"
_NOUNS = r"appointments?|bookings?|visits?|reservations?"
_MOVE = r"(?:mov(?:e|ing)|chang(?:e|ing)|shift(?:ing)?|push(?:ing)?|switch(?:ing)?|bring(?:ing)?|put(?:ting)? off)"
_ASKED_OF_ANY = (Asked.OPEN, Asked.MORE, Asked.ERRAND, Asked.GOODBYE)
"""Where nothing is under way that an appointment could be taken for."""
_CANCEL = re.compile(r"(?<!don't )(?<!do not )(?<!not )\bcancel(?:l?ing)?\b")
_OF_ANY = {
    Errand.MOVE: re.compile(r"\breschedul\w+|\bpostpon\w+|\brebook\w*"),
    Errand.CONFIRM: re.compile(
        r"\bi(?:'m| am| will|'ll)(?: definitely| surely| still)? (?:be (?:there|coming)|com(?:e|ing) to my)\b"
    ),
}
"""What can only be meant of an appointment that exists."""
_OF_IT = {
    Errand.CANCEL: re.compile(r"\bcancel(?:l?ing)? (?:it|that)\b"),
    Errand.MOVE: re.compile(rf"\b{_MOVE} (?:it|that)\b"),
    Errand.CONFIRM: re.compile(r"\bconfirm(?:ing)? (?:it|that)\b"),
}
"""What is meant of one that is named in the same breath: "I have an appointment, can you move it?"."""
_OF_KNOWN = {
    Errand.CANCEL: re.compile(r"\bcall it off\b"),
    Errand.MOVE: re.compile(rf"\b{_MOVE}(?: it| that| the)?\b|\bmake it\b|\brather\b|\binstead\b"),
    Errand.CONFIRM: re.compile(r"\bconfirm\b|\b(?:i'll|i will) (?:be there|come)\b|\bi'm coming\b"),
    Errand.HEAR: re.compile(r"\b(?:what|when|which)(?: time| day)? (?:was|is|are) (?:it|that|they|those)\b"),
}
"""What is meant of one that has just been spoken of."""
_OTHER_PHONE = re.compile(
    r"\b(?:another|different|other|new|old|someone else's|somebody else's) (?:phone|number|mobile|cell)\b"
    r"|\b(?:don't|do not|can't|cannot) (?:know|remember|recall)\b|\bnot sure\b|\bforg[eo]t\b|\bno idea\b|\bcode\b"
)
_AGAIN = re.compile(
    r"\b(?:again|resend|re send|another (?:one|code)|new (?:one|code)|(?:didn't|did not|haven't|have not) "
    r"(?:get|got|gotten|receive|received))\b"
)
_NO_PHONE = re.compile(r"\b(?:don't|do not|can't|cannot|haven't|won't) (?:have|got|get to|read|see|use)\b")
_NO_REASON = re.compile(r"\brather not\b|\bno reason\b|\bnone of your\b|\b(?:don't|do not) want to say\b|\bprivate\b")
_BECAUSE = re.compile(
    r"\b(?:because|since|as)\s+(?P<reason>(?:i|i'm|i've|we|my|our|the|there|it)\b[^.;!?]*)", re.IGNORECASE
)
_KEEP = re.compile(r"\bnever ?mind\b|\b(?:keep|leave) it\b|\b(?:don't|do not) (?:cancel|move|change)\b|\bas it is\b")
_TO = re.compile(r"(?<!quarter)(?<!ten)(?<!five)(?<!twenty)(?<!like)(?<!want)(?<!need) to ")
_NOTHING_SAID = frozenset(("", "hello", "yes", "ok", "okay"))


# Which errand


def want(desk: Desk, turn: Turn) -> bool:
    """Begin what the caller wants with an appointment that exists."""
    errand = named_errand(desk, turn)
    if errand is None or (turn.action and turn.about("as_well")):
        return False
    mine = desk.existing
    if errand is mine.errand:
        return False
    if not desk.tools.has(FIND_MINE, errand.tool):
        _cannot(desk)
        return True
    reason = _reason(desk, turn)
    desk.start_over()
    mine.begin(errand)
    mine.reason = reason
    _take_named(desk, turn, errand)
    if errand is Errand.CANCEL and mine.cancelled and not mine.known and not mine.named:
        mine.target = mine.cancelled
    existing.go_on(desk)
    return True


def named_errand(desk: Desk, turn: Turn) -> Errand | None:
    """Return what the caller says is to become of an appointment that exists; None when they say nothing of one."""
    words = plain(turn.raw)
    is_open = desk.picked is None and desk.asked in _ASKED_OF_ANY
    for errand, pattern in _of_nouns(desk).items():
        found = pattern.search(words)
        # "Cancel the appointment" in the middle of a booking gives up the booking.
        if found and (is_open or desk.existing.errand or re.search(r"\b(?:my|our|existing|other)\b", found[0])):
            return next((other for other, pattern in _OF_IT.items() if pattern.search(words)), errand)
    for errand, pattern in _OF_ANY.items():
        if pattern.search(words) and (is_open or desk.existing.errand):
            return errand
    if is_open and desk.wish is None and _CANCEL.search(words):
        return Errand.CANCEL  # "cancel that", where nothing is being booked
    is_known = bool(desk.existing.known or desk.existing.cancelled or desk.booked)
    if is_open and (is_known or desk.asked is Asked.ERRAND):
        return next((errand for errand, pattern in _OF_KNOWN.items() if pattern.search(words)), None)
    return None


def _of_nouns(desk: Desk) -> dict[Errand, re.Pattern[str]]:
    """Return how each errand is said of a "my appointment", or "my haircut"."""
    noun = rf"(?:{'|'.join([_NOUNS, *sorted(desk.tools.nouns)])})\b"
    mine = rf"{_MINE} (?:[\w:']+ ){{0,4}}?{noun}"
    my = rf"(?:my|our) (?:[\w:']+ ){{0,4}}?{noun}"
    said = {
        Errand.CANCEL: rf"\bcancel(?:l?ing)? (?:{mine}|{noun})|\b(?:call|calling) off {mine}"
        rf"|\b(?:don't|do not) (?:need|want) {my}",
        Errand.MOVE: rf"\b{_MOVE} (?:back |forward )?{mine}",
        Errand.CONFIRM: rf"\bconfirm(?:ing)? {mine}",
        Errand.HEAR: rf"\b(?:what|which)(?: \w+){{0,2}}? {noun}(?: \w+)? (?:do|have) i\b|\bi've got {mine}"
        rf"|\b(?:do i|have i|(?<!can )(?<!could )(?<!may )i)(?: \w+)? (?:have|got|made|booked) {mine}"
        rf"|\b(?:when(?:'s| is| are| was)?|check|look up|hear|about|tell me|remember)(?: \w+)? {my}"
        rf"|\b(?:can't|cannot|won't) (?:make|come to|make it to) {my}",
    }
    return {errand: re.compile(pattern) for errand, pattern in said.items()}


def _cannot(desk: Desk) -> None:
    if desk.tools.has(FIND_MINE):
        requests.offer(desk, CANNOT, can_wait=False)
    else:
        desk.say(f"{CAN_ONLY_BOOK} {MORE}", Asked.MORE)


def _reason(desk: Desk, turn: Turn) -> str:
    """Return the reason in "because I'm ill", "" when none is given; "about my appointment" gives none."""
    notes, desk.notes = desk.notes, ""
    if notes and not re.search(rf"\b(?:{_NOUNS})\b", notes.lower()):
        return notes
    because = _BECAUSE.search(turn.raw.replace("\u2019", "'"))
    return because["reason"].strip() if because else ""


def _take_named(desk: Desk, turn: Turn, errand: Errand) -> None:
    """Take which appointment is meant, and where a move is to go to."""
    mine, words = desk.existing, plain(turn.raw)
    mine.title = next((tool.title for tool in desk.tools.books if tool.action == turn.action), "")
    if errand is not Errand.MOVE:
        mine.named = replace(turn.when, limit="")
        return
    pieces = _TO.split(words)
    left, right = " to ".join(pieces[:-1]), pieces[-1] if len(pieces) > 1 else ""
    wish = when_said(right, desk.calendar)
    if wish:
        mine.named = replace(when_said(left, desk.calendar), limit="")
        desk.wish = wish
    elif mine.known:
        # Where it is known which one is meant, a day is the new one: "Can you move it, Friday would be better."
        desk.wish = turn.when or None
    else:
        mine.named = replace(turn.when, limit="")
    mine.relative = words if desk.wish is None or turn.about("same_time") else ""


# What was asked


def answer_errand(desk: Desk, turn: Turn) -> bool:
    """Take the answer to a question about an appointment that exists."""
    if turn.about("bye") or turn.about("repeat") or (turn.about("hold") and not turn.has_detail):
        return False
    match desk.asked:
        case Asked.WHO:
            return _who(desk, turn)
        case Asked.CODE_NUMBER:
            return _code_number(desk, turn)
        case Asked.CODE:
            return _code(desk, turn)
        case Asked.WHICH:
            return _which(desk, turn)
        case Asked.WHY:
            return _why(desk, turn)
        case Asked.CONFIRM if desk.existing.errand:
            return _settle(desk, turn)
        case Asked.ERRAND:
            return _nothing(desk, turn)
        case Asked.OTHER_TIME | Asked.OFFER if desk.existing.errand:
            return _other_time(desk, turn)
        case _:
            return False


def _who(desk: Desk, turn: Turn) -> bool:
    words, when = plain(turn.raw), turn.when
    if when.day is None and when.day_of_month and desk.calendar.today:
        when = replace(when, day=nearest_day_of_month(when.day_of_month, desk.calendar.today))
    digits = longest_digits(words)
    if len(digits) == CODE_LENGTH and desk.tools.has(CHECK_CODE):
        existing.check_code(desk, digits)
    elif _OTHER_PHONE.search(words) and desk.tools.has(TEXT_CODE):
        _offer_code(desk, words)
    elif turn.has_detail or when.day:
        desk.existing.shown = when.day or desk.existing.shown
        existing.go_on(desk)
    elif turn.agreed is False:
        _offer_code(desk, words) if desk.tools.has(TEXT_CODE) else existing.keep(desk)
    else:
        return False
    return True


def _offer_code(desk: Desk, words: str) -> None:
    if number := number_said(words):
        existing.text_code(desk, number)
    else:
        desk.say(existing.WHICH_NUMBER, Asked.CODE_NUMBER)


def _code_number(desk: Desk, turn: Turn) -> bool:
    words = plain(turn.raw)
    number = number_said(words)
    if number or says_this_number(words) or turn.agreed is True:
        existing.text_code(desk, number)
    elif turn.agreed is False or _NO_PHONE.search(words):
        _give_up_proof(desk)
    else:
        return False
    return True


def _code(desk: Desk, turn: Turn) -> bool:
    words = plain(turn.raw)
    digits = longest_digits(words)
    if number := number_said(words):
        existing.text_code(desk, number)
    elif len(digits) > CODE_LENGTH // 2:
        existing.check_code(desk, digits)
    elif re.search(r"\byet\b", words):
        desk.say("Of course, take your time.")
    elif _AGAIN.search(words):
        existing.text_code(desk, desk.existing.number)
    elif _NO_PHONE.search(words) or turn.agreed is False:
        _give_up_proof(desk)
    else:
        return False
    return True


def _give_up_proof(desk: Desk) -> None:
    desk.existing.end()
    requests.offer(desk, "Then I can't tell or change anything, I'm sorry.", can_wait=False)


def _which(desk: Desk, turn: Turn) -> bool:
    mine = desk.existing
    place = place_named(turn.words, [(each.day, each.time) for each in mine.known])
    titled = [each for each in mine.known if turn.action and desk.tools.action_titled(each.title) == turn.action]
    if turn.when:
        mine.named = turn.when
    elif len(titled) == 1:
        mine.target = titled[0]
    elif place is not None or (turn.agreed and len(mine.known) == 1):
        mine.target = mine.known[place or 0]
    elif turn.agreed is False or _KEEP.search(turn.words):
        existing.keep(desk)
        return True
    else:
        return False
    existing.go_on(desk)
    return True


def _why(desk: Desk, turn: Turn) -> bool:
    """Take the reason; nobody is made to give one."""
    words = plain(turn.raw)
    if _KEEP.search(words):
        existing.keep(desk)
        return True
    has_none = _NO_REASON.search(words) or words in _NOTHING_SAID or re.match(r"no\b", words)
    desk.existing.reason = "" if has_none else desk.notes or turn.raw.strip()
    desk.notes = ""
    existing.go_on(desk)
    return True


def _settle(desk: Desk, turn: Turn) -> bool:
    """Take the answer to the read-back of a move or a cancellation."""
    is_move = desk.existing.errand is Errand.MOVE
    if is_move and (turn.when or turn.about("later") or turn.about("earlier")):
        return False
    asks_for_it = not is_move and turn.agreed is not False and _CANCEL.search(turn.words) is not None
    if _KEEP.search(turn.words):
        existing.keep(desk)
    elif (turn.is_consent or asks_for_it) and not turn.about("hold"):
        desk.is_confirmed = True
        existing.go_on(desk)
    elif turn.agreed is False and not turn.about("repeat"):
        if is_move:
            desk.drop_pick()
            desk.say(f"All right. {OTHER_TIME}", Asked.OTHER_TIME)
        else:
            existing.keep(desk)
    else:
        return False
    return True


def _nothing(desk: Desk, turn: Turn) -> bool:
    """Take "yes" to "Would you like to confirm, move or cancel it?", which says nothing yet, and "keep it"."""
    if _KEEP.search(turn.words):
        existing.keep(desk)
    elif turn.agreed and not (named_errand(desk, turn) or turn.about("book") or turn.about("done")):
        desk.say(desk.question())
    else:
        return False
    return True


def _other_time(desk: Desk, turn: Turn) -> bool:
    """Take where a move goes to, as seen from where the appointment is; or that it stays."""
    if _KEEP.search(turn.words):
        existing.keep(desk)
        return True
    target = desk.existing.target
    wish = seen_from(target.moment, plain(turn.raw), turn.when, desk.calendar) if target else None
    if desk.offer.spoken or wish is None:
        return False
    desk.wish = wish
    desk.advance()
    return True
