"""Where Cal.com delivers what happens to its bookings: taken when it is signed, kept, and worked through afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import structlog
from fastapi import APIRouter, HTTPException, Request
from sqlalchemy.exc import SQLAlchemyError

from calendars.calcom_deliveries import SIGNATURE_HEADER, MalformedDelivery, is_signed, read_delivery

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from appointments.listed_bookings import Delivery

log = structlog.get_logger(__name__)

WEBHOOK_PATH: Final = "/webhooks/calcom"
LARGEST_BODY_BYTES: Final = 256 * 1024
"""Some fifty times an ordinary delivery."""
KEPT: Final = {"status": "kept"}
IGNORED: Final = {"status": "ignored"}


def build_router(secret: str, *, keep: Callable[[Delivery], Awaitable[bool]]) -> APIRouter:
    """Return the route of deliveries that are signed with `secret`.

    Cal.com waits for the answer before it goes on, and delivers nothing twice: so a delivery is kept, and that is all.

    Args:
        keep: Keeps a delivery until it is worked through; returns False for one that it has had before.
    """
    router = APIRouter()

    @router.post(WEBHOOK_PATH)
    async def calcom(request: Request) -> dict[str, str]:
        body = await _signed_body(request, secret)
        try:
            delivery = read_delivery(body)
        except MalformedDelivery as error:
            log.error("delivery_malformed", reason=str(error))
            raise HTTPException(400, str(error)) from None
        if delivery is None:
            return IGNORED
        try:
            is_new = await keep(delivery)
        except SQLAlchemyError as error:
            # It is lost; what it was about is found when the calendar is asked what has changed.
            log.warning("delivery_not_kept", news=delivery.news.value, error=type(error).__name__)
            raise HTTPException(503, "the record cannot be written") from error
        log.info("delivery_received", news=delivery.news.value, booking_uid=delivery.booking_uid, is_new=is_new)
        return KEPT

    return router


async def _signed_body(request: Request, secret: str) -> bytes:
    signature = request.headers.get(SIGNATURE_HEADER)
    body = bytearray()
    if signature:
        async for chunk in request.stream():
            body += chunk
            if len(body) > LARGEST_BODY_BYTES:
                raise HTTPException(413, "the body is too large")
    if not is_signed(bytes(body), signature, secret):
        log.warning("delivery_refused", has_signature=bool(signature))
        raise HTTPException(403, "not signed with CALCOM_WEBHOOK_SECRET")
    return bytes(body)
