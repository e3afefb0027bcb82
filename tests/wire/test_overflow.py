"""What a caller hears whose call cannot be taken, as Twilio acts it out, and what becomes of them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn

from agent import overflow
from agent.admission import Refusal
from agent.app import build_app
from agent.front_desk import FrontDeskWatch
from agent.stand_ins import free_port
from appointments.model import PhoneNumber, WhenFull
from appointments.store.records import RequestKind
from simulator.call_edge import CallEdge, CallEnd, TwilioAccount
from simulator.media_edge import SILENCE, CallerFrame
from simulator.queue_edge import Queues
from simulator.signing import SIGNATURE_HEADER, sign
from telephony.routes import IncomingCall
from telephony.urls import PublicUrls
from tests.worker import CALLER, House, ScriptedModel, open_house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from agent.bootstrap import Worker
    from simulator.dial_edge import Person

CALLED = "+14155550100"
FALLBACK = PhoneNumber("+14155550199")
PACE = 0.02
LISTENS_FRAMES = 25


@dataclass
class Listener:
    """A caller who hangs up soon after they were connected to the agent."""

    has_talked: bool = False
    _frames: int = 0

    def started(self) -> None:
        self.has_talked = True

    def frame(self, played: bytes) -> CallerFrame:
        self._frames += 1
        return CallerFrame(SILENCE, hangs_up=self._frames > LISTENS_FRAMES)

    def cleared(self, dropped: bytes) -> None:
        pass

    def ended(self, unplayed: bytes) -> None:
        pass


@dataclass
class Switchboard:
    """A served worker, and Twilio in front of it."""

    house: House
    url: str
    queues: Queues = field(default_factory=Queues)
    problems: list[str] = field(default_factory=list)

    @property
    def worker(self) -> Worker:
        return self.house.worker

    def decides(self, when_full: WhenFull, *, fallback: PhoneNumber | None = None) -> None:
        desk = self.worker.desk
        self.worker.desk = replace(desk, business=replace(desk.business, when_full=when_full, fallback_number=fallback))

    async def call(
        self,
        party: Listener,
        *,
        caller: str | None = CALLER,
        keys: tuple[str, ...] = (),
        person: Person = "answers",
    ) -> CallEnd:
        settings = self.worker.settings
        account = TwilioAccount(settings.twilio_account_sid, settings.twilio_auth_tokens[0], self.house.urls["twilio"])
        edge = CallEdge(
            self.url,
            account,
            caller,
            CALLED,
            problem=self.problems.append,
            keys=keys,
            person=person,
            queues=self.queues,
            queue_pace=PACE,
        )
        return await edge.place(party)

    async def some_wait(self, count: int) -> None:
        await until(lambda: sum(map(len, self.queues.waiting.values())) == count)


async def until(is_so: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while not is_so():
            await asyncio.sleep(0.005)


@asynccontextmanager
async def serving(folder: Path, **settings: Any) -> AsyncIterator[Switchboard]:
    url = f"http://127.0.0.1:{(port := free_port())}"
    async with open_house(folder, model=ScriptedModel(), public_base_url=url, **settings) as house:
        assert await house.worker.go_by(house.worker.desk)
        server = uvicorn.Server(uvicorn.Config(build_app(house.worker), port=port, log_config=None, access_log=False))
        running = asyncio.create_task(server.serve())
        await until(lambda: server.started)
        try:
            yield Switchboard(house, url)
        finally:
            server.should_exit = True
            await running


@pytest.fixture(autouse=True)
def front_desk_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a worker be as ready, and go by the business, as a test says: no file is read over it."""

    async def leave_alone(_: FrontDeskWatch) -> None: ...

    monkeypatch.setattr(FrontDeskWatch, "run", leave_alone)


