"""The whole record behind one name."""

from __future__ import annotations

from appointments.store.appointment_records import AppointmentRecords
from appointments.store.call_records import CallRecords
from appointments.store.outbox_records import OutboxRecords


class Store(AppointmentRecords, CallRecords, OutboxRecords):
    """Appointments, calls and texts in one database, so that what belongs together is written together."""
