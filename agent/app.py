"""The worker's web application: Twilio's routes and the health checks."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog
from fastapi import FastAPI, Response

from agent.line import Line
from appointments.errors import ConfigError
from telephony.routes import build_router
from telephony.signature import RequestSignatures
from telephony.tokens import StreamTokens

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent.bootstrap import Worker

log = structlog.get_logger(__name__)

RENDER_AGAIN_SECS = 5.0


def build_app(worker: Worker) -> FastAPI:
    """Return the application of an open worker."""
    settings = worker.settings
    ready = asyncio.Event()

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        beside = asyncio.create_task(_prepare_and_watch(worker, ready))
        yield
        beside.cancel()
        with suppress(asyncio.CancelledError):
            await beside

    app = FastAPI(title="slotline", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    tokens = StreamTokens(worker.token_secret, clock=lambda: datetime.now(UTC))
    app.include_router(
        build_router(
            signatures=RequestSignatures(settings.twilio_auth_tokens, settings.public_base_url),
            tokens=tokens,
            account_sid=settings.twilio_account_sid,
            line=Line(worker, tokens),
        )
    )

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz")
    async def readyz(response: Response) -> dict[str, str]:
        if ready.is_set():
            return {"status": "ready"}
        response.status_code = 503
        return {"status": "rendering phrases"}

    return app


async def _are_rendered(worker: Worker) -> bool:
    try:
        return await worker.render_phrases(worker.phrase_book, worker.desk)
    except ConfigError as error:
        path = worker.desk.prompts.prompt.path
        log.error("phrases_refused", error=f"{path}: {error}", hint="no call can be taken; correct it and restart")
        return False


async def _prepare_and_watch(worker: Worker, ready: asyncio.Event) -> None:
    while not await _are_rendered(worker):
        await asyncio.sleep(RENDER_AGAIN_SECS)
    ready.set()
    log.info("worker_ready")
    await worker.watch_files()
