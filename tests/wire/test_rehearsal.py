"""A rehearsal that goes wrong: what broke off or was left undone is told, and takes nothing else with it."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import sys
from typing import TYPE_CHECKING

import pytest

import agent.outcome
import agent.rehearsal
import agent.rehearse
from agent.chat import texts_settled
from agent.outcome import Outcome, Report, report_on_record
from agent.rehearsal import Rehearsal, new_folder
from agent.rehearsal_events import Event, Events
from agent.rehearsed import Rehearsed
from agent.scenarios import load_scenario
from agent.spoken_rehearsal import SpokenCaller
from agent.stand_ins import RehearsalFailed, StandIns, database_url, running_stand_ins
from agent.standing import settle
from appointments.errors import ConfigError
from appointments.store.records import MessageKind, OutgoingMessage
from appointments.store.store import Store
from prompts.loader import REHEARSAL_BUSINESS
from tests.factories import CALLER, a_booking, an_appointment, claim
from tests.sessions import CLINIC

if TYPE_CHECKING:
    from pathlib import Path

    from appointments.model import CallSid

NOWHERE = StandIns(
    twilio="http://127.0.0.1:1",
    openai="http://127.0.0.1:1/v1",
    calcom="http://127.0.0.1:1",
    credentials={"twilio_account_sid": "AC0", "twilio_auth_token": "0"},
    business_number="+14155550100",
    event_type_id="101",
)
ENDED = json.dumps({"event": "ended", "by": "agent", "greeting_ms": 100, "voice_to_voice_ms": []})


def make(folder: Path) -> Rehearsal:
    return Rehearsal(load_scenario(), folder, Rehearsed.read(REHEARSAL_BUSINESS))


async def queue_a_text(folder: Path) -> CallSid:
    """Leave a booked appointment in the record whose text nobody sends; return its call."""
    store = await Store.open(database_url(folder))
    try:
        claimed = await claim(store, an_appointment())
        await store.record(
            claimed.appointment_id,
            a_booking(),
            messages=lambda _: [OutgoingMessage(CALLER, "Booked.", "ap_1|c|1", MessageKind.CONFIRMATION)],
        )
    finally:
        await store.close()
    return claimed.call_sid


@pytest.mark.parametrize(
    ("told", "status", "problems"),
    [
        ("", 0, ["the caller's process broke off, with exit status 0"]),
        (ENDED, 3, ["the caller's process broke off, with exit status 3"]),
        (ENDED, 0, []),
    ],
)
async def test_a_caller_that_breaks_off_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str, status: int, problems: list[str]
) -> None:
    caller = tmp_path / "caller"
    caller.write_text(f"#!/bin/sh\nread plan\necho '{told}' | grep .\nexit {status}\n")
    caller.chmod(caller.stat().st_mode | stat.S_IXUSR)
    rehearsal = make(tmp_path)
    monkeypatch.setattr(sys, "executable", str(caller))
    outcome = Outcome()

    phone = SpokenCaller(rehearsal.world, NOWHERE, NOWHERE.twilio, rehearsal.events, asyncio.Queue())
    await phone.call(1, rehearsal.scenario.lines, outcome)

    assert outcome.problems == problems


def calling_again(folder: Path) -> Rehearsal:
    return Rehearsal(load_scenario("calls_back"), folder, Rehearsed.read(REHEARSAL_BUSINESS))


async def test_the_caller_calls_again_when_the_worker_has_ended_the_first_call(tmp_path: Path) -> None:
    rehearsal = calling_again(tmp_path)
    calls = rehearsal._calls(Outcome())

    first = await anext(calls)
    (tmp_path / "transcripts").mkdir()
    (tmp_path / "transcripts" / "CA1.jsonl").touch()
    second = await anext(calls)

    assert (first, second) == ((1, rehearsal.scenario.lines), (2, rehearsal.scenario.calls_again))
    assert [event.text for event in rehearsal.events.told] == ["[calls again]"]
    assert await anext(calls, None) is None


@pytest.mark.parametrize(
    ("problems", "told"), [(["the call did not end"], []), ([], ["the worker did not end the fi"])]
)
async def test_a_call_that_went_wrong_is_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problems: list[str], told: list[str]
) -> None:
    monkeypatch.setattr(agent.rehearsal, "SETTLE_SECS", 0.3)
    outcome = Outcome(problems=list(problems))

    calls = [number async for number, _ in calling_again(tmp_path)._calls(outcome)]

    assert calls == [1]
    assert [problem[:29] for problem in outcome.problems[len(problems) :]] == told


def test_a_second_call_is_told_after_the_first() -> None:
    events, outcome = Events(), Outcome()
    said = {"event": "said", "text": "Hello.", "at_ms": 100}
    ended = {"event": "ended", "greeting_ms": 100, "voice_to_voice_ms": [900]}

    for told in ({"event": "connected", "at_ms": 0}, said, ended):
        events.note_spoken(told, outcome)
    outcome.call_began_ms = 60_000
    for told in (said, ended):
        events.note_spoken(told, outcome)

    assert [event.at_ms for event in events.told] == [100, 60_100]
    assert outcome.voice_to_voice_ms == [900, 900]


def test_a_second_stream_goes_on_in_the_time_of_its_call(monkeypatch: pytest.MonkeyPatch) -> None:
    events, outcome = Events(), Outcome()
    events.note_spoken({"event": "connected", "at_ms": 0}, outcome)
    # Five seconds of a first stream, then four in which a phone rang.
    monkeypatch.setattr(Outcome, "now_ms", lambda _outcome: 9000)
    events.note_spoken({"event": "connected", "at_ms": 5000}, outcome)
    events.note_spoken({"event": "said", "text": "Hello.", "at_ms": 5100}, outcome)

    assert [event.at_ms for event in events.told] == [9100]


def test_a_phone_that_rang_is_told_with_what_became_of_it() -> None:
    events, outcome = Events(), Outcome()
    dialled = {"number": "+14155550198", "status": "busy", "is_bridged": False, "told": ""}

    events.note_spoken({"event": "dialled", **dialled}, outcome)

    assert outcome.dialled == [dialled]
    assert [(event.who, event.text) for event in events.told] == [
        ("person", "[+14155550198 does not take the call (busy)]")
    ]


async def test_a_refused_world_is_told_in_the_stand_ins_words() -> None:
    async with running_stand_ins() as stand_ins:
        with pytest.raises(RehearsalFailed, match=r"the stand-in of openai refused its world: .*no voice 'zz'"):
            await stand_ins.control("openai", "world", {"lines": ["Hello"], "voice": "zz"})


async def test_a_stand_in_that_is_gone_is_told() -> None:
    with pytest.raises(RehearsalFailed, match="the stand-in of calcom does not answer"):
        await NOWHERE.state("calcom")


async def test_one_scenario_that_fails_loses_neither_the_others_nor_the_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run(self: Rehearsal, *, typed: bool) -> Report:
        if self.scenario.stem == "slot_taken":
            raise ConfigError("it cannot be")
        return Report(self.scenario.stem, ok=True)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Rehearsal, "run", run)

    status = await agent.rehearse.run(
        None, is_all=True, is_list=False, typed=True, jobs=4, seed=0, json_file=tmp_path / "all.json"
    )

    told = json.loads((tmp_path / "all.json").read_text())["scenarios"]
    assert status == 1
    assert [(t["scenario"], t["problems"]) for t in told if not t["ok"]] == [("slot_taken", ["it cannot be"])]
    assert len(told) > 10


async def test_a_rehearsal_that_did_not_start_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run(self: Rehearsal, *, typed: bool) -> Report:
        raise RehearsalFailed("it did not start")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Rehearsal, "run", run)

    with pytest.raises(RehearsalFailed, match="it did not start"):
        await agent.rehearse.run(None, is_all=False, is_list=False, typed=True, jobs=1, seed=0, json_file=None)


def test_folders_of_the_same_second_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    folders = {new_folder("chat") for _ in range(5)}

    assert len(folders) == 5
    assert all(folder.is_dir() for folder in folders)


async def test_what_was_not_settled_is_a_problem_and_not_the_end(tmp_path: Path) -> None:
    rehearsal, outcome = make(tmp_path), Outcome()
    await queue_a_text(tmp_path)

    async with running_stand_ins() as stand_ins:
        await settle(rehearsal.world, stand_ins, outcome, patience_secs=0.3)

    assert outcome.problems == ["the worker did not settle every booking and text in time"]


async def test_a_chat_waits_for_its_own_texts_only_and_not_for_ever(tmp_path: Path) -> None:
    call_sid = await queue_a_text(tmp_path)
    store = await Store.open(database_url(tmp_path))
    try:
        assert await texts_settled(store, "CA" + "9" * 32, patience_secs=30)  # type: ignore[arg-type]  # any text
        assert not await texts_settled(store, call_sid, patience_secs=0.3)

        report = await report_on_record(store, call_sid, CLINIC, [], ["not sent"])
    finally:
        await store.close()

    assert (report.ok, list(report.problems)) == (False, ["not sent"])
    assert [text["status"] for text in report.sms] == ["pending"]


def test_events_are_told_in_order_and_of_one_moment_as_they_came() -> None:
    events = [
        Event("tool", "done", 500, "end_call"),
        Event("agent", "Goodbye.", 500),
        Event("agent", "Hello.", 140),
        Event("caller", "Hi.", 300),
    ]

    assert [turn["text"] for turn in agent.outcome._turns(events)] == ["Hello.", "Hi.", "done", "Goodbye."]


def test_what_happens_before_the_connection_is_not_told_as_later() -> None:
    assert Outcome().now_ms() == 0


def test_the_time_of_a_second_call_goes_on_from_the_first() -> None:
    outcome = Outcome()

    outcome.connected()
    first = outcome.call_began_ms
    assert outcome._began is not None
    outcome._began -= 15  # as if so many seconds had passed
    outcome.connected()

    assert first == 0
    assert 15_000 <= outcome.call_began_ms <= outcome.now_ms()


def test_of_two_calls_the_last_transcript_is_named(tmp_path: Path) -> None:
    (tmp_path / "transcripts").mkdir()
    for name, written in (("CA1", 200), ("CA2", 100)):
        (tmp_path / "transcripts" / f"{name}.jsonl").touch()
        os.utime(tmp_path / "transcripts" / f"{name}.jsonl", (written, written))

    assert agent.outcome._files(tmp_path)["transcript"].endswith("CA1.jsonl")
