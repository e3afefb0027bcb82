"""What Cal.com's webhooks deliver: whether a delivery is Cal.com's, and which booking it is about."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from typing import TYPE_CHECKING, Any, Final

from appointments.listed_bookings import Delivery, News
from appointments.model import BookingUid

if TYPE_CHECKING:
    from collections.abc import Mapping

SIGNATURE_HEADER: Final = "x-cal-signature-256"

TRIGGERS: Final[Mapping[str, News]] = {
    "BOOKING_CREATED": News.CHANGED,
    "BOOKING_REQUESTED": News.CHANGED,
    "BOOKING_RESCHEDULED": News.CHANGED,
    "BOOKING_PAYMENT_INITIATED": News.CHANGED,
    "BOOKING_PAID": News.CHANGED,
    "BOOKING_NO_SHOW_UPDATED": News.CHANGED,
    "BOOKING_CANCELLED": News.CANCELLED,
    "BOOKING_REJECTED": News.REJECTED,
    "MEETING_ENDED": News.ENDED,
}
"""What is subscribed to, and what each says; all else that Cal.com may send is of no interest."""

_UID: Final = re.compile(r"[\w.@:-]{1,200}", re.ASCII)


class MalformedDelivery(ValueError):
    """A delivery that is signed and yet none of Cal.com's; says in which way."""


def is_signed(body: bytes, signature: str | None, secret: str) -> bool:
    """Claim that Cal.com has signed these very bytes with `secret`.

    A webhook without a secret is delivered with ``no-secret-provided`` for a signature: that is nobody's.
    """
    expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return bool(secret) and hmac.compare_digest(expected.encode(), (signature or "").encode())


def read_delivery(body: bytes) -> Delivery | None:
    """Return what a signed `body` delivers, None when it is of no interest.

    Raises:
        MalformedDelivery: it has no shape of Cal.com's.
    """
    event = _object(body)
    trigger = event.get("triggerEvent")
    if not isinstance(trigger, str) or not trigger:
        raise MalformedDelivery("it names no triggerEvent: the webhook must have no payload template")
    news = TRIGGERS.get(trigger)
    if news is None:
        return None
    uid = _booking_uid(event)
    if uid is None:
        raise MalformedDelivery(f"{trigger} names no booking")
    # Cal.com numbers no deliveries, and each names the moment of its event: equal bodies are one delivery.
    return Delivery(hashlib.sha256(body).hexdigest(), news, uid)


def _object(body: bytes) -> dict[str, Any]:
    try:
        event = json.loads(body)
    except (ValueError, RecursionError):
        raise MalformedDelivery("it is not JSON") from None
    if not isinstance(event, dict):
        raise MalformedDelivery("it is no object")
    return event


def _booking_uid(event: Mapping[str, Any]) -> BookingUid | None:
    """Return the uid of the booking; scheduled triggers have the booking's fields beside the trigger, no `payload`."""
    payload = event.get("payload", event)
    if not isinstance(payload, dict):
        return None
    # A no-show names its booking in a way of its own.
    uid = payload.get("uid") or payload.get("bookingUid")
    return BookingUid(uid) if isinstance(uid, str) and _UID.fullmatch(uid) else None
