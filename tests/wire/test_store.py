"""The record in a real file, used by many tasks and many processes."""

from __future__ import annotations

import asyncio
import multiprocessing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.exc import IntegrityError

from appointments.errors import ConfigError, SlotTaken
from appointments.model import AppointmentStatus, CallSid, EventTypeId
from appointments.store.records import MessageKind, OutgoingMessage
from appointments.store.store import Store
from appointments.store.tables import metadata
from tests.factories import BUSINESS, CALLER, NOW, PLAN, a_block, a_booking, a_slot, an_appointment, claim
from tests.stores import opened_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from sqlalchemy import Connection

PROCESSES = multiprocessing.get_context("spawn")
TEXT = OutgoingMessage(CALLER, "Booked.", "ap_1|confirmed|1", MessageKind.CONFIRMATION)
CALL = CallSid("CA1")


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    async with opened_store(database_url) as opened:
        yield opened


async def test_migrations_lead_to_the_tables(store: Store) -> None:
    def differences(connection: Connection) -> list[Any]:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    async with store._read() as connection:
        assert await connection.run_sync(differences) == []


async def test_opening_again_keeps_what_is_there(store: Store, database_url: str) -> None:
    await claim(store, an_appointment())

    async with opened_store(database_url) as again:
        assert await again.appointments() == [an_appointment()]


@pytest.mark.parametrize(
    "wrong", ["postgresql+asyncpg://ada:hunter2@db/slotline", "sqlite+aiosqlite://", "hunter2", "sqlite:///x.db"]
)
async def test_an_unusable_url_is_named_without_its_password(wrong: str) -> None:
    with pytest.raises(ConfigError, match="DATABASE_URL") as caught:
        await Store.open(wrong)

    assert "hunter2" not in str(caught.value)


async def test_an_unusable_path_is_a_config_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfigError, match="DATABASE_URL"):
        await Store.open(f"sqlite+aiosqlite:///{tmp_path}/file/record.db")


async def test_a_database_of_a_newer_version_says_so(store: Store, database_url: str) -> None:
    async with store._write() as connection:
        await connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(ConfigError, match="by a newer slotline"):
        await Store.open(database_url)


async def test_a_claim_comes_back_as_it_was_made(store: Store) -> None:
    appointment = an_appointment(notes="Gate code 4")

    claimed = await claim(store, appointment)

    assert claimed == appointment
    assert await store.appointment(appointment.appointment_id) == appointment


async def test_claiming_again_with_the_same_key_changes_nothing(store: Store) -> None:
    first = await claim(store, an_appointment())

    again = await claim(
        store, replace(an_appointment(), appointment_id=an_appointment(2).appointment_id, notes="other")
    )

    assert again == first
    assert await store.appointments() == [first]


@pytest.mark.parametrize("shift", [-29, 0, 29])
async def test_an_overlapping_claim_is_taken(store: Store, shift: int) -> None:
    await claim(store, an_appointment(1))

    with pytest.raises(SlotTaken):
        await claim(store, an_appointment(2, slot=a_slot(53 + shift / 60)))


async def test_neighbours_and_other_event_types_do_not_overlap(store: Store) -> None:
    await claim(store, an_appointment(1))

    await claim(store, an_appointment(2, slot=a_slot(53.5)))
    await claim(store, an_appointment(3, slot=a_slot(52.5)))
    await claim(store, an_appointment(4, event_type_id=EventTypeId("102")))

    assert len(await store.appointments()) == 4


async def test_a_failed_appointment_frees_its_slot_and_cannot_come_back_over_another(store: Store) -> None:
    first = await claim(store, an_appointment(1))
    await store.fail(first.appointment_id, reason="taken")
    await claim(store, an_appointment(2))

    with pytest.raises(SlotTaken):
        await store.claim_again(an_appointment(1), a_block(an_appointment(1)))

    failed = await store.appointment(first.appointment_id)
    assert failed is not None
    assert failed.status is AppointmentStatus.FAILED


async def test_an_unconfirmed_appointment_keeps_its_slot(store: Store) -> None:
    first = await claim(store, an_appointment(1))
    await store.leave_unconfirmed(first.appointment_id)

    with pytest.raises(SlotTaken):
        await claim(store, an_appointment(2))


async def test_the_booking_and_its_text_are_recorded_once(store: Store) -> None:
    claimed = await claim(store, an_appointment())

    first = await store.record(claimed.appointment_id, a_booking(), messages=lambda _: [TEXT])
    again = await store.record(
        claimed.appointment_id, a_booking(), messages=lambda _: [replace(TEXT, dedupe_key="other")]
    )

    assert first == again
    assert (first.status, first.booking_uid) == (AppointmentStatus.ACTIVE, "bk_1")
    assert [text.body for text in await store.messages(claimed.appointment_id)] == ["Booked."]


