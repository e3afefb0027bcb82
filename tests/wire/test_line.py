"""Which calls are taken, and what follows a stream."""

from __future__ import annotations

import asyncio
import xml.etree.ElementTree as ET
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
import structlog

from agent import line as module
from agent import spoken_call
from agent.line import BROKEN, BUSY, Line
from agent.stretch import Stretch
from appointments.model import CallSid, PhoneNumber
from appointments.store.records import MessageKind
from telephony.errors import BadToken
from telephony.media_stream import CallStart
from telephony.routes import IncomingCall, IncomingText
from telephony.tokens import StreamTokens
from tests.worker import CALLER, House, open_house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from agent.bootstrap import Worker

CALLED = "+14155550100"
FALLBACK = PhoneNumber("+14155550199")
WITHIN_SECS = 5
A_START = CallStart("CA1", "MZ1", "AC1", caller=CALLER, called=CALLED, is_attested=False, parameters={})


class Phone:
    """A line, and calls that ring on it."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        worker.is_ready = True
        self.tokens = StreamTokens(worker.token_secret, clock=lambda: datetime.now(UTC))
        self.line = Line(worker, self.tokens)

    def has_fallback_number(self) -> None:
        desk = self.worker.desk
        self.worker.desk = replace(desk, business=replace(desk.business, fallback_number=FALLBACK))

    async def can_text(self, caller: str = CALLER) -> bool:
        return (await self.worker.session("CA1", caller, self.worker.desk)).can_text

    async def are_texts_blocked(self) -> bool:
        return (await self.worker.session("CA1", CALLER, self.worker.desk)).texts_are_blocked

    async def ring(
        self, call_sid: str | None = None, *, caller: str = CALLER, is_attested: bool = False
    ) -> tuple[str, ET.Element]:
        call_sid = call_sid or f"CA{uuid4().hex}"
        call = IncomingCall(call_sid, caller, CALLED, is_attested=is_attested, parameters={})
        return call_sid, parsed(await self.line.ringing(call))

    async def ends(self, call_sid: str, outcome: str = "completed") -> None:
        await self.worker.store.end_call(CallSid(call_sid), outcome=outcome, at=datetime.now(UTC))

    async def after_stream(self, call_sid: str, status: str = "in-progress") -> ET.Element:
        return parsed(await self.line.stream_ended(call_sid, {"CallSid": call_sid, "CallStatus": status}))


def parsed(twiml: str) -> ET.Element:
    return ET.fromstring(twiml)  # noqa: S314 -- our own answer


def parameters_of(twiml: ET.Element) -> dict[str, str]:
    return {each.attrib["name"]: each.attrib["value"] for each in twiml.iter("Parameter")}


def is_answered(twiml: ET.Element) -> bool:
    return twiml.find("Connect/Stream") is not None


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with open_house(tmp_path) as opened:
        yield opened


@pytest.fixture
def phone(house: House) -> Phone:
    return Phone(house.worker)


async def test_a_call_is_answered_with_a_stream_of_its_own(phone: Phone) -> None:
    call_sid, twiml = await phone.ring()

    stream = twiml.find("Connect/Stream")
    assert stream is not None
    parameters = parameters_of(twiml)
    assert stream.attrib["url"] == "ws://127.0.0.1:8080/twilio/media"
    assert twiml.find("Connect").attrib["action"] == "http://127.0.0.1:8080/twilio/connect-done"  # type: ignore[union-attr]
    assert (parameters["caller"], parameters["called"]) == (CALLER, CALLED)
    assert "attestation" not in parameters
    assert phone.tokens.check(parameters.pop("token"), call_sid, parameters)
    assert await phone.worker.store.call(CallSid(call_sid)) is not None


async def test_what_the_carrier_vouches_for_travels_in_the_token(phone: Phone) -> None:
    call_sid, twiml = await phone.ring(is_attested=True)

    parameters = parameters_of(twiml)
    token = parameters.pop("token")
    assert parameters["attestation"] == "A"
    assert phone.tokens.check(token, call_sid, parameters)
    with pytest.raises(BadToken):
        phone.tokens.check(token, call_sid, {"caller": CALLER, "called": CALLED})


async def test_the_third_call_of_a_caller_is_refused(phone: Phone) -> None:
    answers = [(await phone.ring())[1] for _ in range(3)]

    assert [is_answered(twiml) for twiml in answers] == [True, True, False]
    assert answers[2].findtext("Say") == BUSY
    assert answers[2].find("Hangup") is not None


async def test_of_calls_that_ring_at_once_two_are_answered(phone: Phone) -> None:
    answers = await asyncio.gather(*(phone.ring() for _ in range(6)))

    assert sum(is_answered(twiml) for _, twiml in answers) == 2


async def test_of_calls_that_ring_at_once_only_as_many_are_answered_as_there_are_places(tmp_path: Path) -> None:
    async with open_house(tmp_path, most_calls=2) as house:
        phone = Phone(house.worker)
        answers = await asyncio.gather(*(phone.ring(caller=f"+1415555012{n}") for n in range(6)))

    assert sum(is_answered(twiml) for _, twiml in answers) == 2
    assert sum(twiml.find("Enqueue") is not None for _, twiml in answers) == 4


async def test_who_is_refused_keeps_no_place_from_others(tmp_path: Path) -> None:
    async with open_house(tmp_path, most_calls=3) as house:
        phone = Phone(house.worker)
        for _ in range(3):
            await phone.ring()

        assert is_answered((await phone.ring(caller="+14155550124"))[1])


async def test_a_refused_call_takes_no_place(phone: Phone) -> None:
    first, _ = await phone.ring()
    await phone.ring()
    refused, _ = await phone.ring()

    await phone.ends(first)

    assert await phone.worker.store.call(CallSid(refused)) is None
    assert is_answered((await phone.ring())[1])


async def test_the_same_call_told_twice_counts_once(phone: Phone) -> None:
    call_sid, _ = await phone.ring()

    _, again = await phone.ring(call_sid)
    _, second = await phone.ring()

    assert is_answered(again)
    assert is_answered(second)


async def test_the_second_call_told_twice_is_answered_twice(phone: Phone) -> None:
    await phone.ring()
    call_sid, _ = await phone.ring()

    assert is_answered((await phone.ring(call_sid))[1])


async def test_ended_and_forgotten_calls_do_not_count(phone: Phone) -> None:
    call_sid, _ = await phone.ring()
    await phone.ends(call_sid)
    long_ago = datetime.now(UTC) - timedelta(seconds=phone.worker.settings.max_call_secs + 61)
    await phone.worker.store.begin_call(CallSid("CAold"), caller=CALLER, called=CALLED, at=long_ago)
    await phone.ring()

    assert is_answered((await phone.ring())[1])


async def test_callers_who_withhold_their_number_do_not_count_as_one(phone: Phone) -> None:
    answers = [(await phone.ring(caller=""))[1] for _ in range(4)]

    assert all(is_answered(twiml) for twiml in answers)


async def test_the_free_slots_are_fetched_while_it_rings(phone: Phone, house: House) -> None:
    await phone.ring()
    await house.break_down("calcom", "slots", "error_500", times=9)
    business = phone.worker.desk.business
    now = phone.worker.clock()

    free = await phone.worker.service.free_slots(business.actions[0], business, start=now, end=now + timedelta(days=3))

    assert len(free) == 3


async def test_a_token_lets_in_once(phone: Phone) -> None:
    expires = datetime.now(UTC) + timedelta(minutes=2)

    assert [await phone.line.use_token("t1", expires) for _ in range(2)] == [True, False]


@pytest.mark.parametrize("outcome", ["completed", "nobody_there", "out_of_time", "failed"])
async def test_a_call_that_ended_as_it_should_is_hung_up(phone: Phone, outcome: str) -> None:
    call_sid, _ = await phone.ring()
    await phone.ends(call_sid, outcome)

    twiml = await phone.after_stream(call_sid)

    assert [each.tag for each in twiml] == ["Hangup"]


@pytest.mark.parametrize("outcome", [None, "broken_off"], ids=["the worker died", "its end was noticed already"])
async def test_a_call_that_broke_off_is_taken_up_by_another_stream(phone: Phone, outcome: str | None) -> None:
    call_sid, _ = await phone.ring(is_attested=True)
    if outcome:
        await phone.ends(call_sid, outcome)

    twiml = await phone.after_stream(call_sid)

    parameters = parameters_of(twiml)
    token = parameters.pop("token")
    record = await phone.worker.store.call(CallSid(call_sid))
    assert [each.tag for each in twiml] == ["Connect"]
    assert (parameters["caller"], parameters["called"]) == (CALLER, CALLED)
    assert Stretch.told_by(parameters).resumes == 1
    assert phone.tokens.check(token, call_sid, parameters)
    assert record is not None
    assert record.ended_at is None


async def test_a_caller_who_is_on_the_line_has_not_hung_up_whatever_the_worker_took_it_for(phone: Phone) -> None:
    call_sid, _ = await phone.ring()
    await phone.ends(call_sid, "caller_hung_up")

    assert is_answered(await phone.after_stream(call_sid))


async def test_what_the_carrier_vouches_for_counts_after_a_break_too(phone: Phone) -> None:
    call_sid, _ = await phone.ring(is_attested=True)
    form = {"CallSid": call_sid, "CallStatus": "in-progress", "From": CALLER, "StirVerstat": "TN-Validation-Passed-A"}

    vouched = parameters_of(parsed(await phone.line.stream_ended(call_sid, form)))
    unvouched = parameters_of(await phone.after_stream(call_sid))

    assert vouched["attestation"] == "A"
    assert "attestation" not in unvouched


async def test_the_third_break_leads_to_the_fallback_number(phone: Phone) -> None:
    phone.has_fallback_number()
    call_sid, _ = await phone.ring()

    answers = [await phone.after_stream(call_sid) for _ in range(3)]

    record = await phone.worker.store.call(CallSid(call_sid))
    assert [is_answered(twiml) for twiml in answers] == [True, True, False]
    assert answers[2].findtext("Say") == BROKEN
    assert answers[2].findtext("Dial/Number") == FALLBACK
    assert record is not None
    assert record.outcome == "broken_off"


async def test_a_call_that_has_hardly_any_time_left_is_not_taken_up(phone: Phone) -> None:
    call_sid = CallSid(f"CA{uuid4().hex}")
    long_ago = datetime.now(UTC) - timedelta(seconds=phone.worker.settings.max_call_secs - 10)
    await phone.worker.store.begin_call(call_sid, caller=CALLER, called=CALLED, at=long_ago)

    twiml = await phone.after_stream(call_sid)

    assert [each.tag for each in twiml] == ["Say", "Hangup"]


async def test_a_call_that_crashed_is_not_taken_up_to_crash_again(phone: Phone) -> None:
    phone.has_fallback_number()
    call_sid, _ = await phone.ring()
    await phone.ends(call_sid, "crashed")

    twiml = await phone.after_stream(call_sid)

    record = await phone.worker.store.call(CallSid(call_sid))
    assert (twiml.findtext("Say"), twiml.findtext("Dial/Number")) == (BROKEN, FALLBACK)
    assert record is not None
    assert record.outcome == "crashed"


async def test_the_part_before_the_break_cannot_end_the_call_that_goes_on(phone: Phone) -> None:
    call_sid, _ = await phone.ring()
    await phone.after_stream(call_sid)
    store, now = phone.worker.store, datetime.now(UTC)

    await store.end_call(CallSid(call_sid), outcome="caller_hung_up", at=now, resumes=0)
    going_on = await store.call(CallSid(call_sid))
    await store.end_call(CallSid(call_sid), outcome="completed", at=now, resumes=1)
    ended = await store.call(CallSid(call_sid))

    assert going_on is not None
    assert going_on.ended_at is None
    assert ended is not None
    assert ended.outcome == "completed"


class Leg:
    """A caller's end of a call that notes who ends the call."""

    is_hung_up = False

    async def hang_up(self) -> None:
        self.is_hung_up = True


