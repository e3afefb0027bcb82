"""The text about an outcome, from the templates that were kept with the wish."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

import structlog

from appointments.errors import ConfigError
from appointments.messages import render_sms
from appointments.store.records import OutgoingText

if TYPE_CHECKING:
    from collections.abc import Sequence

    from appointments.model import Appointment
    from appointments.store.records import BookingTexts

log = structlog.get_logger(__name__)

Kind = Literal["confirmed", "unconfirmed", "failed"]


HELD_BACK = timedelta(seconds=10)
"""A failure is recorded with its text, and whoever waits has heard of it long before that is sent."""


def outcome_texts(
    appointment: Appointment, texts: BookingTexts, kind: Kind, *, of: str, may_be_heard: bool = False
) -> Sequence[OutgoingText]:
    """Return what is texted about an outcome, nothing where no text is wanted.

    Args:
        of: The id it is sent once for.
        may_be_heard: Whether somebody still waits, who will take the text back when they have heard the outcome.
    """
    template = {"confirmed": texts.confirmed, "unconfirmed": texts.unconfirmed, "failed": texts.failed}[kind]
    if not texts.to or not template:
        return ()
    try:
        body = render_sms(
            template,
            slot=appointment.slot,
            zone=ZoneInfo(appointment.zone),
            link=appointment.meeting_link,
            location=appointment.location,
            duration=appointment.slot.duration,
            name=appointment.attendee.name,
            business=texts.business,
        )
    except ConfigError as error:
        # The outcome is recorded all the same: a wrong template must not make a booking look failed.
        log.error("text_not_rendered", of=of, reason=str(error))
        return ()
    return (OutgoingText(texts.to, body, f"{of}|{kind}|1", HELD_BACK if may_be_heard else timedelta(0)),)
