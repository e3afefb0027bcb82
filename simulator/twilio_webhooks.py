"""Requests of the stand-in Twilio to webhooks of the worker, signed as Twilio signs them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp

from simulator.signing import SIGNATURE_HEADER, sign

if TYPE_CHECKING:
    from collections.abc import Mapping

_TIMEOUT = aiohttp.ClientTimeout(total=15)


async def post_signed(auth_token: str, url: str, form: Mapping[str, str]) -> tuple[int, str]:
    """Post `form` to a webhook as Twilio does, and return the answer's status and text.

    Raises:
        aiohttp.ClientError, TimeoutError: nobody answered.
    """
    headers = {SIGNATURE_HEADER: sign(auth_token, url, form)}
    async with (
        aiohttp.ClientSession(timeout=_TIMEOUT) as http,
        http.post(url, data=form, headers=headers, allow_redirects=False) as answer,
    ):
        return answer.status, await answer.text()
