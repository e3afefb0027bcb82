from __future__ import annotations

import asyncio
import base64
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from aiohttp import WSMsgType, web
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]  # the package ships no types

from simulator import voices
from simulator.audio import TELEPHONE_RATE, mulaw_encode, read_wav
from simulator.call_edge import ANONYMOUS, CallEdge, TwilioAccount
from simulator.media_edge import CallerFrame
from tests.stand_ins import serving_twilio

if TYPE_CHECKING:
    from pathlib import Path

ACCOUNT_SID, TOKEN = "AC" + "a" * 32, "secret"
CALLED, CALLER = "+14155550100", "+14155550123"
TONE = mulaw_encode((0.1 * np.sin(np.arange(160) * 2 * np.pi * 440 / TELEPHONE_RATE)).astype(np.float32))
SILENT = b"\xff" * 160

Talk = Callable[["Line"], Awaitable[None]]


@dataclass
class Line:
    """The fake worker's end of one media stream: everything received, with the time it came."""

    websocket: web.WebSocketResponse
    received: list[tuple[float, dict[str, Any]]] = field(default_factory=list)

    async def receive(self, event: str) -> dict[str, Any]:
        """Return the next event of this kind, noting all that come before it."""
        while True:
            message = await self.websocket.receive(timeout=10)
            if message.type is not WSMsgType.TEXT:
                raise ConnectionError(f"closed before {event!r}")
            parsed: dict[str, Any] = json.loads(message.data)
            self.received.append((time.monotonic(), parsed))
            if parsed["event"] == event:
                return parsed

    async def drain(self) -> None:
        with pytest.raises(ConnectionError):
            await self.receive("nothing")

    def all(self, event: str) -> list[dict[str, Any]]:
        return [message for _, message in self.received if message["event"] == event]

    @property
    def stream_sid(self) -> str:
        sid: str = self.all("start")[0]["streamSid"]
        return sid

    async def send(self, event: str, **content: Any) -> None:
        await self.websocket.send_json({"event": event, "streamSid": self.stream_sid, **content})

    async def play(self, audio: bytes) -> None:
        await self.send("media", media={"payload": base64.b64encode(audio).decode()})


