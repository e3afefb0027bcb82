"""`slotline prompts check` as a command: what it prints, how it ends, and where it takes its files from."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from agent.authoring.check import as_object
from agent.cli import app
from agent.settings import AuthorSettings
from appointments.errors import ConfigError
from tests.author_files import RULE_LINE, check, plant, write_files

ROOT = Path(__file__).parents[2]


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Return instructions and a business file in which nothing is to be found, with the model of the settings."""
    files = write_files(tmp_path)
    plant(files[0], "temperature: 0.3", "# temperature: 0.3")
    return files


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Run in an empty folder with no settings but a key, and leave the log of the tests alone."""
    for name in AuthorSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("CALCOM_API_KEY", "cal_test")
    monkeypatch.setattr("agent.authoring.check.configure_logs", lambda *_, **__: None)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["prompts", "check", *arguments])
    if isinstance(result.exception, ConfigError):
        return 2, str(result.exception)
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.output


def test_without_any_settings_the_shipped_files_are_checked(outside: Path) -> None:
    status, output = run()

    assert status == 0
    assert "front_desk.md" in output
    assert "rehearsal.toml: no errors, no warnings." in output
    assert re.search(r"^Tokens: \d+ of 1,200 in the text, [\d,]+ of 3,000 in all instructions, [\d,]+ in", output, re.M)
    assert "note: BUSINESS_FILE is unset: checked with the business of the rehearsal" in output


def test_prints_each_finding_with_place_rule_sentence_and_cure(outside: Path, files: tuple[Path, Path]) -> None:
    plant(files[0], RULE_LINE, "Use book_it.\nAsk for their phone number.")

    status, output = run("desk.md", "--business", "harbor.toml")

    assert status == 1
    assert output.splitlines()[:6] == [
        "desk.md:11: error[unknown-tool] book_it is no tool; "
        "there are book_30_minute_consultation, cancel_appointment, check_code, confirm_appointment, end_call, "
        "find_appointments, find_slots, join_waitlist, move_appointment, note_email, request_callback, text_code",
        "    better: use book_30_minute_consultation",
        'desk.md:12: warning[asks-for-number] "Ask for their phone number" asks for a number that no booking uses',
        "    better: leave it out: texts go to the number the caller calls from; only a code and a call back "
        "take another",
        "",
        "desk.md with harbor.toml: 1 error, 1 warning.",
    ]


def test_warnings_alone_are_no_failure(outside: Path, files: tuple[Path, Path]) -> None:
    plant(files[0], RULE_LINE, "Ask for their phone number.")

    status, output = run("desk.md", "--business", "harbor.toml")

    assert status == 0
    assert "no errors, 1 warning." in output


def test_json_is_one_object(outside: Path, files: tuple[Path, Path]) -> None:
    line = plant(files[0], RULE_LINE, "Use book_it.")

    status, output = run("desk.md", "--business", "harbor.toml", "--json")
    told = json.loads(output)

    assert status == 1
    assert (told["ok"], told["errors"], told["warnings"]) == (False, 1, 0)
    assert (told["instructions"], told["business"], told["model"]) == ("desk.md", "harbor.toml", "gpt-6-luna")
    assert told["tokens"]["text_budget"] == 1200
    assert told["segments"] == {"30-Minute Consultation": 2}
    (finding,) = told["findings"]
    assert finding.pop("text").startswith("book_it is no tool")
    assert finding == {
        "file": "desk.md",
        "line": line,
        "severity": "error",
        "rule": "unknown-tool",
        "better": "use book_30_minute_consultation",
    }


def test_every_key_of_the_json_has_an_entry(files: tuple[Path, Path]) -> None:
    plant(files[0], RULE_LINE, "Use book_it.")
    told = as_object(check(files))
    page = (ROOT / "docs" / "reference" / "commands.md").read_text(encoding="utf-8")
    text = page.partition("### The JSON of a check\n")[2].partition("\n## ")[0]

    keys = {*told, *(f"tokens.{key}" for key in told["tokens"]), *(f"findings[].{key}" for key in told["findings"][0])}
    assert set(re.findall(r"^\| `([^`]+)`", text, re.M)) == keys


def test_a_mistyped_path_is_told_with_the_one_that_is_there(outside: Path, files: tuple[Path, Path]) -> None:
    assert run("dsk.md", "--business", "harbor.toml") == (2, "there is no file dsk.md; did you mean desk.md?")
    assert run("desk.md", "--business", "harbour.toml") == (
        2,
        "there is no file harbour.toml; did you mean harbor.toml?",
    )


def test_the_business_file_comes_from_the_settings(outside: Path, files: tuple[Path, Path]) -> None:
    (outside / ".env").write_text("BUSINESS_FILE=harbor.toml\nLLM_MODEL=gpt-4o-mini\n")

    status, output = run("desk.md")

    assert status == 0
    assert "desk.md with harbor.toml: no errors, 1 warning." in output
    assert 'LLM_MODEL "gpt-4o-mini" is weak' in output
    assert "rehearsal.toml" in run("desk.md", "--no-env-file")[1]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("BUSINESS_FILE=gone.toml", "BUSINESS_FILE names a file that is not there: there is no file gone.toml"),
        ("BUSINES_FILE=harbor.toml", "BUSINES_FILE in .env is no setting; did you mean BUSINESS_FILE?"),
        ("TWILIO_ACOUNT_SID=AC0\nCALCOM_EVENT_TYPE_ID=seven", "CALCOM_EVENT_TYPE_ID must be the number"),
    ],
)
def test_a_wrong_setting_is_told(outside: Path, settings: str, expected: str) -> None:
    (outside / ".env").write_text(settings)

    status, output = run()

    assert status == 2
    assert expected in output
    assert "TWILIO" not in output


def test_stdout_is_for_the_result_alone(files: tuple[Path, Path]) -> None:
    command = [sys.executable, "-m", "agent.cli", "prompts", "check", str(files[0]), "--no-env-file", "--json"]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0
    assert json.loads(done.stdout)["ok"] is True
    assert done.stderr == ""
