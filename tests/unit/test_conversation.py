from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from simulator.audio import TELEPHONE_RATE, mulaw_encode
from simulator.conversation import Conversation, Mouth, report
from simulator.ears import Ears, is_loud
from simulator.script import Line, Script

if TYPE_CHECKING:
    from simulator.ears import AgentTurn

SILENT = b"\xff" * 160
WAVE = (0.1 * np.sin(np.arange(TELEPHONE_RATE) * 2 * np.pi * 440 / TELEPHONE_RATE)).astype(np.float32)
TONE = mulaw_encode(WAVE[:160])


class Call:
    """A call in which the agent beeps; each of its turns is understood as the next text it was asked to say."""

    def __init__(self, *lines: Line, max_secs: float = 200, unknown: bool = False) -> None:
        self.texts: list[str] = []
        self._to_understand: deque[str] = deque()
        self._audio: deque[bytes] = deque()
        self._unknown = unknown
        self.events: list[dict[str, Any]] = []
        self.is_over = False
        self.digits = ""
        said = {line.say: WAVE for line in lines if line.say and not line.needs_code} | {"Sorry?": WAVE}
        self.mouth = Mouth(said, noise_dbfs=None, seed=1)
        self.caller = Conversation(
            Script(lines),
            Ears(),
            self.mouth,
            self,
            emit=lambda event, **facts: self.events.append({"event": event, **facts}),
            max_secs=max_secs,
        )
        self.caller.started()

    @property
    def asked(self) -> int:
        return len(self.texts)

    def asked_since(self, count: int) -> list[str]:
        return self.texts[count:]

    async def understand(self, turn: AgentTurn, *, fresh: list[str]) -> str:
        return "" if self._unknown else self._to_understand.popleft()

    def agent_says(self, text: str, *, secs: float = 1.0) -> None:
        self.texts.append(text)
        self._to_understand.append(text)
        self._audio.extend([TONE] * round(secs * 50))

    async def goes_on(self, secs: float) -> None:
        for _ in range(round(secs * 50)):
            if self.is_over:
                return
            frame = self.caller.frame(self._audio.popleft() if self._audio else SILENT)
            self.digits += frame.digit or ""
            self.is_over = frame.hangs_up
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    async def agent_is_cut(self) -> None:
        dropped = b"".join(self._audio)
        self._audio.clear()
        self.caller.cleared(dropped)
        await self.caller.finish()

    def said(self) -> list[str]:
        return [event["text"] for event in self.events if event["event"] == "said"]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event"] == kind]


async def test_answers_once_the_agent_has_been_silent_for_a_while() -> None:
    call = Call(Line(when="help", say="Book me in."))
    call.agent_says("How can I help?")

    await call.goes_on(2.1)
    too_early = call.said()
    await call.goes_on(0.2)

    assert too_early == []
    assert call.events == [
        {"event": "connected", "at_ms": 0},
        {"event": "heard", "text": "How can I help?", "at_ms": 20, "took_ms": None},
        {"event": "said", "text": "Book me in.", "at_ms": pytest.approx(2200, abs=60)},
    ]


async def test_measures_from_the_callers_last_word_to_the_agents_first() -> None:
    call = Call(Line(say="Book me in."))
    call.agent_says("How can I help?")
    await call.goes_on(2.3 + 1.0 + 0.66)

    call.agent_says("Certainly.")
    await call.goes_on(3)

    took = report(call.caller)["voice_to_voice_ms"]
    # The line began at 2.2 s or a little later and is a second long.
    assert took == [pytest.approx(760, abs=60)]
    assert call.of("heard")[-1]["took_ms"] == took[0]
    assert report(call.caller)["greeting_ms"] == 20


async def test_waits_longer_while_a_tool_runs() -> None:
    call = Call(Line(say="Hello?"))
    call.agent_says("I look it up.")
    await call.goes_on(1)
    call.caller.tool_started("find_slots")

    await call.goes_on(2.4)
    too_early = call.said()
    await call.goes_on(0.3)

    assert (too_early, call.said()) == ([], ["Hello?"])


async def test_waits_when_asked_to_hold_on_unless_a_line_fits_those_words() -> None:
    patient, eager = Call(Line(say="Hello?")), Call(Line(when="moment", say="Sure."))

    for call in (patient, eager):
        call.agent_says("One moment, please.")
        await call.goes_on(5)

    assert (patient.said(), eager.said()) == ([], ["Sure."])


async def test_hears_all_that_was_said_since_its_last_line() -> None:
    call = Call(Line(when="thursday.*which", say="The first."))
    call.agent_says("I have Thursday.")
    await call.goes_on(2.3)

    call.agent_says("Which one?")
    await call.goes_on(3)

    assert call.said() == ["The first."]


async def test_asks_again_more_slowly_and_gives_up_the_third_time() -> None:
    call = Call(Line(when="name", say="Maya Chen"))
    for _ in range(3):
        call.agent_says("Lovely weather.")
        await call.goes_on(5)

    assert call.said() == ["Sorry?", "Sorry?"]
    assert call.is_over


async def test_an_agent_that_says_nothing_is_a_problem() -> None:
    call = Call(Line(say="Hello?"))

    await call.goes_on(20)

    assert call.of("problem") == [{"event": "problem", "text": "the agent has said nothing for 12 s"}]
    assert call.is_over
    assert call.caller.at_ms == pytest.approx(12_000, abs=100)


