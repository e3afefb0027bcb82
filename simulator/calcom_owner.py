"""What happens at the stand-in Cal.com without us: the owner changes bookings, and people book at the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from aiohttp import web
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from simulator.calcom_people import OWNER
from simulator.calcom_wire import CalComError, CreateBooking, wire_time
from simulator.world import EVENT_TYPE_ID, read_order

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from typing import Self

    from simulator.calcom_diary import Diary
    from simulator.calcom_making import Making
    from simulator.calcom_schedule import Booking, Schedule

Deed = Literal["cancel", "move", "accept", "reject", "pay", "no_show", "end", "link"]


class OwnerOrder(BaseModel):
    """The body of ``POST /control/owner``: the owner does something to a booking at Cal.com.

    It is the one of this `uid`, or the accepted or pending one that begins at `start`. Without a deed it is cancelled,
    or moved to `move_to` where that is given.
    """

    model_config = ConfigDict(extra="forbid")

    uid: str | None = None
    start: AwareDatetime | None = None
    does: Deed = "cancel"
    move_to: AwareDatetime | None = None
    link: str = ""
    reason: str = ""

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if (self.uid is None) == (self.start is None):
            raise ValueError("needs either uid or start")
        if self.move_to is not None and "does" not in self.model_fields_set:
            self.does = "move"
        if (self.does == "move") != (self.move_to is not None):
            raise ValueError("needs move_to for a move, and for nothing else")
        if (self.does == "link") != bool(self.link):
            raise ValueError("needs the new link for a link, and for nothing else")
        return self


class PageOrder(BaseModel):
    """The body of ``POST /control/book``: somebody books at Cal.com's page, and not through us."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    event_type_id: int = EVENT_TYPE_ID
    start: AwareDatetime
    attendee: dict[str, str]
    """As the API takes it; in the owner's zone unless it says another."""
    responses: dict[str, object] = {}
    metadata: dict[str, str | int | float | bool] = {}
    location: dict[str, str] | None = None
    minutes: int | None = Field(default=None, alias="lengthInMinutes")

    def booking(self, zone: str) -> CreateBooking:
        """Return the same as the API takes it."""
        body = {
            "eventTypeId": self.event_type_id,
            "start": wire_time(self.start),
            "attendee": {"timeZone": zone, **self.attendee},
            "bookingFieldsResponses": self.responses,
            "metadata": self.metadata,
            "location": self.location,
            "lengthInMinutes": self.minutes,
        }
        return CreateBooking.model_validate(body)


class Owner:
    """The control endpoints for bookings; `ticks` count requests and changes."""

    def __init__(self, schedule: Schedule, diary: Diary, making: Making, ticks: Iterator[int]) -> None:
        self._schedule = schedule
        self._diary = diary
        self._making = making
        self._ticks = ticks

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/control/owner", self.change), web.post("/control/book", self.book)]

    async def change(self, request: web.Request) -> web.Response:
        """Do something to a booking as its owner does at Cal.com, whatever its event type allows over the API."""
        order = await read_order(request, OwnerOrder)
        booking = self._schedule.booking(order.uid) if order.uid else self._live_at(order.start)
        if booking is None or not booking.is_live:
            raise web.HTTPBadRequest(text="there is no such booking")
        changed = await self._do(order, booking)
        return web.json_response({"uid": changed.uid})

    async def book(self, request: web.Request) -> web.Response:
        order = await read_order(request, PageOrder)
        try:
            booking = self._making.make(order.booking(self._schedule.zone.key), next(self._ticks), by="page")
        except (ValidationError, CalComError) as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        return web.json_response({"uid": booking.uid})

    async def _do(self, order: OwnerOrder, booking: Booking) -> Booking:
        match order.does:
            case "cancel":
                await self._diary.cancel(booking, "owner", reason=order.reason)
            case "move":
                return self._move(booking, order)
            case "accept" | "reject" | "pay":
                self._decide(booking, order)
            case "no_show":
                self._diary.mark_absent(booking, "owner", guest=True, host=None)
            case "end":
                self._diary.report(booking, "MEETING_ENDED")
            case "link":
                self._diary.relink(booking, order.link)
        return booking

    def _move(self, booking: Booking, order: OwnerOrder) -> Booking:
        assert order.move_to is not None, "a move says where to"
        if self._schedule.busy(booking.event_type, order.move_to, moving=booking):
            raise web.HTTPBadRequest(text="another booking is in the way")
        return self._diary.move(
            booking,
            booking.event_type,
            order.move_to,
            "owner",
            reason=order.reason,
            is_accepted=booking.status == "accepted",
            rescheduled_by=OWNER.email,
        )

    def _decide(self, booking: Booking, order: OwnerOrder) -> None:
        if booking.status != "pending":
            raise web.HTTPBadRequest(text=f"the booking is {booking.status}, and waits for nothing")
        waits_for_money = booking.event_type.price > 0 and not booking.is_paid
        if waits_for_money != (order.does == "pay"):
            raise web.HTTPBadRequest(text="what has a price is paid first, and nothing else is")
        match order.does:
            case "accept":
                self._diary.accept(booking, "owner")
            case "reject":
                self._diary.reject(booking, "owner", reason=order.reason)
            case _:
                self._diary.pay(booking)

    def _live_at(self, start: datetime | None) -> Booking | None:
        live = (booking for booking in self._schedule.bookings if booking.is_live)
        return next((booking for booking in live if booking.start == start), None)
