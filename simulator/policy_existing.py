"""Appointments that exist: what the stand-in model knows of them, and the next step towards what the caller wants."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from simulator import policy_requests as requests
from simulator.policy_answer import MORE, OTHER_TIME, Answer, Asked, ToolCall
from simulator.policy_offer import Offer
from simulator.policy_tools import (
    CANCEL_MINE,
    CHECK_CODE,
    CONFIRM_MINE,
    FIND_MINE,
    MOVE_MINE,
    TEXT_CODE,
    with_article,
)
from simulator.policy_when import Moment, When, seen_from

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from simulator.policy_desk import Desk

WHICH_NUMBER = "I can text a code to the number it is under. Which number is that?"
WHY = "May I ask why?"
STAYS = "All right, it stays as it is."


class Errand(StrEnum):
    """What a caller wants with an appointment that exists."""

    HEAR = "hear"
    CONFIRM = "confirm"
    MOVE = "move"
    CANCEL = "cancel"

    @property
    def tool(self) -> str:
        return _TOOLS[self]


_TOOLS = {
    Errand.HEAR: FIND_MINE,
    Errand.CONFIRM: CONFIRM_MINE,
    Errand.MOVE: MOVE_MINE,
    Errand.CANCEL: CANCEL_MINE,
}


@dataclass(frozen=True, slots=True)
class Known:
    """An appointment of the caller's, as a tool has told of it; `day` and `time` are ISO."""

    key: str
    say: str
    title: str
    day: str
    time: str

    @property
    def when(self) -> str:
        """Its day and time in the tool's words."""
        return self.say.partition(", which ")[0].partition(f"{self.title} on ")[2]

    @property
    def moment(self) -> Moment:
        return Moment(self.day, self.time, self.when.rpartition(", at ")[2])


@dataclass(slots=True)
class Existing:
    """What is known of the caller's appointments, and what is to become of one."""

    errand: Errand | None = None
    known: tuple[Known, ...] = ()
    told: str = ""
    """All of them in the tool's words."""
    target: Known | None = None
    cancelled: Known | None = None
    """What was cancelled last."""
    named: When = field(default_factory=When)
    """The day and time by which the caller told which one is meant."""
    shown: date | None = None
    """The day the caller gave to show that appointments are theirs."""
    relative: str = ""
    """Where a move is to go in the caller's words, such as "the same time next week"."""
    title: str = ""
    """What the caller called it, where there is a choice of titles."""
    reason: str = ""
    is_why_asked: bool = False
    number: str = ""
    """The number the last code was asked for; "": the one that calls."""

    @property
    def moved_key(self) -> str:
        """The key of what is to be moved, "" when nothing is."""
        return self.target.key if self.target and self.errand is Errand.MOVE else ""

    def begin(self, errand: Errand) -> None:
        self.errand, self.target = errand, None
        self.reason, self.is_why_asked = "", False

    def end(self) -> None:
        """Have no errand any more; what was changed is looked up again."""
        self.errand = self.target = None
        self.known, self.shown = (), None
        self.named, self.title, self.relative = When(), "", ""


def go_on(desk: Desk) -> None:
    """Take the next step of the errand."""
    mine = desk.existing
    if mine.target is None:
        _choose_target(desk)
    if not mine.known and mine.target is None:
        _look_up(desk)
    elif mine.errand is Errand.HEAR:
        tell(desk)
    elif mine.target is None:
        desk.say(which_question(desk), Asked.WHICH)
    elif mine.errand is Errand.CONFIRM:
        desk.answer = Answer(calls=(ToolCall(CONFIRM_MINE, {"appointment": mine.target.key}),))
    elif mine.errand is Errand.CANCEL:
        _cancel(desk, mine.target)
    else:
        _move(desk, mine.target)


def _choose_target(desk: Desk) -> None:
    mine = desk.existing
    fitting = [
        each
        for each in mine.known
        if mine.named.fits(each.day, each.time) and mine.title in ("", each.title)
    ]  # fmt: skip
    is_another = mine.title not in ("", *(each.title for each in mine.known))
    if len(fitting) == 1 or (len(mine.known) == 1 and not is_another):
        mine.target = (fitting or mine.known)[0]


