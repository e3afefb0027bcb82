"""A database of an older version is brought up to date with all that is in it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from alembic import command
from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import create_async_engine

from appointments.model import AppointmentId, AppointmentStatus
from appointments.store.database import parse_url
from appointments.store.records import AT_ONCE, Channel, MessageKind, OutgoingMessage
from appointments.store.upgrading import alembic_config
from tests.factories import CALLER, NOW
from tests.stores import opened_store

if TYPE_CHECKING:
    from sqlalchemy import Connection

APPOINTMENT = {
    "appointment_id": "ap_1",
    "call_sid": "CA1",
    "event_type_id": "101",
    "title": "30-Minute Consultation",
    "zone": "America/New_York",
    "attendee_name": "Maya Chen",
    "attendee_zone": "America/New_York",
    "attendee_phone": CALLER,
    "notes": "",
    "status": "pending",
    "reason": "",
    "idempotency_key": "CA1:101:0",
    "meeting_link": "",
    "location": "",
    "texts": {"to": "+14155550123", "business": "Ada", "confirmed": "Booked.", "unconfirmed": "?", "failed": ""},
}
CHANGE = {
    "change_id": "ch_1",
    "appointment_id": "ap_1",
    "kind": "move",
    "idempotency_key": "CA2:ap_1:move:0",
    "call_sid": "CA2",
    "reason": "",
    "state": "pending",
    "texts": {"to": "+14155550123", "business": "Ada", "confirmed": "Moved.", "unconfirmed": "?", "failed": "No."},
}
TEXTS = {"ob_1": "ap_1|confirmed|1", "ob_2": "ch_1|confirmed|1", "ob_3": "ch_1|failed|1", "ob_4": "ap_1|unconfirmed|1"}


async def of_version_8(url: str) -> None:
    """Make a database as version 0008 left it, with a booking and a move under way and texts of both."""
    engine = create_async_engine(parse_url(url))
    async with engine.begin() as connection:
        await connection.run_sync(_upgrade_to_8)
        await connection.run_sync(_fill)
    await engine.dispose()


def _upgrade_to_8(connection: Connection) -> None:
    tables = MetaData()
    tables.reflect(connection)  # a new database on Postgres is a copy of one that is up to date
    tables.drop_all(connection)
    config = alembic_config()
    config.attributes["connection"] = connection
    command.upgrade(config, "0008")


def _fill(connection: Connection) -> None:
    tables = MetaData()
    tables.reflect(connection)
    when = {"starts_at": NOW, "ends_at": NOW + timedelta(minutes=30), "claimed_at": NOW, "worked_at": NOW}
    connection.execute(tables.tables["appointments"].insert(), APPOINTMENT | when)
    connection.execute(tables.tables["changes"].insert(), CHANGE | when)
    connection.execute(tables.tables["outbox"].insert(), [_a_text(*each) for each in TEXTS.items()])
    connection.execute(tables.tables["opt_outs"].insert(), {"number": "+14155550177", "since": NOW})


def _a_text(outbox_id: str, key: str) -> dict[str, Any]:
    texts = {"to_number": CALLER, "body": key, "state": "pending", "status": "", "owner": "", "message_sid": ""}
    times = {"run_at": NOW, "created_at": NOW, "attempts": 0, "error_code": ""}
    return {"outbox_id": outbox_id, "dedupe_key": key, "appointment_id": "ap_1", **texts, **times}


@pytest.fixture
async def old_url(database_url: str) -> str:
    await of_version_8(database_url)
    return database_url


async def test_templates_that_were_kept_become_message_plans(old_url: str) -> None:
    async with opened_store(old_url) as store:
        plan = await store.plan_of(AppointmentId("ap_1"))
        of_change = await store.take_over_change("ch_1", older_than=NOW)

    assert plan is not None
    assert (plan.to, plan.business) == (CALLER, "Ada")
    assert plan.templates == {"confirmation": "Booked.", "requested": "?", "unconfirmed": "?"}
    assert of_change is not None
    assert of_change.templates == {"moved": "Moved.", "change_unconfirmed": "?", "change_failed": "No."}


async def test_texts_that_are_still_to_be_sent_are_sent_as_what_they_are(old_url: str) -> None:
    async with opened_store(old_url) as store:
        rows = {row.outbox_id: row for row in await store.messages()}
        leased = await store.lease_message(
            channel=Channel.SMS, owner="a", now=NOW, business_now=NOW, lease=timedelta(seconds=60)
        )

    assert {outbox_id: row.kind.value for outbox_id, row in rows.items()} == {
        "ob_1": "confirmation",
        "ob_2": "moved",
        "ob_3": "change_failed",
        "ob_4": "unconfirmed",
    }
    assert {(row.channel, row.not_before, row.version) for row in rows.values()} == {(Channel.SMS, AT_ONCE, 1)}
    assert leased is not None


async def test_what_was_unique_still_is(old_url: str) -> None:
    async with opened_store(old_url) as store:
        await store.enqueue([OutgoingMessage(CALLER, "Again.", TEXTS["ob_1"], MessageKind.CONFIRMATION)])

        assert len(await store.messages()) == len(TEXTS)


async def test_appointments_and_opt_outs_are_what_they_were(old_url: str) -> None:
    async with opened_store(old_url) as store:
        appointment = await store.appointment(AppointmentId("ap_1"))

        assert appointment is not None
        assert (appointment.status, appointment.version, appointment.host_name) == (AppointmentStatus.PENDING, 1, "")
        assert await store.has_opted_out("+14155550177")
