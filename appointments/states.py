"""What may become of an appointment: one table, and nothing else is possible."""

from __future__ import annotations

from typing import TYPE_CHECKING

from appointments.model import AppointmentStatus as Status

if TYPE_CHECKING:
    from collections.abc import Mapping

TRANSITIONS: Mapping[Status, frozenset[Status]] = {
    Status.PENDING: frozenset({Status.ACTIVE, Status.REQUESTED, Status.UNCONFIRMED, Status.FAILED}),
    Status.FAILED: frozenset({Status.PENDING}),
    Status.UNCONFIRMED: frozenset({Status.ACTIVE, Status.REQUESTED, Status.FAILED, Status.CANCELLED}),
    Status.REQUESTED: frozenset({Status.ACTIVE, Status.RESCHEDULED, Status.CANCELLED, Status.FAILED}),
    Status.ACTIVE: frozenset({Status.RESCHEDULED, Status.CANCELLED, Status.COMPLETED}),
    Status.RESCHEDULED: frozenset({Status.RESCHEDULED, Status.CANCELLED, Status.COMPLETED}),
    Status.CANCELLED: frozenset(),
    Status.COMPLETED: frozenset(),
}

CHANGEABLE = frozenset({Status.ACTIVE, Status.REQUESTED, Status.RESCHEDULED})
"""What a caller may move or cancel: the calendar is known to have it, and it has not ended."""


def may_become(status: Status, new: Status) -> bool:
    """Whether an appointment in `status` may become `new`."""
    return new in TRANSITIONS[status]
