"""A caller who was cut off and calls again finds what they had picked, and nobody else hears of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from appointments.identity import CodeTexts, Identity
from appointments.model import CallSid, PhoneNumber
from appointments.service import BookingService
from appointments.store.store import Store
from tests.factories import ACTION, CALLER, NOW, QUICK, ShakyCalendar, a_request, a_slot
from tests.sessions import a_session, agent, caller
from tests.stores import opened_store
from tools.choice import hold_choice, resume_hold

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tools.session import BookingSession

TWO, THREE = a_slot(53), a_slot(54)
SPOKEN_TWO = "Thursday, December third, at two in the afternoon"
FIRST, SECOND = CallSid("CA1"), CallSid("CA2")


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    async with opened_store(database_url) as opened:
        yield opened


@pytest.fixture
def service(store: Store) -> BookingService:
    return BookingService(calendar=ShakyCalendar([TWO, THREE]), store=store, clock=lambda: NOW, settle=QUICK)


def a_call(
    service: BookingService, store: Store, call_sid: CallSid, *, number: PhoneNumber = CALLER, is_attested: bool = False
) -> BookingSession:
    texts = CodeTexts(sender=None, secret=b"s", template="", business="", countries=())  # type: ignore[arg-type]
    identity = Identity(
        call_sid=call_sid, caller=number, is_attested=is_attested, store=store, clock=lambda: NOW, texts=texts
    )
    return a_session(service, call_sid=call_sid, caller=number, identity=identity)


async def pick(session: BookingSession) -> None:
    session.offer(ACTION, [TWO, THREE])
    offer = agent("On Thursday, December third, I have two in the afternoon or three in the afternoon.")
    await hold_choice(session, [offer, caller("Two in the afternoon on Thursday.")])


async def test_a_vouched_for_caller_is_asked_about_the_very_time(service: BookingService, store: Store) -> None:
    await pick(a_call(service, store, FIRST))
    again = a_call(service, store, SECOND, is_attested=True)

    await resume_hold(again)

    assert SPOKEN_TWO in again.note
    assert again.offered(ACTION, "a1").slot == TWO
    assert (await service.book(a_request(2))).slot == TWO


async def test_any_other_has_to_name_it_and_still_finds_it_free(service: BookingService, store: Store) -> None:
    await pick(a_call(service, store, FIRST))
    again = a_call(service, store, SECOND)

    await resume_hold(again)

    assert "broke off" in again.note
    assert "two" not in again.note
    assert (await service.book(a_request(2))).slot == TWO


@pytest.mark.parametrize("number", [PhoneNumber("+14155550199"), None])
async def test_another_number_hears_nothing(service: BookingService, store: Store, number: PhoneNumber) -> None:
    await pick(a_call(service, store, FIRST))
    other = a_call(service, store, SECOND, number=number, is_attested=True)

    await resume_hold(other)

    assert other.note == ""
    assert other.held is None


async def test_the_same_choice_is_held_once(service: BookingService, store: Store) -> None:
    session = a_call(service, store, FIRST)
    await pick(session)
    before = await store.held_for(CALLER)

    await pick(session)

    assert await store.held_for(CALLER) == before
