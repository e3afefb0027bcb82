"""Faults a scenario orders: which stand-in fails, in which operation, how, and how often."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, get_args

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, RootModel

from simulator.world import read_order

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohttp.typedefs import Handler, Middleware

ANY = "any"
_OPENAIS = ("transcribe", "chat", "speech", "realtime", "utterance", ANY)
OPERATIONS: Mapping[str, tuple[str, ...]] = {
    "calcom": (
        "slots",
        "create",
        "list",
        "get",
        "reschedule",
        "cancel",
        "decide",
        "links",
        "reservations",
        "event_types",
        "calendars",
        "webhooks",
        ANY,
    ),
    "twilio": ("messages", "calls", ANY),
    "mail": ("letters", ANY),
    "openai": _OPENAIS,
    "fallback": _OPENAIS,
}
"""What a fault may hit, by service."""
MAY_BE_TAKEN = frozenset({("calcom", "create"), ("calcom", "reschedule")})
"""The services and operations that may find their slot taken."""
RETRY_SECS = web.RequestKey("retry_secs", float)
"""In a request that a fault hit: the fault's `seconds`, which "rate_limited" may name as the time to wait."""

Kind = Literal["slow", "error_500", "error_500_after", "rate_limited", "taken", "drop_before", "drop_after"]
WIRE_KINDS: frozenset[Kind] = frozenset(get_args(Kind)) - {"taken"}
"""The kinds the middleware acts out; "taken" is the booking handlers' own."""

Route = tuple[str, str]
"""A method and a canonical path, such as ``("GET", "/v2/bookings/{uid}")``."""


class Fault(BaseModel):
    """One order: let the next `times` requests of the operation `on` go wrong."""

    model_config = ConfigDict(extra="forbid")

    on: str
    kind: Kind
    times: int = Field(default=1, ge=1)
    seconds: float = Field(default=0.0, ge=0)


class FaultList(RootModel[list[Fault]]):
    """The body of ``POST /control/faults``."""


class FaultBoard:
    """The faults still to come of one stand-in, and those that fired."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._pending: list[Fault] = []
        self._fired: list[dict[str, str]] = []

    @property
    def fired(self) -> list[dict[str, str]]:
        """What went wrong on order so far: service, on, kind, at."""
        return list(self._fired)

    def replace(self, faults: Iterable[Fault]) -> None:
        """Order `faults` and forget all earlier ones, fired or not."""
        ordered = list(faults)
        for fault in ordered:
            if fault.on not in OPERATIONS[self._service]:
                known = ", ".join(OPERATIONS[self._service])
                raise ValueError(f"{self._service} has no operation {fault.on!r}; there are {known}")
            if fault.kind == "taken" and (self._service, fault.on) not in MAY_BE_TAKEN:
                raise ValueError("only calcom's create and reschedule can find their slot taken")
        self._pending = [fault.model_copy() for fault in ordered]
        self._fired = []

    def take(self, operation: str, kinds: frozenset[Kind] = WIRE_KINDS) -> Fault | None:
        """Use up and return the first pending fault of `operation`, None when all is to go well."""
        for fault in self._pending:
            if fault.on in (operation, ANY) and fault.kind in kinds:
                fault.times -= 1
                if not fault.times:
                    self._pending.remove(fault)
                at = datetime.now(UTC).isoformat()
                self._fired.append({"service": self._service, "on": operation, "kind": fault.kind, "at": at})
                return fault
        return None


def fault_middleware(
    board: FaultBoard,
    operations: Mapping[Route, str],
    *,
    error_500: Callable[[web.Request], web.Response],
    rate_limited: Callable[[web.Request], web.Response],
) -> Middleware:
    """Return a middleware that acts out the board's faults, answering as the service itself would.

    "slow" waits `seconds` before the handler runs.
    A route `operations` does not name is hit by faults on "any" alone; control routes never are.
    """

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        fault = None if request.path.startswith("/control/") else board.take(_operation(request, operations))
        if fault is None:
            return await handler(request)
        request[RETRY_SECS] = fault.seconds
        match fault.kind:
            case "error_500":
                return error_500(request)
            case "rate_limited":
                return rate_limited(request)
            case "slow":
                # Read now: the work is done even if the client does not wait for its answer.
                await request.read()
                await asyncio.sleep(fault.seconds)
                return await handler(request)
            case "error_500_after":
                answer = await handler(request)
                return answer if answer.prepared else error_500(request)
            case "drop_before":
                return _drop(request)
            case _:
                try:
                    return await handler(request)
                finally:
                    _drop(request)

    return middleware


def fault_routes(board: FaultBoard) -> list[web.RouteDef]:
    """Return the control route that replaces the board's faults."""

    async def replace(request: web.Request) -> web.Response:
        faults = await read_order(request, FaultList)
        try:
            board.replace(faults.root)
        except ValueError as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        return web.json_response({})

    return [web.post("/control/faults", replace)]


def _drop(request: web.Request) -> web.Response:
    """Abort the connection: whatever is answered after that, nobody reads."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def _operation(request: web.Request, operations: Mapping[Route, str]) -> str:
    resource = request.match_info.route.resource
    return ANY if resource is None else operations.get((request.method, resource.canonical), ANY)