async def test_a_silent_line_lets_the_agent_talk_and_is_silence_to_nobodys_blame() -> None:
    call = Call(Line(silence=30), Line(when="still there", say="Yes."))
    call.agent_says("How can I help?")
    await call.goes_on(15)
    call.agent_says("Are you still there?")
    await call.goes_on(10)
    during = call.said()

    await call.goes_on(10)

    assert (during, call.said(), call.of("problem")) == ([], ["Yes."], [])


async def test_barges_in_on_what_the_agent_is_about_to_say() -> None:
    call = Call(Line(when="two", say="Two!", barge_in=1.5))
    call.agent_says("I have one, and two, and three.", secs=5)

    await call.goes_on(2)
    await call.agent_is_cut()

    assert call.said() == ["Two!"]
    assert call.of("said")[0]["at_ms"] == pytest.approx(1520, abs=40)
    assert [event["event"] for event in call.events] == ["connected", "said", "cleared", "heard"]


async def test_what_was_cut_by_a_barge_in_is_not_its_answer() -> None:
    call = Call(Line(when="two", say="Two!", barge_in=1), Line(when="two", say="Wrong."), Line(when="name", say="Maya"))
    call.agent_says("I have one, and two, and three.", secs=5)
    await call.goes_on(1.5)
    await call.agent_is_cut()
    await call.goes_on(1.5)

    call.agent_says("Your name?")
    await call.goes_on(2.5)

    assert call.said() == ["Two!", "Maya"]


async def test_barges_in_when_a_tool_starts() -> None:
    call = Call(Line(say="Wait!", barge_in="book_appointment"))
    call.agent_says("I book it now.", secs=3)
    await call.goes_on(1)

    call.caller.tool_started("book_consultation")

    assert call.said() == ["Wait!"]


async def test_presses_one_key_after_the_other() -> None:
    call = Call(Line(press="12#"))
    call.agent_says("Enter the code.")

    await call.goes_on(4)

    assert (call.digits, call.said()) == ("12#", ["[presses 12#]"])


async def test_presses_a_code_once_it_has_been_texted() -> None:
    call = Call(Line(when="code", press="{sms_code}#"))
    call.agent_says("Enter the code.")
    await call.goes_on(4)
    too_early = call.digits

    call.caller.code_came("482113")
    await call.goes_on(4)

    assert (too_early, call.digits) == ("", "482113#")
    assert call.said() == ["[presses {sms_code}#]"]


async def test_says_a_code_digit_by_digit_and_tells_it_nobody() -> None:
    call = Call(Line(when="code", say="It's {sms_code}."))
    call.agent_says("Read me the code.")
    call.mouth.learn("It's four eight two one one three.", WAVE)
    call.caller.code_came("482113")

    await call.goes_on(4)

    assert call.said() == ["It's {sms_code}."]
    assert any(is_loud(bytes(call.caller.sent[at : at + 160])) for at in range(0, len(call.caller.sent), 160))


async def test_a_code_that_never_comes_is_a_problem_and_ends_the_call() -> None:
    call = Call(Line(when="code", press="{sms_code}"))
    call.agent_says("Enter the code.")

    await call.goes_on(20)

    assert call.is_over
    assert [event["text"] for event in call.of("problem")] == ["no code was texted within 15 s"]


async def test_hangs_up_with_the_last_frame_of_its_last_word() -> None:
    call = Call(Line(say="Yes.", then="hang_up"))
    call.agent_says("Is that right?")

    await call.goes_on(10)

    assert call.is_over
    assert call.caller.at_ms == pytest.approx(call.of("said")[0]["at_ms"] + 1000, abs=40)
    assert is_loud(bytes(call.caller.sent[-160:]))


async def test_waits_for_the_agent_to_hang_up_but_not_for_ever() -> None:
    call = Call(Line(say="No."))
    call.agent_says("Anything else?")
    await call.goes_on(4)
    call.agent_says("Goodbye.")

    await call.goes_on(14)
    still_there = not call.is_over
    await call.goes_on(3)

    assert still_there
    assert call.is_over
    assert call.of("problem") == []


async def test_hangs_up_when_asked_again_with_nothing_left_to_say() -> None:
    call = Call(Line(say="No."))
    call.agent_says("Anything else?")
    await call.goes_on(4)
    for text in ("All right.", "Are you still there?"):
        call.agent_says(text)
        await call.goes_on(4)

    assert call.is_over


async def test_a_call_that_does_not_end_is_ended() -> None:
    call = Call(Line(silence=60), max_secs=5)
    call.agent_says("Hello.")

    await call.goes_on(10)

    assert call.is_over
    assert call.of("problem") == [{"event": "problem", "text": "the call was not over after 5 s"}]


async def test_hangs_up_at_once_when_told_to() -> None:
    call = Call(Line(say="A long line."))
    call.agent_says("Hello.")
    await call.goes_on(2.5)

    call.caller.hang_up()
    await call.goes_on(1)

    assert call.is_over
    assert call.caller.at_ms == 2520


async def test_audio_nobody_asked_for_is_a_problem() -> None:
    call = Call(Line(say="Hello?"), unknown=True)
    call.agent_says("Hello.")

    await call.goes_on(2.5)

    assert len(call.of("problem")) == 1
    assert call.of("heard") == []


@pytest.mark.parametrize(("unplayed", "problems"), [(TONE * 20, 1), (SILENT * 100, 0), (TONE * 3, 0)])
async def test_a_goodbye_that_is_cut_off_is_a_problem(unplayed: bytes, problems: int) -> None:
    call = Call(Line(say="Hello?"))
    call.agent_says("Goodbye.")
    await call.goes_on(1)

    call.caller.ended(unplayed)
    await call.caller.finish()

    assert len(call.of("problem")) == problems
    assert len(call.of("heard")) == 1
