"""What the tools of one call share: whose phone it is, who calls, what was offered, heard and booked."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from appointments.contact import names_number, spoken_number
from appointments.email_capture import EmailCapture
from appointments.errors import NotConfirmed, NotVerified
from appointments.offer import OFFER_STANDS, OfferLedger, spoken_zone
from appointments.spoken import mentions
from appointments.store.records import ChangeState
from tools.consent import agrees, names, refuses
from tools.waiting import asks_to_wait

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from appointments.changing import ChangeOutcome
    from appointments.identity import Identity
    from appointments.model import Action, Appointment, Business, CallSid, PhoneNumber, Slot
    from appointments.offer import OfferedSlot
    from appointments.ports import Clock
    from appointments.service import BookingService


@dataclass(frozen=True, slots=True)
class Utterance:
    """What one side of the call was heard to say in one go."""

    is_agent: bool
    text: str


@dataclass(frozen=True, slots=True)
class Agreement:
    """What a caller must have agreed to before it is done."""

    read_back: str
    """How to say it."""
    slot: Slot
    zone: ZoneInfo
    parts: tuple[str, ...]
    """What the read-back must name beside the time: the name, the title."""
    leaves: Slot | None = None
    """The time that a move leaves, which may be named too."""
    words: frozenset[str] = frozenset()
    """Words of the read-back that refuse nothing in the caller's answer."""
    number: PhoneNumber | None = None
    """A phone number that the read-back must name too."""

    def with_number(self, number: PhoneNumber | None) -> Agreement:
        """Return it with the number to reach the caller at, which they have given in the call."""
        if number is None:
            return self
        said = f", with the phone number {spoken_number(number)}. Is that right?"
        return replace(self, read_back=self.read_back.replace(". Is that right?", said), number=number)


