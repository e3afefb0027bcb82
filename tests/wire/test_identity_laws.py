"""Whatever a caller tries in whatever order: nobody's number is known that was not shown, and no limit is passed."""

from __future__ import annotations

import asyncio
import itertools
import re
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from appointments.errors import MessageDeferred, NotVerified, SlotlineError
from appointments.identity import CodeTexts, Identity
from appointments.model import Appointment, Attendee, CallSid, PhoneNumber, Slot
from appointments.store.code_records import (
    CODE_LIFETIME,
    CODES_PER,
    MOST_CODES,
    MOST_PROOFS,
    MOST_PROOFS_OF_A_NUMBER,
    MOST_TRIES,
    PROOFS_PER,
)
from appointments.store.store import Store
from tests.factories import NOW, ZONE, an_appointment, claim

if TYPE_CHECKING:
    from collections.abc import Collection, Coroutine, Iterator

OWNERS = ("Maya Chen", "Lee Park")
"""Each has an appointment under a number; the third number has none."""
CALLS, NUMBERS = st.sampled_from([0, 1]), st.sampled_from([0, 1, 2])
A_WHILE = st.sampled_from([timedelta(0), timedelta(minutes=1), CODE_LIFETIME, CODES_PER])
WRONG = ["wrong"] * MOST_TRIES
GUESSES = st.one_of(
    st.sampled_from([["right"], ["right", "right"], [*WRONG[1:], "right"], [*WRONG, "right"], ["others"]]),
    st.lists(st.sampled_from(["right", "wrong", "others", "no code"]), max_size=MOST_TRIES + 2),
)


@dataclass
class World:
    """What the calls of every example share: the record, the time, the texts that were sent."""

    store: Store = field(init=False)
    now: datetime = NOW
    fault: SlotlineError | None = None
    sent: list[tuple[str, str]] = field(default_factory=list)
    fresh: Iterator[int] = field(default_factory=itertools.count)

    def clock(self) -> datetime:
        return self.now

    async def send(self, *, to: str, body: str, outbox_id: str) -> str:
        if self.fault:
            raise self.fault
        self.sent.append((to, re.findall(r"\d{6}", body)[0]))
        return "SM1"

    async def find(self, *, to: str, body: str, since: datetime, other_than: Collection[str] = ()) -> str | None:
        if self.fault:
            raise self.fault
        return None


@dataclass
class Code:
    """The newest code of a call, as its caller may know it."""

    number: PhoneNumber
    digits: str | None
    until: datetime
    tries: int = 0


@dataclass
class Call:
    """A call, and what its caller has honestly shown in it."""

    identity: Identity
    caller: PhoneNumber | None
    shown: set[PhoneNumber]
    code: Code | None = None
    codes: int = 0
    proofs: int = 0


