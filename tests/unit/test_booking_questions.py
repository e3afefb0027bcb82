"""The arguments by which the model passes what callers answer to an event type's own questions."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from appointments.booking_fields import BookingField
from tests.factories import ACTION, EVENT_TYPE
from tools.booking_questions import question_arguments, said

if TYPE_CHECKING:
    from tools.registry import Arguments


@pytest.mark.parametrize(
    ("slugs", "names"),
    [
        (["favourite-colour"], ["answer_favourite_colour"]),
        (["возраст", "пол"], ["answer_1", "answer_2"]),
        (["pet-name", "pet_name"], ["answer_pet_name", "answer_pet_name_2"]),
    ],
)
def test_each_question_has_an_argument_of_its_own(slugs: list[str], names: list[str]) -> None:
    action = replace(ACTION, questions=dict.fromkeys(slugs, "What is it?"))
    event_type = replace(EVENT_TYPE, fields=tuple(map(BookingField, slugs)))
    answered = cast("Arguments", SimpleNamespace(**{name: f"to {name}" for name in names}))

    assert [*question_arguments(action, event_type)] == names
    assert said(answered, action, event_type) == {slug: f"to {name}" for slug, name in zip(slugs, names, strict=True)}
