"""Two processes on one port: each takes calls, and one that dies is replaced while the other goes on."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

from agent.stand_ins import free_port
from tests.acceptance_house import open_house, until
from tests.acceptance_phone import Phone, new_call_sid, parameters_of

if TYPE_CHECKING:
    from pathlib import Path

    from tests.acceptance_house import House, WorkerProcess

READY_SECS = 60
"""Two processes load a speech pipeline at once."""
CALLS = 6


async def test_two_processes_share_a_port_and_one_that_is_killed_comes_back(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{(port := free_port())}"
    async with (
        open_house(tmp_path) as house,
        house.worker(url=url, port=port, options=("--processes", "2")) as parent,
        Phone.at(url, house) as phone,
    ):
        await until(lambda: len(_serving(parent)) == 2, within_secs=READY_SECS)
        killed, other = _serving(parent)
        rendered = len((await house.stand_ins.state("openai"))["spoken"])
        texts = {each["text"] for each in (await house.stand_ins.state("openai"))["spoken"]}
        os.kill(killed, signal.SIGKILL)
        await until(lambda: parent.logged("process_ended"))
        # The other takes calls meanwhile, whichever process the stream comes to.
        await _calls_are_answered(phone)
        await until(lambda: len(_serving(parent)) == 3, within_secs=READY_SECS)
        await _calls_are_answered(phone)
        parent.tell_to_stop()

        assert await parent.exit_status() == 0
        assert [(died["status"], died["place"] in (0, 1)) for died in parent.logged("process_ended")] == [(-9, True)]
        assert other in _serving(parent)
        assert rendered == len(texts), "a phrase was rendered twice"
        assert await _open_calls(house) == 0


async def test_the_processes_end_when_who_started_them_is_killed(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{(port := free_port())}"
    async with (
        open_house(tmp_path) as house,
        house.worker(url=url, port=port, options=("--processes", "2")) as parent,
    ):
        await until(lambda: len(_serving(parent)) == 2, within_secs=READY_SECS)
        await parent.kill()

        await until(lambda: not any(map(_is_running, _serving(parent))))


def _serving(parent: WorkerProcess) -> list[int]:
    """Return the processes that have begun to serve, dead ones too."""
    return [line["pid"] for line in parent.logged("worker_serving")]


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def _calls_are_answered(phone: Phone) -> None:
    """Place calls one after the other; each request of a call may come to either process."""
    for number in range(CALLS):
        caller, call_sid = f"+1415555{1000 + number}", new_call_sid()
        parameters = parameters_of(await phone.ring(call_sid, caller))
        async with phone.stream(call_sid) as stream:
            await stream.start(parameters, phone.account_sid)
            await stream.hears(1)
        form = phone.form(call_sid, caller, CallStatus="completed")
        assert (await phone.post("/twilio/connect-done", form)).is_success
        await phone.hang_up(call_sid, caller)


async def _open_calls(house: House) -> int:
    async with house.store() as store, store._read() as connection:
        found: Any = await connection.exec_driver_sql("SELECT count(*) FROM calls WHERE ended_at IS NULL")
        return int(found.scalar_one())
