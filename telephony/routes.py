"""The routes that Twilio calls. What they mean for a call is decided behind `PhoneLine`."""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol
from urllib.parse import parse_qsl
from uuid import uuid4

import structlog
from fastapi import APIRouter, HTTPException, Request, Response, WebSocket
from starlette.datastructures import ImmutableMultiDict

from telephony import twiml, twiml_waiting
from telephony.errors import TelephonyError
from telephony.media_stream import CallStart, StreamChecks, accept
from telephony.urls import (
    CALL_BACK_PATH,
    CONNECT_DONE_PATH,
    DIAL_DONE_PATH,
    MEDIA_PATH,
    QUEUE_LEFT_PATH,
    QUEUE_WAIT_PATH,
    SMS_PATH,
    SMS_STATUS_PATH,
    STATUS_PATH,
    VOICE_PATH,
    WHISPER_KEY_PATH,
    WHISPER_PATH,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from datetime import datetime

    from telephony.signature import RequestSignatures
    from telephony.tokens import StreamTokens

log = structlog.get_logger(__name__)

Form = ImmutableMultiDict[str, str]

_LARGEST_FORM_BYTES: Final = 64 * 1024
_MOST_FIELDS: Final = 200
_REMEMBERED_ANSWERS: Final = 1024
_ATTEMPT_HEADER: Final = "i-twilio-idempotency-token"
_CALL_SID: Final = re.compile(r"CA[0-9a-fA-F]{32}")
_MESSAGE_SID: Final = re.compile(r"(?:SM|MM)[0-9a-fA-F]{32}")
_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_WITHHELD: Final = frozenset({"+266696687", "+7378742833", "+2562533", "+8656696", "+86282452253"})
"""How Twilio spells ANONYMOUS, RESTRICTED, BLOCKED, UNKNOWN and UNAVAILABLE on a telephone's keys."""

_FULLY_ATTESTED: Final = "TN-Validation-Passed-A"
"""What the carrier signed was in order, and its claim is the highest one."""

_OPT_OUT_WORDS: Final = {
    "STOP": frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "END", "QUIT", "REVOKE", "OPTOUT", "CANCEL"}),
    "START": frozenset({"START", "UNSTOP", "YES"}),
    "HELP": frozenset({"HELP", "INFO"}),
}


@dataclass(frozen=True, slots=True)
class IncomingCall:
    """A call that rings. `caller` is in E.164, "" when withheld; `parameters` are all that Twilio posted.

    `is_attested` claims that the carrier vouches for the caller's right to the number.
    """

    call_sid: str
    caller: str
    called: str
    is_attested: bool
    parameters: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class IncomingText:
    """A text to us. `opt_out_type` is STOP, START or HELP where Twilio takes it for one of these words, else ""."""

    message_sid: str
    sender: str
    called: str
    body: str
    opt_out_type: str


class PhoneLine(Protocol):
    """What answers the phone. Twilio may deliver any of these twice."""

    async def ringing(self, call: IncomingCall) -> str:
        """Return the TwiML that answers `call`. Nothing slow may happen here: the caller hears it ring."""
        ...

    def apology(self) -> str:
        """Return the TwiML for a call that cannot be answered as it should, whatever went wrong."""
        ...

    async def use_token(self, token_id: str, expires: datetime) -> bool:
        """Record that a stream's token was used; return False when it had been used before."""
        ...

    async def connected(self, websocket: WebSocket, start: CallStart) -> None:
        """Run the call on an open stream to its end."""
        ...

    async def stream_ended(self, call_sid: str, form: Mapping[str, str]) -> str:
        """Return the TwiML that follows the stream of a call."""
        ...

    async def waiting(self, call: IncomingCall) -> str:
        """Return the TwiML that somebody in the queue hears next. It is asked for again when that has been followed."""
        ...

    async def queue_left(self, call: IncomingCall) -> str:
        """Return the TwiML for somebody who has left the queue."""
        ...

    async def call_back_asked(self, call: IncomingCall) -> str:
        """Return the TwiML for somebody who was asked for a key to be called back, or whom nobody answered."""
        ...

    async def whisper(self, call_sid: str) -> str:
        """Return the TwiML for the person who answers for the caller of `call_sid`."""
        ...

    def key_pressed(self) -> str:
        """Return the TwiML for that person once they have pressed a key to take the call."""
        ...

    async def dial_ended(self, call: IncomingCall) -> str:
        """Return the TwiML for a caller who was put through, when that is over."""
        ...

    async def call_status(self, form: Mapping[str, str]) -> None:
        """Take note of a call's new status."""
        ...

    async def text_status(self, outbox_id: str, form: Mapping[str, str]) -> None:
        """Take note of the new status of the text that was sent as `outbox_id`."""
        ...

    async def text_received(self, text: IncomingText) -> None:
        """Take note of a text to us. What is answered goes out later: Twilio waits for this."""
        ...


