"""What a caller of the bench of lives does next, by chance, and what goes wrong at the services meanwhile."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from bench.crash_plan import LIMITED_SECS, STALL_SECS
from bench.life_model import LifeModel
from bench.life_worker import Deed, Wish, who
from bench.world import MOST_SLOTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from random import Random

    from appointments.model import Slot

LIVES = 40
"""So many lives share a clock."""
SLOTS = MOST_SLOTS
"""Three for each of them, on three days: nobody is in another's way."""
NOTICE = timedelta(hours=3)
"""More than the business asks for."""
MOST_BOOKINGS = 2

# What is done in one go, by how often.
_ANEW = {("book",): 12, ("book", "move"): 2, ("book", "cancel"): 1, (): 20, ("C",): 1}
_CHANGES = {
    (): 60,
    ("move",): 6,
    ("cancel",): 2,
    ("move", "cancel"): 1,
    ("move", "move"): 1,
    ("C",): 3,
    ("X",): 2,
    ("X", "Y"): 6,
    ("X", "N"): 1,
    ("Y",): 1,
    ("N",): 1,
    ("R",): 2,
}
_AFTERWARDS = {(): 40, ("C",): 1, ("X",): 1, ("Y",): 1}

_KINDS = ("drop_before", "drop_after", "error_500", "error_500_after", "rate_limited", "slow", "taken")


class Life:
    """One caller: what they have done, and what they must have been texted for it."""

    def __init__(self, number: int, slots: Sequence[Slot], chance: Random) -> None:
        self.number = number
        self._slots = slots
        self._chance = chance
        self._bookings = 0
        self._deeds = 0
        self.model = LifeModel(who(number).zone)

    def deeds(self, now: datetime) -> tuple[Deed, ...]:
        """Return what they do now, in this order."""
        model = self.model
        if model.is_unclear:
            return ()
        ahead = [slot for slot in self._slots if slot.start > now + NOTICE and slot != model.slot]
        if model.slot is None and self._bookings < MOST_BOOKINGS:
            wants = self._one_of(_ANEW)
        else:
            wants = self._one_of(_CHANGES if model.is_changeable(now) else _AFTERWARDS)
        self._chance.shuffle(ahead)
        return self._as_deeds(wants, ahead)

    def _as_deeds(self, wants: tuple[str, ...], ahead: list[Slot]) -> tuple[Deed, ...]:
        deeds: list[Deed] = []
        for want in wants:
            takes_slot = want in (Wish.BOOK, Wish.MOVE)
            if takes_slot and not ahead:
                break
            self._bookings += want == Wish.BOOK
            self._deeds += 1
            slot = ahead.pop() if takes_slot else None
            if want in tuple(Wish):
                deeds.append(Deed(self.number, self._deeds, Wish(want), slot))
            else:
                twice = self._chance.random() < 0.2
                deeds.append(Deed(self.number, self._deeds, Wish.TEXT, body=want, is_delivered_twice=twice))
        return tuple(deeds)

    def _one_of(self, often: Mapping[tuple[str, ...], int]) -> tuple[str, ...]:
        [chosen] = self._chance.choices(list(often), list(often.values()))
        return chosen


def faults(chance: Random, scale: float) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    """Return what goes wrong at the services during one step, by service."""
    seconds = {"slow": STALL_SECS * scale, "rate_limited": LIMITED_SECS * scale}
    wrong: dict[str, list[Mapping[str, Any]]] = {"calcom": [], "twilio": []}
    for _ in range(chance.randint(1, 3)):
        service, on = chance.choice(
            [
                ("calcom", "create"),
                ("calcom", "reschedule"),
                ("calcom", "cancel"),
                ("twilio", "messages"),
                ("twilio", "messages"),
                ("twilio", "messages"),
            ]
        )
        kind = chance.choice([each for each in _KINDS if each != "taken" or on in ("create", "reschedule")])
        wrong[service].append(
            {"on": on, "kind": kind, "times": chance.randint(1, 2), "seconds": seconds.get(kind, 0.0)}
        )
    return wrong
