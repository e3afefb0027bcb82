"""The texts that reach the caller: the code in the newest one, and the lines that can be said once it is there."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING
from urllib.parse import urljoin

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    import httpx

_LOOK_SECS = 0.2
_CODE = re.compile(r"\b\d{6}\b")


def code_in(bodies: Sequence[str]) -> str | None:
    """Return the code in the newest text that has one; the newest text is the last."""
    found = (_CODE.search(body) for body in reversed(bodies))
    return next((code[0] for code in found if code), None)


async def follow_codes(http: httpx.AsyncClient, twilio_url: str, *, on_code: Callable[[str], Awaitable[None]]) -> None:
    """Tell each new code that the Twilio stand-in has been given to send, until cancelled."""
    last = None
    while True:
        state = await http.get(urljoin(twilio_url, "/control/state"))
        code = code_in([message["body"] for message in state.raise_for_status().json()["messages"]])
        if code is not None and code != last:
            last = code
            await on_code(code)
        await asyncio.sleep(_LOOK_SECS)