def build_router(
    *,
    signatures: RequestSignatures,
    tokens: StreamTokens,
    account_sid: str,
    line: PhoneLine,
    start_timeout: timedelta = timedelta(seconds=5),
) -> APIRouter:
    """Return the routes of `line`. An unsigned or forged request gets 403 and starts nothing."""
    router = APIRouter()
    _add_call_routes(router, signatures, line)
    _add_queue_routes(router, signatures, line)
    _add_whisper_routes(router, signatures, line)
    _add_text_routes(router, signatures, line)
    checks = StreamChecks(
        signatures=signatures,
        tokens=tokens,
        account_sid=account_sid,
        use_token=line.use_token,
        start_timeout=start_timeout,
    )

    @router.websocket(MEDIA_PATH)
    async def media(websocket: WebSocket) -> None:
        try:
            start = await accept(websocket, checks=checks)
        except TelephonyError as error:
            log.warning("media_stream_refused", reason=str(error), kind=type(error).__name__)
            return
        with structlog.contextvars.bound_contextvars(call_sid=start.call_sid):
            await line.connected(websocket, start)

    return router


def _add_call_routes(router: APIRouter, signatures: RequestSignatures, line: PhoneLine) -> None:
    answers = _Answers()

    async def answered(delivery: str, make: Callable[[], Awaitable[str]]) -> Response:
        try:
            return _xml(await answers.once(delivery, make))
        except Exception:
            # Without TwiML the caller would hear Twilio say "an application error has occurred".
            log.exception("webhook_failed")
            return _xml(line.apology())

    @router.post(VOICE_PATH)
    async def voice(request: Request) -> Response:
        form = await _signed_form(request, signatures)
        call = incoming_call(form)
        with structlog.contextvars.bound_contextvars(call_sid=call.call_sid):
            return await answered(_delivery(request, call.call_sid), lambda: line.ringing(call))

    @router.post(CONNECT_DONE_PATH)
    async def connect_done(request: Request) -> Response:
        form = await _signed_form(request, signatures)
        call_sid = _call_sid(form)
        with structlog.contextvars.bound_contextvars(call_sid=call_sid):
            return await answered(_one_of_many(request, call_sid), lambda: line.stream_ended(call_sid, form))

    @router.post(DIAL_DONE_PATH)
    async def dial_done(request: Request) -> Response:
        call = incoming_call(await _signed_form(request, signatures))
        with structlog.contextvars.bound_contextvars(call_sid=call.call_sid):
            return await answered(_one_of_many(request, call.call_sid), lambda: line.dial_ended(call))

    @router.post(STATUS_PATH)
    async def status(request: Request) -> Response:
        form = await _signed_form(request, signatures)
        with structlog.contextvars.bound_contextvars(call_sid=_call_sid(form)):
            await line.call_status(form)
        return Response(status_code=204)


def _add_queue_routes(router: APIRouter, signatures: RequestSignatures, line: PhoneLine) -> None:
    """Add what Twilio asks for a call that could not be taken. Each answer holds for its moment: none is remembered."""

    async def answered(
        request: Request,
        answer: Callable[[IncomingCall], Awaitable[str]],
        otherwise: Callable[[], str] = line.apology,
    ) -> Response:
        call = incoming_call(await _signed_form(request, signatures))
        with structlog.contextvars.bound_contextvars(call_sid=call.call_sid):
            try:
                return _xml(await answer(call))
            except Exception:
                log.exception("webhook_failed")
                return _xml(otherwise())

    @router.post(QUEUE_WAIT_PATH)
    async def queue_wait(request: Request) -> Response:
        # Who waits can be put through nowhere: https://www.twilio.com/docs/voice/twiml/enqueue#waiturl
        return await answered(request, line.waiting, twiml_waiting.leave_queue)

    @router.post(QUEUE_LEFT_PATH)
    async def queue_left(request: Request) -> Response:
        return await answered(request, line.queue_left)

    @router.post(CALL_BACK_PATH)
    async def call_back(request: Request) -> Response:
        return await answered(request, line.call_back_asked)


