"""How the stand-in model takes what a caller says: which rule answers it, in what order."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

from simulator import policy_asides as asides
from simulator import policy_contact as contact
from simulator import policy_errands as errands
from simulator import policy_existing as existing
from simulator import policy_requests as requests
from simulator import policy_resume as resume
from simulator import policy_transfer as transfer
from simulator.policy_action import choose_action, which_action
from simulator.policy_answer import MORE, NAME, OTHER_TIME, Asked
from simulator.policy_offer import choose
from simulator.policy_questions import answer_question
from simulator.policy_reading import read_turn
from simulator.policy_tools import WAITLIST
from simulator.policy_when import Moment, When, earlier_than, later_than, nearest_day_of_month, seen_from
from simulator.policy_words import plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.policy_desk import Desk
    from simulator.policy_reading import Turn

NOTHING_FITS = "I'm sorry that nothing suits you."
_SHORT = 8
"""Words; a yes in more of them is about something else."""


def answer_caller(desk: Desk, text: str, *, is_again: bool = False) -> bool:
    """Answer what the caller said; return whether it was understood."""
    was_nudged, desk.is_nudged = desk.is_nudged, False
    unsaid, desk.heard = desk.unsaid, ""
    turn = read_turn(desk, text)
    if not plain(text):
        desk.say(f"Sorry, I didn't catch that. {asides.ask_again(desk)}")
    elif was_nudged and asides.only_shows_presence(turn):
        desk.say(desk.question())
    elif not any(rule(desk, turn) for rule in _RULES):
        asides.puzzle(desk, is_again=is_again)
        return False
    else:
        desk.puzzled = 0
    if unsaid and desk.answer.text:
        desk.answer = replace(desk.answer, text=f"{unsaid} {desk.answer.text}")
    return True


def _drop(desk: Desk, turn: Turn) -> bool:
    is_refusal = turn.about("not_at_all") and turn.agreed is False and desk.asked is not Asked.EMAIL
    if not (turn.about("drop") or is_refusal) or turn.when:
        return False
    if desk.existing.errand:
        existing.keep(desk)
        return True
    desk.give_up()
    return True


def _pick(desk: Desk, turn: Turn) -> bool:
    """Take one of the offered slots."""
    if not desk.offer.slots or desk.asked is Asked.MORE or _asks_for_more(turn):
        return False
    if desk.asked is Asked.OTHER_TIME and turn.when and not turn.when.times:
        return False  # what was offered has just been turned down
    gone = desk.booked | ({desk.picked.key} if desk.picked and turn.about("the_other") else set())
    choice = choose(turn.words, turn.when, desk.offer, without=gone)
    if choice.slot:
        desk.wish = None
        is_new = choice.slot != desk.picked
        desk.pick(choice.slot)
        if not is_new and turn.agreed and desk.asked is Asked.CONFIRM:
            desk.is_confirmed = True
        if desk.asked not in (Asked.NAME, Asked.EMAIL, Asked.CONFIRM):
            desk.asked = Asked.OFFER
        desk.advance()
        return True
    if choice.slots and not turn.when.limit:
        return _narrow(desk, turn)
    return False


def _asks_for_more(turn: Turn) -> bool:
    """Tell "do you have anything else on Thursday" from "Thursday, please"."""
    if turn.about("others"):
        return True
    wants_other = turn.about("look") and (turn.about("later") or turn.about("earlier") or turn.when.day is not None)
    return wants_other and not turn.when.times and not re.search(r"\bthe (?:later|earlier)\b", turn.words)


def _narrow(desk: Desk, turn: Turn) -> bool:
    """Several offered slots fit: ask which, or look closer when the wish says more than the offer did."""
    when = turn.when
    says_more = (when.day and not desk.offer.only_day) or (
        when.part and {s.time < "12:00" for s in desk.offer.spoken} == {True, False}
    )
    if not says_more:
        desk.drop_pick()
        desk.asked = Asked.OFFER
        desk.say(desk.question())
        return True
    return _look(desk, turn)


def _look(desk: Desk, turn: Turn) -> bool:
    """Look for the day or time the caller named; a time alone is meant for the day that is being talked of."""
    when = turn.when
    if when.day is None and when.day_of_month and desk.calendar.today and not desk.offer.spoken:
        when = replace(when, day=nearest_day_of_month(when.day_of_month, desk.calendar.today))
    if not when:
        return False
    if when.is_bare and not _expects_time(desk, turn):
        return False
    if desk.wish is not None:
        when = when.over(desk.wish)
    elif when.day is None:
        when = replace(when, day=_day_in_question(desk))
    desk.is_confirmed = False
    if desk.asked is Asked.MORE:
        desk.start_over()
    desk.wish = when
    desk.advance()
    return True


def _no_such_day(desk: Desk, turn: Turn) -> bool:
    """Ask again for a day that is none, such as February thirtieth."""
    if not turn.when.is_no_day:
        return False
    desk.say(f"I'm sorry, I don't know that day. {OTHER_TIME}", Asked.OTHER_TIME)
    return True


def _expects_time(desk: Desk, turn: Turn) -> bool:
    is_asked = desk.asked in (Asked.OFFER, Asked.OTHER_TIME, Asked.CHANGE) or desk.wish is not None
    is_short = len(turn.words.split()) <= 3
    cue = re.search(r"\b(?:no|make it|i said|actually|take|have|like|want|prefer|about|rather|need|for)\b", turn.words)
    return bool(turn.when.day) or is_asked or is_short or cue is not None


def _day_in_question(desk: Desk) -> date | None:
    if desk.asked is Asked.OTHER_TIME and not desk.picked:
        return None
    day = desk.picked.day if desk.picked else desk.offer.only_day
    return date.fromisoformat(day) if day else None


def _same_time(desk: Desk, turn: Turn) -> bool:
    """Look at the same time on another day than the one that is spoken of."""
    if not turn.about("same_time"):
        return False
    slot = desk.picked or (desk.offer.spoken[0] if len(desk.offer.spoken) == 1 else None)
    target = desk.existing.target
    moment = Moment(slot.day, slot.time, slot.clock_words) if slot else target.moment if target else None
    wish = seen_from(moment, turn.words, turn.when, desk.calendar) if moment else None
    if wish is None:
        return False
    desk.wish = wish
    desk.advance()
    return True


def _shift(desk: Desk, turn: Turn) -> bool:
    """Look for something later or earlier than what was offered, or for other times."""
    is_later, is_earlier = turn.about("later"), turn.about("earlier")
    if not desk.offer.spoken or desk.asked is Asked.MORE or turn.when:
        return False
    if not (is_later or is_earlier or turn.about("others")):
        return False
    if not (is_later or is_earlier):
        desk.drop_pick()
        desk.say(OTHER_TIME, Asked.OTHER_TIME)
        return True
    moments = sorted((slot.day, slot.time) for slot in desk.offer.spoken)
    if is_later:
        desk.wish = later_than(Moment(*moments[-1], ""), desk.calendar)
    else:
        desk.wish = earlier_than(Moment(*moments[0], ""))
    desk.advance()
    return True


def _settle(desk: Desk, turn: Turn) -> bool:
    """Take the answer to "Is that right?"."""
    if desk.asked is not Asked.CONFIRM or turn.when or not desk.picked:
        return False
    if turn.has_detail:
        desk.advance()
    elif turn.is_consent and not turn.about("hold"):
        desk.is_confirmed = True
        desk.advance()
    elif turn.about("the_name"):
        desk.name = ""
        desk.asked = Asked.NAME
        desk.say(NAME)
    elif turn.about("the_time"):
        desk.say(OTHER_TIME, Asked.OTHER_TIME)
    elif turn.about("the_email"):
        desk.email.said, desk.email.is_settled = turn.raw.strip(), False
        desk.advance()
    elif turn.agreed is False and not turn.about("repeat"):
        desk.is_confirmed = False
        desk.say("I'm sorry. What should be different: the day, the time, or the name?", Asked.CHANGE)
    else:
        return False
    return True


def _change(desk: Desk, turn: Turn) -> bool:
    """Take the answer to "What should be different?"."""
    if desk.asked is not Asked.CHANGE or turn.when:
        return False
    if turn.has_detail:
        desk.advance()
    elif re.search(r"\bname\b", turn.words):
        desk.name = ""
        desk.say(NAME, Asked.NAME)
    elif re.search(r"\b(?:day|time|date|hour)\b", turn.words):
        desk.say(OTHER_TIME, Asked.OTHER_TIME)
    elif turn.agreed is not None or turn.about("none"):
        desk.give_up()
    else:
        return False
    return True


def _accept(desk: Desk, turn: Turn) -> bool:
    """Take yes or no to an offer, to booking at all, or to trying again."""
    if turn.when or (turn.about("scope") and turn.agreed is not False):
        return False
    if desk.asked is Asked.OFFER and desk.offer.spoken:
        return _accept_offer(desk, turn)
    if desk.asked is Asked.MORE and turn.agreed and not (turn.about("book") or turn.action):
        desk.say("What else can I help you with? I can book another appointment.", Asked.OPEN)
        return True
    if desk.asked is Asked.RETRY and turn.agreed:
        if desk.picked:
            desk.is_confirmed = desk.is_read_back
        desk.advance()
        return True
    return False


def _accept_offer(desk: Desk, turn: Turn) -> bool:
    if turn.agreed is False or turn.about("none") or turn.when.has_refused:
        desk.drop_pick()
        desk.turned_down += 1
        if desk.turned_down > 1 and desk.tools.has(WAITLIST):
            requests.offer(desk, NOTHING_FITS, can_wait=True)
        else:
            desk.say(f"All right. {OTHER_TIME}", Asked.OTHER_TIME)
    elif (turn.agreed or turn.about("that")) and len(desk.offer.spoken) == 1:
        desk.pick(desk.offer.spoken[0])
        desk.advance()
    elif turn.agreed or turn.about("that") or turn.about("nth"):
        desk.say(desk.question())
    else:
        return False
    return True


def _no_other_time(desk: Desk, turn: Turn) -> bool:
    """Offer the waitlist to a caller whom no other time suits."""
    if desk.asked is not Asked.OTHER_TIME or not desk.tools.has(WAITLIST) or turn.when or turn.about("done"):
        return False
    if turn.about("bye") or not (turn.agreed is False or turn.about("none")):
        return False
    requests.offer(desk, NOTHING_FITS, can_wait=True)
    return True


def _withhold(desk: Desk, turn: Turn) -> bool:
    """Ask once more for what a booking needs, then give up truthfully."""
    if desk.asked not in (Asked.NAME, Asked.EMAIL) or turn.has_detail or turn.when:
        return False
    what = "a name" if desk.asked is Asked.NAME else "an e-mail address"
    if turn.about("why"):
        desk.say(f"I need {what} to book the appointment. {desk.question()}")
        return True
    if desk.asked is Asked.EMAIL or not (turn.agreed is False or turn.about("withhold")):
        return False
    desk.refusals += 1
    if desk.refusals == 1:
        desk.say(f"I'm sorry, I need {what} to book the appointment. {desk.question()}")
    else:
        desk.start_over()
        desk.say(f"I'm sorry, without {what} I can't book it. {MORE}", Asked.MORE)
    return True


def _detail(desk: Desk, turn: Turn) -> bool:
    """Go on once a name, an address or a reason was given and nothing else was asked."""
    wants = turn.about("book") and not desk.offer.spoken
    if not turn.has_detail or wants or turn.about("scope"):
        return False
    if desk.asked is Asked.MORE:
        desk.say(MORE)
    elif desk.picked or desk.wish:
        desk.advance()
    elif desk.asked is Asked.OPEN and desk.notes:
        return _start_looking(desk)
    else:
        desk.say(desk.question())
    return True


def _want(desk: Desk, turn: Turn) -> bool:
    """Start looking when the caller wants an appointment without saying when."""
    is_yes = turn.agreed is True and desk.asked is Asked.OPEN and len(turn.words.split()) <= _SHORT
    if not (turn.about("book") or turn.action or is_yes):
        return False
    if desk.picked or desk.asked is Asked.OFFER:
        desk.advance() if desk.picked else desk.say(desk.question())
        return True
    return _start_looking(desk)


def _start_looking(desk: Desk) -> bool:
    if desk.asked is Asked.MORE:
        desk.start_over()
    desk.wish = desk.wish or When()
    desk.advance()
    return True


def _unfinished(desk: Desk, _turn: Turn) -> bool:
    """Go on with a search that a barge-in cancelled."""
    if desk.wish is None or desk.asked is Asked.ACTION:
        return False
    desk.advance()
    return True


_RULES: tuple[Callable[[Desk, Turn], bool], ...] = (
    asides.while_booking,
    resume.ask,
    transfer.want_person,
    answer_question,
    requests.answer_request,
    errands.answer_errand,
    errands.want,
    resume.go_on,
    _no_other_time,
    asides.farewell,
    requests.want_request,
    contact.answer_email,
    contact.answer_number,
    asides.hear_again,
    choose_action,
    which_action,
    asides.hold,
    _no_such_day,
    _pick,
    _same_time,
    _shift,
    _look,
    _drop,
    _settle,
    _change,
    _accept,
    _withhold,
    _detail,
    asides.chat,
    asides.scope,
    _want,
    asides.greeting,
    _unfinished,
)
