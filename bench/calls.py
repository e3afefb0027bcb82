"""Measures phone calls from outside, at slotline and at a plain Pipecat bot in turn, and says how they compare.

uv run python -m bench.calls --calls 10
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import os
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import uvloop

from bench.call_figures import MOST_LATE_MS, Side, print_sides, ratio
from bench.call_run import Calls, hesitant_plans, plan
from bench.call_soak import soak
from bench.call_stand_ins import serving_calls
from bench.openai_quick import REALISTIC, Delays
from bench.report import conclude, say, say_machine
from bench.small_talk import HESITANT, QUESTIONS
from bench.utterances import CallersVoice
from bench.workers import PLAIN, SLOTLINE, Cores, running

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agent.settings import CalendarName
    from bench.call_run import Run
    from bench.call_stand_ins import CallStandIns
    from bench.talker import PlannedTurn

HESITANT_CALLS = 4
"""How many at once speak with pauses: few, so that their pauses are judged and not a worker with much to do."""


@dataclass(frozen=True, slots=True)
class Options:
    """The command line."""

    calls: int
    turns: int
    rounds: int
    only: str
    realistic: bool
    stt_ms: float
    llm_ms: float
    word_ms: float
    tts_ms: float
    tts_speed: float
    calendar_ms: float
    cut_turns: int
    soak_minutes: float
    patience: float

    @property
    def delays(self) -> Delays:
        given = Delays(self.stt_ms, self.llm_ms, self.word_ms, self.tts_ms, self.tts_speed)
        return REALISTIC if self.realistic else given

    @property
    def names(self) -> Sequence[str]:
        return (self.only,) if self.only else (SLOTLINE, PLAIN)

    @property
    def patience_secs(self) -> float:
        """How long a caller waits: longer where the services take their time."""
        delays = self.delays
        return self.patience + (delays.stt_ms + 2 * delays.llm_ms + delays.tts_ms) / 1000 * self.realistic


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure once and return the exit status: 0 when the callers were punctual and slotline let no turn go by."""
    options = _options(arguments)
    say_machine()
    voice = CallersVoice.load()
    cores = Cores.of_this_machine()
    with _kept_to(cores.others), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if options.soak_minutes:
            return runner.run(_soak(options, voice, cores))
        sides = runner.run(_measure(options, voice, cores))
    return _conclude(options, sides, voice, cores)


async def _measure(options: Options, voice: CallersVoice, cores: Cores) -> list[Side]:
    runs: dict[str, list[Run]] = {name: [] for name in options.names}
    hesitant: dict[str, Run] = {}
    plans = [plan(voice, call, options.turns) for call in range(options.calls)]
    async with serving_calls(options.delays, core=cores.others, calendar_ms=options.calendar_ms) as stand_ins:
        for round_number in range(options.rounds):
            # In turn, and the other one first each time: what the machine does meanwhile is shared fairly.
            for name in options.names[:: -1 if round_number % 2 else 1]:
                runs[name].append(await _run(name, plans, options, voice, cores, stand_ins))
        if options.cut_turns:
            for name in options.names:
                asked = hesitant_plans(voice, options.cut_turns, HESITANT_CALLS)
                hesitant[name] = await _run(name, asked, options, voice, cores, stand_ins)
    return [Side(name, runs[name], hesitant.get(name)) for name in options.names]


async def _run(
    name: str,
    plans: Sequence[Sequence[PlannedTurn]],
    options: Options,
    voice: CallersVoice,
    cores: Cores,
    stand_ins: CallStandIns,
) -> Run:
    say(f"{name}: {len(plans)} calls of {len(plans[0])} turns")
    await stand_ins.seen()  # what the worker before has left there
    async with running(name, stand_ins, core=cores.worker, calendar=_calendar(options)) as worker:
        # Our own collections must not make callers late.
        gc.collect()
        gc.freeze()
        return await Calls(worker, stand_ins, voice, patience_secs=options.patience_secs).run(plans)


