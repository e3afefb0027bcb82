"""What became of a rehearsed call, read from the stand-ins and the record, and whether it is what was expected."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict, dataclass, field
from datetime import datetime
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

from agent.booked_before import call_before
from agent.standing import look
from agent.verdict import Happened, shortcomings
from appointments.model import LIVE, AppointmentStatus
from appointments.store.records import AT_ONCE, STAGES, Channel

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from agent.expectations import Expectation
    from agent.rehearsal_events import Event
    from agent.rehearsal_world import RehearsalWorld
    from agent.scenarios import Scenario
    from agent.settings import CalendarName
    from agent.stand_ins import StandIns
    from appointments.model import Appointment, Business, CallSid
    from appointments.store.records import CallTimes
    from appointments.store.store import Store


@dataclass(slots=True)
class Outcome:
    """What the caller noticed."""

    is_typed: bool = False
    greeting_ms: int | None = None
    voice_to_voice_ms: list[float] = field(default_factory=list)
    has_ended: bool = False
    """Whether the caller told of the call's end."""
    problems: list[str] = field(default_factory=list)
    dialled: list[dict[str, Any]] = field(default_factory=list)
    """The phones that the caller was put through to."""
    call_began_ms: int = 0
    """When the call that is held was connected, as seen from the first."""
    _began: float | None = None

    def connected(self, at_ms: int = 0) -> None:
        """Count time from now; in a second call it goes on, and in a second stream, `at_ms` of its call."""
        if self._began is None:
            self._began = time.monotonic()
        self.call_began_ms = self.now_ms() - at_ms

    def now_ms(self) -> int:
        """Return the time since the call was connected; what comes before has no later time than its start."""
        return 0 if self._began is None else round((time.monotonic() - self._began) * 1000)


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a rehearsal, as `--json` writes it."""

    scenario: str
    ok: bool
    calendar: CalendarName | None = None
    booked: bool = False
    appointment: dict[str, Any] | None = None
    """The last of the `appointments` that still stands."""
    appointments: Sequence[dict[str, Any]] = ()
    """What was booked, moved, confirmed or cancelled in the call."""
    sms: Sequence[dict[str, str]] = ()
    mails: Sequence[dict[str, str]] = ()
    turns: Sequence[dict[str, Any]] = ()
    greeting_ms: int | None = None
    voice_to_voice_ms: dict[str, int] | None = None
    worst_silence_ms: int | None = None
    """By the worker's own record, as are the next."""
    stages_ms: dict[str, int] | None = None
    """The median of each stage of the answers."""
    dialled: Sequence[dict[str, Any]] = ()
    """The phones that the caller was put through to, each with `number`, `status`, `is_bridged` and `told`."""
    guarded: int = 0
    """How many sentences of the model the speech guard objected to."""
    faults: Sequence[dict[str, Any]] = ()
    skipped: str | None = None
    problems: Sequence[str] = ()
    """Why it is not ok."""
    files: dict[str, str] = field(default_factory=dict)

    @classmethod
    def skip(cls, scenario: Scenario, reason: str) -> Report:
        return cls(scenario.stem, ok=True, skipped=reason)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


async def judge(
    world: RehearsalWorld,
    expect: Expectation | None,
    stand_ins: StandIns,
    events: Sequence[Event],
    outcome: Outcome,
) -> Report:
    """Look at the calendar, the texts and the record, and compare them with `expect`; None: anything may stand."""
    scenario, business = world.scenario, world.business
    standing = await look(world, stand_ins)
    problems = list(outcome.problems)
    if expect:
        happened = Happened(standing.texts, standing.mails, events, outcome.dialled)
        problems += shortcomings(scenario, expect, business, standing, happened)
    appointments = standing.record.appointments
    before = {call_before(place): each.at.replace(tzinfo=business.zone) for place, each in enumerate(scenario.booked)}
    ours = [each for each in appointments if _is_touched(each, before.get(each.call_sid))]
    starts = {each.slot.start for each in ours if each.call_sid not in before}
    return Report(
        scenario=scenario.stem,
        ok=not problems,
        calendar=world.rehearsed.calendar,
        booked=any(each.start in starts for each in standing.held),
        **_described(ours, business),
        sms=[{"to": m["to"], "body": m["body"], "status": m["status"]} for m in standing.texts],
        mails=[{"to": mail["to"], "subject": mail["subject"], "body": mail["text"]} for mail in standing.mails],
        turns=_turns(events),
        greeting_ms=outcome.greeting_ms,
        voice_to_voice_ms=None if outcome.is_typed else percentiles(outcome.voice_to_voice_ms),
        **_measured(standing.record.times),
        dialled=outcome.dialled,
        guarded=await asyncio.to_thread(_guarded, world.folder / "worker.log"),
        faults=standing.faults,
        problems=problems,
        files=_files(world.folder),
    )


