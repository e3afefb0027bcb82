"""Counting what the domain does, for whoever runs it; what is done with the counts is not known here."""

from __future__ import annotations

from typing import Literal, TypeAlias

HoldOutcome: TypeAlias = Literal["made", "taken", "failed"]
BookingOutcome: TypeAlias = Literal["booked", "requested", "unconfirmed", "taken", "rejected", "unavailable"]
TextState: TypeAlias = Literal["accepted", "refused", "put_back", "dropped"]


class Tally:
    """Is told each outcome as it happens. This one counts nothing."""

    def hold(self, outcome: HoldOutcome) -> None:
        """Count a slot that was asked to be held."""

    def booking(self, outcome: BookingOutcome) -> None:
        """Count a booking that has come to an end, if only to an open one."""

    def text(self, state: TextState) -> None:
        """Count a text that was handed to its sender."""
