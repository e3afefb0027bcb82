"""Serves whatever answer a test wants where a service should be."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from aiohttp import web

from simulator.world import run_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Answer = Callable[[web.Request], web.Response]


@contextlib.asynccontextmanager
async def answering(answer: Answer) -> AsyncIterator[str]:
    """Serve `answer` at every path, and return where."""

    async def handle(request: web.Request) -> web.Response:
        return answer(request)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner, url = await run_app(app, 0)
    try:
        yield url
    finally:
        await runner.cleanup()
