"""What the owner of a rehearsed business does at Cal.com: when, to which booking, and once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import pytest

import agent.owner_deeds
from agent.owner_deeds import OwnerDeeds
from agent.rehearsal_events import Event, Events
from agent.rehearsal_world import RehearsalWorld
from agent.rehearsed import Rehearsed
from agent.scenarios import OwnerDeed, Scenario
from agent.stand_ins import RehearsalFailed
from prompts.loader import REHEARSAL_BUSINESS

if TYPE_CHECKING:
    from pathlib import Path

    from agent.stand_ins import StandIns

OTHERS = {"uid": "theirs", "start": "2026-12-03T19:00:00.000Z", "by": "page", "status": "accepted"}
GONE = {"uid": "gone", "start": "2026-12-03T19:00:00.000Z", "by": "api", "status": "cancelled"}
FIRST = {"uid": "first", "start": "2026-12-03T19:00:00.000Z", "by": "api", "status": "pending"}
SECOND = {"uid": "second", "start": "2026-12-04T20:00:00.000Z", "by": "api", "status": "accepted"}


class CalCom:
    """A stand-in that holds bookings, and notes what the owner does to them."""

    def __init__(self, *bookings: dict[str, Any], is_subscribed: bool = True) -> None:
        self.bookings = bookings
        self.webhooks = ["the worker's"] if is_subscribed else []
        self.done: list[dict[str, Any]] = []

    async def state(self, _service: str) -> dict[str, Any]:
        return {"bookings": self.bookings, "webhooks": self.webhooks}

    async def control(self, service: str, path: str, order: dict[str, Any]) -> dict[str, Any]:
        assert (service, path) == ("calcom", "owner")
        self.done.append(order)
        return {}


def deeds_of(folder: Path, calcom: CalCom, lines: list[dict[str, Any]] | None = None) -> tuple[OwnerDeeds, Events]:
    scenario = Scenario.model_validate(
        {
            "name": "x",
            "now": "2026-12-01T09:00",
            "lines": lines or [{"hang_up": True}],
            "expect": {"booking": None},
        }
    )
    events = Events()
    world = RehearsalWorld(scenario, Rehearsed.read(REHEARSAL_BUSINESS), folder)
    return OwnerDeeds(world, cast("StandIns", calcom), events), events


async def test_it_is_done_once_as_soon_as_the_caller_has_said_its_line(tmp_path: Path) -> None:
    calcom = CalCom(FIRST)
    deeds, events = deeds_of(tmp_path, calcom, [{"say": "Move it.", "owner": {"does": "cancel"}}, {"say": "Bye."}])

    events.tell(Event("agent", "Move it.", 0))
    events.tell(Event("caller", "Bye.", 1))
    await deeds.finish()
    before = list(calcom.done)
    for at_ms in (2, 3):
        events.tell(Event("caller", "Move it.", at_ms))
    await deeds.finish()

    assert before == []
    assert calcom.done == [{"does": "cancel", "uid": "first"}]
    assert [(event.text, event.at_ms) for event in events.told if event.who == "owner"] == [("[cancel]", 2)]


@pytest.mark.parametrize(
    ("deed", "order"),
    [
        ({"does": "accept"}, {"does": "accept", "uid": "first"}),
        ({"does": "reject", "reason": "No time"}, {"does": "reject", "uid": "first", "reason": "No time"}),
        ({"does": "cancel", "start": "2026-12-04T15:00"}, {"does": "cancel", "uid": "second"}),
        (
            {"does": "move", "move_to": "2026-12-05T10:00"},
            {"does": "move", "uid": "first", "move_to": "2026-12-05T10:00:00-05:00"},
        ),
    ],
)
async def test_it_is_done_to_the_first_of_ours_or_to_the_one_that_begins_then(
    tmp_path: Path, deed: dict[str, str], order: dict[str, str]
) -> None:
    calcom = CalCom(OTHERS, GONE, FIRST, SECOND)
    deeds, _ = deeds_of(tmp_path, calcom)

    await deeds.do(OwnerDeed.model_validate(deed), at_ms=0)

    assert calcom.done == [order]


async def test_nothing_can_be_done_to_what_is_not_booked(tmp_path: Path) -> None:
    deeds, _ = deeds_of(tmp_path, CalCom(OTHERS, GONE))

    with pytest.raises(RehearsalFailed, match=r"cannot cancel what is not booked at Cal\.com"):
        await deeds.do(OwnerDeed(does="cancel"), at_ms=0)


async def test_it_waits_until_cal_com_knows_whom_to_tell(tmp_path: Path) -> None:
    calcom = CalCom(FIRST, is_subscribed=False)
    deeds, _ = deeds_of(tmp_path, calcom)

    doing = asyncio.create_task(deeds.do(OwnerDeed(does="cancel"), at_ms=0))
    await asyncio.sleep(0)
    before = list(calcom.done)
    calcom.webhooks = ["the worker's"]
    await doing

    assert (before, len(calcom.done)) == ([], 1)


async def test_a_worker_that_never_subscribes_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent.owner_deeds, "SUBSCRIBE_SECS", 0.05)
    deeds, _ = deeds_of(tmp_path, CalCom(FIRST, is_subscribed=False))

    with pytest.raises(RehearsalFailed, match="did not subscribe"):
        await deeds.do(OwnerDeed(does="cancel"), at_ms=0)


@pytest.mark.parametrize("deed", [{"does": "move"}, {"does": "cancel", "move_to": "2026-12-05T10:00"}])
def test_only_a_move_goes_somewhere(deed: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="needs move_to with does: move"):
        OwnerDeed.model_validate(deed)
