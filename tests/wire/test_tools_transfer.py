"""The tool that puts a caller through: when it does, and what the person who answers is told."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from appointments.model import AppointmentStatus, BookingUid, CallSid, PhoneNumber
from appointments.service import BookingService
from tests.factories import ACTION, CALLER, NOW, QUICK, ShakyCalendar, a_slot, an_appointment
from tests.sessions import CLINIC, a_session
from tests.stores import opened_store
from tools.registry import answer
from tools.toolbox import tool_names
from tools.transfer import LONGEST_REASON, NOBODY_ANSWERS, NOBODY_NOW, transfer_to_human

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from appointments.identity import Identity
    from appointments.store.store import Store
    from tools.replies import Reply
    from tools.session import BookingSession

OFFICE = replace(CLINIC, transfer_number=PhoneNumber("+14155550198"), transfer_to="the office")
TWO = a_slot(53)
LINE = "is on the line for Harbor Street Clinic."


class Call:
    """A call that may be put through."""

    def __init__(self, store: Store, **session: Any) -> None:
        self.store = store
        service = BookingService(calendar=ShakyCalendar(), store=store, clock=lambda: NOW, settle=QUICK)
        identity = cast("Identity", SimpleNamespace(fewest_digits_hidden=None))
        self.session: BookingSession = a_session(service, **{"business": OFFICE, "identity": identity, **session})

    async def begin(self) -> None:
        await self.store.begin_call(self.session.call_sid, caller=CALLER, called=OFFICE.number, at=NOW)

    async def transfer(self, **arguments: object) -> Reply:
        return await answer(transfer_to_human(self.session), arguments, [])

    async def told(self, **arguments: object) -> str:
        """Put the caller through and return what the person is told."""
        reply = await self.transfer(**arguments)
        assert reply.status == "transferring"
        record = await self.store.call(self.session.call_sid)
        assert record is not None
        return record.handover


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with opened_store(f"sqlite+aiosqlite:///{tmp_path / 'slotline.db'}") as opened:
        yield opened


@pytest.fixture
async def call(store: Store) -> Call:
    placed = Call(store)
    await placed.begin()
    return placed


async def test_a_caller_is_put_through_and_the_model_says_no_more(call: Call) -> None:
    reply = await call.transfer()

    assert call.session.putting_through.is_set()
    assert not reply.answers
    assert reply.say == ""


def test_only_a_business_with_a_number_has_the_tool() -> None:
    assert "transfer_to_human" in tool_names(OFFICE)
    assert "transfer_to_human" not in tool_names(CLINIC)


def test_the_model_is_told_who_answers_and_no_number() -> None:
    tool = transfer_to_human(a_session(business=OFFICE))

    assert "the office" in tool.description
    assert "number" not in tool.schema().properties
    assert not tool.is_cancellable


async def test_the_model_cannot_name_a_number(call: Call) -> None:
    reply = await call.transfer(number="+14155550142")

    assert reply.status == "invalid"
    assert not call.session.putting_through.is_set()


async def test_who_gave_no_name_and_wants_nothing_yet_is_a_caller(call: Call) -> None:
    assert await call.told() == f"A caller {LINE}"


async def test_the_name_and_the_reason_are_told(call: Call) -> None:
    told = await call.told(name="Maya Chen", reason="  a refund.  ")

    assert told == f"Maya Chen {LINE} It is about: a refund."


async def test_what_was_looked_for_is_told(call: Call) -> None:
    call.session.offer(ACTION, [TWO])

    assert "They looked for a time for a 30-Minute Consultation; nothing is booked." in await call.told()


async def test_what_is_held_is_told_as_not_booked(call: Call) -> None:
    call.session.offer(ACTION, [TWO])
    call.session.held = ACTION, TWO

    told = await call.told()
    assert (
        "They have chosen a 30-Minute Consultation on Thursday, December third, at two in the afternoon; it is not "
        "booked yet." in told
    )


async def test_what_was_booked_is_told_with_the_name_it_is_under(call: Call) -> None:
    call.session.offer(ACTION, [TWO])
    call.session.booked_for[TWO] = "Maya Chen"

    told = await call.told()
    assert told.startswith(f"Maya Chen {LINE} In this call they took a 30-Minute Consultation on Thursday,")
    assert "nothing is booked" not in told


@pytest.mark.parametrize(
    ("status", "said"),
    [(AppointmentStatus.ACTIVE, "They have a 30"), (AppointmentStatus.CANCELLED, "They have cancelled a 30")],
)
async def test_what_the_caller_has_is_told_once_they_were_told_of_it(
    call: Call, status: AppointmentStatus, said: str
) -> None:
    call.session.know([an_appointment(status=status, booking_uid=BookingUid("bk_1"))])

    assert said in await call.told()


async def test_a_reason_is_short_and_on_one_line(call: Call) -> None:
    told = await call.told(reason="They want <b>money</b>\nback, see https://example.com/x. " + "Again. " * 60)

    reason = told.partition("It is about: ")[2]
    assert len(reason) <= LONGEST_REASON + 1
    assert not set(reason) & set("<>\n")
    assert "example" not in reason


async def test_a_code_that_was_texted_is_not_told_to_anybody(store: Store) -> None:
    call = Call(store, identity=SimpleNamespace(fewest_digits_hidden=3))
    await call.begin()

    assert "482" not in await call.told(reason="the code 482113 does not work")


async def test_at_night_nobody_is_rung(store: Store) -> None:
    call = Call(store, clock=lambda: NOW.replace(hour=3))
    await call.begin()

    reply = await call.transfer()

    assert (reply.status, reply.say) == ("unavailable", NOBODY_NOW)
    assert not call.session.putting_through.is_set()


async def test_a_business_that_wants_it_is_rung_at_night_too(store: Store) -> None:
    call = Call(store, clock=lambda: NOW.replace(hour=3), business=replace(OFFICE, transfers_always=True))
    await call.begin()

    assert (await call.transfer()).status == "transferring"


async def test_who_let_it_ring_is_not_rung_again_for_the_same_call(call: Call) -> None:
    call.session.was_unanswered = True

    reply = await call.transfer()

    assert (reply.status, reply.say) == ("unavailable", NOBODY_ANSWERS)
    assert "request_callback" in reply.hint


async def test_a_call_that_is_not_handed_over_has_nothing_to_tell(store: Store) -> None:
    await store.begin_call(CallSid("CA9"), caller=None, called=OFFICE.number, at=NOW)

    record = await store.call(CallSid("CA9"))
    assert record is not None
    assert record.handover == ""


async def test_a_call_whose_summary_cannot_be_kept_is_not_put_through(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(call.store, "hand_over", fail)

    reply = await call.transfer()

    assert reply.status != "transferring"
    assert not call.session.putting_through.is_set()
