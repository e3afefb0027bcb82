"""The worker's web application: Twilio's routes and the health checks."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fastapi import FastAPI, Response

from agent.front_desk import FrontDeskWatch
from agent.line import Line
from telephony.routes import build_router
from telephony.signature import RequestSignatures
from telephony.tokens import StreamTokens

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from agent.bootstrap import Worker


def build_app(worker: Worker) -> FastAPI:
    """Return the application of an open worker."""
    settings = worker.settings

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        worker.jobs.add("front_desk_watch", FrontDeskWatch(worker).run())
        yield

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
        if worker.is_ready:
            return {"status": "ready"}
        response.status_code = 503
        return {"status": "rendering phrases"}

    return app
