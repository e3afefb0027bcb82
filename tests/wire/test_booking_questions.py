"""Booking what asks questions of its own, what its calendar assigns a host to, and what has changed since the offer."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from appointments.booking_fields import NOTES, BookingField, FieldKind
from appointments.errors import EventTypeChanged
from appointments.model import AppointmentStatus, Slot
from appointments.service import BookingService
from appointments.store.store import Store
from tests.factories import ACTION, EVENT_TYPE, NOW, QUICK, ShakyCalendar, a_slot
from tests.sessions import CLINIC, a_session, agent, caller
from tests.stores import opened_store
from tools.booking import book_appointment, find_slots
from tools.registry import answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from appointments.model import Action, Attendee, Booking, EventType
    from tools.registry import Tool
    from tools.replies import Reply

TWO = a_slot()
INSURANCE = BookingField("insurance", "Which insurance?", is_required=True)
PLAN = BookingField("my-plan", "Which plan?", FieldKind.CHOICE, options=("Basic", "Plus"))
ASKING = replace(EVENT_TYPE, fields=(INSURANCE, PLAN, BookingField("source", is_required=True)))
ACTION_ASKING = replace(
    ACTION,
    questions={"insurance": "Which insurance do you have?", "my-plan": "Which plan?"},
    constants={"source": "phone"},
)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with opened_store(f"sqlite+aiosqlite:///{tmp_path / 'slotline.db'}") as opened:
        yield opened


class OtherReceipts(ShakyCalendar):
    """A calendar whose receipts say something else than what was asked for."""

    def __init__(self, **receipt: Any) -> None:
        super().__init__()
        self._receipt = receipt
        self.attendees: list[Attendee] = []

    async def book(
        self, event_type: EventType, slot: Slot, attendee: Attendee, *, notes: str, idempotency_key: str
    ) -> Booking:
        self.attendees.append(attendee)
        booking = await super().book(event_type, slot, attendee, notes=notes, idempotency_key=idempotency_key)
        return replace(booking, **self._receipt)


def the_tool(action: Action, event_type: EventType) -> Tool:
    return book_appointment(a_session(), action, event_type)


async def book(
    store: Store,
    calendar: ShakyCalendar,
    *,
    action: Action = ACTION,
    event_type: EventType = EVENT_TYPE,
    times: int = 1,
    **said: Any,
) -> Reply:
    """Find the usual slot, read it back, agree, and book it."""
    service = BookingService(calendar=calendar, store=store, clock=lambda: NOW, settle=QUICK)
    session = a_session(service, business=replace(CLINIC, actions=(action,)))
    (offered,) = (await answer(find_slots(session), {}, [])).slots
    heard = [agent(f"That's on {offered['say']}, for Maya Chen. Is that right?"), caller("Yes.")]
    tool = book_appointment(session, action, event_type)
    arguments = {"slot": offered["key"], "name": "Maya Chen", **said}
    replies = [await answer(tool, arguments, heard) for _ in range(times)]
    await service.drain()
    return replies[-1]


def test_the_booking_tool_has_an_argument_for_each_question() -> None:
    schema = the_tool(ACTION_ASKING, ASKING).schema()

    assert schema.properties["answer_insurance"]["description"] == (
        "What the caller answers to 'Which insurance do you have?'."
    )
    assert schema.properties["answer_my_plan"]["enum"] == ["Basic", "Plus"]
    assert schema.required == ["slot", "name", "answer_insurance"]
    assert "answer_source" not in schema.properties
    assert "ask what its `answer` arguments want to know" in schema.description


def test_a_booking_tool_without_questions_asks_none() -> None:
    assert "answer" not in the_tool(ACTION, EVENT_TYPE).schema().description


def test_notes_that_are_demanded_are_an_argument_that_is_required() -> None:
    demanding = replace(EVENT_TYPE, fields=(BookingField(NOTES, "What is it about?", is_required=True),))
    schema = the_tool(ACTION, demanding).schema()

    assert NOTES in schema.required
    assert "What is it about?" in schema.properties[NOTES]["description"]


async def test_what_the_caller_answers_goes_to_the_calendar_and_into_the_record(store: Store) -> None:
    calendar = OtherReceipts()
    reply = await book(
        store, calendar, action=ACTION_ASKING, event_type=ASKING, answer_insurance="Blue Cross", answer_my_plan="Plus"
    )

    (appointment,) = await store.appointments()
    answers = {"insurance": "Blue Cross", "my-plan": "Plus", "source": "phone"}
    assert reply.status == "booked"
    assert calendar.attendees[0].answers == answers
    assert appointment.attendee.answers == answers


async def test_a_list_of_answers_comes_back_from_the_record_as_it_was(store: Store) -> None:
    days = BookingField("days", "Which days?", FieldKind.CHOICES, options=("Mon", "Tue"))
    action = replace(ACTION, questions={"days": "Which days?"})
    await book(
        store, ShakyCalendar(), action=action, event_type=replace(EVENT_TYPE, fields=(days,)), answer_days=["Mon"]
    )

    (appointment,) = await store.appointments()
    assert appointment.attendee.answers == {"days": ("Mon",)}


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ({}, "answer_insurance"),
        ({"answer_insurance": "Blue Cross", "answer_my_plan": "Gold"}, "answer_my_plan"),
        ({"answer_insurance": " "}, "Without another answer to insurance"),
    ],
)
async def test_an_answer_that_the_calendar_would_refuse_books_nothing(
    store: Store, said: dict[str, Any], hint: str
) -> None:
    reply = await book(store, ShakyCalendar(), action=ACTION_ASKING, event_type=ASKING, **said)

    assert reply.status == "invalid"
    assert hint in reply.hint
    assert await store.appointments() == []


@pytest.mark.parametrize(
    ("assigns_host", "said"), [(True, "at two in the afternoon with Priya."), (False, "afternoon.")]
)
async def test_a_host_whom_the_calendar_has_picked_is_named_and_kept(
    store: Store, assigns_host: bool, said: str
) -> None:
    event_type = replace(EVENT_TYPE, assigns_host=assigns_host)
    reply = await book(store, OtherReceipts(host_name="Priya"), event_type=event_type)

    (appointment,) = await store.appointments()
    assert said in reply.say
    assert appointment.host_name == "Priya"


async def test_a_length_that_has_changed_since_the_offer_is_told_and_kept(store: Store) -> None:
    longer = Slot(TWO.start, timedelta(minutes=45))
    reply = await book(store, OtherReceipts(slot=longer))

    (appointment,) = await store.appointments()
    assert reply.status == "booked"
    assert reply.say.endswith("It takes 45 minutes now.")
    assert appointment.slot == longer


async def test_booking_twice_what_has_become_longer_books_it_once(store: Store) -> None:
    calendar = OtherReceipts(slot=Slot(TWO.start, timedelta(minutes=45)))
    reply = await book(store, calendar, times=2)

    assert reply.status == "booked"
    assert calendar.creates == 1
    assert len(await store.appointments()) == 1


async def test_what_cannot_be_booked_any_more_is_told_and_a_call_back_is_offered(store: Store) -> None:
    reply = await book(store, ShakyCalendar(on_book=[EventTypeChanged("Cal.com knows no event type 101")]))

    (appointment,) = await store.appointments()
    assert reply.status == "rejected"
    assert reply.say == "I'm sorry, we can't book that right now. Shall I have somebody call you back?"
    assert "request_callback" in reply.hint
    assert appointment.status is AppointmentStatus.FAILED
