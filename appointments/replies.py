"""What follows from the answer to a text: which appointment it is about, and what is done or asked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from appointments.reply_words import Wish
from appointments.states import CHANGEABLE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from appointments.model import Appointment, AppointmentId
    from appointments.reply_words import Reading

ANSWER_WITHIN = timedelta(minutes=30)
"""How long a question of ours stands. A "Y" that comes later may be meant for something else."""
MAY_BE_MEANT = timedelta(hours=24)
"""So long after that a bare yes may still be an answer to it, and is asked about once more."""
MOST_CHOICES = 4
"""As many as two segments hold."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a text of ours asks: of one appointment, whether to cancel it; of several, which of them is meant."""

    wish: Wish
    appointment_ids: tuple[AppointmentId, ...]
    until: datetime

    @property
    def is_which(self) -> bool:
        return len(self.appointment_ids) > 1


class Act(StrEnum):
    """What is done about a text that came in."""

    NOTHING = "nothing"
    CONFIRM = "confirm"
    MOVE = "move"
    """The sender wants another time, which they choose elsewhere or in a call."""
    CANCEL = "cancel"
    KEEP = "keep"
    """The sender has thought better of cancelling it."""
    ASK = "ask"
    EXPLAIN = "explain"
    """Tell which letters are understood."""
    POINT_TO_PHONE = "point_to_phone"
    OPT_OUT = "opt_out"
    """The sender wants no texts, and said so in a sentence."""


@dataclass(frozen=True, slots=True)
class Decision:
    """An act, and the appointment or the question that it is about.

    `is_way_out` claims that the text was not understood or cannot be served: the sender is told so once a day.
    """

    act: Act
    appointment: Appointment | None = None
    question: Question | None = None
    is_way_out: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the sender of a text when it comes in.

    `upcoming` are their live appointments, `reminded` is the one they were last reminded of.
    """

    upcoming: Sequence[Appointment]
    now: datetime
    question: Question | None = None
    reminded: AppointmentId | None = None
    may_cancel: bool = True

    @property
    def changeable(self) -> Mapping[AppointmentId, Appointment]:
        """The appointments that a text may be about, earliest first."""
        ahead = (each for each in self.upcoming if each.slot.start > self.now and each.status in CHANGEABLE)
        return {each.appointment_id: each for each in sorted(ahead, key=lambda each: each.slot)}

    @property
    def open_question(self) -> Question | None:
        """The question that can still be answered."""
        question = self.question
        if question is None or self.now >= question.until:
            return None
        return question if any(each in self.changeable for each in question.appointment_ids) else None

    @property
    def lapsed_question(self) -> Question | None:
        """The question about one appointment that was left unanswered for too long, but may still be meant."""
        question = self.question
        if question is None or question.is_which or self.now >= question.until + MAY_BE_MEANT:
            return None
        return question if question.appointment_ids[0] in self.changeable else None


def decide(reading: Reading, known: Known) -> Decision:
    """Return what is to be done about a text that reads so. Nothing is cancelled without a yes to our question."""
    if reading.wants_no_texts:
        return Decision(Act.OPT_OUT)
    if question := known.open_question:
        return _answer(reading, question, known)
    if reading.is_courtesy:
        return Decision(Act.NOTHING)
    if reading.agrees and reading.wish is None and (lapsed := known.lapsed_question):
        # Taken for a confirmation, it would leave somebody sure of the opposite.
        return _follow(lapsed.wish, known.changeable[lapsed.appointment_ids[0]], known)
    if not known.changeable:
        return Decision(Act.POINT_TO_PHONE, is_way_out=True)
    meant = _meant(known)
    wish = reading.wish or (Wish.CONFIRM if reading.agrees and meant else None)
    if wish is None or reading.choice is not None:
        return Decision(Act.EXPLAIN, is_way_out=True)
    return _follow(wish, meant, known) if meant else _ask_which(wish, known)


def _answer(reading: Reading, question: Question, known: Known) -> Decision:
    if reading.choice is not None:
        return _choose(reading, question, known)
    if question.is_which:
        return _ask_which(reading.wish, known) if reading.wish else _ask_again(question)
    asked = known.changeable[question.appointment_ids[0]]
    if reading.agrees and reading.wish in (None, Wish.CANCEL):
        return Decision(Act.CANCEL, asked)
    if reading.agrees is False and reading.wish is None:
        return Decision(Act.KEEP, asked)
    return _follow(reading.wish, asked, known) if reading.wish else _ask_again(question)


def _choose(reading: Reading, question: Question, known: Known) -> Decision:
    """Take the number in `reading` for one of what was asked about."""
    number = reading.choice or 0
    chosen = question.appointment_ids[number - 1] if number <= len(question.appointment_ids) else None
    appointment = known.changeable.get(chosen) if chosen else None
    if appointment is None or not question.is_which:
        return _ask_again(question)
    return _follow(reading.wish or question.wish, appointment, known)


def _follow(wish: Wish, appointment: Appointment, known: Known) -> Decision:
    match wish:
        case Wish.CONFIRM:
            return Decision(Act.CONFIRM, appointment)
        case Wish.MOVE:
            return Decision(Act.MOVE, appointment)
        case Wish.CANCEL if known.may_cancel:
            question = Question(wish, (appointment.appointment_id,), known.now + ANSWER_WITHIN)
            return Decision(Act.ASK, question=question)
        case Wish.CANCEL:
            return Decision(Act.POINT_TO_PHONE, is_way_out=True)


def _meant(known: Known) -> Appointment | None:
    """Return the appointment that a text without a number is about, None when it may be any of several."""
    changeable = known.changeable
    if known.reminded is not None and known.reminded in changeable:
        return changeable[known.reminded]
    return next(iter(changeable.values())) if len(changeable) == 1 else None


def _ask_which(wish: Wish, known: Known) -> Decision:
    first = tuple(known.changeable)[:MOST_CHOICES]
    if len(first) == 1:  # the others have gone since they were asked about
        return _follow(wish, known.changeable[first[0]], known)
    return Decision(Act.ASK, question=Question(wish, first, known.now + ANSWER_WITHIN))


def _ask_again(question: Question) -> Decision:
    return Decision(Act.ASK, question=question, is_way_out=True)
