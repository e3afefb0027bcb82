"""`slotline chat`: type to the agent instead of speaking."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

from agent.bootstrap import open_worker
from agent.expectations import Expectation
from agent.outcome import Outcome, report_on_record
from agent.rehearsal import Rehearsal, new_folder
from agent.rehearsal_events import Event, as_dialled
from agent.rehearsed import Rehearsed
from agent.report_lines import line_console, print_report
from agent.scenarios import Scenario, ScenarioCaller, ScenarioLine, load_scenario
from agent.stand_ins import running_stand_ins, stop
from agent.standing import LOOK_SECS, SETTLE_SECS, settle
from agent.transfer import TRANSFERRED, what_is_told
from agent.typed import run_typed_call
from agent.typed_caller import chat_process
from appointments.contact import valid_caller
from appointments.errors import ConfigError
from appointments.store.records import AT_ONCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from agent.bootstrap import Worker
    from agent.outcome import Report
    from agent.settings import CalendarName, Settings, TalkSettings
    from agent.stand_ins import StandIns
    from agent.transcript import Turn
    from appointments.model import Business, CallSid
    from appointments.store.records import CallRecord
    from appointments.store.store import Store

UNSETTLED = "a text of this call is not sent yet; a worker that runs will go on trying"
STARTING = (
    "Starting the stand-ins and a worker, which takes some seconds. The end of the input (Ctrl-D) or Ctrl-C hangs up."
)
NOT_FOLLOWED = (
    "The model is a scripted stand-in here: it says its own words and does not follow the instructions.\n"
    "With --real-model the language model of your settings follows them."
)
NO_MODEL = (
    "OPENAI_API_KEY is unset, and --real-model takes one. Get it: https://platform.openai.com/api-keys\n"
    "Or name a server of your own in OPENAI_BASE_URL, one that speaks OpenAI's protocol, and its model in LLM_MODEL."
)

LOOK_AGAIN_SECS = 0.3
"""How often the stand-in of Twilio is asked for new texts while nothing is said."""


async def chat(
    settings: Settings,
    *,
    caller: str,
    is_attested: bool,
    as_json: bool,
    prompt: Path | None,
    business: Path | None,
) -> None:
    """Hold one typed conversation over stdin and stdout with the services that `settings` name.

    Args:
        is_attested: Whether the caller is taken for one whose carrier vouches for the number.
        prompt: Instructions to use instead of the business's.
        business: A business file to use instead of the settings'.
    """
    if business is not None:
        settings = settings.model_copy(update={"business_file": business})
    show = show_json if as_json else show_plain
    events: list[Event] = []

    def on_turn(turn: Turn) -> None:
        events.append(Event(turn.who, turn.text, turn.at_ms, turn.tool, turn.took_ms))
        show(telling(turn))

    async with open_worker(settings, prompt=prompt) as worker:
        lines: asyncio.Queue[str | None] = asyncio.Queue()
        with _on_ctrl_c(lambda: lines.put_nowait(None)):
            call_sid = await run_typed_call(
                worker,
                caller=caller,
                is_attested=is_attested,
                typed=_stdin_lines(lines),
                on_turn=on_turn,
                on_tool=lambda tool: show({"tool": tool, "state": "started"}),
            )
        await worker.service.drain()
        show_transfer(worker, await worker.store.call(call_sid), show)
        problems = [] if await texts_settled(worker.store, call_sid) else [UNSETTLED]
        report = await report_on_record(
            worker.store, call_sid, worker.desk.business, events, problems, calendar=settings.calendar_in_use
        )
    _show_end(report, as_json=as_json, is_real=True, expects=False)


def show_transfer(worker: Worker, record: CallRecord | None, show: Callable[[dict[str, Any]], None]) -> None:
    """Show whose phone would ring now, where there is no telephone that could put the caller through."""
    if record is not None and record.outcome == TRANSFERRED:
        show({"put_through": worker.desk.business.transfer_number, "told": what_is_told(record)})


async def texts_settled(store: Store, call_sid: CallSid, *, patience_secs: float = SETTLE_SECS) -> bool:
    """Wait until the texts of this call are settled, whatever else is in the record; False when time is up."""
    try:
        async with asyncio.timeout(patience_secs):
            while await _has_open_texts(store, call_sid):
                await asyncio.sleep(0.1)
    except TimeoutError:
        return False
    return True


async def _has_open_texts(store: Store, call_sid: CallSid) -> bool:
    for appointment in await store.appointments(call_sid):
        messages = await store.messages(appointment.appointment_id)
        if any(each.state in ("pending", "leased") and each.not_before == AT_ONCE for each in messages):
            return True
    return False


async def chat_with_stand_ins(
    name: str | None,
    *,
    caller: str,
    is_attested: bool,
    as_json: bool,
    prompt: Path | None,
    business: Path | None,
    calendar: CalendarName | None,
    model: TalkSettings | None = None,
) -> int:
    """Hold one typed conversation with stand-ins and return the exit status: 1 when a scenario's end was missed.

    Args:
        calendar: None is Cal.com, unless the business has no event types there.
        model: Where a real model is; None takes the stand-in.
    """
    if model is not None and not model.has_model:
        raise ConfigError(NO_MODEL)
    show = show_json if as_json else show_plain
    scenario = load_scenario(name) if name else ordinary_week(caller, is_attested=is_attested)
    rehearsed = Rehearsed.read(business or scenario.business_file, prompt, calendar)
    if model is None and (rehearsed.has_own_instructions or not as_json):
        _remark(NOT_FOLLOWED)
    if not as_json:
        _remark(STARTING)
    if name and not as_json:
        _remark(setting(scenario, rehearsed.business))
    rehearsal = Rehearsal(scenario, new_folder("chat"), rehearsed)
    rehearsal.world.prepare()
    async with running_stand_ins() as stand_ins:
        await rehearsal.world.set_up(stand_ins)
        environment = rehearsal.world.environment(stand_ins) | (model.environment() if model else {})
        outcome = await _converse(rehearsal, stand_ins, environment, show)
        await rehearsal.read_transcript()
        report = await rehearsal.judge(stand_ins, outcome, expects=name is not None)
    for error in await asyncio.to_thread(_errors_in, rehearsal.folder / "worker.log"):
        _remark(error)
    _show_end(report, as_json=as_json, is_real=False, expects=name is not None)
    return 0 if report.ok else 1


async def _converse(
    rehearsal: Rehearsal, stand_ins: StandIns, environment: Mapping[str, str], show: Callable[[dict[str, Any]], None]
) -> Outcome:
    """Let a person type to a worker in `environment` until one of them hangs up and all is settled."""
    caller, outcome = rehearsal.scenario.caller, Outcome(is_typed=True)
    texts = _Texts(stand_ins, show)
    await texts.skip()
    with (rehearsal.folder / "worker.log").open("wb") as log:
        process = await chat_process(
            environment,
            caller.number,
            is_attested=caller.is_attested,
            stdin=None,
            log=log,
            prompt=rehearsal.rehearsed.prompt,
        )
        try:

            def noted(told: dict[str, Any]) -> None:
                if "put_through" in told:
                    outcome.dialled.append(as_dialled(told))
                show(told)

            await _relay(process, noted, texts, on_first=lambda: rehearsal.world.start_faults(stand_ins))
        finally:
            await stop(process, ends_by_itself=True)
    if process.returncode:
        outcome.problems.append(f"the chat broke off, with exit status {process.returncode}")
    await settle(rehearsal.world, stand_ins, outcome, patience_secs=LOOK_SECS)
    await texts.show_new()
    return outcome


def setting(scenario: Scenario, business: Business) -> str:
    """Tell a person who plays a scenario's caller what it is about, who they are, and what exists."""
    caller, now = scenario.caller, scenario.now
    number = f"from {caller.number}" if caller.number else "with your number withheld"
    vouched = ", which your carrier vouches for" if caller.is_attested else ""
    time = f"It is {_day_and_time(now)}. " if now else ""
    exists = [
        f"{each.title or business.actions[0].title}, {_day_and_time(each.at)}, "
        f"for {each.name}, {each.number or caller.number}"
        for each in scenario.booked
    ]
    return "\n".join(
        [
            f"Scenario: {scenario.name}.",
            f"{time}You call {business.name} {number}{vouched}.",
            *(f"On record: {each}." for each in exists or ["nothing yet"]),
        ]
    )


