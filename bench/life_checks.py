"""Looks, while lives pass and in the end, for texts that were lost, sent twice, or that no rule has asked for."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from appointments.store.records import MessageKind
from bench.crash_checks import NOT_IN_CALENDAR
from bench.life_model import Seen
from bench.life_worker import Wish, who

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from appointments.store.store import Store
    from bench.life_model import LifeModel
    from bench.life_plan import Life
    from bench.life_worker import Deed
    from bench.stand_ins import Addresses

_FAILURES = frozenset({"failed", "change_failed"})
_OF_WISHES = frozenset({MessageKind.CHANGE_FAILED, MessageKind.CHANGE_UNCONFIRMED, MessageKind.REPLY})
"""What is told of a wish, of which there may be several in one version."""
_UNCLEAR = frozenset({"unconfirmed", "change_unclear"})


@dataclass(slots=True)
class Accounts:
    """What was expected and what was sent, and in words what is wrong.

    `either_way` counts what was sent and might as well not have been, `unclear` the lives that were left to a person.
    """

    expected: int = 0
    sent: int = 0
    lost: int = 0
    duplicates: int = 0
    unexpected: int = 0
    either_way: int = 0
    deeds: int = 0
    faults: int = 0
    unclear: int = 0
    problems: list[str] = field(default_factory=list)

    def __add__(self, other: Accounts) -> Accounts:
        return Accounts(*(getattr(self, name) + getattr(other, name) for name in self.__slots__))


class LifeChecks:
    """The checks of some lives that share a record and stand-ins."""

    def __init__(self, store: Store, addresses: Addresses, lives: Sequence[Life]) -> None:
        self._store = store
        self._addresses = addresses
        self._lives = {life.number: life for life in lives}
        self._bookings: dict[str, Mapping[str, Any]] = {}
        self._accounts = Accounts()

    def complain(self, problem: str) -> None:
        self._accounts.problems.append(problem)

    async def look(
        self,
        now: datetime,
        deeds: Mapping[int, Sequence[Deed]],
        noted: Sequence[str],
        *,
        killed: Sequence[str],
    ) -> None:
        """Find out what came of `deeds` and let the models go on to `now`.

        Args:
            noted: What the processes have noted that did them.
            killed: Which processes were killed.
        """
        changed = await self._changed()
        events = await self._events()
        self._accounts.faults += len((await self._addresses.state("twilio"))["faults"])
        self._accounts.faults += len((await self._addresses.state("calcom"))["faults"])
        told = [line.split() for line in noted if line.startswith("told ")]
        heard = {name for _, name, outcome, *_ in told if outcome == "failed"}
        for number, life in self._lives.items():
            mine = deeds.get(number, ())
            self._accounts.deeds += len(mine)
            happened = {deed.number: _named(deed, events) for deed in mine}
            unclear = frozenset(each for each, names in happened.items() if names & _UNCLEAR)
            done = frozenset(deed.number for deed in mine if _is_done(deed, changed.get(number, [])))
            seen = Seen(
                done=done - unclear,
                heard=frozenset(deed.number for deed in mine if deed.name in heard),
                failed=frozenset(each for each, names in happened.items() if names & _FAILURES),
                unclear=unclear,
                was_killed=bool(killed),
                may_be_heard=bool(killed) and any("take_back" in line for line in noted),
            )
            life.model.live(now, mine, seen)

    async def accounts(self) -> Accounts:
        """Compare what each caller was texted with what the model of their life says."""
        texts = (await self._addresses.state("twilio"))["messages"]
        for life in self._lives.values():
            sent = Counter(text["body"] for text in texts if text["to"] == who(life.number).phone)
            self._accounts += compared(life.number, life.model, sent)
        await self._check_record(len(texts))
        await self._check_calendar()
        return self._accounts

    async def _check_record(self, sent: int) -> None:
        """The record says what was sent, and knows nothing twice."""
        rows = await self._store.messages()
        recorded = sum(row.state == "sent" for row in rows)
        # What went out with its answer lost, and was then superseded, stays recorded as superseded.
        unheard = sum(row.state in ("cancelled", "dropped") and row.tried_at is not None for row in rows)
        if not recorded <= sent <= recorded + unheard:
            self.complain(f"{sent} texts were sent, the record says {recorded}, and of {unheard} nobody knows")
        told = Counter((row.appointment_id, row.kind, row.version) for row in rows if row.kind not in _OF_WISHES)
        self._accounts.problems += [f"{count} rows for {key}" for key, count in told.items() if count > 1]

    async def _check_calendar(self) -> None:
        """The record says of each appointment what the calendar says, but of those that a person must look at."""
        names = {who(life.number).name for life in self._lives.values() if not life.model.is_unclear}
        there = Counter(
            (datetime.fromisoformat(each["start"]), each["attendee"]["name"])
            for each in self._bookings.values()
            if each["status"] == "accepted" and each["attendee"]["name"] in names
        )
        kept = Counter(
            (each.slot.start, each.attendee.name)
            for each in await self._store.appointments()
            if each.status not in NOT_IN_CALENDAR and each.attendee.name in names
        )
        for start, name in (kept - there) + (there - kept):
            self.complain(f"{name} at {start}: the record and the calendar differ")

    async def _changed(self) -> Mapping[int, Sequence[Mapping[str, Any]]]:
        """Return the bookings that were made or have changed since the last look, by life."""
        changed: dict[int, list[Mapping[str, Any]]] = {}
        lives = {who(number).name: number for number in self._lives}
        for booking in (await self._addresses.state("calcom"))["bookings"]:
            if booking["by"] != "api":
                continue  # somebody was quicker at Cal.com's own page
            before = self._bookings.get(booking["uid"])
            if before is None or before["status"] != booking["status"]:
                self._bookings[booking["uid"]] = booking
                changed.setdefault(lives[booking["attendee"]["name"]], []).append({**booking, "is_new": before is None})
        return changed

    async def _events(self) -> Mapping[str, set[str]]:
        """Return what happened in the record, by the call or the text that asked for it."""
        events: dict[str, set[str]] = {}
        for appointment in await self._store.appointments():
            for entry in await self._store.history(appointment.appointment_id):
                events.setdefault(entry.call_sid or appointment.call_sid, set()).add(entry.event)
        return events


def compared(life: int, model: LifeModel, sent: Counter[str]) -> Accounts:
    """Return the accounts of one caller, who was texted `sent`."""
    lost, more = model.sure - sent, sent - model.sure
    missing = [each for each in model.one_of if not any(sent[body] for body in each)]
    problems = [f"life {life}: lost: {body!r}" for body in lost.elements()]
    problems += [f"life {life}: lost: one of {sorted(each)}" for each in missing]
    accounts = Accounts(
        expected=model.sure.total(),
        sent=sent.total(),
        lost=len(problems),
        either_way=(more & model.maybe).total(),
        unclear=int(model.is_unclear),
        problems=problems,
    )
    for body, count in (more - model.maybe).items():
        is_known = bool(model.sure[body] or model.maybe[body])
        accounts.duplicates += count if is_known else 0
        accounts.unexpected += 0 if is_known else count
        word = "twice" if is_known else "not expected"
        problems.append(f"life {life}: {word}: {body!r}, {sent[body]} times")
    return accounts


def _named(deed: Deed, events: Mapping[str, set[str]]) -> set[str]:
    return events.get(deed.message_sid if deed.wish is Wish.TEXT else deed.call_sid, set())


def _is_done(deed: Deed, changed: Sequence[Mapping[str, Any]]) -> bool:
    """Claim that the calendar has carried it out."""
    if deed.wish in (Wish.BOOK, Wish.MOVE):
        assert deed.slot is not None
        is_move = deed.wish is Wish.MOVE
        return any(
            each["is_new"]
            and bool(each["rescheduledFromUid"]) is is_move
            and datetime.fromisoformat(each["start"]) == deed.slot.start
            for each in changed
        )
    is_cancelled = any(each["status"] == "cancelled" and not each["rescheduledToUid"] for each in changed)
    return is_cancelled and (deed.wish is Wish.CANCEL or deed.body == "Y")
