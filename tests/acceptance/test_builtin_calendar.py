"""A worker that has keys of Twilio and OpenAI and no others: what a caller books is in the database, and is texted."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from agent.rehearse import run as rehearse
from agent.scenarios import list_scenarios, load_scenario
from agent.stand_ins import database_url, free_port
from agent.typed_rehearsal import untypable
from appointments.model import AppointmentStatus
from appointments.store.store import Store
from prompts.loader import REHEARSAL_BUSINESS
from tests.acceptance_commands import run
from tests.acceptance_house import open_house, until
from tests.acceptance_phone import calling
from tests.trace_collector import TraceCollector

if TYPE_CHECKING:
    from pathlib import Path

    from agent.scenarios import Scenario, ScenarioFault
    from appointments.model import Appointment, Booking
    from appointments.store.records import CallTimes

NO_CALCOM = {"CALENDAR": "", "CALCOM_API_KEY": "", "CALCOM_EVENT_TYPE_ID": "", "CALCOM_BASE_URL": "http://127.0.0.1:1"}
CALLER = "+14155550123"
TOKEN = "made up for a scraper"
NEAR_MS = 300
"""So far may what the worker measures be from what the caller does: it can only guess which sound was their last."""
OF_EACH_KIND = {
    "a_date_outside_availability", "books_the_first_offer", "calls_back", "cancels", "confirms", "moves",
    "moves_by_half_an_hour", "moves_to_a_taken_time", "nothing_free", "other_phone_code_typed",
    "plumber_emergency_first", "salon_closed_day", "slot_taken", "waitlist",
}  # fmt: skip
WEEK = {"start": datetime(2026, 12, 1, tzinfo=UTC), "end": datetime(2026, 12, 8, tzinfo=UTC)}


def business_without_calcom(folder: Path) -> str:
    file = folder / "clinic.toml"
    file.write_text(REHEARSAL_BUSINESS.read_text().replace('event_type = "101" ', "# "))
    return str(file)


async def booked_in(data_dir: Path) -> list[Booking]:
    store = await Store.open(database_url(data_dir))
    try:
        return list(await store.bookings(**WEEK))
    finally:
        await store.close()


@dataclass(frozen=True, slots=True)
class Spoken:
    """A spoken call that booked, what its caller noticed, and what is known of it afterwards."""

    ended: dict[str, Any]
    calendar: str
    appointment: Appointment
    booking: Booking
    text: dict[str, Any]
    asked_of_calcom: list[Any]
    times: CallTimes
    said: list[str]
    refused: int
    """The status of a scrape without the token."""
    metrics: str
    traces: TraceCollector


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Spoken:
    """Book in a spoken call whose worker is watched."""
    return asyncio.run(_book_by_voice(tmp_path_factory.mktemp("spoken")))


async def _book_by_voice(folder: Path) -> Spoken:
    lines = [
        {"when": "help", "say": "This is Maya Chen, I need a consultation on Wednesday at ten in the morning."},
        {"when": "is that right", "say": "Yes, that is all correct."},
        {"when": "anything else", "say": "No, that's all, thank you."},
    ]
    async with open_house(folder, lines=[line["say"] for line in lines]) as house, TraceCollector().open() as traces:
        url = f"http://127.0.0.1:{(port := free_port())}"
        settings = {**NO_CALCOM, "BUSINESS_FILE": business_without_calcom(folder)}
        watched = {"METRICS_TOKEN": TOKEN, "TRACES_URL": traces.url}
        await house.stand_ins.control("twilio", "world", {"worker_url": url})
        async with house.worker(url=url, port=port, **settings, **watched) as worker:
            async with calling(house, url, CALLER, lines) as call:
                ended = await call.ended(within_secs=90)

            async def is_texted() -> bool:
                return bool(await house.texts())

            await until(is_texted)
            # The last that a worker does in a call.
            await until(lambda: worker.logged("call_ended"))
            (serving,) = worker.logged("worker_serving")
            async with httpx.AsyncClient(trust_env=False) as http:
                refused = await http.get(f"{url}/metrics")
                scraped = await http.get(f"{url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
        (text,) = await house.texts()
        async with house.store() as store:
            (appointment,) = await store.appointments()
            (booking,) = await store.bookings(**WEEK)
            (times,) = await store.timed_calls()
            said = [turn.text for turn in await store.turns(appointment.call_sid) if turn.who != "tool"]
        return Spoken(
            ended=ended,
            calendar=serving["calendar"],
            appointment=appointment,
            booking=booking,
            text=text,
            asked_of_calcom=(await house.stand_ins.state("calcom"))["bookings"],
            times=times,
            said=said,
            refused=refused.status_code,
            metrics=scraped.text,
            traces=traces,
        )


def test_a_spoken_call_is_booked_in_the_database_and_texted(spoken: Spoken) -> None:
    assert spoken.calendar == "builtin"
    assert spoken.booking.slot.start == datetime.fromisoformat("2026-12-02T10:00:00-05:00")
    assert (spoken.appointment.booking_uid, spoken.appointment.status) == (
        spoken.booking.uid,
        AppointmentStatus.ACTIVE,
    )
    assert spoken.text["to"] == CALLER
    assert "Dec 2 at 10:00 AM" in spoken.text["body"]
    assert spoken.asked_of_calcom == []


def test_the_record_has_the_times_that_the_caller_noticed(spoken: Spoken) -> None:
    """The caller measures on the line, a codec and a socket away."""
    noticed = spoken.ended["voice_to_voice_ms"]
    recorded = [turn.voice_to_voice_ms for turn in spoken.times.turns]
    assert len(recorded) == len(noticed) == 3
    assert all(abs(ours - theirs) < NEAR_MS for ours, theirs in zip(recorded, noticed, strict=True))
    assert spoken.times.greeting_ms is not None
    assert abs(spoken.times.greeting_ms - spoken.ended["greeting_ms"]) < NEAR_MS
    assert spoken.times.worst_silence_ms is not None
    assert spoken.times.worst_silence_ms >= max(recorded) - 1
    for turn in spoken.times.turns:
        stages = [turn.turn_end_ms, turn.llm_ms, turn.tts_ms, turn.play_ms]
        known = [ms for ms in stages if ms is not None]
        assert len(known) == 4 or turn.play_ms is None
        # Where a filler came first, the answer took longer than its first sound.
        assert sum(known) >= turn.voice_to_voice_ms - len(known)


def test_a_scrape_after_the_call_has_counted_it(spoken: Spoken) -> None:
    samples = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(spoken.metrics)
        for sample in family.samples
    }

    assert spoken.refused == httpx.codes.UNAUTHORIZED
    assert samples["slotline_calls_total", "completed"] == 1
    assert samples["slotline_live_calls",] == 0
    assert samples["slotline_turns_total",] == 3
    assert samples["slotline_bookings_total", "booked"] == 1
    assert samples["slotline_texts_total", "accepted"] == 1
    assert samples["slotline_tool_seconds_count", "book_30_minute_consultation", "booked"] == 1
    for name in ("greeting", "worst_silence"):
        assert samples[f"slotline_{name}_seconds_count",] == 1
    assert samples["slotline_voice_to_voice_seconds_count",] == 3
    assert samples["slotline_answer_stage_seconds_count", "turn_end"] == 3
    assert samples["slotline_event_loop_lag_seconds_count",] > 0


def test_the_trace_of_the_call_has_its_answers_and_tools(spoken: Spoken) -> None:
    (call,) = spoken.traces.named("call")
    turns, tools = spoken.traces.named("turn"), spoken.traces.named("tool")

    assert call.attributes["outcome"] == "completed"
    assert call.attributes["call_sid"] == spoken.appointment.call_sid
    assert call.attributes["worst_silence_ms"] == spoken.times.worst_silence_ms
    assert [turn.took_ms for turn in turns] == [turn.voice_to_voice_ms for turn in spoken.times.turns]
    assert ("book_30_minute_consultation", "booked") in [
        (tool.attributes["tool"], tool.attributes["status"]) for tool in tools
    ]
    assert {span.parent_id for span in (*turns, *tools)} == {call.span_id}
    assert not any(span.has_failed for span in spoken.traces.spans)
    # Nobody else of the process sends spans: those of a web framework have addresses in them.
    assert {span.name for span in spoken.traces.spans} == {"call", "turn", "tool"}


def test_nothing_personal_is_counted_or_traced(spoken: Spoken) -> None:
    words = [re.findall(r"\w+", text.lower()) for text in spoken.said]
    pairs = {f"{one} {other}" for said in words for one, other in pairwise(said)}
    traced = spoken.traces.received.decode("utf-8", "replace")
    told = f"{_samples_only(spoken.metrics)} {traced}".lower()

    assert "maya chen" in pairs
    assert {each for each in (*pairs, "maya", "chen", CALLER.removeprefix("+")) if each in told} == set()


def _samples_only(metrics: str) -> str:
    """Return a scrape without the descriptions, which are the same for every call."""
    return "\n".join(line for line in metrics.splitlines() if not line.startswith("#"))


async def test_two_callers_of_the_built_in_calendar_do_not_get_the_same_time(tmp_path: Path) -> None:
    settings = {**NO_CALCOM, "BUSINESS_FILE": business_without_calcom(tmp_path)}
    async with open_house(tmp_path) as house:
        environment = house.environment("http://127.0.0.1:1") | settings
        typed = [
            "This is Maya Chen, I need a consultation on Wednesday at ten in the morning.",
            "Yes, that is all correct.",
            "No, that's all, thank you.",
        ]
        first, second = [
            await asyncio.to_thread(
                run,
                *("chat", "--real", "--json", "--no-env-file", "--caller", number),
                folder=tmp_path,
                typed=typed,
                environment=environment,
            )
            for number in (CALLER, "+14155550124")
        ]
        texts = await house.texts()

    assert first.objects[-1]["result"]["appointment"]["start"] == "2026-12-02T10:00:00-05:00"
    assert second.objects[-1]["result"]["appointment"] is None
    assert [text["to"] for text in texts] == [CALLER]
    assert [booking.slot.start.isoformat() for booking in await booked_in(tmp_path / "data")] == [
        "2026-12-02T15:00:00+00:00"
    ]


async def test_scenarios_end_as_expected_or_are_skipped_for_want_of_a_network_or_of_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the calendar has to do with; `slotline rehearse --all --typed --calendar builtin` takes minutes more."""
    monkeypatch.chdir(tmp_path)
    shipped = list_scenarios()
    chosen = [each for each in shipped if each.stem in OF_EACH_KIND or is_skipped(each)]
    monkeypatch.setattr("agent.rehearse.list_scenarios", lambda: chosen)

    status = await rehearse(
        None,
        is_all=True,
        is_list=False,
        typed=True,
        jobs=2,
        seed=0,
        json_file=tmp_path / "all.json",
        calendar="builtin",
    )

    told = json.loads((tmp_path / "all.json").read_text())["scenarios"]
    assert [(result["scenario"], result["problems"]) for result in told if not result["ok"]] == []
    assert status == 0
    assert len(OF_EACH_KIND) + sum(map(is_skipped, shipped)) == len(told)
    for result in told:
        assert (result["skipped"] is None) == (result["scenario"] in OF_EACH_KIND)
        needs_network = any(map(is_of_a_network, load_scenario(result["scenario"]).faults))
        assert ("takes a network" in (result["skipped"] or "")) == needs_network
        assert result["skipped"] is None or needs_network or re.search("audio|phone|speech|line", result["skipped"])