def _look_up(desk: Desk) -> None:
    """Look for the caller's appointments, by name and day where both are known."""
    mine, day = desk.existing, desk.existing.shown or desk.existing.named.day
    if desk.asked is Asked.WHO and not (desk.name and day):
        desk.say("And which day is it?" if desk.name else "And what name is it under?", Asked.WHO)
        return
    said: dict[str, object] = {"name": desk.name, "date": day.isoformat()} if desk.name and day else {}
    mine.named = replace(mine.named, limit="")
    desk.answer = Answer(calls=(ToolCall(FIND_MINE, said),))


def tell(desk: Desk) -> None:
    """Tell what the caller has, and ask what they would like to do."""
    mine = desk.existing
    mine.errand = mine.target = None
    desk.say(f"{mine.told} {errand_question(desk)}", Asked.ERRAND)


def errand_question(desk: Desk) -> str:
    words = [errand.value for errand in (Errand.CONFIRM, Errand.MOVE, Errand.CANCEL) if desk.tools.has(errand.tool)]
    one = "it" if len(desk.existing.known) == 1 else "one of them"
    choice = " or ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
    return f"Would you like to {choice} {one}?" if words else MORE


def which_question(desk: Desk) -> str:
    known = desk.existing.known
    if len(known) == 1:
        return f"I can only find {known[0].say}. Is that the one you mean?"
    is_one_kind = len({each.title for each in known}) == 1
    return f"Which one do you mean: {', or '.join(each.when if is_one_kind else each.say for each in known)}?"


def _cancel(desk: Desk, target: Known) -> None:
    mine = desk.existing
    arguments: dict[str, object] = {"appointment": target.key}
    if target == mine.cancelled:
        desk.answer = Answer(calls=(ToolCall(CANCEL_MINE, arguments),))
    elif not mine.reason and not mine.is_why_asked:
        mine.is_why_asked = True
        desk.say(WHY, Asked.WHY)
    elif not _is_agreed(desk):
        desk.say(read_back(desk), Asked.CONFIRM)
    else:
        if mine.reason:
            arguments["reason"] = mine.reason
        desk.answer = Answer(calls=(ToolCall(CANCEL_MINE, arguments),))


def _move(desk: Desk, target: Known) -> None:
    mine = desk.existing
    desk.action = desk.tools.action_titled(target.title) or desk.action
    if mine.relative:
        desk.wish = seen_from(target.moment, mine.relative, desk.wish, desk.calendar) or desk.wish
        mine.relative = ""
    if desk.wish is not None:
        desk.look()
    elif desk.picked is None:
        desk.asked = Asked.OFFER if desk.offer.spoken else Asked.OTHER_TIME
        desk.say(desk.question() if desk.offer.spoken else f"I can move {_mine(target)}. {OTHER_TIME}")
    elif not _is_agreed(desk):
        desk.say(read_back(desk), Asked.CONFIRM)
    else:
        arguments: dict[str, object] = {"appointment": target.key, "slot": desk.picked.key}
        if mine.reason:
            arguments["reason"] = mine.reason
        desk.answer = Answer(calls=(ToolCall(MOVE_MINE, arguments),))


def _mine(target: Known) -> str:
    return f"your {target.title} on {target.when}"


def _is_agreed(desk: Desk) -> bool:
    """Claim that the caller has heard the read-back and agreed; else it is to be read back now."""
    if desk.is_confirmed and (desk.is_read_back or desk.read_backs > 1):
        return True
    desk.is_confirmed = False
    desk.read_backs += 1
    return False


def read_back(desk: Desk) -> str:
    """Return what the caller is to agree to."""
    mine = desk.existing
    if mine.target is None:
        return desk.question()
    if mine.errand is Errand.MOVE and desk.picked:
        return f"I'll move your {mine.target.title} to {desk.picked.say}. Is that right?"
    return f"I'll cancel {_mine(mine.target)}. Is that right?"


def details(desk: Desk) -> tuple[str, ...]:
    """Return the words that a read-back must have named."""
    mine = desk.existing
    if mine.errand is Errand.CANCEL and mine.target:
        return mine.target.when, "cancel"
    return (desk.picked.say,) if mine.errand is Errand.MOVE and desk.picked else ()


