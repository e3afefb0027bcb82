"""What answers the phone: decides which calls are taken and what follows a stream."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from agent import metrics
from agent.call import run_call
from agent.jobs import BROKEN_OFF, longest_call
from agent.overflow import Overflow
from agent.stretch import Stretch
from agent.transfer import TRANSFERRED, Transfers
from appointments.model import CallSid
from telephony import twiml
from telephony.media_stream import FULL_ATTESTATION
from telephony.routes import incoming_call
from telephony.urls import PublicUrls

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import WebSocket

    from agent.bootstrap import Worker
    from appointments.store.records import CallRecord
    from telephony.media_stream import CallStart
    from telephony.routes import IncomingCall, IncomingText
    from telephony.tokens import StreamTokens

log = structlog.get_logger(__name__)

MOST_CALLS_PER_CALLER = 2
MOST_RESUMES = 2
"""A line that breaks a third time is no use to the caller."""
SHORTEST_RESUME = timedelta(seconds=30)
"""A call that has less left of its longest time is not taken up again."""
BROKEN_OUTCOMES = ("crashed", BROKEN_OFF, "caller_hung_up")
"""Those of calls that are not over for the caller. A line that breaks looks to its worker as if they had hung up."""
NOTHING_MORE: Mapping[str, str] = {}
BUSY = "You already have a call open with us. Please use that one, or call again when it has ended."
BROKEN = "I'm sorry, we were cut off by a problem on our side."


class Line:
    """One worker's phone line."""

    def __init__(self, worker: Worker, tokens: StreamTokens) -> None:
        self._worker = worker
        self._tokens = tokens
        self._urls = PublicUrls(worker.settings.public_base_url)
        self._overflow = Overflow(worker, self._urls)
        self._transfers = Transfers(worker, self._urls, self._connect)

    async def ringing(self, call: IncomingCall) -> str:
        if refusal := self._overflow.refusal():
            return self._overflow.answer(call, refusal)
        return await self._take(call)

    async def waiting(self, call: IncomingCall) -> str:
        return self._overflow.waiting(call)

    async def queue_left(self, call: IncomingCall) -> str:
        return self._overflow.after_queue(call) or await self._take(call)

    async def call_back_asked(self, call: IncomingCall) -> str:
        return await self._overflow.key_pressed(call)

    async def _take(self, call: IncomingCall) -> str:
        # Before anything is awaited: calls that ring at once must not all find the last place free.
        self._worker.live_calls.expect(call.call_sid)
        self._prefetch()
        now = datetime.now(UTC)
        is_taken = await self._worker.store.begin_call(
            CallSid(call.call_sid),
            caller=call.caller or None,
            called=call.called,
            at=now,
            at_most=MOST_CALLS_PER_CALLER,
            since=now - longest_call(self._worker.settings.max_call_secs),
        )
        if not is_taken:
            self._worker.live_calls.forget(call.call_sid)
            log.warning("call_refused", reason="too many calls of one caller")
            return twiml.refuse(BUSY)
        log.info("call_answered", pii_caller=call.caller)
        return self._connect(call)

    def _connect(self, call: IncomingCall, more: Mapping[str, str] = NOTHING_MORE) -> str:
        """Connect `call` to a stream of its own, which is told `more` than whose it is.

        Twilio may bring the stream to any process of ours: nothing that it needs is kept in this one.
        """
        self._worker.live_calls.expect(call.call_sid)
        parameters = {"caller": call.caller, "called": call.called, **more}
        if call.is_attested:
            parameters["attestation"] = FULL_ATTESTATION
        return twiml.answer_with_stream(
            media_url=self._urls.media,
            action_url=self._urls.connect_done,
            parameters={**parameters, "token": self._tokens.mint(call.call_sid, parameters)},
        )

    def _prefetch(self) -> None:
        """Ask for the free slots, and reach the providers, while Twilio dials the stream."""
        self._worker.speech.open_connections()
        for action in self._worker.desk.business.actions:
            self._worker.service.prefetch(action)

    async def use_token(self, token_id: str, expires: datetime) -> bool:
        return await self._worker.store.use_token(token_id, expires=expires)

    async def connected(self, websocket: WebSocket, start: CallStart) -> None:
        with self._worker.live_calls.carrying(start.call_sid) as live:
            try:
                await run_call(self._worker, websocket, start, live)
            except Exception:
                log.exception("call_failed")

    def apology(self) -> str:
        return twiml.apologise(BROKEN, self._worker.desk.business.fallback_number)

    async def stream_ended(self, call_sid: str, form: Mapping[str, str]) -> str:
        follows = await self._what_follows(call_sid, form)
        self._worker.live_calls.asked(call_sid)
        return follows

    async def _what_follows(self, call_sid: str, form: Mapping[str, str]) -> str:
        record = await self._worker.store.call(CallSid(call_sid))
        if record is not None and record.outcome == TRANSFERRED and form.get("CallStatus") != "completed":
            self._worker.live_calls.dials(call_sid)
            return await self._transfers.dial(record)
        if record is not None and record.ended_at is not None and record.outcome not in BROKEN_OUTCOMES:
            return twiml.hang_up()
        if form.get("CallStatus") == "completed":
            # The caller hung up; their last words may still be acted on.
            return twiml.hang_up()
        if record is not None and record.outcome != "crashed" and (stretch := await self._resume(record)):
            log.warning("call_resumed", resumes=stretch.resumes)
            self._prefetch()
            call = replace(incoming_call(form), caller=record.caller or "", called=record.called)
            return self._connect(call, stretch.parameters)
        log.error("stream_broke_off", is_known=record is not None)
        await self._worker.store.end_call(CallSid(call_sid), outcome=BROKEN_OFF, at=datetime.now(UTC))
        return self.apology()

    async def _resume(self, broken: CallRecord) -> Stretch | None:
        """Take up a call again, None when that was done too often or for too long."""
        now = datetime.now(UTC)
        left = timedelta(seconds=self._worker.settings.max_call_secs) - SHORTEST_RESUME
        resumes = await self._worker.store.resume_call(broken.call_sid, at_most=MOST_RESUMES, since=now - left)
        if resumes is None:
            return None
        return Stretch(resumes, round((now - broken.started_at).total_seconds()))

    async def whisper(self, call_sid: str) -> str:
        return await self._transfers.whisper(call_sid)

    def key_pressed(self) -> str:
        return self._transfers.key_pressed()

    async def dial_ended(self, call: IncomingCall) -> str:
        follows = await self._transfers.dial_ended(call)
        self._worker.live_calls.dialled(call.call_sid)
        return follows

    async def call_status(self, form: Mapping[str, str]) -> None:
        status = form.get("CallStatus", "")
        log.info("call_status_changed", status=status)
        if status in ("completed", "busy", "failed", "no-answer", "canceled"):
            call_sid = CallSid(form.get("CallSid", ""))
            self._worker.live_calls.over(call_sid)
            await self._worker.store.end_call(call_sid, outcome="caller_hung_up", at=datetime.now(UTC))

    async def text_status(self, outbox_id: str, form: Mapping[str, str]) -> None:
        status, code = form.get("MessageStatus", ""), form.get("ErrorCode", "")
        message_sid = form.get("MessageSid", "")
        if await self._worker.store.message_status(outbox_id, status, message_sid=message_sid, error_code=code):
            metrics.text_status(status)
        log.info("text_status_changed", outbox_id=outbox_id, status=status, code=code)

    async def text_received(self, text: IncomingText) -> None:
        await self._worker.replies.take(text)
        log.info(
            "text_received", message_sid=text.message_sid, opt_out_type=text.opt_out_type or None, pii_body=text.body
        )
