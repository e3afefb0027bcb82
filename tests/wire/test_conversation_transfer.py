"""A conversation that ends because the caller is put through, in this process."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from agent import conversation
from agent.phrases import PUTTING_THROUGH
from agent.saying_on import Rest
from agent.transfer import TRANSFERRED
from appointments.model import PhoneNumber
from tests.call_of_frames import Call
from tests.stores import at_once
from tests.typist import Typist
from tests.worker import Answer, House, ScriptedModel, open_house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

TRANSFER = ("transfer_to_human", '{"name": "Maya Chen", "reason": "a refund"}')


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "VAD_IDLE_SECS", -0.2)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as opened:
        yield with_a_person(opened)


def with_a_person(house: House) -> House:
    desk = house.worker.desk
    business = replace(desk.business, transfer_number=PhoneNumber("+14155550198"), transfers_always=True)
    house.worker.desk = replace(desk, business=business)
    return house


async def test_a_caller_who_asks_for_a_person_hears_so_and_leaves_the_agent(house: House) -> None:
    typist = Typist(house)
    await typist.hears("help")

    typist.types("Can I speak to somebody about a refund?")

    await typist.hears(PUTTING_THROUGH)
    assert await typist.ended() == TRANSFERRED
    record = await house.worker.store.call(await typist.call)
    assert record is not None
    assert "It is about: a refund." in record.handover


async def test_what_the_model_says_with_it_comes_first(tmp_path: Path) -> None:
    model = ScriptedModel([Answer("Of course, Maya.", calls=(TRANSFER,))])
    async with open_house(tmp_path, model=model) as house:
        typist = Typist(with_a_person(house))
        await typist.hears("help")

        typist.types("A person, please.")

        assert await typist.ended() == TRANSFERRED
        assert [text for text in typist.said()[1:] if text] in (
            ["Of course, Maya.", PUTTING_THROUGH],
            [f"Of course, Maya. {PUTTING_THROUGH}"],
        )


async def test_what_was_booked_before_stays_booked(house: House) -> None:
    typist = Typist(house)
    await typist.hears("help")
    typist.types("Hi, I would like to book an appointment.")
    await typist.hears("ten in the morning")
    typist.types("The first one works for me.")
    await typist.hears("name")
    typist.types("Maya Chen")
    await typist.hears("is that right")
    typist.types("Yes, go ahead.")
    await typist.hears("anything else")

    typist.types("Can I speak to a person?")

    assert await typist.ended() == TRANSFERRED
    record = await house.worker.store.call(await typist.call)
    assert record is not None
    assert record.handover.startswith("Maya Chen is on the line")
    assert "it is booked" in record.handover
    assert len(await house.bookings()) == 1
    assert len(await at_once(house.worker.store)) == 1


async def test_a_caller_who_speaks_over_it_is_kept_and_may_ask_again(house: House) -> None:
    call = Call(house)
    async with call.running():
        call.mouth.is_interrupted = True
        await call.speaks("Can I speak to a person?")
        await call.until(lambda: PUTTING_THROUGH in call.mouth.said)
        await call.until(lambda: not call.conversation.session.putting_through.is_set())
        assert call.outcomes == []

        call.mouth.is_interrupted = False
        await call.speaks("I said I want a person.")
        await call.until(lambda: call.outcomes == [TRANSFERRED])

    assert call.mouth.said.count(PUTTING_THROUGH) == 2


async def test_a_nod_while_it_is_announced_does_not_keep_the_caller(house: House) -> None:
    call = Call(house)
    async with call.running():
        call.mouth.is_interrupted = True
        await call.speaks("Can I speak to a person?")
        await call.until(lambda: PUTTING_THROUGH in call.mouth.said)
        await call.until(lambda: not call.conversation.session.putting_through.is_set())
        call.mouth.is_interrupted = False
        call.mouth.rest = Rest.WHOLE

        await call.speaks()
        await call.until(lambda: bool(call.outcomes))

    assert call.outcomes == [TRANSFERRED]
    assert call.mouth.said[-1] == "(the rest)"


async def test_a_caller_nobody_may_be_rung_for_is_told_so_and_stays(house: House) -> None:
    desk = house.worker.desk
    closed = replace(desk.business, hours=(), transfers_always=False)
    house.worker.desk = replace(desk, business=closed)
    typist = Typist(house)
    await typist.hears("help")

    typist.types("Can I speak to a person?")

    await typist.hears("nobody can take a call at this hour.*call you back")
    typist.hangs_up()
    assert await typist.ended() == "caller_hung_up"


@pytest.mark.parametrize("calls", [(TRANSFER, ("end_call", "{}")), (("end_call", "{}"), TRANSFER)])
async def test_a_model_that_wants_both_does_not_hang_up_on_who_is_put_through(
    tmp_path: Path, calls: tuple[tuple[str, str], ...]
) -> None:
    async with open_house(tmp_path, model=ScriptedModel([Answer("Goodbye.", calls=calls)])) as house:
        typist = Typist(with_a_person(house))
        await typist.hears("help")

        typist.types("A person, please, and goodbye.")

        assert await typist.ended() == TRANSFERRED


async def test_a_tool_that_failed_puts_nobody_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> None:
        raise OSError("no space left on device")

    model = ScriptedModel([Answer(calls=(TRANSFER,)), Answer("That did not work.")])
    async with open_house(tmp_path, model=model) as house:
        monkeypatch.setattr(house.worker.service, "hand_over", fail)
        typist = Typist(with_a_person(house))
        await typist.hears("help")

        typist.types("A person, please.")

        await typist.hears("did not work")
        assert PUTTING_THROUGH not in typist.said()
        typist.hangs_up()
        assert await typist.ended() == "caller_hung_up"
