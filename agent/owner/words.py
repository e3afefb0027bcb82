"""How the owner's commands write days, times, ids and what callers said."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import typer

from appointments.messages import clock_time
from appointments.spoken import MONTHS, WEEKDAYS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from appointments.model import Answer

Kept = TypeVar("Kept")

_ID_LENGTH = 8
"""So much of an id is shown, and is enough to tell thousands of them apart."""
_GAP = "  "


def day(local: datetime) -> str:
    return f"{WEEKDAYS[local.weekday()]}, {MONTHS[local.month - 1]} {local.day}, {local.year}"


def moment(local: datetime) -> str:
    return f"{day(local)} at {clock_time(local)}"


def short(kept_id: str) -> str:
    """Return what is shown of an id such as ``ap_8f3a2b1c…``."""
    return _digits(kept_id)[:_ID_LENGTH]


def the_one(kept: Sequence[Kept], given: str, *, id_of: Callable[[Kept], str], kind: str, listed_by: str) -> Kept:
    """Return what `given`, a shown id or more of it, names.

    Raises:
        typer.BadParameter: nothing or more than one; says where the ids are, or which these are.
    """
    wanted = _digits(given.strip().lower())
    whole = [each for each in kept if _digits(id_of(each)) == wanted]
    begun = [each for each in kept if len(wanted) >= _ID_LENGTH and _digits(id_of(each)).startswith(wanted)]
    found = whole or begun
    if len(found) == 1:
        return found[0]
    if found:
        ids = " ".join(map(id_of, found))
        raise typer.BadParameter(f"{len(found)} {kind}s begin with {given}: give one of {ids}")
    raise typer.BadParameter(f"there is no {kind} {given!r}: `{listed_by}` shows the ids")


def plain(said: str) -> str:
    """Return what a caller said on one line, with nothing in it that would steer a terminal."""
    return " ".join("".join(character if character.isprintable() else " " for character in said).split())


def in_words(answer: Answer) -> str:
    """Return an answer to a question of an event type."""
    match answer:
        case bool():
            return "yes" if answer else "no"
        case tuple():
            return ", ".join(answer)
        case _:
            return str(answer)


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the rows as lines, each column as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        _GAP.join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True) if width).rstrip() for row in rows
    ]


def _digits(kept_id: str) -> str:
    return kept_id.rpartition("_")[2]
