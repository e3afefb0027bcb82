"""Checking files together: what one says of the other, what is broken and what can be checked all the same."""

from __future__ import annotations

import sys
import tomllib
from datetime import date
from typing import TYPE_CHECKING

import pytest
from pipecat.services.openai.tts import VALID_VOICES

import agent.authoring.tokens
from agent.authoring.business import check_text
from agent.authoring.cures import BUSINESS, HEAD
from agent.authoring.head import VOICES
from agent.authoring.model import check_model
from agent.authoring.review import review
from agent.business_file import ActionTable, BusinessFile, HoursTable, OfferTable, RulesTable
from agent.message_tables import ActionMessagesTable, MessagesTable
from prompts.loader import FRONT_DESK, REHEARSAL_BUSINESS, FrontMatter, read_prompt
from prompts.reading import parse_yaml
from tests.author_files import GREETING, NOW, PROMPT, RULE_LINE, SETTINGS, check, plant, told, write_files

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import BaseModel


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Return instructions and a business file in which nothing is to be found."""
    return write_files(tmp_path)


STEPS = """1. Call `find_slots` with the day.
2. Ask for the name and read everything back.
3. Use "Book 30-Minute Consultation"."""
FLOW = """Look for free times with `find_slots` and offer two of them.
Ask for the caller's name, and read everything back.

