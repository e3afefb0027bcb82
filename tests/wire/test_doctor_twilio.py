"""The doctor tries Twilio's credentials one by one and compares the business's numbers with the settings."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from agent.doctor.findings import Check, Finding, State, failed, ok
from agent.doctor.installation import Installation
from agent.doctor.twilio_account import check_twilio
from agent.settings import Settings
from tests.odd_services import answering
from tests.sessions import CLINIC
from tests.stand_ins import StandIn, serving_twilio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

WORKER = "https://phone.example.com"
WRONG = "0123456789abcdef0123456789abcdef"
REACHED = ok(Check.PUBLIC_URL, "slotline answers")
ALL = [
    Check.TWILIO_AUTH,
    Check.TWILIO_API_KEY,
    Check.TWILIO_ACCOUNT,
    Check.NUMBER,
    Check.VOICE_URL,
    Check.STATUS_CALLBACK,
    Check.SMS_NUMBER,
    Check.SMS_URL,
]


@pytest.fixture
async def twilio() -> AsyncIterator[StandIn]:
    async with serving_twilio() as stand_in:
        await stand_in.order("world", worker_url=WORKER)
        yield stand_in


async def findings(
    twilio: StandIn, *, broken: frozenset[str] = frozenset(), public_url: Finding = REACHED, **changes: Any
) -> list[Finding]:
    """Return what the doctor says of the stand-in, with some settings changed; `public_url` was found on the way."""

    async def way() -> list[Finding]:
        return [public_url]

    keys = twilio.credentials
    values = {
        "public_base_url": WORKER,
        "twilio_account_sid": keys.twilio_account_sid,
        "twilio_auth_token": keys.twilio_auth_token,
        "twilio_api_key_sid": keys.twilio_api_key_sid,
        "twilio_api_key_secret": keys.twilio_api_key_secret,
        "twilio_api_base_url": twilio.url,
        "openai_api_key": "-",
        "calcom_api_key": "-",
        "business_file": "-",
    }
    settings = Settings(_env_file=None, **(values | changes))  # type: ignore[call-arg]
    found = await check_twilio(Installation(settings, broken, business=CLINIC), asyncio.create_task(way()))
    assert found.index(public_url) < [finding.check for finding in found].index(Check.NUMBER)
    found.remove(public_url)
    told = "".join(finding.seen + finding.fix for finding in found)
    secrets = (keys.twilio_auth_token, keys.twilio_api_key_secret, WRONG)
    assert not any(secret in told for secret in secrets)
    return found


def states(found: list[Finding]) -> dict[Check, str]:
    return {finding.check: finding.state.value for finding in found}


async def test_an_account_that_is_set_up_is_fine(twilio: StandIn) -> None:
    found = await findings(twilio)

    assert [finding.check for finding in found] == ALL
    assert {finding.state for finding in found} == {State.OK}


async def test_an_account_without_an_api_key_is_fine(twilio: StandIn) -> None:
    found = await findings(twilio, twilio_api_key_sid="", twilio_api_key_secret="")

    assert [finding.check for finding in found] == [check for check in ALL if check is not Check.TWILIO_API_KEY]
    assert {finding.state for finding in found} == {State.OK}


async def test_a_wrong_token_hides_nothing_else(twilio: StandIn) -> None:
    found = await findings(twilio, twilio_auth_token=WRONG)

    assert found[0].seen == "TWILIO_AUTH_TOKEN was refused (401, Twilio's code 20003)"
    assert "Account → API keys & tokens" in found[0].fix
    assert states(found) == dict.fromkeys(ALL, "ok") | {
        Check.TWILIO_AUTH: "failed",
        Check.TWILIO_ACCOUNT: "skipped",
    }


async def test_a_wrong_api_key_hides_nothing_else(twilio: StandIn) -> None:
    found = await findings(twilio, twilio_api_key_secret=WRONG)

    assert twilio.credentials.twilio_api_key_sid in found[1].seen
    assert "both its SID and its secret" in found[1].fix
    assert states(found) == dict.fromkeys(ALL, "ok") | {Check.TWILIO_API_KEY: "failed"}


async def test_without_a_login_the_numbers_are_not_looked_up(twilio: StandIn) -> None:
    found = await findings(twilio, twilio_auth_token=WRONG, twilio_api_key_secret=WRONG)

    assert [finding.state.value for finding in found] == ["failed", "failed", *["skipped"] * 6]


async def test_a_token_that_has_been_rotated_out_is_a_warning(twilio: StandIn) -> None:
    token = twilio.credentials.twilio_auth_token
    old = await findings(twilio, twilio_auth_token=f"{token},{WRONG}")
    new = await findings(twilio, twilio_auth_token=f"{WRONG},{token}")

    assert states(old) == dict.fromkeys(ALL, "ok") | {Check.TWILIO_AUTH: "warning"}
    assert "place 2 of TWILIO_AUTH_TOKEN" in old[0].seen
    assert states(new) == dict.fromkeys(ALL, "ok") | {Check.TWILIO_AUTH: "failed"}


async def test_an_account_that_does_not_exist(twilio: StandIn) -> None:
    found = await findings(twilio, twilio_account_sid="AC" + "0" * 32)

    assert [finding.state.value for finding in found[:2]] == ["failed", "failed"]
    assert "Copy both the account SID and its auth token" in found[0].fix


@pytest.mark.parametrize(
    ("account", "state", "seen"),
    [
        ({"type": "Trial"}, "warning", "texts verified numbers only"),
        ({"status": "suspended"}, "failed", "is suspended"),
    ],
)
async def test_the_state_of_the_account_is_told(
    twilio: StandIn, account: dict[str, str], state: str, seen: str
) -> None:
    await twilio.order("world", worker_url=WORKER, account=account)
    (found,) = (finding for finding in await findings(twilio) if finding.check is Check.TWILIO_ACCOUNT)

    assert found.state.value == state
    assert seen in found.seen


async def test_the_number_of_another_business(twilio: StandIn) -> None:
    await twilio.order("world", numbers=[{"phone_number": "+14155550111", "voice_url": f"{WORKER}/twilio/voice"}])
    found = await findings(twilio)

    assert states(found)[Check.NUMBER] == "failed"
    assert states(found)[Check.SMS_NUMBER] == "failed"


async def test_a_number_as_it_was_bought(twilio: StandIn) -> None:
    await twilio.order("world", numbers=[{"phone_number": CLINIC.number, "sms": False}])
    found = await findings(twilio)

    assert states(found) == dict.fromkeys(ALL, "ok") | {
        Check.VOICE_URL: "failed",
        Check.STATUS_CALLBACK: "warning",
        Check.SMS_NUMBER: "failed",
        Check.SMS_URL: "warning",
    }


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"voice_method": "GET"},
        {"trunk_sid": "TK" + "0" * 32},
        {"voice_application_sid": "AP" + "0" * 32},
        {"voice_receive_mode": "fax"},
    ],
)
async def test_a_number_whose_webhook_is_not_used(twilio: StandIn, elsewhere: dict[str, str]) -> None:
    number = {"phone_number": CLINIC.number, "voice_url": f"{WORKER}/twilio/voice", **elsewhere}
    await twilio.order("world", numbers=[number])

    assert states(await findings(twilio))[Check.VOICE_URL] == "failed"


async def test_a_number_that_still_calls_an_old_address(twilio: StandIn) -> None:
    await twilio.order("world", worker_url="https://old.example.com")
    found = {finding.check: finding for finding in await findings(twilio)}

    assert found[Check.VOICE_URL].state is State.FAILED
    assert "https://old.example.com/twilio/voice" in found[Check.VOICE_URL].seen


async def test_where_the_worker_is_not_reached_the_numbers_depend_on_that(twilio: StandIn) -> None:
    nobody = failed(Check.PUBLIC_URL, "refuses connections", "Start it.")
    found = await findings(twilio, public_url=nobody, public_base_url=f"{WORKER}:9999")
    voice_url = next(finding for finding in found if finding.check is Check.VOICE_URL)

    assert voice_url.state is State.FAILED
    assert voice_url.fix.startswith("Put public_url above right first: the mistake may be in PUBLIC_BASE_URL.")
    assert f"'A call comes in' to {WORKER}:9999/twilio/voice" in voice_url.fix


async def test_half_an_api_key_leaves_the_rest_to_the_auth_token(twilio: StandIn) -> None:
    half = frozenset({"twilio_api_key_sid", "twilio_api_key_secret"})
    found = await findings(twilio, broken=half, twilio_api_key_sid="", twilio_api_key_secret="")

    assert [finding.check for finding in found] == ALL
    assert states(found) == dict.fromkeys(ALL, "ok") | {Check.TWILIO_API_KEY: "skipped"}


async def test_a_twilio_that_cannot_be_reached_is_told_once(twilio: StandIn) -> None:
    found = await findings(twilio, twilio_api_base_url="http://127.0.0.1:1")

    assert [finding.state.value for finding in found] == ["failed", *["skipped"] * 7]
    assert "127.0.0.1:1" in found[0].seen
    assert "https://status.twilio.com" in found[0].fix


@pytest.mark.parametrize(
    ("kind", "states"),
    [
        ("error_500", ["failed", *["skipped"] * 7]),
        ("drop_before", ["failed", *["skipped"] * 7]),
        ("rate_limited", ["warning", *["skipped"] * 7]),
    ],
)
async def test_a_twilio_that_fails_is_told(twilio: StandIn, kind: str, states: list[str]) -> None:
    await twilio.break_down("any", kind, times=100)

    assert [finding.state.value for finding in await findings(twilio)] == states


@pytest.mark.parametrize(
    ("status", "code", "seen"),
    [(403, 20008, "Twilio's test credentials"), (404, 20404, "knows no such account")],
)
async def test_refusals_of_other_kinds(twilio: StandIn, status: int, code: int, seen: str) -> None:
    body = {"code": code, "message": "no", "status": status}
    async with answering(lambda _request: web.json_response(body, status=status)) as url:
        found = await findings(twilio, twilio_api_base_url=url)

    assert found[0].state is State.FAILED
    assert seen in found[0].seen


@pytest.mark.parametrize("body", [{"ok": True}, {"incoming_phone_numbers": None, "messages": []}, []])
async def test_answers_that_are_not_twilios_are_told(twilio: StandIn, body: object) -> None:
    async with answering(lambda _request: web.json_response(body)) as url:
        found = await findings(twilio, twilio_api_base_url=url)

    assert State.FAILED in {finding.state for finding in found}
