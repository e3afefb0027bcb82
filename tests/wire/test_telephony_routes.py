"""Twilio's routes on a real server: what is signed is answered, what is not starts nothing."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import httpx
import pytest
import structlog
import uvicorn
from fastapi import FastAPI
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]  # the package ships no types
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from simulator.faults import FaultBoard
from simulator.twilio import build_app
from simulator.world import Credentials, run_app
from telephony import twiml, twiml_waiting
from telephony.media_stream import MAX_FRAME_BYTES, CallStart, KeyPressed, MediaStream
from telephony.messages import Messages
from telephony.rest import TwilioRest
from telephony.routes import IncomingCall, IncomingText, build_router
from telephony.signature import RequestSignatures
from telephony.tokens import StreamTokens
from telephony.urls import PublicUrls

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping, MutableMapping

    from fastapi import WebSocket
    from websockets.asyncio.client import ClientConnection

    from telephony.media_stream import StreamStopped

AUTH_TOKEN = "0123456789abcdef0123456789abcdef"
ACCOUNT_SID = "AC" + "a" * 32
CALL_SID = "CA" + "1" * 32
MESSAGE_SID = "SM" + "5" * 32
STREAM_SID = "MZ" + "2" * 32
CALLER = "+14155550123"
CALLED = "+14155550100"
DEADLINE_SECS = 5


class Line:
    """A phone line that notes what it was told, and reads its streams."""

    def __init__(self, urls: PublicUrls, tokens: StreamTokens) -> None:
        self._urls = urls
        self._tokens = tokens
        self._used: set[str] = set()
        self.crashes = 0
        self.rang: list[IncomingCall] = []
        self.starts: list[CallStart] = []
        self.read: asyncio.Queue[bytes | KeyPressed | StreamStopped] = asyncio.Queue()
        self.played: asyncio.Queue[bool] = asyncio.Queue()
        self.ended: list[tuple[str, dict[str, str]]] = []
        self.dialled: list[IncomingCall] = []
        self.statuses: list[dict[str, str]] = []
        self.text_statuses: list[tuple[str, dict[str, str]]] = []
        self.texts: list[IncomingText] = []
        self.waited: list[IncomingCall] = []

    async def ringing(self, call: IncomingCall) -> str:
        self._crash_perhaps()
        self.rang.append(call)
        parameters = {"caller": call.caller, "called": call.called}
        token = self._tokens.mint(call.call_sid, parameters)
        return twiml.answer_with_stream(
            media_url=self._urls.media, action_url=self._urls.connect_done, parameters={**parameters, "token": token}
        )

    async def use_token(self, token_id: str, expires: datetime) -> bool:
        is_new = token_id not in self._used
        self._used.add(token_id)
        return is_new

    async def connected(self, websocket: WebSocket, start: CallStart) -> None:
        self.starts.append(start)
        stream = MediaStream(start, on_flood=lambda: None)
        played = asyncio.Event()
        await websocket.send_text(stream.mark(played.set))
        while (message := await websocket.receive())["type"] != "websocket.disconnect":
            if (read := stream.read(message.get("text") or message["bytes"])) is not None:
                self.read.put_nowait(read)
        self.played.put_nowait(played.is_set())

    async def stream_ended(self, call_sid: str, form: Mapping[str, str]) -> str:
        self._crash_perhaps()
        self.ended.append((call_sid, dict(form)))
        return twiml.hang_up()

    async def waiting(self, call: IncomingCall) -> str:
        self._crash_perhaps()
        self.waited.append(call)
        return twiml_waiting.wait("Please hold.")

    async def queue_left(self, call: IncomingCall) -> str:
        self._crash_perhaps()
        self.waited.append(call)
        return twiml.hang_up()

    async def call_back_asked(self, call: IncomingCall) -> str:
        self._crash_perhaps()
        self.waited.append(call)
        return twiml.hang_up()

    def apology(self) -> str:
        return twiml.apologise("I'm sorry.", "+14155550199")

    def _crash_perhaps(self) -> None:
        if self.crashes:
            self.crashes -= 1
            raise RuntimeError("boom")

    async def whisper(self, call_sid: str) -> str:
        return twiml.whisper(f"About {call_sid}.", ask="Press one.", key_url=self._urls.whisper_key)

    def key_pressed(self) -> str:
        return twiml.bridge()

    async def dial_ended(self, call: IncomingCall) -> str:
        self._crash_perhaps()
        self.dialled.append(call)
        return twiml.hang_up()

    async def call_status(self, form: Mapping[str, str]) -> None:
        self.statuses.append(dict(form))

    async def text_status(self, outbox_id: str, form: Mapping[str, str]) -> None:
        self.text_statuses.append((outbox_id, dict(form)))

    async def text_received(self, text: IncomingText) -> None:
        self.texts.append(text)


@dataclass
class Twilio:
    """What Twilio does: signed posts and signed upgrades."""

    urls: PublicUrls
    line: Line
    tokens: StreamTokens
    http: httpx.AsyncClient
    validator: Any = field(default_factory=lambda: RequestValidator(AUTH_TOKEN))

    async def post(
        self, path: str, form: Mapping[str, str], *, query: str = "", headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        url = self.urls.webhook(path, query)
        signature = self.validator.compute_signature(url, form)
        return await self.http.post(url, data=dict(form), headers={"X-Twilio-Signature": signature, **(headers or {})})

    def upgrade(self, signature: str | None = None) -> connect:
        signature = signature or self.validator.compute_signature(self.urls.media, {})
        return connect(self.urls.media, additional_headers={"X-Twilio-Signature": signature})


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_SECS):
        while not is_so():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def serving(app: FastAPI, listener: socket.socket) -> AsyncIterator[None]:
    config = uvicorn.Config(
        app, ws="websockets-sansio", ws_max_size=MAX_FRAME_BYTES, lifespan="off", log_config=None, access_log=False
    )
    server = uvicorn.Server(config)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(server.serve(sockets=[listener]))
        await until(lambda: server.started)
        try:
            yield
        finally:
            server.should_exit = True


@pytest.fixture
async def twilio() -> AsyncIterator[Twilio]:
    listener = socket.create_server(("127.0.0.1", 0))
    base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    tokens = StreamTokens(b"a secret of the streams", clock=lambda: datetime.now(UTC))
    line = Line(PublicUrls(base_url), tokens)
    app = FastAPI()
    app.include_router(
        build_router(
            signatures=RequestSignatures([AUTH_TOKEN], base_url),
            tokens=tokens,
            account_sid=ACCOUNT_SID,
            line=line,
            start_timeout=timedelta(seconds=0.3),
        )
    )
    async with serving(app, listener), httpx.AsyncClient(trust_env=False) as http:
        yield Twilio(PublicUrls(base_url), line, tokens, http)


@pytest.fixture
def logged() -> Iterator[list[MutableMapping[str, Any]]]:
    with structlog.testing.capture_logs() as logs:
        yield logs


def voice_form(**fields: str) -> dict[str, str]:
    return {"CallSid": CALL_SID, "AccountSid": ACCOUNT_SID, "From": CALLER, "To": CALLED} | fields


PARAMETERS = {"caller": CALLER, "called": CALLED}
CONNECTED = json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"})


def start_message(token: str, **fields: object) -> str:
    start = {
        "streamSid": STREAM_SID,
        "accountSid": ACCOUNT_SID,
        "callSid": CALL_SID,
        "tracks": ["inbound"],
        "customParameters": {**PARAMETERS, "token": token},
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
    } | fields
    return json.dumps({"event": "start", "sequenceNumber": "1", "streamSid": STREAM_SID, "start": start})


async def open_stream(twilio: Twilio, stream: ClientConnection) -> dict[str, Any]:
    """Start a proper stream and return its first message to Twilio: the mark of the greeting."""
    await stream.send(CONNECTED)
    await stream.send(start_message(twilio.tokens.mint(CALL_SID, PARAMETERS)))
    return dict(json.loads(await asyncio.wait_for(stream.recv(), DEADLINE_SECS)))


async def closed_with(stream: ClientConnection) -> int:
    with pytest.raises(ConnectionClosed) as closed:
        await asyncio.wait_for(stream.recv(), DEADLINE_SECS)
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code


async def test_a_signed_call_is_answered_with_a_stream(twilio: Twilio) -> None:
    answer = await twilio.post("/twilio/voice", voice_form(StirVerstat="TN-Validation-Passed-A"))
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/xml")
    assert f'<Stream url="{twilio.urls.media}">' in answer.text
    [call] = twilio.line.rang
    assert (call.call_sid, call.caller, call.called) == (CALL_SID, CALLER, CALLED)
    assert call.parameters["StirVerstat"] == "TN-Validation-Passed-A"


@pytest.mark.parametrize("withheld", ["anonymous", "", "+266696687", "sip:someone@example.com", "Restricted"])
async def test_a_withheld_number_is_none(twilio: Twilio, withheld: str) -> None:
    await twilio.post("/twilio/voice", voice_form(From=withheld))
    assert [call.caller for call in twilio.line.rang] == [""]


async def test_a_webhook_delivered_twice_gets_the_same_answer_and_rings_once(twilio: Twilio) -> None:
    answers = await asyncio.gather(*(twilio.post("/twilio/voice", voice_form()) for _ in range(2)))
    assert answers[0].text == answers[1].text
    assert len(twilio.line.rang) == 1


@pytest.mark.parametrize("path", ["voice", "connect-done"])
async def test_what_goes_wrong_is_an_apology_and_the_next_delivery_is_tried_anew(
    twilio: Twilio, logged: list[MutableMapping[str, Any]], path: str
) -> None:
    twilio.line.crashes = 1

    answers = [await twilio.post(f"/twilio/{path}", voice_form()) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].headers["content-type"].startswith("text/xml")
    assert answers[0].text == twilio.line.apology()
    assert len(twilio.line.rang) + len(twilio.line.ended) == 1
    assert answers[1].text != twilio.line.apology()
    assert [each["log_level"] for each in logged if each["event"] == "webhook_failed"] == ["error"]


async def test_the_whisper_is_about_the_call_that_its_address_names(twilio: Twilio) -> None:
    answer = await twilio.post("/twilio/whisper", voice_form(CallSid="CA" + "9" * 32), query=f"call={CALL_SID}")

    assert f"About {CALL_SID}." in answer.text
    assert f'action="{twilio.urls.whisper_key}"' in answer.text
    assert twilio.urls.whisper(CALL_SID).endswith(f"/twilio/whisper?call={CALL_SID}")


async def test_a_whisper_for_another_call_than_was_signed_tells_nothing(twilio: Twilio) -> None:
    url = twilio.urls.whisper(CALL_SID)
    signature = twilio.validator.compute_signature(url.replace("1", "2"), voice_form())

    answer = await twilio.http.post(url, data=voice_form(), headers={"X-Twilio-Signature": signature})

    assert answer.status_code == 403


async def test_a_key_bridges_the_call(twilio: Twilio) -> None:
    answer = await twilio.post("/twilio/whisper-key", voice_form(Digits="1"))

    assert answer.text.endswith("<Response />")


async def test_the_end_of_a_dial_is_told_once_however_often_it_is_delivered(twilio: Twilio) -> None:
    form, token = voice_form(DialCallStatus="no-answer"), {"I-Twilio-Idempotency-Token": "one"}

    answers = await asyncio.gather(*(twilio.post("/twilio/dial-done", form, headers=token) for _ in range(2)))

    assert answers[0].text == answers[1].text
    (call,) = twilio.line.dialled
    assert (call.call_sid, call.caller, call.parameters["DialCallStatus"]) == (CALL_SID, CALLER, "no-answer")


@pytest.mark.parametrize("path", ["whisper", "whisper-key", "dial-done"])
async def test_what_is_not_signed_puts_nobody_through(twilio: Twilio, path: str) -> None:
    answer = await twilio.http.post(twilio.urls.webhook(f"/twilio/{path}"), data=voice_form(DialCallStatus="busy"))

    assert answer.status_code == 403
    assert twilio.line.dialled == []


@pytest.mark.parametrize("path", ["queue-wait", "queue-left", "call-back"])
async def test_what_a_waiting_caller_hears_is_asked_for_anew_each_time(twilio: Twilio, path: str) -> None:
    form, token = voice_form(QueuePosition="2"), {"I-Twilio-Idempotency-Token": "one"}

    answers = [await twilio.post(f"/twilio/{path}", form, headers=token) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert [call.parameters["QueuePosition"] for call in twilio.line.waited] == ["2", "2"]


async def test_a_caller_leaves_the_queue_when_nothing_can_be_told_there(
    twilio: Twilio, logged: list[MutableMapping[str, Any]]
) -> None:
    twilio.line.crashes = 1

    answer = await twilio.post("/twilio/queue-wait", voice_form())

    # What puts an apology through to another number is nothing that Twilio takes there.
    assert answer.text.endswith("<Response><Leave /></Response>")
    assert "webhook_failed" in [each["event"] for each in logged]


@pytest.mark.parametrize("path", ["queue-left", "call-back"])
async def test_a_caller_behind_the_queue_hears_an_apology_when_all_goes_wrong(
    twilio: Twilio, logged: list[MutableMapping[str, Any]], path: str
) -> None:
    twilio.line.crashes = 1

    answer = await twilio.post(f"/twilio/{path}", voice_form())

    assert answer.text == twilio.line.apology()
    assert "webhook_failed" in [each["event"] for each in logged]


@pytest.mark.parametrize("path", ["queue-wait", "queue-left", "call-back"])
async def test_what_is_not_signed_waits_for_nothing(twilio: Twilio, path: str) -> None:
    answer = await twilio.http.post(twilio.urls.webhook(f"/twilio/{path}"), data=voice_form())

    assert (answer.status_code, twilio.line.waited) == (403, [])


async def test_streams_of_one_call_that_end_one_after_the_other_are_told_apart(twilio: Twilio) -> None:
    for _ in range(2):
        await twilio.post("/twilio/connect-done", voice_form())
    for _ in range(2):
        await twilio.post("/twilio/connect-done", voice_form(), headers={"I-Twilio-Idempotency-Token": "one"})

    assert len(twilio.line.ended) == 3


async def test_two_deliveries_with_tokens_of_their_own_are_two(twilio: Twilio) -> None:
    for token in ("one", "two"):
        await twilio.post("/twilio/voice", voice_form(), headers={"I-Twilio-Idempotency-Token": token})
    assert len(twilio.line.rang) == 2


@pytest.mark.parametrize("signature", [None, "AAAAAAAAAAAAAAAAAAAAAAAAAAA="])
@pytest.mark.parametrize("path", ["voice", "status", "connect-done", "sms", "sms-status"])
async def test_an_unsigned_or_forged_webhook_starts_nothing(twilio: Twilio, path: str, signature: str | None) -> None:
    headers = {"X-Twilio-Signature": signature} if signature else {}
    answer = await twilio.http.post(twilio.urls.webhook(f"/twilio/{path}"), data=voice_form(), headers=headers)
    assert answer.status_code == 403
    line = twilio.line
    assert [*line.rang, *line.statuses, *line.ended, *line.texts, *line.text_statuses] == []


async def test_a_signature_over_a_forged_host_is_refused(twilio: Twilio) -> None:
    form = voice_form()
    signature = twilio.validator.compute_signature("https://evil.example.com/twilio/voice", form)
    headers = {
        "X-Twilio-Signature": signature,
        "Host": "evil.example.com",
        "X-Forwarded-Host": "evil.example.com",
        "X-Forwarded-Proto": "https",
    }
    answer = await twilio.http.post(twilio.urls.webhook("/twilio/voice"), data=form, headers=headers)
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("fields", "is_attested"),
    [
        ({"StirVerstat": "TN-Validation-Passed-A"}, True),
        ({"StirVerstat": "TN-Validation-Passed-B"}, False),
        ({"StirVerstat": "TN-Validation-Passed-A-Diverted"}, False),
        ({"StirVerstat": "TN-Validation-Failed-A"}, False),
        ({"StirVerstat": "No-TN-Validation"}, False),
        ({}, False),
        ({"StirVerstat": "TN-Validation-Passed-A", "From": "+266696687"}, False),
    ],
    ids=["full", "partial", "diverted", "failed", "none", "not told", "of a withheld number"],
)
async def test_only_full_attestation_of_a_number_counts(
    twilio: Twilio, fields: dict[str, str], is_attested: bool
) -> None:
    await twilio.post("/twilio/voice", voice_form(**fields))

    assert [call.is_attested for call in twilio.line.rang] == [is_attested]


async def test_a_form_that_is_too_large_is_refused(twilio: Twilio) -> None:
    answer = await twilio.post("/twilio/voice", voice_form(Note="x" * 70_000))
    assert answer.status_code == 413
    assert twilio.line.rang == []


@pytest.mark.parametrize("body", [b"\xff\xfe", "&".join(f"a{n}=1" for n in range(500)).encode()])
async def test_a_form_that_is_none_of_twilios_is_refused(twilio: Twilio, body: bytes) -> None:
    answer = await twilio.http.post(twilio.urls.webhook("/twilio/voice"), content=body)
    assert answer.status_code == 400


async def test_a_signed_form_without_a_call_is_refused(twilio: Twilio) -> None:
    answer = await twilio.post("/twilio/voice", voice_form(CallSid="../../etc"))
    assert answer.status_code == 400


async def test_what_follows_the_stream_is_asked_of_the_line(twilio: Twilio) -> None:
    answer = await twilio.post("/twilio/connect-done", voice_form(CallStatus="in-progress"))
    assert "<Hangup />" in answer.text
    assert [call_sid for call_sid, _ in twilio.line.ended] == [CALL_SID]


async def test_the_status_of_a_call_reaches_the_line(twilio: Twilio) -> None:
    answer = await twilio.post("/twilio/status", voice_form(CallStatus="completed"))
    assert answer.status_code == 204
    assert [form["CallStatus"] for form in twilio.line.statuses] == ["completed"]


async def test_the_status_of_a_text_names_our_reference(twilio: Twilio) -> None:
    form = {"MessageSid": "SM" + "4" * 32, "MessageStatus": "delivered"}
    answer = await twilio.post("/twilio/sms-status", form, query=urlencode({"o": "outbox/7"}))
    assert answer.status_code == 204
    assert twilio.line.text_statuses == [("outbox/7", form)]


async def test_the_stand_in_reports_the_delivery_of_a_text_to_us(twilio: Twilio) -> None:
    credentials = replace(Credentials.generate(), twilio_auth_token=AUTH_TOKEN)
    runner, url = await run_app(build_app(credentials, FaultBoard("twilio")), 0)
    await twilio.http.post(f"{url}/control/world", json={"worker_url": twilio.urls.public_base_url})
    rest = TwilioRest(
        account_sid=credentials.twilio_account_sid,
        username=credentials.twilio_api_key_sid,
        password=credentials.twilio_api_key_secret,
        base_url=url,
        timeout=timedelta(seconds=DEADLINE_SECS),
    )
    messages = Messages(rest, from_=CALLED, status_callback_base=twilio.urls.public_base_url)
    message_sid = await messages.send(CALLER, "You are booked.", "outbox 7&o=8")
    reported = twilio.line.text_statuses
    await until(lambda: any(form["MessageStatus"] == "delivered" for _, form in reported))
    assert {(reference, form["MessageSid"]) for reference, form in reported} == {("outbox 7&o=8", message_sid)}
    await rest.aclose()
    await runner.cleanup()


async def test_a_reference_that_was_not_signed_is_refused(twilio: Twilio) -> None:
    form = {"MessageSid": "SM" + "4" * 32, "MessageStatus": "delivered"}
    signature = twilio.validator.compute_signature(twilio.urls.sms_status("7"), form)
    headers = {"X-Twilio-Signature": signature}
    answer = await twilio.http.post(twilio.urls.sms_status("8"), data=form, headers=headers)
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"Body": "whatever", "OptOutType": "STOP"}, "STOP"),
        ({"Body": " Stop\n"}, "STOP"),
        ({"Body": "unstop"}, "START"),
        ({"Body": "help"}, "HELP"),
        ({"Body": "please stop by at two"}, ""),
        ({"Body": "Yes"}, "START"),
        ({"Body": "c"}, ""),
        ({"Body": ""}, ""),
    ],
)
async def test_a_text_to_us_is_heard_and_not_replied_to(twilio: Twilio, fields: dict[str, str], expected: str) -> None:
    answer = await twilio.post("/twilio/sms", {"MessageSid": MESSAGE_SID, "From": CALLER, "To": CALLED} | fields)
    assert "<Message" not in answer.text
    assert twilio.line.texts == [IncomingText(MESSAGE_SID, CALLER, CALLED, fields["Body"], expected)]


@pytest.mark.parametrize("message_sid", ["", "SM1", "CA" + "4" * 32])
async def test_a_text_without_a_name_is_malformed(twilio: Twilio, message_sid: str) -> None:
    answer = await twilio.post("/twilio/sms", {"MessageSid": message_sid, "From": CALLER, "To": CALLED, "Body": "C"})
    assert answer.status_code == 400
    assert twilio.line.texts == []


async def test_a_stream_brings_its_call(twilio: Twilio) -> None:
    async with twilio.upgrade() as stream:
        mark = await open_stream(twilio, stream)
        await stream.send(json.dumps(mark))
    assert await asyncio.wait_for(twilio.line.played.get(), DEADLINE_SECS) is True
    start = CallStart(CALL_SID, STREAM_SID, ACCOUNT_SID, CALLER, CALLED, is_attested=False, parameters=PARAMETERS)
    assert twilio.line.starts == [start]


async def test_a_stream_tells_that_the_carrier_vouches_for_the_caller(twilio: Twilio) -> None:
    attested = {**PARAMETERS, "attestation": "A"}
    token = twilio.tokens.mint(CALL_SID, attested)
    async with twilio.upgrade() as stream:
        await stream.send(CONNECTED)
        await stream.send(start_message(token, customParameters={**attested, "token": token}))
        await asyncio.wait_for(stream.recv(), DEADLINE_SECS)
    assert [start.is_attested for start in twilio.line.starts] == [True]


async def test_what_the_carrier_vouches_for_cannot_be_forged_on_the_websocket(twilio: Twilio) -> None:
    token = twilio.tokens.mint(CALL_SID, PARAMETERS)
    async with twilio.upgrade() as stream:
        await stream.send(CONNECTED)
        forged = {**PARAMETERS, "attestation": "A", "token": token}
        await stream.send(start_message(token, customParameters=forged))
        assert await closed_with(stream) == 1008
    assert twilio.line.starts == []


async def test_a_mark_that_never_comes_back_was_not_played(twilio: Twilio) -> None:
    async with twilio.upgrade() as stream:
        await open_stream(twilio, stream)
    assert await asyncio.wait_for(twilio.line.played.get(), DEADLINE_SECS) is False


@pytest.mark.parametrize("signature", ["", "AAAAAAAAAAAAAAAAAAAAAAAAAAA="])
async def test_an_unsigned_or_forged_upgrade_is_denied(twilio: Twilio, signature: str) -> None:
    with pytest.raises(InvalidStatus) as denied:
        await connect(twilio.urls.media, additional_headers={"X-Twilio-Signature": signature})
    assert denied.value.response.status_code == 403
    assert twilio.line.starts == []


async def test_a_stream_that_never_starts_is_closed_in_time(twilio: Twilio) -> None:
    async with twilio.upgrade() as stream:
        await stream.send(CONNECTED)
        assert await closed_with(stream) == 1008
    assert twilio.line.starts == []


async def test_a_stream_that_leaves_before_it_starts_is_forgotten(
    twilio: Twilio, logged: list[MutableMapping[str, Any]]
) -> None:
    async with twilio.upgrade() as stream:
        await stream.send(CONNECTED)
    await until(lambda: bool(logged))
    assert [entry["event"] for entry in logged] == ["media_stream_refused"]


async def test_a_replayed_token_is_refused(twilio: Twilio) -> None:
    token = twilio.tokens.mint(CALL_SID, PARAMETERS)
    async with twilio.upgrade() as first, twilio.upgrade() as second:
        await first.send(CONNECTED)
        await first.send(start_message(token))
        await asyncio.wait_for(first.recv(), DEADLINE_SECS)
        await second.send(CONNECTED)
        await second.send(start_message(token))
        assert await closed_with(second) == 1008
    assert len(twilio.line.starts) == 1


async def test_the_token_of_another_call_is_refused(twilio: Twilio) -> None:
    async with twilio.upgrade() as stream:
        await stream.send(CONNECTED)
        await stream.send(start_message(twilio.tokens.mint("CA" + "9" * 32, PARAMETERS)))
        assert await closed_with(stream) == 1008
    assert twilio.line.starts == []


async def test_a_refusal_logs_neither_token_nor_number(twilio: Twilio, logged: list[MutableMapping[str, Any]]) -> None:
    async with twilio.upgrade() as stream:
        await stream.send(CONNECTED)
        await stream.send(start_message("secret-token"))
        assert await closed_with(stream) == 1008
    assert "secret-token" not in str(logged)
    assert CALLER not in str(logged)


@pytest.mark.parametrize(
    "messages",
    [
        ["not json"],
        [b"\x00"],
        [CONNECTED, CONNECTED],
        [CONNECTED, "[" * 50_000],
        [CONNECTED, json.dumps({"event": "start"})],
        [CONNECTED, json.dumps({"event": "start", "start": {"callSid": "CA1"}})],
        [CONNECTED, start_message("x", callSid="../Calls")],
        [CONNECTED, start_message("x", accountSid="AC" + "f" * 32)],
        [CONNECTED, start_message("x", customParameters={})],
    ],
    ids=lambda messages: str(messages[-1][:12]),
)
async def test_a_stream_that_starts_wrong_is_closed(twilio: Twilio, messages: list[str | bytes]) -> None:
    async with twilio.upgrade() as stream:
        for message in messages:
            await stream.send(message)
        assert await closed_with(stream) == 1008
    assert twilio.line.starts == []


async def test_an_oversize_frame_ends_the_stream(twilio: Twilio) -> None:
    async with twilio.upgrade() as stream:
        await open_stream(twilio, stream)
        await stream.send("x" * (MAX_FRAME_BYTES + 1))
        assert await closed_with(stream) == 1009


async def test_after_malformed_frames_the_stream_goes_on(
    twilio: Twilio, logged: list[MutableMapping[str, Any]]
) -> None:
    async with twilio.upgrade() as stream:
        await open_stream(twilio, stream)
        silence = base64.b64encode(b"\xff" * 160).decode()
        for bad in ("nonsense", b"\x00\x01", json.dumps({"event": "media", "media": {"payload": silence}})):
            await stream.send(bad)
        await stream.send(json.dumps({"event": "dtmf", "streamSid": STREAM_SID, "dtmf": {"digit": "7"}}))
        read = await asyncio.wait_for(twilio.line.read.get(), DEADLINE_SECS)
    assert read == KeyPressed("7")
    assert [entry["event"] for entry in logged] == ["media_frame_ignored"]
