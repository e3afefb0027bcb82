"""`slotline prompts show`: what is shown is what the model gets, and each line says who wrote it."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr
from rich.console import Console

from agent.authoring import sent
from agent.authoring.sent import as_sent, token_counts, tools_of
from agent.authoring.show import CALLER, LABEL_WIDTH, Chosen, Page, choose
from agent.authoring.tokens import NOT_COUNTED, count_tokens
from agent.instructions import render_instructions
from agent.settings import AuthorSettings
from appointments.errors import ConfigError
from prompts.loader import REHEARSAL_BUSINESS
from tools.toolbox import tool_names

NOW = datetime(2026, 12, 1, 14, tzinfo=UTC)
SETTINGS = AuthorSettings(business_file=None)
HEAD = '---\nname: the desk\nvoice: alloy\ngreeting: "Hello, {business}. {recording_notice}"\n---\n'
MARGIN = re.compile(rf"(.{{{LABEL_WIDTH}}}) │ ?(.*)")


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what this machine's environment says out of the tests."""
    for name in AuthorSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def page(chosen: Chosen | None = None, *, width: int = 10_000, llm_model: str = "gpt-4.1") -> str:
    file = io.StringIO()
    console = Console(file=file, width=width, highlight=False, markup=False, emoji=False)
    Page(console, llm_model).show(chosen or choose(None, None, SETTINGS), now=NOW)
    return file.getvalue()


def section(shown: str, heading: str) -> list[tuple[str, str]]:
    """Return label and words of each line below a heading."""
    found = re.search(rf"^{re.escape(heading)}.*\n((?:.*│.*\n)+)", shown, re.MULTILINE)
    assert found, f"no {heading!r} in {shown}"
    rows = [MARGIN.fullmatch(line) for line in found[1].splitlines()]
    return [(" ".join(row[1].split()), row[2]) for row in rows if row]


