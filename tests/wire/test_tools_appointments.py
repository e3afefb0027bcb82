"""The tools for appointments that exist: told, confirmed, moved and cancelled only for who they belong to."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from appointments.identity import CodeTexts, Identity
from appointments.model import AppointmentStatus, CallSid, PhoneNumber, Scope, Slot
from appointments.service import BookingService
from appointments.store.store import Store
from tests.factories import ACTION, CALLER, NOW, QUICK, ShakyCalendar, a_request, a_slot
from tests.sessions import CLINIC, a_session, agent, caller
from tests.stores import opened_store
from tools.registry import answer
from tools.replies import Reply, Status
from tools.toolbox import all_tools, tool_names

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from appointments.model import Appointment
    from tools.session import BookingSession, Utterance

OLD, NEW = a_slot(), a_slot(55)
RIGHT_AFTER = Slot(OLD.end, OLD.duration)
SPOKEN_OLD = "Thursday, December third, at two in the afternoon"
SPOKEN_NEW = "Thursday, December third, at four in the afternoon"
STRANGER = PhoneNumber("+14155550199")
HERE = CallSid("CA9")


@dataclass
class Sender:
    """Keeps what it is told to send."""

    sent: dict[str, str] = field(default_factory=dict)

    async def send(self, *, to: str, body: str, outbox_id: str) -> str:
        self.sent[to] = body
        return "SM1"

    async def find(self, *, to: str, body: str, since: datetime, other_than: Collection[str] = ()) -> str | None:
        return None


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    async with opened_store(database_url) as opened:
        yield opened


@dataclass
class Call:
    """A call of whoever, with everything its tools need."""

    session: BookingSession
    sender: Sender
    heard: list[Utterance] = field(default_factory=list)

    async def use(self, tool: str, /, **arguments: Any) -> Reply:
        event_type = await self.session.service.event_type(ACTION)
        tools = {each.name: each for each in all_tools(self.session, {ACTION.name: event_type})}
        return await answer(tools[tool], arguments, self.heard)

    def say(self, agents: str, callers: str) -> None:
        self.heard += [agent(agents), caller(callers)]


def a_call(
    store: Store,
    calendar: ShakyCalendar,
    *,
    number: PhoneNumber | None = CALLER,
    is_attested: bool = False,
    **changes: Any,
) -> Call:
    sender = Sender()
    texts = CodeTexts(
        sender=sender,
        secret=b"secret",
        template="{business}: your code is {code}.",
        business="Clinic",
        countries=("US",),
        takes=timedelta(0),
    )
    service = BookingService(calendar=calendar, store=store, clock=lambda: NOW, settle=QUICK)
    identity = Identity(
        call_sid=HERE, caller=number, is_attested=is_attested, store=store, clock=lambda: NOW, texts=texts
    )
    return Call(a_session(service, call_sid=HERE, caller=number, identity=identity, **changes), sender)


@pytest.fixture
def calendar() -> ShakyCalendar:
    return ShakyCalendar([OLD, RIGHT_AFTER, NEW])


@pytest.fixture
async def booked(store: Store, calendar: ShakyCalendar) -> Appointment:
    service = BookingService(calendar=calendar, store=store, clock=lambda: NOW, settle=QUICK)
    return await service.book(a_request())


async def test_a_number_the_carrier_vouches_for_hears_its_appointments(
    store: Store, calendar: ShakyCalendar, booked: Appointment
) -> None:
    reply = await a_call(store, calendar, is_attested=True).use("find_appointments")

    assert reply.status is Status.FOUND
    assert reply.say == f"You have a 30-Minute Consultation on {SPOKEN_OLD}."
    assert [each["key"] for each in reply.appointments] == ["m1"]


async def test_another_number_has_to_name_the_name_and_the_day(
    store: Store, calendar: ShakyCalendar, booked: Appointment
) -> None:
    call = a_call(store, calendar)

    assert (await call.use("find_appointments")).status is Status.NOT_VERIFIED
    assert (await call.use("find_appointments", name="Robin Example", date="2026-12-03")).status is Status.NOT_VERIFIED
    assert (await call.use("find_appointments", name="Maya Chen", date="2026-12-03")).status is Status.FOUND


async def test_a_stranger_hears_the_same_whether_or_not_there_is_an_appointment(
    store: Store, calendar: ShakyCalendar, booked: Appointment
) -> None:
    with_one = a_call(store, calendar, number=STRANGER)
    told = await with_one.use("text_code", number=CALLER)
    without = await a_call(store, calendar, number=STRANGER).use("text_code", number="+14155550177")

    assert told == without
    assert told.status is Status.CODE_SENT
    assert list(with_one.sender.sent) == [CALLER]


async def test_the_code_opens_the_appointments_of_its_number(
    store: Store, calendar: ShakyCalendar, booked: Appointment
) -> None:
    call = a_call(store, calendar, number=STRANGER)
    await call.use("text_code", number=CALLER)
    (code,) = re.findall(r"\d{6}", call.sender.sent[CALLER])

    assert (await call.use("check_code", code="000000" if code != "000000" else "1")).status is not Status.FOUND
    assert (await call.use("check_code", code=code)).status is Status.FOUND


@pytest.mark.parametrize("tool", ["confirm_appointment", "cancel_appointment", "move_appointment"])
async def test_a_key_that_was_not_told_in_this_call_opens_nothing(
    store: Store, calendar: ShakyCalendar, booked: Appointment, tool: str
) -> None:
    call = a_call(store, calendar, number=STRANGER)
    call.say(f"I'll cancel your 30-Minute Consultation on {SPOKEN_OLD}. Is that right?", "Yes.")
    slot = {"slot": "a1"} if tool == "move_appointment" else {}

    assert (await call.use(tool, appointment="m1", **slot)).status is Status.NOT_VERIFIED
    kept = await store.appointment(booked.appointment_id)
    assert kept == booked


async def test_a_caller_who_will_come_is_recorded(store: Store, calendar: ShakyCalendar, booked: Appointment) -> None:
    call = a_call(store, calendar, is_attested=True)
    await call.use("find_appointments")

    reply = await call.use("confirm_appointment", appointment="M1 ")

    assert reply.status is Status.CONFIRMED
    kept = await store.appointment(booked.appointment_id)
    assert kept is not None
    assert kept.confirmed_at is not None


async def test_a_move_is_read_back_first_and_made_once(
    store: Store, calendar: ShakyCalendar, booked: Appointment
) -> None:
    call = a_call(store, calendar, is_attested=True)
    await call.use("find_appointments")
    (offered,) = (await call.use("find_slots", date="2026-12-03", time="16:00")).slots

    asked = await call.use("move_appointment", appointment="m1", slot=offered["key"])
    assert asked.status is Status.NOT_CONFIRMED
    assert asked.say == f"I'll move your 30-Minute Consultation to {SPOKEN_NEW}. Is that right?"
    assert calendar.changes == 0

    call.say(asked.say, "Yes, please change it.")
    moved = await call.use("move_appointment", appointment="m1", slot=offered["key"])
    again = await call.use("move_appointment", appointment="m1", slot=offered["key"])

    assert (moved.status, moved.say) == (Status.MOVED, f"Done: it's now on {SPOKEN_NEW}. I'm texting you the new time.")
    assert again.status is Status.INVALID
    assert calendar.changes == 1
    assert [booking.slot for booking in calendar.bookings] == [NEW]


async def test_who_has_said_stop_is_promised_no_text_about_a_change(
    store: Store, calendar: ShakyCalendar, booked: Appointment
) -> None:
    call = a_call(store, calendar, is_attested=True, can_text=False, texts_are_blocked=True)
    await call.use("find_appointments")
    found = await call.use("find_slots", date="2026-12-03", time="16:00")
    (offered,) = [each for each in found.slots if each["time"] == "16:00"]
    call.say(f"I'll move your 30-Minute Consultation to {offered['say']}. Is that right?", "Yes.")
    moved = await call.use("move_appointment", appointment="m1", slot=offered["key"])
    call.say(f"I'll cancel your 30-Minute Consultation on {offered['say']}. Is that right?", "Yes.")
    cancelled = await call.use("cancel_appointment", appointment="m1")

    assert moved.say.endswith("Texts to your number are blocked, so please make a note of it.")
    assert cancelled.say.endswith("is cancelled.")


async def test_an_appointment_can_be_moved_into_the_time_it_keeps(
    store: Store, calendar: ShakyCalendar, booked: Appointment
) -> None:
    call = a_call(store, calendar, is_attested=True)
    await call.use("find_appointments")

    beside = await call.use("find_slots", date="2026-12-03", time="14:30")
    (offered,) = (await call.use("find_slots", date="2026-12-03", time="14:30", moving="m1")).slots
    call.say("I'll move your 30-Minute Consultation to Thursday, December third, at two thirty.", "Yes.")
    moved = await call.use("move_appointment", appointment="m1", slot=offered["key"])

    assert [slot["time"] for slot in beside.slots] == ["16:00"]
    assert moved.status is Status.MOVED
    assert [booking.slot for booking in calendar.bookings] == [RIGHT_AFTER]


async def test_the_time_it_has_already_is_not_offered_for_a_move(
    store: Store, calendar: ShakyCalendar, booked: Appointment
) -> None:
    call = a_call(store, calendar, is_attested=True)
    await call.use("find_appointments")

    reply = await call.use("find_slots", date="2026-12-03", moving="m1")

    assert [slot["time"] for slot in reply.slots] == ["14:30", "16:00"]


async def test_nobody_sees_by_a_move_what_others_have(
    store: Store, calendar: ShakyCalendar, booked: Appointment
) -> None:
    stranger = a_call(store, calendar, number=STRANGER, is_attested=True)

    assert (await stranger.use("find_slots", moving="m1")).status is Status.NOT_VERIFIED


async def test_a_day_that_is_full_has_room_for_its_own_appointments(
    store: Store, calendar: ShakyCalendar, booked: Appointment
) -> None:
    full = replace(CLINIC, rules=replace(CLINIC.rules, most_a_day=1))
    call = a_call(store, calendar, is_attested=True, business=full)
    await call.use("find_appointments")

    assert (await call.use("find_slots", date="2026-12-03")).status is not Status.AVAILABLE
    assert (await call.use("find_slots", date="2026-12-03", moving="m1")).status is Status.AVAILABLE


async def test_what_was_cancelled_is_booked_again_only_after_another_yes(store: Store, calendar: ShakyCalendar) -> None:
    call = a_call(store, calendar, is_attested=True)
    offered = (await call.use("find_slots", date="2026-12-03", time="14:00")).slots[0]
    wish = {"slot": offered["key"], "name": "Maya Chen"}
    call.say(f"That's a 30-Minute Consultation on {SPOKEN_OLD}, for Maya Chen. Is that right?", "Yes.")
    await call.use("book_30_minute_consultation", **wish)
    await call.use("find_appointments")
    call.say(f"I'll cancel your 30-Minute Consultation on {SPOKEN_OLD}. Is that right?", "Yes, cancel it.")
    await call.use("cancel_appointment", appointment="m1")

    asked = await call.use("book_30_minute_consultation", **wish)
    call.say(asked.say, "Yes, please.")
    again = await call.use("book_30_minute_consultation", **wish)

    assert asked.status is Status.NOT_CONFIRMED
    assert (again.status, calendar.creates) == (Status.BOOKED, 2)
    assert [kept.status for kept in await store.appointments()] == [
        AppointmentStatus.CANCELLED,
        AppointmentStatus.ACTIVE,
    ]


@pytest.mark.parametrize("answered", ["No, leave it.", "Wait, not that one.", "Hm.", "Make it five instead."])
async def test_what_the_caller_did_not_agree_to_is_not_moved(
    store: Store, calendar: ShakyCalendar, booked: Appointment, answered: str
) -> None:
    call = a_call(store, calendar, is_attested=True)
    await call.use("find_appointments")
    (offered,) = (await call.use("find_slots", date="2026-12-03", time="16:00")).slots
    call.say(f"I'll move it from {SPOKEN_OLD} to {SPOKEN_NEW}. Is that right?", answered)

    assert (await call.use("move_appointment", appointment="m1", slot=offered["key"])).status is Status.NOT_CONFIRMED
    assert calendar.changes == 0


async def test_a_cancellation_is_read_back_first_and_twice_is_success(
    store: Store, calendar: ShakyCalendar, booked: Appointment
) -> None:
    call = a_call(store, calendar, is_attested=True)
    await call.use("find_appointments")

    asked = await call.use("cancel_appointment", appointment="m1")
    assert asked.say == f"I'll cancel your 30-Minute Consultation on {SPOKEN_OLD}. Is that right?"
    call.say(asked.say, "Yes, cancel it.")
    first = await call.use("cancel_appointment", appointment="m1", reason="I'm ill")
    again = await call.use("cancel_appointment", appointment="m1")

    assert (first.status, again.status) == (Status.CANCELLED, Status.CANCELLED)
    assert ("a text" in first.say, "a text" in again.say) == (True, False)
    assert calendar.changes == 1
    assert [text.body[-13:] for text in await store.messages(booked.appointment_id)][-1] == "is cancelled."


async def test_a_yes_to_a_booking_cancels_nothing(store: Store, calendar: ShakyCalendar, booked: Appointment) -> None:
    call = a_call(store, calendar, is_attested=True)
    await call.use("find_appointments")
    call.say(f"You have a 30-Minute Consultation on {SPOKEN_OLD}. Is that right?", "Yes.")

    assert (await call.use("cancel_appointment", appointment="m1")).status is Status.NOT_CONFIRMED
    assert calendar.changes == 0


async def test_what_waits_for_the_host_is_told_as_that(
    store: Store, calendar: ShakyCalendar, booked: Appointment
) -> None:
    async with store._write() as connection:
        await connection.exec_driver_sql("UPDATE appointments SET status = 'requested'")
    call = a_call(store, calendar, is_attested=True)

    told = await call.use("find_appointments")
    confirmed = await call.use("confirm_appointment", appointment="m1")

    assert "has still to be accepted" in told.say
    assert "has still to be accepted" in confirmed.say
    kept = await store.appointment(booked.appointment_id)
    assert kept is not None
    assert kept.status is AppointmentStatus.REQUESTED


async def test_what_is_over_cannot_be_moved(store: Store, calendar: ShakyCalendar, booked: Appointment) -> None:
    call = a_call(store, calendar, is_attested=True)
    await call.use("find_appointments")
    (offered,) = (await call.use("find_slots", date="2026-12-03", time="16:00")).slots
    call.say(f"I'll move it to {SPOKEN_NEW}. Is that right?", "Yes.")
    await store.complete_past(datetime(2027, 1, 1, tzinfo=UTC))

    assert (await call.use("move_appointment", appointment="m1", slot=offered["key"])).status is Status.NOT_CHANGEABLE


@pytest.mark.parametrize(
    ("scopes", "missing"),
    [
        (frozenset(Scope) - {Scope.CREATE}, "book_30_minute_consultation"),
        (frozenset(Scope) - {Scope.CANCEL}, "cancel_appointment"),
        (frozenset(Scope) - {Scope.RESCHEDULE}, "move_appointment"),
        (frozenset(Scope) - {Scope.READ}, "find_appointments"),
        (frozenset({Scope.CREATE, Scope.CANCEL}), "cancel_appointment"),
    ],
)
def test_without_leave_there_is_no_tool(scopes: frozenset[Scope], missing: str) -> None:
    business = replace(CLINIC, scopes=scopes)

    assert missing in tool_names(CLINIC)
    assert missing not in tool_names(business)


async def test_the_names_are_those_of_the_tools(store: Store, calendar: ShakyCalendar) -> None:
    call = a_call(store, calendar)
    event_type = replace(await call.session.service.event_type(ACTION), requires_email=True)

    assert tool_names(CLINIC) == tuple(tool.name for tool in all_tools(call.session, {ACTION.name: event_type}))


async def test_who_may_only_check_is_told_so(store: Store, calendar: ShakyCalendar) -> None:
    business = replace(CLINIC, scopes=frozenset({Scope.READ}))

    reply = await a_call(store, calendar, business=business).use("find_slots")

    assert "request_callback" in reply.hint


async def test_a_wish_to_be_called_back_is_kept_and_can_be_corrected(store: Store, calendar: ShakyCalendar) -> None:
    call = a_call(store, calendar)

    await call.use("request_callback", best_time="tomorrow morning", notes="A leaking tap")
    reply = await call.use("request_callback", best_time="in the evening")

    assert reply.status is Status.NOTED
    (kept,) = await store.requests(HERE)
    assert (kept.number, kept.best_time) == (CALLER, "in the evening")


async def test_a_withheld_number_has_to_be_asked_for(store: Store, calendar: ShakyCalendar) -> None:
    call = a_call(store, calendar, number=None)

    assert (await call.use("request_callback")).status is Status.INVALID
    assert (await call.use("join_waitlist", number="+14155550177")).status is Status.NOTED
    (kept,) = await store.requests()
    assert (kept.number, kept.title) == ("+14155550177", ACTION.title)
