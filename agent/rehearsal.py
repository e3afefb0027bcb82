"""One rehearsed call: stand-ins, worker and caller as processes, and a look at what stands at the end."""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

from agent.booked_before import book_before
from agent.builtin_world import NotForBuiltin, check_faults, take_slots, write_business
from agent.business import load_business, load_prompts, names_calcom
from agent.outcome import Outcome, Report, judge
from agent.scenarios import rehearsed_business
from agent.stand_ins import (
    StandIns,
    database_url,
    free_port,
    kept_environment,
    running_stand_ins,
    slotline,
    stop,
    wait_until_ready,
    worker_environment,
)
from agent.typed_caller import chat_process, type_through
from appointments.errors import ConfigError
from appointments.model import CallSid
from appointments.store.store import Store
from simulator.caller_texts import code_in
from simulator.faults import ANY
from simulator.script import SMS_CODE, Line, Script

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from agent.scenarios import Scenario, ScenarioFault, ScenarioLine
    from agent.settings import CalendarName
    from appointments.model import Action, Business

FOLDER = Path("rehearsals")
CALL_SECS = 240
SETTLE_SECS = 60.0
LOOK_SECS = 5.0
"""Long enough to read the record when nobody works at it any more."""

_MEETINGS = {
    "cal_video": "cal-video",
    "zoom": "zoom",
    "google_meet": "google-meet",
    "microsoft_teams": "office365-video",
}
"""What Cal.com calls the platforms on which both meet by video."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in the call, as it happens. `who` is caller, agent, tool, person or problem."""

    who: str
    text: str
    at_ms: int
    tool: str | None = None
    took_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """Whose phone is rehearsed: a business file, what it says, the calendar, and other instructions than the file's."""

    file: Path
    business: Business
    calendar: CalendarName = "calcom"
    prompt: Path | None = None

    @classmethod
    def read(cls, file: Path, prompt: Path | None = None, calendar: CalendarName | None = None) -> Self:
        """Return what a worker will go by, or raise a `ConfigError` with all that it would refuse.

        Args:
            calendar: None is Cal.com, unless no action of the file is an event type there.
        """
        business = load_business(file)
        calendar = calendar or ("calcom" if any(map(names_calcom, business.actions)) else "builtin")
        if calendar == "calcom":
            business = rehearsed_business(file)
            _check_event_types(business, file)
        load_prompts(business, prompt)
        return cls(file.resolve(), business, calendar, prompt and prompt.resolve())

    @property
    def has_own_instructions(self) -> bool:
        return bool(self.prompt or self.business.prompt)

    def event_types(self, minutes: Mapping[str, int]) -> list[dict[str, object]]:
        """Return the event types of the business's actions, which last what `minutes` or the actions say."""
        return [
            {
                "id": number,
                "title": action.title,
                "minutes": minutes.get(action.title) or action.duration // timedelta(minutes=1),
                "location": self._location(action),
            }
            for number, action in {int(action.event_type_id): action for action in self.business.actions}.items()
        ]

    def _location(self, action: Action) -> dict[str, str]:
        match action.platform:
            case "in_person":
                return {"type": "address", "address": action.address}
            case "phone":
                return {"type": "phone", "phone": self.business.number}
            case platform:
                return {"type": "integration", "integration": _MEETINGS[platform]}


def _check_event_types(business: Business, file: Path) -> None:
    for action in business.actions:
        if not names_calcom(action):
            raise ConfigError(
                f'{file}: "{action.title}" has no event_type that is a number, as those of Cal.com are. '
                "Write one, or rehearse with --calendar builtin"
            )


