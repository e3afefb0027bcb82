"""Looks, after a run of the crash bench, for what was lost and what was done twice."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from appointments.model import AppointmentStatus, Slot
from bench.crash_plan import Work
from bench.crash_worker import CALL, NEXT_CALL, SLOTS
from bench.desk import EVER
from bench.world import EVENT_TYPE, all_slots, business

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from appointments.model import Appointment
    from appointments.store.store import Store
    from bench.crash_plan import Run
    from bench.stand_ins import Addresses

UNCLEAR = "unclear"
"""The outcome that a person must look at."""
IN_CALENDAR = frozenset({AppointmentStatus.ACTIVE, AppointmentStatus.REQUESTED, AppointmentStatus.RESCHEDULED})
NOT_IN_CALENDAR = frozenset({AppointmentStatus.FAILED, AppointmentStatus.CANCELLED})
_OUTCOMES = {
    Work.BOOK: {"active": "confirmation", "unconfirmed": "unconfirmed", "failed": "failed"},
    Work.MOVE: {"rescheduled": "moved", "change_unclear": "change_unconfirmed", "change_failed": "change_failed"},
    Work.CANCEL: {"cancelled": "cancelled", "change_unclear": "change_unconfirmed", "change_failed": "change_failed"},
}
"""By what the history says, the kind of the text that must tell of it."""
_FAILURES = ("failed", "change_failed")


@dataclass(slots=True)
class Findings:
    """What is wrong after a run, in words, and how it ended."""

    lost: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    outcome: str = "nothing"

    @property
    def is_clean(self) -> bool:
        return not self.lost and not self.duplicates


def journal(folder: Path, name: str) -> list[str]:
    """Return what a process has noted."""
    path = folder / f"{name}.journal"
    return path.read_text().splitlines() if path.exists() else []


class Checks:
    """The checks of one run, whose processes have ended."""

    def __init__(self, run: Run, folder: Path, store: Store, addresses: Addresses, calendar: str) -> None:
        self._run = run
        self._folder = folder
        self._store = store
        self._addresses = addresses
        self._calendar = calendar
        self._found = Findings()

    async def findings(self) -> Findings:
        found = self._found
        appointments = await self._store.appointments()
        if len(appointments) > 1:
            found.duplicates.append(f"{len(appointments)} appointments")
        for appointment in appointments:
            found.outcome = str(appointment.status)
            await self._check_settled(appointment)
            await self._check_calendar(appointment)
            await self._check_claims(appointment)
        if not appointments:
            entries = await self._entries()
            found.lost += [f"a calendar entry at {slot.start} that is in no record" for slot in entries]
        await self._check_told(appointments)
        await self._check_texts(appointments)
        return found

    async def _check_settled(self, appointment: Appointment) -> None:
        if appointment.status is AppointmentStatus.PENDING or await self._store.unsettled_changes(EVER):
            self._found.lost.append("it was never settled")

    async def _check_calendar(self, appointment: Appointment) -> None:
        entries = await self._entries()
        if len(entries) > 1:
            self._found.duplicates.append(f"{len(entries)} calendar entries")
        expected = [] if appointment.status in NOT_IN_CALENDAR else [appointment.slot]
        if entries != expected and not await self._is_unclear(appointment):
            there = ", ".join(str(slot.start) for slot in entries) or "nothing"
            self._found.lost.append(f"{appointment.status} at {appointment.slot.start}, in the calendar: {there}")

    async def _check_claims(self, appointment: Appointment) -> None:
        """Look for time that is kept for nothing, or not kept."""
        slots = all_slots(business(SLOTS))
        kept = await self._store.blocks(
            EVENT_TYPE.id if self._calendar == "calcom" else "builtin",
            start=slots[0].start,
            end=slots[-1].end,
            except_of=[CALL, NEXT_CALL],  # holds, which expire
        )
        if await self._is_unclear(appointment):
            return
        expected = 0 if appointment.status in NOT_IN_CALENDAR else 1
        if len(kept) != expected:
            self._found.lost.append(f"{appointment.status}, but it keeps {len(kept)} times")

    async def _check_told(self, appointments: Sequence[Appointment]) -> None:
        """What the caller was told stays true."""
        told = self._told()
        status = appointments[0].status if appointments else None
        promised = {"active": IN_CALENDAR, "pending": set(AppointmentStatus), "unconfirmed": set(AppointmentStatus)}
        if told.startswith("error"):
            self._found.lost.append(f"the caller was told of an {told}")
        if self._run.work is Work.BOOK and told in promised and status not in promised[told]:
            self._found.lost.append(f"the caller was told {told}, it is {status}")
        if told == "done":
            events = {entry.event for entry in await self._store.history(appointments[0].appointment_id)}
            wanted = "rescheduled" if self._run.work is Work.MOVE else "cancelled"
            if wanted not in events:
                self._found.lost.append(f"the caller was told it is {wanted}, it is {status}")

    async def _check_texts(self, appointments: Sequence[Appointment]) -> None:
        sent = Counter(message["body"] for message in (await self._addresses.state("twilio"))["messages"])
        self._found.duplicates += [f"{count} texts {body!r}" for body, count in sent.items() if count > 1]
        for text in await self._store.messages():
            if text.state != "cancelled" and (text.state != "sent" or not sent[text.body]):
                self._found.lost.append(f"the text {text.body!r}, which is {text.state}")
        for appointment in appointments:
            for wording in await self._owed(appointment):
                if not any(body.startswith(wording) for body in sent):
                    self._found.lost.append(f"the text {wording!r}, which nobody has written")

    async def _owed(self, appointment: Appointment) -> Sequence[str]:
        """Return how the texts begin that must have been sent."""
        works = [Work.BOOK] if self._run.work in (Work.BOOK, Work.SEND) else [Work.BOOK, self._run.work]
        owed = []
        texts = await self._store.messages(appointment.appointment_id)
        superseded = {text.kind for text in texts if text.state == "cancelled"}
        for entry in await self._store.history(appointment.appointment_id):
            for work in works:
                kind = _OUTCOMES[work].get(entry.event)
                if kind and kind not in superseded and not (kind in _FAILURES and self._has_heard_of_failure()):
                    owed.append(kind)
        return owed

    def _has_heard_of_failure(self) -> bool:
        """Whether the caller was told that it failed, or was about to be: only then no text tells of it."""
        noted = journal(self._folder, "victim")
        return self._told().startswith("failed") or "point inside.take_back" in noted

    def _told(self) -> str:
        told = [line.removeprefix("told ") for line in journal(self._folder, "victim") if line.startswith("told ")]
        return told[0] if told else ""

    async def _is_unclear(self, appointment: Appointment) -> bool:
        entries = await self._store.history(appointment.appointment_id)
        is_unclear = any(entry.event in ("unconfirmed", "change_unclear") for entry in entries)
        if is_unclear:
            self._found.outcome = UNCLEAR
        return is_unclear

    async def _entries(self) -> list[Slot]:
        """Return when the calendar has live bookings that we made."""
        if self._calendar == "builtin":
            slots = all_slots(business(SLOTS))
            return [booking.slot for booking in await self._store.bookings(start=slots[0].start, end=slots[-1].end)]
        bookings: list[dict[str, Any]] = (await self._addresses.state("calcom"))["bookings"]
        ours = [each for each in bookings if each["by"] == "api" and each["status"] == "accepted"]
        return [Slot(datetime.fromisoformat(each["start"]), EVENT_TYPE.duration) for each in ours]