async def test_what_the_calendar_has_is_never_recorded_as_failed(store: Store) -> None:
    claimed = await claim(store, an_appointment())
    await store.record(claimed.appointment_id, a_booking())

    kept = await store.fail(claimed.appointment_id, reason="taken")

    assert kept.status is AppointmentStatus.ACTIVE


async def test_the_blocks_are_those_that_reach_into_the_range(store: Store) -> None:
    await claim(store, an_appointment(1))
    failed = await claim(store, an_appointment(2, slot=a_slot(60)))
    await store.fail(failed.appointment_id, reason="taken")

    block = a_block(an_appointment())
    inside = await store.blocks(block.resource, start=a_slot(53.4).start, end=a_slot(70).start)
    beside = await store.blocks(block.resource, start=a_slot(53.5).start, end=a_slot(70).start)

    assert inside == [block]
    assert beside == []


async def test_an_abandoned_claim_is_taken_over_by_one(store: Store) -> None:
    claimed = await claim(store, an_appointment(), plan=PLAN)
    later = store.now() + timedelta(milliseconds=1)

    taken_over = await asyncio.gather(
        *(store.take_over(claimed.appointment_id, older_than=later - timedelta(milliseconds=1)) for _ in range(5))
    )

    assert await store.unsettled(later - timedelta(hours=1)) == []
    assert [texts for texts in taken_over if texts] == [PLAN]


async def test_no_error_of_the_record_quotes_personal_data(store: Store) -> None:
    broken = an_appointment(call_sid=None)

    with pytest.raises(IntegrityError) as caught:
        await claim(store, broken)

    assert "Maya" not in str(caught.value)


async def test_cancelled_work_leaves_the_record_usable(store: Store) -> None:
    for number in range(60):
        writing = asyncio.create_task(claim(store, an_appointment(number, slot=a_slot(number))))
        reading = asyncio.create_task(store.appointments())
        for _ in range(number % 20):
            await asyncio.sleep(0)
        writing.cancel()
        reading.cancel()
        await asyncio.gather(writing, reading, return_exceptions=True)

    assert await claim(store, an_appointment(1000, slot=a_slot(1000))) in await store.appointments()


async def test_twenty_tasks_race_for_each_slot_and_one_wins(store: Store) -> None:
    async def wins(number: int, hour: int) -> bool:
        try:
            await claim(store, an_appointment(number, slot=a_slot(hour)))
        except SlotTaken:
            return False
        return True

    for hour in range(5):
        assert sum(await asyncio.gather(*(wins(100 * hour + racer, hour) for racer in range(20)))) == 1


def _race(url: str, racer: int, start: multiprocessing.synchronize.Barrier, wins: multiprocessing.Queue[int]) -> None:
    async def race() -> None:
        start.wait()
        async with opened_store(url) as store:
            for hour in range(10):
                try:
                    await claim(store, an_appointment(100 * racer + hour, slot=a_slot(hour)))
                except SlotTaken:
                    continue
                wins.put(hour)

    asyncio.run(race())


def test_six_processes_open_a_new_database_at_once_and_race_for_its_slots(database_url: str) -> None:
    start, wins = PROCESSES.Barrier(6), PROCESSES.Queue()
    racers = [PROCESSES.Process(target=_race, args=(database_url, racer, start, wins)) for racer in range(6)]

    for racer in racers:
        racer.start()
    won = sorted(wins.get(timeout=120) for _ in range(10))
    for racer in racers:
        racer.join(60)

    assert [racer.exitcode for racer in racers] == [0] * 6
    assert won == list(range(10))
    assert wins.empty()


async def test_a_token_lets_in_once(store: Store, database_url: str) -> None:
    expires = datetime.now(UTC) + timedelta(minutes=2)
    async with opened_store(database_url) as other:
        tries = await asyncio.gather(*(each.use_token("t1", expires=expires) for each in (store, other) * 5))

    assert sum(tries) == 1
    assert await store.use_token("t2", expires=expires)


async def test_a_token_long_expired_is_purged(store: Store) -> None:
    old = datetime.now(UTC) - timedelta(days=1)
    await store.use_token("old", expires=old)

    assert await store.use_token("new", expires=old)
    assert await store.use_token("old", expires=old)


async def test_a_call_begins_and_ends_once(store: Store) -> None:
    await store.begin_call(CALL, caller=CALLER, called=BUSINESS, at=NOW)
    await store.begin_call(CALL, caller=None, called=BUSINESS, at=NOW + timedelta(1))

    await store.end_call(CALL, outcome="booked", at=NOW + timedelta(minutes=2))
    await store.end_call(CALL, outcome="hung up", at=NOW + timedelta(minutes=3))

    call = await store.call(CALL)
    assert call is not None
    assert (call.caller, call.started_at, call.outcome) == (CALLER, NOW, "booked")