@dataclass(slots=True)
class Rehearsal:
    """One call being rehearsed, in `folder`."""

    scenario: Scenario
    folder: Path
    rehearsed: Rehearsed
    seed: int = 0
    on_event: Callable[[Event], None] = lambda _event: None
    events: list[Event] = field(default_factory=list)
    business_file: Path = field(init=False)
    """The one that the worker goes by."""

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.business_file = self.rehearsed.file

    @property
    def business(self) -> Business:
        return self.rehearsed.business

    async def run(self, *, typed: bool) -> Report:
        """Rehearse the call and return what became of it.

        Raises:
            RehearsalFailed: a process did not start, or a stand-in refused the scenario.
        """
        if typed and (reason := untypable(self.scenario)):
            return Report.skip(self.scenario, reason)
        try:
            self.prepare()
        except NotForBuiltin as error:
            return Report.skip(self.scenario, str(error))
        async with running_stand_ins() as stand_ins:
            outcome = await (self._typed(stand_ins) if typed else self._spoken(stand_ins))
            return await self.judge(stand_ins, outcome, expects=True)

    def prepare(self) -> None:
        """Write what the built-in calendar goes by; raises `NotForBuiltin` when it cannot have the scenario's world."""
        if self.rehearsed.calendar == "builtin":
            check_faults(self.scenario.faults)
            now = self.scenario.now.replace(tzinfo=self.business.zone) if self.scenario.now else datetime.now(UTC)
            self.business_file = write_business(self.rehearsed.file, self.scenario, now, self.folder)

    async def judge(self, stand_ins: StandIns, outcome: Outcome, *, expects: bool) -> Report:
        """Return what stands at the end; `expects` is False when anything may."""
        expectation = self.scenario.expect if expects else None
        return await judge(self.scenario, expectation, self.rehearsed, stand_ins, self.folder, self.events, outcome)

    async def set_up(self, stand_ins: StandIns, *, worker_url: str | None = None) -> None:
        """Give the stand-ins the scenario's world, and book what exists in it before the call.

        Twilio knows the worker only where it is phoned.
        """
        scenario, caller = self.scenario, self.scenario.caller
        # A line with a code in it is told to the recogniser when there is one.
        says = [line.say for line in scenario.every_line if line.say and SMS_CODE not in line.say] + [scenario.again]
        await stand_ins.control("openai", "world", {"lines": says, "voice": caller.voice})
        numbers = sorted({self.business.number, self.business.sms_from or self.business.number})
        await stand_ins.control(
            "twilio",
            "world",
            {"worker_url": worker_url, "numbers": [{"phone_number": number} for number in numbers]},
        )
        if self.rehearsed.calendar == "calcom":
            await stand_ins.control("calcom", "world", self._calcom_world())
        await book_before(scenario, self.typed_environment(stand_ins))

    def _calcom_world(self) -> dict[str, Any]:
        scenario = self.scenario
        return {
            "now": self._start() or None,
            "zone": self.business.zone.key,
            "free": None if scenario.open_times is None else [self._local(time) for time in scenario.open_times],
            "event_types": self.rehearsed.event_types(scenario.minutes),
            **self._week(),
        }

    def _week(self) -> dict[str, Any]:
        """Return the calendar's ordinary week: the opening hours, where the business has any."""
        hours = [
            {"weekday": hours.weekday, "opens": hours.opens.isoformat(), "closes": hours.closes.isoformat()}
            for hours in self.business.hours
        ]
        return {"week": hours} if hours else {}

    async def start_faults(self, stand_ins: StandIns) -> None:
        """Let the scenario's faults happen from now on: a worker that starts needs its services."""
        for service in stand_ins.services:
            faults = [
                fault.model_dump(exclude={"service"}, exclude_none=True)
                for fault in self.scenario.faults
                if fault.stand_in == service
            ]
            await stand_ins.control(service, "faults", faults)
        if self.rehearsed.calendar == "builtin":
            await asyncio.to_thread(take_slots, self.folder / "slotline.db", self.scenario.faults)

    async def _spoken(self, stand_ins: StandIns) -> Outcome:
        url = f"http://127.0.0.1:{free_port()}"
        environment = self._environment(stand_ins, url)
        await self.set_up(stand_ins, worker_url=url)
        async with self._worker(environment, url) as tools:
            await self.start_faults(stand_ins)
            outcome = Outcome()
            async for number, lines in self._calls(outcome):
                await self._call(self._plan(stand_ins, url, number, lines), tools, outcome)
            await self.settle(outcome, patience_secs=SETTLE_SECS)
            return outcome

    async def _calls(self, outcome: Outcome) -> AsyncIterator[tuple[int, Sequence[ScenarioLine]]]:
        """Yield the number of each call and what the caller does in it; they call again when all went well so far."""
        yield 1, self.scenario.lines
        if outcome.problems or not self.scenario.calls_again:
            return
        try:
            async with asyncio.timeout(SETTLE_SECS):
                # What the worker does last in a call is to keep its transcript.
                while not any(self.folder.glob("transcripts/*.jsonl")):
                    await asyncio.sleep(0.1)
        except TimeoutError:
            outcome.problems.append("the worker did not end the first call in time")
            return
        self._tell(Event("caller", "[calls again]", outcome.now_ms()))
        yield 2, self.scenario.calls_again

    @asynccontextmanager
    async def _worker(self, environment: dict[str, str], url: str) -> AsyncIterator[asyncio.Queue[Event]]:
        """Run the worker; what its log tells of tools arrives in the queue."""
        log = self.folder / "worker.log"
        process = await asyncio.create_subprocess_exec(
            *slotline("serve", "--no-env-file", "--host", "127.0.0.1", "--port", url.rsplit(":", 1)[1]),
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            limit=1 << 22,
        )
        tools: asyncio.Queue[Event] = asyncio.Queue()
        following = asyncio.create_task(_follow_log(process, log, tools))
        try:
            await wait_until_ready(url, process, log)
            yield tools
        finally:
            await stop(process)
            await following

    async def _call(self, plan: dict[str, Any], tools: asyncio.Queue[Event], outcome: Outcome) -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "simulator.caller",
            env=kept_environment(),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(plan).encode() + b"\n")
        outcome.has_ended = False
        forwarding = asyncio.create_task(self._forward_tools(process.stdin, tools, outcome))
        try:
            async with asyncio.timeout(CALL_SECS + 30):
                async for line in process.stdout:
                    self._note(json.loads(line), outcome)
        except TimeoutError:
            outcome.problems.append("the call did not end")
        finally:
            forwarding.cancel()
            process.stdin.close()
            await stop(process, ends_by_itself=True)
        if not outcome.problems and (not outcome.has_ended or process.returncode):
            outcome.problems.append(f"the caller's process broke off, with exit status {process.returncode}")

    async def _forward_tools(self, stdin: asyncio.StreamWriter, tools: asyncio.Queue[Event], outcome: Outcome) -> None:
        while True:
            event = await tools.get()
            if event.text == "started":
                stdin.write(json.dumps({"tool_started": event.tool}).encode() + b"\n")
            else:
                self._tell(Event("tool", event.text, outcome.now_ms(), event.tool, event.took_ms))

    def _note(self, told: dict[str, Any], outcome: Outcome) -> None:
        match told["event"]:
            case "connected":
                outcome.connected(told["at_ms"])
            case "dialled":
                self._note_dialled({name: told[name] for name in ("number", "status", "is_bridged", "told")}, outcome)
            case "said":
                self._tell(Event("caller", told["text"], outcome.call_began_ms + told["at_ms"]))
            case "heard":
                at_ms = outcome.call_began_ms + told["at_ms"]
                self._tell(Event("agent", told["text"], at_ms, took_ms=told.get("took_ms")))
            case "problem":
                outcome.problems.append(told["text"])
                self._tell(Event("problem", told["text"], outcome.now_ms()))
            case "ended":
                outcome.greeting_ms = told.get("greeting_ms")
                outcome.voice_to_voice_ms += told.get("voice_to_voice_ms", [])
                outcome.has_ended = True

    def _note_dialled(self, dialled: dict[str, Any], outcome: Outcome) -> None:
        outcome.dialled.append(dialled)
        became = "takes the call" if dialled["is_bridged"] else f"does not take the call ({dialled['status']})"
        heard = f"{dialled['told']} " if dialled["told"] else ""
        self._tell(Event("person", f"{heard}[{dialled['number']} {became}]", outcome.now_ms()))

    def _tell(self, event: Event) -> None:
        self.events.append(event)
        self.on_event(event)

    def _plan(self, stand_ins: StandIns, url: str, number: int, lines: Sequence[ScenarioLine]) -> dict[str, Any]:
        scenario = self.scenario
        return {
            "worker_url": url,
            "called": self.business.number,
            "twilio": {
                "url": stand_ins.twilio,
                "account_sid": stand_ins.credentials["twilio_account_sid"],
                "auth_token": stand_ins.credentials["twilio_auth_token"],
            },
            "openai_url": stand_ins.openai,
            "caller": scenario.caller.model_dump(),
            "person": scenario.person,
            "lines": [line.model_dump(exclude_none=True) for line in lines],
            "again": scenario.again,
            "max_secs": CALL_SECS,
            "seed": self.seed,
            "recording": str(self.folder / ("heard.wav" if number == 1 else f"heard-{number}.wav")),
        }

    def typed_environment(self, stand_ins: StandIns) -> dict[str, str]:
        """Return the environment of a typed worker, which nobody phones."""
        return self._environment(stand_ins, "http://127.0.0.1:1")

    async def _typed(self, stand_ins: StandIns) -> Outcome:
        outcome = Outcome(is_typed=True)
        await self.set_up(stand_ins)
        with (self.folder / "worker.log").open("wb") as log:
            async for number, lines in self._calls(outcome):
                script = Script([Line(**line.model_dump(exclude_none=True)) for line in lines], self.scenario.again)
                await self._type(stand_ins, script, outcome, log=log, is_first=number == 1)
        await self.settle(outcome, patience_secs=LOOK_SECS)
        return outcome

    async def _type(
        self, stand_ins: StandIns, script: Script, outcome: Outcome, *, log: IO[bytes], is_first: bool
    ) -> None:
        caller = self.scenario.caller
        process = await chat_process(
            self.typed_environment(stand_ins),
            caller.number,
            is_attested=caller.is_attested,
            stdin=asyncio.subprocess.PIPE,
            log=log,
        )
        try:
            await type_through(
                process,
                script,
                outcome,
                note=lambda told: self.note_typed(told, outcome),
                said=lambda text: self._tell(Event("caller", text, outcome.now_ms())),
                ready=(lambda: self.start_faults(stand_ins)) if is_first else None,
                code=lambda: _texted_code(stand_ins),
            )
        finally:
            await stop(process, ends_by_itself=True)
        if not outcome.problems and process.returncode:
            outcome.problems.append(f"the chat broke off, with exit status {process.returncode}")

    def note_typed(self, told: dict[str, Any], outcome: Outcome) -> None:
        """Keep what a typed worker told."""
        if "put_through" in told:
            self._note_dialled(as_dialled(told), outcome)
        elif "agent" in told:
            self._tell(Event("agent", told["agent"], outcome.now_ms()))
        elif told.get("state") == "finished":
            self._tell(Event("tool", told["status"], outcome.now_ms(), told["tool"], told["took_ms"]))

    async def read_transcript(self) -> None:
        """Take the events from the record, where nobody told them as they happened."""
        store = await Store.open(database_url(self.folder))
        try:
            calls = [path.stem for path in self.folder.glob("transcripts/*.jsonl")]
            for call_sid in calls:
                turns = await store.turns(CallSid(call_sid))
                self.events += [Event(turn.who, turn.text, turn.at_ms, turn.tool, turn.took_ms) for turn in turns]
        finally:
            await store.close()

    async def settle(self, outcome: Outcome, *, patience_secs: float) -> None:
        """Wait until every booking and text of the call is settled; a problem of `outcome` when they are not."""
        store = await Store.open(database_url(self.folder))
        try:
            async with asyncio.timeout(patience_secs):
                while await store.pending_texts() or await self._has_pending(store):
                    await asyncio.sleep(0.1)
        except TimeoutError:
            outcome.problems.append("the worker did not settle every booking and text in time")
        finally:
            await store.close()

    def _environment(self, stand_ins: StandIns, url: str) -> dict[str, str]:
        return worker_environment(
            stand_ins,
            url=url,
            data_dir=self.folder,
            clock_start=self._start(),
            business_file=self.business_file,
            calendar=self.rehearsed.calendar,
            has_fallback=self.scenario.fallback,
            stt_mode=self.scenario.stt_mode,
            context_tokens=self.scenario.context_tokens,
        )

    @staticmethod
    async def _has_pending(store: Store) -> bool:
        return any(appointment.status.value == "pending" for appointment in await store.appointments())

    def _start(self) -> str:
        return "" if self.scenario.now is None else self._local(self.scenario.now)

    def _local(self, time: Any) -> str:
        return str(time.replace(tzinfo=self.business.zone).isoformat())


