"""A call whose line broke goes on with what it held and booked, and the model knows what was said."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from appointments.model import CallSid
from appointments.service import BookingService
from appointments.store.store import Store
from tests.factories import ACTION, CALLER, NOW, QUICK, ShakyCalendar, a_request, a_slot
from tests.sessions import a_session, agent, caller
from tests.stores import opened_store
from tools.choice import hold_choice
from tools.resuming import FROM_THE_START, GO_ON, MOST_CHARACTERS, take_up

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tools.session import BookingSession

TWO, THREE = a_slot(53), a_slot(54)
SPOKEN_TWO = "Thursday, December third, at two in the afternoon"
CALL, OTHER = CallSid("CA1"), CallSid("CA2")


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    async with opened_store(database_url) as opened:
        yield opened


@pytest.fixture
def service(store: Store) -> BookingService:
    return BookingService(calendar=ShakyCalendar([TWO, THREE]), store=store, clock=lambda: NOW, settle=QUICK)


def another_process(store: Store) -> BookingService:
    """Return a service that knows only what is in the record."""
    return BookingService(calendar=ShakyCalendar([TWO, THREE]), store=store, clock=lambda: NOW, settle=QUICK)


async def pick(session: BookingSession) -> None:
    session.offer(ACTION, [TWO, THREE])
    offer = agent("On Thursday, December third, I have two in the afternoon or three in the afternoon.")
    await hold_choice(session, [offer, caller("Two in the afternoon on Thursday.")])


async def test_the_caller_hears_which_time_they_were_taking(service: BookingService, store: Store) -> None:
    await pick(a_session(service, call_sid=CALL))
    again = a_session(another_process(store), call_sid=CALL)

    words = await take_up(again)

    assert words == f"You were taking {SPOKEN_TWO}. Shall we go on with it?"
    assert SPOKEN_TWO in again.note
    assert again.offered(ACTION, "a1").slot == TWO
    assert again.held == (ACTION, TWO)


async def test_a_caller_without_a_number_finds_it_held_too(service: BookingService, store: Store) -> None:
    await pick(a_session(service, call_sid=CALL, caller=None))

    words = await take_up(a_session(another_process(store), call_sid=CALL, caller=None))

    assert SPOKEN_TWO in words


async def test_it_is_held_for_the_full_time_again(service: BookingService, store: Store) -> None:
    await pick(a_session(service, call_sid=CALL))
    before = await store.held_in(CALL)
    assert before is not None
    await store.pass_on(before, CALL, until=before.until - timedelta(seconds=100))

    await take_up(a_session(another_process(store), call_sid=CALL))

    after = await store.held_in(CALL)
    assert after is not None
    assert after.until >= before.until


async def test_what_another_call_holds_is_none_of_its_business(service: BookingService, store: Store) -> None:
    await pick(a_session(service, call_sid=OTHER))
    again = a_session(another_process(store), call_sid=CALL)

    words = await take_up(again)

    assert words == FROM_THE_START
    assert again.held is None


async def test_what_was_booked_is_told_and_is_not_booked_twice(service: BookingService, store: Store) -> None:
    await service.book(replace(a_request(), slot=TWO, call_sid=CALL))
    later = another_process(store)
    again = a_session(later, call_sid=CALL)

    words = await take_up(again)
    await later.book(replace(a_request(), slot=TWO, call_sid=CALL))

    assert words.startswith(f"You're booked for {SPOKEN_TWO}.")
    assert words.endswith("Is there anything else?")
    assert "do not book it again" in again.note
    assert list(again.bookable()) == []
    assert len(await store.appointments(CALL)) == 1


async def test_the_model_is_told_what_was_said(service: BookingService, store: Store) -> None:
    await store.add_turn(CALL, who="agent", text="How can I help you?", at_ms=10)
    await store.add_turn(CALL, who="caller", text="A consultation on\nWednesday, please.", at_ms=900)
    again = a_session(service, call_sid=CALL)

    words = await take_up(again)

    assert words == GO_ON
    assert again.note.endswith("agent: How can I help you?\ncaller: A consultation on Wednesday, please.")


async def test_of_a_long_conversation_the_end_is_told(service: BookingService, store: Store) -> None:
    for turn in range(30):
        await store.add_turn(CALL, who="caller", text=f"{turn} {'word ' * 60}", at_ms=turn)
    again = a_session(service, call_sid=CALL)

    await take_up(again)

    assert "caller: 29 " in again.note
    assert "caller: 0 " not in again.note
    assert len(again.note) < MOST_CHARACTERS + 1000


async def test_a_record_that_does_not_answer_is_done_without(
    service: BookingService, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(_self: Store, _call_sid: CallSid) -> None:
        raise TimeoutError

    monkeypatch.setattr(Store, "appointments", never)
    monkeypatch.setattr(Store, "held_in", never)

    assert await take_up(a_session(service, call_sid=CALL)) == FROM_THE_START


@pytest.mark.parametrize("number", [CALLER, None])
async def test_a_call_that_had_not_begun_to_talk_starts_anew(service: BookingService, number: object) -> None:
    assert await take_up(a_session(service, call_sid=CALL, caller=number)) == FROM_THE_START
