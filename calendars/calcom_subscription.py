"""Has Cal.com deliver what happens to its bookings: one webhook for one address, whoever made it and how often."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import structlog
from pydantic import BaseModel, Field

from appointments.errors import CalendarUnavailable
from calendars.calcom_deliveries import TRIGGERS
from calendars.calcom_requests import rejected
from calendars.calcom_wire import data_of, null_as, read
from calendars.client import Refusal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from calendars.client import ServiceClient

log = structlog.get_logger(__name__)

PAGE = 250
NO_HEADERS: Mapping[str, str] = {}
"""Every version of the API has the same webhooks."""


class _Webhook(BaseModel):
    id: str | int
    url: Annotated[str, null_as(str), Field(alias="subscriberUrl")] = ""
    triggers: Annotated[list[str], null_as(list)] = []
    is_active: Annotated[bool | None, Field(alias="active")] = False
    template: Annotated[str, null_as(str), Field(alias="payloadTemplate")] = ""
    secret: str | None = None


class CalComSubscription:
    """The webhooks of one Cal.com account."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    async def subscribe(self, url: str, *, secret: str) -> None:
        """Have everything that matters delivered to `url`, signed with `secret`; harmless to repeat.

        Raises:
            CalendarUnavailable: Cal.com does not answer.
            CalendarRejected: it does not allow it; says why.
        """
        wanted = {"subscriberUrl": url, "triggers": [*TRIGGERS], "active": True, "secret": secret}
        try:
            if not await self._of(url) and await self._is_made(wanted):
                log.info("calcom_subscribed", url=url)
                return
            # Two workers may have made one each before Cal.com could refuse the second.
            found = sorted(await self._of(url), key=lambda webhook: str(webhook.id))
            if not found:
                raise CalendarUnavailable(f"Cal.com says that there is a webhook for {url}, and lists none")
            first, *others = found
            for webhook in others:
                await self._client.delete(f"/v2/webhooks/{webhook.id}", headers=NO_HEADERS)
            if not _is_as_wanted(first, wanted):
                more = {"payloadTemplate": None} if first.template else {}
                await self._client.patch(f"/v2/webhooks/{first.id}", body={**wanted, **more}, headers=NO_HEADERS)
                log.info("calcom_subscription_renewed", url=url)
        except Refusal as refusal:
            raise rejected(refusal) from None

    async def _is_made(self, wanted: Mapping[str, Any]) -> bool:
        """Make the webhook; False when another worker was quicker."""
        try:
            await self._client.post("/v2/webhooks", body=wanted, headers=NO_HEADERS)
        except Refusal as refusal:
            if refusal.status == 409:
                return False
            raise
        return True

    async def _of(self, url: str) -> Sequence[_Webhook]:
        found: list[_Webhook] = []
        while True:
            params = {"take": str(PAGE), "skip": str(len(found))}
            body = await self._client.get("/v2/webhooks", params=params, headers=NO_HEADERS)
            page = read(list[_Webhook], data_of(body))
            found += page
            if len(page) < PAGE:
                return [webhook for webhook in found if webhook.url == url]


def _is_as_wanted(webhook: _Webhook, wanted: Mapping[str, Any]) -> bool:
    """Claim that nothing has to be changed. Where Cal.com does not show the secret, it may be an old one."""
    return (
        webhook.is_active is True
        and not webhook.template
        and set(webhook.triggers) == set(wanted["triggers"])
        and webhook.secret == wanted["secret"]
    )
