"""Codes and proofs in the record: how many there may be, and that a code works once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from appointments.model import CallSid, PhoneNumber
from appointments.store.code_records import (
    CODE_LIFETIME,
    MOST_CODES,
    MOST_PROOFS,
    MOST_PROOFS_OF_A_NUMBER,
    MOST_TRIES,
    IssuedCode,
)
from appointments.store.store import Store
from tests.factories import CALLER, NOW
from tests.stores import opened_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

CALL = CallSid("CA1")
OTHER = PhoneNumber("+14155550199")


@dataclass
class Clock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def later(self, by: timedelta) -> None:
        self.now += by


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(database_url: str, clock: Clock) -> AsyncIterator[Store]:
    async with opened_store(database_url, clock=clock) as opened:
        yield opened


def a_code(digest: str = "right", *, call: str = CALL, number: PhoneNumber = CALLER, place: int = 0) -> IssuedCode:
    return IssuedCode(f"code_{call}_{number}_{place}", CallSid(call), number, digest)


def entering(digest: str) -> Callable[[IssuedCode], bool]:
    return lambda issued: issued.digest == digest


async def test_the_right_code_names_its_number_and_works_once(store: Store) -> None:
    await store.issue_code(a_code())

    assert (await store.try_code(CALL, entering("right"))).number == CALLER
    assert (await store.try_code(CALL, entering("right"))).number is None


async def test_of_many_at_once_one_uses_the_code(store: Store) -> None:
    await store.issue_code(a_code())

    checks = await asyncio.gather(*(store.try_code(CALL, entering("right")) for _ in range(4)))

    assert [check.number for check in checks].count(CALLER) == 1


async def test_a_code_can_be_tried_five_times(store: Store) -> None:
    await store.issue_code(a_code())

    left = [(await store.try_code(CALL, entering("wrong"))).tries_left for _ in range(MOST_TRIES)]

    assert left == [4, 3, 2, 1, 0]
    assert (await store.try_code(CALL, entering("right"))).number is None


async def test_many_tries_at_once_are_all_counted(store: Store) -> None:
    await store.issue_code(a_code())

    checks = await asyncio.gather(*(store.try_code(CALL, entering("wrong")) for _ in range(MOST_TRIES + 3)))

    assert sorted(check.tries_left for check in checks) == [0, 0, 0, 0, 1, 2, 3, 4]


async def test_a_code_expires(store: Store, clock: Clock) -> None:
    await store.issue_code(a_code())
    clock.later(CODE_LIFETIME)

    assert (await store.try_code(CALL, entering("right"))).number is None


async def test_a_code_is_no_other_calls(store: Store) -> None:
    await store.issue_code(a_code())

    assert (await store.try_code(CallSid("CA2"), entering("right"))).number is None


async def test_the_newest_code_of_a_call_counts(store: Store) -> None:
    await store.issue_code(a_code("old"))
    await store.issue_code(a_code("new", number=OTHER, place=1))

    assert (await store.try_code(CALL, entering("old"))).number is None
    assert (await store.try_code(CALL, entering("new"))).number == OTHER


async def test_a_call_asks_for_three_codes(store: Store) -> None:
    left = [await store.issue_code(a_code(number=PhoneNumber(f"+1415555010{n}"))) for n in range(MOST_CODES + 1)]

    assert left == [2, 1, 0, None]


async def test_a_number_gets_three_codes_an_hour_whoever_asks(store: Store, clock: Clock) -> None:
    left = [await store.issue_code(a_code(call=f"CA{n}")) for n in range(MOST_CODES + 1)]
    clock.later(timedelta(hours=1))

    assert left == [2, 2, 2, None]
    assert await store.issue_code(a_code(call="CA9")) is not None


async def test_of_calls_that_ask_at_once_three_get_a_code(store: Store) -> None:
    left = await asyncio.gather(*(store.issue_code(a_code(call=f"CA{n}")) for n in range(6)))

    assert sum(each is not None for each in left) == MOST_CODES


async def test_a_refused_code_leaves_the_one_before_it(store: Store) -> None:
    for place in range(MOST_CODES):
        await store.issue_code(a_code("last", number=PhoneNumber(f"+1415555010{place}"), place=place))
    await store.issue_code(a_code("too many", place=9))

    assert (await store.try_code(CALL, entering("last"))).number is not None


async def test_a_call_proves_five_times(store: Store) -> None:
    left = [await store.begin_proof(CALL, CALLER) for _ in range(MOST_PROOFS + 1)]

    assert left == [4, 3, 2, 1, 0, None]


async def test_a_number_is_proven_ten_times_a_day_in_however_many_calls(store: Store, clock: Clock) -> None:
    left = [await store.begin_proof(CallSid(f"CA{n}"), CALLER) for n in range(MOST_PROOFS_OF_A_NUMBER + 1)]
    clock.later(timedelta(days=1))

    assert left[-2:] == [0, None]
    assert await store.begin_proof(CallSid("CA99"), CALLER) is not None


async def test_of_proofs_at_once_none_is_too_many(store: Store) -> None:
    left = await asyncio.gather(*(store.begin_proof(CALL, CALLER) for _ in range(MOST_PROOFS + 3)))

    assert sum(each is not None for each in left) == MOST_PROOFS


async def test_a_code_of_the_day_before_yesterday_is_forgotten(store: Store, clock: Clock) -> None:
    await store.issue_code(a_code())
    clock.later(timedelta(days=2))
    await store.issue_code(a_code(call="CA2", place=1))

    # Its id may be used again, so it is gone.
    assert await store.issue_code(a_code()) is not None
