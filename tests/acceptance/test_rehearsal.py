"""`slotline rehearse` places a whole spoken call: the calendar, the text and the record hold what was agreed."""

from __future__ import annotations

import re
import wave
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from agent.spoken_forms import spoken
from appointments.model import AppointmentStatus, CallSid
from appointments.store.store import Store
from simulator import voices
from simulator.audio import TELEPHONE_RATE, at_level
from simulator.openai import AGENT_VOICE
from tests.stores import at_once

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tests.acceptance.conftest import Rehearsed

    Samples = NDArray[np.float64]

CALLER = "+14155550123"
START = "2026-12-02T10:00:00-05:00"
FRAME = TELEPHONE_RATE // 50
SPEECH_DBFS = -40.0
"""What is louder is speech: the line's noise is 25 dB below it."""
A_WORDS_PAUSE = 25
"""Frames of silence within one turn at most."""
NOTHING_SAID_BY = {"delivery_received", "message_sent", "text_status_changed", "worker_ready", "worker_serving"}
"""What a worker logs beside its calls."""
OF_THE_PROCESS = ("uvicorn", "agent.jobs")
"""The loggers that speak of the whole process: of its server, and of its event loop."""


def test_exits_with_success_and_says_what_happened(rehearsed: Rehearsed) -> None:
    said = rehearsed.finished.out

    assert rehearsed.finished.status == 0, rehearsed.finished
    for expected in ("How can I help you?", "Maya Chen", START, CALLER, "voice-to-voice p50", "As expected."):
        assert expected in said
    for path in rehearsed.result["files"].values():
        assert str(Path(path).relative_to(rehearsed.folder.resolve())) in said


def test_the_result_has_the_documented_keys_and_types(rehearsed: Rehearsed) -> None:
    result = rehearsed.result
    appointment, latency = result["appointment"], result["voice_to_voice_ms"]

    assert _types(result) >= {
        ("scenario", str), ("ok", bool), ("booked", bool), ("appointment", dict), ("sms", list), ("turns", list),
        ("greeting_ms", int), ("voice_to_voice_ms", dict), ("faults", list), ("skipped", type(None)),
        ("worst_silence_ms", int), ("stages_ms", dict),
    }  # fmt: skip
    assert _types(appointment) >= {
        ("id", str), ("start", str), ("duration_min", int), ("attendee", str), ("phone", str), ("booking_uid", str),
    }  # fmt: skip
    assert all(_types(text) == {("to", str), ("body", str), ("status", str)} for text in result["sms"])
    assert all(_types(turn) >= {("who", str), ("text", str), ("at_ms", int)} for turn in result["turns"])
    assert all(("tool" in turn) == (turn["who"] == "tool") for turn in result["turns"])
    assert _types(latency) == {("p50", int), ("p95", int)}
    assert datetime.fromisoformat(appointment["start"]).utcoffset() is not None


def test_the_calendar_the_text_and_the_result_agree(rehearsed: Rehearsed) -> None:
    result = rehearsed.result

    assert (result["scenario"], result["ok"], result["booked"]) == ("books_the_first_offer", True, True)
    assert (result["appointment"]["start"], result["appointment"]["duration_min"]) == (START, 30)
    assert (result["appointment"]["attendee"], result["appointment"]["phone"]) == ("Maya Chen", CALLER)
    assert [text["to"] for text in result["sms"]] == [CALLER]
    assert "Dec 2 at 10:00 AM" in result["sms"][0]["body"]
    assert result["faults"] == []


async def test_the_record_agrees_with_the_result(rehearsed: Rehearsed) -> None:
    store = await Store.open(f"sqlite+aiosqlite:///{rehearsed.database}")
    try:
        (appointment,) = await store.appointments()
        (text,) = await at_once(store)
        call = await store.call(CallSid(rehearsed.call_sid))
        turns = [(turn.who, turn.text) for turn in await store.turns(CallSid(rehearsed.call_sid))]
    finally:
        await store.close()

    told = rehearsed.result
    assert appointment.status is AppointmentStatus.ACTIVE
    assert (appointment.appointment_id, appointment.booking_uid) == (
        told["appointment"]["id"], told["appointment"]["booking_uid"]
    )  # fmt: skip
    assert appointment.slot.start == datetime.fromisoformat(START)
    assert (text.to, text.body) == (CALLER, told["sms"][0]["body"])
    assert call is not None
    assert (call.caller, call.outcome, call.ended_at is not None) == (CALLER, "completed", True)
    assert turns == [(turn["who"], turn["text"]) for turn in rehearsed.transcript]


def test_the_transcript_is_what_the_caller_said_and_heard(rehearsed: Rehearsed) -> None:
    for who in ("agent", "caller", "tool"):
        assert _words(rehearsed.transcript, who) == _words(rehearsed.result["turns"], who)


def test_answers_come_within_a_second_and_a_half_of_the_turn(rehearsed: Rehearsed) -> None:
    assert rehearsed.result["greeting_ms"] < 1000
    # The end of the turn is found half a second after the last word.
    assert rehearsed.result["voice_to_voice_ms"]["p95"] < 2000
    assert rehearsed.result["worst_silence_ms"] < 3000


def test_the_recording_holds_both_sides_at_sane_levels(rehearsed: Rehearsed) -> None:
    caller, agent = _sides(rehearsed)

    for side in (caller, agent):
        speech = _frames(side)[_is_speech(side)]
        level = 10 * np.log10(np.mean(speech**2))
        assert len(speech) * 0.02 > 5
        assert -35 < level < -10
        assert np.abs(side).max() < 0.999


