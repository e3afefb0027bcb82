"""The arguments of a booking tool that answer the questions of its event type."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from appointments.booking_fields import NOTES, FieldKind, asked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from appointments.booking_fields import BookingField
    from appointments.model import Action, EventType
    from tools.registry import Arguments

LONGEST_ANSWER = 500


def question_arguments(action: Action, event_type: EventType) -> dict[str, Any]:
    """Return the arguments by which the model passes what the caller answered, and other `notes` where they count."""
    arguments = {name: _argument(field, action.questions[field.slug]) for name, field in _named(action, event_type)}
    notes = next((field for field in event_type.fields if field.slug == NOTES), None)
    if notes is not None and (notes.is_required or NOTES in action.questions):
        arguments[NOTES] = _argument(notes, action.questions.get(NOTES, notes.words))
    return arguments


def said(wanted: Arguments, action: Action, event_type: EventType) -> Mapping[str, object]:
    """Return what the caller answered, by the slugs of the questions."""
    return {field.slug: getattr(wanted, name) for name, field in _named(action, event_type)}


def _named(action: Action, event_type: EventType) -> Iterator[tuple[str, BookingField]]:
    """Yield what is asked with its argument's name: "favourite-colour" gives `answer_favourite_colour`."""
    taken: set[str] = set()
    for number, field in enumerate(asked(action, event_type), 1):
        # Cal.com keeps the letters of any language in a slug; models take plain ones alone.
        plain = re.sub(r"[^a-z0-9]+", "_", field.slug.casefold()).strip("_")
        name = f"answer_{plain or number}"
        while name in taken:
            name += f"_{number}"
        taken.add(name)
        yield name, field


def _argument(field: BookingField, question: str) -> tuple[Any, Any]:
    described = f"What the caller answers to {question!r}"
    kind = _kind(field)
    longest = LONGEST_ANSWER if kind is str else None
    if field.is_required:
        return kind, Field(description=f"{described}.", max_length=longest)
    return kind | None, Field(None, description=f"{described}. Leave out when they have no answer.", max_length=longest)


def _kind(field: BookingField) -> Any:
    """Return what the model may pass for an answer."""
    one: Any = Literal[field.options] if field.options else str
    match field.kind:
        case FieldKind.NUMBER:
            return float
        case FieldKind.YES_NO:
            return bool
        case FieldKind.CHOICES:
            return list[one]
        case _:
            return one