@dataclass
class Worker:
    """A worker and both stand-ins in one small server; each stream is carried by the next of `talks`."""

    talks: list[Talk] = field(default_factory=list)
    url: str = ""
    answer: str = ""
    after: str = "<Response><Hangup/></Response>"
    lines: list[Line] = field(default_factory=list)
    webhooks: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    unsigned: list[str] = field(default_factory=list)
    controls: list[dict[str, str]] = field(default_factory=list)
    completed: asyncio.Event = field(default_factory=asyncio.Event)
    spoken: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    taught: list[list[str]] = field(default_factory=list)

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/twilio/voice", self._webhook)
        app.router.add_post("/twilio/connect-done", self._webhook)
        app.router.add_post("/twilio/status", self._webhook)
        app.router.add_get("/twilio/media", self._media)
        app.router.add_post("/control/calls", self._control)
        app.router.add_post("/control/calls/{sid}", self._control)
        app.router.add_get("/control/calls/{sid}", self._wait_for_call)
        app.router.add_get("/control/state", self._state)
        app.router.add_get("/control/spoken", self._spoken)
        app.router.add_post("/control/lines", self._lines)
        return app

    async def _webhook(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self._check(request, f"{self.url}{request.path}", form)
        self.webhooks.append((request.path, form))
        if request.path == "/twilio/status":
            return web.Response(status=204)
        body = (self.answer or self.connect()) if request.path == "/twilio/voice" else self.after
        return web.Response(text=body, content_type="application/xml")

    def connect(self) -> str:
        stream_url = self.url.replace("http", "ws") + "/twilio/media"
        return (
            f'<Response><Connect action="/twilio/connect-done"><Stream url="{stream_url}">'
            '<Parameter name="token" value="t1"/></Stream></Connect></Response>'
        )

    async def _media(self, request: web.Request) -> web.WebSocketResponse:
        self._check(request, self.url.replace("http", "ws") + request.path, {})
        websocket = web.WebSocketResponse()
        await websocket.prepare(request)
        line = Line(websocket)
        self.lines.append(line)
        await line.receive("start")
        await self.talks.pop(0)(line)
        await websocket.close()
        return websocket

    def _check(self, request: web.Request, url: str, form: dict[str, str]) -> None:
        if not RequestValidator(TOKEN).validate(url, form, request.headers.get("X-Twilio-Signature", "")):
            self.unsigned.append(url)

    async def _control(self, request: web.Request) -> web.Response:
        self.controls.append(await request.json())
        return web.json_response({})

    async def _wait_for_call(self, request: web.Request) -> web.Response:
        await asyncio.wait_for(self.completed.wait(), 60)
        return web.json_response({"status": "completed"})

    async def _state(self, request: web.Request) -> web.Response:
        messages = [{"body": text} for text in self.texts]
        return web.json_response({"agent_voice": "en-us", "faults": [], "messages": messages})

    async def _lines(self, request: web.Request) -> web.Response:
        self.taught.append((await request.json())["lines"])
        return web.json_response({})

    async def _spoken(self, request: web.Request) -> web.Response:
        after = int(request.query["after"])
        if request.query["wait"] != "0" and len(self.spoken) <= after:
            await asyncio.sleep(0.05)  # an empty long poll
        entries = [{"id": number, "text": text} for number, text in enumerate(self.spoken, 1)]
        return web.json_response({"spoken": entries[after:]})


@dataclass
class Party:
    """A caller who says nothing, notes what is heard, and hangs up after so many frames."""

    frames: int = 500
    heard: list[bytes] = field(default_factory=list)
    dropped: list[bytes] = field(default_factory=list)
    unplayed: bytes = b""
    digits: dict[int, str] = field(default_factory=dict)
    breaks_after: int | None = None

    def started(self) -> None:
        pass

    def frame(self, played: bytes) -> CallerFrame:
        self.heard.append(played)
        number = len(self.heard)
        breaks = number == self.breaks_after
        return CallerFrame(SILENT, self.digits.get(number), hangs_up=number >= self.frames, breaks=breaks)

    def cleared(self, dropped: bytes) -> None:
        self.dropped.append(dropped)

    def ended(self, unplayed: bytes) -> None:
        self.unplayed = unplayed

    @property
    def heard_loud(self) -> list[int]:
        return [number for number, frame in enumerate(self.heard) if frame == TONE]


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    worker = Worker()
    runner = web.AppRunner(worker.app(), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    worker.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield worker
    await runner.cleanup()


@pytest.fixture
def problems() -> list[str]:
    return []


@pytest.fixture
def edge(worker: Worker, problems: list[str]) -> CallEdge:
    account = TwilioAccount(ACCOUNT_SID, TOKEN, worker.url)
    return CallEdge(worker.url, account, CALLER, CALLED, problem=problems.append)


async def listen(line: Line) -> None:
    await line.drain()


async def test_the_caller_hangs_up(worker: Worker, edge: CallEdge, problems: list[str]) -> None:
    worker.talks = [listen]

    end = await edge.place(Party(frames=10))

    assert (end.by, end.after, problems, worker.unsigned) == ("caller", "hangup", [], [])
    assert [path for path, _ in worker.webhooks] == ["/twilio/voice", "/twilio/status"]
    voice, status = (form for _, form in worker.webhooks)
    assert (voice["From"], voice["To"], voice["CallStatus"]) == (CALLER, CALLED, "ringing")
    assert (status["CallSid"], status["CallStatus"]) == (edge.call_sid, "completed")
    assert int(status["CallDuration"]) < 5  # a fraction of a second, on a machine that has nothing else to do
    assert worker.controls == [{"call_sid": edge.call_sid, "from": CALLER, "to": CALLED}, {"status": "completed"}]


async def test_the_messages_are_twilios(worker: Worker, edge: CallEdge) -> None:
    worker.talks = [listen]

    await edge.place(Party(frames=4, digits={2: "5"}))

    messages = [message for _, message in worker.lines[0].received]
    assert [message["event"] for message in messages] == [
        *("connected", "start", "media", "media", "dtmf", "media", "media", "stop")
    ]
    assert [message["sequenceNumber"] for message in messages[1:]] == [str(number) for number in range(1, 8)]
    assert messages[1]["start"]["callSid"] == edge.call_sid
    assert messages[1]["start"]["customParameters"] == {"token": "t1"}
    media = [message["media"] for message in messages if message["event"] == "media"]
    assert [(frame["chunk"], frame["timestamp"]) for frame in media] == [
        ("1", "0"),
        ("2", "20"),
        ("3", "40"),
        ("4", "60"),
    ]
    assert messages[4]["dtmf"] == {"track": "inbound_track", "digit": "5"}


async def test_frames_keep_real_time_without_drift(worker: Worker, edge: CallEdge) -> None:
    worker.talks = [listen]

    end = await edge.place(Party(frames=100))

    times = [at for at, message in worker.lines[0].received if message["event"] == "media"]
    assert times[-1] - times[0] == pytest.approx(99 * 0.02, abs=0.02 + end.max_lag_secs)


async def test_a_mark_comes_back_when_what_is_before_it_has_been_played(
    worker: Worker, edge: CallEdge, problems: list[str]
) -> None:
    party = Party()

    async def talk(line: Line) -> None:
        await line.send("mark", mark={"name": "before"})
        await line.play(TONE * 25)
        await line.send("mark", mark={"name": "between"})
        await line.play(TONE * 5)
        await line.send("mark", mark={"name": "after"})
        while len(line.all("mark")) < 3:
            await line.receive("mark")

    worker.talks = [talk]

    end = await edge.place(party)

    line = worker.lines[0]
    assert [mark["mark"]["name"] for mark in line.all("mark")] == ["before", "between", "after"]
    at = {message["mark"]["name"]: number for number, (_, message) in enumerate(line.received) if "mark" in message}
    # One frame comes from the caller for each that is played.
    assert at["between"] - at["before"] in range(26, 29)
    assert at["after"] - at["between"] in range(6, 9)
    assert len(party.heard_loud) == 30
    assert (end.by, problems, party.unplayed) == ("agent", [], b"")


async def test_clear_drops_the_rest_and_brings_all_marks_back(worker: Worker, edge: CallEdge) -> None:
    party = Party()

    async def talk(line: Line) -> None:
        await line.play(TONE * 100)
        await line.send("mark", mark={"name": "one"})
        await line.send("mark", mark={"name": "two"})
        while len(party.heard_loud) < 10:
            await line.receive("media")
        await line.send("clear")
        await line.receive("mark")
        await line.receive("mark")
        await line.play(TONE * 2)
        await line.send("mark", mark={"name": "three"})
        await line.receive("mark")

    worker.talks = [talk]

    await edge.place(party)

    assert [mark["mark"]["name"] for mark in worker.lines[0].all("mark")] == ["one", "two", "three"]
    assert 10 <= len(party.heard_loud) - 2 < 20
    assert len(party.dropped[0]) == 160 * (100 - (len(party.heard_loud) - 2))


async def test_after_the_worker_leaves_twilio_asks_what_to_do(worker: Worker, edge: CallEdge) -> None:
    async def leave(line: Line) -> None:
        await line.play(TONE * 10)
        await line.receive("media")

    worker.talks = [leave]
    worker.after = (
        '<Response><Say>Sorry.</Say><Dial answerOnBridge="true"><Number>+14155550199</Number></Dial></Response>'
    )
    party = Party()

    end = await edge.place(party)

    assert [path for path, _ in worker.webhooks] == ["/twilio/voice", "/twilio/connect-done", "/twilio/status"]
    assert worker.webhooks[1][1]["CallStatus"] == "in-progress"
    assert worker.unsigned == []
    assert (end.by, end.after, end.verbs) == ("agent", "dial:+14155550199", ("say:Sorry.", "dial:+14155550199"))
    assert TONE in party.unplayed


async def test_the_call_can_go_on_in_another_stream(worker: Worker, edge: CallEdge) -> None:
    async def leave(line: Line) -> None:
        worker.after = worker.connect()

    worker.talks = [leave, listen]

    end = await edge.place(Party(frames=30))

    first, second = worker.lines
    assert first.stream_sid != second.stream_sid
    assert second.all("start")[0]["sequenceNumber"] == "1"
    assert end.by == "caller"


async def test_a_line_that_breaks_is_asked_about_while_the_caller_stays(
    worker: Worker, edge: CallEdge, problems: list[str]
) -> None:
    codes: list[int | None] = []

    async def lose(line: Line) -> None:
        await line.drain()
        codes.append(line.websocket.close_code)

    worker.talks = [lose, listen]
    worker.after = worker.connect()

    end = await edge.place(Party(frames=20, breaks_after=5))

    asked = [form["CallStatus"] for path, form in worker.webhooks if path == "/twilio/connect-done"]
    assert (end.by, asked, codes) == ("caller", ["in-progress"], [1006])
    assert worker.lines[0].all("stop") == []
    assert problems == []


async def test_streams_without_end_are_given_up(worker: Worker, edge: CallEdge, problems: list[str]) -> None:
    async def leave(line: Line) -> None:
        worker.after = worker.connect()

    worker.talks = [leave] * 5

    await edge.place(Party())

    assert len(worker.lines) == 3
    assert problems == ["the worker connected the call to a stream again and again"]


async def test_a_call_completed_through_rest_is_stopped(worker: Worker, edge: CallEdge) -> None:
    async def complete(line: Line) -> None:
        worker.completed.set()
        await line.receive("stop")

    worker.talks = [complete]

    end = await edge.place(Party())

    assert end.by == "agent"
    assert [path for path, _ in worker.webhooks] == ["/twilio/voice", "/twilio/status"]


async def test_the_stand_ins_rest_api_ends_the_call(worker: Worker, problems: list[str]) -> None:
    async with serving_twilio() as twilio:
        account = TwilioAccount(twilio.credentials.twilio_account_sid, TOKEN, twilio.url)
        edge = CallEdge(worker.url, account, CALLER, CALLED, problem=problems.append)

        async def complete(line: Line) -> None:
            url = f"/2010-04-01/Accounts/{account.account_sid}/Calls/{edge.call_sid}.json"
            (await twilio.http.post(url, data={"Status": "completed"})).raise_for_status()
            await line.receive("stop")

        worker.talks = [complete]

        end = await edge.place(Party())

        calls = (await twilio.state())["calls"]
    assert (end.by, problems) == ("agent", [])
    assert [(call["sid"], call["status"]) for call in calls] == [(edge.call_sid, "completed")]


@pytest.mark.parametrize(
    ("message", "complaint"),
    [
        ({"event": "media", "media": {"payload": "no base64!"}}, "not base64"),
        ({"event": "media", "media": {}}, "without a payload"),
        ({"event": "mark", "mark": {}}, "without a name"),
        ({"event": "stop"}, "unknown event 'stop'"),
        ({"event": "clear", "streamSid": "MZ" + "0" * 32}, "another streamSid"),
        ([], "no event"),
    ],
)
async def test_what_twilio_would_not_take_is_a_problem(
    worker: Worker, edge: CallEdge, problems: list[str], message: Any, complaint: str
) -> None:
    async def talk(line: Line) -> None:
        await line.websocket.send_json({"streamSid": line.stream_sid} | message if message else message)
        await line.websocket.send_bytes(b"sound")
        await line.websocket.send_str("{")
        await line.drain()

    worker.talks = [talk]

    end = await edge.place(Party(frames=10))

    assert end.by == "caller"
    assert complaint in problems[0]
    assert [problem.rpartition(": ")[2] for problem in problems[1:]] == ["a binary frame", "not JSON"]


@pytest.mark.parametrize(
    ("answer", "after"),
    [
        ('<Response><Reject reason="busy"/></Response>', "reject"),
        ("<Response><Say>We are closed.</Say><Hangup/></Response>", "say:We are closed."),
        ("<Response/>", "hangup"),
    ],
)
async def test_an_answer_without_a_stream_ends_the_call(
    worker: Worker, edge: CallEdge, problems: list[str], answer: str, after: str
) -> None:
    worker.answer = answer

    end = await edge.place(Party())

    assert (end.by, end.after, problems, worker.lines) == ("agent", after, [], [])


async def test_a_stream_that_is_not_there_is_a_problem(worker: Worker, edge: CallEdge, problems: list[str]) -> None:
    worker.answer = worker.connect().replace("/twilio/media", "/nowhere")

    end = await edge.place(Party())

    assert problems[0].startswith("31920")
    assert [path for path, _ in worker.webhooks] == ["/twilio/voice", "/twilio/connect-done", "/twilio/status"]
    assert end.by == "agent"


async def test_a_withheld_number_is_twilios_anonymous_one(worker: Worker, problems: list[str]) -> None:
    worker.talks = [listen]

    await CallEdge(
        worker.url, TwilioAccount(ACCOUNT_SID, TOKEN, worker.url), None, CALLED, problem=problems.append
    ).place(Party(frames=1))

    assert worker.webhooks[0][1]["From"] == ANONYMOUS


# The whole process: a plan on stdin, a call, events on stdout.


def said(worker: Worker, text: str) -> bytes:
    worker.spoken.append(text)
    return mulaw_encode(voices.at_rate(voices.speak(text, "en-us"), TELEPHONE_RATE))


async def run_caller(
    worker: Worker, *commands: dict[str, str], hangs_up: bool = False, **plan: Any
) -> list[dict[str, Any]]:
    """Run the process with a plan; send it `commands` once it is connected, and then perhaps the end of its input."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "-m", "simulator.caller", stdin=-1, stdout=-1, stderr=-1
    )
    assert process.stdin
    assert process.stdout
    assert process.stderr
    full = {
        "worker_url": worker.url,
        "called": CALLED,
        "twilio": {"url": worker.url, "account_sid": ACCOUNT_SID, "auth_token": TOKEN},
        "openai_url": f"{worker.url}/v1",
        "caller": {"number": CALLER, "voice": "en-us+f3", "noise_db": 25},
        **plan,
    }
    process.stdin.write(json.dumps(full).encode() + b"\n")
    happened = []
    async with asyncio.timeout(40):
        async for line in process.stdout:
            happened.append(json.loads(line))
            if happened[-1]["event"] == "connected":
                process.stdin.write("".join(json.dumps(command) + "\n" for command in commands).encode())
                if hangs_up:
                    process.stdin.close()
        errors = await process.stderr.read()
        assert (await process.wait(), errors) == (0, b"")
    process.stdin.close()
    return happened


def events(happened: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [event for event in happened if event["event"] == kind]


def is_speech(message: dict[str, Any]) -> bool:
    """Whether a frame is far louder than the line's noise: its mu-law codes are far from the quiet ones."""
    return sum(code & 0x7F < 0x40 for code in base64.b64decode(message["media"]["payload"])) > 20


async def after_speech(line: Line) -> None:
    """Wait for the caller to speak and to have been quiet for half a second."""
    while not is_speech(await line.receive("media")):
        pass
    quiet = 0
    while quiet < 25:
        quiet = 0 if is_speech(await line.receive("media")) else quiet + 1


async def test_a_scripted_call_from_the_first_word_to_the_last(worker: Worker, tmp_path: Path) -> None:
    greeting, offer, goodbye = "Hello. How can I help?", "I have Thursday at two.", "Thank you. Goodbye."
    cached = said(worker, greeting)

    async def talk(line: Line) -> None:
        await line.play(cached)
        await after_speech(line)
        await line.play(said(worker, offer))
        await after_speech(line)
        await line.play(said(worker, goodbye))
        await line.send("mark", mark={"name": "bye"})
        await line.receive("mark")

    worker.talks = [talk]
    lines = [{"when": "two", "say": "Two, please."}, {"when": "help", "say": "Do you have anything on Thursday?"}]

    happened = await run_caller(worker, lines=lines, recording=str(tmp_path / "calls" / "call.wav"))

    assert [(event["event"], event.get("text")) for event in happened] == [
        ("connected", None),
        ("heard", greeting),
        ("said", "Do you have anything on Thursday?"),
        ("heard", offer),
        ("said", "Two, please."),
        ("heard", goodbye),
        ("ended", None),
    ]
    ended = happened[-1]
    assert (ended["by"], ended["after"], worker.unsigned) == ("agent", "hangup", [])
    assert ended["greeting_ms"] < 500
    assert len(ended["voice_to_voice_ms"]) == 2
    assert all(200 < took < 3000 for took in ended["voice_to_voice_ms"])
    assert events(happened, "heard")[1]["took_ms"] == ended["voice_to_voice_ms"][0]
    recording = (tmp_path / "calls" / "call.wav").read_bytes()
    caller_side, rate = read_wav(recording)
    assert len(caller_side) / rate == pytest.approx(ended["at_ms"] / 1000, abs=0.05)


async def test_a_barge_in_leaves_out_what_was_not_heard(worker: Worker) -> None:
    greeting = "Hello. How can I help you today? I can book an appointment, or take a message for the doctor."

    async def talk(line: Line) -> None:
        await line.play(said(worker, greeting))
        while not is_speech(await line.receive("media")):
            pass
        await line.send("clear")
        await after_speech(line)
        await line.play(said(worker, "Certainly."))
        await line.drain()

    worker.talks = [talk]
    lines = [{"when": "help", "say": "Book me in.", "barge_in": 1.5}, {"when": "certainly", "hang_up": True}]

    happened = await run_caller(worker, lines=lines)

    heard = [event["text"] for event in events(happened, "heard")]
    assert heard[0].startswith("Hello. How can I")
    assert heard[0].endswith("—")
    assert "message" not in heard[0]
    assert heard[1] == "Certainly."
    assert events(happened, "said")[0]["at_ms"] == pytest.approx(1500, abs=200)
    assert len(events(happened, "cleared")) == 1
    assert (happened[-1]["by"], events(happened, "problem")) == ("caller", [])


async def test_barges_in_when_the_named_tool_starts_and_hangs_up_after_its_last_word(worker: Worker) -> None:
    async def talk(line: Line) -> None:
        await line.drain()

    worker.talks = [talk]
    lines = [{"say": "Wait, stop.", "barge_in": "book_appointment", "then": "hang_up"}]

    happened = await run_caller(worker, {"tool_started": "book_consultation"}, lines=lines, max_secs=5)

    assert [event["event"] for event in happened] == ["connected", "said", "ended"]
    assert happened[-1]["by"] == "caller"
    spoken_secs = len(voices.speak("Wait, stop.", "en-us+f3")) / voices.RATE
    assert happened[-1]["at_ms"] - happened[1]["at_ms"] == pytest.approx(spoken_secs * 1000, abs=60)


async def test_presses_keys(worker: Worker) -> None:
    async def talk(line: Line) -> None:
        await line.play(said(worker, "Enter your code."))
        await line.drain()

    worker.talks = [talk]

    await run_caller(worker, lines=[{"when": "code", "press": "12#", "then": "hang_up"}])

    assert [message["dtmf"]["digit"] for message in worker.lines[0].all("dtmf")] == ["1", "2", "#"]


async def test_presses_the_code_that_was_texted_last(worker: Worker) -> None:
    async def talk(line: Line) -> None:
        await line.play(said(worker, "Enter your code."))
        worker.texts += ["Clinic: 111111", "Clinic: 482113", "See you on December 3."]
        await line.drain()

    worker.talks = [talk]

    happened = await run_caller(worker, lines=[{"when": "code", "press": "{sms_code}#", "then": "hang_up"}])

    assert "".join(message["dtmf"]["digit"] for message in worker.lines[0].all("dtmf")) == "482113#"
    assert [event["text"] for event in events(happened, "said")] == ["[presses {sms_code}#]"]
    assert events(happened, "problem") == []


async def test_says_the_code_when_the_recogniser_knows_how_it_sounds(worker: Worker) -> None:
    worker.texts = ["Clinic: 482113"]

    async def talk(line: Line) -> None:
        await line.play(said(worker, "Read me the code."))
        await after_speech(line)
        assert worker.taught == [["It's four eight two one one three."]]
        await line.drain()

    worker.talks = [talk]

    happened = await run_caller(worker, lines=[{"when": "code", "say": "It's {sms_code}.", "then": "hang_up"}])

    assert [event["text"] for event in events(happened, "said")] == ["It's {sms_code}."]


async def test_tells_how_far_the_carrier_vouches_for_the_number(worker: Worker) -> None:
    caller = {"number": CALLER, "voice": "en-us+f3"}
    for told in ({}, {"attestation": "A"}):
        worker.talks = [listen]
        await run_caller(worker, lines=[], hangs_up=True, caller=caller | told)

    answered = [form for path, form in worker.webhooks if path == "/twilio/voice"]
    assert [form.get("StirVerstat") for form in answered] == [None, "TN-Validation-Passed-A"]


async def test_the_end_of_its_input_hangs_up(worker: Worker) -> None:
    worker.talks = [listen]

    happened = await run_caller(worker, lines=[], hangs_up=True)

    assert [event["event"] for event in happened] == ["connected", "ended"]
    assert happened[-1]["by"] == "caller"