@dataclass(slots=True)
class BookingSession:
    """One call's state. Lives as long as the call; what must outlive it is in the store."""

    call_sid: CallSid
    caller: PhoneNumber | None
    business: Business
    service: BookingService
    clock: Clock
    can_text: bool
    """Whether a text to the caller's number would be accepted, as far as is known."""
    templates: Mapping[str, str]
    """The shipped templates of the texts, by their names."""
    identity: Identity
    """Whose appointments the caller may hear about and change."""
    email: EmailCapture = field(default_factory=EmailCapture)
    """How far this call has come with the caller's e-mail address."""
    texts_are_blocked: bool = False
    """Whether it is on record that a text to the caller's number would be in vain: they said STOP, or it takes none."""
    booked_for: dict[Slot, str] = field(default_factory=dict)
    """The name under which each slot was booked in this call, or may have been."""
    _ledgers: dict[str, OfferLedger] = field(default_factory=dict)
    held: tuple[Action, Slot] | None = None
    """What is being held for the caller."""
    last_offer: Sequence[tuple[Action, OfferedSlot]] = ()
    """What was spoken of when times were offered last, in the order in which it is said."""
    has_chosen: bool = False
    """Whether the caller has chosen since then."""
    note: str = ""
    """What the model is told about the caller at the start."""
    found: dict[str, Appointment] = field(default_factory=dict)
    """The caller's appointments as they were told in this call, by their keys."""
    goodbye: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the agent has decided to end the call."""
    putting_through: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the agent has decided to put the caller through to a person."""
    was_unanswered: bool = False
    """Whether the caller was put through before in this call, and nobody took it."""

    @property
    def actions(self) -> Sequence[Action]:
        return self.business.actions

    def ledger(self, action: Action) -> OfferLedger:
        """Return what was offered for `action`; its keys are no other action's."""
        if action.name not in self._ledgers:
            self._ledgers[action.name] = OfferLedger(letter=chr(ord("a") + len(self._ledgers)))
        return self._ledgers[action.name]

    def offer(self, action: Action, slots: Sequence[Slot]) -> Sequence[OfferedSlot]:
        """Put `slots` in the ledger as bookable by `action` and return them with their keys."""
        offered: list[OfferedSlot] = []
        now = self.clock()
        for slot in slots:
            zone_words = spoken_zone(action, self.business, slot.start)
            offered += self.ledger(action).add([slot], action.zone, now=now, spoken_zone=zone_words)
        return offered

    def speak_of(self, action: Action, slots: Sequence[Slot]) -> None:
        """Take note of the offer that is about to be spoken; `slots` are in the ledger."""
        keyed = {each.slot: each for each in self.ledger(action)}
        self.last_offer = [(action, keyed[slot]) for slot in sorted(slots)]
        self.has_chosen = False

    def offered(self, action: Action, key: str) -> OfferedSlot:
        """Return what can be booked under `key`, or was booked under it in this call.

        Raises:
            SlotNotOffered: it is a key of another action, or none, or of an offer that is too old.
            RuleViolation: the slot has begun, or the business would not offer it any more.
        """
        offered = self.ledger(action).slot(key)
        if offered.slot in self.booked_for:
            return offered
        return self.ledger(action).bookable(key, self.business, now=self.clock())

    def bookable(self) -> Iterator[tuple[Action, OfferedSlot]]:
        """Yield what can be booked now: it was offered, still stands, and this call has not booked it."""
        now = self.clock()
        for action in self.actions:
            for offered in self._ledgers.get(action.name, ()):
                if offered.slot not in self.booked_for and now - offered.offered_at <= OFFER_STANDS:
                    yield action, offered

    def know(self, appointments: Sequence[Appointment]) -> Sequence[str]:
        """Give `appointments` keys and return them; one that was told before keeps its key."""
        keys = {known.appointment_id: key for key, known in self.found.items()}
        for appointment in appointments:
            key = keys.setdefault(appointment.appointment_id, f"m{len(keys) + 1}")
            self.found[key] = appointment
        return [keys[appointment.appointment_id] for appointment in appointments]

    def changed(self, before: Appointment, outcome: ChangeOutcome) -> None:
        """Take note of a change; a time that was given up can be booked again, after another yes."""
        self.know([outcome.appointment])
        if outcome.state is ChangeState.DONE:
            self.booked_for.pop(before.slot, None)

    async def known_appointment(self, key: str) -> Appointment:
        """Return what was told under `key`, as it stands now.

        Raises:
            NotVerified: nothing was, or the caller has not shown that it is theirs.
        """
        told = self.found.get(key.strip().lower())
        if told is None or not self.identity.may_change(told):
            raise NotVerified(self.identity.ways)
        return await self.service.appointment(told.appointment_id) or told

    def action_of(self, appointment: Appointment) -> Action | None:
        """Return what books appointments of this kind, None when the business does not any more."""
        return next((each for each in self.actions if each.event_type_id == appointment.event_type_id), None)

    def require_confirmed(self, wanted: Agreement, heard: Sequence[Utterance]) -> None:
        """Check that the caller heard what is to be done read back, and agreed.

        What counts is the last thing the agent said about any slot: it must name this one's time, no other (but for
        the time a move leaves), and every part.

        Raises:
            NotConfirmed: carries what must be said first.
        """
        start = wanted.slot.start.astimezone(wanted.zone)
        for position in reversed(range(len(heard))):
            turn = heard[position]
            # Two things may begin at the same time and be of different length.
            spoken_of = self._known(wanted) if turn.is_agent else ()
            named = {slot.start for slot in spoken_of if mentions(turn.text, slot, wanted.zone)}
            if named:
                left = {wanted.leaves.start} if wanted.leaves else set()
                is_read_back = named - left == {wanted.slot.start} and all(names(turn.text, p) for p in wanted.parts)
                is_read_back = is_read_back and (not wanted.number or names_number(turn.text, wanted.number))
                if is_read_back and _agreed(heard[position + 1 :], start, to=wanted.words):
                    return
                break
        raise NotConfirmed(wanted.read_back)

    def _known(self, wanted: Agreement) -> set[Slot]:
        """Return every slot that was spoken of in this call."""
        offered = {each.slot for ledger in self._ledgers.values() for each in ledger}
        return offered | {found.slot for found in self.found.values()} | {wanted.slot}


def _agreed(since: Sequence[Utterance], start: datetime, *, to: frozenset[str]) -> bool:
    has_agreed = False
    for answer in (turn.text for turn in since if not turn.is_agent):
        # Who asks for a moment says neither yes nor no; behind a yes it takes that back.
        if not has_agreed and asks_to_wait(answer):
            continue
        if refuses(answer, but_for=to):
            return False
        has_agreed = has_agreed or agrees(answer, start, to=to)
    return has_agreed