class GivesUp:
    """A call in which the caller has not been heard for too long."""

    class conversation:
        outcome = "silent"

    def __init__(self, *_: object, **__: object) -> None: ...

    def measure(self, *_: object) -> None: ...

    async def run(self) -> None: ...


@pytest.mark.parametrize(("breaks", "is_hung_up"), [(0, True), (1, False)])
async def test_a_worker_that_hears_nothing_any_more_does_not_end_the_call_of_another(
    phone: Phone, monkeypatch: pytest.MonkeyPatch, breaks: int, is_hung_up: bool
) -> None:
    monkeypatch.setattr(spoken_call, "_SpokenCall", GivesUp)
    call_sid, _ = await phone.ring()
    for _ in range(breaks):
        await phone.after_stream(call_sid)
    leg = Leg()

    await spoken_call.run_spoken_call(phone.worker, leg, call_sid=call_sid, caller=CALLER)  # type: ignore[arg-type]

    assert leg.is_hung_up is is_hung_up


async def test_without_a_fallback_number_it_is_an_apology_and_a_hang_up(phone: Phone) -> None:
    call_sid, _ = await phone.ring()
    await phone.ends(call_sid, "crashed")

    twiml = await phone.after_stream(call_sid)

    assert [each.tag for each in twiml] == ["Say", "Hangup"]


