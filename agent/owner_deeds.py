"""What the owner of a rehearsed business does at Cal.com, while a call goes on and later."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING, Any

from agent.rehearsal_events import Event
from agent.stand_ins import RehearsalFailed
from agent.standing import HELD

if TYPE_CHECKING:
    from agent.rehearsal_events import Events
    from agent.rehearsal_world import RehearsalWorld
    from agent.scenarios import OwnerDeed
    from agent.stand_ins import StandIns

SUBSCRIBE_SECS = 30.0


class OwnerDeeds:
    """Does what the scenario's owner does; what belongs to a line is done as soon as the caller has said it."""

    def __init__(self, world: RehearsalWorld, stand_ins: StandIns, events: Events) -> None:
        self._world = world
        self._stand_ins = stand_ins
        self._events = events
        self._left = {line.say: line.owner for line in world.scenario.every_line if line.owner}
        self._under_way: list[asyncio.Task[None]] = []
        events.listeners.append(self._notice)

    def _notice(self, event: Event) -> None:
        deed = self._left.pop(event.text, None) if event.who == "caller" else None
        if deed:
            self._under_way.append(asyncio.create_task(self.do(deed, at_ms=event.at_ms)))

    async def finish(self) -> None:
        """Wait for what has begun, and raise what went wrong with it."""
        under_way, self._under_way = self._under_way, []
        for deed in under_way:
            await deed

    async def do(self, deed: OwnerDeed, *, at_ms: int) -> None:
        """Do it at Cal.com, which tells the worker."""
        await self._until_subscribed()
        self._events.tell(Event("owner", f"[{deed.does}]", at_ms))
        order: dict[str, Any] = {"does": deed.does, "uid": await self._uid(deed)}
        if deed.move_to:
            order["move_to"] = self._world.local(deed.move_to)
        if deed.reason:
            order["reason"] = deed.reason
        await self._stand_ins.control("calcom", "owner", order)

    async def _until_subscribed(self) -> None:
        """Wait until Cal.com knows whom to tell: a worker subscribes when it has started."""
        try:
            async with asyncio.timeout(SUBSCRIBE_SECS):
                while not (await self._stand_ins.state("calcom"))["webhooks"]:
                    await asyncio.sleep(0.1)
        except TimeoutError as error:
            raise RehearsalFailed("the worker did not subscribe to what happens at Cal.com") from error

    async def _uid(self, deed: OwnerDeed) -> str:
        bookings = (await self._stand_ins.state("calcom"))["bookings"]
        held = [booking for booking in bookings if booking["by"] == "api" and booking["status"] in HELD]
        for booking in held:
            if deed.start is None or datetime.fromisoformat(booking["start"]) == self._world.at(deed.start):
                return str(booking["uid"])
        raise RehearsalFailed(f"the owner cannot {deed.does} what is not booked at Cal.com")
