"""How a call comes to an e-mail address and books with it, on the real record."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from appointments.model import Attendee, PhoneNumber
from appointments.store.store import Store
from tests.factories import CALLER, EVENT_TYPE, ZONE, ShakyCalendar, a_booking, an_appointment, claim
from tests.sessions import TEMPLATES, agent, caller
from tests.stores import opened_store
from tests.wire.test_tools_booking import ACTION, EMAIL_TYPE, Call
from tools.email import note_email
from tools.registry import answer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from appointments.identity import Identity
    from tools.replies import Reply


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with opened_store(f"sqlite+aiosqlite:///{tmp_path / 'slotline.db'}") as opened:
        yield opened


@dataclass(frozen=True)
class Shown:
    """An identity of which only the number counts that was shown to be the caller's."""

    known: PhoneNumber | None = None


class EmailCall(Call):
    """A call in which something is booked that needs an e-mail address."""

    def __init__(self, store: Store, *, known: PhoneNumber | None = None, **session: Any) -> None:
        identity = cast("Identity", Shown(known))
        given = {"event_type": EMAIL_TYPE, "identity": identity, **session}
        super().__init__(store, ShakyCalendar(), **given)
        self.note_tool = note_email(self.session, is_always_needed=given["event_type"].requires_email)

    async def say(self, said: str) -> Reply:
        """Have the caller say this of their address, and the agent what the tool answers."""
        self.heard.append(caller(said))
        return await self._note(said=said)

    async def _note(self, **arguments: object) -> Reply:
        reply = await answer(self.note_tool, arguments, self.heard)
        if reply.say:
            self.heard.append(agent(reply.say))
        return reply

    async def ask(self) -> Reply:
        return await self._note()

    async def refuse(self) -> Reply:
        return await self._note(refused=True)

    async def emails(self) -> list[str | None]:
        return [appointment.attendee.email for appointment in await self.store.appointments()]


async def test_the_address_that_was_spelled_read_back_and_agreed_to_is_booked_with(store: Store) -> None:
    call = EmailCall(store)
    asked, read_back = await call.ask(), await call.say("j dot o'brien plus test at gmail dot com")
    noted = await call.say("Yes.")

    reply = await call.agree_and_book()

    assert (asked.status, asked.say) == ("needs_email", "What is your e-mail address? You can spell it.")
    assert read_back.status == "not_confirmed"
    assert read_back.say == "That's j, dot, o, b, r, i, e, n, plus, t, e, s, t, at gmail dot com. Is that right?"
    assert (noted.status, reply.status) == ("noted", "booked")
    assert await call.emails() == ["j.obrien+test@gmail.com"]


async def test_nothing_is_booked_before_an_address_that_is_needed_is_agreed_to(store: Store) -> None:
    call = EmailCall(store)

    unasked = await call.agree_and_book()
    await call.say("maya at gmail dot com")
    unanswered = await call.agree_and_book()

    assert (unasked.status, unanswered.status) == ("needs_email", "not_confirmed")
    assert unanswered.say == "That's m, a, y, a, at gmail dot com. Is that right?"
    assert call.calendar.bookings == []


async def test_a_yes_counts_though_the_model_did_not_pass_it_on(store: Store) -> None:
    call = EmailCall(store)
    await call.say("maya at gmail dot com")
    call.heard.append(caller("Yes, that's right."))

    reply = await call.agree_and_book()

    assert (reply.status, await call.emails()) == ("booked", ["maya@gmail.com"])


async def test_a_yes_that_the_caller_did_not_say_counts_for_nothing(store: Store) -> None:
    call = EmailCall(store)
    read_back = await call.say("maya at gmail dot com")

    reply = await answer(call.note_tool, {"said": "yes"}, call.heard)

    assert (reply.status, reply.say) == ("not_confirmed", read_back.say)


async def test_a_yes_to_a_read_back_that_was_cut_off_counts_for_nothing(store: Store) -> None:
    call = EmailCall(store)
    await call.say("maya at gmail dot com")
    call.heard[-1:] = [agent("That's m, a, y"), caller("Yes.")]

    reply = await answer(call.note_tool, {"said": "Yes."}, call.heard)

    assert reply.status == "not_confirmed"


async def test_a_yes_to_something_else_is_none_to_the_address(store: Store) -> None:
    call = EmailCall(store)
    await call.say("maya at gmail dot com")
    call.heard += [agent("Are you still there?"), caller("Yes.")]

    assert (await answer(call.note_tool, {"said": "Yes."}, call.heard)).status == "not_confirmed"


