"""Sends texts through Twilio, and finds out whether one went out."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from telephony.errors import TwilioUnclear
from telephony.urls import PublicUrls

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from telephony.rest import TwilioRest

_MOST_LISTED: Final = 100
_CLOCK_SKEW: Final = timedelta(minutes=1)


class Messages:
    """Texts from one number (or messaging service). Sending is not idempotent: `find` before sending again."""

    def __init__(self, rest: TwilioRest, *, from_: str, status_callback_base: str) -> None:
        """Send from `from_`; Twilio reports below `status_callback_base`, our public base URL."""
        self._rest = rest
        self._sender = {"messaging_service_sid": from_} if from_.startswith("MG") else {"from_": from_}
        self._urls = PublicUrls(status_callback_base)

    async def send(self, to: str, body: str, reference: str) -> str:
        """Send one text and return its `message_sid`. Its status is reported with `reference`.

        Raises:
            TwilioRefused: it will never be sent; code 21610 when the receiver has said STOP.
            TwilioNotDone: it was not sent; try again later.
            TwilioUnclear: it may have been sent.
        """
        message = await self._rest.client.messages.create_async(
            to=to, body=body, status_callback=self._urls.sms_status(reference), **self._sender
        )
        if not message.sid:
            raise TwilioUnclear("Twilio accepted a text and named no sid")
        return str(message.sid)

    async def find(self, to: str, body: str, since: datetime, *, other_than: Collection[str] = ()) -> str | None:
        """Return the `message_sid` of a text with this `body` that Twilio took since then, None when there is none.

        The list is not filtered by `DateSent`: a text that still waits in Twilio's queue has none.

        Args:
            other_than: Texts that are known to be something else.
        """
        earliest = since - _CLOCK_SKEW
        listed = await self._rest.client.messages.list_async(to=to, limit=_MOST_LISTED)
        for message in listed:
            # endswith: a trial account's texts are prefixed with a notice.
            is_same = (message.body or "").rstrip().endswith(body.rstrip())
            is_ours = str(message.direction).startswith("outbound")
            taken_at = message.date_created or message.date_sent
            is_recent = taken_at is not None and taken_at >= earliest
            if is_same and is_ours and is_recent and message.sid not in other_than:
                return str(message.sid)
        return None
