"""Serves the worker over HTTP and websockets until it is told to stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
import uvicorn

from agent.app import build_app
from agent.bootstrap import check_accounts, open_worker
from telephony.media_stream import MAX_FRAME_BYTES

if TYPE_CHECKING:
    from agent.settings import Settings

log = structlog.get_logger(__name__)


async def serve(settings: Settings, *, host: str, port: int) -> None:
    """Take calls until SIGTERM or SIGINT; raises `ConfigError` when a key is refused."""
    async with open_worker(settings) as worker:
        await check_accounts(worker)
        config = uvicorn.Config(
            build_app(worker),
            host=host,
            port=port,
            log_config=None,
            access_log=False,
            ws_max_size=MAX_FRAME_BYTES,
            # Bookings under way are finished by the worker itself; the streams are closed at once.
            timeout_graceful_shutdown=10,
        )
        log.info("worker_serving", host=host, port=port)
        await uvicorn.Server(config).serve()
