"""One run of a bench of calls: a fresh worker, callers who call one after the other and talk at once, what was seen."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from bench.phone import Phone
from bench.small_talk import BOOKING, EVERYTHING, HESITANT, QUESTIONS, TOOL_QUESTION
from bench.talker import Kind, PlannedTurn, Talker
from simulator.world import BUSINESS_NUMBER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.call_stand_ins import CallStandIns, Seen
    from bench.utterances import CallersVoice
    from bench.workers import Worker

STAGGER_SECS = 0.25
_WEBHOOK_SECS = 15.0
PROBES = 3
"""How many more call where there is but one call, to see what a further one holds of the memory."""
BUILT_TURNS = 3
"""After how many turns a call has built and grown what it will hold."""
_PATTERN = (Kind.PLAIN, Kind.PLAIN, Kind.BARGE_IN, Kind.PLAIN, Kind.TOOL)
_PLACE_STEP = 7
"""Callers ask the same in another order, so that few ask the same at once."""
_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Trusts nobody: on loopback it is not used."""


@dataclass(frozen=True, slots=True)
class FinishedCall:
    """A call that is over."""

    talker: Talker
    problems: Sequence[str]
    late_ms: Sequence[float]
    is_probe: bool


@dataclass(frozen=True, slots=True)
class Run:
    """What was seen of a worker while it took the calls."""

    calls: Sequence[FinishedCall]
    seen: Seen
    cpu_secs: float
    call_secs: float
    """How long the calls took, together, in which that was used."""
    rss_per_call_mb: float | None
    """None where no further call was long enough."""


def plan(voice: CallersVoice, call: int, turns: int) -> list[PlannedTurn]:
    """Return the turns of a caller: most just ask, some over the answer before, some what needs a tool."""
    planned = []
    for number in range(turns):
        kind = _PATTERN[number % len(_PATTERN)]
        place = (call * _PLACE_STEP + number) % len(QUESTIONS)
        asked = EVERYTHING.index(TOOL_QUESTION) if kind is Kind.TOOL else place
        planned.append(PlannedTurn(kind, voice.utterances[asked]))
    return planned


def booking_plan(voice: CallersVoice) -> list[PlannedTurn]:
    """Return the turns of a caller who asks what is free and books some of it."""
    asked = [(Kind.TOOL, TOOL_QUESTION), *((Kind.BOOKING, each) for each in BOOKING)]
    return [PlannedTurn(kind, voice.utterances[EVERYTHING.index(each)]) for kind, each in asked]


def hesitant_plans(voice: CallersVoice, utterances: int, calls: int) -> list[list[PlannedTurn]]:
    """Return the turns of callers who ask `utterances` questions with a pause inside, together."""
    hesitant = voice.utterances[-len(HESITANT) :]
    asked = [hesitant[number % len(hesitant)] for number in range(utterances)]
    return [[PlannedTurn(Kind.HESITANT, each) for each in asked[call::calls]] for call in range(calls)]


class Calls:
    """Calls at a worker.

    Args:
        patience_secs: How long a caller waits for an answer.
    """

    def __init__(self, worker: Worker, stand_ins: CallStandIns, voice: CallersVoice, *, patience_secs: float) -> None:
        self._worker = worker
        self._stand_ins = stand_ins
        self._voice = voice
        self._patience_secs = patience_secs

    async def run(self, plans: Sequence[Sequence[PlannedTurn]]) -> Run:
        """Let callers talk by their plans, all at once, and return what was seen."""
        before = self._worker.usage()
        # One is alone until it has built all that a call builds, and where no others call, until it has said all.
        lone, is_lone = plans[0], len(plans) == 1
        later = plans[1:] or self._probes(len(lone))
        built = min(BUILT_TURNS, len(lone))
        progress = _Progress(1 + len(later), built=built, lone_turns=len(lone) if is_lone else built)
        async with new_http() as http:
            talkers = [self._talker(number, planned, progress) for number, planned in enumerate([lone, *later])]
            placed = [asyncio.create_task(self._place(http, talkers[0], progress))]
            await progress.lone_is_done.wait()
            alone, alone_secs = self._worker.usage(), _secs(talkers[0])
            for talker in talkers[1:]:
                placed.append(asyncio.create_task(self._place(http, talker, progress, is_probe=is_lone)))
                await asyncio.sleep(STAGGER_SECS)
            await progress.all_are_built.wait()
            together = self._worker.usage()
            finished = [await each for each in placed]
        after, secs = (alone, alone_secs) if is_lone else (self._worker.usage(), sum(map(_secs, talkers)))
        return Run(
            finished,
            await self._stand_ins.seen(),
            cpu_secs=after.cpu_secs - before.cpu_secs,
            call_secs=secs,
            rss_per_call_mb=(together.rss_mb - alone.rss_mb) / len(later) if later else None,
        )

    async def one(self, http: httpx.AsyncClient, number: int, turns: int, *, books: bool) -> FinishedCall:
        """Place a call of so many turns, after which the caller may book, and carry it to its end."""
        progress = _Progress(1, built=1, lone_turns=1)
        planned = plan(self._voice, number, turns) + (booking_plan(self._voice) if books else [])
        return await self._place(http, self._talker(number, planned, progress), progress)

    def _probes(self, turns: int) -> list[list[PlannedTurn]]:
        if turns < BUILT_TURNS:
            return []
        return [plan(self._voice, 1 + number, BUILT_TURNS) for number in range(PROBES)]

    def _talker(self, number: int, planned: Sequence[PlannedTurn], progress: _Progress) -> Talker:
        return Talker(
            number,
            self._voice,
            planned,
            patience_secs=self._patience_secs,
            on_turn=lambda turns: progress.note(number, turns),
            # Who has nothing to say any more stays until all have been on the line together.
            stays=lambda: not progress.all_are_built.is_set(),
        )

    async def _place(
        self, http: httpx.AsyncClient, talker: Talker, progress: _Progress, *, is_probe: bool = False
    ) -> FinishedCall:
        caller = f"+1415{5550000 + talker.number % 10_000:07}"
        phone = Phone(http, self._worker.url, self._stand_ins.credentials, caller, BUSINESS_NUMBER)
        try:
            await phone.call(talker)
        finally:
            # A call that was refused or broke off must not hold up the others.
            progress.note(talker.number, talker.planned_turns)
        return FinishedCall(talker, phone.problems, phone.late_ms, is_probe)


def new_http() -> httpx.AsyncClient:
    """Return what webhooks are posted with."""
    return httpx.AsyncClient(timeout=_WEBHOOK_SECS, trust_env=False, verify=_NO_TLS)


class _Progress:
    """How far calls are that go on at once.

    Args:
        calls: How many there will be.
        built: How many turns each must have had to hold what it will hold.
        lone_turns: How many turns the first takes before the others call.
    """

    def __init__(self, calls: int, *, built: int, lone_turns: int) -> None:
        self.lone_is_done = asyncio.Event()
        self.all_are_built = asyncio.Event()
        self._calls = calls
        self._built_turns = built
        self._lone_turns = lone_turns
        self._built: set[int] = set()

    def note(self, call: int, turns: int) -> None:
        if turns >= self._built_turns:
            self._built.add(call)
        if turns >= self._lone_turns:
            self.lone_is_done.set()
        if len(self._built) == self._calls:
            self.all_are_built.set()


def _secs(talker: Talker) -> float:
    return talker.ended_at - talker.began_at
