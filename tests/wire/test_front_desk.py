"""An edited file is used by the next call; a broken one is told of, and the last good one stays."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from agent import front_desk
from prompts.loader import FRONT_DESK, REHEARSAL_BUSINESS
from tests.worker import CALLER, House, open_house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, MutableMapping
    from pathlib import Path

PATIENCE_SECS = 15.0


@dataclass(frozen=True, slots=True)
class Desk:
    """A worker that watches its files, and the files."""

    house: House
    business: Path
    prompt: Path
    logs: list[MutableMapping[str, Any]]

    def edit(self, path: Path, old: str, new: str) -> None:
        text = path.read_text()
        assert old in text
        # As editors do: a new file in the place of the old one.
        fresh = path.with_suffix(".new")
        fresh.write_text(text.replace(old, new))
        fresh.replace(path)

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_SECS):
            while not is_so():
                await asyncio.sleep(0.02)

    async def told(self, event: str) -> MutableMapping[str, Any]:
        """Wait until the worker logs `event` and return it."""
        await self.until(lambda: any(each["event"] == event for each in self.logs))
        found = next(each for each in self.logs if each["event"] == event)
        self.logs.clear()
        return found

    @property
    def greeting(self) -> str:
        worker = self.house.worker
        return worker.desk.instructions(None, now=worker.clock(), is_recorded=False).greeting


@pytest.fixture
def logs() -> Iterator[list[MutableMapping[str, Any]]]:
    with structlog.testing.capture_logs() as captured:
        yield captured


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front_desk, "LOOK_EVERY_SECS", 0.02)
    monkeypatch.setattr(front_desk, "TRY_AGAIN_SECS", 0.05)


@pytest.fixture
async def desk(tmp_path: Path, logs: list[MutableMapping[str, Any]]) -> AsyncIterator[Desk]:
    business, prompt = tmp_path / "files" / "clinic.toml", tmp_path / "files" / "clinic.md"
    business.parent.mkdir()
    text = REHEARSAL_BUSINESS.read_text()
    business.write_text(text.replace("[hours]", 'prompt = "clinic.md"\n\n[hours]', 1))
    prompt.write_text(FRONT_DESK.read_text())
    async with open_house(tmp_path / "data", business_file=business) as house:
        house.worker.jobs.add("front_desk_watch", front_desk.FrontDeskWatch(house.worker).run())
        desk = Desk(house, business, prompt, logs)
        await desk.told("worker_ready")
        yield desk


async def test_the_business_names_its_instructions(desk: Desk) -> None:
    assert desk.house.worker.desk.prompts.prompt.path == desk.prompt


async def test_an_edited_greeting_is_rendered_before_a_call_may_need_it(desk: Desk) -> None:
    desk.edit(desk.prompt, "How can I help you?", "What can I do for you?")
    await desk.told("front_desk_changed")

    assert desk.greeting.endswith("What can I do for you?")
    assert desk.house.worker.phrase_book.audio(desk.greeting)


async def test_an_edited_business_is_used_by_the_next_call(desk: Desk) -> None:
    desk.edit(desk.business, "There is parking behind the building.", "There is no parking.")
    await desk.told("front_desk_changed")

    instructions = desk.house.worker.desk.instructions(None, now=desk.house.worker.clock(), is_recorded=False)
    assert "There is no parking." in instructions.system


async def test_a_call_goes_on_with_what_it_began_with(desk: Desk) -> None:
    worker = desk.house.worker
    session = await worker.session("CA1", CALLER, worker.desk)
    desk.edit(desk.business, "Harbor Street Clinic", "Quay Street Clinic")
    await desk.told("front_desk_changed")

    assert session.business.name == "Harbor Street Clinic"
    assert worker.desk.business.name == "Quay Street Clinic"


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("prompt", "{business}. I'm", "{busines}. I'm", "clinic.md:5: {busines} is no placeholder"),
        ("prompt", "the booking tool, once", "book_a_table, once", "book_a_table is no tool"),
        ("prompt", "voice: alloy", "voices: alloy", "clinic.md:3: voices is an unknown key"),
        (
            "business",
            'zone = "America/New_York"  ',
            'zone = "America/Newyork"',
            "clinic.toml:6: zone must be the IANA name",
        ),
        ("business", 'prompt = "clinic.md"', 'prompt = "clinik.md"', "prompt: there is no file"),
        ("business", '"+14155550100" ', '"+14155550111" ', "restart the worker"),
    ],
)
async def test_a_broken_file_keeps_the_last_good_one_and_says_so(
    desk: Desk, file: str, old: str, new: str, said: str
) -> None:
    before = desk.house.worker.desk
    path = getattr(desk, file)
    desk.edit(path, old, new)

    assert said in (await desk.told("front_desk_refused"))["error"]
    assert desk.house.worker.desk is before

    desk.edit(path, new, old)
    desk.edit(desk.prompt, "How can I help you?", "What can I do for you?")
    await desk.told("front_desk_changed")

    assert desk.greeting.endswith("What can I do for you?")


async def test_a_voice_that_the_service_refuses_is_told_as_such(desk: Desk) -> None:
    before = desk.house.worker.desk
    desk.edit(desk.prompt, "voice: alloy", "voice: sally")

    assert 'voice "sally"' in (await desk.told("front_desk_refused"))["error"]
    assert desk.house.worker.desk is before


async def test_a_mistake_is_told_once_however_often_the_folder_changes(desk: Desk) -> None:
    desk.edit(desk.prompt, "voice: alloy", "voices: alloy")
    await desk.told("front_desk_refused")
    (desk.prompt.parent / "notes.txt").write_text("nothing of ours")
    desk.edit(desk.prompt, "voices: alloy", "voicez: alloy")

    assert "voicez" in (await desk.told("front_desk_refused"))["error"]


async def test_a_greeting_that_cannot_be_rendered_yet_waits_and_is_told_once(desk: Desk) -> None:
    await desk.house.break_down("openai", "speech", "error_500", times=8)
    desk.edit(desk.prompt, "How can I help you?", "What can I do for you?")
    await desk.told("front_desk_waits")

    await desk.until(lambda: desk.greeting.endswith("What can I do for you?"))
    assert not [line for line in desk.logs if line["log_level"] in ("warning", "error")]


async def test_what_was_edited_before_the_watch_began_counts(tmp_path: Path) -> None:
    business = tmp_path / "clinic.toml"
    business.write_text(REHEARSAL_BUSINESS.read_text())
    async with open_house(tmp_path / "data", business_file=business) as house:
        business.write_text(business.read_text().replace("Harbor Street Clinic", "Quay Street Clinic"))
        house.worker.jobs.add("front_desk_watch", front_desk.FrontDeskWatch(house.worker).run())
        async with asyncio.timeout(PATIENCE_SECS):
            while house.worker.desk.business.name != "Quay Street Clinic":
                await asyncio.sleep(0.02)


async def test_a_voice_refused_at_the_start_is_mended_by_an_edit(tmp_path: Path, logs: list[Any]) -> None:
    business, prompt = tmp_path / "clinic.toml", tmp_path / "clinic.md"
    business.write_text(REHEARSAL_BUSINESS.read_text().replace("[hours]", 'prompt = "clinic.md"\n\n[hours]', 1))
    prompt.write_text(FRONT_DESK.read_text().replace("voice: alloy", "voice: sally"))
    async with open_house(tmp_path / "data", business_file=business) as house:
        house.worker.jobs.add("front_desk_watch", front_desk.FrontDeskWatch(house.worker).run())
        desk = Desk(house, business, prompt, logs)
        refusal = await desk.told("front_desk_refused")

        assert f'{prompt}: voice "sally"' in refusal["error"]
        assert "no call can be taken" in refusal["hint"]
        assert not house.worker.is_ready

        desk.edit(prompt, "voice: sally", "voice: alloy")
        await desk.told("worker_ready")

        assert house.worker.is_ready


@pytest.fixture
async def without_calcom(tmp_path: Path, logs: list[MutableMapping[str, Any]]) -> AsyncIterator[Desk]:
    """Open the desk of a worker that books the built-in calendar."""
    business = tmp_path / "clinic.toml"
    business.write_text(REHEARSAL_BUSINESS.read_text().replace('event_type = "101" ', "#"))
    no_calcom = {"calcom_api_key": "", "calcom_event_type_id": ""}
    async with open_house(tmp_path / "data", model=None, business_file=business, **no_calcom) as house:
        house.worker.jobs.add("front_desk_watch", front_desk.FrontDeskWatch(house.worker).run())
        desk = Desk(house, business, FRONT_DESK, logs)
        await desk.told("worker_ready")
        yield desk


async def test_what_the_built_in_calendar_books_is_as_the_edited_file_says(without_calcom: Desk) -> None:
    worker = without_calcom.house.worker
    without_calcom.edit(without_calcom.business, "# minutes = 30 ", "minutes = 60 #")
    await without_calcom.told("front_desk_changed")
    without_calcom.edit(without_calcom.business, "[[actions]]  ", '[[actions]]\ntitle = "Visit"\n[[actions]]  ')
    await without_calcom.told("front_desk_changed")

    durations = {name: each.duration for name, each in worker.desk.event_types.items()}
    assert durations == {"Book 30-Minute Consultation": timedelta(hours=1), "Book Visit": timedelta(minutes=30)}
    for action in worker.desk.business.actions:
        now = worker.clock()
        free = await worker.service.free_slots(action, worker.desk.business, start=now, end=now + timedelta(days=3))
        assert {slot.duration for slot in free} == {durations[action.name]}


async def test_an_event_type_of_cal_com_is_not_booked_elsewhere(without_calcom: Desk) -> None:
    without_calcom.edit(without_calcom.business, "[[actions]]  ", '[[actions]]\nevent_type = "101"')
    error = (await without_calcom.told("front_desk_refused"))["error"]

    assert error.startswith(f'{without_calcom.business}: "30-Minute Consultation" has event_type 101, a number at Cal')
    line = without_calcom.business.read_text().split("event_type = ")[0].count("\n") + 1
    place = f"event_type in line {line} of {without_calcom.business}"
    assert f"Set CALCOM_API_KEY to book there; or delete {place}, or set CALENDAR=builtin" in error


async def test_an_event_type_of_cal_com_may_stay_where_the_calendar_is_named(tmp_path: Path) -> None:
    async with open_house(tmp_path, calendar="builtin", calcom_base_url="http://127.0.0.1:1") as house:
        (event_type,) = house.worker.desk.event_types.values()

    assert event_type.id == "101"


async def test_instructions_that_appear_later_are_used(desk: Desk) -> None:
    desk.edit(desk.business, 'prompt = "clinic.md"', 'prompt = "later.md"')
    await desk.told("front_desk_refused")

    desk.prompt.with_name("later.md").write_text(desk.prompt.read_text().replace("How can I", "How may I"))
    await desk.told("front_desk_changed")

    assert "How may I help you?" in desk.greeting