async def test_what_is_said_when_all_goes_wrong_leads_to_the_fallback_number(phone: Phone) -> None:
    phone.has_fallback_number()

    twiml = parsed(phone.line.apology())

    assert (twiml.findtext("Say"), twiml.findtext("Dial/Number")) == (BROKEN, FALLBACK)


async def test_a_call_nobody_knows_is_not_left_in_silence(phone: Phone) -> None:
    twiml = await phone.after_stream(f"CA{uuid4().hex}")

    assert twiml.findtext("Say") == BROKEN


async def test_a_caller_who_hung_up_first_is_no_broken_call(phone: Phone) -> None:
    # Twilio asks what follows at once; the worker is still settling the caller's last words.
    call_sid, _ = await phone.ring()

    with structlog.testing.capture_logs() as logs:
        await phone.after_stream(call_sid, status="completed")

    record = await phone.worker.store.call(CallSid(call_sid))
    assert record is not None
    assert record.outcome != "broken_off"
    assert [each for each in logs if each["log_level"] == "error"] == []


@pytest.mark.parametrize("status", ["completed", "busy", "failed", "no-answer", "canceled"])
async def test_a_call_that_twilio_says_is_over_is_over(phone: Phone, status: str) -> None:
    call_sid, _ = await phone.ring()

    await phone.line.call_status({"CallSid": call_sid, "CallStatus": status})

    record = await phone.worker.store.call(CallSid(call_sid))
    assert record is not None
    assert record.ended_at is not None


