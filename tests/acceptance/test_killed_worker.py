"""A worker killed in the middle of a booking: the caller hears an apology, and what was begun is settled once."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import datetime
from typing import TYPE_CHECKING

from agent.line import BROKEN
from agent.stand_ins import free_port
from agent.typed_caller import chat_process
from appointments.model import AppointmentStatus, CallSid
from tests.acceptance_house import FALLBACK_NUMBER, Front, House, business_with_fallback, open_house, until
from tests.acceptance_phone import Phone, calling, new_call_sid, parameters_of, verbs_of

if TYPE_CHECKING:
    from pathlib import Path

    from appointments.model import Appointment

CALLER = "+14155550123"
BOOKED = "2026-12-02T10:00:00-05:00"
SETTLED_SECS = 45
"""A claim counts as abandoned 12 s after it was last touched; every 5 s a worker looks for such."""
LINES = [
    {"when": "help", "say": "This is Maya Chen, I need a consultation on Wednesday at ten in the morning."},
    {"when": "is that right", "say": "Yes, that is all correct."},
]
SLOW_CREATE = [{"on": "create", "kind": "slow", "times": 1, "seconds": 4}]
"""Long enough to be killed in; the work is done all the same, and nobody hears the answer."""


async def test_another_worker_apologises_and_settles_the_booking(tmp_path: Path) -> None:
    ports = [free_port(), free_port()]
    business = str(business_with_fallback(tmp_path))
    async with contextlib.AsyncExitStack() as stack:
        house = await stack.enter_async_context(open_house(tmp_path, lines=[line["say"] for line in LINES]))
        front = await stack.enter_async_context(Front(ports).open())
        url = f"http://127.0.0.1:{front.port}"
        await house.stand_ins.control("twilio", "world", {"worker_url": url})
        answering, other = [
            await stack.enter_async_context(house.worker(url=url, port=port, name=name, BUSINESS_FILE=business))
            for port, name in zip(ports, ("answering", "other"), strict=True)
        ]
        await house.stand_ins.control("calcom", "faults", SLOW_CREATE)
        call = await stack.enter_async_context(calling(house, url, CALLER, LINES))
        await until(lambda: house.has_fired("calcom"), within_secs=180)
        await answering.kill()
        ended = await call.ended()
        appointment = await _settled(house)

        assert (ended["by"], ended["after"]) == ("agent", f"dial:{FALLBACK_NUMBER}")
        assert f"say:{BROKEN}" in ended["verbs"]
        assert other.logged("stream_broke_off") != []
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
                first = await phone.post("/twilio/connect-done", form)
                again = await phone.post("/twilio/connect-done", form)
                logged = restarted.logged("stream_broke_off", call_sid=call_sid)
        async with house.store() as store:
            call = await store.call(CallSid(call_sid))

    # The business has no number to go on at.
    assert verbs_of(first.text) == [("Say", BROKEN), ("Hangup", None)]
    assert (again.text, len(logged)) == (first.text, 1)
    assert call is not None
    assert call.outcome == "broken_off"


async def _only(house: House) -> Appointment:
    async with house.store() as store:
        (appointment,) = await store.appointments()
    return appointment


async def _settled(house: House) -> Appointment:
    """Wait until the one appointment is settled and its texts are sent."""

    async def is_settled() -> bool:
        async with house.store() as store:
            statuses = [appointment.status for appointment in await store.appointments()]
            return AppointmentStatus.PENDING not in statuses and not await store.pending_texts()

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