def test_the_two_sides_do_not_speak_at_once(rehearsed: Rehearsed) -> None:
    caller, agent = _sides(rehearsed)

    both = _is_speech(caller) & _is_speech(agent)
    assert both.sum() * 0.02 < 0.3


def test_the_agent_is_heard_at_its_own_speed_and_to_the_end(rehearsed: Rehearsed) -> None:
    _, agent = _sides(rehearsed)
    texts = [turn["text"] for turn in rehearsed.transcript if turn["who"] == "agent"]
    heard = [len(stretch) / TELEPHONE_RATE for stretch in _stretches(agent)]

    assert len(heard) == len(texts)
    for text, heard_secs in zip(texts, heard, strict=True):
        sentences = re.split(r"(?<=[.?!])\s+", text)
        spoken_secs = sum(_speech_secs(sentence) for sentence in sentences)
        # Sentences rendered one by one lack the pauses between them.
        assert spoken_secs - 0.15 < heard_secs < spoken_secs * 1.1 + 0.5 * len(sentences), text


def test_the_agent_is_heard_at_its_own_pitch(rehearsed: Rehearsed) -> None:
    _, agent = _sides(rehearsed)
    greeting = rehearsed.transcript[0]["text"]

    ratio = _pitch(_stretches(agent)[0]) / _pitch(_rendered(greeting))
    assert 0.93 < ratio < 1.07


def test_every_log_line_of_the_call_names_it(rehearsed: Rehearsed) -> None:
    events = [line["event"] for line in rehearsed.log]
    of_the_call = rehearsed.log[events.index("call_answered") : events.index("call_ended") + 1]

    unnamed = [
        line
        for line in of_the_call
        if line.get("call_sid") != rehearsed.call_sid
        and line["event"] not in NOTHING_SAID_BY
        and not line["logger"].startswith(OF_THE_PROCESS)
    ]
    assert unnamed == []
    assert {"tool_started", "tool_finished", "appointment_booked", "call_ended"} <= {e["event"] for e in of_the_call}


def test_the_log_holds_no_personal_data(rehearsed: Rehearsed) -> None:
    log = rehearsed.folder / rehearsed.result["files"]["log"]
    logged = log.read_text()
    said = [turn["text"] for turn in rehearsed.transcript if turn["who"] != "tool"]

    for personal in ("Maya", "Chen", CALLER, CALLER[1:], "@example.com", *said):
        assert personal not in logged
    values = {value for line in rehearsed.log for name, value in line.items() if name.startswith("pii_")}
    assert values == {"[redacted]"}


def test_nothing_secret_is_logged_or_shown(rehearsed: Rehearsed) -> None:
    logged = (rehearsed.folder / rehearsed.result["files"]["log"]).read_text()
    everything = logged + rehearsed.finished.out + rehearsed.finished.err

    assert not re.search(r"\bsk-\w|cal_live_|Bearer |\bSK[0-9a-f]{32}", everything)
    assert rehearsed.finished.err == ""


def _types(values: dict[str, Any]) -> set[tuple[str, type]]:
    return {(name, type(value)) for name, value in values.items()}


def _words(turns: list[dict[str, Any]], who: str) -> list[str]:
    """Return what `who` said; how a goodbye is punctuated cannot be heard, nor what is written in digits."""
    return [re.sub(r"[^\w' ]", "", spoken(turn["text"])) for turn in turns if turn["who"] == who]


def _sides(rehearsed: Rehearsed) -> tuple[Samples, Samples]:
    with wave.open(str(rehearsed.recording)) as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (2, TELEPHONE_RATE, 2)
        samples = np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2) / 32768
    return samples[:, 0], samples[:, 1]


def _frames(side: Samples) -> Samples:
    return side[: len(side) // FRAME * FRAME].reshape(-1, FRAME)


def _is_speech(side: Samples) -> NDArray[np.bool_]:
    speaks: NDArray[np.bool_] = 10 * np.log10(np.mean(_frames(side) ** 2, axis=1) + 1e-12) > SPEECH_DBFS
    return speaks


def _stretches(side: Samples) -> list[Samples]:
    """Return the stretches of speech between pauses that no turn has within."""
    spoken = np.flatnonzero(_is_speech(side))
    groups = np.split(spoken, np.flatnonzero(np.diff(spoken) > A_WORDS_PAUSE * 2) + 1)
    return [side[group[0] * FRAME : (group[-1] + 1) * FRAME] for group in groups]


def _rendered(text: str) -> Samples:
    pcm = at_level(voices.at_rate(voices.speak(text, AGENT_VOICE), TELEPHONE_RATE))
    return np.asarray(pcm, np.float64)


def _speech_secs(text: str) -> float:
    spoken = np.flatnonzero(_is_speech(_rendered(text)))
    return float(spoken[-1] - spoken[0] + 1) * FRAME / TELEPHONE_RATE


def _pitch(speech: Samples) -> float:
    """Return the middle of the fundamental frequencies of the voiced frames, in Hz."""
    pitches = []
    lags = slice(TELEPHONE_RATE // 300, TELEPHONE_RATE // 60)
    for at in range(0, len(speech) - 2 * FRAME, FRAME):
        frame = speech[at : at + 2 * FRAME] - np.mean(speech[at : at + 2 * FRAME])
        similar = np.correlate(frame, frame, "full")[len(frame) - 1 :]
        if similar[0] > 0 and similar[lags].max() > 0.5 * similar[0]:
            pitches.append(TELEPHONE_RATE / (lags.start + int(np.argmax(similar[lags]))))
    return float(np.median(pitches))
