"""Event types that change at Cal.com while a worker runs: the next call goes by them, or the owner hears why not."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from agent import front_desk
from appointments import availability
from prompts.loader import REHEARSAL_BUSINESS
from tests.worker import CALLER, open_house
from tools.toolbox import all_tools

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, MutableMapping
    from pathlib import Path

    from tests.worker import House

    Logs = list[MutableMapping[str, Any]]

PATIENCE_SECS = 15.0
ASKING = {"fields": [{"type": "text", "slug": "insurance", "label": "Which insurance?", "required": True}]}


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front_desk, "LOOK_EVERY_SECS", 0.02)
    monkeypatch.setattr(front_desk, "TRY_AGAIN_SECS", 0.05)
    monkeypatch.setattr(front_desk, "ASK_AGAIN_SECS", 0.05)
    monkeypatch.setattr(availability, "EVENT_TYPES_FRESH_FOR", timedelta(0))


@pytest.fixture
def logs() -> Iterator[Logs]:
    with structlog.testing.capture_logs() as captured:
        yield captured


@pytest.fixture
def business(tmp_path: Path) -> Path:
    path = tmp_path / "clinic.toml"
    path.write_text(REHEARSAL_BUSINESS.read_text())
    return path


@pytest.fixture
async def house(tmp_path: Path, business: Path, logs: Logs) -> AsyncIterator[House]:
    async with open_house(tmp_path / "data", business_file=business) as opened:
        opened.worker.jobs.add("front_desk_watch", front_desk.FrontDeskWatch(opened.worker).run())
        await told(logs, "worker_ready")
        yield opened


async def told(logs: Logs, event: str) -> MutableMapping[str, Any]:
    """Wait until the worker logs `event` and return it."""
    async with asyncio.timeout(PATIENCE_SECS):
        while not (found := [each for each in logs if each["event"] == event]):
            await asyncio.sleep(0.02)
    return found[0]


async def change(house: House, **event_type: Any) -> None:
    """Change the event type that the worker books."""
    ordered = [{"id": 101, "title": "30-Minute Consultation", **event_type}]
    url = f"{house.urls['calcom']}/control/event_types"
    (await house.http.post(url, json={"event_types": ordered})).raise_for_status()


def answer_in(business: Path) -> None:
    """Have the callers asked what the event type demands."""
    business.write_text(business.read_text() + '\n[actions.fields]\ninsurance = { ask = "Which insurance?" }\n')


async def test_a_question_that_is_demanded_by_now_is_told_until_the_file_answers_it(
    house: House, business: Path, logs: Logs
) -> None:
    before = house.worker.desk
    await change(house, **ASKING)
    refusal = await told(logs, "front_desk_refused")

    assert "Book 30-Minute Consultation: it demands an answer to insurance" in refusal["error"]
    assert 'insurance = { ask = "Which insurance?" }' in refusal["error"]
    assert "calls go on" in refusal["hint"]
    assert house.worker.desk is before

    logs.clear()
    answer_in(business)
    await told(logs, "front_desk_changed")
    session = await house.worker.session("CA1", CALLER, house.worker.desk)
    tools = all_tools(session, house.worker.desk.event_types)
    (tool,) = [each for each in tools if each.name.startswith("book_")]

    assert "answer_insurance" in tool.schema().required


async def test_a_length_that_has_changed_is_known_to_the_next_call(house: House, logs: Logs) -> None:
    await change(house, minutes=45)
    await told(logs, "front_desk_changed")

    (event_type,) = house.worker.desk.event_types.values()
    assert event_type.duration == timedelta(minutes=45)


async def test_an_event_type_that_is_gone_is_told_with_its_place(house: House, logs: Logs) -> None:
    before = house.worker.desk
    url = f"{house.urls['calcom']}/control/event_types"
    (await house.http.post(url, json={"event_types": [{"id": 102, "title": "Another"}]})).raise_for_status()

    assert "knows no event type 101" in (await told(logs, "front_desk_refused"))["error"]
    assert house.worker.desk is before


async def test_a_calendar_that_does_not_answer_is_no_reason_to_call_for_a_person(house: House, logs: Logs) -> None:
    await house.break_down("calcom", "event_types", "error_500", times=3)
    await told(logs, "event_types_not_asked")

    assert not [line for line in logs if line["log_level"] == "error"]
    assert house.worker.is_ready
