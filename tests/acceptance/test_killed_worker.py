"""A worker that is killed in mid-call: another takes up the call, and what was begun is settled once."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import datetime
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from agent import phrases
from agent.line import BROKEN
from agent.stand_ins import free_port
from agent.stretch import Stretch
from agent.typed_caller import chat_process
from appointments.model import AppointmentStatus, CallSid, PhoneNumber
from tests.acceptance_house import Front, House, WorkerProcess, open_house, until
from tests.acceptance_phone import Phone, calling, new_call_sid, parameters_of, verbs_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from appointments.model import Appointment

CALLER = "+14155550123"
BOOKED = "2026-12-02T10:00:00-05:00"
SETTLED_SECS = 45
"""A claim counts as abandoned 12 s after it was last touched; every 5 s a worker looks for such."""
LINES = [
    {"when": "help", "say": "This is Maya Chen, I need a consultation on Wednesday at ten in the morning."},
    {"when": "is that right", "say": "Yes, that is all correct."},
    {"when": "anything else", "say": "No, thank you, that is all."},
]
PICKING = [
    {"when": "help", "say": "I need an appointment, please."},
    {"when": "which works", "say": "Wednesday at ten in the morning."},
    {"when": "go on with it", "say": "Yes, please. My name is Maya Chen."},
    *LINES[1:],
]
SLOW_CREATE = [{"on": "create", "kind": "slow", "times": 1, "seconds": 4}]
"""Long enough to be killed in; the work is done all the same, and nobody hears the answer."""


async def test_another_worker_takes_up_the_call_and_settles_the_booking(tmp_path: Path) -> None:
    async with _two_workers(tmp_path, LINES) as (house, url, answering, other):
        await house.stand_ins.control("calcom", "faults", SLOW_CREATE)
        async with calling(house, url, CALLER, LINES) as call:
            await until(lambda: house.has_fired("calcom"), within_secs=180)
            await answering.kill()
            ended = await call.ended(within_secs=60)
        appointment = await _settled(house)

        assert ended["by"] == "agent"
        # The end of the stream and the hang-up by REST race to Twilio, which asks what follows when the first wins.
        assert ended["verbs"] in ([], ["hangup"])
        assert other.logged("call_resumed", resumes=1) != []
        said = await _said(house)
        assert phrases.CUT_OFF in said
        assert "I'm still confirming Wednesday, December second, at ten in the morning" in said
        assert await _outcome(house) == "completed"
        await _assert_booked_once(house, appointment)


async def test_another_worker_goes_on_with_the_time_that_was_picked(tmp_path: Path) -> None:
    async with _two_workers(tmp_path, PICKING) as (house, url, answering, other):
        async with calling(house, url, CALLER, PICKING) as call:
            await until(lambda: _is_held(house), within_secs=180)
            await answering.kill()
            ended = await call.ended(within_secs=120)
        appointment = await _settled(house)

        assert ended["by"] == "agent"
        assert other.logged("call_resumed", resumes=1) != []
        assert "You were taking Wednesday, December second, at ten in the morning." in await _said(house)
        assert await _outcome(house) == "completed"
        await _assert_booked_once(house, appointment)


async def test_the_next_start_settles_what_a_killed_worker_left(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        url = f"http://127.0.0.1:{(port := free_port())}"
        await house.stand_ins.control("twilio", "world", {"worker_url": url})
        await house.stand_ins.control("calcom", "faults", SLOW_CREATE)
        with (tmp_path / "chat.log").open("wb") as log:
            chat = await chat_process(house.environment(url), CALLER, stdin=asyncio.subprocess.PIPE, log=log)
        assert chat.stdin is not None
        chat.stdin.write("".join(f"{line['say']}\n" for line in LINES).encode())
        try:
            await until(lambda: house.has_fired("calcom"))
        finally:
            chat.kill()
            await chat.communicate()
        assert (await _only(house)).status is AppointmentStatus.PENDING

        async with house.worker(url=url, port=port):
            appointment = await _settled(house)
            await _assert_booked_once(house, appointment)


async def test_the_next_start_answers_for_a_call_that_broke_off(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        url = f"http://127.0.0.1:{(port := free_port())}"
        async with Phone.at(url, house) as phone:
            call_sid = new_call_sid()
            async with house.worker(url=url, port=port, name="killed") as killed:
                parameters = parameters_of(await phone.ring(call_sid, CALLER))
                async with phone.stream(call_sid) as stream:
                    await stream.start(parameters, phone.account_sid)
                    await stream.hears(1)
                    await killed.kill()
                    assert await stream.is_closed() == 1006
            async with house.worker(url=url, port=port, name="restarted") as restarted:
                form = phone.form(call_sid, CALLER, CallStatus="in-progress")
                answers = [await phone.post("/twilio/connect-done", form) for _ in range(3)]
                resumed = restarted.logged("call_resumed", call_sid=call_sid)
                given_up = restarted.logged("stream_broke_off", call_sid=call_sid)
        async with house.store() as store:
            call = await store.call(CallSid(call_sid))

    roots = [ElementTree.fromstring(answer.text) for answer in answers]  # noqa: S314 -- our own answers
    assert [Stretch.told_by(parameters_of(root)).resumes for root in roots] == [1, 2, 0]
    assert ([line["resumes"] for line in resumed], len(given_up)) == ([1, 2], 1)
    # A third time is one too many, and the business has no number to go on at.
    assert verbs_of(answers[2].text) == [("Say", BROKEN), ("Hangup", None)]
    assert call is not None
    assert call.outcome == "broken_off"


@contextlib.asynccontextmanager
async def _two_workers(
    tmp_path: Path, lines: Sequence[Mapping[str, str]]
) -> AsyncIterator[tuple[House, str, WorkerProcess, WorkerProcess]]:
    """Run two workers at one address: the second is asked where the first does not answer."""
    ports = [free_port(), free_port()]
    async with contextlib.AsyncExitStack() as stack:
        house = await stack.enter_async_context(open_house(tmp_path, lines=[line["say"] for line in lines]))
        front = await stack.enter_async_context(Front(ports).open())
        url = f"http://127.0.0.1:{front.port}"
        await house.stand_ins.control("twilio", "world", {"worker_url": url})
        answering, other = [
            await stack.enter_async_context(house.worker(url=url, port=port, name=name))
            for port, name in zip(ports, ("answering", "other"), strict=True)
        ]
        yield house, url, answering, other


async def _is_held(house: House) -> bool:
    async with house.store() as store:
        return await store.held_for(PhoneNumber(CALLER)) is not None


async def _said(house: House) -> str:
    """Return all that the agent was asked to say, in the order of its voice."""
    return " ".join(each["text"] for each in (await house.stand_ins.state("openai"))["spoken"])


async def _outcome(house: House) -> str:
    async with house.store() as store:
        (appointment,) = await store.appointments()
        call = await store.call(appointment.call_sid)
    assert call is not None
    return call.outcome


async def _only(house: House) -> Appointment:
    async with house.store() as store:
        (appointment,) = await store.appointments()
    return appointment


async def _settled(house: House) -> Appointment:
    """Wait until the one appointment is settled and its texts are sent."""

    async def is_settled() -> bool:
        async with house.store() as store:
            statuses = [appointment.status for appointment in await store.appointments()]
            return AppointmentStatus.PENDING not in statuses and not await store.pending_messages()

    await until(is_settled, within_secs=SETTLED_SECS)
    return await _only(house)


async def _assert_booked_once(house: House, appointment: Appointment) -> None:
    (booking,) = await house.held()
    (text,) = await house.texts()

    assert appointment.status is AppointmentStatus.ACTIVE
    assert (booking["by"], booking["uid"]) == ("api", appointment.booking_uid)
    assert datetime.fromisoformat(booking["start"]) == datetime.fromisoformat(BOOKED) == appointment.slot.start
    assert text["to"] == CALLER
    assert "Dec 2 at 10:00 AM" in text["body"]
