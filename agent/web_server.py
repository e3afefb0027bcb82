"""Serves the page of `slotline talk`, and shows its calls in the terminal."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import structlog
import uvicorn

from agent.bootstrap import check_accounts, open_worker
from agent.chat import UNSETTLED, ordinary_week, show_plain, show_transfer, telling, texts_settled
from agent.front_desk import FrontDeskWatch
from agent.outcome import report_on_record
from agent.processes import listen
from agent.rehearsal import FOLDER
from agent.rehearsal_events import Event
from agent.rehearsal_world import RehearsalWorld
from agent.rehearsed import Rehearsed
from agent.report_lines import line_console, print_report
from agent.server import Server
from agent.settings import NO_KEY, load_settings
from agent.speech_check import try_speech
from agent.stand_ins import running_stand_ins
from agent.standing import SETTLE_SECS
from agent.web_app import build_web_app
from agent.web_call import run_web_call
from appointments.errors import ConfigError
from appointments.model import AppointmentStatus, CallSid
from prompts.loader import REHEARSAL_BUSINESS

if TYPE_CHECKING:
    from pipecat.transports.smallwebrtc.connection import SmallWebRTCConnection

    from agent.bootstrap import Worker
    from agent.settings import Settings, TalkSettings
    from agent.stand_ins import StandIns
    from agent.transcript import Turn
    from appointments.store.store import Store

OF_STAND_INS = (
    "TWILIO_ACCOUNT_SID",
    "TWILIO_AUTH_TOKEN",
    "TWILIO_API_KEY_SID",
    "TWILIO_API_KEY_SECRET",
    "TWILIO_API_BASE_URL",
    "CALENDAR",
    "CALCOM_API_KEY",
    "CALCOM_BASE_URL",
    "CALCOM_EVENT_TYPE_ID",
    "PUBLIC_BASE_URL",
    "BUSINESS_FILE",
    "DATA_DIR",
)
"""The settings that the stand-ins settle, whatever the environment says."""
HOW = """
Talk to the agent: {url}
Open it in a browser on this machine, press Connect and allow the microphone. Ctrl-C ends it.
Speech and model are real: {models} at {server}
{consequence}"""
PRETENDED = "The calendar and the texts are stand-ins: nothing is booked anywhere, and no text goes out."
REAL = "So are the calendar and the texts: a booking is a booking, and a text goes out to {caller}."


async def serve_with_stand_ins(
    env_file: Path | None, wanted: TalkSettings, *, host: str, port: int, caller: str
) -> None:
    """Serve calls whose speech and model are real, and whose calendar and texts are not."""
    rehearsed = Rehearsed.read(wanted.business_file or REHEARSAL_BUSINESS)
    world = RehearsalWorld(ordinary_week(caller), rehearsed, (FOLDER / "talk").resolve())
    async with running_stand_ins() as stand_ins:
        await world.set_up(stand_ins)
        given = _given(stand_ins, world)
        if not wanted.openai_api_key.get_secret_value():
            given["openai_api_key"] = NO_KEY
        await serve_page(load_settings(env_file, given=given), host=host, port=port, caller=caller, is_real=False)


def _given(stand_ins: StandIns, world: RehearsalWorld) -> dict[str, object]:
    environment = world.environment(stand_ins)
    # The stand-in's calendar starts empty each time, and so must the record; phrases are kept, as they cost money.
    database = world.folder / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{uuid4().hex[:4]}.db"
    return {
        **{name.lower(): environment[name] for name in OF_STAND_INS},
        "database_url": f"sqlite+aiosqlite:///{database.as_posix()}",
        "clock_start": None,
    }


async def serve_page(settings: Settings, *, host: str, port: int, caller: str, is_real: bool) -> None:
    """Serve the page until SIGTERM or SIGINT; raises `ConfigError` when a key is refused or the port is taken."""
    with listen(host, port) as listening:
        async with open_worker(settings) as worker:
            await check_accounts(worker)
            _say("Trying the voice, the recogniser and the model …")
            await try_speech(worker)
            _say("Preparing what the agent says without a model …")
            if not await worker.go_by(worker.desk):
                url = settings.tts_base_url or settings.openai_base_url
                raise ConfigError(f"the voice at {url} has stopped answering: try again")
            calls = TerminalCalls(worker, caller)
            server = Server(uvicorn.Config(build_web_app(calls.run), log_config=None, access_log=False))
            url = f"http://{host}:{listening.getsockname()[1]}/"
            _announce(worker, url, REAL.format(caller=caller) if is_real else PRETENDED)
            worker.jobs.add("front_desk_watch", FrontDeskWatch(worker).run())
            await server.serve(sockets=[listening])


def _announce(worker: Worker, url: str, consequence: str) -> None:
    settings = worker.settings
    llm = worker.desk.prompts.prompt.head.model or settings.llm_model
    models = f"{settings.stt_model}, {llm} and {settings.tts_model}"
    _say(HOW.format(url=url, models=models, server=settings.openai_base_url, consequence=consequence))


class TerminalCalls:
    """Runs the page's calls and shows them as they happen."""

    def __init__(self, worker: Worker, caller: str) -> None:
        self._worker = worker
        self._caller = caller
        self._numbers = itertools.count(1)

    async def run(self, connection: SmallWebRTCConnection) -> None:
        """Run one call to its end, and show what became of it."""
        number, call_sid = next(self._numbers), CallSid(f"CA{uuid4().hex}")
        events: list[Event] = []

        def on_turn(turn: Turn) -> None:
            events.append(Event(turn.who, turn.text, turn.at_ms, turn.tool, turn.took_ms))
            if turn.who == "caller":
                _say(f"caller> {turn.text}")
            else:
                show_plain(telling(turn))

        _say(f"\nCall {number}")
        with structlog.contextvars.bound_contextvars(call_sid=call_sid):
            await run_web_call(self._worker, connection, call_sid=call_sid, caller=self._caller, on_turn=on_turn)
        await self._show_end(number, call_sid, events)

    async def _show_end(self, number: int, call_sid: CallSid, events: list[Event]) -> None:
        store = self._worker.store
        is_settled = await _bookings_settled(store, call_sid) and await texts_settled(store, call_sid)
        record = await store.call(call_sid)
        show_transfer(self._worker, record, show_plain)
        problems = [] if is_settled else [UNSETTLED]
        report = await report_on_record(store, call_sid, self._worker.desk.business, events, problems)
        _say(f"\nCall {number} has ended: {record.outcome if record else 'crashed'}")
        print_report(line_console(), report, expects=False)


async def _bookings_settled(store: Store, call_sid: CallSid) -> bool:
    """Wait until what was being booked when the caller hung up is booked or not; False when time is up."""
    try:
        async with asyncio.timeout(SETTLE_SECS):
            while any(a.status is AppointmentStatus.PENDING for a in await store.appointments(call_sid)):
                await asyncio.sleep(0.1)
    except TimeoutError:
        return False
    return True


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 -- the command's output
