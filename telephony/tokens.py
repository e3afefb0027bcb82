"""The tokens that tie a media stream, and what its parameters say, to the call whose TwiML named it."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from telephony.errors import BadToken

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_LIFETIME: Final = timedelta(seconds=120)
_SHORTEST_SECRET_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class TokenClaim:
    """What a valid token says. Whoever checks it records `token_id` until `expires`, so that it works once."""

    token_id: str
    expires: datetime


class StreamTokens:
    """Mints and checks tokens. Any process with the same secret can check what another has minted."""

    def __init__(self, secret: bytes, *, clock: Callable[[], datetime]) -> None:
        if len(secret) < _SHORTEST_SECRET_BYTES:
            raise ValueError(f"the secret of stream tokens needs at least {_SHORTEST_SECRET_BYTES} bytes")
        self._secret = secret
        self._clock = clock

    def mint(self, call_sid: str, parameters: Mapping[str, str]) -> str:
        """Return a token for a stream of `call_sid` with these other parameters, good for two minutes."""
        expires = int((self._clock() + _LIFETIME).timestamp())
        claim = f"{secrets.token_urlsafe(12)}.{expires}"
        return f"{claim}.{self._sign(claim, call_sid, parameters)}"

    def check(self, token: str, call_sid: str, parameters: Mapping[str, str]) -> TokenClaim:
        """Return what `token` claims.

        Raises:
            BadToken: it was not minted by us for `call_sid` with these parameters, or it is too old.
        """
        claim, _, signature = token.rpartition(".")
        expected = self._sign(claim, call_sid, parameters)
        # Bytes, because compare_digest refuses text that is not ASCII.
        if not hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace")):
            raise BadToken("the token was not minted for this call")
        token_id, _, expires_at = claim.rpartition(".")
        expires = datetime.fromtimestamp(int(expires_at), UTC)
        if self._clock() >= expires:
            raise BadToken("the token has expired")
        return TokenClaim(token_id, expires)

    def _sign(self, claim: str, call_sid: str, parameters: Mapping[str, str]) -> str:
        # Nothing is said by a parameter without a value, so it makes no difference whether one arrives.
        said = sorted((name, value) for name, value in parameters.items() if value)
        message = json.dumps([claim, call_sid, said]).encode()
        return hmac.new(self._secret, message, hashlib.sha256).hexdigest()