def _day_and_time(time: datetime) -> str:
    return f"{time:%A, %B} {time.day}, {time:%Y, %H:%M}"


def _remark(text: str) -> None:
    """Tell what is not among the output's lines, which are a conversation or JSON."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201 -- the command's own words


async def _relay(
    process: asyncio.subprocess.Process,
    show: Callable[[dict[str, Any]], None],
    texts: _Texts,
    *,
    on_first: Callable[[], Awaitable[None]],
) -> None:
    """Show what the chat process says but its result, which knows less than ours, and each text as it is sent."""
    assert process.stdout is not None
    with contextlib.ExitStack() as until_over:
        is_first = True
        while True:
            try:
                async with asyncio.timeout(LOOK_AGAIN_SECS):
                    line = await process.stdout.readline()
            except TimeoutError:
                await texts.show_new()
                continue
            if not line:
                return
            told = json.loads(line)
            if is_first:
                await on_first()
                until_over.enter_context(_on_ctrl_c(_hanging_up(process)))
                is_first = False
            if "result" not in told:
                show(told)
            await texts.show_new()


class _Texts:
    """The texts of one conversation, shown as the stand-in of Twilio takes them."""

    def __init__(self, stand_ins: StandIns, show: Callable[[dict[str, Any]], None]) -> None:
        self._stand_ins = stand_ins
        self._show = show
        self._seen = 0

    async def skip(self) -> None:
        """Leave out what was sent until now."""
        self._seen = len(await self._all())

    async def show_new(self) -> None:
        texts = await self._all()
        for text in texts[self._seen :]:
            self._show({"sms": text["body"], "to": text["to"]})
        self._seen = len(texts)

    async def _all(self) -> list[dict[str, Any]]:
        texts: list[dict[str, Any]] = (await self._stand_ins.state("twilio"))["messages"]
        return texts


def _hanging_up(process: asyncio.subprocess.Process) -> Callable[[], None]:
    """Return what ends a chat process: the first time it is to hang up."""
    signs = itertools.chain((signal.SIGINT, signal.SIGTERM), itertools.repeat(signal.SIGKILL))

    def end() -> None:
        _remark("")  # the terminal's ^C stands on a line of its own
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, next(signs))

    return end


@contextlib.contextmanager
def _on_ctrl_c(does: Callable[[], None]) -> Iterator[None]:
    """Have Ctrl-C do something else than break off."""
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, does)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)


def _errors_in(log: Path) -> list[str]:
    """Return what a person must know of a worker's log: errors, and what is no event at all."""
    errors = []
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            told = json.loads(line)
        except ValueError:
            errors.append(line)
            continue
        if told["level"] in ("error", "critical"):
            facts = [f"{name}={value}" for name, value in told.items() if name not in ("event", "level", "timestamp")]
            errors.append(f"[{told['level']}] {told['event']} {' '.join(facts)}")
    return errors


