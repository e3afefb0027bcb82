"""The doctor looks at the database as it is, and leaves it so."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest
from pydantic import SecretStr

from agent.doctor.findings import Check, Finding, State
from agent.doctor.installation import Installation
from agent.doctor.record import check_database
from agent.settings import Settings
from appointments.store import inspection
from appointments.store.inspection import RecordState, inspect_record
from appointments.store.store import Store


def url_of(path: Path) -> str:
    return f"sqlite+aiosqlite:///{path}"


@pytest.fixture
async def record(tmp_path: Path) -> Path:
    """Return a database that a worker has used."""
    path = tmp_path / "slotline.db"
    await (await Store.open(url_of(path))).close()
    return path


def change(path: Path, statement: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(statement)
        connection.commit()


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[5000:9000] = b"\xff" * 4000
    path.write_bytes(content)


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


async def finding(url: str) -> Finding:
    (found,) = await check_database(Installation(Settings.model_construct(database_url=SecretStr(url))))
    return found


async def test_a_database_that_is_up_to_date(record: Path) -> None:
    found = await finding(url_of(record))

    assert found.state is State.OK
    assert f"{record} is up to date (migration {inspect_record(url_of(record)).newest})" in found.seen


async def test_a_database_in_use_is_up_to_date(tmp_path: Path) -> None:
    url = url_of(tmp_path / "slotline.db")
    store = await Store.open(url)
    found = await finding(url)
    await store.close()

    assert found.state is State.OK


async def test_a_missing_database_is_not_created(tmp_path: Path) -> None:
    found = await finding(url_of(tmp_path / "none" / "slotline.db"))

    assert found.state is State.OK
    assert "will create it" in found.seen
    assert files_in(tmp_path) == {}


async def test_an_older_database_is_not_migrated(record: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, ours = files_in(record.parent), inspect_record(url_of(record)).newest
    monkeypatch.setattr(inspection, "_migrations", lambda: ("0900", frozenset({ours, "0900"})))
    found = await finding(url_of(record))

    assert found.state is State.WARNING
    assert f"is at migration {ours}; `slotline serve` will bring it to 0900" in found.seen
    assert files_in(record.parent)[record.name] == before[record.name]


async def test_a_database_from_the_future(record: Path) -> None:
    change(record, "UPDATE alembic_version SET version_num = '0999'")
    found = await finding(url_of(record))

    assert found.state is State.FAILED
    assert "is at migration 0999, newer than this slotline" in found.seen
    assert "Install the version of slotline that was used last" in found.fix


async def test_a_database_of_something_else(tmp_path: Path) -> None:
    change(tmp_path / "other.db", "CREATE TABLE things (id)")
    found = await finding(url_of(tmp_path / "other.db"))

    assert found.state is State.FAILED
    assert "holds tables of something else" in found.seen


async def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("Buy milk. " * 500)
    found = await finding(url_of(tmp_path / "notes.txt"))

    assert found.state is State.FAILED
    assert "is damaged: file is not a database" in found.seen


async def test_a_damaged_database(record: Path) -> None:
    damage(record)
    found = await finding(url_of(record))

    assert found.state is State.FAILED
    assert "is damaged" in found.seen
    assert ".recover" in found.fix


async def test_a_locked_database(record: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "BUSY_SECS", 0.1)
    with contextlib.closing(sqlite3.connect(record, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        other.execute("UPDATE alembic_version SET version_num = version_num")
        found = await finding(url_of(record))

    assert found.state is State.FAILED
    assert "is locked by another process" in found.seen


async def test_a_big_database_is_not_looked_through_to_its_end(record: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "LOOK_THROUGH_SECS", -1.0)
    monkeypatch.setattr(inspection, "_STEPS_BETWEEN_LOOKS", 1)

    assert inspect_record(url_of(record)).state is RecordState.CURRENT


async def test_a_folder_is_no_database(tmp_path: Path) -> None:
    found = await finding(url_of(tmp_path))

    assert found.state is State.FAILED
    assert "cannot be opened: it is a folder" in found.seen


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="there is no folder in which not even root may write")
async def test_a_database_that_cannot_be_created() -> None:
    found = await finding(url_of(Path("/proc/slotline/slotline.db")))

    assert found.state is State.FAILED
    assert found.seen.startswith("/proc/slotline cannot be created")
    assert "DATABASE_URL" in found.fix


@pytest.mark.parametrize(
    "url",
    ["mysql://ada:hunter2@host/db", "postgresql://ada:hunter2@host:port/db", "slotline.db", "sqlite+aiosqlite://"],
)
async def test_a_url_that_names_no_database(url: str) -> None:
    found = await finding(url)

    assert (found.check, found.state) == (Check.DATABASE, State.FAILED)
    assert found.seen.startswith("DATABASE_URL")
    assert "Use sqlite+aiosqlite:///" in found.fix
    assert "hunter2" not in found.seen + found.fix
