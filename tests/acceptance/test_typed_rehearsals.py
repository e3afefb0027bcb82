"""`slotline rehearse --typed`: every scenario ends as it should, and says so; a wrong question is answered with 2."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from prompts.loader import scenario_paths
from tests.acceptance_commands import Finished, run

if TYPE_CHECKING:
    from pathlib import Path

NAMES = sorted(path.stem for path in scenario_paths())
REQUIRED = {
    "books_the_first_offer", "a_specific_day", "everything_in_one_breath", "changes_mind", "slot_taken", "answer_lost",
    "nothing_free", "a_date_outside_availability", "refuses", "barges_in_during_the_offer",
    "barges_in_during_the_booking", "silent_caller", "calendar_down", "hangs_up_right_after_yes", "hears_appointments",
    "confirms", "moves", "moves_to_a_taken_time", "moves_a_week_on", "moves_to_something_later", "cancels",
    "cancels_without_a_reason", "cancels_twice", "stranger", "other_phone_code_spoken", "other_phone_code_typed",
    "wrong_code_five_times", "withheld_number", "waitlist", "nothing_suits", "calendar_down_call_back",
    "plumber_emergency_first", "calls_back", "calls_back_unvouched", "reminded_and_confirms", "reminded_and_cancels",
    "reminded_and_wants_another_time", "reminded_before_the_night", "texts_stop", "wants_no_texts", "landline",
    "accepted_by_the_host", "cancelled_at_calcom_during_the_call",
}  # fmt: skip
KEYS = {
    "scenario", "ok", "booked", "appointment", "sms", "turns", "greeting_ms", "voice_to_voice_ms", "faults", "skipped",
}  # fmt: skip
SCENARIO = """\
name: Written by hand
now: 2026-12-01T09:00
free: [2026-12-03T14:00]
lines:
  - {when: help, say: "Do you have anything on Thursday?"}
  - {when: two, say: "Two in the afternoon, please."}
  - {when: name, say: "Maya Chen"}
  - {when: right, say: "Yes, go ahead.", then: hang_up}
expect: {booking: 2026-12-03T14:00, sms: 1}
"""


SALON = """\
name: A haircut by hand
business: salon
now: 2026-12-01T09:00
free: [2026-12-03T14:00]
lines:
  - {when: help, say: "A haircut on Thursday, please."}
  - {when: two, say: "That is fine."}
  - {when: name, say: "Maya Chen"}
  - {when: right, say: "Yes, go ahead.", then: hang_up}
