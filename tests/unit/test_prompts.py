"""Instruction files: what they may hold, and how their mistakes are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from prompts.loader import fill, load_booking_script, load_prompt
from prompts.reading import FileProblem, parse_yaml

HEAD = '---\nname: Desk\nvoice: alloy\ngreeting: "Hello, {business}."\n---\n'


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "desk.md"
    path.write_text(text, encoding="utf-8")
    return path


def test_reads_head_and_text(tmp_path: Path) -> None:
    prompt = load_prompt(write(tmp_path, HEAD + "\n# Who\nYou are {business}.\n---\nmore\n"))

    assert prompt.head.name == "Desk"
    assert prompt.head.language == "en"
    assert prompt.head.model == ""
    assert prompt.text == "# Who\nYou are {business}.\n---\nmore"
    assert prompt.text_line == 7


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        ("# Who\n", 1, "starts with no front matter"),
        ("", 1, "starts with no front matter"),
        ("---\nname: x\n", 1, "front matter is not closed"),
        (HEAD, 5, "has no text below"),
        (HEAD.replace("voice", "voce") + "x", 3, "voce is an unknown key"),
        (HEAD.replace("voice: alloy\n", "") + "x", 2, "voice is missing"),
        (HEAD.replace("alloy", "[alloy") + "x", 3, "is not YAML"),
        (HEAD.replace("alloy", "{alloy") + "x", 3, "is not YAML"),
        (HEAD.replace("alloy", '"alloy') + "x", 3, "is not YAML"),
        (HEAD.replace("voice: alloy", "voice alloy") + "x", 3, "is not YAML"),
        (HEAD.replace("alloy", "alloy: fast") + "x", 3, "is not YAML"),
        (HEAD.replace("alloy", "@alloy") + "x", 3, "is not YAML"),
        (HEAD.replace("alloy", "*alloy") + "x", 3, "YAML aliases"),
        (HEAD.replace('business}."', "business}.") + "x", 4, "is not YAML"),
        (HEAD.replace("name: Desk", "temperature: 3\nname: Desk") + "x", 2, "temperature must be 2 at most"),
        (HEAD.replace('"Hello, {business}."', "|\n  Hello.\n  This is {busines}.") + "x", 6, "{busines} is no"),
        (HEAD.replace('"Hello, {business}."', ">\n  Hello, {busines}.") + "x", 5, "{busines} is no placeholder"),
        (HEAD.replace("name: Desk", "name: Desk\nname: Bar") + "x", 3, "name is given twice"),
        (
            HEAD.replace("{business}", "{busines}") + "x",
            4,
            "{busines} is no placeholder; there are {agent}, {business}",
        ),
        (HEAD.replace("name: Desk", "name: Desk\nlanguage: de") + "x", 3, 'language must be en, not "de"'),
        (HEAD + "\nfine\nnot {caller} fine\n", 8, "{caller} is no placeholder"),
    ],
)
def test_names_file_and_line_of_a_mistake(tmp_path: Path, text: str, line: int, expected: str) -> None:
    path = write(tmp_path, text)

    with pytest.raises(FileProblem) as caught:
        load_prompt(path)

    assert f"{path}:{line}: {expected}" in str(caught.value)


def test_a_file_must_be_there_and_be_text(tmp_path: Path) -> None:
    (tmp_path / "latin.md").write_bytes(b"---\nname: Caf\xe9\n---\n")

    with pytest.raises(FileProblem, match=r"nobody\.md: there is no such file$"):
        load_prompt(tmp_path / "nobody.md")
    with pytest.raises(FileProblem, match=r"latin\.md:2: is not UTF-8 text: it has the byte 0xe9"):
        load_prompt(tmp_path / "latin.md")


def test_what_is_filled_in_is_not_filled_again() -> None:
    assert fill("{business} and {x}", {"business": "{x}", "x": "1"}) == "{x} and 1"


def test_yaml_words_stay_words() -> None:
    data, _ = parse_yaml(
        "{on: off, yes: no, at: 12:30, day: 2026-12-01, pin: 0123, is: true, n: -2, f: 1.5}", Path("x")
    )

    assert data == {
        "on": "off", "yes": "no", "at": "12:30", "day": "2026-12-01", "pin": "0123", "is": True, "n": -2, "f": 1.5
    }  # fmt: skip


def test_shipped_greeting_keeps_its_words() -> None:
    greeting = load_prompt().head.greeting

    assert "{business}" in greeting
    assert "automated assistant" in greeting
    assert "{recording_notice}" in greeting
    assert "help" in greeting


def test_shipped_instructions_are_short_enough_to_be_read_every_turn() -> None:
    # Four characters a token is on the high side for English.
    assert len(load_prompt().text) / 4 <= 1000


def test_shipped_script_keeps_the_words_callers_react_to() -> None:
    script = load_booking_script()

    assert "May I have your name?" in script
    assert "Is that right?" in script
    assert "Is there anything else?" in script
    assert "{action}" in script
