"""The questions that an event type asks of who books: what the agent asks of the caller, what is known, what fits."""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeGuard

from appointments.contact import clean_number
from appointments.errors import WishNotUnderstood

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from appointments.model import Action, Answer, EventType

NOTES = "notes"
"""The question that every event type has, and every booking tool an argument for."""
LOCATION = "location"
"""Asks where, when the attendee says where it takes place."""


class FieldKind(StrEnum):
    """What answers a question."""

    TEXT = "text"
    NUMBER = "a number"
    YES_NO = "true or false"
    CHOICE = "one of its options"
    CHOICES = "a list of its options"
    PHONE = "a phone number"
    LINK = "a link"
    EMAILS = "a list of e-mail addresses"


NOT_SPOKEN = frozenset({FieldKind.LINK, FieldKind.EMAILS})
"""What nobody can say on the phone."""


@dataclass(frozen=True, slots=True)
class BookingField:
    """A question of an event type. `slug` is its name there, `label` its words; no `options`: any answer will do."""

    slug: str
    label: str = ""
    kind: FieldKind = FieldKind.TEXT
    is_required: bool = False
    options: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """The question, as it is asked."""
        return self.label or self.slug

    def accepts(self, answer: object) -> TypeGuard[Answer]:
        """Claim that `answer` is of the kind that is wanted, and one of the options if there are some."""
        match self.kind:
            case FieldKind.NUMBER:
                return isinstance(answer, int | float) and not isinstance(answer, bool) and math.isfinite(answer)
            case FieldKind.YES_NO:
                return isinstance(answer, bool)
            case FieldKind.CHOICES | FieldKind.EMAILS:
                is_list = isinstance(answer, tuple) and all(isinstance(each, str) for each in answer)
                return is_list and self._offers(answer)
            case _:
                return isinstance(answer, str) and self._offers((answer,))

    def _offers(self, answers: object) -> bool:
        return not self.options or (isinstance(answers, tuple) and set(answers) <= set(self.options))


@dataclass(frozen=True, slots=True)
class Misfit:
    """Something in which an action and its event type do not fit. `is_fatal` claims that it keeps all from booking."""

    seen: str
    fix: str
    is_fatal: bool = True


def misfits(action: Action, event_type: EventType) -> Iterator[Misfit]:
    """Yield what is wrong with the action's `[actions.fields]`, seen from its event type."""
    fields = {field.slug: field for field in event_type.fields}
    for slug, field in fields.items():
        if slug in action.constants:
            yield from _wrong_constant(field, action.constants[slug])
        elif slug in action.questions:
            yield from _not_to_be_asked(field)
        elif field.is_required and slug != NOTES:
            yield _unanswered(field)
    for slug in [*action.questions, *action.constants]:
        if slug not in fields:
            yield _unknown(slug, fields)


def asked(action: Action, event_type: EventType) -> tuple[BookingField, ...]:
    """Return what the agent asks of the caller beside their notes."""
    return tuple(field for field in event_type.fields if field.slug in action.questions and field.slug != NOTES)


def answers(action: Action, event_type: EventType, said: Mapping[str, object], *, country: str) -> Mapping[str, Answer]:
    """Return the answers of the business file and what the caller `said`, by the slugs of their questions.

    Args:
        country: Where a phone number without its country's code is.

    Raises:
        WishNotUnderstood: what was said is no answer to its question.
    """
    given: dict[str, Answer] = {}
    for field in event_type.fields:
        if field.slug in action.constants:
            given[field.slug] = action.constants[field.slug]
        elif (answer := said.get(field.slug)) is not None:
            given[field.slug] = _answer(field, answer, action.questions.get(field.slug, field.words), country)
    return given


def _answer(field: BookingField, said: object, question: str, country: str) -> Answer:
    answer = tuple(said) if isinstance(said, list) else said
    if field.kind is FieldKind.PHONE and isinstance(answer, str):
        answer = clean_number(answer, country)
    if not field.accepts(answer):
        raise WishNotUnderstood(f"{field.slug} wants {_wanted(field)}. Ask: {question}")
    if field.is_required and not answer:
        # Cal.com takes a "no", a zero or nothing at all for no answer.
        raise WishNotUnderstood(
            f"Without another answer to {field.slug} nothing can be booked. Say so; offer to have the caller called "
            "back (request_callback)."
        )
    return answer


def _wrong_constant(field: BookingField, constant: Answer) -> Iterator[Misfit]:
    if not field.accepts(constant) or (field.is_required and not constant):
        shown = list(constant) if isinstance(constant, tuple) else constant
        yield Misfit(
            f"fields has {shown!r} for {field.slug}, which wants {_wanted(field)}",
            f"Write an answer that it takes for {field.slug} below [actions.fields] of this action.",
        )


def _not_to_be_asked(field: BookingField) -> Iterator[Misfit]:
    if field.kind in NOT_SPOKEN:
        yield Misfit(
            f"it wants {_wanted(field)} for {field.slug}, which nobody can say on the phone",
            f"Write what it is for every caller, {_constant(field)}, below [actions.fields] of this action, or make "
            "the question optional and leave it out.",
        )


def _unanswered(field: BookingField) -> Misfit:
    line = _constant(field) if field.kind in NOT_SPOKEN else f"{key(field.slug)} = {{ ask = {quoted(field.words)} }}"
    return Misfit(
        f"it demands an answer to {field.slug} ({field.words!r}), and the business file has none",
        f"Write {line} below [actions.fields] of this action in the business file, or make the question optional "
        "under Advanced → Booking questions of the event type.",
    )


def _unknown(slug: str, fields: Mapping[str, BookingField]) -> Misfit:
    close = difflib.get_close_matches(slug, fields, n=1)
    fix = f"Rename it to {close[0]}." if close else f"Take it out; there are {', '.join(fields) or 'none'}."
    return Misfit(f"fields names {slug}, and the event type asks no such thing", fix, is_fatal=False)


def _wanted(field: BookingField) -> str:
    return f"{field.kind}: {', '.join(field.options)}" if field.options else field.kind.value


def _constant(field: BookingField) -> str:
    return f"{key(field.slug)} = {'[…]' if field.kind is FieldKind.EMAILS else quoted('…')}"


def key(slug: str) -> str:
    """Return `slug` as a key of TOML, which needs quotes for what is not bare."""
    is_bare = slug.isascii() and slug.replace("-", "").replace("_", "").isalnum()
    return slug if is_bare else quoted(slug)


def quoted(text: str) -> str:
    """Return `text` as TOML writes it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(char if char.isprintable() else " " for char in escaped) + '"'
