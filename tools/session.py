"""What the tools of one call share: whose phone it is, who calls, what was offered, heard and booked."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from appointments.errors import NotConfirmed, SlotNotOffered
from appointments.offer import OfferLedger, spoken_zone
from appointments.spoken import mentions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from appointments.model import Action, Business, CallSid, PhoneNumber, Slot
    from appointments.offer import OfferedSlot
    from appointments.ports import Clock
    from appointments.service import BookingService

REFUSALS = ("no", "nope", "wait", "hold on", "stop", "not yet")
"""How an answer to a read-back begins when it is certainly not a yes."""


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
    ledger: OfferLedger = field(default_factory=OfferLedger)
    agreed: set[Slot] = field(default_factory=set)
    """What the caller said yes to: a booking of it may be asked about again without another read-back."""
    _offered_by: dict[str, str] = field(default_factory=dict)
    goodbye: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the agent has decided to end the call."""

    @property
    def actions(self) -> Sequence[Action]:
        return self.business.actions

    def offer(self, action: Action, slots: Sequence[Slot]) -> Sequence[OfferedSlot]:
        """Put `slots` in the ledger as bookable by `action` and return them with their keys."""
        offered: list[OfferedSlot] = []
        for slot in slots:
            zone_words = spoken_zone(action, self.business, slot.start)
            offered += self.ledger.add([slot], action.zone, spoken_zone=zone_words)
        self._offered_by.update({slot.key: action.name for slot in offered})
        return offered

    def offered(self, action: Action, key: str) -> OfferedSlot:
        """Return what was offered under `key`; raises `SlotNotOffered` for a key of another action or none."""
        offered = self.ledger.slot(key)
        if self._offered_by[offered.key] != action.name:
            raise SlotNotOffered(key)
        return offered

    def require_confirmed(
        self, offered: OfferedSlot, read_back: str, *, name: str, zone: ZoneInfo, heard: Sequence[Utterance]
    ) -> None:
        """Check that the caller heard the slot and the name read back, and answered.

        Raises:
            NotConfirmed: carries `read_back`, what must be said first.
        """
        others = [other.slot for other in self.ledger if other.slot != offered.slot]
        for position, turn in enumerate(heard):
            is_read_back = (
                turn.is_agent
                and name.casefold() in turn.text.casefold()
                and mentions(turn.text, offered.slot, zone)
                and not any(mentions(turn.text, other, zone) for other in others)
            )
            if is_read_back and _agreed(heard[position + 1 :]):
                return
        raise NotConfirmed(read_back)


def _agreed(since: Sequence[Utterance]) -> bool:
    answers = [turn.text for turn in since if not turn.is_agent and turn.text.strip()]
    if not answers:
        return False
    words = answers[-1].casefold().replace(",", " ").replace(".", " ").split()
    return not any(words[: len(refusal.split())] == refusal.split() for refusal in REFUSALS)