async def test_who_asks_for_a_moment_has_not_answered_yet(store: Store) -> None:
    call = EmailCall(store)
    await call.say("maya at gmail dot com")
    call.heard += [caller("Hold on."), agent("Take your time."), caller("Yes, correct.")]

    assert (await answer(call.note_tool, {"said": "Yes, correct."}, call.heard)).status == "noted"


async def test_a_corrected_address_needs_its_own_yes(store: Store) -> None:
    call = EmailCall(store)
    await call.say("den at gmail dot com")

    corrected = await call.say("No, it's b as in bravo.")
    await call.say("Yes.")
    await call.agree_and_book()

    assert corrected.say == "That's b, e, n, at gmail dot com. Is that right?"
    assert await call.emails() == ["ben@gmail.com"]


async def test_a_yes_with_a_change_in_it_is_a_change(store: Store) -> None:
    call = EmailCall(store)
    await call.say("alen at gmail dot com")

    reply = await call.say("Yes, but with double l.")

    assert reply.say == "That's a, l, l, e, n, at gmail dot com. Is that right?"


async def test_a_yes_with_a_change_in_it_books_nothing_though_the_model_did_not_pass_it_on(store: Store) -> None:
    call = EmailCall(store)
    await call.say("alen at gmail dot com")
    call.heard.append(caller("Yes, but with double l."))

    reply = await call.agree_and_book()

    assert (reply.status, call.calendar.bookings) == ("not_confirmed", [])


async def test_who_gives_an_address_after_all_is_booked_with_it(store: Store) -> None:
    call = EmailCall(store)
    await call.refuse()
    await call.refuse()

    read_back = await call.say("All right, it's maya at gmail dot com.")
    await call.say("Yes.")
    reply = await call.agree_and_book()

    assert read_back.say == "That's m, a, y, a, at gmail dot com. Is that right?"
    assert (reply.status, await call.emails()) == ("booked", ["maya@gmail.com"])


async def test_a_caller_who_gives_no_address_is_asked_once_more_and_offered_a_call_back(store: Store) -> None:
    call = EmailCall(store)

    first, second = await call.refuse(), await call.refuse()
    booked = await call.agree_and_book()

    assert "need an e-mail address" in first.say
    assert (second.status, booked.status) == ("left_out", "left_out")
    assert "call you back" in second.say
    assert call.calendar.bookings == []


async def test_an_address_that_nobody_understands_is_left_out_after_three_tries(store: Store) -> None:
    call = EmailCall(store)

    replies = [await call.say("It is the usual one.") for _ in range(3)]

    assert [reply.status for reply in replies] == ["needs_email", "needs_email", "left_out"]


async def test_an_address_on_record_is_proposed_masked_to_who_has_not_shown_that_it_is_theirs(store: Store) -> None:
    await keep(store, "maya.chen@gmail.com")
    call = EmailCall(store)

    asked = await call.ask()
    await call.say("Yes, please.")
    await call.agree_and_book()

    assert asked.say == "Shall I use the e-mail address we have for you, the one that begins with m, at gmail dot com?"
    assert (await call.emails())[-1] == "maya.chen@gmail.com"


async def test_an_address_on_record_is_spelled_to_whose_number_is_vouched_for(store: Store) -> None:
    await keep(store, "maya@gmail.com")

    asked = await EmailCall(store, known=CALLER).ask()

    assert asked.say == "Shall I use the e-mail address we have for you, m, a, y, a, at gmail dot com?"


async def test_another_callers_address_is_proposed_to_nobody(store: Store) -> None:
    await keep(store, "maya@gmail.com", phone=PhoneNumber("+14155550199"))

    asked = await EmailCall(store).ask()

    assert asked.status == "needs_email"


FALLBACK = "caller+{digits}@example.com"
MADE_UP = "caller+14155550123@example.com"


@pytest.mark.parametrize(
    ("known", "on_record", "booked_with"),
    [
        (CALLER, "maya@gmail.com", "maya@gmail.com"),
        (None, "maya@gmail.com", MADE_UP),
        (CALLER, MADE_UP, MADE_UP),
        (CALLER, "", MADE_UP),
    ],
    ids=["on record", "on record of a number not vouched for", "made up before", "made up"],
)
async def test_what_is_known_of_the_caller_goes_before_the_address_that_is_made_up(
    store: Store, known: PhoneNumber | None, on_record: str, booked_with: str
) -> None:
    if on_record:
        await keep(store, on_record)
    call = EmailCall(store, known=known, action=replace(ACTION, fallback_email=FALLBACK))

    await call.agree_and_book()

    assert (await call.emails())[-1] == booked_with


