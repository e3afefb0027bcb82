"""Twilio's request signature, written from its documentation: the worker checks it with Twilio's own package."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

SIGNATURE_HEADER = "X-Twilio-Signature"


def sign(auth_token: str, url: str, params: Mapping[str, str]) -> str:
    """Return the signature of a request to `url` with these form fields; a websocket's upgrade has none.

    https://www.twilio.com/docs/usage/security#validating-requests
    """
    signed = url + "".join(name + params[name] for name in sorted(params))
    # SHA-1 is what Twilio signs with; as a keyed HMAC it is still sound.
    digest = hmac.new(auth_token.encode(), signed.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()
