"""What Cal.com delivers: whose it is, and which booking it is about."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appointments.listed_bookings import News
from calendars.calcom_deliveries import TRIGGERS, MalformedDelivery, is_signed, read_delivery

SECRET = "a secret of thirty-two characters"
AT = "2026-12-01T14:00:00.000Z"


def a_body(trigger: str = "BOOKING_CREATED", **payload: Any) -> bytes:
    event = {"triggerEvent": trigger, "createdAt": AT, "payload": payload or {"uid": "bk_1"}}
    return json.dumps(event).encode()


def signature(body: bytes, secret: str = SECRET) -> str:
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def test_takes_what_is_signed_over_these_very_bytes() -> None:
    body = '{"payload": {"uid": "bk_1", "title": "Zoë \\u2603"}}'.encode()

    assert is_signed(body, signature(body), SECRET)
    assert not is_signed(body.replace(b" ", b""), signature(body), SECRET)


@pytest.mark.parametrize(
    "forged", [None, "", "no-secret-provided", "0" * 64, "é" * 64, signature(a_body(), "another secret, just as long")]
)
def test_refuses_every_other_signature(forged: str | None) -> None:
    assert not is_signed(a_body(), forged, SECRET)


def test_without_a_secret_nothing_is_signed() -> None:
    assert not is_signed(a_body(), signature(a_body(), ""), "")


@pytest.mark.parametrize(("trigger", "news"), TRIGGERS.items())
def test_reads_the_booking_of_every_trigger(trigger: str, news: News) -> None:
    delivery = read_delivery(a_body(trigger))

    assert delivery is not None
    assert (delivery.news, delivery.booking_uid) == (news, "bk_1")


def test_reads_a_flat_body() -> None:
    body = json.dumps({"triggerEvent": "MEETING_ENDED", "id": 7, "uid": "bk_1", "status": "ACCEPTED"}).encode()

    delivery = read_delivery(body)

    assert delivery is not None
    assert (delivery.news, delivery.booking_uid) == (News.ENDED, "bk_1")


def test_a_no_show_names_its_booking_otherwise() -> None:
    delivery = read_delivery(a_body("BOOKING_NO_SHOW_UPDATED", bookingUid="bk_1", attendees=[]))

    assert delivery is not None
    assert delivery.booking_uid == "bk_1"


@pytest.mark.parametrize("trigger", ["PING", "FORM_SUBMITTED", "OOO_CREATED", "MEETING_STARTED", "BOOKING_REOPENED"])
def test_other_triggers_are_of_no_interest(trigger: str) -> None:
    assert read_delivery(a_body(trigger, anything=1)) is None


def test_the_same_delivery_has_the_same_id_and_another_has_another() -> None:
    again, other = read_delivery(a_body()), read_delivery(a_body().replace(b"14:00", b"14:01"))

    assert read_delivery(a_body()) == again
    assert again != other


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"triggerEvent=BOOKING_CREATED&uid=bk_1",
        b"[]",
        b"null",
        b"[" * 100_000,
        a_body()[:-9],
        b'{"uid": "bk_1"}',
        b'{"triggerEvent": 7}',
        b'{"triggerEvent": "BOOKING_CREATED"}',
        b'{"triggerEvent": "BOOKING_CREATED", "payload": null, "uid": "bk_1"}',
        a_body(uid=7),
        a_body(uid="../me"),
        a_body(uid="x" * 1000),
        a_body(uid=""),
    ],
)
def test_what_is_no_delivery_of_cal_coms_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedDelivery):
        read_delivery(body)


@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(json.dumps).map(str.encode)
)
def test_whatever_comes_is_read_ignored_or_malformed(body: bytes) -> None:
    with contextlib.suppress(MalformedDelivery):
        read_delivery(body)
