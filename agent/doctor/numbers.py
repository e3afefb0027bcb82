"""Whether the business's numbers are the account's, and send their calls and texts to this worker."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from agent.doctor.findings import Check, Finding, failed, ok, skipped, warning
from telephony.errors import TwilioError
from telephony.numbers import find_number
from telephony.urls import SMS_PATH, STATUS_PATH, VOICE_PATH, PublicUrls

if TYPE_CHECKING:
    from agent.doctor.installation import Installation
    from appointments.model import Business
    from telephony.numbers import IncomingNumber, Webhook
    from telephony.rest import TwilioRest

NUMBER_CHECKS = (Check.NUMBER, Check.VOICE_URL, Check.STATUS_CALLBACK, Check.SMS_NUMBER, Check.SMS_URL)
_CONSOLE = "Twilio Console → Phone Numbers → Manage → Active numbers"
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class _Expected:
    """Where something that happens to a number should be sent, where the console keeps it, and what else happens."""

    check: Check
    path: str
    what: str
    section: str
    field: str
    harm: str
    is_fatal: bool = False


_VOICE = _Expected(
    Check.VOICE_URL,
    VOICE_PATH,
    "calls",
    "Voice Configuration",
    "A call comes in",
    "so callers do not reach this worker",
    is_fatal=True,
)
_STATUS = _Expected(
    Check.STATUS_CALLBACK,
    STATUS_PATH,
    "the status of calls",
    "Voice Configuration",
    "Call status changes",
    "so a call that breaks off early counts as open for a while, and a caller may have only two",
)
_SMS = _Expected(
    Check.SMS_URL,
    SMS_PATH,
    "incoming texts",
    "Messaging Configuration",
    "A message comes in",
    "so nobody's STOP reaches this worker, and it promises texts that Twilio refuses",
)


async def check_numbers(installation: Installation, rest: TwilioRest | None, *, is_reached: bool) -> list[Finding]:
    """Look up the numbers and compare where they lead with PUBLIC_BASE_URL.

    Args:
        rest: None when no login was accepted.
        is_reached: Claims that slotline answers at PUBLIC_BASE_URL.
    """
    why = installation.lacks(business=True) or ("" if rest else "not looked up: Twilio accepted no login")
    if why or rest is None or installation.business is None:
        return [skipped(check, why) for check in NUMBER_CHECKS]
    business = installation.business
    try:
        number, sender = await asyncio.gather(
            find_number(rest, business.number), find_number(rest, business.sms_from or business.number)
        )
    except TwilioError as error:
        fix = "Run this again; if it stays so, give the API key the right to read phone numbers."
        skips = [skipped(check, "not compared: the numbers could not be looked up") for check in NUMBER_CHECKS[1:]]
        return [failed(Check.NUMBER, f"{business.number} could not be looked up: {error}", fix), *skips]
    assert installation.settings is not None
    is_known = not installation.lacks("public_base_url")
    urls = PublicUrls(installation.settings.public_base_url) if is_known else None
    return [
        *judge_calls(business, number, urls, is_reached=is_reached),
        *judge_texts(business, sender, urls, is_reached=is_reached),
    ]


def judge_calls(
    business: Business, number: IncomingNumber | None, urls: PublicUrls | None, *, is_reached: bool = True
) -> list[Finding]:
    """Return whether callers reach this worker."""
    if number is None:
        fix = f"Write one of the account's numbers in `number` of the business file: {_CONSOLE}."
        why = f"not compared: the account has no {business.number}"
        missing = failed(Check.NUMBER, f"{business.number} is no number of this account", fix)
        return [missing, skipped(_VOICE.check, why), skipped(_STATUS.check, why)]
    if number.takes_calls:
        owned = ok(Check.NUMBER, f"{number.number} is the account's and takes calls")
    else:
        fix = f"Write a number that has Voice in `number` of the business file: {_CONSOLE}."
        owned = failed(Check.NUMBER, f"{number.number} takes no calls", fix)
    ends = ((_VOICE, number.voice), (_STATUS, number.status))
    return [owned, *(_compare(expected, number, webhook, urls, is_reached) for expected, webhook in ends)]


def judge_texts(
    business: Business, sender: IncomingNumber | None, urls: PublicUrls | None, *, is_reached: bool = True
) -> list[Finding]:
    """Return whether texts can go out, and whether what comes back reaches this worker."""
    name = business.sms_from or business.number
    key = "`sms_from`" if business.sms_from else "`sms_from`, or another `number`,"
    fix = f"Write one of the account's numbers that has SMS as {key} in the business file: {_CONSOLE}."
    if sender is None:
        missing = failed(Check.SMS_NUMBER, f"{name} is no number of this account, so no text goes out", fix)
        return [missing, skipped(_SMS.check, f"not compared: the account has no {name}")]
    if sender.takes_texts:
        owned = ok(Check.SMS_NUMBER, f"{sender.number} is the account's and sends texts")
    else:
        owned = failed(Check.SMS_NUMBER, f"{sender.number} sends no texts", fix)
    return [owned, _compare(_SMS, sender, sender.sms, urls, is_reached)]


def _compare(
    expected: _Expected, number: IncomingNumber, webhook: Webhook, urls: PublicUrls | None, is_reached: bool
) -> Finding:
    if urls is None:
        return skipped(expected.check, "not compared: PUBLIC_BASE_URL must be put right first")
    url = urls.webhook(expected.path)
    actual = _elsewhere(webhook, url)
    if not actual:
        return ok(expected.check, f"{number.number} sends {expected.what} to {url}")
    seen = f"{number.number} sends {expected.what} {actual}, not to {url}, {expected.harm}"
    fix = (
        f"{_CONSOLE} → {number.number} → {expected.section}: configure with Webhook, "
        f"and set '{expected.field}' to {url}, HTTP POST."
    )
    if not is_reached:
        fix = f"Put public_url above right first: the mistake may be in PUBLIC_BASE_URL. If that is right: {fix}"
    return failed(expected.check, seen, fix) if expected.is_fatal else warning(expected.check, seen, fix)


def _elsewhere(webhook: Webhook, expected_url: str) -> str:
    """Say where it goes, "" when that is the expected place."""
    if webhook.instead:
        return f"to {webhook.instead}"
    if not webhook.url:
        return "nowhere"
    is_same = _place(webhook.url) == _place(expected_url)
    if webhook.method != "POST":
        return f"by {webhook.method} to {_without_secrets(webhook.url)}"
    return "" if is_same else f"to {_without_secrets(webhook.url)}"


def _place(url: str) -> tuple[str, str | None, int | None, str]:
    """Return what has to be equal. A fragment tells Twilio how to connect; a query is signed and passed on."""
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname, parts.port or _DEFAULT_PORTS.get(parts.scheme), parts.path
    except ValueError:  # no URL at all
        return "", None, None, url


def _without_secrets(url: str) -> str:
    """Return `url` without its user, password, query and fragment."""
    head = url.partition("?")[0].partition("#")[0]
    scheme, separator, rest = head.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path}"
