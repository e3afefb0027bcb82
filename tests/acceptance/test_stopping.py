"""A worker that is told to stop: its calls finish or hear a goodbye, new ones are held, and nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from agent import phrases
from agent.overflow import HOLD_ON
from agent.stand_ins import free_port
from appointments.model import CallSid
from tests.acceptance_house import open_house, until
from tests.acceptance_phone import Phone, calling, new_call_sid, parameters_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.acceptance_house import House, WorkerProcess
    from tests.acceptance_phone import Stream

CALLER, OTHER = "+14155550123", "+14155550124"
LINES = [
    {"when": "help", "say": "This is Maya Chen, I need a consultation on Wednesday at ten in the morning."},
    {"when": "is that right", "say": "Yes, that is all correct."},
    {"when": "anything else", "say": "No, thank you, that is all."},
]


async def test_a_call_books_to_its_end_while_new_ones_are_held(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{(port := free_port())}"
    async with contextlib.AsyncExitStack() as stack:
        house = await stack.enter_async_context(open_house(tmp_path, lines=[line["say"] for line in LINES]))
        await house.stand_ins.control("twilio", "world", {"worker_url": url})
        worker = await stack.enter_async_context(house.worker(url=url, port=port))
        phone = await stack.enter_async_context(Phone.at(url, house))
        call = await stack.enter_async_context(calling(house, url, CALLER, LINES))
        await until(lambda: _has_said_something(house), within_secs=120)

        worker.tell_to_stop()
        await until(lambda: worker.logged("worker_draining", calls=1))
        ready = await phone.http.get(f"{url}/readyz")
        alive = await phone.http.get(f"{url}/healthz")
        ringing = await phone.ring(new_call_sid(), OTHER)
        ended = await call.ended(within_secs=120)
        status = await worker.exit_status()

        assert (ready.status_code, ready.json()) == (503, {"status": "draining"})
        assert alive.is_success
        assert ringing.findtext("Say") == HOLD_ON
        assert [verb.tag for verb in ringing] == ["Say", "Enqueue"]
        assert (ended["by"], status) == ("agent", 0)
        assert len(await house.held()) == 1
        assert [text["to"] for text in await house.texts()] == [CALLER]


async def test_the_second_signal_says_goodbye(tmp_path: Path) -> None:
    async with _in_a_call(tmp_path) as (house, worker, stream):
        worker.tell_to_stop()
        await until(lambda: worker.logged("worker_draining"))
        await until(lambda: _is_told_again(worker))

        assert await stream.is_closed(within_secs=30) == 1000
        assert await worker.exit_status() == 0
        await _assert_ended_with_goodbye(house, stream)


async def test_the_end_of_the_grace_says_goodbye(tmp_path: Path) -> None:
    async with _in_a_call(tmp_path, DRAIN_SECS="1") as (house, worker, stream):
        worker.tell_to_stop()

        assert await stream.is_closed(within_secs=30) == 1000
        assert await worker.exit_status() == 0
        await _assert_ended_with_goodbye(house, stream)


@contextlib.asynccontextmanager
async def _in_a_call(tmp_path: Path, **settings: str) -> AsyncIterator[tuple[House, WorkerProcess, Stream]]:
    """Run a worker that carries one call of a caller who says nothing."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    async with (
        open_house(tmp_path) as house,
        house.worker(url=url, port=port, **settings) as worker,
        Phone.at(url, house) as phone,
    ):
        call_sid = new_call_sid()
        parameters = parameters_of(await phone.ring(call_sid, CALLER))
        async with phone.stream(call_sid) as stream:
            stream.echoes_marks = True
            await stream.start(parameters, phone.account_sid)
            await stream.hears(1)
            silence = asyncio.create_task(_say_nothing(stream))
            try:
                yield house, worker, stream
            finally:
                silence.cancel()
                await asyncio.gather(silence, return_exceptions=True)


def _is_told_again(worker: WorkerProcess) -> bool:
    """Tell it to stop until it counts: two signals at once are one."""
    if worker.logged("worker_closing"):
        return True
    worker.tell_to_stop()
    return False


async def _say_nothing(stream: Stream) -> None:
    while True:
        await stream.say_nothing()
        await asyncio.sleep(0.02)  # as a phone does


async def _has_said_something(house: House) -> bool:
    """Whether a caller has been understood."""
    state = await house.stand_ins.state("openai")
    return bool(state["heard"])


async def _assert_ended_with_goodbye(house: House, stream: Stream) -> None:
    async with house.store() as store:
        call = await store.call(CallSid(stream.call_sid))
        said = [turn.text for turn in await store.turns(CallSid(stream.call_sid)) if turn.who == "agent"]
    assert call is not None
    assert (call.outcome, call.ended_at is not None) == ("closed", True)
    assert said[-1] == phrases.CLOSING
