"""A caller who is put through to a person: what they hear, who is dialled, and what follows when nobody takes it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from agent import phrases
from agent.jobs import longest_call
from agent.spoken_forms import spoken
from agent.stretch import Stretch
from appointments.model import CallSid
from telephony import twiml
from telephony.routes import IncomingCall
from tools.resuming import take_up

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from agent.bootstrap import Worker
    from agent.conversation import Conversation
    from appointments.store.records import CallRecord
    from telephony.urls import PublicUrls
    from tools.session import BookingSession

log = structlog.get_logger(__name__)

TRANSFERRED: Final = "transferred"
"""The outcome of a call that a person takes over. It is over for the agent, and for nobody else: do not hang up."""
RETURNED: Final = "returned"
"""The stream parameter that says how the dialling ended, on the stream of a caller who comes back from it."""
TAKE_IT: Final = "Press one to take the call."
UNTOLD: Final = "A caller is on the line."
"""Said in place of a summary that cannot be read."""
NOT_TAKEN: Final = (
    "The caller asked for a person, and nobody took the call. They are back with you, have just been told so, and were "
    "asked whether somebody shall call them back: request_callback. Do not greet them again, and ask for nothing that "
    "was answered below."
)
NOBODY_EVER: Final = "I'm sorry, nobody could take your call. Please call again a little later. Goodbye."
MOST_STRETCHES: Final = 5
"""How many streams one call may have, whatever parted them."""


async def watch_transfer(conversation: Conversation) -> None:
    """Let the call leave us once a tool has put the caller through and they have heard so."""
    session = conversation.session
    while True:
        await session.putting_through.wait()
        conversation.watchdog.switch_off()
        await conversation.watchdog.last_answer_finished()
        if not session.putting_through.is_set():  # the tool has failed since
            conversation.watchdog.switch_on()
            continue
        if not conversation.watchdog.is_answer_cut:
            # When it cannot be said the caller hears the phone ring, which says it too.
            await conversation.mouth.say(phrases.PUTTING_THROUGH)
        if await conversation.is_heard_out(session.putting_through):
            await conversation.end("", outcome=TRANSFERRED)
            return


async def take_back(session: BookingSession) -> None:
    """Let the session of a caller whom nobody took know of it, and of all that was before."""
    session.was_unanswered = True
    await take_up(session, why=NOT_TAKEN)


class Transfers:
    """What Twilio is told about a caller who is put through.

    Args:
        connect: Returns the TwiML that connects a call to a stream with these parameters more.
    """

    def __init__(self, worker: Worker, urls: PublicUrls, connect: Callable[[IncomingCall, Mapping[str, str]], str]):
        self._worker = worker
        self._urls = urls
        self._connect = connect

    async def dial(self, record: CallRecord) -> str:
        """Dial the person for a call whose stream has ended as transferred."""
        business = self._worker.desk.business
        if business.transfer_number is None:
            log.warning("transfer_without_number", hint="the business file was edited in these seconds")
            call = IncomingCall(record.call_sid, record.caller or "", record.called, is_attested=False, parameters={})
            return await self._back(call, "failed")
        log.info("transfer_dialled")
        return twiml.put_through(
            number=business.transfer_number,
            caller_id=record.caller or business.number,
            whisper_url=self._urls.whisper(record.call_sid),
            action_url=self._urls.dial_done,
        )

    async def whisper(self, call_sid: str) -> str:
        """Tell the person who answers who is on the line and what for, before they hear each other."""
        try:
            record = await self._worker.store.call(CallSid(call_sid))
        except SQLAlchemyError:
            log.exception("handover_not_read")
            record = None
        return twiml.whisper(what_is_told(record), ask=TAKE_IT, key_url=self._urls.whisper_key)

    def key_pressed(self) -> str:
        """Let caller and person hear each other: any key shows that it is no machine that answered."""
        return twiml.bridge()

    async def dial_ended(self, call: IncomingCall) -> str:
        """Hang up when they have talked; else the caller comes back to the agent."""
        status = call.parameters.get("DialCallStatus", "")
        # An answering machine completes the call to it, without ever being bridged to the caller.
        is_taken = status == "completed" and call.parameters.get("DialBridged") != "false"
        log.info("transfer_ended", status=status, is_taken=is_taken)
        if is_taken or call.parameters.get("CallStatus") == "completed":
            return twiml.hang_up()
        return await self._back(call, status or "failed")

    async def _back(self, call: IncomingCall, status: str) -> str:
        now, call_sid = datetime.now(UTC), CallSid(call.call_sid)
        record = await self._worker.store.call(call_sid)
        since = now - longest_call(self._worker.settings.max_call_secs)
        resumes = await self._worker.store.resume_call(call_sid, at_most=MOST_STRETCHES, since=since)
        if record is None or resumes is None:
            return twiml.refuse(NOBODY_EVER)
        stretch = Stretch(resumes, elapsed_secs=round((now - record.started_at).total_seconds()))
        return self._connect(call, {**stretch.parameters, RETURNED: status})


def what_is_told(record: CallRecord | None) -> str:
    """Return what the person who answers hears first."""
    return spoken(record.handover) if record and record.handover else UNTOLD
