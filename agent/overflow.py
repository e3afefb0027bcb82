"""What becomes of calls that cannot be taken now: they wait for a place, are put through, or leave a wish."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import structlog

from agent.admission import Refusal
from appointments.model import CallSid, PhoneNumber, WhenFull
from appointments.store.records import CallerRequest, RequestKind
from telephony import twiml, twiml_waiting

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.bootstrap import Worker
    from telephony.routes import IncomingCall
    from telephony.urls import PublicUrls

log = structlog.get_logger(__name__)

LONGEST_WAIT_SECS: Final = 300
HEARD_OF_SECS: Final = 20.0
"""Longer than what those who wait hear before Twilio asks again: who is not heard of by then has hung up."""
HOLD_ON: Final = "All our lines are busy right now. Please hold, and we'll be with you as soon as we can."
NEXT: Final = "You are next in line. Thank you for holding."
IN_LINE: Final = "You are number {position} in line. Thank you for holding."
PUT_THROUGH: Final = "All our lines are busy right now. I'll put you through to somebody else."
CALL_BACK: Final = "All our lines are busy right now. If you would like us to call you back, press one."
CALL_LATER: Final = "All our lines are busy right now. Please call again a little later. Goodbye."
NO_KEY: Final = "I didn't get that. Please call again a little later. Goodbye."
WILL_CALL: Final = "Thank you. Somebody will call you back, at the number you're calling from. Goodbye."
NOTES: Final = "Pressed one while every line was busy."
YES: Final = "1"


class Overflow:
    """Twilio's own queue holds those who wait, so that no process of ours has to, and none that dies loses them.

    It asks any process again and again whether there is a place. The one that has says so, and from then on the caller
    is taken wherever Twilio's next request comes to: at worst a process carries one call more than it would begin.
    """

    def __init__(self, worker: Worker, urls: PublicUrls, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._worker = worker
        self._urls = urls
        self._monotonic = monotonic
        self._waiting: dict[str, float] = {}
        """When those who wait were last heard of here."""

    def refusal(self) -> Refusal | None:
        """Return why a call that rings is not taken now, None when it is: nobody overtakes those who wait."""
        refusal = self._refusal_here()
        if refusal is None and self._worker.desk.business.when_full is WhenFull.QUEUE and self._is_somebody_waiting():
            return Refusal.FULL
        return refusal

    def answer(self, call: IncomingCall, refusal: Refusal) -> str:
        """Return the TwiML for a call that rings and cannot be taken."""
        business = self._worker.desk.business
        log.warning("call_not_taken", reason=refusal.value, then=business.when_full.value)
        if refusal is Refusal.STARTING and business.fallback_number is not None:
            # Nobody knows how long a voice that cannot be had keeps them waiting.
            return self._put_through(call)
        match business.when_full:
            case WhenFull.QUEUE:
                return self._enqueue(call, HOLD_ON)
            case WhenFull.DIAL:
                return self._put_through(call)
            case WhenFull.CALL_BACK:
                return self._offer_call_back(call)

    def waiting(self, call: IncomingCall) -> str:
        """Return what somebody in the queue hears next; they leave it when it is their turn or they waited too long."""
        position, waited_secs = _number(call, "QueuePosition", 1), _number(call, "QueueTime", 0)
        self._waiting.pop(call.call_sid, None)
        if position <= self._worker.admission.free_places and self._worker.is_ready:
            self._worker.live_calls.expect(call.call_sid)
            log.info("queue_left", waited_secs=waited_secs)
            return twiml_waiting.leave_queue()
        if waited_secs >= LONGEST_WAIT_SECS:
            return twiml_waiting.leave_queue()
        self._waiting[call.call_sid] = self._monotonic()
        return twiml_waiting.wait(NEXT if position == 1 else IN_LINE.format(position=position))

    def after_queue(self, call: IncomingCall) -> str | None:
        """Return the TwiML for somebody who has left the queue; None: they are to be taken."""
        result, waited_secs = call.parameters.get("QueueResult", ""), _number(call, "QueueTime", 0)
        self._waiting.pop(call.call_sid, None)
        if result == "hangup" or call.parameters.get("CallStatus") == "completed":
            return twiml.hang_up()
        if result != "leave":
            log.error("queue_failed", result=result)
            return self._put_through(call)
        has_place = self._worker.live_calls.is_expected(call.call_sid)
        if waited_secs >= LONGEST_WAIT_SECS and not has_place and self._refusal_here():
            log.warning("queue_given_up", waited_secs=waited_secs)
            return self._put_through(call)
        # Another process had a place for them; only one that begins or is about to end sends them back to wait.
        is_able = self._worker.is_ready and not self._worker.live_calls.is_draining
        return None if is_able else self._enqueue(call, "")

    async def key_pressed(self, call: IncomingCall) -> str:
        """Keep the wish to be called back of somebody who pressed one; offer it to whom nobody answered."""
        if call.parameters.get("DialCallStatus") == "completed":
            return twiml.hang_up()
        if call.parameters.get("Digits") != YES or not call.caller:
            return self._offer_call_back(call)
        wish = CallerRequest(CallSid(call.call_sid), RequestKind.CALL_BACK, PhoneNumber(call.caller), notes=NOTES)
        await self._worker.service.leave_request(wish, self._worker.desk.business)
        log.info("call_back_requested")
        return twiml.refuse(WILL_CALL)

    def _refusal_here(self) -> Refusal | None:
        return self._worker.admission.refusal() if self._worker.is_ready else Refusal.STARTING

    def _is_somebody_waiting(self) -> bool:
        since = self._monotonic() - HEARD_OF_SECS
        self._waiting = {call_sid: at for call_sid, at in self._waiting.items() if at > since}
        return bool(self._waiting)

    def _enqueue(self, call: IncomingCall, text: str) -> str:
        return twiml_waiting.enqueue(
            text, called=call.called, wait_url=self._urls.queue_wait, action_url=self._urls.queue_left
        )

    def _put_through(self, call: IncomingCall) -> str:
        number = self._worker.desk.business.fallback_number
        if number is None:
            return self._offer_call_back(call)
        return twiml_waiting.put_through(PUT_THROUGH, number=number, action_url=self._urls.call_back)

    def _offer_call_back(self, call: IncomingCall) -> str:
        if not call.caller:
            # Nobody could call them back.
            return twiml.refuse(CALL_LATER)
        return twiml_waiting.ask_for_key(CALL_BACK, key_url=self._urls.call_back, otherwise=NO_KEY)


def _number(call: IncomingCall, name: str, otherwise: int) -> int:
    value = call.parameters.get(name, "")
    return int(value) if value.isascii() and value.isdigit() else otherwise
