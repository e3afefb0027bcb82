"""Tells whether a request was signed by Twilio over the URL that we published."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]  # the package ships no types

from telephony.urls import PublicUrls

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.datastructures import ImmutableMultiDict


class RequestSignatures:
    """Checks X-Twilio-Signature. Several secrets may be valid at once, so that they can be rotated."""

    def __init__(self, secrets: Sequence[str], public_base_url: str) -> None:
        if not secrets or not all(secrets):
            raise ValueError("at least one secret is needed to check signatures, and none may be empty")
        self._validators = tuple(RequestValidator(secret) for secret in secrets)
        self._urls = PublicUrls(public_base_url)

    def webhook_is_signed(
        self, path: str, query: str, form: ImmutableMultiDict[str, str], signature: str | None
    ) -> bool:
        """Check a POST. `form` must be a multi-dict: Twilio signs every value of a repeated field."""
        return self._is_signed([self._urls.webhook(path, query)], form, signature)

    def upgrade_is_signed(self, path: str, signature: str | None) -> bool:
        """Check the opening of a websocket, signed over the URL that the TwiML names."""
        url = self._urls.socket(path)
        return self._is_signed(_spellings(url), {}, signature)

    def _is_signed(
        self, urls: Sequence[str], form: ImmutableMultiDict[str, str] | dict[str, str], signature: str | None
    ) -> bool:
        if not signature:  # the validator raises a TypeError on None
            return False
        return any(validator.validate(url, form, signature) for validator in self._validators for url in urls)


def _spellings(url: str) -> list[str]:
    """Return the ways in which Twilio may spell a socket's URL when it signs: with a slash, with the port."""
    spellings = [url, f"{url}/"]
    scheme, rest = url.split("://", 1)
    host, _, path = rest.partition("/")
    if scheme == "wss" and ":" not in host:  # the validator would add :80, which is wrong for wss
        spellings += [f"wss://{host}:443/{path}", f"wss://{host}:443/{path}/"]
    return spellings
