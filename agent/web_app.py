"""The web application of `slotline talk`: Pipecat's page, and the offers of its connections."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4

import structlog
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import FileResponse, PlainTextResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from pipecat.transports.smallwebrtc.request_handler import (
    IceCandidate,
    SmallWebRTCPatchRequest,
    SmallWebRTCRequest,
    SmallWebRTCRequestHandler,
)
from pydantic import BaseModel

from agent.addresses import is_loopback
from appointments.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from pipecat.transports.smallwebrtc.connection import SmallWebRTCConnection

log = structlog.get_logger(__name__)

PAGE = Path(str(files("pipecat_ai_prebuilt"))) / "client" / "dist"
CAPTURE = "assets/daily-esm-p5U1ajfy.js"
"""The page's file that opens the microphone; its name changes with what is in it."""
OUR_CAPTURE = Path(__file__).with_name("microphone.js")
POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "media-src 'self' blob:",
        "worker-src 'self' blob:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""What the browser lets the page load and whom to talk to: this server alone."""


class Offer(BaseModel):
    """What the page posts to open a connection, or to open it again."""

    sdp: str
    type: str
    pc_id: str | None = None
    restart_pc: bool | None = None


class Candidate(BaseModel):
    candidate: str
    sdp_mid: str
    sdp_mline_index: int


class Candidates(BaseModel):
    """Addresses that the page found later."""

    pc_id: str
    candidates: list[Candidate]


class Calls:
    """The calls that are open.

    Args:
        answer: Runs a call on a connection to its end.
    """

    def __init__(self, answer: Callable[[SmallWebRTCConnection], Awaitable[None]]) -> None:
        self._answer = answer
        # No STUN or TURN server: the browser is on this machine.
        self._handler = SmallWebRTCRequestHandler(ice_servers=None)
        self._connected: set[str] = set()
        self._tasks: set[asyncio.Future[None]] = set()

    async def offered(self, offer: Offer) -> dict[str, str] | None:
        """Answer a new call, or the next offer of one that is open."""
        if offer.pc_id and offer.pc_id not in self._connected:
            # The page tries to get back what we have ended, and would begin a new call.
            raise HTTPException(status_code=404, detail="this call has ended")
        return await self._handler.handle_web_request(SmallWebRTCRequest(**offer.model_dump()), self._begin)

    async def found(self, found: Candidates) -> None:
        """Take more addresses of a call's page."""
        candidates = [IceCandidate(**candidate.model_dump()) for candidate in found.candidates]
        await self._handler.handle_patch_request(SmallWebRTCPatchRequest(found.pc_id, candidates))

    async def close(self) -> None:
        """Hang up on every page, and wait until the calls have ended."""
        await self._handler.close()  # type: ignore[no-untyped-call]
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _begin(self, connection: SmallWebRTCConnection) -> None:
        self._connected.add(connection.pc_id)
        connection.add_event_handler("closed", self._on_closed)
        task = asyncio.ensure_future(self._answer(connection))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def _on_closed(self, connection: SmallWebRTCConnection) -> None:
        self._connected.discard(connection.pc_id)

    def _ended(self, task: asyncio.Future[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("call_failed", exc_info=error)


def build_web_app(answer: Callable[[SmallWebRTCConnection], Awaitable[None]]) -> FastAPI:
    """Return the application whose calls `answer` runs.

    Raises:
        ConfigError: the page is another one than we know.
    """
    if not (PAGE / CAPTURE).is_file():
        raise ConfigError("the page of pipecat-ai-prebuilt is not the one of 1.3.0. Get it: uv sync --group talk")
    calls = Calls(answer)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await calls.close()

    app = FastAPI(title="slotline talk", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.middleware("http")(_guard)

    @app.get("/")
    async def page() -> RedirectResponse:
        return RedirectResponse("/client/")

    @app.post("/start")
    async def start() -> dict[str, Any]:
        # The page would ask a public STUN server for its address if we named none.
        return {"sessionId": uuid4().hex, "iceConfig": {"iceServers": []}}

    @app.post("/sessions/{_session}/api/offer")
    async def offer(offered: Offer) -> dict[str, str] | None:
        return await calls.offered(offered)

    @app.patch("/sessions/{_session}/api/offer")
    async def candidates(found: Candidates) -> dict[str, str]:
        await calls.found(found)
        return {"status": "success"}

    @app.get(f"/client/{CAPTURE}")
    async def capture() -> FileResponse:
        return FileResponse(OUR_CAPTURE, media_type="text/javascript")

    app.mount("/client", StaticFiles(directory=PAGE, html=True))
    return app


async def _guard(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Serve our page to our page only: another site's could call here too, or make its own name ours."""
    host, origin = request.headers.get("host", ""), request.headers.get("origin")
    if not is_loopback(f"http://{host}") or (origin is not None and urlsplit(origin).netloc != host):
        return PlainTextResponse("only the page of this server may ask it", status_code=403)
    response = await call_next(request)
    response.headers["content-security-policy"] = POLICY
    response.headers["referrer-policy"] = "no-referrer"
    return response