## At the end
Then use the booking tool."""


@pytest.mark.parametrize(
    ("prompt", "business", "expected"),
    [
        ((RULE_LINE, STEPS), None, ("desk.md", 11, "two-scripts")),
        ((RULE_LINE, STEPS), ("instructions = true", "instructions = false"), None),
        ((RULE_LINE, FLOW), None, ("desk.md", 11, "two-scripts")),
        ((RULE_LINE, FLOW), ("instructions = true", "instructions = false"), None),
        ((RULE_LINE, FLOW.replace("Ask for", "Never ask for")), None, None),
        ((RULE_LINE, "# Example\n" + FLOW), None, None),
        (
            (RULE_LINE, 'Read the time back. Use "Book Home Visit".'),
            ("slots_per_day = 3", 'slots_per_day = 3\n[[actions]]\nevent_type="2"\ntitle="Home Visit"'),
            None,
        ),
        (
            (RULE_LINE, "Read the time back."),
            (
                "slots_per_day = 3",
                'slots_per_day = 3\n[[actions]]\nevent_type="2"\ntitle="Home Visit"\ndefault_instructions=false',
            ),
            ("harbor.toml", 25, "unmentioned-action"),
        ),
        (
            (RULE_LINE, "When they agree, use the booking tool."),
            ("instructions = true", "instructions = false"),
            ("desk.md", 7, "no-read-back"),
        ),
        ((RULE_LINE, "Give directions when asked."), ("We are on", "We live on"), None),
    ],
)
def test_looks_at_the_instructions_and_the_actions_together(
    files: tuple[Path, Path],
    prompt: tuple[str, str],
    business: tuple[str, str] | None,
    expected: tuple[str, int, str] | None,
) -> None:
    plant(files[0], *prompt)
    if business:
        plant(files[1], *business)

    assert told(check(files).findings) == ([expected] if expected else [])


def test_directions_need_an_address(files: tuple[Path, Path]) -> None:
    line = plant(files[0], RULE_LINE, "Give directions when asked.")
    text = files[1].read_text(encoding="utf-8")
    files[1].write_text(text[: text.index("about")] + text[text.index("[hours]") :], encoding="utf-8")

    assert told(check(files).findings) == [("desk.md", line, "no-address")]


def test_a_business_has_hours(files: tuple[Path, Path]) -> None:
    text = files[1].read_text(encoding="utf-8")
    files[1].write_text(text[: text.index("monday")] + text[text.index("[[actions]]") :], encoding="utf-8")
    line = plant(files[0], RULE_LINE, "We are open 9 to 5.")

    assert told(check(files).findings) == [("desk.md", line, "written-hours"), ("harbor.toml", 9, "no-hours")]


def test_a_long_name_makes_a_long_text(files: tuple[Path, Path]) -> None:
    plant(files[1], '"Harbor Street Clinic"', f'"The Harbor {"and Lake " * 20}Street Clinic"')

    assert told(check(files).findings) == [("harbor.toml", 16, "long-sms")]


def test_length_is_held_against_budgets(files: tuple[Path, Path]) -> None:
    plant(files[0], RULE_LINE, "# Manners\n" + "Be as brief as you can be.\n" * 220 + "# Rest\nBe brief.")
    plant(files[1], "We are on the", "We are by the sea and love it. " * 100 + "We are on the")

    found = check(files)

    assert told(found.findings) == [
        ("desk.md", 7, "long-instructions"),
        ("desk.md", 7, "long-text"),
        ("harbor.toml", 5, "long-about"),
    ]
    assert 'the longest sections: "Manners" 1' in found.findings[1].text
    assert found.tokens.text is not None
    assert found.tokens.instructions is not None
    assert 1200 < found.tokens.text < found.tokens.instructions


def test_a_text_that_replaces_the_shipped_script_may_have_its_length(files: tuple[Path, Path]) -> None:
    before = check(files).tokens.text_budget
    plant(files[1], "instructions = true", "instructions = false")

    assert before == 1200
    assert check(files).tokens.text_budget > 1300


def test_tokens_that_cannot_be_counted_are_no_obstacle(
    files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "splintr", None)  # as in a production image
    agent.authoring.tokens._tokenizer.cache_clear()
    monkeypatch.setattr("agent.authoring.tokens._tokenizer", agent.authoring.tokens._tokenizer.__wrapped__)

    found = check(files)

    assert found.findings == ()
    assert found.tokens.text is None
    assert "tokens are not counted: uv sync --group authoring" in found.notes


def test_collects_what_is_wrong_in_all_files_and_in_several_ways(files: tuple[Path, Path]) -> None:
    plant(files[0], "voice: alloy", "voice: alloy\nvoise: alloy\ntempo: 3")
    plant(files[0], GREETING, GREETING.replace("{business}", "{busines}"))
    plant(files[0], RULE_LINE, "Use book_it.\nWe are open until six.\nWe take {cards}. A consultation is $90.")
    plant(files[1], 'platform = "cal_video"', 'platform = "fax"')
    plant(files[1], "slots_per_day = 3", "slots_per_day = 9\nstart_date = 2026-11-02")

    found = check(files)

    assert sorted(told(found.findings)) == [
        ("desk.md", 4, "front-matter"),
        ("desk.md", 5, "front-matter"),
        ("desk.md", 6, "placeholder"),
        ("desk.md", 13, "unknown-tool"),
        ("desk.md", 14, "wrong-hours"),
        ("desk.md", 15, "placeholder"),
        ("desk.md", 15, "wrong-price"),
        ("harbor.toml", 19, "business-file"),
        ("harbor.toml", 24, "business-file"),
        ("harbor.toml", 25, "past-start-date"),
    ]


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        ("", 1, "starts with no front matter"),
        (PROMPT.replace("---\nname", "name", 1), 1, "starts with no front matter"),
        (PROMPT.replace("voice: alloy", "voice: [alloy"), 3, "is not YAML"),
        ("---\nname: x\n", 1, "not closed"),
        ("---\n- name\n---\nBe brief.\n", 2, "must hold keys and values"),
    ],
)
def test_a_broken_head_does_not_hide_the_rest(files: tuple[Path, Path], text: str, line: int, expected: str) -> None:
    files[0].write_text(text.replace(RULE_LINE, "Use book_it."), encoding="utf-8")
    plant(files[1], "slots_per_day = 3", "slots_per_day = 9")

    findings = check(files).findings

    assert any(expected in found.text and found.line == line for found in findings if found.path == files[0])
    assert any(found.rule == "unknown-tool" for found in findings) == ("book_it" in files[0].read_text())
    assert [found.rule for found in findings if found.path == files[1]] == ["business-file"]


def test_a_business_file_that_cannot_be_read_leaves_what_can_be_checked_without(files: tuple[Path, Path]) -> None:
    line = plant(files[0], RULE_LINE, "Ask for the caller's phone number. Use book_it.")
    plant(files[1], "[hours]", "[hours")

    found = check(files)

    assert told(found.findings) == [("desk.md", line, "asks-for-number"), ("harbor.toml", 9, "unreadable")]
    assert "what depends on the business file was not checked: it cannot be read" in found.notes


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('number = "+14155552671"\n', ""),
        ('name = "Harbor Street Clinic"\n', ""),
        ('zone = "America/New_York"\n', ""),
        ('monday = ["09:00-17:00"]', 'monday = "9-17"'),
    ],
)
def test_what_the_business_file_lacks_is_not_compared(files: tuple[Path, Path], old: str, new: str) -> None:
    plant(files[0], RULE_LINE, "We use Central Time in our calendar. We are open until six.")
    plant(files[1], old, new)

    rules = {found.rule for found in check(files).findings}

    assert "business-file" in rules
    assert ("wrong-zone" in rules) == ("zone" not in old)
    assert ("wrong-hours" in rules) == ("monday" not in old)


def test_an_action_without_a_title_does_not_hide_the_rest(files: tuple[Path, Path]) -> None:
    plant(
        files[1],
        "slots_per_day = 3",
        "slots_per_day = 3\n[[actions]]\nplatform = 'phone'\n[[actions]]\ntitle = 'Visit'\nminutes = 4",
    )

    found = check(files)

    assert [(each.line, each.text.partition(",")[0]) for each in found.findings] == [
        (25, "the second action: title is missing"),
        (29, "the third action"),
    ]
    assert found.findings[0].better == 'add title = "30-Minute Consultation"'
    assert found.segments == {}


@pytest.mark.parametrize(
    ("begin", "end", "key"), [("[[actions]]", None, "actions"), ("[hours]", "[[actions]]", "hours")]
)
def test_a_missing_table_is_told_with_what_goes_into_it(
    files: tuple[Path, Path], begin: str, end: str | None, key: str
) -> None:
    text = files[1].read_text(encoding="utf-8")
    files[1].write_text(text[: text.index(begin)] + (text[text.index(end) :] if end else ""), encoding="utf-8")
    line = plant(files[1], "We are on", "We are **not** on")

    missing, other = check(files).findings

    assert missing.text == f"{key} is missing"
    assert missing.better.startswith(f"add {begin}, and below it ")
    assert (other.line, other.rule) == (line, "spoken-markup")


@pytest.mark.parametrize(
    "model",
    [
        *(BusinessFile, ActionTable, HoursTable, OfferTable, RulesTable, FrontMatter),
        *(MessagesTable, ActionMessagesTable),
    ],
)
def test_every_key_has_a_form_that_is_accepted(files: tuple[Path, Path], model: type[BaseModel]) -> None:
    forms = HEAD if model is FrontMatter else BUSINESS
    (files[1].parent / "plumber.md").write_text(PROMPT, encoding="utf-8")

    for key in model.model_fields:
        form = forms[key]
        if model is FrontMatter:
            values, _ = parse_yaml(form, files[0])
            assert isinstance(values, dict)
            FrontMatter.model_validate({"name": "x", "voice": "x", "greeting": "x"} | values)
        elif "=" in form.partition(",")[0]:
            model.model_validate(_whole(model) | tomllib.loads(form))


def _whole(model: type[BaseModel]) -> dict[str, object]:
    """Return what a table has to have."""
    if model is ActionTable:
        return {"title": "Visit"}
    if model is BusinessFile:
        return {"name": "x", "number": "+14155550100", "zone": "UTC", "hours": {}, "actions": [{"title": "Visit"}]}
    return {}


@pytest.mark.parametrize(
    ("template", "line", "expected"),
    [
        ("Hello {name}.\nAt {hour}.\n", 2, "no placeholder {hour}"),
        ("Reply CANCEL to cancel.\n", 1, "CANCEL"),
        ("x" * 400, 1, "3 segments"),
    ],
)
def test_finds_a_mistake_in_a_text(tmp_path: Path, template: str, line: int, expected: str) -> None:
    path = tmp_path / "confirmation.txt"
    path.write_text(template, encoding="utf-8")

    (found,) = check_text(path)

    assert (found.line, found.rule) == (line, "text-template")
    assert expected in found.text


def test_the_model_of_the_settings_is_checked_too(files: tuple[Path, Path]) -> None:
    settings = SETTINGS.model_copy(update={"llm_model": "openai/gpt-4o-mini"})

    found = check(files, settings)

    assert told(found.findings) == [("desk.md", 1, "weak-model")]
    assert 'LLM_MODEL "openai/gpt-4o-mini"' in found.findings[0].text
    assert found.model == "openai/gpt-4o-mini"


def test_a_model_that_will_be_gone_is_noted_and_one_that_is_gone_is_found(files: tuple[Path, Path]) -> None:
    notes = check(files).notes
    later = [found.rule for found in check_model(read_prompt(files[0]), "gpt-4.1", date(2027, 1, 14))]

    assert any("OpenAI shuts gpt-4.1 down on 2027-01-14" in note for note in notes)
    assert later == ["retired-model"]


def test_accepts_the_voices_that_pipecat_accepts() -> None:
    assert set(VOICES) == set(VALID_VOICES)


def test_the_instructions_of_the_business_are_checked(files: tuple[Path, Path]) -> None:
    plant(files[1], 'name = "Harbor', 'prompt = "desk.md"\nname = "Harbor')

    assert review(None, files[1], SETTINGS, NOW).instructions == files[0]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('name = "Harbor', 'prompt = "gone.md"\nname = "Harbor'),
        ("[hours]", '[hours]\nprompt = "desk.md"'),
        ('name = "Harbor Street Clinic"', 'name = "Harbor'),
    ],
    ids=["no such file", "below a table", "no TOML"],
)
def test_other_instructions_than_the_authors_are_not_checked(files: tuple[Path, Path], old: str, new: str) -> None:
    plant(files[1], old, new)

    found = review(None, files[1], SETTINGS, NOW)

    assert (found.instructions, found.tokens.text) == (None, None)
    assert {finding.path for finding in found.findings} == {files[1]}
    assert found.notes == ("your instructions were not checked: mend the business file first",)


def test_a_business_file_without_instructions_has_the_shipped_ones(files: tuple[Path, Path]) -> None:
    assert review(None, files[1], SETTINGS, NOW).instructions == FRONT_DESK


def test_the_event_type_of_the_settings_completes_a_business_of_one_action(files: tuple[Path, Path]) -> None:
    plant(files[1], 'event_type = "101"\n', "")
    settings = SETTINGS.model_copy(update={"business_file": files[1], "calcom_event_type_id": "7"})
    other = SETTINGS.model_copy(update={"business_file": REHEARSAL_BUSINESS, "calcom_event_type_id": "7"})
    plumber = REHEARSAL_BUSINESS.with_name("plumber.toml")

    assert review(None, None, settings, NOW).findings == ()
    assert review(None, files[1], other, NOW).findings == ()
    assert review(None, plumber, other, NOW).findings == ()
    assert check(files).findings == ()
