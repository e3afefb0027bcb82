"""Postgres as the record's database: how it is named, reached, and missed."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from appointments.errors import ConfigError, SlotTaken
from appointments.model import CallSid, PhoneNumber
from appointments.service import BookingService
from appointments.store.database import parse_url
from appointments.store.inspection import RecordState, inspect_record
from appointments.store.store import Store
from tests.factories import CALLER, EVENT_TYPE, NOW, QUICK, STUDIO, ShakyCalendar, a_slot, an_appointment, claim

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.postgres import Server

OTHER = PhoneNumber("+14155550199")
NOBODY = "postgresql+asyncpg://ada:hunter2@127.0.0.1:1/slotline"


@pytest.fixture
def url(postgres: Server) -> Iterator[str]:
    with postgres.database() as url:
        yield url


@pytest.mark.parametrize(
    ("given", "understood"),
    [
        ("postgres://ada:pw@db.example.com/slots", "postgresql+asyncpg://ada:pw@db.example.com/slots"),
        ("postgresql://ada@db:5433/slots?sslmode=require", "postgresql+asyncpg://ada@db:5433/slots?ssl=require"),
        ("postgresql+asyncpg://ada@db/slots", "postgresql+asyncpg://ada@db/slots"),
    ],
)
def test_a_url_as_hosts_hand_it_out_is_understood(given: str, understood: str) -> None:
    assert parse_url(given).render_as_string(hide_password=False) == understood


def test_a_url_without_a_database_is_refused() -> None:
    with pytest.raises(ConfigError, match="names no database"):
        parse_url("postgresql://ada@db")


async def test_a_server_that_is_not_there_is_told_without_the_password() -> None:
    with pytest.raises(ConfigError, match=r"'slotline' at 127\.0\.0\.1 cannot be used \(ConnectionRefused") as caught:
        await Store.open(NOBODY)

    assert "hunter2" not in str(caught.value)


async def test_a_database_that_is_not_there_says_how_to_make_it(url: str) -> None:
    missing = make_url(url).set(database="nowhere").render_as_string(hide_password=False)

    with pytest.raises(ConfigError, match="createdb nowhere"):
        await Store.open(missing)


async def test_a_user_who_is_not_let_in_is_told(url: str) -> None:
    stranger = make_url(url).set(username="stranger").render_as_string(hide_password=False)

    with pytest.raises(ConfigError, match="does not let 'stranger' in"):
        await Store.open(stranger)


async def test_its_state_is_seen_without_changing_it(url: str) -> None:
    report = await asyncio.to_thread(inspect_record, url)

    assert (report.state, report.version) == (RecordState.CURRENT, report.newest)


async def test_machines_whose_clocks_differ_agree_on_what_is_held(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = await Store.open(url)
    monkeypatch.setattr("appointments.store.database.utc_now", lambda: datetime.now(UTC) + timedelta(hours=1))
    ahead = await Store.open(url)
    monkeypatch.setattr("appointments.store.database.utc_now", lambda: datetime.now(UTC) - timedelta(hours=1))
    behind = await Store.open(url)
    services = [
        BookingService(calendar=ShakyCalendar(), store=each, clock=lambda: NOW, settle=QUICK)
        for each in (right, ahead, behind)
    ]

    for number, (holder, service) in enumerate(itertools.permutations(services, 2)):
        holding, other = CallSid(f"CA{number}"), CallSid(f"CB{number}")
        await holder.holds.hold(holding, CALLER, EVENT_TYPE.id, a_slot(), STUDIO)
        with pytest.raises(SlotTaken):
            await service.holds.hold(other, OTHER, EVENT_TYPE.id, a_slot(), STUDIO)
        await holder.holds.release(holding)

    assert max(abs(each.now() - datetime.now(UTC)) for each in (right, ahead, behind)) < timedelta(minutes=1)
    for store in (right, ahead, behind):
        await store.close()


async def test_a_clock_that_is_set_right_meanwhile_is_noticed(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    is_ahead = [timedelta(hours=1)]
    monkeypatch.setattr("appointments.store.database.utc_now", lambda: datetime.now(UTC) + is_ahead[0])
    monkeypatch.setattr("appointments.store.postgres.COMPARE_EVERY_SECS", 0.0)
    store = await Store.open(url)

    is_ahead[0] = timedelta(0)
    await claim(store, an_appointment())

    assert abs(store.now() - datetime.now(UTC)) < timedelta(minutes=1)
    await store.close()


async def test_connections_that_the_server_has_cut_are_replaced(url: str) -> None:
    store = await Store.open(url)
    await claim(store, an_appointment())
    # As a restart of the server does it.
    with contextlib.suppress(SQLAlchemyError):
        async with store._write() as connection:
            await connection.exec_driver_sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid > 0")

    assert len(await store.appointments()) == 1
    await store.close()
