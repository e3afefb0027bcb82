"""What answers the phone: decides which calls are taken and what follows a stream."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from agent.call import run_call
from agent.jobs import BROKEN_OFF, longest_call
from appointments.model import CallSid
from telephony import twiml
from telephony.media_stream import FULL_ATTESTATION
from telephony.urls import PublicUrls

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fastapi import WebSocket

    from agent.bootstrap import Worker
    from telephony.media_stream import CallStart
    from telephony.routes import IncomingCall
    from telephony.tokens import StreamTokens

log = structlog.get_logger(__name__)

MOST_CALLS_PER_CALLER = 2
BROKEN_OUTCOMES = ("crashed", BROKEN_OFF)
BUSY = "You already have a call open with us. Please use that one, or call again when it has ended."
BROKEN = "I'm sorry, we were cut off by a problem on our side."


class Line:
    """One worker's phone line."""

    def __init__(self, worker: Worker, tokens: StreamTokens) -> None:
        self._worker = worker
        self._tokens = tokens
        self._urls = PublicUrls(worker.settings.public_base_url)

    async def ringing(self, call: IncomingCall) -> str:
        for action in self._worker.desk.business.actions:
            self._worker.service.prefetch(action)
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
            log.warning("call_refused", reason="too many calls of one caller")
            return twiml.refuse(BUSY)
        log.info("call_answered", pii_caller=call.caller)
        parameters = {"caller": call.caller, "called": call.called}
        if call.is_attested:
            parameters["attestation"] = FULL_ATTESTATION
        return twiml.answer_with_stream(
            media_url=self._urls.media,
            action_url=self._urls.connect_done,
            parameters={**parameters, "token": self._tokens.mint(call.call_sid, parameters)},
        )

    async def use_token(self, token_id: str, expires: datetime) -> bool:
        return await self._worker.store.use_token(token_id, expires=expires)

    async def connected(self, websocket: WebSocket, start: CallStart) -> None:
        try:
            await run_call(self._worker, websocket, start)
        except Exception:
            log.exception("call_failed")

    def apology(self) -> str:
        return twiml.apologise(BROKEN, self._worker.desk.business.fallback_number)

    async def stream_ended(self, call_sid: str, form: Mapping[str, str]) -> str:
        record = await self._worker.store.call(CallSid(call_sid))
        if record is not None and record.ended_at is not None and record.outcome not in BROKEN_OUTCOMES:
            return twiml.hang_up()
        if form.get("CallStatus") == "completed":
            # The caller hung up; their last words may still be acted on.
            return twiml.hang_up()
        log.error("stream_broke_off", is_known=record is not None)
        await self._worker.store.end_call(CallSid(call_sid), outcome=BROKEN_OFF, at=datetime.now(UTC))
        return self.apology()

    async def call_status(self, form: Mapping[str, str]) -> None:
        status = form.get("CallStatus", "")
        log.info("call_status_changed", status=status)
        if status in ("completed", "busy", "failed", "no-answer", "canceled"):
            call_sid = CallSid(form.get("CallSid", ""))
            await self._worker.store.end_call(call_sid, outcome="caller_hung_up", at=datetime.now(UTC))

    async def text_status(self, outbox_id: str, form: Mapping[str, str]) -> None:
        status, code = form.get("MessageStatus", ""), form.get("ErrorCode", "")
        await self._worker.store.text_status(outbox_id, status, message_sid=form.get("MessageSid", ""), error_code=code)
        log.info("text_status_changed", outbox_id=outbox_id, status=status, code=code)

    async def text_received(self, sender: str, body: str, opt_out_type: str | None) -> None:
        if opt_out_type == "STOP":
            await self._worker.store.opt_out(sender)
        elif opt_out_type == "START":
            await self._worker.store.opt_in(sender)
        log.info("text_received", opt_out_type=opt_out_type, pii_body=body)
