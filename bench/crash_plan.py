"""What can go wrong in a run of the crash bench: the work, the providers' fault, and where the process is killed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from appointments.settling import SettleTimes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ANYWHERE = "*"
"""As a point: whichever is passed n-th."""


class Work(StrEnum):
    """What is done in the process that is killed."""

    BOOK = "book"
    MOVE = "move"
    CANCEL = "cancel"
    SEND = "send"


class Afterwards(StrEnum):
    """Who goes on after the kill."""

    RESTART = "restart"
    """A process that is started then."""
    PEER = "peer"
    """One that has been running beside it."""


# The requests that change something, and those that show what was changed, as faults name them.
_CHANGES = {Work.BOOK: "create", Work.MOVE: "reschedule", Work.CANCEL: "cancel", Work.SEND: "messages"}
_LOOKS = {Work.BOOK: "list", Work.MOVE: "get", Work.CANCEL: "get", Work.SEND: "messages"}

FAULTS: Mapping[str, Sequence[tuple[str, str, int]]] = {
    "none": (),
    "lost_request": (("change", "drop_before", 1),),
    "lost_answer": (("change", "drop_after", 1),),
    "error": (("change", "error_500", 1),),
    "error_after_commit": (("change", "error_500_after", 1),),
    "stall": (("change", "slow", 1),),
    "limited": (("change", "rate_limited", 1),),
    # Our client reads three times before it gives up: the first look-up fails, the second does not.
    "lost_answer_and_look": (("change", "drop_after", 1), ("look", "error_500", 3)),
    "taken": (("change", "taken", 1),),
}
"""By name: which requests of the provider go wrong, how, and how often."""
STALL_SECS = 30.0
LIMITED_SECS = 1.0


@dataclass(frozen=True, slots=True)
class Kill:
    """Where a process is killed: when it passes `point` for the n-th time."""

    point: str
    nth: int = 1

    def __str__(self) -> str:
        return f"{self.point}:{self.nth}"

    @classmethod
    def parse(cls, text: str) -> Kill:
        point, _, nth = text.rpartition(":")
        return cls(point, int(nth))


@dataclass(frozen=True, slots=True)
class Run:
    """One run. Its name says all of it, so that it can be repeated."""

    work: Work
    fault: str
    hangs_up: bool = False
    """Whether the caller hangs up as soon as the work has begun."""
    kill: Kill | None = None
    afterwards: Afterwards = Afterwards.RESTART
    second: Kill | None = None
    """Where the process that goes on is killed too; a third one ends the work."""

    @property
    def name(self) -> str:
        parts = [self.work, self.fault, "hangs_up" if self.hangs_up else "waits", str(self.kill), self.afterwards]
        return "/".join([*parts, str(self.second)])

    @classmethod
    def parse(cls, name: str) -> Run:
        work, fault, caller, kill, afterwards, second = name.split("/")
        kills = [None if text == "None" else Kill.parse(text) for text in (kill, second)]
        return cls(Work(work), fault, caller == "hangs_up", kills[0], Afterwards(afterwards), kills[1])

    @property
    def unkilled(self) -> Run:
        return replace(self, kill=None, second=None, afterwards=Afterwards.RESTART)

    def faults(self, scale: float) -> Sequence[tuple[str, Mapping[str, Any]]]:
        """Return the faults to order, each with the stand-in that acts it out."""
        service = "twilio" if self.work is Work.SEND else "calcom"
        on = {"change": _CHANGES[self.work], "look": _LOOKS[self.work]}
        seconds = {"slow": STALL_SECS * scale, "rate_limited": LIMITED_SECS * scale}
        return [
            (service, {"on": on[which], "kind": kind, "times": times, "seconds": seconds.get(kind, 0.0)})
            for which, kind, times in FAULTS[self.fault]
        ]


def unkilled_runs(calendar: str) -> Sequence[Run]:
    """Return all that can be done and go wrong there; the built-in calendar has no provider to fail."""
    runs = []
    for work in Work:
        has_provider = work is Work.SEND or calendar == "calcom"
        for fault in FAULTS if has_provider else ("none",):
            if fault == "taken" and work not in (Work.BOOK, Work.MOVE):
                continue
            runs.append(Run(work, fault))
            if work is not Work.SEND:
                runs.append(Run(work, fault, hangs_up=True))
    return runs


@dataclass(frozen=True, slots=True)
class Times:
    """The product's timeouts, leases and waits, as they are set by default, times `scale`."""

    scale: float

    @property
    def settle(self) -> SettleTimes:
        usual = SettleTimes()
        return SettleTimes(
            http_timeout=self._scaled(usual.http_timeout),
            look_ups=tuple(self._scaled(each) for each in usual.look_ups),
            margin=self._scaled(usual.margin),
            answer_within=self._scaled(usual.answer_within),
            claim_again=self._scaled(usual.claim_again),
            hold_for=self._scaled(usual.hold_for),
        )

    @property
    def texting(self) -> timedelta:
        """Twilio's timeout."""
        return self._scaled(timedelta(seconds=10))

    @property
    def lease(self) -> timedelta:
        return self._scaled(timedelta(seconds=60))

    @property
    def unclear_wait(self) -> timedelta:
        return self._scaled(timedelta(seconds=30))

    @property
    def poll(self) -> timedelta:
        return self._scaled(timedelta(seconds=1))

    @property
    def settle_every(self) -> timedelta:
        return self._scaled(timedelta(seconds=5))

    @property
    def read_pauses_secs(self) -> tuple[float, ...]:
        return tuple(each * self.scale for each in (0.25, 0.5))

    def _scaled(self, usual: timedelta) -> timedelta:
        return usual * self.scale
