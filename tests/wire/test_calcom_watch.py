"""A served worker and a stand-in of Cal.com: what happens there reaches the record, the texts and a call."""

from __future__ import annotations

import asyncio
import inspect
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import uvicorn

from agent import outside_news as watching
from agent.app import build_app
from agent.calcom_watch import may_subscribe
from agent.calcom_webhooks import WEBHOOK_PATH
from agent.front_desk import FrontDeskWatch
from agent.stand_ins import free_port
from appointments.model import AppointmentStatus, CallSid
from tests.call_of_frames import Call
from tests.worker import CALLER, Answer, House, ScriptedModel, open_house
from tools.outside_news import outside_news

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from appointments.model import Appointment

SECRET = "a secret of thirty-two characters"
FIRST = "2026-12-02T19:00:00Z"
LATER = "2026-12-03T16:00:00Z"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    async def leave_alone(_: FrontDeskWatch) -> None: ...

    monkeypatch.setattr(FrontDeskWatch, "run", leave_alone)
    monkeypatch.setattr(watching, "LOOK_EVERY_SECS", 0.02)


class Office:
    """The owner's side of a Cal.com account, and the record of the worker that follows it."""

    def __init__(self, house: House, model: ScriptedModel) -> None:
        self.house = house
        self.model = model
        self.store = house.worker.store

    async def does(self, path: str, **order: Any) -> str:
        answer = await self.house.http.post(f"{self.house.urls['calcom']}/control/{path}", json=order)
        answer.raise_for_status()
        return str(answer.json().get("uid", ""))

    async def books(self, start: str = FIRST, **more: Any) -> str:
        attendee = {"name": "Maya Chen", "email": "maya@example.com", "phoneNumber": CALLER}
        return await self.does("book", start=start, attendee=attendee, **more)

    async def subscribed(self) -> list[Any]:
        """Return the webhooks, once there are some."""
        await until(self._has_webhooks)
        return list((await self.house.state("calcom"))["webhooks"])

    async def _has_webhooks(self) -> bool:
        return bool((await self.house.state("calcom"))["webhooks"])

    async def becomes(self, status: AppointmentStatus) -> Appointment:
        """Return the only appointment when it has come to this."""

        async def is_so() -> bool:
            return [each.status for each in await self.store.appointments()] == [status]

        await until(is_so)
        return (await self.store.appointments())[0]

    async def is_worked_through(self) -> bool:
        """Claim that all was delivered, and nothing of it is left to do."""
        answer = await self.house.http.get(f"{self.house.urls['calcom']}/control/deliveries")
        under_way = answer.json()
        return not (under_way["pending"] or under_way["held"] or await self.store.pending_deliveries())

    async def texts(self) -> list[str]:
        return [row.kind.value for row in await self.store.messages() if not row.kind.startswith("reminder")]


