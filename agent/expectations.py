"""What a scenario expects: what must stand in calendar and record at its end, and what was texted and said."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Self

from pydantic import Field, model_validator

from agent.scenario_fields import Expression, LocalTime, Part, Text, TimesOrNone

STANDING = ("booking", "title", "moved", "cancelled", "confirmed", "requests")
"""What is expected of what stands; the rest is about what happens."""


class ExpectedText(Part):
    """A text or mail that must have gone out: with which words, and to whom; None: the caller."""

    matches: Expression
    to: Text | None = None


class Expectation(Part):
    """What must stand at the end: where what was booked starts, None for no booking at all, and how many texts.

    `title`, where it is given, is what was booked. `moved`, `cancelled` and `confirmed` tell what became of the first
    appointment that was there before; the others must stand as they were. Each of `texts` must be among the texts,
    and none may match `no_text`. The agent must say each of `said` in some turn, and `unsaid` in none.
    `transferred` claims that a person has taken the call, and `told` is what they must have heard first.
    """

    booking: TimesOrNone
    title: Text | tuple[Text, ...] | None = None
    moved: LocalTime | None = None
    cancelled: bool = False
    confirmed: bool = False
    requests: tuple[Literal["call_back", "waitlist"], ...] = ()
    codes: int = Field(default=0, ge=0)
    sms: int = Field(ge=0)
    texts: tuple[ExpectedText, ...] = ()
    no_text: Expression | None = None
    mails: tuple[ExpectedText, ...] = ()
    said: tuple[Expression, ...] = ()
    unsaid: Expression | None = None
    transferred: bool = False
    told: Expression | None = None

    @model_validator(mode="before")
    @classmethod
    def _one_text_a_change(cls, data: object) -> object:
        if not isinstance(data, dict) or "sms" in data:
            return data
        if isinstance(texts := data.get("texts"), list):
            return {**data, "sms": len(texts)}
        booking = data.get("booking")
        booked = len(booking) if isinstance(booking, list) else int(booking is not None)
        return {**data, "sms": booked + bool(data.get("moved")) + bool(data.get("cancelled"))}

    @model_validator(mode="after")
    def _fits_together(self) -> Expectation:
        if isinstance(self.title, tuple) and len(self.title) != len(self.bookings):
            raise ValueError(f"has {len(self.title)} titles for {len(self.bookings)} bookings")
        if self.moved and self.cancelled:
            raise ValueError("says moved and cancelled; a cancelled appointment is nowhere")
        return self

    @property
    def changes(self) -> bool:
        """Whether something becomes of the first appointment."""
        return bool(self.moved or self.cancelled or self.confirmed)

    @property
    def bookings(self) -> tuple[datetime, ...]:
        """When what was booked in the call starts."""
        return self.booking if isinstance(self.booking, tuple) else (self.booking,) if self.booking else ()

    @property
    def titles(self) -> tuple[str, ...]:
        """What was booked, for each booking; empty where anything will do."""
        if self.title is None or isinstance(self.title, tuple):
            return self.title or ()
        return (self.title,) * max(1, len(self.bookings))


class LaterExpectation(Expectation):
    """What must stand after something that is lived through later, where it differs from what stood before.

    All texts that go out meanwhile are among `texts`.
    """

    booking: TimesOrNone = None

    @model_validator(mode="before")
    @classmethod
    def _one_text_a_change(cls, data: object) -> object:
        if not isinstance(data, dict) or "sms" in data:
            return data
        texts = data.get("texts")
        return {**data, "sms": len(texts) if isinstance(texts, list) else 0}

    def after(self, before: Expectation) -> Self:
        """Return what must stand by then, where `before` had to stand."""
        kept = {name: getattr(before, name) for name in STANDING if name not in self.model_fields_set}
        if self.moved or self.cancelled:
            # What becomes of an appointment last is what counts.
            kept = {name: value for name, value in kept.items() if name not in ("moved", "cancelled")}
        return self.model_copy(update=kept)