def _add_whisper_routes(router: APIRouter, signatures: RequestSignatures, line: PhoneLine) -> None:
    """Add what Twilio asks for the person who was dialled, whose leg is a call with a sid of its own."""

    @router.post(WHISPER_PATH)
    async def whisper(request: Request) -> Response:
        await _signed_form(request, signatures)
        call_sid = request.query_params.get("call", "")
        with structlog.contextvars.bound_contextvars(call_sid=call_sid):
            return _xml(await line.whisper(call_sid))

    @router.post(WHISPER_KEY_PATH)
    async def whisper_key(request: Request) -> Response:
        await _signed_form(request, signatures)
        return _xml(line.key_pressed())


def _add_text_routes(router: APIRouter, signatures: RequestSignatures, line: PhoneLine) -> None:
    @router.post(SMS_PATH)
    async def sms(request: Request) -> Response:
        form = await _signed_form(request, signatures)
        await line.text_received(_incoming_text(form))
        return _xml(twiml.no_reply())

    @router.post(SMS_STATUS_PATH)
    async def sms_status(request: Request) -> Response:
        form = await _signed_form(request, signatures)
        await line.text_status(request.query_params.get("o", ""), form)
        return Response(status_code=204)


@dataclass(slots=True)
class _Answer:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    twiml: str | None = None


class _Answers:
    """The TwiML already given, so that a webhook delivered twice gets the same answer and acts once."""

    def __init__(self) -> None:
        self._answers: OrderedDict[str, _Answer] = OrderedDict()

    async def once(self, delivery: str, make: Callable[[], Awaitable[str]]) -> str:
        answer = self._answers.setdefault(delivery, _Answer())
        if len(self._answers) > _REMEMBERED_ANSWERS:
            self._answers.popitem(last=False)
        async with answer.lock:
            if answer.twiml is None:
                answer.twiml = await make()
            return answer.twiml


def _delivery(request: Request, call_sid: str) -> str:
    """Name what Twilio delivers; its own token is the same each time it tries."""
    return f"{request.scope['path']} {request.headers.get(_ATTEMPT_HEADER, '')} {call_sid}"


def _one_of_many(request: Request, call_sid: str) -> str:
    """Name a delivery of what may happen again in the same call: without Twilio's token each counts as a new one."""
    return _delivery(request, call_sid) if request.headers.get(_ATTEMPT_HEADER) else uuid4().hex


async def _signed_form(request: Request, signatures: RequestSignatures) -> Form:
    form = _fields(await _body(request))
    path = request.scope["path"]  # not request.url, which is built from the Host header
    query = request.scope["query_string"].decode("latin-1")
    if not signatures.webhook_is_signed(path, query, form, request.headers.get("x-twilio-signature")):
        log.warning("webhook_refused", path=path)
        raise HTTPException(403, "not signed by Twilio")
    return form


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST_FORM_BYTES:
            raise HTTPException(413, "the form is too large")
    return bytes(body)


def _fields(body: bytes) -> Form:
    try:
        return ImmutableMultiDict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS))
    except ValueError:
        raise HTTPException(400, "not a form of Twilio's") from None


def _incoming_text(form: Form) -> IncomingText:
    message_sid, body = form.get("MessageSid", ""), form.get("Body", "")
    if not _MESSAGE_SID.fullmatch(message_sid):
        raise HTTPException(400, "the form names no text")
    opt_out_type = form.get("OptOutType") or _opt_out_type(body)
    return IncomingText(message_sid, form.get("From", ""), form.get("To", ""), body, opt_out_type)


def _opt_out_type(body: str) -> str:
    """Return what Twilio takes the text for; it says so itself only where Advanced Opt-Out is on."""
    word = body.strip().upper()
    return next((kind for kind, words in _OPT_OUT_WORDS.items() if word in words), "")


def incoming_call(form: Mapping[str, str]) -> IncomingCall:
    """Return the call that a form of Twilio's is about."""
    caller = form.get("From", "")
    is_known = bool(_E164.fullmatch(caller)) and caller not in _WITHHELD
    return IncomingCall(
        _call_sid(form),
        caller if is_known else "",
        form.get("To", ""),
        is_attested=is_known and form.get("StirVerstat") == _FULLY_ATTESTED,
        parameters=form,
    )


def _call_sid(form: Mapping[str, str]) -> str:
    call_sid = form.get("CallSid", "")
    if not _CALL_SID.fullmatch(call_sid):
        raise HTTPException(400, "the form names no call")
    return call_sid


def _xml(answer: str) -> Response:
    return Response(answer, media_type="text/xml")