def is_skipped(scenario: Scenario) -> bool:
    return bool(untypable(scenario)) or any(map(is_of_a_network, scenario.faults))


def is_of_a_network(fault: ScenarioFault) -> bool:
    return fault.service == "calendar" and fault.kind != "taken"


def test_a_rehearsal_is_judged_by_the_database(tmp_path: Path) -> None:
    finished = run("rehearse", "slot_taken", "--typed", "--calendar", "builtin", "--json", "told.json", folder=tmp_path)
    told = json.loads((tmp_path / "told.json").read_text())

    assert finished.status == 0, finished
    assert told["appointment"]["start"] == "2026-12-02T14:00:00-05:00"
    assert told["appointment"]["booking_uid"].startswith("bk_")
    assert [(each["service"], each["on"], each["kind"]) for each in told["faults"]] == [("builtin", "create", "taken")]
    assert len(told["sms"]) == 1


@pytest.mark.parametrize(
    ("free", "reason"),
    [
        ("[2026-12-02T20:00]", "no blocked times leave exactly these free: 2026-12-02 20:00"),
        (
            "[2026-12-02T10:00]\nfaults: [{service: calendar, on: create, kind: drop_after}]",
            "drop_after takes a network",
        ),
    ],
)
def test_what_the_built_in_calendar_cannot_have_is_skipped_and_not_chatted_about(
    tmp_path: Path, free: str, reason: str
) -> None:
    lines = "lines: [{hang_up: true}]\nexpect: {booking: null}\n"
    (tmp_path / "own.yaml").write_text(f"name: By hand\nnow: 2026-12-01T09:00\nfree: {free}\n{lines}")

    rehearsed = run("rehearse", "own.yaml", "--typed", "--calendar", "builtin", folder=tmp_path)
    chatted = run("chat", "--scenario", "own.yaml", "--calendar", "builtin", folder=tmp_path)

    assert rehearsed.status == 0
    assert f"Skipped: {reason}" in rehearsed.out
    assert (chatted.status, chatted.out) == (2, "")
    assert reason in chatted.err


def test_a_chat_books_the_built_in_calendar(tmp_path: Path) -> None:
    typed = ["I need a consultation tomorrow.", "The first one.", "Maya Chen", "Yes, go ahead.", "No, that's all."]

    finished = run("chat", "--scenario", "books_the_first_offer", "--calendar", "builtin", folder=tmp_path, typed=typed)

    assert finished.status == 0, finished
    assert "Appointment  2026-12-02T10:00:00-05:00, 30 min, Maya Chen, +14155550123" in finished.out
    assert "Calendar     built-in" in finished.out


@pytest.mark.parametrize(
    "options", [("rehearse", "--calendar", "outlook"), ("chat", "--real", "--calendar", "builtin")]
)
def test_a_calendar_that_cannot_be_meant_is_refused(tmp_path: Path, options: tuple[str, ...]) -> None:
    finished = run(*options, folder=tmp_path)

    assert (finished.status, finished.out) == (2, "")
    assert "--calendar" in finished.err
