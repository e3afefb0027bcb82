"""The example businesses: their files load, their instructions fit them, and they are told apart."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.authoring.check import run as check
from agent.instructions import load_prompt_set, render_instructions
from agent.rehearsal import Rehearsed
from agent.stand_ins import StandIns, worker_environment
from appointments.errors import ConfigError
from prompts.loader import FRONT_DESK, REHEARSAL_BUSINESS
from simulator.world import BUSINESS_NUMBER

FILES = sorted(REHEARSAL_BUSINESS.parent.glob("*.toml"))
PLUMBER = REHEARSAL_BUSINESS.with_name("plumber.toml")
STAND_INS = StandIns(
    twilio="http://127.0.0.1:1",
    openai="http://127.0.0.1:1/v1",
    calcom="http://127.0.0.1:1",
    credentials=dict.fromkeys(
        (
            "twilio_account_sid",
            "twilio_auth_token",
            "twilio_api_key_sid",
            "twilio_api_key_secret",
            "openai_api_key",
            "calcom_api_key",
        ),
        "none",
    ),
    business_number=BUSINESS_NUMBER,
    event_type_id="101",
)


def prompt_of(file: Path) -> Path:
    return Rehearsed.read(file).business.prompt or FRONT_DESK


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_an_example_is_answered_by_the_number_of_the_stand_ins(file: Path) -> None:
    assert Rehearsed.read(file).business.number == BUSINESS_NUMBER


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_greeting_says_whose_phone_it_is_what_answers_and_that_it_helps(file: Path) -> None:
    business = Rehearsed.read(file).business
    prompts = load_prompt_set(prompt_of(file))

    instructions = render_instructions(
        prompts, business, caller=None, now=datetime(2026, 12, 1, tzinfo=UTC), is_recorded=True
    )

    assert business.name in instructions.greeting
    assert "automated assistant" in instructions.greeting
    assert "This call is recorded." in instructions.greeting
    assert "help" in instructions.greeting


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_booking_steps_are_told_once(file: Path) -> None:
    business = Rehearsed.read(file).business
    text = load_prompt_set(prompt_of(file)).prompt.text
    scripts = [action for action in business.actions if action.default_instructions]

    assert len(scripts) == (0 if "# Booking steps" in text else len(business.actions))
    assert all(action.name in text for action in business.actions if action not in scripts)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_check_finds_nothing_to_better(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = check(None, business=file, env_file=None, as_json=True)
    told = json.loads(capsys.readouterr().out)

    assert status == 0
    assert told["findings"] == []


def test_the_examples_sound_different() -> None:
    heads = [load_prompt_set(prompt_of(file)).prompt.head for file in FILES]

    assert len(FILES) == 3
    for what in ("name", "voice", "greeting"):
        assert len({getattr(head, what) for head in heads}) == len(heads)


def test_event_types_last_what_is_said_or_what_their_titles_say() -> None:
    salon = Rehearsed.read(REHEARSAL_BUSINESS.with_name("salon.toml"))
    clinic = Rehearsed.read(REHEARSAL_BUSINESS)

    assert salon.event_types({"Colour": 120}) == [
        {"id": 301, "title": "Haircut", "minutes": 30},
        {"id": 302, "title": "Colour", "minutes": 120},
        {"id": 303, "title": "Consultation", "minutes": 30},
    ]
    assert clinic.event_types({}) == [{"id": 101, "title": "30-Minute Consultation", "minutes": 30}]


@pytest.mark.parametrize(("file", "setting"), [(REHEARSAL_BUSINESS, "101"), (PLUMBER, "")])
def test_one_event_type_is_set_only_where_there_is_one_action(tmp_path: Path, file: Path, setting: str) -> None:
    environment = worker_environment(
        STAND_INS, url="http://127.0.0.1:1", data_dir=tmp_path, clock_start="", business_file=file
    )

    assert environment["CALCOM_EVENT_TYPE_ID"] == setting
    assert environment["BUSINESS_FILE"] == str(file)


def test_an_event_type_that_is_no_number_is_refused(tmp_path: Path) -> None:
    (tmp_path / "plumber.md").write_text(FRONT_DESK.read_text(encoding="utf-8"), encoding="utf-8")
    mine = tmp_path / "business" / "mine.toml"
    mine.parent.mkdir()
    mine.write_text(PLUMBER.read_text(encoding="utf-8").replace('"202"', '"repair"'), encoding="utf-8")

    with pytest.raises(ConfigError, match=r"mine\.toml: event_type 'repair' is not the number of an event type"):
        Rehearsed.read(mine)


def test_instructions_that_name_a_tool_of_another_business_are_refused(tmp_path: Path) -> None:
    prompt = tmp_path / "mine.md"
    prompt.write_text(FRONT_DESK.read_text(encoding="utf-8") + "Call `book_haircut` then.\n", encoding="utf-8")

    with pytest.raises(ConfigError, match=r"mine\.md:\d+: book_haircut is no tool; .*book_"):
        Rehearsed.read(PLUMBER, prompt)