expect: {booking: 2026-12-03T14:00, title: Haircut}
"""


@pytest.fixture(scope="module")
def all_of_them(tmp_path_factory: pytest.TempPathFactory) -> tuple[Finished, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("all")
    finished = run("rehearse", "--all", "--typed", "--jobs", "2", "--json", "all.json", folder=folder, timeout_secs=900)
    return finished, json.loads((folder / "all.json").read_text())


def test_all_scenarios_end_as_expected(all_of_them: tuple[Finished, dict[str, Any]]) -> None:
    finished, told = all_of_them

    assert [result["problems"] for result in told["scenarios"] if not result["ok"]] == []
    assert (told["ok"], finished.status) == (True, 0)
    assert all(name in finished.out for name in NAMES)


def test_all_is_ok_and_the_scenarios(all_of_them: tuple[Finished, dict[str, Any]]) -> None:
    _, told = all_of_them

    assert set(told) == {"ok", "scenarios"}
    assert sorted(result["scenario"] for result in told["scenarios"]) == NAMES
    assert set(NAMES) >= REQUIRED
    assert all(set(result) >= KEYS for result in told["scenarios"])
    assert all(result["greeting_ms"] is result["voice_to_voice_ms"] is None for result in told["scenarios"])


def test_what_was_left_out_has_a_reason_and_the_rest_was_held(all_of_them: tuple[Finished, dict[str, Any]]) -> None:
    _, told = all_of_them
    skipped = [result for result in told["scenarios"] if result["skipped"] is not None]

    assert {result["scenario"] for result in skipped} & REQUIRED <= {"silent_caller"}
    assert all(isinstance(result["skipped"], str) for result in skipped)
    assert all(result["turns"] for result in told["scenarios"] if result not in skipped)


def test_the_faults_that_fired_are_told(all_of_them: tuple[Finished, dict[str, Any]]) -> None:
    _, told = all_of_them
    fired = {result["scenario"]: result["faults"] for result in told["scenarios"]}

    assert [(fault["service"], fault["on"], fault["kind"]) for fault in fired["slot_taken"]] == [
        ("calcom", "create", "taken")
    ]
    assert fired["answer_lost"][0]["kind"] == "drop_after"
    assert fired["calendar_down"] != []
    assert fired["books_the_first_offer"] == []


def test_the_list_names_every_scenario(tmp_path: Path) -> None:
    finished = run("rehearse", "--list", folder=tmp_path)

    assert finished.status == 0
    assert sorted(line.split()[0] for line in finished.out.splitlines()) == NAMES
    assert list(tmp_path.iterdir()) == []


def test_a_scenario_is_found_by_its_name_inside(tmp_path: Path) -> None:
    finished = run("rehearse", "--typed", "--scenario", "nothing free", folder=tmp_path)

    assert finished.status == 0, finished
    assert "Appointment  none" in finished.out


@pytest.mark.parametrize(
    ("written", "line", "what"),
    [
        (SCENARIO.replace("lines:", "wait: 3\nlines:"), 4, "wait"),
        (SCENARIO.replace('say: "Maya Chen"', 'says: "Maya Chen"'), 7, "says"),
        (SCENARIO.replace("when: two", "when: 'tw(o'"), 6, "regular expression"),
        (SCENARIO.replace("sms: 1", "sms: one"), 9, "sms"),
        (SCENARIO.replace("now: 2026-12-01T09:00", "now: tommorow 14:00"), 2, "such as 2026-12-01T09:00"),
        (SCENARIO + "faults: [{service: calcom, on: messages, kind: slow, seconds: 1}]\n", 10, "messages"),
        (SCENARIO.replace("free: [2026", "free: [[2026"), 3, "is not YAML"),
        (SCENARIO.replace("lines:", "caller: {voice: zz}\nlines:"), 4, "espeak-ng has no voice 'zz'"),
        (SCENARIO.replace("lines:", "business: saloon\nlines:"), 4, "there are plumber, rehearsal, salon"),
    ],
)
@pytest.mark.parametrize("command", ["rehearse", "chat"])
def test_a_wrong_file_is_named_with_its_line(tmp_path: Path, command: str, written: str, line: int, what: str) -> None:
    (tmp_path / "wrong.yaml").write_text(written)
    finished = run(command, "--scenario", "wrong.yaml", folder=tmp_path)

    assert (finished.status, finished.out) == (2, "")
    assert f"wrong.yaml:{line}" in finished.err
    assert what in finished.err
    assert "Traceback" not in finished.err


@pytest.mark.parametrize(
    "options",
    [
        ("--all", "--scenario", "slot_taken"),
        ("--all", "slot_taken"),
        ("slot_taken", "--scenario", "slot_taken"),
        ("--list", "--all"),
        ("--list", "--typed"),
        ("--list", "--json", "x.json"),
    ],
)
def test_options_that_contradict_each_other_are_refused(tmp_path: Path, options: tuple[str, ...]) -> None:
    finished = run("rehearse", *options, folder=tmp_path)

    assert (finished.status, finished.out) == (2, "")
    assert "leave out" in finished.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("options", [("bokked",), ("--scenario", "nowhere/bokked.yaml")])
def test_a_scenario_that_is_not_there_is_told_with_the_likeliest(tmp_path: Path, options: tuple[str, ...]) -> None:
    finished = run("rehearse", *options, folder=tmp_path)

    assert (finished.status, finished.out) == (2, "")
    assert f"there is no scenario {options[-1]!r}" in finished.err
    assert "did you mean books_the_first_offer? `slotline rehearse --list` shows all." in finished.err
    assert "Traceback" not in finished.err
    assert list(tmp_path.iterdir()) == []


def test_a_scenario_of_ones_own_is_held(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(SCENARIO)
    finished = run("rehearse", "own.yaml", "--typed", "--json", "own.json", folder=tmp_path)
    told = json.loads((tmp_path / "own.json").read_text())

    assert finished.status == 0, finished
    assert told["appointment"]["start"] == "2026-12-03T14:00:00-05:00"
    assert len(told["sms"]) == 1


def test_what_is_booked_can_be_expected(tmp_path: Path) -> None:
    (tmp_path / "cut.yaml").write_text(SALON)
    (tmp_path / "colour.yaml").write_text(SALON.replace("title: Haircut", "title: Colour"))

    as_expected = run("rehearse", "--typed", "--scenario", "cut.yaml", folder=tmp_path)
    otherwise = run("rehearse", "--typed", "--scenario", "colour.yaml", folder=tmp_path)

    assert as_expected.status == 0, as_expected
    assert "Willow Corner Hair: see you on" in as_expected.out
    assert otherwise.status == 1, otherwise
    assert "the booking is for Haircut, not for Colour" in otherwise.out


@pytest.mark.parametrize(
    ("expectation", "problem"),
    [
        ("{booking: null, sms: 1}", "the calendar holds a booking at 2026-12-03 14:00"),
        ("{booking: 2026-12-03T14:00, sms: 0}", "texts accepted for the caller: 1, not 0"),
    ],
)
def test_a_call_that_ends_otherwise_fails(tmp_path: Path, expectation: str, problem: str) -> None:
    (tmp_path / "own.yaml").write_text(SCENARIO.rpartition("expect:")[0] + f"expect: {expectation}\n")
    finished = run("rehearse", "--typed", "--scenario", "own.yaml", "--json", "own.json", folder=tmp_path)

    assert finished.status == 1, finished
    assert problem in finished.out
    assert json.loads((tmp_path / "own.json").read_text())["ok"] is False


LATER = """\
later:
  - now: 2026-12-02T14:01
    sms_reply: C
    expect: {confirmed: true, texts: [{matches: a reminder}, {matches: you are coming}]}
"""


def test_what_happens_later_is_lived_through_and_told(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(SCENARIO + LATER)
    finished = run("rehearse", "own.yaml", "--typed", "--json", "own.json", folder=tmp_path)
    told = json.loads((tmp_path / "own.json").read_text())

    assert finished.status == 0, finished
    assert len(told["sms"]) == 3
    assert [turn["text"] for turn in told["turns"]][-2:] == ["[later: 2026-12-02 14:01]", "[texts: C]"]


def test_what_goes_wrong_later_is_told_with_its_time(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(SCENARIO + LATER.replace("{matches: a reminder}, ", ""))
    finished = run("rehearse", "own.yaml", "--typed", folder=tmp_path)

    assert finished.status == 1, finished
    assert "later, at 2026-12-02 14:01: texts accepted for the caller: 2, not 1" in finished.out