def take_known(desk: Desk, result: Mapping[str, object] | None) -> None:
    """Go on from what was found: the appointments, or what the caller has still to show."""
    mine, result = desk.existing, result or {}
    say = str(result.get("say") or "")
    match result.get("status"):
        case "found":
            rows = result.get("appointments")
            mine.known = tuple(_known(row) for row in rows if isinstance(row, dict)) if isinstance(rows, list) else ()
            mine.told = say
            mine.errand = mine.errand or Errand.HEAR
            desk.asked = Asked.OPEN
            go_on(desk)
        case "not_verified":
            mine.named, mine.shown = When(), None
            _ask_for_proof(desk, say, str(result.get("hint") or ""))
        case "invalid" if desk.asked is Asked.CODE:
            desk.say("I'm sorry, could you read me the six digits once more?", Asked.CODE)
        case "invalid":
            mine.named, mine.shown = When(), None
            desk.say("I'm sorry, what name is it under, and which day is it?", Asked.WHO)
        case _:
            mine.end()
            requests.tell_trouble(desk, say or "I'm sorry, I couldn't look that up just now.")


def _ask_for_proof(desk: Desk, say: str, hint: str) -> None:
    """Say the tool's question; its hint tells what would help."""
    if hint.startswith("Call find_appointments"):
        asked = Asked.WHO
    elif hint.startswith("Call check_code"):
        asked = Asked.CODE
    elif hint.startswith("Call text_code"):
        asked = Asked.CODE_NUMBER
    else:
        desk.existing.end()
        requests.offer(desk, say, can_wait=False)
        return
    desk.say(say, asked)


def text_code(desk: Desk, number: str) -> None:
    """Have a code texted to `number`; "" is the number that calls."""
    desk.existing.number = number
    desk.answer = Answer(calls=(ToolCall(TEXT_CODE, {"number": number} if number else {}),))


def check_code(desk: Desk, digits: str) -> None:
    """Have the code checked that the caller has said or typed."""
    desk.answer = Answer(calls=(ToolCall(CHECK_CODE, {"code": " ".join(digits)}),))


def take_code_sent(desk: Desk, result: Mapping[str, object] | None) -> None:
    result = result or {}
    say = str(result.get("say") or "")
    match result.get("status"):
        case "code_sent":
            desk.say(say, Asked.CODE)
        case "not_verified":
            _ask_for_proof(desk, say, str(result.get("hint") or ""))
        case "invalid":
            desk.say("I'm sorry, I can't text a code to that number. Which number is it under?", Asked.CODE_NUMBER)
        case _:
            desk.existing.end()
            requests.tell_trouble(desk, say or "I'm sorry, I can't text a code just now.")


def take_changed(desk: Desk, call: ToolCall, result: Mapping[str, object] | None) -> None:
    """Go on from what came of a confirmation, a move or a cancellation."""
    mine, result = desk.existing, result or {}
    say = str(result.get("say") or "")
    match result.get("status"):
        case "confirmed" | "moved" | "requested" | "cancelled" | "pending" | "unconfirmed":
            if result["status"] == "cancelled":
                mine.cancelled = mine.target
            _close(desk, say)
        case "not_confirmed":
            desk.is_confirmed = False
            desk.read_backs += 1
            desk.say(say or read_back(desk), Asked.CONFIRM)
        case "taken" | "not_allowed":
            desk.drop_pick()
            desk.offer = Offer.read(result)
            desk.speak(result, Asked.OFFER if desk.offer.slots else Asked.OTHER_TIME)
        case "not_offered":
            desk.wish = desk.looked_for
            desk.drop_pick()
            go_on(desk)
        case "invalid" if call.name == MOVE_MINE:
            desk.drop_pick()
            desk.offer = Offer()
            desk.say(f"That is the time it has already. {OTHER_TIME}", Asked.OTHER_TIME)
        case "not_verified":
            _ask_for_proof(desk, say, str(result.get("hint") or ""))
        case "not_changeable":
            _forget(desk)
            requests.offer(desk, say, can_wait=False)
        case _:
            _forget(desk)
            requests.tell_trouble(desk, say or "I'm sorry, that didn't work just now.")


def _close(desk: Desk, say: str) -> None:
    """Tell how it ended and ask for more."""
    desk.unsaid = say
    _forget(desk)
    desk.say(f"{say} {MORE}", Asked.MORE)


def keep(desk: Desk) -> None:
    """Change nothing after all."""
    _forget(desk)
    desk.say(f"{STAYS} {MORE}", Asked.MORE)


def _forget(desk: Desk) -> None:
    desk.existing.end()
    desk.start_over()
    desk.action = ""


def _known(row: Mapping[str, object]) -> Known:
    say, title = str(row.get("say", "")), str(row.get("title", ""))
    return Known(str(row.get("key", "")), say or with_article(title), title, str(row.get("date")), str(row.get("time")))