async def _soak(options: Options, voice: CallersVoice, cores: Cores) -> int:
    async with (
        serving_calls(options.delays, core=cores.others, calendar_ms=options.calendar_ms) as stand_ins,
        running(SLOTLINE, stand_ins, core=cores.worker, calendar=_calendar(options)) as worker,
    ):
        calls = Calls(worker, stand_ins, voice, patience_secs=options.patience_secs)
        result = await soak(
            worker, stand_ins, calls, lines=options.calls, turns=options.turns, minutes=options.soak_minutes
        )
    conclude({**result.figures(), "calls": options.calls, "soak_minutes": options.soak_minutes})
    return 0 if result.is_sound else 1


def _conclude(options: Options, sides: Sequence[Side], voice: CallersVoice, cores: Cores) -> int:
    print_sides(sides)
    for asked in voice.utterances[: len(QUESTIONS) + 1]:
        if not asked.is_complete:
            say(f"incomplete to the turn model, so reported apart ({asked.completeness:.2f}): {asked.question.text}")
    if options.cut_turns:
        hesitant = voice.utterances[-len(HESITANT) :][: options.cut_turns]
        early = sum(each.sounds_over_early for each in hesitant)
        say(f"of {len(hesitant)} questions with a pause the turn model takes {early} for over in the pause")
    late_ms = max(side.late_ms for side in sides)
    is_void = late_ms > MOST_LATE_MS or not cores.are_apart
    if is_void:
        say(f"VOID: what measures was late by {late_ms} ms (p99), or has no core of its own")
    figures = {side.name: side.figures() for side in sides}
    conclude(
        {
            SLOTLINE: figures.get(SLOTLINE),
            PLAIN: figures.get(PLAIN),
            "ratio": ratio(figures[SLOTLINE], figures[PLAIN]) if len(figures) == 2 else None,
            "further": {side.name: {**side.further(), **side.breakdown()} for side in sides},
            "void": is_void,
            **asdict(options),
        }
    )
    return 1 if is_void or _fails_callers(sides) else 0


def _fails_callers(sides: Sequence[Side]) -> bool:
    """Whether the first of them let a turn go by, or spoke too early more often than the other."""
    measured, *others = sides
    is_ruder = any(measured.interruptions > other.interruptions for other in others)
    return bool(measured.figures()["missed_turns"]) or is_ruder


def _calendar(options: Options) -> CalendarName:
    """Return the calendar slotline books into: only one that is elsewhere can be slow."""
    return "calcom" if options.calendar_ms else "builtin"


@contextlib.contextmanager
def _kept_to(core: int) -> Iterator[None]:
    """Keep this process, and what it starts, off the worker's core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _options(arguments: Sequence[str] | None) -> Options:
    parser = argparse.ArgumentParser(prog="python -m bench.calls", description=__doc__)
    parser.add_argument("--calls", type=int, default=1, help="at once")
    parser.add_argument("--turns", type=int, default=20, help="of each call")
    parser.add_argument("--rounds", type=int, default=2, help="how often each worker is started and measured")
    parser.add_argument("--only", choices=(SLOTLINE, PLAIN), default="", help="one worker, without the ratio")
    parser.add_argument("--realistic", action="store_true", help=f"services that take their time: {REALISTIC}")
    for name, unit in (
        ("stt-ms", "of a transcription"),
        ("llm-ms", "to the first word"),
        ("word-ms", "for each further word"),
        ("tts-ms", "to the first sound"),
    ):
        parser.add_argument(f"--{name}", type=float, default=0.0, help=f"{unit}; left out: nothing")
    parser.add_argument("--tts-speed", type=float, default=0.0, help="times real time; 0: all at once")
    parser.add_argument(
        "--calendar-ms", type=float, default=0.0, help="a Cal.com that takes so long to say what is free"
    )
    parser.add_argument(
        "--cut-turns", type=int, default=0, help="so many questions with a pause inside, as a run apart"
    )
    parser.add_argument("--soak-minutes", type=float, default=0.0, help="slotline alone, one call after the other")
    parser.add_argument("--patience", type=float, default=8.0, help="seconds that a caller waits for an answer")
    return Options(**vars(parser.parse_args(arguments)))


if __name__ == "__main__":
    sys.exit(main())