async def test_a_call_that_is_under_way_stays_open(phone: Phone) -> None:
    call_sid, _ = await phone.ring()

    await phone.line.call_status({"CallSid": call_sid, "CallStatus": "in-progress"})

    record = await phone.worker.store.call(CallSid(call_sid))
    assert record is not None
    assert record.ended_at is None


async def test_the_first_word_about_a_calls_end_counts(phone: Phone) -> None:
    call_sid, _ = await phone.ring()
    await phone.ends(call_sid, "completed")

    await phone.line.call_status({"CallSid": call_sid, "CallStatus": "completed"})

    record = await phone.worker.store.call(CallSid(call_sid))
    assert record is not None
    assert record.outcome == "completed"


def a_text(body: str, opt_out_type: str = "") -> IncomingText:
    return IncomingText(f"SM{uuid4().hex}", CALLER, CALLED, body, opt_out_type)


async def test_stop_ends_texting_and_start_begins_it_again(phone: Phone) -> None:
    can_text, are_blocked = [await phone.can_text()], [await phone.are_texts_blocked()]
    for word in ("STOP", "HELP", "START"):
        await phone.line.text_received(a_text(word, word))
        can_text.append(await phone.can_text())
        are_blocked.append(await phone.are_texts_blocked())

    assert can_text == [True, False, False, True]
    assert are_blocked == [False, True, True, False]


async def test_a_text_is_answered_by_the_worker_itself(phone: Phone) -> None:
    await phone.line.text_received(a_text("Do you have parking?"))

    async with asyncio.timeout(WITHIN_SECS):
        while not (messages := await phone.worker.store.messages()):
            await asyncio.sleep(0.01)
    assert [message.kind for message in messages] == [MessageKind.REPLY]


@pytest.mark.parametrize("caller", ["", "anonymous", "+442071838750", "+18005550123", "12345"])
async def test_only_numbers_that_take_texts_are_texted(phone: Phone, caller: str) -> None:
    assert not await phone.can_text(caller)


async def test_what_a_text_says_is_logged_as_personal(phone: Phone) -> None:
    with structlog.testing.capture_logs() as logs:
        await phone.line.text_received(a_text("my secret"))
        await phone.ring()

    open_facts = [{key: fact for key, fact in each.items() if not key.startswith("pii_")} for each in logs]
    assert "my secret" not in str(open_facts)
    assert CALLER not in str(open_facts)


async def test_a_call_that_crashes_does_not_take_the_server_with_it(
    phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crash(*_: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr(module, "run_call", crash)
    with structlog.testing.capture_logs() as logs:
        await phone.line.connected(None, A_START)  # type: ignore[arg-type]

    assert [each["event"] for each in logs] == ["call_failed"]
    assert len(phone.worker.live_calls) == 0


async def test_a_process_is_needed_until_twilio_knows_what_follows_the_stream(
    phone: Phone, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def end(*_: object) -> None: ...

    monkeypatch.setattr(module, "run_call", end)
    call_sid, _ = await phone.ring()
    await phone.line.connected(None, replace(A_START, call_sid=call_sid))  # type: ignore[arg-type]
    after_stream = phone.worker.live_calls.followed_up
    await phone.after_stream(call_sid, status="completed")

    assert (after_stream, phone.worker.live_calls.followed_up) == (1, 0)
