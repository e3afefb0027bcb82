"""Twilio's signatures: what is accepted as signed, and what is not."""

from __future__ import annotations

import pytest
from starlette.datastructures import ImmutableMultiDict
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]  # the package ships no types

from telephony.signature import RequestSignatures

SECRET = "0123456789abcdef0123456789abcdef"
OTHER_SECRET = "fedcba9876543210fedcba9876543210"
BASE = "https://phone.example.com"
FORM = ImmutableMultiDict([("CallSid", "CA" + "1" * 32), ("From", "+14155550123"), ("Note", "a b&c")])


def sign(url: str, form: ImmutableMultiDict[str, str] | None = None, secret: str = SECRET) -> str:
    return str(RequestValidator(secret).compute_signature(url, form or {}))


def test_a_form_signed_over_the_public_url_is_accepted() -> None:
    signatures = RequestSignatures([SECRET], BASE)
    assert signatures.webhook_is_signed("/twilio/voice", "", FORM, sign(f"{BASE}/twilio/voice", FORM))


def test_the_base_url_may_end_with_a_slash() -> None:
    signatures = RequestSignatures([SECRET], f"{BASE}/")
    assert signatures.webhook_is_signed("/twilio/voice", "", FORM, sign(f"{BASE}/twilio/voice", FORM))


def test_the_query_is_part_of_what_is_signed() -> None:
    signatures = RequestSignatures([SECRET], BASE)
    signature = sign(f"{BASE}/twilio/sms-status?o=42", FORM)
    assert signatures.webhook_is_signed("/twilio/sms-status", "o=42", FORM, signature)
    assert not signatures.webhook_is_signed("/twilio/sms-status", "o=43", FORM, signature)
    assert not signatures.webhook_is_signed("/twilio/sms-status", "", FORM, signature)


def test_every_value_of_a_repeated_field_counts() -> None:
    signatures = RequestSignatures([SECRET], BASE)
    repeated = ImmutableMultiDict([("MediaUrl", "a"), ("MediaUrl", "b")])
    signature = sign(f"{BASE}/twilio/sms", repeated)
    assert signatures.webhook_is_signed("/twilio/sms", "", repeated, signature)
    assert not signatures.webhook_is_signed("/twilio/sms", "", ImmutableMultiDict([("MediaUrl", "b")]), signature)


@pytest.mark.parametrize("signature", [None, "", "AAAA", "ä" * 28, sign(f"{BASE}/twilio/voice", FORM, OTHER_SECRET)])
def test_a_missing_or_forged_signature_is_refused(signature: str | None) -> None:
    assert not RequestSignatures([SECRET], BASE).webhook_is_signed("/twilio/voice", "", FORM, signature)


def test_a_tampered_form_is_refused() -> None:
    tampered = ImmutableMultiDict([("CallSid", "CA" + "2" * 32)])
    signature = sign(f"{BASE}/twilio/voice", FORM)
    assert not RequestSignatures([SECRET], BASE).webhook_is_signed("/twilio/voice", "", tampered, signature)


def test_any_of_several_secrets_is_accepted_while_they_are_rotated() -> None:
    signatures = RequestSignatures([OTHER_SECRET, SECRET], BASE)
    for secret in (SECRET, OTHER_SECRET):
        signature = sign(f"{BASE}/twilio/voice", FORM, secret)
        assert signatures.webhook_is_signed("/twilio/voice", "", FORM, signature)


@pytest.mark.parametrize("secrets", [[], [""], [SECRET, ""]])
def test_an_empty_secret_is_no_secret(secrets: list[str]) -> None:
    with pytest.raises(ValueError, match="secret"):
        RequestSignatures(secrets, BASE)


@pytest.mark.parametrize(
    "signed",
    [
        "wss://phone.example.com/twilio/media",
        "wss://phone.example.com/twilio/media/",
        "wss://phone.example.com:443/twilio/media",
        "wss://phone.example.com:443/twilio/media/",
    ],
)
def test_an_upgrade_may_be_signed_in_each_of_twilios_spellings(signed: str) -> None:
    assert RequestSignatures([SECRET], BASE).upgrade_is_signed("/twilio/media", sign(signed))


@pytest.mark.parametrize(
    "signed",
    ["https://phone.example.com/twilio/media", "wss://evil.example.com/twilio/media", "wss://phone.example.com/"],
)
def test_an_upgrade_signed_over_another_url_is_refused(signed: str) -> None:
    assert not RequestSignatures([SECRET], BASE).upgrade_is_signed("/twilio/media", sign(signed))


def test_on_loopback_the_socket_is_ws_with_its_port() -> None:
    signatures = RequestSignatures([SECRET], "http://127.0.0.1:8080")
    assert signatures.upgrade_is_signed("/twilio/media", sign("ws://127.0.0.1:8080/twilio/media"))


@pytest.mark.parametrize("base_url", ["phone.example.com", "ftp://phone.example.com", "https://", "https://a/?b=c"])
def test_a_base_url_that_cannot_be_signed_over_is_refused(base_url: str) -> None:
    with pytest.raises(ValueError, match="public base URL"):
        RequestSignatures([SECRET], base_url)
