"""Who may hear about appointments: what a caller must show, and what nobody learns by trying."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from appointments.errors import (
    MessageDeferred,
    MessageRefused,
    MessageUnclear,
    NotVerified,
    SlotlineError,
    WishNotUnderstood,
)
from appointments.identity import CodeTexts, Identity
from appointments.model import Attendee, CallSid, PhoneNumber, Proof
from appointments.store.code_records import CODE_LIFETIME, MOST_CODES, MOST_PROOFS, MOST_TRIES, IssuedCode
from appointments.store.store import Store
from tests.factories import ATTENDEE, CALLER, NOW, a_slot, an_appointment, claim
from tests.stores import opened_store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from appointments.model import Appointment

OTHER = PhoneNumber("+14155550199")
NOBODY = PhoneNumber("+14155550177")
DAY = date(2026, 12, 3)
SECRET = b"a secret for codes"


@dataclass
class Clock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Sender:
    """Keeps what it is told to send; goes wrong as told."""

    fault: SlotlineError | None = None
    sent: list[tuple[str, str]] = field(default_factory=list)
    looked_up: list[str] = field(default_factory=list)

    async def send(self, *, to: str, body: str, outbox_id: str) -> str:
        self._go_wrong()
        self.sent.append((to, body))
        return "SM1"

    async def find(self, *, to: str, body: str, since: datetime, other_than: Collection[str] = ()) -> str | None:
        self._go_wrong()
        self.looked_up.append(to)
        return None

    def _go_wrong(self) -> None:
        if self.fault is not None:
            raise self.fault

    @property
    def code(self) -> str:
        _, body = self.sent[-1]
        return body.removeprefix("Clinic: ")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sender() -> Sender:
    return Sender()


@pytest.fixture
async def store(database_url: str, clock: Clock) -> AsyncIterator[Store]:
    async with opened_store(database_url, clock=clock) as opened:
        await claim(opened, an_appointment())
        await claim(opened, an_appointment(2, slot=a_slot(72), attendee=Attendee("Lee Park", "UTC", OTHER)))
        yield opened


@pytest.fixture
def caller(store: Store, clock: Clock, sender: Sender) -> Callers:
    return Callers(store, clock, sender)


@dataclass
class Callers:
    """Makes the identities of new calls."""

    store: Store
    clock: Clock
    sender: Sender
    calls: int = 100

    def __call__(self, number: PhoneNumber | None = CALLER, *, is_attested: bool = False, **changes: Any) -> Identity:
        self.calls += 1
        return Identity(
            call_sid=changes.pop("call_sid", CallSid(f"CA{self.calls}")),
            caller=number,
            is_attested=is_attested,
            store=self.store,
            clock=self.clock,
            texts=replace(self.texts(), **changes),
            real_clock=self.clock,
        )

    def texts(self) -> CodeTexts:
        return CodeTexts(
            sender=self.sender,
            secret=SECRET,
            template="{business}: {code}",
            business="Clinic",
            countries=("US", "CA"),
            takes=timedelta(0),
        )


async def ids(identity: Identity) -> list[str]:
    return [appointment.appointment_id for appointment in await identity.appointments()]


# What is known from the start


async def test_a_number_the_carrier_vouches_for_is_known(caller: Callers) -> None:
    identity = caller(is_attested=True)

    assert identity.known == CALLER
    assert await ids(identity) == ["ap_1"]


async def test_a_mere_caller_id_is_not(caller: Callers) -> None:
    identity = caller()

    assert identity.known is None
    with pytest.raises(NotVerified) as refusal:
        await identity.appointments()
    assert refusal.value.ways == (Proof.NAME_AND_DAY, Proof.NEW_CODE)


async def test_a_withheld_number_can_only_be_shown_by_a_code(caller: Callers) -> None:
    identity = caller(None)

    assert identity.ways == (Proof.NEW_CODE,)
    with pytest.raises(NotVerified):
        await identity.prove("Maya Chen", DAY)


async def test_no_appointment_and_not_verified_are_one_error(caller: Callers) -> None:
    known, unknown = caller(NOBODY, is_attested=True), caller(NOBODY)

    errors = []
    for identity in (known, unknown):
        with pytest.raises(NotVerified) as refusal:
            await identity.appointments()
        errors.append(str(refusal.value))
    assert errors[0] == errors[1]


async def test_what_was_booked_in_this_call_may_be_told_to_whoever_calls(caller: Callers, store: Store) -> None:
    identity = caller(None, call_sid=CallSid("CA3"))
    mine = await claim(store, an_appointment(3, slot=a_slot(80), attendee=replace(ATTENDEE, phone=None)))
    (other,) = await store.upcoming(CALLER, NOW)

    assert await ids(identity) == ["ap_3"]
    assert identity.may_change(mine)
    assert not identity.may_change(other)


async def test_what_is_over_is_not_told(caller: Callers, clock: Clock) -> None:
    identity = caller(is_attested=True)
    clock.now += timedelta(days=30)

    with pytest.raises(NotVerified):
        await identity.appointments()


# Name and day


async def test_the_name_and_the_day_prove_the_number_that_calls(caller: Callers) -> None:
    identity = caller()

    assert await identity.prove("maya chen", DAY) == CALLER
    assert identity.known == CALLER
    assert Proof.NAME_AND_DAY not in identity.ways


@pytest.mark.parametrize(
    ("number", "name", "day"),
    [
        (CALLER, "Maya Chen", date(2026, 12, 4)),
        (CALLER, "Lee Park", DAY),
        (OTHER, "Maya Chen", DAY),
        (NOBODY, "Maya Chen", DAY),
        (CALLER, "Chen", DAY),
        (CALLER, "", DAY),
    ],
    ids=["wrong day", "wrong name", "another's name and day", "no appointment", "half a name", "no name"],
)
async def test_what_does_not_fit_proves_nothing(caller: Callers, number: PhoneNumber, name: str, day: date) -> None:
    identity = caller(number)

    with pytest.raises(NotVerified) as refusal:
        await identity.prove(name, day)

    assert identity.known is None
    assert refusal.value.ways == (Proof.NAME_AND_DAY, Proof.NEW_CODE)


async def test_the_day_is_that_of_the_appointments_zone(caller: Callers, store: Store) -> None:
    # At ten in the evening of the second in New York it is the third in UTC.
    slot = replace(a_slot(), start=datetime.fromisoformat("2026-12-03T03:00:00+00:00"))
    await claim(store, an_appointment(4, slot=slot, attendee=Attendee("Rae Fox", "America/New_York", NOBODY)))

    assert await caller(NOBODY).prove("Rae Fox", date(2026, 12, 2)) == NOBODY


async def test_names_cannot_be_guessed(caller: Callers) -> None:
    identity = caller()
    for _ in range(MOST_PROOFS):
        with pytest.raises(NotVerified) as refusal:
            await identity.prove("Somebody Else", DAY)

    assert refusal.value.ways == (Proof.NEW_CODE,)
    with pytest.raises(NotVerified):
        await identity.prove("Maya Chen", DAY)
    assert identity.known is None


async def test_days_cannot_be_guessed_in_call_after_call(caller: Callers) -> None:
    for _ in range(2):
        identity = caller()
        for day in range(10, 10 + MOST_PROOFS):
            with pytest.raises(NotVerified):
                await identity.prove("Maya Chen", date(2026, 12, day))

    with pytest.raises(NotVerified):
        await caller().prove("Maya Chen", DAY)


# Codes


async def test_a_code_proves_the_number_it_was_texted_to(caller: Callers, sender: Sender) -> None:
    identity = caller(None)
    await identity.send_code(OTHER)

    assert sender.sent == [(OTHER, f"Clinic: {sender.code}")]
    assert identity.awaits_code
    assert identity.known is None
    assert await identity.check_code(" ".join(sender.code)) == OTHER
    assert identity.known == OTHER
    assert not identity.awaits_code
    assert await ids(identity) == ["ap_2"]


async def test_half_a_code_is_hidden_while_it_is_awaited_and_a_whole_one_after_it(
    caller: Callers, sender: Sender
) -> None:
    identity = caller(None)
    hidden = [identity.fewest_digits_hidden]
    await identity.send_code(OTHER)
    hidden.append(identity.fewest_digits_hidden)
    await identity.check_code(sender.code)
    hidden.append(identity.fewest_digits_hidden)

    assert hidden == [None, 3, 6]


async def test_a_code_works_once(caller: Callers, sender: Sender) -> None:
    identity = caller(None)
    await identity.send_code(OTHER)
    await identity.check_code(sender.code)

    with pytest.raises(NotVerified):
        await identity.check_code(sender.code)


async def test_a_code_is_worth_nothing_in_another_call(caller: Callers, sender: Sender) -> None:
    await caller(None).send_code(OTHER)
    stranger = caller(None)

    with pytest.raises(NotVerified):
        await stranger.check_code(sender.code)
    assert stranger.known is None


async def test_a_code_comes_too_late_after_ten_minutes(caller: Callers, sender: Sender, clock: Clock) -> None:
    identity = caller(None)
    await identity.send_code(OTHER)
    clock.now += CODE_LIFETIME

    assert not identity.awaits_code
    with pytest.raises(NotVerified):
        await identity.check_code(sender.code)


async def test_a_wrong_code_can_be_mended_four_times(caller: Callers, sender: Sender) -> None:
    identity = caller(None)
    await identity.send_code(OTHER)
    wrong = f"{(int(sender.code) + 1) % 1_000_000:06}"
    ways = []
    for _ in range(MOST_TRIES):
        with pytest.raises(NotVerified) as refusal:
            await identity.check_code(wrong)
        ways.append(refusal.value.ways)

    assert ways == [*[(Proof.CODE, Proof.NEW_CODE)] * (MOST_TRIES - 1), (Proof.NEW_CODE,)]
    with pytest.raises(NotVerified):
        await identity.check_code(sender.code)


async def test_what_is_no_code_costs_no_try(caller: Callers, sender: Sender) -> None:
    identity = caller(None)
    await identity.send_code(OTHER)
    for _ in range(MOST_TRIES + 1):
        with pytest.raises(WishNotUnderstood):
            await identity.check_code("I have not got it yet")

    assert await identity.check_code(sender.code) == OTHER


async def test_a_call_gets_three_codes(caller: Callers, sender: Sender) -> None:
    identity = caller(None)
    for number in (OTHER, CALLER, NOBODY):
        await identity.send_code(number)

    assert identity.ways == (Proof.CODE,)
    with pytest.raises(NotVerified):
        await identity.send_code(OTHER)
    assert len(sender.sent) == MOST_CODES - 1


async def test_a_number_gets_three_codes_an_hour(caller: Callers, sender: Sender) -> None:
    for _ in range(MOST_CODES):
        await caller(None).send_code(OTHER)

    with pytest.raises(NotVerified):
        await caller(None).send_code(OTHER)
    assert len(sender.sent) == MOST_CODES


async def test_the_code_lies_nowhere_in_the_record(caller: Callers, sender: Sender, store: Store) -> None:
    await caller(None).send_code(OTHER)

    kept: list[str] = []

    def look(issued: IssuedCode) -> bool:
        kept.append(issued.digest)
        return False

    await store.try_code(CallSid(f"CA{caller.calls}"), look)
    # Nor anything that can be tried out without the secret.
    assert [len(bytes.fromhex(digest)) for digest in kept] == [32]
    assert sender.code not in str(kept)
    assert await store.messages() == []


async def test_codes_are_kept_apart_by_the_secret(caller: Callers, sender: Sender) -> None:
    identity = caller(None, call_sid=CallSid("CA200"))
    await identity.send_code(OTHER)
    stranger = caller(None, call_sid=CallSid("CA200"), secret=b"another secret")

    with pytest.raises(NotVerified):
        await stranger.check_code(sender.code)


@pytest.mark.parametrize("number", ["+442071838750", "+18005550123", "+1415", "911"])
async def test_a_number_that_is_not_texted_gets_no_code(caller: Callers, sender: Sender, number: str) -> None:
    identity = caller(None)

    with pytest.raises(WishNotUnderstood, match="US and CA"):
        await identity.send_code(PhoneNumber(number))

    assert sender.sent == []
    assert not identity.awaits_code


# What nobody learns


async def outcome_of_asking(identity: Identity, number: PhoneNumber) -> object:
    """Return all that a caller can notice."""
    try:
        await identity.send_code(number)
        noticed = "sent"
    except SlotlineError as error:
        noticed = f"{type(error).__name__}: {error}"
    after = [identity.awaits_code, identity.ways, identity.known]
    for _ in range(2):
        with pytest.raises(NotVerified) as refusal:
            await identity.check_code("000000" if identity.known is None else "")
        after.append(refusal.value.ways)
    return noticed, after


@pytest.mark.parametrize(
    "fault",
    [
        None,
        MessageRefused("landline", code=21614),
        MessageRefused("stop", code=21610, is_opt_out=True),
        MessageUnclear("no answer"),
        MessageDeferred("busy"),
    ],
    ids=["none", "refused", "opted out", "unclear", "deferred"],
)
async def test_asking_for_a_code_tells_nothing_of_what_is_on_record(
    caller: Callers, sender: Sender, store: Store, fault: SlotlineError | None
) -> None:
    await store.opt_out(CALLER)
    sender.fault = fault
    there, unwanted, not_there = [await outcome_of_asking(caller(None), number) for number in (OTHER, CALLER, NOBODY)]

    assert there == not_there == unwanted


async def test_only_a_number_with_an_appointment_gets_a_text(caller: Callers, sender: Sender, store: Store) -> None:
    await store.opt_out(CALLER)
    for number in (CALLER, NOBODY, OTHER):
        await caller(None).send_code(number)

    assert [to for to, _ in sender.sent] == [OTHER]
    assert sender.looked_up == [CALLER, NOBODY]


@pytest.mark.parametrize("number", [OTHER, NOBODY])
@pytest.mark.parametrize("fault", [None, MessageDeferred("busy")], ids=["sent", "failed"])
async def test_asking_takes_its_time_either_way(
    caller: Callers, sender: Sender, number: PhoneNumber, fault: SlotlineError | None
) -> None:
    sender.fault = fault
    identity = caller(None, takes=timedelta(milliseconds=300))

    began = time.monotonic()
    with pytest.raises(MessageDeferred) if fault else contextlib.nullcontext():
        await identity.send_code(number)

    assert time.monotonic() - began >= 0.3


async def test_a_sender_that_is_down_is_told(caller: Callers, sender: Sender) -> None:
    sender.fault = MessageUnclear("no answer")
    identity = caller(None)

    with pytest.raises(MessageDeferred):
        await identity.send_code(OTHER)

    assert identity.awaits_code, "it may have been sent all the same"


async def test_a_receiver_who_said_stop_is_remembered(caller: Callers, sender: Sender, store: Store) -> None:
    sender.fault = MessageRefused("stop", code=21610, is_opt_out=True)

    await caller(None).send_code(OTHER)

    assert await store.has_opted_out(OTHER)


async def test_no_code_no_name_and_no_number_is_logged(caller: Callers, sender: Sender) -> None:
    with structlog.testing.capture_logs() as logs:
        identity = caller()
        with pytest.raises(NotVerified):
            await identity.prove("Somebody Else", DAY)
        await identity.send_code(OTHER)
        await identity.check_code(sender.code)

    assert [each["event"] for each in logs] == ["caller_not_verified", "caller_verified"]
    assert not any(word in str(logs) for word in (sender.code, OTHER, CALLER, "Somebody"))


async def test_a_code_for_another_number_takes_the_place_of_the_callers_own(caller: Callers, sender: Sender) -> None:
    identity = caller(is_attested=True)
    own: list[Appointment] = list(await identity.appointments())
    await identity.send_code(OTHER)
    await identity.check_code(sender.code)

    assert await ids(identity) == ["ap_2"]
    assert not any(identity.may_change(each) for each in own)
