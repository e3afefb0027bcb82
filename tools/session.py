"""What the tools of one call share: whose phone it is, who calls, what was offered, heard and booked."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from appointments.errors import NotConfirmed
from appointments.offer import OfferLedger, spoken_zone
from appointments.spoken import mentions
from tools.consent import agrees, refuses

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from appointments.model import Action, Business, CallSid, PhoneNumber, Slot
    from appointments.offer import OfferedSlot
    from appointments.ports import Clock
    from appointments.service import BookingService


@dataclass(frozen=True, slots=True)
class Utterance:
    """What one side of the call was heard to say in one go."""

    is_agent: bool
    text: str


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
    sms_unconfirmed: str
    """The template of the text for a booking that nobody could confirm."""
    sms_failed: str
    """The template of the text for a booking that failed after the caller was told to wait."""
    booked_for: dict[Slot, str] = field(default_factory=dict)
    """The name under which each slot was booked in this call, or may have been."""
    _ledgers: dict[str, OfferLedger] = field(default_factory=dict)
    goodbye: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the agent has decided to end the call."""

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
        for slot in slots:
            zone_words = spoken_zone(action, self.business, slot.start)
            offered += self.ledger(action).add([slot], action.zone, spoken_zone=zone_words)
        return offered

    def offered(self, action: Action, key: str) -> OfferedSlot:
        """Return what was offered under `key`; raises `SlotNotOffered` for a key of another action or none."""
        return self.ledger(action).slot(key)

    def require_confirmed(
        self,
        offered: OfferedSlot,
        read_back: str,
        *,
        title: str,
        name: str,
        zone: ZoneInfo,
        heard: Sequence[Utterance],
    ) -> None:
        """Check that the caller heard the slot and the name read back, and agreed.

        What counts is the last thing the agent said about any slot: it must name this one's time, no other, and the
        name; where several things can be booked, the title too.

        Raises:
            NotConfirmed: carries `read_back`, what must be said first.
        """
        start = offered.slot.start.astimezone(zone)
        every = {other.slot for ledger in self._ledgers.values() for other in ledger} | {offered.slot}
        needed = (name, title) if len(self.actions) > 1 else (name,)
        for position in reversed(range(len(heard))):
            turn = heard[position]
            # Two things may begin at the same time and be of different length.
            named = {slot.start for slot in every if turn.is_agent and mentions(turn.text, slot, zone)}
            if named:
                is_read_back = named == {offered.slot.start} and all(_names(turn.text, part) for part in needed)
                if is_read_back and _agreed(heard[position + 1 :], start):
                    return
                break
        raise NotConfirmed(read_back)


def _names(text: str, name: str) -> bool:
    return f" {_plain(name)} " in f" {_plain(text)} "


def _plain(text: str) -> str:
    """Return the words of `text` as they are heard: a hyphen is not."""
    return " ".join(re.findall(r"[\w']+", text.casefold()))


def _agreed(since: Sequence[Utterance], start: datetime) -> bool:
    answers = [turn.text for turn in since if not turn.is_agent]
    return any(agrees(answer, start) for answer in answers) and not any(refuses(answer) for answer in answers)