def new_folder(name: str) -> Path:
    """Make a folder of its own for a rehearsal that starts now, below the working directory."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    first = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{name}"
    for unique in itertools.chain([first], (f"{first}-{number}" for number in itertools.count(2))):
        with suppress(FileExistsError):
            (FOLDER / unique).mkdir()
            break
    return (FOLDER / unique).resolve()


async def _texted_code(stand_ins: StandIns) -> str:
    """Return the code that was texted last, once there is one."""
    while True:
        texts = (await stand_ins.state("twilio"))["messages"]
        if code := code_in([text["body"] for text in texts]):
            return code
        await asyncio.sleep(0.1)


def as_dialled(told: dict[str, Any]) -> dict[str, Any]:
    """Return what became of a call that a typed worker has put through: where no phone rings, a person answers."""
    return {"number": told["put_through"], "status": "completed", "is_bridged": True, "told": told["told"]}


def untypable(scenario: Scenario) -> str:
    """Return why a scenario cannot be typed, "" when it can."""
    if any(line.silence for line in scenario.every_line):
        return "silence needs audio"
    if any(line.line_breaks for line in scenario.every_line):
        return "there is no line that could break where a call is typed"
    if scenario.person != "answers":
        return "no phone rings where a call is typed"
    if scenario.stt_mode != "http" or any(_hits_speech(fault) for fault in scenario.faults):
        return "its faults hit speech, which typing leaves out"
    return ""


def _hits_speech(fault: ScenarioFault) -> bool:
    return fault.service in ("openai", "fallback") and fault.on not in ("chat", ANY)


async def _follow_log(process: asyncio.subprocess.Process, path: Path, tools: asyncio.Queue[Event]) -> None:
    """Keep the worker's log in `path` and pick out what it tells of tools."""
    assert process.stderr is not None
    with path.open("wb") as log:
        async for line in process.stderr:
            log.write(line)
            log.flush()
            if b'"tool_' in line:
                told = json.loads(line)
                if told["event"] == "tool_started":
                    tools.put_nowait(Event("tool", "started", 0, told["tool"]))
                elif told["event"] == "tool_finished":
                    tools.put_nowait(Event("tool", told["status"], 0, told["tool"], told["took_ms"]))
