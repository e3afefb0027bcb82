"""What Twilio is told about a caller who is put through, until they have talked or are back with the agent."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from agent import phrases
from agent.line import Line
from agent.transfer import NOT_TAKEN, RETURNED, TRANSFERRED, UNTOLD, take_back
from appointments.model import CallSid, PhoneNumber
from telephony.routes import IncomingCall
from telephony.tokens import StreamTokens
from tests.worker import CALLER, House, open_house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from appointments.store.records import CallRecord

CALLED = "+14155550100"
PERSON = PhoneNumber("+14155550198")
SUMMARY = "Maya Chen is on the line. It is about: the 2 o'clock."


class Phone:
    """A line whose business can put callers through."""

    def __init__(self, house: House) -> None:
        self.worker = house.worker
        self.set_number(PERSON)
        self.tokens = StreamTokens(self.worker.token_secret, clock=lambda: datetime.now(UTC))
        self.line = Line(self.worker, self.tokens)

    def set_number(self, number: PhoneNumber | None) -> None:
        desk = self.worker.desk
        self.worker.desk = replace(desk, business=replace(desk.business, transfer_number=number))

    async def transferred(self, *, caller: str = CALLER, lasted: timedelta = timedelta(0)) -> str:
        """Return a call whose stream has just been closed as transferred."""
        call_sid = CallSid(f"CA{uuid4().hex}")
        store, now = self.worker.store, datetime.now(UTC)
        await store.begin_call(call_sid, caller=caller or None, called=CALLED, at=now - lasted)
        await store.hand_over(call_sid, SUMMARY)
        await store.end_call(call_sid, outcome=TRANSFERRED, at=now)
        return call_sid

    async def after_stream(self, call_sid: str, status: str = "in-progress") -> ET.Element:
        return parsed(await self.line.stream_ended(call_sid, {"CallSid": call_sid, "CallStatus": status}))

    async def after_dial(self, call_sid: str, **form: str) -> ET.Element:
        form = {"CallSid": call_sid, "CallStatus": "in-progress", **form}
        call = IncomingCall(call_sid, CALLER, CALLED, is_attested=False, parameters=form)
        return parsed(await self.line.dial_ended(call))

    async def record(self, call_sid: str) -> CallRecord:
        record = await self.worker.store.call(CallSid(call_sid))
        assert record is not None
        return record


def parsed(twiml: str) -> ET.Element:
    return ET.fromstring(twiml)  # noqa: S314 -- our own answer


@pytest.fixture
async def phone(tmp_path: Path) -> AsyncIterator[Phone]:
    async with open_house(tmp_path) as house:
        yield Phone(house)


async def test_the_person_is_dialled_and_sees_who_calls(phone: Phone) -> None:
    call_sid = await phone.transferred()

    (dial,) = await phone.after_stream(call_sid)

    assert (dial.tag, dial.findtext("Number")) == ("Dial", PERSON)
    assert dial.attrib["callerId"] == CALLER
    assert dial.attrib["answerOnBridge"] == "true"
    assert int(dial.attrib["timeout"]) <= 20
    assert dial.attrib["action"].endswith("/twilio/dial-done")


async def test_the_whispers_address_tells_nothing_personal(phone: Phone) -> None:
    call_sid = await phone.transferred()

    twiml = await phone.after_stream(call_sid)

    whisper = twiml.find("Dial/Number").attrib["url"]  # type: ignore[union-attr]
    assert whisper.endswith(f"/twilio/whisper?call={call_sid}")


async def test_a_withheld_number_is_dialled_from_the_businesss(phone: Phone) -> None:
    call_sid = await phone.transferred(caller="")

    (dial,) = await phone.after_stream(call_sid)

    assert dial.attrib["callerId"] == phone.worker.desk.business.number


async def test_a_process_is_needed_while_the_persons_phone_rings(phone: Phone) -> None:
    call_sid = await phone.transferred()
    await phone.after_stream(call_sid)
    while_it_rings = phone.worker.live_calls.followed_up
    await phone.after_dial(call_sid, DialCallStatus="no-answer")

    assert (while_it_rings, phone.worker.live_calls.followed_up) == (1, 0)


async def test_a_caller_who_is_gone_is_put_through_to_nobody(phone: Phone) -> None:
    call_sid = await phone.transferred()

    twiml = await phone.after_stream(call_sid, status="completed")

    assert [verb.tag for verb in twiml] == ["Hangup"]


async def test_without_a_number_by_now_the_caller_comes_back(phone: Phone) -> None:
    call_sid = await phone.transferred()
    phone.set_number(None)

    twiml = await phone.after_stream(call_sid)

    assert twiml.find("Connect/Stream") is not None


async def test_the_person_hears_the_summary_in_words_and_is_asked_for_a_key(phone: Phone) -> None:
    call_sid = await phone.transferred()

    twiml = parsed(await phone.line.whisper(call_sid))

    first, second, last = twiml
    assert [first.tag, second.tag, last.tag] == ["Gather", "Gather", "Hangup"]
    assert first.findtext("Say") == (
        "Maya Chen is on the line. It is about: the two o'clock. Press one to take the call."
    )
    assert first.attrib["numDigits"] == "1"
    assert first.attrib["action"].endswith("/twilio/whisper-key")


async def test_a_call_nobody_knows_is_told_all_the_same(phone: Phone) -> None:
    twiml = parsed(await phone.line.whisper("CA0"))

    assert UNTOLD in str(twiml.findtext("Gather/Say"))


async def test_a_key_lets_the_two_hear_each_other(phone: Phone) -> None:
    assert list(parsed(phone.line.key_pressed())) == []


async def test_after_they_have_talked_the_call_is_over(phone: Phone) -> None:
    call_sid = await phone.transferred()

    twiml = await phone.after_dial(call_sid, DialCallStatus="completed", DialBridged="true")

    assert [verb.tag for verb in twiml] == ["Hangup"]
    assert (await phone.record(call_sid)).outcome == TRANSFERRED


@pytest.mark.parametrize(
    "form",
    [
        {"DialCallStatus": "no-answer"},
        {"DialCallStatus": "busy"},
        {"DialCallStatus": "failed"},
        {"DialCallStatus": "canceled"},
        {"DialCallStatus": "completed", "DialBridged": "false"},
        {},
    ],
)
async def test_a_caller_whom_nobody_took_comes_back(phone: Phone, form: dict[str, str]) -> None:
    call_sid = await phone.transferred(lasted=timedelta(seconds=40))

    twiml = await phone.after_dial(call_sid, **form)

    parameters = {each.attrib["name"]: each.attrib["value"] for each in twiml.iter("Parameter")}
    assert (parameters["caller"], parameters["called"]) == (CALLER, CALLED)
    assert parameters[RETURNED] == form.get("DialCallStatus", "failed")
    assert parameters["resumes"] == "1"
    assert 40 <= int(parameters["elapsed"]) < 60
    assert phone.tokens.check(parameters.pop("token"), call_sid, parameters)


async def test_a_call_that_comes_back_is_the_same_call_and_open_again(phone: Phone) -> None:
    call_sid = await phone.transferred()

    await phone.after_dial(call_sid, DialCallStatus="no-answer")

    record = await phone.record(call_sid)
    assert (record.ended_at, record.outcome, record.handover) == (None, "", SUMMARY)


async def test_what_carried_it_before_cannot_end_it_any_more(phone: Phone) -> None:
    call_sid = await phone.transferred()
    await phone.after_dial(call_sid, DialCallStatus="busy")

    await phone.worker.store.end_call(CallSid(call_sid), outcome=TRANSFERRED, at=datetime.now(UTC), resumes=0)

    assert (await phone.record(call_sid)).ended_at is None


async def test_a_caller_who_hung_up_while_it_rang_is_not_asked_back(phone: Phone) -> None:
    call_sid = await phone.transferred()

    twiml = await phone.after_dial(call_sid, DialCallStatus="canceled", CallStatus="completed")

    assert [verb.tag for verb in twiml] == ["Hangup"]


async def test_a_call_that_lasts_too_long_is_told_so_and_ends(phone: Phone) -> None:
    call_sid = await phone.transferred(lasted=timedelta(days=1))

    twiml = await phone.after_dial(call_sid, DialCallStatus="no-answer")

    assert [verb.tag for verb in twiml] == ["Say", "Hangup"]


async def test_the_model_is_told_what_was_before(phone: Phone) -> None:
    call_sid = await phone.transferred()
    store = phone.worker.store
    await store.add_turn(CallSid(call_sid), who="caller", text="My name is Maya Chen.", at_ms=900)
    session = await phone.worker.session(call_sid, CALLER, phone.worker.desk)

    await take_back(session)

    assert session.was_unanswered
    assert session.note.startswith(NOT_TAKEN)
    assert "My name is Maya Chen." in session.note


def test_what_is_said_around_it_is_rendered_before_the_first_call() -> None:
    assert {phrases.PUTTING_THROUGH, phrases.NOBODY_ANSWERED} <= set(phrases.ALL)
