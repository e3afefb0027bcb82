"""How errors become words."""

from __future__ import annotations

import inspect

import pytest

from appointments import errors
from appointments.errors import CalendarUnavailable, NotConfirmed, SlotlineError, SlotNotOffered, SlotTaken
from tests.factories import a_slot
from tools.replies import Status, reply_to_error

MADE = {SlotTaken: SlotTaken(a_slot()), SlotNotOffered: SlotNotOffered("a9"), NotConfirmed: NotConfirmed("Right?")}
KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, SlotlineError)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_has_an_answer_the_model_can_act_on(kind: type[SlotlineError]) -> None:
    reply = reply_to_error(MADE.get(kind) or kind("what is wrong"))

    assert reply.say or reply.hint
    assert reply.status not in (Status.BOOKED, Status.DONE, Status.AVAILABLE, Status.PENDING)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_words_of_an_error_are_never_spoken(kind: type[SlotlineError]) -> None:
    error = MADE.get(kind) or kind("HTTP 502 from https://api.cal.com")

    assert str(error) not in reply_to_error(error).say


def test_an_outage_forbids_naming_times() -> None:
    reply = reply_to_error(CalendarUnavailable("down"))

    assert reply.status is Status.UNAVAILABLE
    assert "Do not name times" in reply.hint
