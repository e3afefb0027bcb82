"""How the doctor tells what it found: to people, and as JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from agent.doctor.findings import Check, Finding, State, failed, ok, skipped, warning
from agent.doctor.report import Report

COMMANDS = Path(__file__).parents[2] / "docs" / "reference" / "commands.md"


def told(findings: list[Finding], *, as_json: bool = False) -> int:
    report = Report(as_json=as_json)
    for finding in findings:
        report.add(finding)
    return report.finish()


def test_a_finding_is_a_line_and_its_fix_stands_below(capsys: pytest.CaptureFixture[str]) -> None:
    status = told([ok(Check.SETTINGS, "read"), failed(Check.NUMBER, "is not there", "Buy it.")])

    assert status == 1
    assert capsys.readouterr().out.splitlines() == [
        "ok       settings           read",
        "failed   number             is not there",
        "                            Fix: Buy it.",
        "",
        "Calls will go wrong until what failed is fixed. 1 ok, 1 failed.",
    ]


def test_warnings_and_skips_are_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    status = told([warning(Check.ZONES, "differ", "Set one."), skipped(Check.SMS_URL, "not compared")])

    assert status == 0
    assert capsys.readouterr().out.splitlines()[-1] == "Nothing failed. 1 warning, 1 skipped."


def test_what_was_skipped_for_one_reason_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    told(
        [
            skipped(Check.EVENT_TYPE, "no key"),
            skipped(Check.FREE_SLOTS, "no key"),
            skipped(Check.NUMBER, "no login"),
            ok(Check.PUBLIC_URL, "answers"),
        ]
    )

    assert capsys.readouterr().out.splitlines()[:3] == [
        "skipped  event_type, free_slots: no key",
        "skipped  number: no login",
        "ok       public_url         answers",
    ]


def test_what_was_seen_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    seen = r"[red]business[/red].toml:1234: zone C:\x [::1]"
    told([failed(Check.BUSINESS, seen, "[bold]Fix")])

    assert seen in capsys.readouterr().out


def test_the_json_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    status = told([ok(Check.SETTINGS, "read"), failed(Check.NUMBER, "“is” not there", "Buy it.")], as_json=True)

    assert status == 1
    assert json.loads(capsys.readouterr().out) == {
        "ok": False,
        "findings": [
            {"check": "settings", "state": "ok", "seen": "read", "fix": ""},
            {"check": "number", "state": "failed", "seen": "“is” not there", "fix": "Buy it."},
        ],
    }


def test_every_check_and_state_has_an_entry() -> None:
    text = COMMANDS.read_text(encoding="utf-8")
    section = text[text.index("### The JSON of a doctor") :]
    section = section[: section.find("\n## ")]
    entries = set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))

    assert entries >= {check.value for check in Check} | {state.value for state in State}