def _measured(calls: Sequence[CallTimes]) -> dict[str, Any]:
    """Return what the worker measured of the calls, as a report has it."""
    silences = [call.worst_silence_ms for call in calls if call.worst_silence_ms is not None]
    turns = [turn for call in calls for turn in call.turns]
    stages = {}
    for stage in STAGES:
        known = [took_ms for turn in turns if (took_ms := getattr(turn, f"{stage}_ms")) is not None]
        if known:
            stages[stage] = round(median(known))
    return {"worst_silence_ms": max(silences, default=None), "stages_ms": stages or None}


def _guarded(log: Path) -> int:
    """Count what the speech guard has logged."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    return sum('"event": "speech_guarded"' in line for line in lines)


def percentiles(values: Sequence[float]) -> dict[str, int] | None:
    """Return p50 and p95 in whole ms, None without values."""
    if not values:
        return None
    if len(values) == 1:
        return {"p50": round(values[0]), "p95": round(values[0])}
    cuts = quantiles(values, n=20, method="inclusive")
    return {"p50": round(cuts[9]), "p95": round(cuts[18])}


def _is_touched(appointment: Appointment, before: datetime | None) -> bool:
    """Claim that the call has booked or changed the appointment, which started at `before` until then."""
    is_changed = appointment.status is AppointmentStatus.CANCELLED or appointment.confirmed_at is not None
    return is_changed or appointment.slot.start != before


def _described(ours: Sequence[Appointment], business: Business) -> dict[str, Any]:
    """Return the appointments of a call as a report has them; what came to nothing is not among them."""
    told = [_describe(each, business) for each in ours if each.status is not AppointmentStatus.FAILED]
    standing = [each for each in told if each["status"] in LIVE]
    return {"appointment": standing[-1] if standing else None, "appointments": told}


async def report_on_record(
    store: Store,
    call_sid: CallSid,
    business: Business,
    events: Sequence[Event],
    problems: Sequence[str] = (),
    *,
    calendar: CalendarName | None = None,
) -> Report:
    """Report on a call by our own record only, when the services are real."""
    ours = await store.appointments(call_sid)
    messages = [
        message
        for appointment in ours
        for message in await store.messages(appointment.appointment_id)
        if message.not_before == AT_ONCE  # what is planned for later is none of the call
    ]
    texts = [message for message in messages if message.channel is Channel.SMS]
    mails = [message for message in messages if message.channel is Channel.EMAIL and message.state == "sent"]
    times = await store.times(call_sid)
    return Report(
        scenario="",
        ok=not problems,
        calendar=calendar,
        booked=any(each.status is AppointmentStatus.ACTIVE for each in ours),
        **_described(ours, business),
        sms=[{"to": text.to, "body": text.body, "status": text.status or text.state} for text in texts],
        mails=[{"to": mail.to, "subject": mail.subject, "body": mail.body} for mail in mails],
        turns=_turns(events),
        greeting_ms=times.greeting_ms,
        voice_to_voice_ms=percentiles([turn.voice_to_voice_ms for turn in times.turns]),
        **_measured([times]),
        problems=problems,
    )


def _describe(appointment: Appointment, business: Business) -> dict[str, Any]:
    return {
        "id": appointment.appointment_id,
        "start": appointment.slot.start.astimezone(business.zone).isoformat(),
        "duration_min": round(appointment.slot.duration.total_seconds() / 60),
        "attendee": appointment.attendee.name,
        "phone": appointment.attendee.phone,
        "email": appointment.attendee.email,
        "booking_uid": appointment.booking_uid,
        "status": appointment.status.value,
    }


def _turns(events: Sequence[Event]) -> list[dict[str, Any]]:
    return [_turn(event) for event in sorted(events, key=lambda event: event.at_ms)]


def _turn(event: Event) -> dict[str, Any]:
    turn: dict[str, Any] = {"who": event.who, "text": event.text, "at_ms": event.at_ms}
    if event.tool:
        turn["tool"] = event.tool
    if event.took_ms is not None:
        turn["took_ms"] = event.took_ms
    return turn


def _files(folder: Path) -> dict[str, str]:
    patterns = {
        "recording": "recordings/*.wav",
        "transcript": "transcripts/*.jsonl",
        "database": "slotline.db",
        "log": "worker.log",
    }
    found = {name: sorted(folder.glob(pattern), key=_written) for name, pattern in patterns.items()}
    # Of several calls it is the last that shows how it ended.
    return {name: str(files[-1]) for name, files in found.items() if files}


def _written(file: Path) -> float:
    return file.stat().st_mtime
