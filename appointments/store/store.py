"""The whole record behind one name."""

from __future__ import annotations

from appointments.store.booking_records import BookingRecords
from appointments.store.call_records import CallRecords
from appointments.store.change_records import ChangeRecords
from appointments.store.code_records import CodeRecords
from appointments.store.outbox_records import OutboxRecords
from appointments.store.outside_records import OutsideRecords
from appointments.store.reply_records import ReplyRecords
from appointments.store.request_records import RequestRecords
from appointments.store.timing_records import TimingRecords


class Store(
    ChangeRecords,
    BookingRecords,
    CallRecords,
    CodeRecords,
    OutboxRecords,
    OutsideRecords,
    ReplyRecords,
    RequestRecords,
    TimingRecords,
):
    """Appointments, calls and texts in one database, so that what belongs together is written together."""
