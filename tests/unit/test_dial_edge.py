"""The stand-in's `<Dial>`: who is told what, who comes to hear whom, and what Twilio would not take."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from simulator import dial_edge as module
from simulator.dial_edge import DialEdge, Person

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from simulator.dial_edge import Dialled

PERSON, CALLER, CALLED = "+14155550198", "+14155550123", "+14155550100"
URL = "https://phone.example.com/twilio/connect-done"
WHISPER = "https://phone.example.com/whisper"
SCREEN = '<Gather numDigits="1" action="/key"><Say>Maya is on the line.</Say></Gather><Say>Bye.</Say><Hangup/>'


@dataclass
class Twilio:
    """A worker that answers with prepared TwiML, and the phone that is dialled."""

    person: Person = "answers"
    answers: dict[str, str] = field(default_factory=lambda: {"/whisper": SCREEN, "/key": ""})
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    completed: asyncio.Event = field(default_factory=asyncio.Event)
    hangs_up: bool = False
    """Whether the worker ends the call as soon as the person has taken it."""

    async def ask(self, url: str, **fields: str) -> list[Element]:
        self.asked.append((url, fields))
        if self.hangs_up and "Digits" in fields:
            self.completed.set()
        return list(parsed(f"<Response>{self.answers[url.removeprefix('https://phone.example.com')]}</Response>"))

    async def dial(self, inside: str = f'<Number url="/whisper">{PERSON}</Number>', **attributes: str) -> Dialled:
        shown = "".join(f' {name}="{value}"' for name, value in attributes.items())
        edge = DialEdge(
            ask=self.ask,
            call_sid="CA1",
            caller=CALLER,
            called=CALLED,
            person=self.person,
            problem=self.problems.append,
            completed=self.completed,
        )
        return await edge.dial(parsed(f"<Dial{shown}>{inside}</Dial>"), URL)


def parsed(document: str) -> Element:
    return ElementTree.fromstring(document)  # noqa: S314 -- written above


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RING_SECS", "UNANSWERED_SECS", "TALK_SECS"):
        monkeypatch.setattr(module, name, 0.01)


async def test_a_person_hears_the_whisper_presses_the_key_and_then_hears_the_caller() -> None:
    twilio = Twilio()

    dialled = await twilio.dial(callerId=CALLER)

    assert (dialled.number, dialled.status, dialled.is_bridged) == (PERSON, "completed", True)
    assert dialled.told == "Maya is on the line."
    assert [url for url, _ in twilio.asked] == [WHISPER, "https://phone.example.com/key"]
    assert "Digits" not in twilio.asked[0][1]
    assert twilio.asked[1][1]["Digits"] == "1"
    assert twilio.problems == []


async def test_the_persons_leg_is_a_call_of_its_own() -> None:
    twilio = Twilio()

    dialled = await twilio.dial()

    fields = twilio.asked[0][1]
    assert fields["CallSid"] == dialled.call_sid != "CA1"
    assert (fields["ParentCallSid"], fields["From"], fields["To"]) == ("CA1", CALLER, PERSON)


async def test_what_the_worker_is_told_of_it() -> None:
    dialled = await Twilio().dial()

    assert dialled.fields == {
        "DialCallStatus": "completed",
        "DialCallSid": dialled.call_sid,
        "DialCallDuration": "0",
        "DialBridged": "true",
    }


async def test_a_machine_presses_nothing_and_hears_no_caller() -> None:
    dialled = await Twilio("answering_machine").dial()

    assert (dialled.status, dialled.is_bridged) == ("completed", False)
    assert dialled.told == "Maya is on the line. Bye."


async def test_without_a_whisper_a_machine_swallows_the_caller() -> None:
    dialled = await Twilio("answering_machine").dial(PERSON)

    assert dialled.is_bridged


@pytest.mark.parametrize(("person", "status"), [("busy", "busy"), ("no_answer", "no-answer")])
async def test_a_phone_that_nobody_takes_tells_nothing(person: Person, status: str) -> None:
    twilio = Twilio(person)

    dialled = await twilio.dial()

    assert (dialled.status, dialled.is_bridged, twilio.asked) == (status, False, [])


async def test_a_worker_that_hangs_up_on_the_two_is_told_on() -> None:
    twilio = Twilio(hangs_up=True)

    await twilio.dial()

    assert twilio.problems == ["the worker hung up a call that a person had taken"]


async def test_a_worker_that_hangs_up_while_it_rings_is_told_on() -> None:
    twilio = Twilio()
    twilio.completed.set()

    dialled = await twilio.dial()

    assert (dialled.status, twilio.problems) == ("canceled", ["the worker hung up while a person's phone rang"])


@pytest.mark.parametrize(
    ("attributes", "code"),
    [
        ({"callerId": "+14155550142"}, "13214"),
        ({"timeout": "soon"}, "13212"),
        ({"timeout": "900"}, "13212"),
        ({"timeuot": "20"}, "12200"),
        ({"method": "GET"}, "POST"),
    ],
)
async def test_what_twilio_would_not_take_is_a_problem(attributes: dict[str, str], code: str) -> None:
    twilio = Twilio()

    await twilio.dial(**attributes)

    (problem,) = twilio.problems
    assert code in problem


async def test_what_is_no_number_cannot_be_dialled() -> None:
    twilio = Twilio()

    dialled = await twilio.dial("the office")

    assert (dialled.status, dialled.is_bridged) == ("failed", False)
    assert "13224" in twilio.problems[0]


async def test_a_screen_without_end_is_given_up() -> None:
    twilio = Twilio(answers={"/whisper": '<Gather action="/whisper"/>'})

    dialled = await twilio.dial()

    assert not dialled.is_bridged
    assert twilio.problems == ["the person is asked for a key again and again"]