async def until(is_so: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while not (await is_so() if inspect.iscoroutinefunction(is_so) else is_so()):
            await asyncio.sleep(0.01)


@asynccontextmanager
async def serving(folder: Path, **settings: Any) -> AsyncIterator[Office]:
    """Serve a worker that Cal.com can deliver to."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    model = ScriptedModel([Answer("All right.")])
    async with open_house(folder, model=model, public_base_url=url, calcom_webhook_secret=SECRET, **settings) as house:
        server = uvicorn.Server(uvicorn.Config(build_app(house.worker), port=port, log_config=None, access_log=False))
        running = asyncio.create_task(server.serve())
        await until(lambda: server.started)
        office = Office(house, model)
        await office.subscribed()
        try:
            yield office
        finally:
            server.should_exit = True
            await running


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    async with serving(tmp_path) as served:
        yield served


async def test_a_worker_subscribes_once_with_its_secret(office: Office) -> None:
    (webhook,) = await office.subscribed()

    assert webhook["subscriberUrl"] == f"{office.house.worker.settings.public_base_url}/webhooks/calcom"
    assert webhook["secret"] == SECRET


async def test_a_booking_made_on_the_page_is_an_appointment_and_is_confirmed(office: Office) -> None:
    await office.books()

    made = await office.becomes(AppointmentStatus.ACTIVE)
    assert (made.attendee.name, made.attendee.phone) == ("Maya Chen", CALLER)
    assert await office.texts() == ["confirmation"]


async def test_what_the_owner_does_to_it_is_followed(office: Office) -> None:
    uid = await office.books()
    await office.becomes(AppointmentStatus.ACTIVE)

    uid = await office.does("owner", uid=uid, move_to=LATER)
    moved = await office.becomes(AppointmentStatus.RESCHEDULED)
    await office.does("owner", uid=uid, does="cancel", reason="Ill")
    await office.becomes(AppointmentStatus.CANCELLED)

    assert (moved.booking_uid, moved.slot.start.isoformat()) == (uid, LATER.replace("Z", "+00:00"))
    assert await office.texts() == ["confirmation", "moved", "cancelled"]


async def test_a_request_is_told_as_one_until_the_owner_accepts_it(office: Office) -> None:
    await office.house.order(
        "calcom", now="2026-12-01T14:00:00Z", free=[FIRST, LATER], event_types=[{"requires_confirmation": True}]
    )
    await office.house.worker.calcom_watch.subscribe()  # type: ignore[union-attr]
    uid = await office.books()
    await office.becomes(AppointmentStatus.REQUESTED)

    await office.does("owner", uid=uid, does="accept")

    await office.becomes(AppointmentStatus.ACTIVE)
    assert await office.texts() == ["requested", "confirmation"]


async def test_deliveries_that_are_shuffled_repeated_or_forged_end_alike(office: Office) -> None:
    await office.does("deliveries", seed=3, repeated=0.5, window=3)
    uid = await office.books()
    uid = await office.does("owner", uid=uid, move_to=LATER)
    await office.does("owner", uid=uid, does="cancel")
    await office.does("webhooks", subscriberUrl=(await office.subscribed())[0]["subscriberUrl"], secret=None)
    await office.does("deliveries/flush")

    await until(office.is_worked_through)
    assert [each for each in await office.store.appointments() if each.status is not AppointmentStatus.CANCELLED] == []


async def test_a_caller_on_the_line_hears_that_it_was_cancelled_and_so_does_the_model(office: Office) -> None:
    uid = await office.books()
    booked = await office.becomes(AppointmentStatus.ACTIVE)
    call = Call(office.house, has_voice=True)
    async with call.running():
        call.conversation.session.identity._known = booked.attendee.phone

        await office.does("owner", uid=uid, does="cancel")
        await call.until(lambda: any("cancelled" in said for said in office.model.spoken))

    (told,) = [said for said in office.model.spoken if "cancelled" in said]
    assert "our office has cancelled your thirty-minute Consultation on Wednesday, December second" in told
    notes: list[Any] = [each for each in call.conversation.context.messages if "cancelled" in str(each)]
    assert "developer" in [note["role"] for note in notes]


async def test_nobody_else_hears_of_it(office: Office) -> None:
    uid = await office.books()
    await office.becomes(AppointmentStatus.ACTIVE)
    call = Call(office.house, has_voice=True)
    async with call.running():
        await office.does("owner", uid=uid, does="cancel")
        await office.becomes(AppointmentStatus.CANCELLED)
        since = await office.store.last_entry() - 1

        assert await office.store.changed_outside(since=since, call_sid=CallSid("CA1"), phone=None) == []
        assert await outside_news(call.conversation.session, since=since) == []


async def test_an_address_nobody_else_can_reach_is_not_subscribed(tmp_path: Path) -> None:
    async with open_house(tmp_path, calcom_webhook_secret=SECRET) as house:
        settings = house.worker.settings
        assert may_subscribe(settings)
        assert may_subscribe(settings.model_copy(update={"public_base_url": "https://phone.example.com"}))
        assert not may_subscribe(settings.model_copy(update={"calcom_base_url": "https://api.cal.com"}))


@pytest.mark.parametrize("settings", [{}, {"calcom_webhook_secret": SECRET, "calendar": "builtin"}])
async def test_without_a_secret_or_cal_com_nobody_can_deliver(tmp_path: Path, settings: dict[str, Any]) -> None:
    async with open_house(tmp_path, **settings) as house:
        transport = httpx.ASGITransport(build_app(house.worker))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            assert (await http.post(WEBHOOK_PATH, json={})).status_code == 404
