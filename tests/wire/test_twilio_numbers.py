"""What Twilio says of accounts and numbers is understood, and the stand-in says it as Twilio's contract has it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from telephony.errors import TwilioRefused
from telephony.numbers import Account, IncomingNumber, Webhook, find_number, read_account
from telephony.rest import TwilioRest
from tests.contract import ContractProxy, load
from tests.stand_ins import serving_twilio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.stand_ins import StandIn

NUMBER = "+14155550100"


@pytest.fixture
async def twilio() -> AsyncIterator[StandIn]:
    async with serving_twilio() as stand_in:
        yield stand_in


@pytest.fixture
async def rest(twilio: StandIn) -> AsyncIterator[TwilioRest]:
    keys = twilio.credentials
    made = client(twilio.url, keys.twilio_account_sid, keys.twilio_account_sid, keys.twilio_auth_token)
    yield made
    await made.aclose()


def client(url: str, account_sid: str, username: str, password: str) -> TwilioRest:
    return TwilioRest(
        account_sid=account_sid, username=username, password=password, base_url=url, timeout=timedelta(seconds=2)
    )


def path(twilio: StandIn, resource: str) -> str:
    return f"/2010-04-01/Accounts/{twilio.credentials.twilio_account_sid}{resource}.json"


async def test_a_number_is_set_up_for_the_worker_by_itself(twilio: StandIn, rest: TwilioRest) -> None:
    await twilio.order("world", worker_url="http://127.0.0.1:8080/")

    assert await find_number(rest, NUMBER) == IncomingNumber(
        number=NUMBER,
        takes_calls=True,
        takes_texts=True,
        voice=Webhook("http://127.0.0.1:8080/twilio/voice", "POST"),
        status=Webhook("http://127.0.0.1:8080/twilio/status", "POST"),
        sms=Webhook("http://127.0.0.1:8080/twilio/sms", "POST"),
    )


async def test_a_number_that_is_not_set_up_says_so(rest: TwilioRest) -> None:
    found = await find_number(rest, NUMBER)

    assert found is not None
    assert found.voice == found.status == found.sms == Webhook("", "POST")


async def test_what_takes_the_place_of_a_webhook_is_told(twilio: StandIn, rest: TwilioRest) -> None:
    app, trunk = "AP" + "1" * 32, "TK" + "2" * 32
    numbers: list[dict[str, Any]] = [
        {"phone_number": "+14155550101", "voice_application_sid": app, "sms_application_sid": app},
        {"phone_number": "+14155550102", "trunk_sid": trunk},
        {"phone_number": "+14155550103", "voice_receive_mode": "fax", "voice": False},
    ]
    await twilio.order("world", numbers=numbers)
    found = [await find_number(rest, number["phone_number"]) for number in numbers]

    assert [number.voice.instead for number in found if number] == [
        f"the TwiML App {app}",
        f"the SIP trunk {trunk}",
        "a fax",
    ]
    assert [number.sms.instead for number in found if number] == [f"the TwiML App {app}", "", ""]


async def test_only_the_very_number_is_found(twilio: StandIn, rest: TwilioRest) -> None:
    await twilio.order("world", numbers=[{"phone_number": "+442079460000"}, {"phone_number": "+14155550111"}])

    assert await find_number(rest, "+1415555011") is None
    assert await find_number(rest, NUMBER) is None
    assert await find_number(rest, "+442079460000") is not None


@pytest.mark.parametrize(
    ("order", "account"),
    [
        ({}, Account("active", is_trial=False)),
        ({"type": "Trial"}, Account("active", is_trial=True)),
        ({"status": "suspended"}, Account("suspended", is_trial=False)),
    ],
)
async def test_the_state_of_the_account_is_told(
    twilio: StandIn, rest: TwilioRest, order: dict[str, str], account: Account
) -> None:
    await twilio.order("world", account=order)

    assert await read_account(rest) == account


async def test_a_standard_key_may_read_numbers_but_not_the_account(twilio: StandIn) -> None:
    keys = twilio.credentials
    rest = client(twilio.url, keys.twilio_account_sid, keys.twilio_api_key_sid, keys.twilio_api_key_secret)

    assert await find_number(rest, NUMBER) is not None
    with pytest.raises(TwilioRefused) as refused:
        await read_account(rest)
    await rest.aclose()
    assert refused.value.status == 401


async def test_texts_go_out_from_the_ordered_numbers_only(twilio: StandIn) -> None:
    await twilio.order(
        "world", numbers=[{"phone_number": "+14155550101"}, {"phone_number": "+14155550102", "sms": False}]
    )
    text = {"To": "+14155550123", "Body": "See you."}
    answers = [
        await twilio.http.post(path(twilio, "/Messages"), data={**text, "From": sender})
        for sender in ("+14155550101", "+14155550102", NUMBER)
    ]

    assert [answer.json().get("code") for answer in answers] == [None, 21606, 21606]


async def test_the_stand_in_holds_in_its_numbers(twilio: StandIn) -> None:
    numbers = [{"phone_number": f"+1415555010{digit}"} for digit in range(3)]
    await twilio.order("world", numbers=numbers)
    async with ContractProxy(load("twilio"), twilio.url) as proxy:
        url = proxy.url + path(twilio, "/IncomingPhoneNumbers")
        answers = [
            await twilio.http.get(url),
            await twilio.http.get(url, params={"PhoneNumber": "+14155550102", "PageSize": 20}),
            await twilio.http.get(url, params={"PhoneNumber": "1555501*1", "Beta": "false"}),
            await twilio.http.get(url, params={"PageSize": 2, "Page": 1}),
            await twilio.http.get(url, params={"Origin": "hosted"}),
        ]

    assert [len(answer.json()["incoming_phone_numbers"]) for answer in answers] == [3, 1, 1, 1, 0]
    assert proxy.violations == []


async def test_the_number_is_asked_for_as_the_contract_has_it(twilio: StandIn) -> None:
    keys = twilio.credentials
    async with ContractProxy(load("twilio"), twilio.url) as proxy:
        rest = client(proxy.url, keys.twilio_account_sid, keys.twilio_api_key_sid, keys.twilio_api_key_secret)
        found = await find_number(rest, NUMBER)
        await rest.aclose()

    assert found is not None
    assert [exchange.holds for exchange in proxy.exchanges] == [True]


@pytest.mark.parametrize("query", [{"Number": NUMBER}, {"PageSize": "2000"}, {"Page": "-1"}])
async def test_the_stand_in_refuses_what_the_contract_refuses(twilio: StandIn, query: dict[str, str]) -> None:
    async with ContractProxy(load("twilio"), twilio.url) as proxy:
        answer = await twilio.http.get(proxy.url + path(twilio, "/IncomingPhoneNumbers"), params=query)

    assert proxy.exchanges[0].request_problem
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "number",
    [
        {"phone_number": "4155550100"},
        {"phone_number": NUMBER, "voice_method": "PUT"},
        {"phone_number": NUMBER, "voiceUrl": ""},
        {"phone_number": NUMBER, "trunk_sid": "TK1"},
    ],
)
async def test_an_order_that_does_not_fit_is_refused(twilio: StandIn, number: dict[str, str]) -> None:
    answer = await twilio.http.post("/control/world", json={"numbers": [number]})

    assert answer.status_code == 400
