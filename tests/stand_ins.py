"""Runs stand-ins in a test's own event loop."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

from simulator import calcom, twilio
from simulator.faults import FaultBoard
from simulator.world import Credentials, run_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import web


@dataclass(frozen=True, slots=True)
class StandIn:
    """A stand-in that is being served, and a client that shows it the right credentials."""

    url: str
    credentials: Credentials
    http: httpx.AsyncClient

    async def order(self, path: str, **order: Any) -> None:
        """Post to a control endpoint."""
        answer = await self.http.post(f"/control/{path}", json=order)
        assert answer.status_code == httpx.codes.OK, answer.text

    async def break_down(self, on: str, kind: str, *, times: int = 1, seconds: float = 0.0) -> None:
        """Order one kind of fault."""
        fault = {"on": on, "kind": kind, "times": times, "seconds": seconds}
        answer = await self.http.post("/control/faults", json=[fault])
        assert answer.status_code == httpx.codes.OK, answer.text

    async def state(self) -> Any:
        """Return what the stand-in says about itself."""
        return (await self.http.get("/control/state")).json()


@contextlib.asynccontextmanager
async def serving_calcom() -> AsyncIterator[StandIn]:
    """Serve a stand-in of Cal.com."""
    credentials = Credentials.generate()
    http = httpx.AsyncClient(headers={"Authorization": f"Bearer {credentials.calcom_api_key}"}, trust_env=False)
    async with _serving(calcom.build_app(credentials, FaultBoard("calcom")), credentials, http) as stand_in:
        yield stand_in


@contextlib.asynccontextmanager
async def serving_twilio() -> AsyncIterator[StandIn]:
    """Serve a stand-in of Twilio's REST API."""
    credentials = Credentials.generate()
    auth = (credentials.twilio_api_key_sid, credentials.twilio_api_key_secret)
    http = httpx.AsyncClient(auth=auth, trust_env=False)
    async with _serving(twilio.build_app(credentials, FaultBoard("twilio")), credentials, http) as stand_in:
        yield stand_in


@contextlib.asynccontextmanager
async def _serving(app: web.Application, credentials: Credentials, http: httpx.AsyncClient) -> AsyncIterator[StandIn]:
    runner, url = await run_app(app, 0)
    http.base_url = httpx.URL(url)
    try:
        async with http:
            yield StandIn(url, credentials, http)
    finally:
        await runner.cleanup()
