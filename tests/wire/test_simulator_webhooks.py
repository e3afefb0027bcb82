"""The stand-in of Cal.com tells its subscribers what happens to bookings, in Cal.com's shapes and by its rules."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from aiohttp import web

from simulator.world import run_app
from tests.stand_ins import serving_calcom

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from tests.stand_ins import StandIn

BOOKINGS = {"cal-api-version": "2024-08-13"}
NOW = "2026-12-01T09:00:00-05:00"  # a Tuesday
TWO, THREE, FOUR = (f"2026-12-03T{hour}:00:00-05:00" for hour in (14, 15, 16))
ATTENDEE = {
    "name": "Maya Chen",
    "email": "maya@example.com",
    "phoneNumber": "+14155550123",
    "timeZone": "America/Los_Angeles",
}
SECRET = "a secret, with Ümläut"
LINK = "https://app.cal.com/video/"


@dataclass(slots=True)
class Subscriber:
    """One that takes webhooks, and looks at each before it answers."""

    url: str = ""
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    before_answering: Callable[[], Awaitable[None]] | None = None

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, body in self.got]

    @property
    def triggers(self) -> list[str]:
        return [body["triggerEvent"] for body in self.bodies]

    async def take(self, request: web.Request) -> web.Response:
        self.got.append((dict(request.headers), await request.read()))
        if self.before_answering:
            await self.before_answering()
        return web.Response()


@contextlib.asynccontextmanager
async def subscriber() -> AsyncIterator[Subscriber]:
    found = Subscriber()
    app = web.Application()
    app.router.add_post("/webhooks/calcom", found.take)
    runner, url = await run_app(app, 0)
    found.url = url + "/webhooks/calcom"
    try:
        yield found
    finally:
        await runner.cleanup()


@pytest.fixture
async def calcom() -> AsyncIterator[StandIn]:
    async with serving_calcom() as stand_in:
        await start(stand_in)
        yield stand_in


@pytest.fixture
async def worker(calcom: StandIn) -> AsyncIterator[Subscriber]:
    """Somebody who subscribed to everything."""
    async with subscriber() as found:
        await calcom.order("webhooks", subscriberUrl=found.url, secret=SECRET)
        yield found


async def start(calcom: StandIn, **event_type: object) -> None:
    free = [TWO, THREE, FOUR]
    await calcom.order("world", now=NOW, zone="America/New_York", free=free, event_types=[event_type])


async def book(calcom: StandIn, start: str = TWO, **changes: Any) -> str:
    """Book over the API and return the uid."""
    body = {"eventTypeId": 101, "start": start, "attendee": ATTENDEE, "metadata": {"idem": "CA1:1"}, **changes}
    answer = await calcom.http.post("/v2/bookings", json=body, headers=BOOKINGS)
    assert answer.status_code == httpx.codes.CREATED, answer.text
    return str(answer.json()["data"]["uid"])


async def change(calcom: StandIn, uid: str, what: str, **body: Any) -> httpx.Response:
    return await calcom.http.post(f"/v2/bookings/{uid}/{what}", json=body, headers=BOOKINGS)


async def read(calcom: StandIn, uid: str) -> dict[str, Any]:
    data: dict[str, Any] = (await calcom.http.get(f"/v2/bookings/{uid}", headers=BOOKINGS)).json()["data"]
    return data


async def all_sent(calcom: StandIn) -> list[dict[str, Any]]:
    """Wait until nothing is on its way, and return what was sent."""
    async with asyncio.timeout(10):
        while True:
            told = (await calcom.http.get("/control/deliveries")).json()
            if not told["pending"]:
                sent: list[dict[str, Any]] = told["sent"]
                return sent


async def test_a_booking_is_told_with_all_that_was_sent(calcom: StandIn, worker: Subscriber) -> None:
    uid = await book(calcom, bookingFieldsResponses={"notes": "A leaky faucet"})
    sent = await all_sent(calcom)

    [body] = worker.bodies
    payload = body["payload"]
    assert sent == [
        {"trigger": "BOOKING_CREATED", "uid": uid, "url": worker.url, "status": 200, "outcome": "delivered"}
    ]
    assert (body["triggerEvent"], body["createdAt"][:16]) == ("BOOKING_CREATED", "2026-12-01T14:00")
    assert (payload["uid"], payload["status"], payload["eventTypeId"]) == (uid, "ACCEPTED", 101)
    assert (payload["startTime"], payload["endTime"], payload["length"]) == (
        "2026-12-03T19:00:00Z",
        "2026-12-03T19:30:00Z",
        30,
    )
    assert payload["metadata"] == {"idem": "CA1:1", "videoCallUrl": LINK + uid}
    assert payload["location"] == "integrations:daily"
    assert payload["attendees"] == [
        {
            **ATTENDEE,
            "firstName": "Maya",
            "lastName": "Chen",
            "language": {"locale": "en"},
            "utcOffset": -480,
        }
    ]
    assert (payload["organizer"]["name"], payload["organizer"]["utcOffset"]) == ("Ada", -300)
    assert payload["additionalNotes"] == "A leaky faucet"
    assert payload["responses"]["attendeePhoneNumber"]["value"] == "+14155550123"
    assert payload["userFieldsResponses"] == {}


async def test_a_delivery_is_signed_over_its_bytes(calcom: StandIn, worker: Subscriber) -> None:
    await book(calcom, attendee={**ATTENDEE, "name": "Zoë Ångström"})
    await all_sent(calcom)

    [(headers, body)] = worker.got
    assert headers["X-Cal-Signature-256"] == hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    assert headers["X-Cal-Webhook-Version"] == "2021-10-20"
    assert headers["Content-Type"] == "application/json"
    assert "Zoë" in body.decode()


async def test_without_a_secret_the_signature_says_so(calcom: StandIn) -> None:
    async with subscriber() as found:
        await calcom.order("webhooks", subscriberUrl=found.url)
        await book(calcom)
        await all_sent(calcom)

    [(headers, _)] = found.got
    assert headers["X-Cal-Signature-256"] == "no-secret-provided"


async def test_a_move_names_both_bookings_and_cancels_none(calcom: StandIn, worker: Subscriber) -> None:
    uid = await book(calcom)
    answer = await change(calcom, uid, "reschedule", start=THREE, reschedulingReason="Ill")
    await all_sent(calcom)

    payload = worker.bodies[1]["payload"]
    assert worker.triggers == ["BOOKING_CREATED", "BOOKING_RESCHEDULED"]
    assert payload["uid"] == answer.json()["data"]["uid"]
    assert (payload["rescheduleUid"], payload["rescheduleStartTime"]) == (uid, "2026-12-03T19:00:00Z")
    assert payload["startTime"] == "2026-12-03T20:00:00Z"
    assert payload["metadata"]["idem"] == "CA1:1"
    assert "rescheduledBy" not in payload


async def test_a_cancellation_comes_without_metadata(calcom: StandIn, worker: Subscriber) -> None:
    uid = await book(calcom)
    await change(calcom, uid, "cancel", cancellationReason="Ill")
    await all_sent(calcom)

    payload = worker.bodies[1]["payload"]
    assert worker.triggers == ["BOOKING_CREATED", "BOOKING_CANCELLED"]
    assert (payload["uid"], payload["status"], payload["cancellationReason"]) == (uid, "CANCELLED", "Ill")
    assert payload["startTime"] == "2026-12-03T19:00:00+00:00"
    assert "metadata" not in payload
    assert "cancelledBy" not in payload


async def test_a_cancellation_is_told_before_it_is_so(calcom: StandIn, worker: Subscriber) -> None:
    uid = await book(calcom)
    await all_sent(calcom)
    seen = []

    async def look() -> None:
        seen.append((await read(calcom, uid))["status"])

    worker.before_answering = look
    await change(calcom, uid, "cancel", cancellationReason="Ill")

    assert seen == ["accepted"]
    assert (await read(calcom, uid))["status"] == "cancelled"


async def test_who_cancels_first_has_done_it(calcom: StandIn, worker: Subscriber) -> None:
    uid = await book(calcom)
    await all_sent(calcom)

    async def until_both_are_on_their_way() -> None:
        worker.before_answering = None
        async with asyncio.timeout(5):
            while (await calcom.http.get("/control/deliveries")).json()["pending"] < 2:
                pass

    worker.before_answering = until_both_are_on_their_way
    answers = await asyncio.gather(
        *(change(calcom, uid, "cancel", cancellationReason=reason) for reason in ("Ill", "Busy"))
    )

    assert sorted(answer.status_code for answer in answers) == [200, 400]


async def test_a_request_is_told_and_what_became_of_it(calcom: StandIn, worker: Subscriber) -> None:
    await start(calcom, requires_confirmation=True)
    await calcom.order("webhooks", subscriberUrl=worker.url, secret=SECRET)
    accepted, rejected = await book(calcom), await book(calcom, THREE)
    pending = await read(calcom, accepted)
    await change(calcom, accepted, "confirm")
    await change(calcom, rejected, "decline", reason="Closed")
    await all_sent(calcom)

    requested, _, created, refused = (body["payload"] for body in worker.bodies)
    assert worker.triggers == ["BOOKING_REQUESTED"] * 2 + ["BOOKING_CREATED", "BOOKING_REJECTED"]
    assert (requested["status"], requested["metadata"]) == ("PENDING", {"idem": "CA1:1"})
    assert pending["location"] == "integrations:daily"
    assert (created["status"], created["metadata"]) == ("ACCEPTED", {"videoCallUrl": LINK + accepted})
    assert (refused["status"], refused["rejectionReason"], "metadata" in refused) == ("REJECTED", "Closed", False)
    assert (await read(calcom, accepted))["location"] == LINK + accepted
    assert (await read(calcom, rejected))["status"] == "rejected"


async def test_a_move_of_a_request_is_a_request_again(calcom: StandIn, worker: Subscriber) -> None:
    await start(calcom, requires_confirmation=True)
    await calcom.order("webhooks", subscriberUrl=worker.url)
    uid = await book(calcom)
    await change(calcom, uid, "reschedule", start=THREE)
    await all_sent(calcom)

    assert worker.triggers == ["BOOKING_REQUESTED"] * 2
    assert worker.bodies[1]["payload"]["rescheduleUid"] == uid


async def test_a_payment_is_initiated_and_made(calcom: StandIn, worker: Subscriber) -> None:
    await start(calcom, price=20)
    await calcom.order("webhooks", subscriberUrl=worker.url)
    uid = await book(calcom)
    unpaid = (await read(calcom, uid))["status"]
    await calcom.order("owner", uid=uid, does="pay")
    await all_sent(calcom)

    assert unpaid == "pending"
    assert worker.triggers == ["BOOKING_PAYMENT_INITIATED", "BOOKING_PAID", "BOOKING_CREATED"]
    assert worker.bodies[1]["payload"]["metadata"]["bookerEmail"] == "maya@example.com"
    assert (await read(calcom, uid))["status"] == "accepted"


async def test_who_did_not_come_is_told(calcom: StandIn, worker: Subscriber) -> None:
    uid = await book(calcom)
    absent = [{"email": "maya@example.com", "absent": True}]
    early = await change(calcom, uid, "mark-absent", attendees=absent)
    await calcom.order("clock", now="2026-12-03T14:10:00-05:00")
    late = await change(calcom, uid, "mark-absent", attendees=absent)
    await all_sent(calcom)

    assert (early.status_code, late.status_code) == (400, 200)
    assert late.json()["data"]["attendees"][0]["absent"] is True
    assert worker.triggers == ["BOOKING_CREATED", "MEETING_STARTED", "BOOKING_NO_SHOW_UPDATED"]
    assert worker.bodies[-1]["payload"] == {
        "message": "maya@example.com marked as no-show",
        "bookingUid": uid,
        "bookingId": 1,
        "attendees": [{"email": "maya@example.com", "noShow": True}],
    }


async def test_the_end_of_a_meeting_is_told_flat_and_once(calcom: StandIn, worker: Subscriber) -> None:
    uid = await book(calcom)
    await calcom.order("clock", now="2026-12-03T14:45:00-05:00")
    await calcom.order("clock", now="2026-12-03T14:50:00-05:00")
    await calcom.order("owner", uid=uid, does="end")
    await all_sent(calcom)

    flat = worker.bodies[-1]
    assert worker.triggers == ["BOOKING_CREATED", "MEETING_STARTED", "MEETING_ENDED"]
    assert "payload" not in flat
    assert (flat["uid"], flat["status"], flat["endTime"]) == (uid, "ACCEPTED", "2026-12-03T19:30:00.000Z")
    assert flat["metadata"]["idem"] == "CA1:1"
    assert flat["responses"]["attendeePhoneNumber"] == "+14155550123"


async def test_what_ended_long_ago_or_was_cancelled_is_not_told(calcom: StandIn, worker: Subscriber) -> None:
    await book(calcom)
    cancelled = await book(calcom, THREE)
    await change(calcom, cancelled, "cancel", cancellationReason="Ill")
    await calcom.order("clock", now="2026-12-04T14:45:00-05:00")
    await all_sent(calcom)

    assert "MEETING_ENDED" not in worker.triggers


async def test_what_the_owner_does_is_told_with_who_did_it(calcom: StandIn, worker: Subscriber) -> None:
    uid = await book(calcom)
    moved = await calcom.http.post("/control/owner", json={"uid": uid, "move_to": FOUR, "reason": "Busy"})
    await calcom.order("owner", uid=moved.json()["uid"], reason="Ill")
    await all_sent(calcom)

    _, rescheduled, cancelled = (body["payload"] for body in worker.bodies)
    assert rescheduled["rescheduledBy"] == cancelled["cancelledBy"] == "ada@example.com"
    assert cancelled["cancellationReason"] == "Ill"


async def test_another_link_is_told_to_nobody(calcom: StandIn, worker: Subscriber) -> None:
    uid = await book(calcom)
    before = await read(calcom, uid)
    await calcom.order("clock", now="2026-12-01T10:00:00-05:00")
    await calcom.order("owner", uid=uid, does="link", link="https://zoom.us/j/2")
    await all_sent(calcom)

    after = await read(calcom, uid)
    assert worker.triggers == ["BOOKING_CREATED"]
    assert after["location"] == "https://zoom.us/j/2"
    assert after["updatedAt"] > before["updatedAt"]


async def test_a_booking_at_the_page_is_told_like_any_other(calcom: StandIn, worker: Subscriber) -> None:
    attendee = {"name": "Robin Vale", "email": "robin@example.com", "phoneNumber": "+14155550124"}
    answer = await calcom.http.post("/control/book", json={"start": TWO, "attendee": attendee})
    again = await calcom.http.post("/control/book", json={"start": TWO, "attendee": attendee})
    wrong = await calcom.http.post("/control/book", json={"start": THREE, "attendee": {"name": "Robin Vale"}})
    await all_sent(calcom)

    [payload] = [body["payload"] for body in worker.bodies]
    assert (answer.status_code, again.status_code, wrong.status_code) == (200, 400, 400)
    assert payload["uid"] == answer.json()["uid"]
    assert (payload["attendees"][0]["phoneNumber"], payload["attendees"][0]["timeZone"]) == (
        "+14155550124",
        "America/New_York",
    )
    assert "idem" not in payload["metadata"]
    assert [each["by"] for each in (await calcom.state())["bookings"]] == ["page"]


async def test_only_what_was_subscribed_to_is_sent(calcom: StandIn) -> None:
    async with subscriber() as some, subscriber() as none:
        await calcom.order("webhooks", subscriberUrl=some.url, triggers=["BOOKING_CANCELLED"])
        await calcom.order("webhooks", subscriberUrl=none.url, active=False)
        await change(calcom, await book(calcom), "cancel", cancellationReason="Ill")
        await all_sent(calcom)

    assert some.triggers == ["BOOKING_CANCELLED"]
    assert none.triggers == []


async def test_a_subscriber_who_is_not_there_is_not_asked_again(calcom: StandIn) -> None:
    async with subscriber() as gone:
        url = gone.url
    await calcom.order("webhooks", subscriberUrl=url)
    await calcom.order("webhooks", subscriberUrl="https://front-desk.example.com/webhooks/calcom")
    await book(calcom)

    assert [(each["outcome"], each["status"]) for each in await all_sent(calcom)] == [("failed", 0), ("not sent", 0)]


async def test_deliveries_are_lost_and_repeated_as_ordered(calcom: StandIn, worker: Subscriber) -> None:
    await calcom.order("deliveries", lost=1)
    await book(calcom, TWO)
    await calcom.order("deliveries", repeated=1)
    await book(calcom, THREE)
    sent = await all_sent(calcom)

    assert [each["outcome"] for each in sent] == ["lost", "delivered", "delivered"]
    assert len(worker.got) == 2
    assert worker.got[0][1] == worker.got[1][1]


async def test_deliveries_come_in_another_order_that_the_seed_decides(calcom: StandIn) -> None:
    orders = []
    for seed in (3, 3, 4):
        async with subscriber() as found:
            await start(calcom)
            await calcom.order("webhooks", subscriberUrl=found.url)
            await calcom.order("deliveries", seed=seed, window=50)
            for hour in (TWO, THREE, FOUR):
                uid = await book(calcom, hour)
                await change(calcom, uid, "cancel", cancellationReason="Ill")
            assert (await all_sent(calcom), found.got) == ([], [])
            await calcom.order("deliveries/flush")
            await all_sent(calcom)
            orders.append([(body["triggerEvent"], body["payload"]["startTime"][:16]) for body in found.bodies])

    assert orders[0] == orders[1]
    assert orders[0] != orders[2]
    assert sorted(orders[0]) == sorted(orders[2])


async def test_a_new_world_forgets_who_subscribed(calcom: StandIn, worker: Subscriber) -> None:
    await start(calcom)
    await book(calcom)

    assert await all_sent(calcom) == []
    assert (await calcom.state())["webhooks"] == []


@pytest.mark.parametrize(
    "order",
    [
        {"does": "move"},
        {"does": "cancel", "move_to": THREE},
        {"does": "link"},
        {"does": "accept"},
        {"does": "pay"},
        {"does": "vanish"},
    ],
)
async def test_an_owner_who_cannot_do_that_is_told(calcom: StandIn, order: dict[str, str]) -> None:
    uid = await book(calcom)

    answer = await calcom.http.post("/control/owner", json={"uid": uid, **order})

    assert answer.status_code == httpx.codes.BAD_REQUEST
    assert (await read(calcom, uid))["status"] == "accepted"
