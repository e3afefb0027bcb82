"""Choosing a few slots out of many: the nearest to a moment, spaced apart, spread over a day, shared among days."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appointments.model import OfferSettings, Slot

T = TypeVar("T")


def around(slots: Sequence[Slot], moment: datetime) -> list[Slot]:
    """Return the slot at `moment`, else the nearest on each side."""
    moment = moment.astimezone(UTC)
    if exact := [slot for slot in slots if slot.start == moment]:
        return exact
    return nearest_sides(
        [slot for slot in slots if slot.start < moment], [slot for slot in slots if slot.start > moment]
    )


def nearest_sides(before: Sequence[T], after: Sequence[T]) -> list[T]:
    if before and after:
        return [before[-1], after[0]]
    return [*before[-2:], *after[:2]]


def spaced(slots: Sequence[Slot], settings: OfferSettings) -> list[Slot]:
    """Return the first slots of a day that keep their distance."""
    chosen: list[Slot] = []
    for slot in slots:
        if len(chosen) == settings.slots_per_day:
            break
        if not chosen or slot.start - chosen[-1].start >= timedelta(hours=settings.hours_between):
            chosen.append(slot)
    return chosen


def take_turns(days: Sequence[Sequence[Slot]], count: int) -> list[Slot]:
    """Return at most `count` slots so that every day has its share, the earlier days the bigger."""
    shares = [0] * len(days)
    for _ in range(min(count, sum(map(len, days)))):
        _, turn = min((shares[index], index) for index, slots in enumerate(days) if shares[index] < len(slots))
        shares[turn] += 1
    return [slot for slots, share in zip(days, shares, strict=True) for slot in spread(slots, share)]


def spread(slots: Sequence[Slot], count: int) -> list[Slot]:
    """Return `count` of `slots` from the first to the last at even steps."""
    if count >= len(slots):
        return list(slots)
    if count < 2:
        return list(slots[: max(count, 0)])
    return [slots[round(index * (len(slots) - 1) / (count - 1))] for index in range(count)]