def instructions(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "desk.md"
    path.write_text(HEAD + text, encoding="utf-8")
    return path


def business(tmp_path: Path, *changes: tuple[str, str]) -> Path:
    """Write a business file that differs from the rehearsal's."""
    text = REHEARSAL_BUSINESS.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "clinic.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_shows_the_system_prompt_character_for_character() -> None:
    chosen = choose(None, None, SETTINGS)
    expected = render_instructions(chosen.prompts, chosen.business, caller=CALLER, now=NOW).system

    rows = section(page(chosen), "System prompt")
    ours = [words for _, words in rows[: rows.index(("call", f"Caller's number: {CALLER}")) + 1]]

    assert "\n".join(ours) == expected
    assert ("pipecat", "ASYNC TOOLS:") in rows[len(ours) :]


def test_tells_who_wrote_each_line(tmp_path: Path) -> None:
    rows = section(
        page(choose(instructions(tmp_path, "# Who\n\nYou answer for {business}.\n"), None, SETTINGS)), "System"
    )

    assert rows[:5] == [
        ("author 6", "# Who"),
        ("author 7", ""),
        ("author 8", "You answer for Harbor Street Clinic."),
        ("", ""),
        ("script 1", "# Book 30-Minute Consultation"),
    ]
    assert ("business", "Time zone: America/New_York") in rows
    assert ("call", "Tue 2026-12-01 (today) | open 09:00-17:00") in rows
    assert ("call", "Caller's number: +14155550123") in rows


def test_tells_which_files_it_shows_and_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = instructions(tmp_path, "You answer.\n")
    named = business(tmp_path, ('# prompt = "front_desk.md"', 'prompt = "desk.md"'))
    monkeypatch.chdir(tmp_path)

    def told(file: Path | None, business: Path | None, setting: Path | None = None) -> list[str]:
        rows = dict(section(page(choose(file, business, AuthorSettings(business_file=setting))), "Who writes what"))
        return [rows["author"], rows["business"]]

    assert told(None, None)[0].endswith("front_desk.md (shipped: the business file names none)")
    assert told(None, None)[1].endswith("rehearsal.toml (BUSINESS_FILE is unset)")
    assert told(own, None)[0] == "desk.md (named on the command line)"
    assert told(None, named) == ["desk.md (named by the business file)", "clinic.toml (--business)"]
    assert told(None, None, named)[1] == "clinic.toml (BUSINESS_FILE)"
    assert told(None, REHEARSAL_BUSINESS, named)[1].endswith("rehearsal.toml (--business)")


def test_another_business_is_shown_whatever_event_type_the_settings_have(tmp_path: Path) -> None:
    text = REHEARSAL_BUSINESS.read_text(encoding="utf-8")
    path = tmp_path / "two.toml"
    path.write_text(text + '\n[[actions]]\nevent_type = "102"\ntitle = "Home Visit"\n')
    settings = AuthorSettings(business_file=REHEARSAL_BUSINESS, calcom_event_type_id="7")

    assert "Can be booked: Home Visit" in page(choose(None, path, settings))
    with pytest.raises(ConfigError, match="CALCOM_EVENT_TYPE_ID fits one action only"):
        choose(None, None, AuthorSettings(business_file=path, calcom_event_type_id="7"))


@pytest.mark.parametrize("width", [80, 120])
def test_long_lines_keep_their_margin(width: int) -> None:
    lines = [line for line in page(width=width).splitlines() if line]
    headings = [line for line in lines if not MARGIN.fullmatch(line)]

    assert max(map(len, lines)) <= width
    assert [line.split(",")[0].split(" (")[0] for line in headings] == [
        "Who writes what", "System prompt", "Tools", "Greeting and voice", "Tokens",
    ]  # fmt: skip


def test_a_wrapped_line_has_its_label_once() -> None:
    rows = section(page(width=80), "System prompt")
    at = rows.index(("author 9", "You are the front desk of Harbor Street Clinic. You answer its"))

    assert rows[at + 1] == ("", "phone as its automated assistant, and you say so when asked.")


def test_characters_that_do_not_show_are_written_out(tmp_path: Path) -> None:
    path = instructions(tmp_path, "One\u200b two\tthree\x1b[31m.\n")

    rows = section(page(choose(path, None, SETTINGS)), "System prompt")

    assert rows[0][1] == r"One\u200b two\tthree\x1b[31m."


def test_shows_all_that_the_tools_say() -> None:
    chosen = choose(None, None, SETTINGS)
    rows = [words for _, words in section(page(chosen), "Tools")]

    # The calendar is taken to want no e-mail address.
    taken = [name for name in tool_names(chosen.business) if name != "note_email"]
    assert [words for words in rows if words and not words.startswith(" ")] == taken
    for tool in tools_of(chosen.business, caller=CALLER, now=NOW):
        assert f"  {tool.description}" in rows
        for argument in tool.schema().properties.values():
            assert f"    {argument['description']}" in rows
    assert "  slot: string, required, maxLength 8, minLength 1" in rows
    assert "  notes: string, may be left out, maxLength 500" in rows


def test_the_choice_between_actions_is_shown() -> None:
    chosen = choose(None, None, SETTINGS)
    (action,) = chosen.business.actions
    visit = replace(action, name="Book Home Visit", title="Home Visit")

    shown = page(replace(chosen, business=replace(chosen.business, actions=(action, visit))))

    assert 'required, enum ["Book 30-Minute Consultation", "Book Home Visit"]' in shown
    assert "book_home_visit" in shown


@pytest.mark.parametrize(("fallback_email", "is_told"), [("", True), ("caller+{digits}@example.com", False)])
def test_says_what_is_assumed_of_the_calendar(fallback_email: str, *, is_told: bool) -> None:
    chosen = choose(None, None, SETTINGS)
    action = replace(chosen.business.actions[0], fallback_email=fallback_email)
    chosen = replace(chosen, business=replace(chosen.business, actions=(action,)))

    assert ("Assumed without asking Cal.com" in page(chosen)) is is_told
    assert "Cal.com" not in page(replace(chosen, is_for_calcom=False))


def test_a_business_without_event_types_is_for_the_built_in_calendar(tmp_path: Path) -> None:
    path = business(tmp_path, ('event_type = "101"', "#"))

    assert choose(None, REHEARSAL_BUSINESS, SETTINGS).is_for_calcom
    assert not choose(None, path, SETTINGS).is_for_calcom
    assert choose(None, path, AuthorSettings(calcom_api_key=SecretStr("cal_test"))).is_for_calcom


def test_shows_what_the_caller_hears_first_and_with_which_voice() -> None:
    rows = dict(section(page(llm_model="llama-4"), "Greeting and voice"))

    assert (
        rows["greeting"] == "Thanks for calling Harbor Street Clinic. I'm the automated assistant. How can I help you?"
    )
    assert "assistant. This call is recorded. How" in rows["if recorded"]
    assert rows["voice"] == "alloy"
    assert rows["model"] == "llama-4 (LLM_MODEL: the instructions name none)"
    assert rows["temperature"] == "0.3"


def test_shows_that_no_temperature_is_sent_to_a_model_that_may_reason() -> None:
    rows = dict(section(page(llm_model="gpt-6-luna"), "Greeting and voice"))

    assert rows["temperature"].startswith("not sent")


def test_the_instructions_model_goes_first(tmp_path: Path) -> None:
    path = instructions(tmp_path, "You answer.\n")
    path.write_text(path.read_text().replace("voice:", "model: gpt-8\nvoice:"))

    assert dict(section(page(choose(path, None, SETTINGS)), "Greeting and voice"))["model"] == "gpt-8"


def test_a_notice_inside_the_text_is_pointed_out(tmp_path: Path) -> None:
    path = instructions(tmp_path, "You answer. {recording_notice}\n")

    assert '"This call is recorded." stands for {recording_notice}' in page(choose(path, None, SETTINGS))
    assert "stands for" not in page()


def test_the_tokens_of_the_sources_are_those_of_the_whole() -> None:
    chosen = choose(None, None, SETTINGS)
    told = render_instructions(chosen.prompts, chosen.business, caller=CALLER, now=NOW)

    tools = tools_of(chosen.business, caller=CALLER, now=NOW)
    parts = as_sent(told, tools)
    counts = token_counts(parts, tools)
    shown = {label: words.split()[0] for label, words in section(page(chosen), "Tokens") if label != "note"}

    assert counts is not None
    assert sum(counts.values()) - counts["tools"] == count_tokens("".join(part.text for part in parts))
    assert {label: int(words.replace(",", "")) for label, words in shown.items()} == {
        "system prompt": sum(counts.values()) - counts["tools"],
        **counts, "total": sum(counts.values())
    }  # fmt: skip


def test_the_tokens_are_held_against_their_budgets(tmp_path: Path) -> None:
    wordy = instructions(tmp_path, "Say one short sentence, then ask one question.\n" * 150)

    assert dict(section(page(), "Tokens"))["author"].endswith("within a budget of 1,200")
    assert dict(section(page(choose(wordy, None, SETTINGS)), "Tokens"))["author"].endswith("over the budget of 1,200")


def test_says_why_tokens_are_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sent, "count_tokens", lambda _text: None)

    assert NOT_COUNTED in page().replace("Tokens are not", "tokens are not")


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [("You are {nobody}.\n", 6, "{nobody} is no placeholder"), ("Call `find_slot`.\n", 6, "find_slot is no tool")],
)
def test_a_broken_file_is_told_with_file_and_line(tmp_path: Path, text: str, line: int, what: str) -> None:
    path = instructions(tmp_path, text)

    with pytest.raises(ConfigError) as caught:
        choose(path, None, SETTINGS)

    assert str(caught.value).startswith(f"{path}:{line}: {what}")