async def _begin(store: Store, call_sid: str, **changes: Any) -> bool:
    facts: dict[str, Any] = {"caller": CALLER, "called": BUSINESS, "at": NOW, "at_most": 2, "since": NOW}
    return await store.begin_call(CallSid(call_sid), **(facts | changes))


async def test_of_calls_that_begin_at_once_no_more_begin_than_may(store: Store, database_url: str) -> None:
    async with opened_store(database_url) as other:
        begun = await asyncio.gather(*(_begin(each, f"CA{n}") for n, each in enumerate([store, other] * 5)))

    assert sum(begun) == 2


async def test_a_call_told_again_has_begun_however_many_there_are(store: Store) -> None:
    await _begin(store, "CA1")
    await _begin(store, "CA2")

    assert [await _begin(store, call_sid) for call_sid in ("CA1", "CA2", "CA3")] == [True, True, False]
    assert await store.call(CallSid("CA3")) is None


async def test_only_open_and_recent_calls_of_the_same_known_caller_count(store: Store) -> None:
    await _begin(store, "CA1", at=NOW - timedelta(seconds=1))
    await _begin(store, "CA2")
    await store.end_call(CallSid("CA2"), outcome="booked", at=NOW)
    for n in range(3, 6):
        await _begin(store, f"CA{n}", caller=None)

    assert [await _begin(store, f"CA{n}") for n in range(6, 9)] == [True, True, False]


async def test_only_calls_that_are_open_too_long_are_ended(store: Store) -> None:
    for call_sid, at in (("CAold", NOW - timedelta(seconds=1)), ("CAended", NOW - timedelta(1)), ("CAlive", NOW)):
        await _begin(store, call_sid, at=at)
    await store.end_call(CallSid("CAended"), outcome="booked", at=NOW)

    ended = await store.end_stale_calls(NOW, outcome="broken_off", at=NOW)

    outcomes = {call_sid: await store.call(CallSid(call_sid)) for call_sid in ("CAold", "CAended", "CAlive")}
    assert ended == ["CAold"]
    assert {sid: call and call.outcome for sid, call in outcomes.items()} == {
        "CAold": "broken_off",
        "CAended": "booked",
        "CAlive": "",
    }


async def test_a_call_that_broke_off_is_live_again_as_often_as_it_may_be(store: Store) -> None:
    await _begin(store, CALL)
    await store.end_call(CALL, outcome="broken_off", at=NOW)

    resumes = [await store.resume_call(CALL, at_most=2, since=NOW) for _ in range(3)]

    call = await store.call(CALL)
    assert resumes == [1, 2, None]
    assert call is not None
    assert (call.ended_at, call.outcome, call.started_at) == (None, "", NOW)


async def test_of_workers_that_resume_at_once_no_more_than_may_do(store: Store, database_url: str) -> None:
    await _begin(store, CALL)
    async with opened_store(database_url) as other:
        resumes = await asyncio.gather(*(each.resume_call(CALL, at_most=2, since=NOW) for each in [store, other] * 3))

    assert sorted(each for each in resumes if each) == [1, 2]


async def test_calls_that_are_unknown_or_too_old_are_not_resumed(store: Store) -> None:
    await _begin(store, CALL)

    assert await store.resume_call(CALL, at_most=2, since=NOW + timedelta(seconds=1)) is None
    assert await store.resume_call(CallSid("CAunknown"), at_most=2, since=NOW) is None


async def test_who_carried_a_call_before_it_broke_cannot_end_it(store: Store) -> None:
    await _begin(store, CALL)
    await store.resume_call(CALL, at_most=2, since=NOW)

    await store.end_call(CALL, outcome="caller_hung_up", at=NOW, resumes=0)
    going_on = await store.call(CALL)
    await store.end_call(CALL, outcome="completed", at=NOW, resumes=1)
    ended = await store.call(CALL)

    assert going_on is not None
    assert going_on.ended_at is None
    assert ended is not None
    assert ended.outcome == "completed"


async def test_turns_come_back_in_the_order_of_the_call(store: Store) -> None:
    await store.add_turn(CALL, who="caller", text="Hello?", at_ms=900)
    await store.add_turn(CALL, who="agent", text="How can I help?", at_ms=100, took_ms=80)
    await store.add_turn(CallSid("CA2"), who="agent", text="Elsewhere", at_ms=1)

    turns = await store.turns(CALL)

    assert [(turn.who, turn.at_ms, turn.took_ms) for turn in turns] == [("agent", 100, 80), ("caller", 900, None)]


async def test_opting_out_lasts_until_opting_in(store: Store) -> None:
    await store.opt_out(CALLER)
    await store.opt_out(CALLER)
    assert await store.has_opted_out(CALLER)

    await store.opt_in(CALLER)

    assert not await store.has_opted_out(CALLER)
