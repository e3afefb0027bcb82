"""How errors become words."""

from __future__ import annotations

import inspect

import pytest

from appointments import errors
from appointments.errors import (
    CalendarUnavailable,
    NotChangeable,
    NotConfirmed,
    RuleViolation,
    SlotlineError,
    SlotNotOffered,
    SlotTaken,
)
from appointments.model import AppointmentStatus, Rule
from tests.factories import a_slot
from tools.replies import Status, reply_to_error

MADE = {
    SlotTaken: SlotTaken(a_slot()),
    SlotNotOffered: SlotNotOffered("a9"),
    NotConfirmed: NotConfirmed("Right?"),
    NotChangeable: NotChangeable(AppointmentStatus.CANCELLED),
    RuleViolation: RuleViolation(a_slot(), Rule.TOO_SOON),
}
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


def test_an_old_offer_leads_to_a_new_search() -> None:
    reply = reply_to_error(SlotNotOffered("a1", is_old=True))

    assert reply.status is Status.NOT_OFFERED
    assert "too old" in reply.hint
    assert "find_slots" in reply.hint


@pytest.mark.parametrize("rule", [rule for rule in Rule if rule is not Rule.CALLER_FULL])
def test_a_slot_that_breaks_a_rule_now_leads_to_a_new_search(rule: Rule) -> None:
    reply = reply_to_error(RuleViolation(a_slot(), rule))

    assert reply.status is Status.NOT_ALLOWED
    assert reply.say.endswith("Shall I look for another one?")
    assert "find_slots" in reply.hint


def test_a_caller_with_as_many_appointments_as_there_may_be_is_offered_no_other() -> None:
    reply = reply_to_error(RuleViolation(a_slot(), Rule.CALLER_FULL))

    assert "as many appointments" in reply.say
    assert "find_slots" not in reply.hint
