"""The example businesses: their files load, their instructions fit them, and they are told apart."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.authoring.check import run as check
from agent.instructions import load_prompt_set, render_instructions
from agent.rehearsed import Rehearsed
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


def test_event_types_last_what_the_scenario_says_or_else_the_business_file() -> None:
    salon = Rehearsed.read(REHEARSAL_BUSINESS.with_name("salon.toml")).event_types({"Colour": 150})
    clinic = Rehearsed.read(REHEARSAL_BUSINESS).event_types({})

    assert [(each["id"], each["title"], each["minutes"]) for each in salon] == [
        (301, "Haircut", 45),
        (302, "Colour", 150),
        (303, "Consultation", 15),
    ]
    assert [(each["id"], each["minutes"]) for each in clinic] == [(101, 30)]


@pytest.mark.parametrize(
    ("platform", "location"),
    [
        ("in_person", {"type": "address", "address": "8 Willow Street"}),
        ("phone", {"type": "phone", "phone": "+14155550100"}),
        ("cal_video", {"type": "integration", "integration": "cal-video"}),
        ("zoom", {"type": "integration", "integration": "zoom"}),
        ("google_meet", {"type": "integration", "integration": "google-meet"}),
        ("microsoft_teams", {"type": "integration", "integration": "office365-video"}),
    ],
)
def test_event_types_are_where_the_business_says(tmp_path: Path, platform: str, location: dict[str, str]) -> None:
    salon = REHEARSAL_BUSINESS.with_name("salon.toml").read_text(encoding="utf-8").replace('prompt = "../salon.md"', "")
    (tmp_path / "salon.toml").write_text(salon.replace('"in_person"', f'"{platform}"'), encoding="utf-8")

    assert [each["location"] for each in Rehearsed.read(tmp_path / "salon.toml").event_types({})] == [location] * 3


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_that_names_its_event_types_is_taken_at_its_word(tmp_path: Path, file: Path) -> None:
    environment = worker_environment(
        STAND_INS, url="http://127.0.0.1:1", data_dir=tmp_path, clock_start="", business_file=file
    )

    assert environment["CALCOM_EVENT_TYPE_ID"] == ""
    assert environment["BUSINESS_FILE"] == str(file)


def test_the_one_event_type_that_a_file_leaves_out_is_the_stand_ins(tmp_path: Path) -> None:
    text = REHEARSAL_BUSINESS.read_text(encoding="utf-8")
    mine = tmp_path / "mine.toml"
    mine.write_text(text.replace('event_type = "101"', ""), encoding="utf-8")
    environment = worker_environment(
        STAND_INS, url="http://127.0.0.1:1", data_dir=tmp_path, clock_start="", business_file=mine
    )

    assert environment["CALCOM_EVENT_TYPE_ID"] == "101"
    assert Rehearsed.read(mine, calendar="calcom").business.actions[0].event_type_id == "101"
    assert Rehearsed.read(mine).calendar == "builtin"


def test_an_event_type_that_is_no_number_is_refused(tmp_path: Path) -> None:
    (tmp_path / "plumber.md").write_text(FRONT_DESK.read_text(encoding="utf-8"), encoding="utf-8")
    mine = tmp_path / "business" / "mine.toml"
    mine.parent.mkdir()
    mine.write_text(PLUMBER.read_text(encoding="utf-8").replace('"202"', '"repair"'), encoding="utf-8")

    with pytest.raises(ConfigError, match=r'mine\.toml: "Repair Visit" has no event_type that is a number'):
        Rehearsed.read(mine)
    assert Rehearsed.read(mine, calendar="builtin").business.actions[1].event_type_id == "repair"


def test_a_business_without_event_types_is_rehearsed_with_the_built_in_calendar(tmp_path: Path) -> None:
    salon = REHEARSAL_BUSINESS.with_name("salon.toml").read_text(encoding="utf-8").replace('prompt = "../salon.md"', "")
    (tmp_path / "mine.toml").write_text(re.sub(r'event_type = "\d+"', "", salon), encoding="utf-8")

    rehearsed = Rehearsed.read(tmp_path / "mine.toml")

    assert rehearsed.calendar == "builtin"
    assert [action.event_type_id for action in rehearsed.business.actions] == [
        "book_haircut",
        "book_colour",
        "book_consultation",
    ]
    with pytest.raises(ConfigError, match="--calendar builtin"):
        Rehearsed.read(tmp_path / "mine.toml", calendar="calcom")


def test_instructions_that_name_a_tool_of_another_business_are_refused(tmp_path: Path) -> None:
    prompt = tmp_path / "mine.md"
    prompt.write_text(FRONT_DESK.read_text(encoding="utf-8") + "Call `book_haircut` then.\n", encoding="utf-8")

    with pytest.raises(ConfigError, match=r"mine\.md:\d+: book_haircut is no tool; .*book_"):
        Rehearsed.read(PLUMBER, prompt)