async def test_a_withheld_number_is_asked_for_and_never_texted(store: Store) -> None:
    call = EmailCall(store, caller=None, can_text=False, event_type=replace(EMAIL_TYPE, requires_email=False))

    unreachable = await call.agree_and_book()
    reply = await call.agree_and_book(number="415 555 0199")

    (appointment,) = await store.appointments()
    assert (unreachable.status, unreachable.say) == ("invalid", "What phone number can we reach you at?")
    assert (reply.status, appointment.attendee.phone) == ("booked", "+14155550199")
    assert "text" not in reply.say
    assert await call.bodies() == []


async def test_a_number_that_was_given_is_read_back_before_it_is_booked_with(store: Store) -> None:
    call = EmailCall(store, caller=None, can_text=False, event_type=replace(EMAIL_TYPE, requires_email=False))
    key = await call.key()
    call.agree(key)

    reply = await call.book(key, number="+14155550199")

    assert reply.status == "not_confirmed"
    assert "with the phone number four one five, five five five, zero one nine nine. Is that right?" in reply.say


async def test_who_gives_no_number_may_give_an_address(store: Store) -> None:
    call = EmailCall(store, caller=None, can_text=False, event_type=replace(EMAIL_TYPE, requires_email=False))
    await call.say("maya at gmail dot com")
    await call.say("Yes.")

    reply = await call.agree_and_book()

    assert (reply.status, await call.emails()) == ("booked", ["maya@gmail.com"])


@pytest.mark.parametrize(
    "said", ["It's four one five, five five five, zero one nine nine.", "(typed the phone number +14155550199)"]
)
async def test_who_has_given_a_number_is_not_told_that_an_address_is_needed(store: Store, said: str) -> None:
    call = EmailCall(store, caller=None, can_text=False, event_type=replace(EMAIL_TYPE, requires_email=False))
    call.heard.append(caller(said))

    refused = await call.refuse()

    assert (refused.status, refused.say) == ("left_out", "All right, I'll leave the e-mail address out.")


async def test_who_has_given_neither_number_nor_address_is_asked_once_more(store: Store) -> None:
    call = EmailCall(store, caller=None, can_text=False, event_type=replace(EMAIL_TYPE, requires_email=False))
    call.heard.append(caller("My house is number twelve."))

    refused = await call.refuse()

    assert (refused.status, "need an e-mail address" in refused.say) == ("needs_email", True)


MAILED = {**TEMPLATES, "email_confirmation": "You are booked\n{date} at {time}."}
"""What the templates are where e-mails are sent."""


async def test_where_details_go_by_e_mail_a_caller_whom_no_text_reaches_is_offered_them(store: Store) -> None:
    call = EmailCall(store, can_text=False, templates=MAILED, event_type=EVENT_TYPE)
    await call.say("maya at gmail dot com")
    await call.say("Yes.")

    reply = await call.agree_and_book()

    assert "offer to e-mail the details" in call.book_tool.description
    assert "I'm e-mailing you the details." in reply.say
    assert [(message.channel, message.to) for message in await store.messages()] == [("email", "maya@gmail.com")]


async def test_nobody_is_promised_an_e_mail_to_an_address_that_was_made_up(store: Store) -> None:
    fallback = replace(ACTION, fallback_email=FALLBACK)
    call = EmailCall(store, caller=None, can_text=False, templates=MAILED, action=fallback)

    reply = await call.agree_and_book(number="415 555 0199")

    assert await call.emails() == ["caller+14155550199@example.com"]
    assert (reply.status, "mail" in reply.say) == ("booked", False)
    assert await store.messages() == []


async def keep(store: Store, email: str, *, phone: PhoneNumber = CALLER) -> None:
    """Put an earlier appointment with this address on record."""
    earlier = an_appointment(9, attendee=Attendee("Maya Chen", ZONE.key, phone, email), idempotency_key="earlier")
    earlier = replace(earlier, slot=replace(earlier.slot, start=earlier.slot.start.replace(year=2026, month=11, day=2)))
    await claim(store, earlier)
    await store.record(earlier.appointment_id, a_booking(earlier.slot, key="earlier"))
