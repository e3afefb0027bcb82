"""The words of what is answered to a text."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.business import load_reply_template, reply_template_problems
from appointments.messages import segments
from appointments.model import Slot
from appointments.replies import ANSWER_WITHIN
from appointments.reply_texts import render_reply
from prompts.loader import REPLY_TEMPLATES
from tests.factories import STUDIO, a_slot, an_appointment


@pytest.mark.parametrize("name", REPLY_TEMPLATES)
def test_a_shipped_answer_is_plain_and_costs_two_segments_at_most(name: str) -> None:
    body = render_reply(
        load_reply_template(name),
        STUDIO,
        appointment=an_appointment(),
        choices=[an_appointment(number) for number in range(4)],
        link="https://app.cal.com/reschedule/603fc8f7e15f7d7b32cc0c",
    )

    assert segments(body) <= 2
    assert body.isascii()
    assert "{" not in body


def test_the_question_whether_to_cancel_says_how_long_it_stands() -> None:
    minutes = round(ANSWER_WITHIN.total_seconds() / 60)

    assert f"within {minutes} minutes" in load_reply_template("reply_cancel")


def test_choices_are_numbered_a_line_each_in_the_zone_of_the_appointment() -> None:
    abroad = replace(an_appointment(2), zone="America/Los_Angeles", slot=Slot(a_slot(54).start, a_slot().duration))

    body = render_reply("{business}?\n{choices}", STUDIO, choices=[an_appointment(1), abroad])

    assert body == "Ada's Studio?\n1: Thu, Dec 3 at 2:00 PM\n2: Thu, Dec 3 at 12:00 PM"


def test_the_phone_number_can_be_read() -> None:
    assert render_reply("{phone}", STUDIO) == "+1 415-555-0100"


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("See {place}.", "no placeholder {place}"),
        ("Reply CANCEL to cancel.", "CANCEL"),
        ("{phone} " * 60, "segments"),
    ],
)
def test_a_wrong_template_is_told_of(template: str, problem: str) -> None:
    (found,) = reply_template_problems(template)

    assert problem in str(found)
