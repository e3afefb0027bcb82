"""The stand-in model goes on from the note of a call whose beginning it is not sent."""

from __future__ import annotations

import pytest

from simulator.policy import answer
from tests.unit.test_policy import INSTRUCTIONS, TOOLS, agent, note, user

AT_TWO = "Thursday, December third, at two in the afternoon"
AT_TEN = "Friday, December fourth, at ten in the morning"
HEAD = "This call is long, and its beginning is left out here. What stands of it:"
OFFERED = [
    "Times that were offered and can still be booked, by their keys:",
    f"a1 = {AT_TWO} (2026-12-03 14:00), for 30-Minute Consultation",
    f"a2 = {AT_TEN} (2026-12-04 10:00), for 30-Minute Consultation",
]
CHOSEN = f"They have chosen {AT_TWO}, for 30-Minute Consultation, slot key a1; it is not booked yet."
BOOKED = f"They have chosen {AT_TWO}, for 30-Minute Consultation, slot key a1; it is booked, or being confirmed."
NAME = 'The caller gave their name as "Maya Chen".'
SYSTEM = {"role": "system", "content": INSTRUCTIONS}


def reply(*lines: str, said: str) -> str:
    """Return what the model says and calls after a note of `lines` and what the caller says."""
    answered = answer([SYSTEM, note("\n".join([HEAD, *lines])), agent("All right."), user(said)], TOOLS)
    return f"{answered.text} {' '.join(f'{call.name} {call.arguments}' for call in answered.calls)}".strip()


@pytest.mark.parametrize(
    "name",
    [NAME, 'To "May I have your name, please?" they said "Maya Chen".', 'They said "Hi, this is Maya Chen.".'],
)
def test_what_was_chosen_and_by_whom_is_known(name: str) -> None:
    assert reply(CHOSEN, name, *OFFERED, said="Let's do that.") == (
        f"That's a 30-Minute Consultation on {AT_TWO}, for Maya Chen. Is that right?"
    )


def test_another_of_the_offered_times_can_be_taken() -> None:
    assert AT_TEN in reply(CHOSEN, NAME, *OFFERED, said="Friday at ten, please.")


def test_what_is_booked_is_not_booked_again() -> None:
    assert "Goodbye" in reply(BOOKED, NAME, said="No, that's all, thank you.")


def test_another_note_is_no_beginning_of_a_call() -> None:
    answered = answer([SYSTEM, note("The caller has been silent. Ask."), user("I need an appointment.")], TOOLS)

    assert [call.name for call in answered.calls] == ["find_slots"]
