"""`[actions.fields]` of a business file: what is asked, what is always answered, and how a mistake is told."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from agent.business import load_business
from appointments.errors import ConfigError
from prompts.loader import REHEARSAL_BUSINESS

if TYPE_CHECKING:
    from pathlib import Path

    from appointments.model import Action


def action_of(tmp_path: Path, fields: str, *, more: str = "") -> Action:
    """Return the action of a business file with these `[actions.fields]` and `more` keys."""
    path = tmp_path / "clinic.toml"
    text = REHEARSAL_BUSINESS.read_text().replace(
        "default_instructions = true ", f"{more}\ndefault_instructions = true "
    )
    path.write_text(f"{text}\n[actions.fields]\n{fields}\n")
    (action,) = load_business(path).actions
    return action


def test_questions_and_constants_are_told_apart(tmp_path: Path) -> None:
    action = action_of(
        tmp_path,
        'insurance = { ask = "Which  insurance?" }\nsource = "phone"\nsize = 4\nterms = true\ndays = ["Mon", "Tue"]',
    )

    assert action.questions == {"insurance": "Which insurance?"}
    assert action.constants == {"source": "phone", "size": 4, "terms": True, "days": ("Mon", "Tue")}


@pytest.mark.parametrize(
    "field",
    [
        "insurance = {}",
        'insurance = { ask = "" }',
        'insurance = { ask = "Which?", options = ["A"] }',
        'insurance = ""',
        "insurance = []",
        "insurance = [1]",
        "insurance = 2026-12-01",
        "insurance = nan",
    ],
)
def test_what_is_neither_an_answer_nor_a_question_is_told_with_its_line(tmp_path: Path, field: str) -> None:
    with pytest.raises(ConfigError) as caught:
        action_of(tmp_path, field)

    line = (tmp_path / "clinic.toml").read_text().split("\n").index(field) + 1
    assert f"clinic.toml:{line}: " in str(caught.value)
    assert '"30-Minute Consultation": fields.insurance must be an answer' in str(caught.value)


@pytest.mark.parametrize(("more", "minutes"), [("minutes = 60", 60), ("", 30)])
def test_a_length_that_the_file_or_the_title_names_is_chosen(tmp_path: Path, more: str, minutes: int) -> None:
    action = action_of(tmp_path, "", more=more)

    assert (action.duration, action.has_length) == (timedelta(minutes=minutes), True)


def test_a_length_that_nobody_names_is_left_to_the_calendar(tmp_path: Path) -> None:
    path = tmp_path / "clinic.toml"
    path.write_text(REHEARSAL_BUSINESS.read_text().replace('title = "30-Minute Consultation"', 'title = "Visit"'))
    (action,) = load_business(path).actions

    assert (action.duration, action.has_length) == (timedelta(minutes=30), False)