def _show_end(report: Report, *, as_json: bool, is_real: bool, expects: bool) -> None:
    if as_json:
        show_json({"result": report.to_json()})
    else:
        print_report(line_console(), report, is_real=is_real, expects=expects)


def ordinary_week(caller: str, *, is_attested: bool = False) -> Scenario:
    """Return the scenario of a call that nobody wrote: the system's time, an ordinary week, and no faults."""
    if valid_caller(caller) is None:
        raise ConfigError("--caller is no phone number; write it as in +14155550123")
    return Scenario(
        name="chat",
        caller=ScenarioCaller(number=caller, attestation="A" if is_attested else None),
        lines=(ScenarioLine(hang_up=True),),
        expect=Expectation(booking=None, sms=0),
    )


def telling(turn: Turn) -> dict[str, Any]:
    """Return what a turn is told as, one JSON object."""
    if turn.who == "tool":
        return {"tool": turn.tool, "state": "finished", "status": turn.text, "took_ms": turn.took_ms}
    return {turn.who: turn.text}


def show_json(told: dict[str, Any]) -> None:
    """Print one object a line: what the agent says, which tool ran, what was texted, the result."""
    if "caller" not in told:
        print(json.dumps(told, ensure_ascii=False), flush=True)  # noqa: T201 -- the command's output


def show_plain(told: dict[str, Any]) -> None:
    """Print the conversation for a person, who sees what they type themselves."""
    if "agent" in told:
        print(f"agent> {told['agent']}", flush=True)  # noqa: T201 -- the command's output
    elif told.get("state") == "finished":
        print(f"       [{told['tool']}: {told['status']}, {told['took_ms']} ms]", flush=True)  # noqa: T201 -- same
    elif "put_through" in told:
        print(f"       [{told['put_through']} would ring now; who answers hears: {told['told']}]", flush=True)  # noqa: T201 -- same
    elif "sms" in told:
        body = told["sms"].replace("\n", "\n        ")
        print(f"       [text to {told['to']}: {body}]", flush=True)  # noqa: T201 -- same


async def _stdin_lines(lines: asyncio.Queue[str | None]) -> AsyncIterator[str]:
    """Yield what is typed, line by line, by way of `lines`, until the end of input or a None in there."""
    loop = asyncio.get_running_loop()

    def read() -> None:
        # A thread, because a file as stdin cannot be watched by the event loop. It may be left waiting at the end,
        # so it holds none of Python's own buffers.
        rest = b""
        with contextlib.suppress(OSError):  # there is no stdin, which is the end of input too
            while chunk := os.read(0, 65536):
                *whole, rest = (rest + chunk).split(b"\n")
                for raw in whole:
                    loop.call_soon_threadsafe(lines.put_nowait, raw.decode(errors="replace"))
        loop.call_soon_threadsafe(lines.put_nowait, rest.decode(errors="replace"))
        loop.call_soon_threadsafe(lines.put_nowait, None)

    threading.Thread(target=read, daemon=True).start()
    while (line := await lines.get()) is not None:
        if text := line.strip():
            yield text
