"""What a bench of calls tells of a worker: the figures of its runs, and how they compare with another's."""

from __future__ import annotations

from itertools import chain
from statistics import fmean
from typing import TYPE_CHECKING

from bench.report import percentile, say
from bench.talker import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from bench.call_run import FinishedCall, Run
    from bench.talker import Turn

MOST_LATE_MS = 20.0
"""A caller who is later than this (p99) has measured themselves."""
FIGURES = (
    "greeting",
    "voice_to_voice_p50",
    "voice_to_voice_p95",
    "barge_in",
    "tool_turn",
    "silence_per_min",
    "jitter_p99",
    "cpu",
    "rss_per_call",
    "missed_turns",
    "cut_turns",
)
STAGES = ("stt_request", "transcript", "llm_request", "first_token", "tts_request", "first_sound")

Figures = dict[str, float | None]


class Side:
    """One worker's figures, of all its runs together.

    Args:
        runs: With the usual turns.
        hesitant: The run in which every turn has a pause inside, if there was one.
    """

    def __init__(self, name: str, runs: Sequence[Run], hesitant: Run | None) -> None:
        self.name = name
        self._runs = runs
        self._hesitant = hesitant
        self._calls = [call for run in runs for call in run.calls if not call.is_probe]
        self._turns = [turn for call in self._calls for turn in call.talker.turns]
        self._judged = list(filter(_is_judged, self._turns))

    @property
    def late_ms(self) -> float:
        """How late the callers or the stand-ins were (p99), whichever was later."""
        runs = [*self._runs, *([self._hesitant] if self._hesitant else [])]
        callers = [late for run in runs for call in run.calls for late in call.late_ms]
        stand_ins = [late for run in runs for late in run.seen.late_ms]
        return max(percentile(callers, 0.99), percentile(stand_ins, 0.99))

    @property
    def interruptions(self) -> int:
        """How often the agent spoke before the caller had ended, with a pause inside or without."""
        hesitant = self._hesitant.calls if self._hesitant else ()
        return sum(map(_cut, [*self._calls, *hesitant]))

    def figures(self) -> Figures:
        """Return what the last line of the bench holds: milliseconds, megabytes, seconds, counts."""
        greetings = [call.talker.greeting_ms for run in self._runs for call in run.calls]
        judged = _present(turn.voice_to_voice_ms for turn in self._judged)
        cpu = [run.cpu_secs / run.call_secs * 60 for run in self._runs if run.call_secs]
        rss = _present(run.rss_per_call_mb for run in self._runs)
        # An answer that came too early is begun again: what is between its two beginnings is not inside of it.
        whole = [turn for turn in self._turns if not turn.was_interrupted]
        heard_mins = sum(turn.heard_secs for turn in whole) / 60
        silence_ms = sum(turn.silence_secs for turn in whole) * 1000
        return {
            "greeting": _percentile(greetings, 0.5),
            "voice_to_voice_p50": _percentile(judged, 0.5),
            "voice_to_voice_p95": _percentile(judged, 0.95),
            "barge_in": _percentile((turn.barge_in_ms for turn in self._of(Kind.BARGE_IN)), 0.5),
            "tool_turn": _percentile((turn.voice_to_voice_ms for turn in self._of(Kind.TOOL)), 0.5),
            "silence_per_min": round(silence_ms / heard_mins, 1) if heard_mins else None,
            "jitter_p99": _percentile(chain.from_iterable(turn.late_packets_ms for turn in whole), 0.99),
            "cpu": round(fmean(cpu), 2) if cpu else None,
            "rss_per_call": round(fmean(rss), 1) if rss else None,
            "missed_turns": sum(map(_missed, self._calls)),
            "cut_turns": None if self._hesitant is None else sum(map(_cut, self._hesitant.calls)),
        }

    def further(self) -> Figures:
        """Return what else is printed."""
        firsts = [run.calls[0].talker.greeting_ms for run in self._runs]
        incomplete = [turn for turn in self._of(Kind.PLAIN) if not turn.utterance.is_complete]
        return {
            "greeting_first": _percentile(firsts, 0.5),
            "greeting_max": _percentile((call.talker.greeting_ms for run in self._runs for call in run.calls), 1.0),
            "voice_to_voice_incomplete": _percentile((turn.voice_to_voice_ms for turn in incomplete), 0.5),
            "barge_in_p95": _percentile((turn.barge_in_ms for turn in self._of(Kind.BARGE_IN)), 0.95),
            "turns": len(self._turns),
            "interrupted_turns": sum(turn.was_interrupted for turn in self._turns),
            "too_early_p50": _percentile((turn.too_early_ms for turn in self._turns), 0.5),
            "filled_turns": sum(turn.filled_at is not None for turn in self._turns),
            "hesitant_turns": None if self._hesitant is None else sum(map(_planned, self._hesitant.calls)),
            "hesitant_missed": None if self._hesitant is None else sum(map(_missed, self._hesitant.calls)),
            "unmarked": sum(run.seen.unmarked for run in self._runs),
            "late_p99": self.late_ms,
        }

    def breakdown(self) -> Figures:
        """Return when each step of a turn was, counted from the end of the caller's speech (p50)."""
        steps = {stage: _percentile(self._stage_ms(stage), 0.5) for stage in STAGES}
        return {**steps, "heard": _percentile((turn.voice_to_voice_ms for turn in self._judged), 0.5)}

    def problems(self) -> Iterator[str]:
        """Yield what Twilio would have complained about, and which usual turns were interrupted."""
        for call in self._calls:
            yield from call.problems
        for turn in self._turns:
            if turn.too_early_ms is not None:
                yield f"spoke {turn.too_early_ms:.0f} ms before the end of {turn.utterance.question.text!r}"

    def _of(self, kind: Kind) -> list[Turn]:
        return [turn for turn in self._turns if turn.kind is kind]

    def _stage_ms(self, stage: str) -> Iterator[float]:
        """Yield when that step was last before the answer, in each turn."""
        for run in self._runs:
            turns = chain.from_iterable(call.talker.turns for call in run.calls if not call.is_probe)
            judged = {(turn.call, turn.number): turn for turn in turns if _is_judged(turn)}
            last: dict[tuple[int, int], float] = {}
            for call, number, name, at in run.seen.stages:
                turn = judged.get((call, number))
                if name == stage and turn is not None and turn.answered_at and at <= turn.answered_at:
                    last[call, number] = (at - turn.spoke_until) * 1000
            yield from last.values()


