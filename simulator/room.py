"""What is said and heard in a rehearsal: the lines a caller may say, what was made of them, and the agent's journal."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict

from simulator.hearing import KnownSpeech
from simulator.voices import VoicesMissing
from simulator.world import read_order

if TYPE_CHECKING:
    from simulator.audio import Pcm
    from simulator.hearing import Heard

_MAX_WAIT_SECS = 60.0


class WorldOrder(BaseModel):
    """The body of ``POST /control/world``: what the caller may say, and in which voice."""

    model_config = ConfigDict(extra="forbid")

    lines: list[str] = []
    voice: str = "en-us"


class LinesOrder(BaseModel):
    """The body of ``POST /control/lines``: what the caller may say as well."""

    model_config = ConfigDict(extra="forbid")

    lines: list[str]


@dataclass(frozen=True, slots=True)
class Utterance:
    """Something the agent's voice was asked to say."""

    id: int
    text: str
    at: str


class Room:
    """Shared by the stand-ins that take part in one call, whichever of them is asked."""

    def __init__(self) -> None:
        self._world = WorldOrder()
        self._matcher = KnownSpeech((), "en-us")
        self._heard: list[dict[str, Any]] = []
        self._spoken: list[Utterance] = []
        self._has_spoken = asyncio.Condition()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/control/world", self.set_world),
            web.post("/control/lines", self.add_lines),
            web.get("/control/spoken", self.spoken),
        ]

    def state(self) -> dict[str, Any]:
        return {"spoken": [asdict(utterance) for utterance in self._spoken], "heard": self._heard}

    async def hear(self, pcm: Pcm, rate: int) -> Heard:
        """Return which of the known lines `pcm` is, and remember it."""
        heard = await asyncio.to_thread(self._matcher.hear, pcm, rate)
        self._heard.append({**asdict(heard), "secs": round(len(pcm) / rate, 2), "at": _now()})
        return heard

    async def note_spoken(self, text: str) -> None:
        """Write into the journal what the agent's voice was asked to say."""
        async with self._has_spoken:
            self._spoken.append(Utterance(len(self._spoken) + 1, text, _now()))
            self._has_spoken.notify_all()

    async def set_world(self, request: web.Request) -> web.Response:
        """Learn the lines of a scenario.

        What the agent said stays in the journal: a worker plays phrases again that it fetched before.
        """
        await self.learn(await read_order(request, WorldOrder))
        self._heard.clear()
        return web.json_response({})

    async def add_lines(self, request: web.Request) -> web.Response:
        """Learn lines that nobody could know before the call."""
        order = await read_order(request, LinesOrder)
        await self.learn(WorldOrder(lines=[*self._world.lines, *order.lines], voice=self._world.voice))
        return web.json_response({})

    async def spoken(self, request: web.Request) -> web.Response:
        """Answer with what was said after an utterance, waiting for it for a while if need be."""
        try:
            after, wait = int(request.query.get("after", "0")), float(request.query.get("wait", "0"))
        except ValueError as error:
            raise web.HTTPBadRequest(text=f"after and wait are numbers: {error}") from error
        try:
            async with asyncio.timeout(min(wait, _MAX_WAIT_SECS)), self._has_spoken:
                await self._has_spoken.wait_for(lambda: len(self._spoken) > after)
        except TimeoutError:
            pass  # nothing new: the list is empty
        return web.json_response({"spoken": [asdict(utterance) for utterance in self._spoken[max(after, 0) :]]})

    async def learn(self, world: WorldOrder) -> None:
        """Know the lines of `world`; answers an order with what is wrong with it."""
        try:
            self._matcher = await asyncio.to_thread(KnownSpeech, world.lines, world.voice)
        except ValueError as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        except VoicesMissing as error:
            raise web.HTTPServiceUnavailable(text=str(error)) from error
        self._world = world


def _now() -> str:
    return datetime.now(UTC).isoformat()
