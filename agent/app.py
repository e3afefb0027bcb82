"""The worker's web application: Twilio's routes, Cal.com's and the health checks."""

from __future__ import annotations

import hmac
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request, Response

from agent import calcom_webhooks, metrics
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
        if worker.calcom_watch:
            worker.jobs.add("calcom_watch", worker.calcom_watch.run())
            worker.jobs.add("calcom_subscription", worker.calcom_watch.subscribe())
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

    secret = settings.calcom_webhook_secret.get_secret_value()
    if worker.calcom_watch and secret:
        app.include_router(calcom_webhooks.build_router(secret, keep=worker.calcom_watch.keep))

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz")
    async def readyz(response: Response) -> dict[str, str]:
        refusal = worker.admission.refusal()
        if worker.is_ready and refusal is None:
            return {"status": "ready"}
        response.status_code = 503
        return {"status": refusal.value if refusal else "rendering phrases"}

    if token := settings.metrics_token.get_secret_value():
        _add_metrics(app, token)
    return app


def _add_metrics(app: FastAPI, token: str) -> None:
    """Let whoever has the `token` read the metrics. By their address nobody is known: a proxy in front hides it."""
    expected = f"Bearer {token}".encode()

    @app.get("/metrics")
    def prometheus(request: Request) -> Response:
        # Not on the event loop: a scrape of many series takes milliseconds.
        given = request.headers.get("authorization", "").encode()
        if not hmac.compare_digest(given, expected):
            return Response(status_code=401, headers={"WWW-Authenticate": "Bearer"})
        return Response(metrics.exposition(), media_type=metrics.CONTENT_TYPE)