class Callers(RuleBasedStateMachine):
    """Two calls at once, by whoever, who try what they like."""

    world: World
    runner: asyncio.Runner

    @initialize(
        callers=st.tuples(*[st.sampled_from([0, 1, 2, None])] * 2), attested=st.tuples(st.booleans(), st.booleans())
    )
    def ring(self, callers: tuple[int | None, ...], attested: tuple[bool, ...]) -> None:
        example = next(self.world.fresh)
        self.world.now, self.world.fault = NOW, None
        self.numbers = [PhoneNumber(f"+1415{2000000 + 10 * example + place}") for place in range(3)]
        self.appointments = [self._book(example, place, name) for place, name in enumerate(OWNERS)]
        self.asked: list[tuple[PhoneNumber, datetime]] = []
        self.proven: list[tuple[PhoneNumber, datetime]] = []
        self.calls = [
            self._call(f"CA{example}-{place}", None if caller is None else self.numbers[caller], attested[place])
            for place, caller in enumerate(callers)
        ]

    def _book(self, example: int, place: int, name: str) -> Appointment:
        # Far from every other example's: no two may overlap.
        start = NOW + timedelta(days=3, hours=2 * example + place)
        appointment: Appointment = an_appointment(
            2 * example + place,
            slot=Slot(start, timedelta(minutes=30)),
            attendee=Attendee(name, ZONE.key, self.numbers[place]),
        )
        self._do(claim(self.world.store, appointment))
        return appointment

    def _call(self, call_sid: str, caller: PhoneNumber | None, is_attested: bool) -> Call:
        is_attested = is_attested and caller is not None
        texts = CodeTexts(self.world, b"secret", "{code}", "Clinic", ("US",), takes=timedelta(0))
        identity = Identity(
            call_sid=CallSid(call_sid),
            caller=caller,
            is_attested=is_attested,
            store=self.world.store,
            clock=self.world.clock,
            texts=texts,
            real_clock=self.world.clock,
        )
        return Call(identity, caller, {caller} if is_attested and caller else set())

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    @rule(
        which=CALLS, name=st.sampled_from([*OWNERS, "Somebody Else", ""]), of=st.sampled_from([0, 1]), off=st.booleans()
    )
    def prove(self, which: int, name: str, of: int, off: bool) -> None:
        call = self.calls[which]
        day = _day(self.appointments[of]) + timedelta(days=400 if off else 0)
        is_right = call.caller is not None and any(
            call.caller == each.attendee.phone and name == each.attendee.name and day == _day(each)
            for each in self.appointments
        )
        may_try = call.caller is not None and self._may_prove(call, call.caller)
        if call.caller is not None and may_try:
            call.proofs += 1
            self.proven.append((call.caller, self.world.now))
            if is_right:
                call.shown.add(call.caller)
        assert self._is_refused(call.identity.prove(name, day)) is not (is_right and may_try)

    def _may_prove(self, call: Call, number: PhoneNumber) -> bool:
        lately = [at for each, at in self.proven if each == number and at > self.world.now - PROOFS_PER]
        return call.proofs < MOST_PROOFS and len(lately) < MOST_PROOFS_OF_A_NUMBER

    @rule(which=CALLS, to=NUMBERS)
    def send_code(self, which: int, to: int) -> None:
        call, number = self.calls[which], self.numbers[to]
        lately = [at for each, at in self.asked if each == number and at > self.world.now - CODES_PER]
        may_ask = call.codes < MOST_CODES and len(lately) < MOST_CODES
        before = len(self.world.sent)

        is_refused = self._is_refused(call.identity.send_code(number))

        assert is_refused is not may_ask
        new = self.world.sent[before:]
        if may_ask:
            call.codes += 1
            self.asked.append((number, self.world.now))
            call.code = Code(number, new[0][1] if new else None, self.world.now + CODE_LIFETIME)
        has_text = may_ask and to < len(OWNERS) and self.world.fault is None
        assert [each for each, _ in new] == ([number] if has_text else [])

    @rule(which=CALLS, guesses=GUESSES)
    def check_codes(self, which: int, guesses: list[str]) -> None:
        for guess in guesses:
            self._check_code(which, guess)

    @rule(which=CALLS, to=NUMBERS, after=A_WHILE, guesses=GUESSES)
    def ask_and_enter(self, which: int, to: int, after: timedelta, guesses: list[str]) -> None:
        self.send_code(which, to)
        self.wait(after)
        self.check_codes(which, guesses)

    def _check_code(self, which: int, guess: str) -> None:
        call, other = self.calls[which], self.calls[1 - which]
        right = call.code.digits if call.code else None
        said = {
            "right": right or "000000",
            "others": (other.code.digits if other.code else None) or "000001",
            "wrong": f"{(int(right or 0) + 1) % 1_000_000:06}",
            "no code": "one moment",
        }[guess]
        is_open = call.code is not None and call.code.tries < MOST_TRIES and self.world.now < call.code.until
        is_right = is_open and said == right
        if call.code is not None and is_open and guess != "no code":
            call.code.tries += 1
            if is_right:
                call.shown.add(call.code.number)
                call.code.tries = MOST_TRIES  # it works once
        assert self._is_refused(call.identity.check_code(said)) is not is_right

    @rule(by=A_WHILE)
    def wait(self, by: timedelta) -> None:
        self.world.now += by

    @rule(is_down=st.booleans())
    def sender_is_down(self, is_down: bool) -> None:
        self.world.fault = MessageDeferred("down") if is_down else None

    @invariant()
    def only_what_was_shown_is_known(self) -> None:
        for call in getattr(self, "calls", ()):
            assert call.identity.known in (call.shown or {None})
            for appointment in self.appointments:
                if call.identity.may_change(appointment):
                    assert appointment.attendee.phone in call.shown

    @invariant()
    def a_code_is_awaited_while_one_can_be_entered(self) -> None:
        for call in getattr(self, "calls", ()):
            is_open = call.code is not None and call.code.tries < MOST_TRIES and self.world.now < call.code.until
            assert call.identity.awaits_code is is_open

    @invariant()
    def the_calls_are_told_their_own_appointments(self) -> None:
        for call in getattr(self, "calls", ()):
            for appointment in self._told(call):
                assert appointment.attendee.phone in call.shown

    def _told(self, call: Call) -> list[Appointment]:
        try:
            return list(self._do(call.identity.appointments()))
        except NotVerified:
            return []

    def _is_refused(self, work: Coroutine[Any, Any, object]) -> bool:
        try:
            self._do(work)
        except MessageDeferred:
            return False
        except SlotlineError:
            return True
        return False


def _day(appointment: Appointment) -> date:
    return appointment.slot.start.astimezone(ZoneInfo(appointment.zone)).date()


def test_only_what_was_shown_is_known(database_url: str) -> None:
    with asyncio.Runner() as runner:
        world = World()
        world.store = runner.run(Store.open(database_url, clock=world.clock))
        shared = type("SharedCallers", (Callers,), {"world": world, "runner": runner})
        try:
            run_state_machine_as_test(
                shared,
                settings=settings(
                    max_examples=60,
                    stateful_step_count=15,
                    deadline=None,
                    suppress_health_check=[HealthCheck.too_slow],
                ),
            )
        finally:
            runner.run(world.store.close())
