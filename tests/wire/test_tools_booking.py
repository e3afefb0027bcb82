"""The booking tools on the real service and record, with a calendar in memory."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from appointments.errors import CalendarRejected
from appointments.model import AppointmentStatus, BookingRules, CallSid, EventTypeId, PhoneNumber, Slot
from appointments.service import BookingService
from appointments.settling import SettleTimes
from appointments.store.store import Store
from tests.factories import ACTION as BARE_ACTION
from tests.factories import EVENT_TYPE, NOW, QUICK, ShakyCalendar, a_slot, down
from tests.sessions import CLINIC, a_session, agent, caller
from tests.stores import opened_store
from tools.booking import book_appointment, find_slots, tool_name
from tools.registry import answer
from tools.toolbox import all_tools

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from appointments.model import Action, EventType
    from tools.replies import Reply
    from tools.session import BookingSession, Utterance

ACTION = replace(BARE_ACTION, sms_template="Booked for {date} at {time}.")
TWO, THREE, FRIDAY = a_slot(53), a_slot(54), a_slot(77)
EMAIL_TYPE = replace(EVENT_TYPE, requires_email=True)
OPEN = replace(CLINIC, actions=(ACTION,))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with opened_store(f"sqlite+aiosqlite:///{tmp_path / 'slotline.db'}") as opened:
        yield opened


class Call:
    """A call of one caller: finds, reads back, books."""

    def __init__(
        self,
        store: Store,
        calendar: ShakyCalendar,
        *,
        action: Action = ACTION,
        event_type: EventType = EVENT_TYPE,
        settle: SettleTimes = QUICK,
        **session: Any,
    ) -> None:
        self.store, self.calendar, self.action = store, calendar, action
        self.service = BookingService(calendar=calendar, store=store, clock=lambda: NOW, settle=settle)
        business = replace(OPEN, actions=(action,))
        self.session: BookingSession = a_session(self.service, **{"business": business, **session})
        self.find_tool = find_slots(self.session)
        self.book_tool = book_appointment(self.session, action, event_type)
        self.heard: list[Utterance] = []

    async def find(self, **wish: str) -> Reply:
        return await answer(self.find_tool, wish, self.heard)

    async def key(self, slot: Slot = TWO) -> str:
        """Return the key under which `slot` is offered now."""
        found = await self.find()
        start = slot.start.astimezone(self.action.zone)
        wanted = (start.date().isoformat(), start.strftime("%H:%M"))
        return next(each["key"] for each in found.slots if (each["date"], each["time"]) == wanted)

    def agree(self, key: str, *, name: str = "Maya Chen", number: str = "") -> None:
        offered = self.session.ledger(self.action).slot(key)
        reached = f", with the phone number {number}" if number else ""
        self.heard += [agent(f"That's on {offered.say}, for {name}{reached}. Is that right?"), caller("Yes.")]

    async def book(self, key: str, *, name: str = "Maya Chen", **arguments: str) -> Reply:
        return await answer(self.book_tool, {"slot": key, "name": name, **arguments}, self.heard)

    async def agree_and_book(self, slot: Slot = TWO, **arguments: str) -> Reply:
        key = await self.key(slot)
        self.agree(key, number=arguments.get("number", ""))
        return await self.book(key, **arguments)

    async def bodies(self) -> list[str]:
        return [text.body for text in await self.store.messages()]


async def test_books_the_slot_that_was_found_read_back_and_agreed_to(store: Store) -> None:
    call = Call(store, ShakyCalendar())

    reply = await call.agree_and_book()

    (appointment,) = await store.appointments()
    assert reply.status == "booked"
    assert "Thursday, December third, at two in the afternoon" in reply.say
    assert (appointment.slot, appointment.status) == (TWO, AppointmentStatus.ACTIVE)
    assert (appointment.attendee.name, appointment.attendee.phone) == ("Maya Chen", call.session.caller)
    assert [booking.slot for booking in call.calendar.bookings] == [TWO]


async def test_a_slot_is_told_in_words_and_in_the_zone_of_its_action(store: Store) -> None:
    call = Call(store, ShakyCalendar())

    found = await call.find()

    assert [dict(slot) for slot in found.slots] == [
        {
            "key": "a1",
            "say": "Thursday, December third, at two in the afternoon",
            "date": "2026-12-03",
            "time": "14:00",
        }
    ]
    assert found.status == "available"
    assert "December third, at two in the afternoon" in found.say


async def test_nothing_is_booked_that_was_not_read_back(store: Store) -> None:
    call = Call(store, ShakyCalendar())

    reply = await call.book(await call.key())

    assert reply.status == "not_confirmed"
    assert reply.say == (
        "That's a 30-Minute Consultation on Thursday, December third, at two in the afternoon, for Maya Chen. "
        "Is that right?"
    )
    assert (call.calendar.bookings, await store.appointments()) == ([], [])


async def test_the_words_of_a_refusal_are_a_read_back_that_is_accepted(store: Store) -> None:
    call = Call(store, ShakyCalendar())
    key = await call.key()
    refused = await call.book(key)
    call.heard += [agent(refused.say), caller("Yes.")]

    reply = await call.book(key)

    assert reply.status == "booked"


async def test_the_words_of_a_refusal_are_accepted_in_a_zone_that_has_to_be_named(store: Store) -> None:
    pacific = replace(ACTION, zone=type(ACTION.zone)("America/Los_Angeles"))
    call = Call(store, ShakyCalendar(), action=pacific)
    key = await call.key()
    refused = await call.book(key)
    call.heard += [agent(refused.say), caller("Yes.")]

    reply = await call.book(key)

    assert "eleven in the morning, Pacific time" in refused.say
    assert reply.status == "booked"


async def test_a_slot_that_was_never_offered_is_refused(store: Store) -> None:
    call = Call(store, ShakyCalendar())

    reply = await call.book("a1")

    assert reply.status == "not_offered"
    assert call.calendar.bookings == []


async def test_asking_twice_books_once_and_answers_the_same(store: Store) -> None:
    call = Call(store, ShakyCalendar())
    first = await call.agree_and_book()

    again = await call.book("a1")

    assert again == first
    assert call.calendar.creates == 1
    assert len(await call.bodies()) == 1


async def test_asking_again_after_other_talk_still_returns_the_booking(store: Store) -> None:
    call = Call(store, ShakyCalendar())
    first = await call.agree_and_book()
    call.heard += [agent("Is there anything else?"), caller("No.")]

    assert await call.book("a1") == first


async def test_two_calls_at_once_of_the_model_book_once(store: Store) -> None:
    call = Call(store, ShakyCalendar(on_book=["wait"]))
    key = await call.key()
    call.agree(key)
    asking = [asyncio.create_task(call.book(key)) for _ in range(2)]
    async with asyncio.timeout(5):
        await call.calendar.asked.wait()
    call.calendar.let_go.set()

    replies = await asyncio.gather(*asking)

    assert [reply.status for reply in replies] == ["booked", "booked"]
    assert call.calendar.creates == 1


async def test_a_taken_slot_gives_alternatives_and_loses_its_key(store: Store) -> None:
    call = Call(store, ShakyCalendar([TWO, THREE, FRIDAY], on_book=["steal"]))
    key = await call.key()
    call.agree(key)

    reply = await call.book(key)

    assert reply.status == "taken"
    assert "taken" in reply.say
    assert "three in the afternoon" in reply.say
    assert {slot["time"] for slot in reply.slots} >= {"15:00"}
    assert key not in {slot["key"] for slot in reply.slots}
    assert (await call.book(key)).status == "not_offered"


async def test_an_alternative_is_booked_only_after_its_own_read_back(store: Store) -> None:
    call = Call(store, ShakyCalendar([TWO, THREE], on_book=["steal"]))
    taken = await call.agree_and_book()
    (alternative,) = taken.slots

    too_soon = await call.book(alternative["key"])
    call.agree(alternative["key"])
    booked = await call.book(alternative["key"])

    assert (too_soon.status, booked.status) == ("not_confirmed", "booked")
    assert (await store.appointments())[-1].slot == THREE


async def test_the_read_back_of_an_alternative_may_say_that_the_other_is_gone(store: Store) -> None:
    call = Call(store, ShakyCalendar([TWO, THREE], on_book=["steal"]))
    taken = await call.agree_and_book()
    (alternative,) = taken.slots
    call.heard += [
        agent(
            "Two in the afternoon on Thursday, December third, is gone. That's on Thursday, December third, at three "
            "in the afternoon instead, for Maya Chen. Is that right?"
        ),
        caller("Yes."),
    ]

    assert (await call.book(alternative["key"])).status == "booked"


async def test_a_taken_slot_without_alternatives_is_told_and_the_search_goes_on(store: Store) -> None:
    call = Call(store, ShakyCalendar(on_book=["steal"]))

    reply = await call.agree_and_book()

    assert (reply.status, reply.slots) == ("taken", ())
    assert "look for another" in reply.say
    assert "find_slots" in reply.hint


async def test_after_a_failed_booking_another_name_needs_its_own_read_back(store: Store) -> None:
    call = Call(store, ShakyCalendar(on_book=[down()]))
    failed = await call.agree_and_book()

    reply = await call.book("a1", name="Mia Chang")

    assert failed.status == "unavailable"
    assert reply.status == "not_confirmed"
    assert call.calendar.bookings == []


async def test_a_booking_is_not_repeated_under_another_name(store: Store) -> None:
    call = Call(store, ShakyCalendar())
    await call.agree_and_book()

    reply = await call.book("a1", name="Mia Chang")

    (appointment,) = await store.appointments()
    assert appointment.attendee.name == "Maya Chen"
    # "You're booked" would be taken for a booking of the other one.
    assert reply.status != "booked"


async def test_a_failed_booking_that_the_caller_gave_up_needs_a_new_yes(store: Store) -> None:
    call = Call(store, ShakyCalendar(on_book=[down()]))
    await call.agree_and_book()
    call.heard += [agent("I can't reach our calendar. Shall I try again?"), caller("No, leave it.")]

    reply = await call.book("a1")

    assert reply.status == "not_confirmed"
    assert call.calendar.bookings == []


async def test_a_calendar_that_is_down_is_told_without_naming_times(store: Store) -> None:
    call = Call(store, ShakyCalendar(on_book=[down()]))

    reply = await call.agree_and_book()

    assert reply.status == "unavailable"
    assert "can't reach our calendar" in reply.say
    assert [a.status for a in await store.appointments()] == [AppointmentStatus.FAILED]
    assert await call.bodies() == []


async def test_trying_again_after_an_outage_books(store: Store) -> None:
    call = Call(store, ShakyCalendar(on_book=[down()]))
    await call.agree_and_book()

    assert (await call.book("a1")).status == "booked"


async def test_a_refusal_of_the_calendar_is_told_as_one_a_person_must_look_at(store: Store) -> None:
    call = Call(store, ShakyCalendar(on_book=[CalendarRejected("no such event type")]))

    reply = await call.agree_and_book()

    assert reply.status == "rejected"
    assert "no such event type" not in reply.say
    assert await call.bodies() == []


async def test_a_lost_answer_is_looked_up_and_told_as_booked(store: Store) -> None:
    call = Call(store, ShakyCalendar(on_book=["drop_after"]))

    reply = await call.agree_and_book()

    assert reply.status == "booked"
    assert len(call.calendar.bookings) == 1


async def test_what_takes_too_long_is_pending_and_a_text_is_promised(store: Store) -> None:
    impatient = replace(QUICK, answer_within=timedelta(milliseconds=1))
    call = Call(store, ShakyCalendar(on_book=["wait"]), settle=impatient)

    reply = await call.agree_and_book()

    assert reply.status == "pending"
    assert "still confirming" in reply.say
    assert "You'll get a text" in reply.say
    assert "do not book it again" in reply.hint
    call.calendar.let_go.set()
    await call.service.drain()
    assert len(await call.bodies()) == 1


async def test_what_nobody_can_find_out_is_unconfirmed_and_texted(store: Store) -> None:
    call = Call(store, ShakyCalendar(on_book=["drop_before"], on_find=[down()] * 9))

    reply = await call.agree_and_book()

    assert reply.status == "unconfirmed"
    assert "booked" not in reply.say.lower().replace("you're booked", "booked")
    assert ["still confirming" in body for body in await call.bodies()] == [True]


TEXTLESS = {
    "an anonymous caller": {"caller": None, "can_text": False},
    "a number that takes no texts": {"can_text": False},
    "a foreign number": {"caller": PhoneNumber("+442071838750"), "can_text": False},
}


REACHED_BY: defaultdict[object, dict[str, str]] = defaultdict(dict, {None: {"number": "415 555 0199"}})
"""Who withholds their number is asked for one."""


@pytest.mark.parametrize("session", TEXTLESS.values(), ids=TEXTLESS.keys())
async def test_no_text_is_promised_or_sent_where_none_would_arrive(store: Store, session: dict[str, Any]) -> None:
    call = Call(store, ShakyCalendar(), **session)

    reply = await call.agree_and_book(TWO, **REACHED_BY[session.get("caller", "a number")])

    assert reply.status == "booked"
    assert "text" not in reply.say
    assert await call.bodies() == []


@pytest.mark.parametrize("session", TEXTLESS.values(), ids=TEXTLESS.keys())
async def test_who_cannot_be_texted_is_not_promised_a_text_about_an_open_booking(
    store: Store, session: dict[str, Any]
) -> None:
    call = Call(store, ShakyCalendar(on_book=["drop_before"], on_find=[down()] * 9), **session)

    reply = await call.agree_and_book(TWO, **REACHED_BY[session.get("caller", "a number")])

    assert reply.status == "unconfirmed"
    assert "text" not in reply.say
    assert "call us" in reply.say


async def test_who_has_said_stop_is_told_that_no_text_comes(store: Store) -> None:
    call = Call(store, ShakyCalendar(), can_text=False, texts_are_blocked=True)

    reply = await call.agree_and_book()

    assert reply.say.endswith("Texts to your number are blocked, so please make a note of it.")


async def test_where_nobody_is_texted_nothing_is_said_of_blocked_texts(store: Store) -> None:
    action = replace(ACTION, sms_confirmation=False)
    call = Call(store, ShakyCalendar(), action=action, can_text=False, texts_are_blocked=True)

    reply = await call.agree_and_book()

    assert "text" not in reply.say.lower()


async def test_a_text_that_is_promised_is_in_the_outbox(store: Store) -> None:
    call = Call(store, ShakyCalendar())

    reply = await call.agree_and_book()

    assert "texting the details" in reply.say
    assert len(await call.bodies()) == 1


async def test_an_action_without_confirmations_promises_and_sends_none(store: Store) -> None:
    call = Call(store, ShakyCalendar(), action=replace(ACTION, sms_confirmation=False))

    reply = await call.agree_and_book()

    assert reply.status == "booked"
    assert "text" not in reply.say
    assert await call.bodies() == []


async def test_without_confirmations_an_open_booking_is_still_followed_up_truthfully(store: Store) -> None:
    action = replace(ACTION, sms_confirmation=False)
    call = Call(store, ShakyCalendar(on_book=["drop_before"], on_find=[down()] * 9), action=action)

    reply = await call.agree_and_book()

    assert ("text" in reply.say) == bool(await call.bodies())


def test_an_email_is_asked_for_only_where_the_calendar_needs_one_and_none_can_be_made() -> None:
    fallback = replace(ACTION, fallback_email="caller+{digits}@example.com")
    cases = {
        "needed": (ACTION, EMAIL_TYPE, {}),
        "not needed": (ACTION, EVENT_TYPE, {}),
        "made up": (fallback, EMAIL_TYPE, {}),
        "made up of no number": (fallback, EMAIL_TYPE, {"caller": None}),
    }

    asked = {name for name, case in cases.items() if "note_email" in _tools(*case)}

    assert asked == {"needed", "made up of no number"}


def _tools(action: Action, event_type: EventType, session: dict[str, Any]) -> set[str]:
    offered = a_session(**{"business": replace(OPEN, actions=(action,)), **session})
    return {tool.name for tool in all_tools(offered, {action.name: event_type})}


async def test_the_address_made_up_for_a_caller_is_theirs_alone(store: Store) -> None:
    action = replace(ACTION, fallback_email="caller+{digits}@example.com")
    call = Call(store, ShakyCalendar(), action=action, event_type=EMAIL_TYPE)

    await call.agree_and_book()

    assert (await store.appointments())[0].attendee.email == "caller+14155550123@example.com"


async def test_notes_reach_the_record(store: Store) -> None:
    call = Call(store, ShakyCalendar())

    await call.agree_and_book(notes="a sore knee")

    assert (await store.appointments())[0].notes == "a sore knee"


@pytest.mark.parametrize("arguments", [{"name": " "}, {"slot": ""}, {"name": "M" * 121}, {"notes": "n" * 501}])
async def test_arguments_out_of_bounds_book_nothing(store: Store, arguments: dict[str, str]) -> None:
    call = Call(store, ShakyCalendar())
    key = await call.key()
    call.agree(key)

    reply = await answer(call.book_tool, {"slot": key, "name": "Maya Chen", **arguments}, call.heard)

    assert reply.status == "invalid"
    assert call.calendar.bookings == []


async def test_a_name_is_booked_without_the_spaces_around_it(store: Store) -> None:
    call = Call(store, ShakyCalendar())
    key = await call.key()
    call.agree(key)

    await call.book(key, name="  Maya Chen ")

    assert (await store.appointments())[0].attendee.name == "Maya Chen"


@pytest.mark.parametrize("wish", [{"date": "someday"}, {"date": "2026-13-01"}, {"time": "when the sun is out"}])
async def test_a_wish_that_makes_no_sense_is_asked_about(store: Store, wish: dict[str, str]) -> None:
    reply = await Call(store, ShakyCalendar()).find(**wish)

    assert reply.status == "invalid"
    assert reply.hint


async def test_what_another_caller_booked_meanwhile_is_not_offered(store: Store) -> None:
    calendar = ShakyCalendar([TWO, THREE])
    await Call(store, calendar, call_sid=CallSid("CA2")).agree_and_book()

    found = await Call(store, calendar).find()

    assert [slot["time"] for slot in found.slots] == ["15:00"]


async def test_a_full_calendar_offers_nothing_and_forbids_naming_times(store: Store) -> None:
    reply = await Call(store, ShakyCalendar([])).find()

    assert (reply.status, list(reply.slots)) == ("nothing_free", [])
    assert "Name no times" in reply.hint


class Dead(ShakyCalendar):
    """A calendar that answers no search."""

    async def free_slots(self, *_: Any, **__: Any) -> Any:
        raise down()


async def test_why_there_is_nothing_is_told_in_different_words(store: Store) -> None:
    free = [a_slot(24), a_slot(48)]
    asked = {
        "available": (free, {"date": "2026-12-02"}),
        "nothing_free": ([], {}),
        "day_full": (free, {"date": "2026-12-04"}),
        "closed": (free, {"date": "2026-12-05"}),
        "too_far": (free, {"date": "2027-02-01"}),
        "too_soon": (free, {"date": "2026-12-01", "time": "ten in the morning"}),
        "past": (free, {"date": "2026-11-30"}),
        "taken": (free, {"date": "2026-12-02", "time": "ten in the morning"}),
    }

    replies = {status: await Call(store, ShakyCalendar(slots)).find(**wish) for status, (slots, wish) in asked.items()}
    replies["unavailable"] = await Call(store, Dead()).find()

    assert {status: reply.status.value for status, reply in replies.items()} == {status: status for status in replies}
    assert len({reply.say.partition(", but ")[0] for reply in replies.values()}) == len(replies)


async def test_an_offer_that_is_too_old_leads_to_a_new_search(store: Store) -> None:
    clock = [NOW]
    call = Call(store, ShakyCalendar(), clock=lambda: clock[0])
    key = await call.key()
    call.agree(key)
    clock[0] += timedelta(minutes=16)

    refused = await call.book(key)
    found = await call.find()
    booked = await call.book(key)

    assert (refused.status, booked.status) == ("not_offered", "booked")
    assert "find_slots" in refused.hint
    assert found.slots[0]["key"] == key


async def test_the_notice_counts_from_the_offer(store: Store) -> None:
    clock = [NOW]
    soon = a_slot(2)
    call = Call(store, ShakyCalendar([soon]), clock=lambda: clock[0])
    key = await call.key(soon)
    call.agree(key)
    clock[0] += timedelta(minutes=10)

    assert (await call.book(key)).status == "booked"


async def test_a_caller_gets_no_more_appointments_than_one_may_have(store: Store) -> None:
    calendar = ShakyCalendar([TWO, FRIDAY])
    business = replace(OPEN, rules=BookingRules(most_per_caller=1))
    await Call(store, calendar, business=business).agree_and_book()

    reply = await Call(store, calendar, business=business, call_sid=CallSid("CA2")).agree_and_book(FRIDAY)

    assert reply.status == "not_allowed"
    assert "as many appointments" in reply.say
    assert [booking.slot for booking in calendar.bookings] == [TWO]


async def test_a_day_that_has_filled_up_meanwhile_leads_to_a_new_search(store: Store) -> None:
    eleven = a_slot(50)
    calendar = ShakyCalendar([eleven, TWO, FRIDAY])
    business = replace(OPEN, rules=BookingRules(most_a_day=1))
    slow, quick = (
        Call(store, calendar, business=business),
        Call(store, calendar, business=business, call_sid=CallSid("CA2")),
    )
    key = await slow.key(eleven)
    slow.agree(key)
    await quick.agree_and_book(TWO)

    reply = await slow.book(key)
    found = await slow.find()

    assert reply.status == "not_allowed"
    assert "that day has just filled up" in reply.say
    assert {slot["date"] for slot in found.slots} == {"2026-12-04"}


async def test_the_search_is_told_when_the_calendar_does_not_answer(store: Store) -> None:
    reply = await Call(store, Dead()).find()

    assert (reply.status, reply.slots) == ("unavailable", ())


def test_several_actions_have_to_be_chosen_from() -> None:
    other = replace(ACTION, name="Book Follow-Up", event_type_id=EventTypeId("102"), title="Follow-Up")
    session = a_session(business=replace(OPEN, actions=(ACTION, other)))

    schema = find_slots(session).schema()

    assert schema.properties["appointment"]["enum"] == ["Book 30-Minute Consultation", "Book Follow-Up"]
    assert "appointment" in schema.required
    assert "appointment" not in find_slots(a_session()).schema().properties


@pytest.mark.parametrize(
    ("name", "tool"),
    [
        ("Book 30-Minute Consultation", "book_30_minute_consultation"),
        ("Book Müller's Café", "book_m_ller_s_caf"),
        ("Book " + "x" * 90, "book_" + "x" * 59),
    ],
)
def test_a_booking_tool_is_named_after_its_action(name: str, tool: str) -> None:
    assert tool_name(replace(ACTION, name=name)) == tool


def test_bookings_are_never_cancelled_by_speech_and_searches_are() -> None:
    session = a_session()

    assert not book_appointment(session, ACTION, EVENT_TYPE).is_cancellable
    assert find_slots(session).is_cancellable


def test_the_model_is_told_which_action_a_tool_carries_out() -> None:
    assert book_appointment(a_session(), ACTION, EVENT_TYPE).schema().description.startswith(ACTION.name)


async def test_a_caller_who_hangs_up_while_it_is_booked_has_the_booking(store: Store) -> None:
    call = Call(store, ShakyCalendar(on_book=["wait"]))
    key = await call.key()
    call.agree(key)
    booking = asyncio.create_task(call.book(key))
    async with asyncio.timeout(5):
        await call.calendar.asked.wait()

    booking.cancel()
    await asyncio.wait({booking})
    call.calendar.let_go.set()
    await call.service.drain()

    assert booking.cancelled()
    assert [a.status for a in await store.appointments()] == [AppointmentStatus.ACTIVE]
    assert len(await call.bodies()) == 1


async def test_one_callers_slot_is_taken_for_another(store: Store) -> None:
    calendar = ShakyCalendar([TWO, THREE])
    first, second = Call(store, calendar), Call(store, calendar, call_sid=CallSid("CA2"))
    keys = await first.key(), await second.key()
    for call, key in zip((first, second), keys, strict=True):
        call.agree(key)

    replies = await asyncio.gather(first.book(keys[0]), second.book(keys[1]))

    assert sorted(reply.status for reply in replies) == ["booked", "taken"]
    assert len(calendar.bookings) == 1
