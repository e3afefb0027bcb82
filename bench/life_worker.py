"""A process of the bench of lives: at one moment of the business it does what callers want, and sends what is due."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, cast

from agent import text_replies
from agent.front_desk import FrontDesk
from agent.text_replies import TextReplies
from appointments.booking import BookingRequest
from appointments.changing import ChangeRequest
from appointments.errors import SlotlineError
from appointments.message_plan import plan_for
from appointments.model import CallSid, MessageSettings
from appointments.store.records import MessageKind
from bench.desk import opened
from bench.world import ACTION, EVENT_TYPE, ZONE, business, caller
from prompts.loader import REPLY_TEMPLATES
from telephony.routes import IncomingText
from tools.appointments import change_plan

if TYPE_CHECKING:
    from pathlib import Path

    from appointments.model import Attendee, Business, Slot
    from bench.desk import Desk, Place

ZONES = (ZONE.key, "America/Los_Angeles", "Pacific/Honolulu", "America/Halifax")
"""Where the callers live, in turn: their nights are not the business's."""
FOLLOW_UP, REVIEW = timedelta(hours=2), timedelta(hours=24)
SETTINGS = MessageSettings(
    follow_up_after=FOLLOW_UP,
    review_link="https://example.com/review",
    review_after=REVIEW,
    rebook_link="https://example.com/rebook",
)
_ABOUT = "{date} at {time}"
_WITHOUT_APPOINTMENT = ("reply_letters", "reply_phone", "reply_which")
TEXTS = {kind.value: f"{kind.value}: {_ABOUT}" for kind in MessageKind} | {
    name: name if name in _WITHOUT_APPOINTMENT else f"{name}: {_ABOUT}" for name in REPLY_TEMPLATES
}
"""By kind: no two kinds have the same words, and no two times."""


class Wish(StrEnum):
    """What a caller does."""

    BOOK = "book"
    MOVE = "move"
    CANCEL = "cancel"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Deed:
    """A wish of the caller `life`, the `number`-th of theirs: to book or move to `slot`, or the text `body`."""

    life: int
    number: int
    wish: Wish
    slot: Slot | None = None
    body: str = ""
    is_delivered_twice: bool = False

    @property
    def name(self) -> str:
        return f"{self.life}.{self.number}"

    @property
    def call_sid(self) -> CallSid:
        return CallSid(f"CA{self.life:016x}{self.number:016x}")

    @property
    def message_sid(self) -> str:
        return f"SM{self.life:016x}{self.number:016x}"


@dataclass(frozen=True, slots=True)
class Hour:
    """What a process is to do: the deeds of each caller, one behind the other.

    Args:
        until: A file that ends the process when it is there and all is settled; None: that all is settled is enough.
    """

    place: Place
    deeds: tuple[tuple[Deed, ...], ...]
    until: Path | None = None


def the_business(slots: int) -> Business:
    """Return a business that reminds, thanks and asks for reviews."""
    ours = business(slots)
    return replace(ours, actions=(replace(ACTION, messages=SETTINGS),), messages=SETTINGS)


def who(life: int) -> Attendee:
    """Return the caller of a life."""
    return replace(caller(life), zone=ZONES[life % len(ZONES)])


def live_through(hour: Hour) -> None:
    """Do all deeds, and see to it that nothing is left open."""
    text_replies.LEASE = hour.place.times.lease  # which no constructor takes
    asyncio.run(_live_through(hour))


async def _live_through(hour: Hour) -> None:
    ours = the_business(hour.place.slots)
    async with opened(hour.place) as desk:
        replies = TextReplies(
            store=desk.marked_store,
            service=desk.service,
            desk=lambda: FrontDesk(ours, cast("Any", None), TEXTS),
            clock=lambda: hour.place.now,
            on_text=desk.outbox.wake,
        )
        desk.points.arm()
        answering = asyncio.create_task(replies.run())
        async with desk.jobs():
            callers = (_Caller(desk, ours, replies, deeds) for deeds in hour.deeds)
            await asyncio.gather(*(each.lives() for each in callers))
            while hour.until and not hour.until.exists():
                await asyncio.sleep(hour.place.times.poll.total_seconds())
            await desk.until_all_is_settled()
        answering.cancel()
        await asyncio.gather(answering, return_exceptions=True)


@dataclass(frozen=True, slots=True)
class _Caller:
    desk: Desk
    business: Business
    replies: TextReplies
    deeds: tuple[Deed, ...]

    async def lives(self) -> None:
        """Do one deed after the other, and note what the caller hears."""
        for deed in self.deeds:
            if deed.wish is Wish.TEXT:
                await self._text(deed)
            else:
                self.desk.journal.note("told", deed.name, await self._told(deed))

    async def _text(self, deed: Deed) -> None:
        text = IncomingText(deed.message_sid, who(deed.life).phone or "", self.business.number, deed.body, "")
        for _ in range(2 if deed.is_delivered_twice else 1):
            await self.replies.take(text)

    async def _told(self, deed: Deed) -> str:
        try:
            return await (self._book(deed) if deed.wish is Wish.BOOK else self._change(deed))
        except SlotlineError as error:
            return f"failed {type(error).__name__}"

    async def _book(self, deed: Deed) -> str:
        [action] = self.business.actions
        attendee = who(deed.life)
        plan = plan_for(self.business, action, TEXTS, phone=attendee.phone)
        assert deed.slot is not None
        request = BookingRequest(deed.call_sid, self.business, action, EVENT_TYPE, deed.slot, attendee, plan=plan)
        return str((await self.desk.service.book(request)).status)

    async def _change(self, deed: Deed) -> str:
        phone = who(deed.life).phone
        assert phone is not None
        upcoming = await self.desk.store.upcoming(phone, self.desk.place.now)
        if not upcoming:
            return "nothing, for there is no appointment"
        [appointment] = upcoming
        plan = change_plan(appointment, self.business, TEXTS)
        request = ChangeRequest(deed.call_sid, self.business, appointment, deed.slot, "Customer request", plan)
        return (await self.desk.service.change(request)).state.value