@pytest.fixture
def was_told(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Set once a worker was asked what somebody in the queue hears."""
    asked, waiting = asyncio.Event(), overflow.Overflow.waiting

    def noticed(self: overflow.Overflow, call: IncomingCall) -> str:
        asked.set()
        return waiting(self, call)

    monkeypatch.setattr(overflow.Overflow, "waiting", noticed)
    return asked


@pytest.fixture
async def full(tmp_path: Path) -> AsyncIterator[Switchboard]:
    """A switchboard whose only place is taken."""
    async with serving(tmp_path, most_calls=1) as board:
        with board.worker.live_calls.carrying("CAother"):
            yield board
        assert board.problems == []


async def test_a_caller_waits_until_there_is_a_place(tmp_path: Path, was_told: asyncio.Event) -> None:
    async with serving(tmp_path, most_calls=1) as board:
        caller = Listener()
        with board.worker.live_calls.carrying("CAother"):
            call = asyncio.create_task(board.call(caller))
            await was_told.wait()
            assert not caller.has_talked
        end = await call

        assert caller.has_talked
        assert end.verbs[:3] == (f"say:{overflow.HOLD_ON}", "enqueue", f"say:{overflow.NEXT}")
        assert end.verbs[-1] == "leave"
        assert board.problems == []


async def test_who_waits_longer_is_taken_first(tmp_path: Path) -> None:
    async with serving(tmp_path, most_calls=1) as board:
        first, second = Listener(), Listener()
        with board.worker.live_calls.carrying("CAother"):
            calls = [asyncio.create_task(board.call(first))]
            await board.some_wait(1)
            calls.append(asyncio.create_task(board.call(second, caller="+14155550124")))
            await board.some_wait(2)
        await until(lambda: first.has_talked)
        assert not second.has_talked
        ends = await asyncio.gather(*calls)

        assert second.has_talked
        assert f"say:{overflow.IN_LINE.format(position=2)}" in ends[1].verbs
        assert board.problems == []


async def test_who_rings_when_a_place_becomes_free_does_not_overtake(tmp_path: Path, was_told: asyncio.Event) -> None:
    async with serving(tmp_path, most_calls=2) as board:
        live = board.worker.live_calls
        waiting, ringing = Listener(), Listener()
        with live.carrying("CA1"), live.carrying("CA2"):
            first = asyncio.create_task(board.call(waiting))
            await was_told.wait()
        second = await board.call(ringing, caller="+14155550124")
        await first

        assert second.verbs[:2] == (f"say:{overflow.HOLD_ON}", "enqueue")
        assert waiting.has_talked
        assert ringing.has_talked
        assert board.problems == []


async def test_nobody_waits_behind_those_who_hung_up(full: Switchboard) -> None:
    moment = 100.0
    urls = PublicUrls(full.url)
    door = overflow.Overflow(full.worker, urls, monotonic=lambda: moment)
    form = {"QueuePosition": "1", "QueueTime": "0"}
    door.waiting(IncomingCall("CA1", CALLER, CALLED, is_attested=False, parameters=form))
    full.worker.admission._most_calls = 9

    refused = door.refusal()
    moment += overflow.HEARD_OF_SECS

    assert (refused, door.refusal()) == (Refusal.FULL, None)


async def test_who_has_waited_too_long_goes_on_at_the_fallback_number(
    full: Switchboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overflow, "LONGEST_WAIT_SECS", 20)
    full.decides(WhenFull.QUEUE, fallback=FALLBACK)

    end = await full.call(Listener())

    put_through = ("leave", f"say:{overflow.PUT_THROUGH}", f"dial:{FALLBACK}", "hangup")
    assert end.verbs[-4:] == put_through


async def test_without_a_fallback_number_they_may_leave_a_wish(
    full: Switchboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overflow, "LONGEST_WAIT_SECS", 20)

    end = await full.call(Listener())

    assert end.verbs[-1] == "hangup"
    assert end.verbs[-3:-1] == (f"say:{overflow.CALL_BACK}", f"say:{overflow.NO_KEY}")


async def test_a_caller_is_put_through_where_the_business_wants_that(full: Switchboard) -> None:
    full.decides(WhenFull.DIAL, fallback=FALLBACK)

    end = await full.call(Listener())

    assert end.verbs == (f"say:{overflow.PUT_THROUGH}", f"dial:{FALLBACK}", "hangup")


@pytest.mark.parametrize("person", ["no_answer", "busy"])
async def test_a_caller_whom_nobody_answers_may_leave_a_wish(full: Switchboard, person: Person) -> None:
    full.decides(WhenFull.DIAL, fallback=FALLBACK)

    end = await full.call(Listener(), keys=("1",), person=person)

    (kept,) = await full.worker.store.kept_requests()
    assert kept.left.number == CALLER
    assert end.verbs[-2:] == (f"say:{overflow.WILL_CALL}", "hangup")


async def test_pressing_one_leaves_a_wish_to_be_called_back(full: Switchboard) -> None:
    full.decides(WhenFull.CALL_BACK)

    end = await full.call(Listener(), keys=("5", "1"))

    (kept,) = await full.worker.store.kept_requests()
    assert (kept.left.kind, kept.left.number, kept.done_at) == (RequestKind.CALL_BACK, CALLER, None)
    assert end.verbs[-2:] == (f"say:{overflow.WILL_CALL}", "hangup")
    # Another key is no answer: the question comes again.
    assert end.verbs.count(f"say:{overflow.CALL_BACK}") == 2


async def test_nobody_calls_back_a_number_that_is_withheld(full: Switchboard) -> None:
    full.decides(WhenFull.CALL_BACK)

    end = await full.call(Listener(), caller=None)

    assert end.verbs == (f"say:{overflow.CALL_LATER}", "hangup")
    assert await full.worker.store.kept_requests() == []


async def test_a_draining_worker_holds_callers_for_the_next_one(tmp_path: Path) -> None:
    async with serving(tmp_path) as board:
        board.worker.live_calls.is_draining = True
        caller = Listener()
        call = asyncio.create_task(board.call(caller))
        await board.some_wait(1)
        ready = await board.house.http.get(f"{board.url}/readyz")

        board.worker.live_calls.is_draining = False
        end = await call

        assert (ready.status_code, ready.json()) == (503, {"status": "draining"})
        assert caller.has_talked
        assert end.verbs[0] == f"say:{overflow.HOLD_ON}"
        assert board.problems == []


async def test_who_rings_before_there_is_anything_to_say_waits_for_it(tmp_path: Path) -> None:
    async with serving(tmp_path) as board:
        board.worker.is_ready = False
        caller = Listener()
        call = asyncio.create_task(board.call(caller))
        await board.some_wait(1)

        board.worker.is_ready = True
        end = await call

        assert caller.has_talked
        assert end.verbs[:2] == (f"say:{overflow.HOLD_ON}", "enqueue")
        assert board.problems == []


async def test_who_rings_before_there_is_anything_to_say_is_put_through_where_that_can_be(tmp_path: Path) -> None:
    async with serving(tmp_path) as board:
        board.decides(WhenFull.QUEUE, fallback=FALLBACK)
        board.worker.is_ready = False

        end = await board.call(Listener())

        assert end.verbs == (f"say:{overflow.PUT_THROUGH}", f"dial:{FALLBACK}", "hangup")


async def test_who_hung_up_in_the_queue_keeps_nobody_waiting(full: Switchboard) -> None:
    door = overflow.Overflow(full.worker, PublicUrls(full.url))
    form = {"QueuePosition": "1", "QueueTime": "0"}
    door.waiting(IncomingCall("CA1", CALLER, CALLED, is_attested=False, parameters=form))
    full.worker.admission._most_calls = 9

    left = {"QueueResult": "hangup", "CallStatus": "completed"}
    door.after_queue(IncomingCall("CA1", CALLER, CALLED, is_attested=False, parameters=left))

    assert door.refusal() is None


async def test_a_full_worker_is_not_ready_for_more(full: Switchboard) -> None:
    ready = await full.house.http.get(f"{full.url}/readyz")

    assert (ready.status_code, ready.json()) == (503, {"status": "full"})


async def test_a_caller_who_cannot_be_queued_is_not_left_in_silence(full: Switchboard) -> None:
    line = f"{full.url}/twilio/queue-left"
    full.decides(WhenFull.QUEUE, fallback=FALLBACK)
    form = {"CallSid": f"CA{'1' * 32}", "From": CALLER, "To": CALLED, "QueueResult": "queue-full"}

    answer = await _posted(full, line, form)

    assert overflow.PUT_THROUGH in answer
    assert FALLBACK in answer


async def _posted(board: Switchboard, url: str, form: dict[str, str]) -> str:
    token = board.worker.settings.twilio_auth_tokens[0]
    answer = await board.house.http.post(url, data=form, headers={SIGNATURE_HEADER: sign(token, url, form)})
    return answer.raise_for_status().text
