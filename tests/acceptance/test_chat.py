"""`slotline chat`: the same agent and tools, typed; a script can be the caller."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from agent.chat import NOT_FOLLOWED, STARTING
from agent.stand_ins import kept_environment, stop
from prompts.loader import FRONT_DESK, REHEARSAL_BUSINESS
from simulator.world import run_app
from tests.acceptance_commands import run
from tests.worker import Answer, ScriptedModel

if TYPE_CHECKING:
    from pathlib import Path

BOOKS = ["Hi, I'd like to book an appointment.", "The first one.", "Maya Chen", "Yes, go ahead.", "No, thank you."]
ANSWER_SECS = 60
SALON = REHEARSAL_BUSINESS.with_name("salon.toml")
INSTRUCTIONS = """\
---
name: Robin
voice: sage
greeting: "{business}, Robin's automated assistant. Shall I help?"
---
You are {agent}. Call `find_slots`, read back what was picked, and call `end_call` in the end.
"""


def test_a_script_books_by_chat(tmp_path: Path) -> None:
    finished = run("chat", "--json", "--scenario", "books_the_first_offer", folder=tmp_path, typed=BOOKS)
    *told, last = finished.objects
    result = last["result"]

    assert finished.status == 0, finished
    assert finished.err == ""
    assert all(sum(kind in line for kind in ("agent", "tool", "sms")) == 1 for line in told)
    assert [(line["to"], line["sms"]) for line in told if "sms" in line] == [
        (result["sms"][0]["to"], result["sms"][0]["body"])
    ]
    assert "help" in told[0]["agent"]
    assert [line["tool"] for line in told if line.get("state") == "started"] == [
        "find_slots", "book_30_minute_consultation", "end_call",
    ]  # fmt: skip
    assert any(line["agent"].endswith("Is that right?") for line in told if "agent" in line)
    assert result["appointment"]["start"] == "2026-12-02T10:00:00-05:00"
    assert (result["booked"], len(result["sms"])) == (True, 1)
    assert [turn["text"] for turn in result["turns"] if turn["who"] == "caller"] == BOOKS


async def test_a_real_model_needs_nothing_but_its_key(tmp_path: Path) -> None:
    model = ScriptedModel([Answer("I follow what Robin is told.")])
    runner, url = await run_app(model.app(), 0)
    (tmp_path / ".env").write_text(f"OPENAI_API_KEY=sk-mine\nOPENAI_BASE_URL={url}/v1\nLLM_MODEL=gpt-mine\n")
    (tmp_path / "desk.md").write_text(INSTRUCTIONS)
    options = ("--json", "--real-model", "--prompt", "desk.md")
    finished = await asyncio.to_thread(
        run, "chat", *options, folder=tmp_path, typed=["Hello."], environment=kept_environment()
    )
    await runner.cleanup()

    assert (finished.status, finished.err) == (0, ""), finished
    assert {"agent": "I follow what Robin is told."} in finished.objects
    assert model.requests[0]["model"] == "gpt-mine"
    assert "You are Robin." in str(model.requests[0]["messages"])


@pytest.mark.parametrize(
    ("options", "said"), [(["--real-model"], "OPENAI_API_KEY is unset"), (["--real", "--real-model"], "leave out")]
)
def test_a_real_model_that_is_not_to_be_had_is_told(tmp_path: Path, options: list[str], said: str) -> None:
    finished = run("chat", *options, folder=tmp_path, environment=kept_environment())

    assert (finished.status, finished.out) == (2, "")
    assert said in finished.err


def test_the_end_of_input_hangs_up(tmp_path: Path) -> None:
    finished = run("chat", "--json", folder=tmp_path, typed=[])

    assert finished.status == 0, finished
    assert [next(iter(line)) for line in finished.objects] == ["agent", "result"]
    assert finished.objects[-1]["result"]["booked"] is False


def test_without_any_input_the_call_is_over_after_the_greeting(tmp_path: Path) -> None:
    closed = ["/bin/sh", "-c", 'exec "$0" -m agent.cli chat <&-', sys.executable]
    finished = subprocess.run(closed, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert finished.returncode == 0, finished
    assert finished.stdout.startswith("agent> Thanks for calling")
    assert "\n\nAppointment  none\nCalendar     Cal.com (stand-in)\n" in finished.stdout
    assert "xpected." not in finished.stdout
    assert "Traceback" not in finished.stderr


def test_a_scenario_whose_end_was_missed_fails(tmp_path: Path) -> None:
    finished = run("chat", "--json", "--scenario", "books_the_first_offer", folder=tmp_path, typed=["Hello."])

    assert finished.status == 1
    assert finished.objects[-1]["result"]["ok"] is False


def test_a_person_sees_the_conversation_and_the_booking(tmp_path: Path) -> None:
    finished = run("chat", "--scenario", "books_the_first_offer", folder=tmp_path, typed=BOOKS)

    assert finished.status == 0, finished
    assert finished.err.startswith(f"{NOT_FOLLOWED}\n{STARTING}\n")
    assert finished.out.startswith("agent> Thanks for calling")
    assert "agent> May I have your name, please?" in finished.out
    assert "       [text to +14155550123: Harbor Street Clinic: " in finished.out
    assert "\n\nAppointment  2026-12-02T10:00:00-05:00, 30 min, Maya Chen, +14155550123\n" in finished.out
    assert finished.out.count("\nSMS ") == 1
    assert all(f"\n{name:12} rehearsals" in finished.out for name in ("Transcript", "Database", "Log"))
    assert finished.out.endswith("\nAs expected.\n")


def test_who_plays_a_scenarios_caller_is_told_who_they_are_and_what_exists(tmp_path: Path) -> None:
    finished = run("chat", "--scenario", "cancels", folder=tmp_path, typed=["Hello."])

    assert finished.err.splitlines()[-4:] == [
        "Scenario: Caller cancels and says why.",
        "It is Tuesday, December 1, 2026, 09:00. You call Harbor Street Clinic from +14155550166.",
        "On record: 30-Minute Consultation, Thursday, December 3, 2026, 14:00, for Maya Chen, +14155550166.",
        "On record: 30-Minute Consultation, Friday, December 4, 2026, 11:00, for Robin Sato, +14155550199.",
    ]
    assert "Appointment  none" in finished.out
    assert "Robin Sato" not in finished.out
    assert finished.out.count("\nProblem ") == 2


def test_what_the_call_changed_is_told_and_not_what_stood_before(tmp_path: Path) -> None:
    cancels = ["Cancel my appointment because I'm ill.", "Maya Chen, on Thursday.", "Cancel it.", "Bye."]
    finished = run("chat", "--json", "--scenario", "cancels", folder=tmp_path, typed=cancels)
    result = finished.objects[-1]["result"]

    assert finished.status == 0, finished
    assert [(each["start"], each["status"]) for each in result["appointments"]] == [
        ("2026-12-03T14:00:00-05:00", "cancelled")
    ]
    assert (result["appointment"], result["booked"], result["calendar"]) == (None, False, "calcom")


async def test_ctrl_c_hangs_up_and_the_result_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "agent.cli", "chat", "--json"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        await _answer(process)
        os.kill(process.pid, signal.SIGINT)
        result = await _result(process)
        status = await process.wait()
    finally:
        await stop(process, ends_by_itself=True)

    assert (status, result["problems"], result["booked"]) == (0, [], False)
    assert result["files"].keys() >= {"transcript", "database", "log"}


def test_what_the_worker_cannot_do_is_told(tmp_path: Path) -> None:
    no_url = {**kept_environment(), "OPENAI_API_KEY": "sk-mine", "OPENAI_BASE_URL": "http://127.0.0.1:1/v1"}
    finished = run("chat", "--real-model", "--json", folder=tmp_path, typed=["Hello."], environment=no_url)

    assert "[error] " in finished.err, finished


def test_instructions_of_ones_own_are_tried_at_once(tmp_path: Path) -> None:
    (tmp_path / "robin.md").write_text(INSTRUCTIONS)
    finished = run(
        "chat", "--json", "--prompt", "robin.md", "--scenario", "books_the_first_offer", folder=tmp_path, typed=BOOKS
    )

    assert finished.status == 0, finished
    assert finished.objects[0] == {"agent": "Harbor Street Clinic, Robin's automated assistant. Shall I help?"}
    assert finished.objects[-1]["result"]["booked"] is True
    assert finished.err.count("does not follow the instructions") == 1
    assert "--real" in finished.err


def test_another_business_has_its_own_instructions_and_things_to_book(tmp_path: Path) -> None:
    typed = ["I'd like to come in.", "A colour.", "The first one.", "Maya Chen", "Yes.", "Bye."]
    finished = run("chat", "--json", "--business", str(SALON), folder=tmp_path, typed=typed)
    said = [line["agent"] for line in finished.objects if "agent" in line]

    assert finished.status == 0, finished
    assert said[0].startswith("Hello, this is Willow Corner Hair")
    assert said[1] == "Would you like a Haircut, a Colour or a Consultation?"
    assert {line["tool"] for line in finished.objects if "tool" in line} == {"find_slots", "book_colour", "end_call"}
    assert "see you on" in finished.objects[-1]["result"]["sms"][0]["body"]
    assert "does not follow the instructions" in finished.err


def test_the_business_of_the_option_goes_before_the_scenarios(tmp_path: Path) -> None:
    finished = run(
        "chat", "--json", "--scenario", "plumber_emergency", "--business", str(SALON), folder=tmp_path, typed=[]
    )

    assert finished.objects[0]["agent"].startswith("Hello, this is Willow Corner Hair")


def test_who_comes_in_person_is_texted_the_address_and_no_link(tmp_path: Path) -> None:
    text = REHEARSAL_BUSINESS.read_text(encoding="utf-8")
    in_person = text.replace('platform = "cal_video"', 'platform = "in_person"\naddress = "12 Harbor Street"')
    (tmp_path / "mine.toml").write_text(in_person, encoding="utf-8")
    finished = run("chat", "--json", "--business", "mine.toml", folder=tmp_path, typed=BOOKS)

    assert finished.status == 0, finished
    (sms,) = finished.objects[-1]["result"]["sms"]
    assert "Where: 12 Harbor Street\n" in sms["body"]
    assert "http" not in sms["body"]


def test_a_business_with_another_number_texts_from_it(tmp_path: Path) -> None:
    text = REHEARSAL_BUSINESS.read_text(encoding="utf-8").replace('"+14155550100" ', '"+14155550177" ', 1)
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    finished = run("chat", "--json", "--business", "mine.toml", folder=tmp_path, typed=BOOKS)

    assert finished.status == 0, finished
    assert len(finished.objects[-1]["result"]["sms"]) == 1


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--prompt", "nowhere.md"), "nowhere.md: there is no such file"),
        (("--prompt", "wrong.md"), "wrong.md:2: name is missing"),
        (("--prompt", "unknown.md"), "unknown.md:6: book_haircut is no tool; there are book_30_minute_consultation"),
        (("--business", "nowhere.toml"), "nowhere.toml: there is no such file"),
        (("--prompt", str(FRONT_DESK), "--business", "wrong.toml"), "wrong.toml:1: nmae is an unknown key"),
        (("--business", "lost.toml"), "lost.toml:1: prompt: there is no file"),
    ],
)
@pytest.mark.parametrize("mode", [(), ("--json",)])
def test_a_bad_file_is_told_before_anything_starts(
    tmp_path: Path, mode: tuple[str, ...], options: tuple[str, ...], told: str
) -> None:
    files = {
        "wrong.md": INSTRUCTIONS.replace("name: Robin\n", ""),
        "unknown.md": INSTRUCTIONS.replace("find_slots", "book_haircut"),
        "wrong.toml": 'nmae = "Mine"\n',
        "lost.toml": 'prompt = "gone.md"\n' + REHEARSAL_BUSINESS.read_text(encoding="utf-8"),
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    finished = run("chat", *mode, *options, folder=tmp_path, typed=BOOKS)

    assert (finished.status, finished.out) == (2, "")
    assert told in finished.err
    assert "Traceback" not in finished.err
    assert {path.name for path in tmp_path.iterdir()} == set(files)


async def test_each_line_is_answered_before_the_next_is_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "agent.cli", "chat", "--json", "--scenario", "a_specific_day"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    try:
        greeting = await _answer(process)
        process.stdin.write(b"Do you have anything on Thursday?\n")
        offer = await _answer(process)
        process.stdin.close()
        result = await _result(process)
    finally:
        await stop(process, ends_by_itself=True)

    assert "help" in greeting
    assert "Thursday, December third" in offer
    assert result["booked"] is False


async def _answer(process: asyncio.subprocess.Process) -> str:
    while "agent" not in (told := await _told(process)):
        pass
    return str(told["agent"])


async def _result(process: asyncio.subprocess.Process) -> Any:
    while "result" not in (told := await _told(process)):
        pass
    return told["result"]


async def _told(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout is not None
    async with asyncio.timeout(ANSWER_SECS):
        line = await process.stdout.readline()
    told: dict[str, Any] = json.loads(line)
    return told