def ratio(ours: Mapping[str, float | None], theirs: Mapping[str, float | None]) -> Figures:
    """Return ours as a share of theirs; None where one of them is missing or theirs is nothing."""
    return {name: _share(ours[name], theirs[name]) for name in FIGURES}


def print_sides(sides: Sequence[Side]) -> None:
    """Print the figures of the workers side by side, with ours as a share of the other's."""
    figures = [side.figures() for side in sides]
    shares = ratio(*figures) if len(sides) == 2 else {}
    say("".join(f"{title:>28}" for title in ("", *(side.name for side in sides), *(["ratio"] if shares else []))))
    for name in FIGURES:
        shown = [*(each[name] for each in figures), *([shares[name]] if shares else [])]
        say(f"{name:>28}" + "".join(f"{_shown(value):>28}" for value in shown))
    _print_further(sides, Side.further)
    say("from the end of speech to each step, ms:")
    _print_further(sides, Side.breakdown)
    for side in sides:
        for problem in sorted(set(side.problems())):
            say(f"{side.name}: {problem}")


def _print_further(sides: Sequence[Side], of: Callable[[Side], Figures]) -> None:
    columns = [of(side) for side in sides]
    for name in columns[0]:
        say(f"{name:>28}" + "".join(f"{_shown(column[name]):>28}" for column in columns))


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"


def _share(ours: float | None, theirs: float | None) -> float | None:
    return None if ours is None or not theirs else round(ours / theirs, 3)


def _percentile(values: Sequence[float | None] | Iterator[float | None], share: float) -> float | None:
    present = _present(values)
    return percentile(present, share) if present else None


def _present(values: Sequence[float | None] | Iterator[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _is_judged(turn: Turn) -> bool:
    """Whether a turn is one of those that voice to voice is measured in."""
    return turn.kind is Kind.PLAIN and turn.utterance.is_complete


def _missed(call: FinishedCall) -> int:
    """Return how many turns got no answer, or could not be taken because the call was refused or broke off."""
    return _planned(call) - sum(turn.answered_at is not None for turn in call.talker.turns)


def _planned(call: FinishedCall) -> int:
    return call.talker.planned_turns


def _cut(call: FinishedCall) -> int:
    return sum(turn.was_interrupted for turn in call.talker.turns)
