"""A call that has lasted too long is ended by the worker, with words."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent import phrases
from agent.stand_ins import free_port
from simulator import voices
from simulator.audio import TELEPHONE_RATE, at_level, mulaw_encode
from simulator.call_edge import CallEdge, TwilioAccount
from simulator.media_edge import FRAME_BYTES, FRAME_SECS, SILENCE, CallerFrame
from tests.acceptance_house import open_house
from tests.acceptance_phone import CALLED

if TYPE_CHECKING:
    from pathlib import Path

LONGEST_SECS = 30
"""The least that MAX_CALL_SECS may be."""
WAIT = "Just a moment, please."
WAIT_AT_SECS = 12
FRAMES_A_SECOND = round(1 / FRAME_SECS)


@dataclass(slots=True)
class Hesitant:
    """A caller who asks for a moment, so that the agent does not think them gone, and says no more."""

    heard_at: list[float] = field(default_factory=list)
    frames: int = 0
    unplayed: bytes = b""
    _words: bytes = field(default_factory=lambda: _on_the_phone(WAIT))

    def started(self) -> None:
        pass

    def frame(self, played: bytes) -> CallerFrame:
        self.frames += 1
        if played != SILENCE:
            self.heard_at.append(self.frames * FRAME_SECS)
        at = (self.frames - WAIT_AT_SECS * FRAMES_A_SECOND) * FRAME_BYTES
        words = self._words[at : at + FRAME_BYTES] if at >= 0 else b""
        return CallerFrame(words.ljust(FRAME_BYTES, SILENCE[:1]))

    def cleared(self, dropped: bytes) -> None:
        pass

    def ended(self, unplayed: bytes) -> None:
        self.unplayed = unplayed


async def test_a_call_ends_with_words_when_it_has_lasted_too_long(tmp_path: Path) -> None:
    party, problems = Hesitant(), list[str]()
    async with open_house(tmp_path, lines=[WAIT]) as house:
        url = f"http://127.0.0.1:{(port := free_port())}"
        await house.stand_ins.control("twilio", "world", {"worker_url": url})
        keys = house.stand_ins.credentials
        account = TwilioAccount(keys["twilio_account_sid"], keys["twilio_auth_token"], house.stand_ins.twilio)
        async with house.worker(url=url, port=port, MAX_CALL_SECS=str(LONGEST_SECS)) as worker:
            edge = CallEdge(url, account, "+14155550123", CALLED, problem=problems.append)
            end = await edge.place(party)
        ended = worker.logged("call_ended", call_sid=edge.call_sid)

    transcript = (tmp_path / "data" / "transcripts" / f"{edge.call_sid}.jsonl").read_text()
    said = [json.loads(line)["text"] for line in transcript.splitlines()]
    assert said[-1] == phrases.OUT_OF_TIME
    assert (end.by, end.after) == ("agent", "hangup")
    assert [line["outcome"] for line in ended] == ["out_of_time"]
    assert LONGEST_SECS < party.frames * FRAME_SECS < LONGEST_SECS + 15
    # All of it was played: it is heard to the end of the call, and nothing was left over.
    assert party.heard_at[-1] > LONGEST_SECS + 3
    assert party.unplayed == b""
    assert problems == []


def _on_the_phone(text: str) -> bytes:
    return mulaw_encode(at_level(voices.at_rate(voices.speak(text, "en-us+f3"), TELEPHONE_RATE)))
