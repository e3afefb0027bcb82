"""The stand-in of Cal.com takes subscriptions to its webhooks over the API, and refuses what Cal.com refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from tests.stand_ins import serving_calcom

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.stand_ins import StandIn

SECRET = "a secret, with Ümläut"


@pytest.fixture
async def calcom() -> AsyncIterator[StandIn]:
    async with serving_calcom() as stand_in:
        yield stand_in


WEBHOOK = {"subscriberUrl": "https://front-desk.example.com/webhooks/calcom", "triggers": ["BOOKING_CREATED"]}


async def test_a_subscription_is_made_read_changed_and_ended(calcom: StandIn) -> None:
    made = await calcom.http.post("/v2/webhooks", json={**WEBHOOK, "active": True, "secret": SECRET})
    path = f"/v2/webhooks/{made.json()['data']['id']}"
    listed = await calcom.http.get("/v2/webhooks")
    changed = await calcom.http.patch(path, json={"active": False, "triggers": ["MEETING_ENDED"]})
    found = await calcom.http.get(path)
    ended = await calcom.http.delete(path)
    gone = await calcom.http.get(path)

    assert made.status_code == httpx.codes.CREATED
    assert (
        made.json()["data"]
        == listed.json()["data"][0]
        == {
            **WEBHOOK,
            "id": made.json()["data"]["id"],
            "userId": 7,
            "active": True,
            "payloadTemplate": None,
            "secret": SECRET,
        }
    )
    assert changed.json()["data"] == found.json()["data"] == ended.json()["data"]
    assert (changed.json()["data"]["triggers"], changed.json()["data"]["secret"]) == (["MEETING_ENDED"], SECRET)
    assert gone.status_code == httpx.codes.NOT_FOUND


async def test_one_address_subscribes_once(calcom: StandIn) -> None:
    await calcom.http.post("/v2/webhooks", json={**WEBHOOK, "active": True})

    again = await calcom.http.post("/v2/webhooks", json={**WEBHOOK, "active": True})

    assert (again.status_code, again.json()["error"]["code"]) == (409, "ConflictException")


@pytest.mark.parametrize(
    "changes",
    [
        {"triggers": ["BOOKING_CONFIRMED"]},
        {"active": "yes"},
        {"subscriberUrl": "http://front-desk.example.com/webhooks/calcom"},
        {"subscriberUrl": "front desk"},
        {"payloadTemplate": '{"title": "{{title}}"}'},
        {"url": "https://front-desk.example.com"},
        {"version": "2030-01-01"},
        {"triggers": ["DELEGATION_CREDENTIAL_ERROR"]},
    ],
)
async def test_a_wrong_subscription_is_refused(calcom: StandIn, changes: dict[str, object]) -> None:
    answer = await calcom.http.post("/v2/webhooks", json={**WEBHOOK, "active": True, **changes})

    assert answer.status_code == httpx.codes.BAD_REQUEST
    assert (await calcom.state())["webhooks"] == []


async def test_subscriptions_need_the_key(calcom: StandIn) -> None:
    async with httpx.AsyncClient(base_url=calcom.url) as nobody:
        answer = await nobody.get("/v2/webhooks")

    assert answer.status_code == httpx.codes.UNAUTHORIZED
