"""What a worker does beside its calls."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
import structlog

from agent import jobs as module
from agent.jobs import Jobs, TwilioSender
from appointments.errors import MessageDeferred, MessageRefused, MessageUnclear
from telephony.messages import Messages
from telephony.rest import TwilioRest
from tests.stand_ins import StandIn, serving_twilio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

FROM, TO = "+14155550100", "+14155550123"
BODY = "You're booked."
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
async def twilio() -> AsyncIterator[StandIn]:
    async with serving_twilio() as stand_in:
        yield stand_in


def a_rest(twilio: StandIn) -> TwilioRest:
    keys = twilio.credentials
    return TwilioRest(
        account_sid=keys.twilio_account_sid,
        username=keys.twilio_api_key_sid,
        password=keys.twilio_api_key_secret,
        base_url=twilio.url,
        timeout=timedelta(seconds=5),
    )


@pytest.fixture
async def sender(twilio: StandIn) -> AsyncIterator[TwilioSender]:
    rest = a_rest(twilio)
    yield TwilioSender(Messages(rest, from_=FROM, status_callback_base="http://127.0.0.1:9"))
    await rest.aclose()


async def test_sends_a_text(twilio: StandIn, sender: TwilioSender) -> None:
    message_sid = await sender.send(to=TO, body=BODY, outbox_id="o1")

    (message,) = (await twilio.state())["messages"]
    assert (message["sid"], message["to"], message["body"]) == (message_sid, TO, BODY)


async def test_a_number_that_can_never_be_texted_is_refused(sender: TwilioSender) -> None:
    with pytest.raises(MessageRefused) as refused:
        # Twilio's magic number for an impossible one.
        await sender.send(to="+15005550001", body=BODY, outbox_id="o1")

    assert refused.value.code == 21211
    assert not refused.value.is_opt_out


async def test_a_receiver_who_said_stop_is_an_opt_out(sender: TwilioSender) -> None:
    with pytest.raises(MessageRefused) as refused:
        await sender.send(to="+15005550004", body=BODY, outbox_id="o1")

    assert refused.value.code == 21610
    assert refused.value.is_opt_out


async def test_a_text_is_not_given_up_for_a_key_that_is_refused(twilio: StandIn) -> None:
    rest = TwilioRest(
        account_sid=twilio.credentials.twilio_account_sid,
        username=twilio.credentials.twilio_api_key_sid,
        password="wrong",
        base_url=twilio.url,
        timeout=timedelta(seconds=5),
    )
    sender = TwilioSender(Messages(rest, from_=FROM, status_callback_base="http://127.0.0.1:9"))

    with structlog.testing.capture_logs() as logs:
        with pytest.raises(MessageDeferred):
            await sender.send(to=TO, body=BODY, outbox_id="o1")
        with pytest.raises(MessageDeferred):
            await sender.find(to=TO, body=BODY, since=LONG_AGO)
    await rest.aclose()

    assert [each["event"] for each in logs] == ["twilio_key_refused", "twilio_key_refused"]


@pytest.mark.parametrize("kind", ["drop_after", "drop_before", "error_500"])
async def test_a_text_that_may_be_out_is_unclear(twilio: StandIn, sender: TwilioSender, kind: str) -> None:
    await twilio.break_down("messages", kind)

    with pytest.raises(MessageUnclear):
        await sender.send(to=TO, body=BODY, outbox_id="o1")


async def test_a_text_that_has_to_wait_is_deferred_by_what_twilio_says(twilio: StandIn, sender: TwilioSender) -> None:
    await twilio.break_down("messages", "rate_limited", seconds=3)

    with pytest.raises(MessageDeferred) as deferred:
        await sender.send(to=TO, body=BODY, outbox_id="o1")

    assert deferred.value.retry_after_secs > 0


async def test_finds_the_text_whose_answer_was_lost(twilio: StandIn, sender: TwilioSender) -> None:
    await twilio.break_down("messages", "drop_after")
    with pytest.raises(MessageUnclear):
        await sender.send(to=TO, body=BODY, outbox_id="o1")

    found = await sender.find(to=TO, body=BODY, since=LONG_AGO)
    other = await sender.find(to=TO, body="Another.", since=LONG_AGO)

    assert (found, other) == ((await twilio.state())["messages"][0]["sid"], None)


async def test_a_text_that_is_known_to_be_another_is_not_found(sender: TwilioSender) -> None:
    first = await sender.send(to=TO, body=BODY, outbox_id="o1")
    second = await sender.send(to=TO, body=BODY, outbox_id="o2")

    assert await sender.find(to=TO, body=BODY, since=LONG_AGO, other_than={first}) == second
    assert await sender.find(to=TO, body=BODY, since=LONG_AGO, other_than={first, second}) is None


async def test_a_text_waits_while_the_queue_of_its_number_is_full(twilio: StandIn) -> None:
    rest = a_rest(twilio)
    # Twilio's magic number for one whose queue is full.
    full = TwilioSender(Messages(rest, from_="+15005550008", status_callback_base="http://127.0.0.1:9"))

    with pytest.raises(MessageDeferred):
        await full.send(to=TO, body=BODY, outbox_id="o1")

    await rest.aclose()


@pytest.mark.parametrize("kind", ["drop_before", "error_500", "rate_limited"])
async def test_a_look_up_that_fails_says_nothing_about_the_text(
    twilio: StandIn, sender: TwilioSender, kind: str
) -> None:
    await twilio.break_down("messages", kind, times=9)

    with pytest.raises(MessageDeferred):
        await sender.find(to=TO, body=BODY, since=LONG_AGO)


class Service:
    """Settles, or crashes at first."""

    def __init__(self, *, crashes: int = 0) -> None:
        self._crashes = crashes
        self.settled = asyncio.Event()

    async def settle_unfinished(self) -> None:
        if self._crashes:
            self._crashes -= 1
            raise RuntimeError("boom")
        self.settled.set()


class Outbox:
    channel = "sms"

    def __init__(self, *, ends: bool = True) -> None:
        self.is_running = asyncio.Event()
        self.has_ended = False
        self.was_cancelled = False
        self._ends = ends
        self._finishing = asyncio.Event()

    def finish(self) -> None:
        if self._ends:
            self._finishing.set()

    async def run(self) -> None:
        self.is_running.set()
        try:
            await self._finishing.wait()
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise
        finally:
            self.has_ended = True


class Calls:
    """Ends stale calls, and knows which were asked for."""

    def __init__(self, *stale: str) -> None:
        self._stale = list(stale)
        self.started_before: datetime | None = None
        self.ended: dict[str, str] = {}
        self.was_asked = asyncio.Event()

    async def end_stale_calls(self, started_before: datetime, *, outcome: str, at: datetime) -> list[str]:
        self.started_before = started_before
        self.ended |= dict.fromkeys(self._stale, outcome)
        self.was_asked.set()
        return self._stale


def jobs(service: Service, outbox: Outbox, calls: Calls | None = None) -> Jobs:
    return Jobs(cast("Any", service), cast("Any", [outbox]), cast("Any", calls or Calls()), max_call_secs=600)


async def test_settles_at_once_and_runs_the_outbox_until_closed() -> None:
    service, outbox = Service(), Outbox()

    async with asyncio.timeout(5), jobs(service, outbox):
        await service.settled.wait()
        await outbox.is_running.wait()

    assert outbox.has_ended
    assert not outbox.was_cancelled


async def test_texts_that_cannot_be_sent_hold_up_the_end_only_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LAST_TEXTS_SECS", 0.01)
    outbox = Outbox(ends=False)

    async with asyncio.timeout(5), jobs(Service(), outbox):
        await outbox.is_running.wait()

    assert outbox.was_cancelled


async def test_settling_goes_on_after_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SETTLE_EVERY_SECS", 0)
    service = Service(crashes=2)

    with structlog.testing.capture_logs() as logs:
        async with asyncio.timeout(5), jobs(service, Outbox()):
            await service.settled.wait()

    assert [each["event"] for each in logs] == ["settling_failed"] * 2


async def test_calls_that_a_dead_process_left_open_are_ended_whatever_becomes_of_the_bookings() -> None:
    calls = Calls("CA1")

    with structlog.testing.capture_logs() as logs:
        async with asyncio.timeout(5), jobs(Service(crashes=1), Outbox(), calls):
            await calls.was_asked.wait()

    assert calls.ended == {"CA1": "broken_off"}
    assert calls.started_before is not None
    assert timedelta(seconds=660) <= datetime.now(UTC) - calls.started_before < timedelta(seconds=665)
    assert [each["call_sid"] for each in logs if each["event"] == "call_broke_off"] == ["CA1"]


async def test_the_death_of_a_job_is_told() -> None:
    async def die() -> None:
        raise RuntimeError("boom")

    with structlog.testing.capture_logs() as logs:
        async with asyncio.timeout(5), jobs(Service(), Outbox()) as running:
            running.add("dying", die())
            while not logs:
                await asyncio.sleep(0)

    assert [(each["event"], each["job"]) for each in logs] == [("job_died", "dying")]
