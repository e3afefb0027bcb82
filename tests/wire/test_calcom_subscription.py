"""The webhook that a worker has Cal.com deliver by: made once, mended when it is wrong, however often that is tried."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from appointments.errors import CalendarRejected, CalendarUnavailable
from calendars.calcom_deliveries import TRIGGERS
from calendars.calcom_requests import connect
from calendars.calcom_subscription import CalComSubscription
from simulator.world import run_app
from tests.scripted_calcom import API_KEY
from tests.stand_ins import serving_calcom

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

URL = "https://phone.example.com/webhooks/calcom"
SECRET = "a secret of thirty-two characters"


@dataclass(slots=True)
class Account:
    """A server with the webhooks of one account."""

    webhooks: dict[str, dict[str, Any]] = field(default_factory=dict)
    writes: list[str] = field(default_factory=list)
    refusal: int = 0
    shows_secrets: bool = True
    lists_any: bool = True

    def holds(self, **changes: Any) -> None:
        """Have a webhook there."""
        wanted = {"subscriberUrl": URL, "triggers": [*TRIGGERS], "active": True, "secret": SECRET}
        identity = str(len(self.webhooks) + 1)
        self.webhooks[identity] = {"id": identity, "payloadTemplate": None, **wanted, **changes}

    def app(self) -> web.Application:
        app = web.Application()
        app.add_routes(
            [
                web.get("/v2/webhooks", self._list),
                web.post("/v2/webhooks", self._make),
                web.patch("/v2/webhooks/{id}", self._change),
                web.delete("/v2/webhooks/{id}", self._delete),
            ]
        )
        return app

    async def _list(self, request: web.Request) -> web.Response:
        if self.refusal:
            return web.json_response({"message": "no"}, status=self.refusal)
        skip, take = int(request.query["skip"]), int(request.query["take"])
        shown = [
            {name: value for name, value in each.items() if self.shows_secrets or name != "secret"}
            for each in self.webhooks.values()
            if self.lists_any
        ]
        return web.json_response({"status": "success", "data": shown[skip : skip + take]})

    async def _make(self, request: web.Request) -> web.Response:
        body = await request.json()
        if any(each["subscriberUrl"] == body["subscriberUrl"] for each in self.webhooks.values()):
            return web.json_response({"message": "already exists"}, status=409)
        self.writes.append("made")
        self.holds(**body)
        return web.json_response({"status": "success", "data": {}}, status=201)

    async def _change(self, request: web.Request) -> web.Response:
        self.writes.append("changed")
        self.webhooks[request.match_info["id"]] |= await request.json()
        return web.json_response({"status": "success", "data": {}})

    async def _delete(self, request: web.Request) -> web.Response:
        self.writes.append("deleted")
        del self.webhooks[request.match_info["id"]]
        return web.json_response({"status": "success", "data": {}})


@pytest.fixture
def account() -> Account:
    return Account()


@pytest.fixture
async def subscription(account: Account) -> AsyncIterator[CalComSubscription]:
    runner, url = await run_app(account.app(), 0)
    client = connect(url, api_key=API_KEY, pauses_secs=(0.01,))
    try:
        async with contextlib.aclosing(client):
            yield CalComSubscription(client)
    finally:
        await runner.cleanup()


async def test_subscribes_where_nobody_has(account: Account, subscription: CalComSubscription) -> None:
    account.holds(subscriberUrl="https://elsewhere.example.com/hook")

    await subscription.subscribe(URL, secret=SECRET)

    made = account.webhooks["2"]
    assert (made["subscriberUrl"], made["active"], made["secret"]) == (URL, True, SECRET)
    assert set(made["triggers"]) == set(TRIGGERS)
    assert made["payloadTemplate"] is None


async def test_a_webhook_that_is_right_is_left_alone(account: Account, subscription: CalComSubscription) -> None:
    account.holds()

    await subscription.subscribe(URL, secret=SECRET)

    assert account.writes == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"active": False},
        {"secret": "an old secret, just as long"},
        {"triggers": ["BOOKING_CREATED"]},
        {"triggers": None},
        {"payloadTemplate": '{"title": "{{title}}"}'},
    ],
)
async def test_a_webhook_that_is_wrong_is_mended(
    account: Account, subscription: CalComSubscription, wrong: dict[str, Any]
) -> None:
    account.holds(**wrong)

    await subscription.subscribe(URL, secret=SECRET)

    (mended,) = account.webhooks.values()
    assert (mended["active"], mended["secret"], mended["payloadTemplate"]) == (True, SECRET, None)
    assert set(mended["triggers"]) == set(TRIGGERS)
    assert account.writes == ["changed"]


async def test_a_secret_that_is_not_shown_is_set_again(account: Account, subscription: CalComSubscription) -> None:
    account.shows_secrets = False
    account.holds(secret="an old secret, just as long")

    await subscription.subscribe(URL, secret=SECRET)

    assert account.webhooks["1"]["secret"] == SECRET


async def test_many_workers_make_one(account: Account, subscription: CalComSubscription) -> None:
    await asyncio.gather(*(subscription.subscribe(URL, secret=SECRET) for _ in range(8)))

    assert account.writes.count("made") == 1


async def test_of_two_that_were_made_one_is_left(account: Account, subscription: CalComSubscription) -> None:
    account.holds()
    account.holds()

    await subscription.subscribe(URL, secret=SECRET)

    assert list(account.webhooks) == ["1"]


async def test_a_key_that_may_not_is_for_a_person(account: Account, subscription: CalComSubscription) -> None:
    account.refusal = 403

    with pytest.raises(CalendarRejected, match="CALCOM_API_KEY"):
        await subscription.subscribe(URL, secret=SECRET)


async def test_a_calendar_that_is_down_is_for_later(account: Account, subscription: CalComSubscription) -> None:
    account.refusal = 503

    with pytest.raises(CalendarUnavailable):
        await subscription.subscribe(URL, secret=SECRET)


async def test_a_webhook_that_is_there_and_not_listed_is_for_later(
    account: Account, subscription: CalComSubscription
) -> None:
    account.holds()
    account.lists_any = False

    with pytest.raises(CalendarUnavailable, match="lists none"):
        await subscription.subscribe(URL, secret=SECRET)


async def test_the_stand_in_takes_it_as_cal_com_does() -> None:
    async with serving_calcom() as stand_in:
        client = connect(stand_in.url, api_key=stand_in.credentials.calcom_api_key)
        async with contextlib.aclosing(client):
            subscription = CalComSubscription(client)
            await subscription.subscribe("http://127.0.0.1:9/webhooks/calcom", secret=SECRET)
            await subscription.subscribe("http://127.0.0.1:9/webhooks/calcom", secret=SECRET + "!")

        (webhook,) = (await stand_in.state())["webhooks"]
        assert webhook["secret"] == SECRET + "!"
