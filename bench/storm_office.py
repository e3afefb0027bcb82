"""What happens at a calendar in a storm: bookings by page and by phone, and an owner who changes them at random."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import httpx

from appointments.booking import BookingRequest
from appointments.errors import SlotTaken
from appointments.message_plan import plan_for
from appointments.model import CallSid, EventType, EventTypeId
from bench.world import ACTION, EVENT_TYPE, caller

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence

    from appointments.model import Business, Slot
    from appointments.service import BookingService

ON_REQUEST = EventType(EventTypeId("102"), "30-Minute Visit", EVENT_TYPE.duration)
"""What the owner has to accept."""
REQUESTING = replace(ACTION, name="Book 30-Minute Visit", event_type_id=ON_REQUEST.id, title=ON_REQUEST.title)


@dataclass(frozen=True, slots=True)
class Live:
    """A booking that may still be changed."""

    uid: str
    slot: Slot
    is_pending: bool


class Office:
    """Does one thing after the other; `http` reaches the stand-in of Cal.com."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        service: BookingService,
        ours: Business,
        slots: Sequence[Slot],
        texts: Mapping[str, str],
        chance: random.Random,
    ) -> None:
        self._http = http
        self._service = service
        self._ours = ours
        self._free = list(slots)
        self._texts = texts
        self._chance = chance
        self._live: list[Live] = []
        self._callers = 0
        self.refused = 0
        """How many callers were told that a time is gone, because the record has not heard yet that it is free."""

    async def does_something(self) -> None:
        """Book, or change what is booked; each is told by one delivery at least."""
        wants_more = self._chance.random() < 0.5 or not self._live
        if wants_more and self._free:
            await self._chance.choice((self._books_at_page, self._asks_at_page, self._books_by_phone))()
        else:
            booking = self._live.pop(self._chance.randrange(len(self._live)))
            await (self._decides(booking) if booking.is_pending else self._changes(booking))

    async def _books_at_page(self) -> None:
        await self._page(EVENT_TYPE, is_pending=False)

    async def _asks_at_page(self) -> None:
        await self._page(ON_REQUEST, is_pending=True)

    async def _page(self, event_type: EventType, *, is_pending: bool) -> None:
        slot = self._takes_free()
        attendee = caller(self._next_caller())
        who = {"name": attendee.name, "phoneNumber": attendee.phone}
        order = {"event_type_id": int(event_type.id), "start": slot.start.isoformat(), "attendee": who}
        self._live.append(Live(await self._order("book", order), slot, is_pending))

    async def _books_by_phone(self) -> None:
        slot = self._takes_free()
        number = self._next_caller()
        attendee = caller(number)
        plan = plan_for(self._ours, ACTION, self._texts, phone=attendee.phone)
        sid = CallSid(f"CA{number:032}")
        request = BookingRequest(sid, self._ours, ACTION, EVENT_TYPE, slot, attendee, plan=plan)
        try:
            made = await self._service.book(request)
        except SlotTaken:
            self.refused += 1
            self._free.append(slot)
        else:
            self._live.append(Live(made.booking_uid or "", slot, is_pending=False))

    async def _decides(self, booking: Live) -> None:
        if self._chance.random() < 0.3:
            await self._does(booking, "reject")
            self._free.append(booking.slot)
        else:
            await self._does(booking, "accept")
            self._live.append(replace(booking, is_pending=False))

    async def _changes(self, booking: Live) -> None:
        deed = self._chance.choice(("move", "move", "move", "cancel", "cancel", "no_show", "end"))
        if deed == "move" and self._free:
            slot = self._takes_free()
            uid = await self._does(booking, "move", move_to=slot.start.isoformat())
            self._live.append(Live(uid, slot, is_pending=False))
            self._free.append(booking.slot)
        elif deed in ("no_show", "end"):
            await self._does(booking, deed)
        else:
            await self._does(booking, "cancel", reason="The host is ill")
            self._free.append(booking.slot)

    def _takes_free(self) -> Slot:
        return self._free.pop(self._chance.randrange(len(self._free)))

    def _next_caller(self) -> int:
        self._callers += 1
        return self._callers

    async def _does(self, booking: Live, deed: str, **more: str) -> str:
        return await self._order("owner", {"uid": booking.uid, "does": deed, **more})

    async def _order(self, path: str, order: Mapping[str, Any]) -> str:
        answer = await self._http.post(f"/control/{path}", json=order)
        answer.raise_for_status()
        return str(answer.json()["uid"])
