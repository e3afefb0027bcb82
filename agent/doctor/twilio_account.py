"""Whether Twilio takes the auth token and the API key, and what state the account is in."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from agent.doctor.findings import Check, Finding, State, failed, ok, skipped, warning
from agent.doctor.numbers import NUMBER_CHECKS, check_numbers
from agent.doctor.services import REQUEST_SECS, host_of, reach_help
from telephony.errors import TwilioError, TwilioRefused, TwilioThrottled
from telephony.numbers import check_key, read_account
from telephony.rest import TwilioRest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from agent.doctor.installation import Installation
    from agent.settings import Settings
    from telephony.numbers import Account

_KEYS = "Twilio Console → Account → API keys & tokens"
_STATUS = "https://status.twilio.com"
_FORBIDDEN = 403
_NOT_FOUND = 404
_TEST_CREDENTIALS = 20008
"""Twilio's code for what its test credentials may not do, which is nearly everything."""


@dataclass(frozen=True, slots=True)
class _Login:
    """A pair of credentials: an auth token, or the API key."""

    rest: TwilioRest
    is_token: bool


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What came of trying a login. Only a token tells the account."""

    login: _Login
    account: Account | None = None
    error: TwilioError | None = None


async def check_twilio(installation: Installation, way: asyncio.Task[list[Finding]]) -> list[Finding]:
    """Look at the account, and at where its numbers send calls and texts.

    Args:
        way: What is found on the way from Twilio to the worker. It is told before the numbers, which it may explain.
    """
    if why := installation.lacks("twilio_account_sid", "twilio_auth_token", "twilio_api_base_url"):
        account = [skipped(check, why) for check in (Check.TWILIO_AUTH, Check.TWILIO_ACCOUNT)]
        return [*account, *await way, *(skipped(check, why) for check in NUMBER_CHECKS)]
    settings = installation.settings
    assert settings is not None
    async with AsyncExitStack() as closing:
        logins = _logins(settings)
        for login in logins:
            closing.push_async_callback(login.rest.aclose)
        outcomes = await asyncio.gather(*map(_try, logins))
        account = _judge(outcomes, settings, installation.lacks("twilio_api_key_sid", "twilio_api_key_secret"))
        good = next((outcome.login.rest for outcome in outcomes if outcome.error is None), None)
        is_reached = (Check.PUBLIC_URL, State.FAILED) not in {(finding.check, finding.state) for finding in await way}
        return [*account, *await way, *await check_numbers(installation, good, is_reached=is_reached)]


def _logins(settings: Settings) -> list[_Login]:
    sid, key_sid = settings.twilio_account_sid, settings.twilio_api_key_sid
    logins = [_Login(_client(settings, sid, token), is_token=True) for token in settings.twilio_auth_tokens]
    if key_sid:
        secret = settings.twilio_api_key_secret.get_secret_value()
        logins.append(_Login(_client(settings, key_sid, secret), is_token=False))
    return logins


def _client(settings: Settings, username: str, password: str) -> TwilioRest:
    return TwilioRest(
        account_sid=settings.twilio_account_sid,
        username=username,
        password=password,
        base_url=settings.twilio_api_base_url,
        timeout=timedelta(seconds=REQUEST_SECS),
    )


async def _try(login: _Login) -> _Outcome:
    try:
        if login.is_token:
            return _Outcome(login, account=await read_account(login.rest))
        await check_key(login.rest)
    except TwilioError as error:
        return _Outcome(login, error=error)
    return _Outcome(login)


def _judge(outcomes: Sequence[_Outcome], settings: Settings, why_no_key: str) -> list[Finding]:
    tokens = [outcome for outcome in outcomes if outcome.login.is_token]
    keys = [_judge_key(each, settings, tokens[0].error) for each in outcomes if not each.login.is_token]
    if why_no_key:
        keys = [skipped(Check.TWILIO_API_KEY, why_no_key)]
    account = next((outcome.account for outcome in tokens if outcome.account is not None), None)
    return [*_judge_tokens(tokens, settings), *keys, _judge_account(account, settings)]


def _judge_tokens(outcomes: Sequence[_Outcome], settings: Settings) -> list[Finding]:
    """Say what became of each token. While they are being rotated one may be refused, if it is not the first."""
    if all(outcome.error is None for outcome in outcomes):
        return [ok(Check.TWILIO_AUTH, f"TWILIO_AUTH_TOKEN is accepted by {host_of(settings.twilio_api_base_url)}")]
    findings = []
    for place, outcome in enumerate(outcomes, start=1):
        if outcome.error is None:
            continue
        name = "TWILIO_AUTH_TOKEN" if len(outcomes) == 1 else f"the token in place {place} of TWILIO_AUTH_TOKEN"
        fix = (
            f"Copy both the account SID and its auth token from {_KEYS}. Twilio signs its requests with this token, "
            "so with another one every call is refused. A suspended account is refused too: its console says so."
        )
        if place > 1:
            rotated = "Take it out of TWILIO_AUTH_TOKEN if the rotation is over."
            findings.append(warning(Check.TWILIO_AUTH, _seen(name, outcome.error, settings), rotated))
        else:
            findings.append(_refused(Check.TWILIO_AUTH, name, outcome.error, settings, fix))
    return findings


def _judge_key(outcome: _Outcome, settings: Settings, token_error: TwilioError | None) -> Finding:
    name = f"TWILIO_API_KEY_SID {settings.twilio_api_key_sid}"
    error = outcome.error
    if not isinstance(error, TwilioRefused | None) and not isinstance(token_error, TwilioRefused | None):
        return skipped(Check.TWILIO_API_KEY, "not tried: Twilio could not be asked")
    if error is None:
        return ok(Check.TWILIO_API_KEY, f"{name} and its secret are accepted")
    if isinstance(error, TwilioRefused) and error.status == _FORBIDDEN:
        fix = f"Give it the right to read messages, or make a standard key: {_KEYS}."
        seen = f"{name} may not read messages (403), so a text whose sending was unclear is not found again"
        return warning(Check.TWILIO_API_KEY, seen, fix)
    fix = f"Create a key and copy both its SID and its secret, which is shown once: {_KEYS}. Its region must be US1."
    return _refused(Check.TWILIO_API_KEY, name, error, settings, fix)


def _judge_account(account: Account | None, settings: Settings) -> Finding:
    if account is None:
        return skipped(Check.TWILIO_ACCOUNT, "not looked at: that takes the auth token")
    seen = f"{settings.twilio_account_sid} is {account.status}"
    if account.status != "active":
        fix = "The Twilio Console says why and what to do; until then there are neither calls nor texts."
        return failed(Check.TWILIO_ACCOUNT, seen, fix)
    if account.is_trial:
        seen = f"{seen}, on trial: it texts verified numbers only, and its calls begin with a notice"
        return warning(Check.TWILIO_ACCOUNT, seen, "Upgrade it under Twilio Console → Billing.")
    return ok(Check.TWILIO_ACCOUNT, seen)


def _refused(check: Check, name: str, error: TwilioError, settings: Settings, fix: str) -> Finding:
    seen = _seen(name, error, settings)
    if isinstance(error, TwilioRefused):
        if error.code == _TEST_CREDENTIALS:
            return failed(check, f"{name} belongs to Twilio's test credentials", f"Use the live ones: {_KEYS}.")
        if error.status == _NOT_FOUND:
            fix = "Correct TWILIO_ACCOUNT_SID, or unset TWILIO_API_BASE_URL."
            return failed(check, f"{host_of(settings.twilio_api_base_url)} knows no such account (404)", fix)
        return failed(check, seen, fix)
    if isinstance(error, TwilioThrottled):
        return warning(check, seen, "Run this again in a minute.")
    return failed(check, seen, reach_help(settings.twilio_api_base_url, "TWILIO_API_BASE_URL", _STATUS))


def _seen(name: str, error: TwilioError, settings: Settings) -> str:
    if isinstance(error, TwilioRefused):
        return f"{name} was refused ({error.status}, Twilio's code {error.code})"
    return f"{name} could not be tried at {host_of(settings.twilio_api_base_url)}: {error}"
