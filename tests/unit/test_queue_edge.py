"""Twilio's queue as it is acted out: what is asked of the worker, what is followed, and what Twilio would not take."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from xml.etree import ElementTree

import pytest

from simulator.queue_edge import QueueEdge, Queues

URL = "https://a.example/twilio/voice"
WAIT, LEFT = "https://a.example/wait", "https://a.example/left"
ENQUEUE = f'<Enqueue waitUrl="{WAIT}" waitUrlMethod="POST" action="{LEFT}" method="POST">slotline</Enqueue>'


@dataclass
class Worker:
    """Answers each URL with the next of its documents, and then with the last."""

    answers: dict[str, list[str]]
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    followed: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    async def ask(self, url: str, **fields: str) -> list[ElementTree.Element]:
        self.asked.append((url, fields))
        left = self.answers[url]
        return list(verbs(left.pop(0) if len(left) > 1 else left[0]))

    def edge(self, *keys: str, queues: Queues | None = None) -> QueueEdge:
        return QueueEdge(
            ask=self.ask,
            call_sid="CA1",
            queues=queues or Queues(),
            keys=list(keys),
            pace=0,
            note=self.followed.append,
            problem=self.problems.append,
            completed=asyncio.Event(),
        )


def verbs(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(f"<Response>{text}</Response>")  # noqa: S314 -- this file's own


def verb(text: str) -> ElementTree.Element:
    return verbs(text)[0]


HOLD = '<Say>You are next.</Say><Pause length="8"/>'


async def test_the_wait_is_asked_about_again_until_the_caller_leaves() -> None:
    worker = Worker({WAIT: [HOLD, HOLD, "<Leave/>"], LEFT: ["<Hangup/>"]})

    following = await worker.edge().enqueue(verb(ENQUEUE), URL)

    assert following is not None
    assert (following.url, [each.tag for each in following.verbs]) == (LEFT, ["Hangup"])
    waits = [fields for url, fields in worker.asked if url == WAIT]
    assert [fields["QueuePosition"] for fields in waits] == ["1", "1", "1"]
    assert [fields["QueueTime"] for fields in waits] == ["0", "9", "18"]
    assert worker.asked[-1][1]["QueueResult"] == "leave"
    assert worker.asked[-1][1]["QueueTime"] == "18"
    assert worker.followed == ["say:You are next.", "say:You are next.", "leave"]
    assert worker.problems == []


async def test_a_place_is_behind_those_who_came_before() -> None:
    queues = Queues()
    queues.join("slotline", "CAother")
    worker = Worker({WAIT: ["<Leave/>"], LEFT: ["<Hangup/>"]})

    await worker.edge(queues=queues).enqueue(verb(ENQUEUE), URL)

    assert worker.asked[0][1]["QueuePosition"] == "2"
    assert worker.asked[0][1]["CurrentQueueSize"] == "2"
    assert queues.waiting == {"slotline": ["CAother"]}


async def test_without_an_action_the_next_verb_follows() -> None:
    worker = Worker({WAIT: ["<Leave/>"]})

    assert await worker.edge().enqueue(verb(f'<Enqueue waitUrl="{WAIT}">slotline</Enqueue>'), URL) is None


async def test_a_key_that_is_pressed_while_waiting_leads_on() -> None:
    key_url = "https://a.example/key"
    gather = f'<Gather numDigits="1" timeout="5" action="{key_url}"><Say>Press one.</Say></Gather>'
    worker = Worker({WAIT: [gather], key_url: ["<Leave/>"], LEFT: ["<Hangup/>"]})

    await worker.edge("1").enqueue(verb(ENQUEUE), URL)

    assert (key_url, {"CallStatus": "in-progress", "Digits": "1"}) in worker.asked


async def test_who_presses_nothing_goes_on_with_the_next_verb() -> None:
    worker = Worker({})

    assert await worker.edge().gather(verb('<Gather timeout="5" action="/key"><Say>Press.</Say></Gather>'), URL) is None
    assert worker.followed == ["say:Press."]


@pytest.mark.parametrize(
    ("enqueue", "waits", "problem"),
    [
        (ENQUEUE, "<Dial>+14155550199</Dial>", "12200: <Dial> may not be used while a caller waits in a queue"),
        (ENQUEUE, "", f"{WAIT} takes no time"),
        (ENQUEUE.replace("slotline", "x" * 65), "<Leave/>", "14201: <Enqueue> has the queue name"),
        (ENQUEUE.replace("waitUrl=", "waiturl="), "<Leave/>", "12200: <Enqueue> has no attribute waiturl"),
        (ENQUEUE.replace('waitUrlMethod="POST"', 'waitUrlMethod="PUT"'), "<Leave/>", "<Enqueue> has a waitUrlMethod"),
        (ENQUEUE, '<Gather numDigits="0" timeout="1"/><Leave/>', "13314: <Gather> has the numDigits '0'"),
        (ENQUEUE, '<Gather timeout="soon"/><Leave/>', "13313: <Gather> has the timeout 'soon'"),
        (ENQUEUE, "<Gather><Hangup/></Gather><Leave/>", "12200: <Hangup> may not stand in a <Gather>"),
        (ENQUEUE, '<Gather digits="1"/><Leave/>', "12200: <Gather> has no attribute digits"),
    ],
)
async def test_what_twilio_would_not_take_is_a_problem(enqueue: str, waits: str, problem: str) -> None:
    worker = Worker({WAIT: [waits], LEFT: ["<Hangup/>"]})

    await worker.edge().enqueue(verb(enqueue), URL)

    assert any(each.startswith(problem) for each in worker.problems), worker.problems


async def test_a_wait_without_end_is_given_up() -> None:
    worker = Worker({WAIT: [HOLD], LEFT: ["<Hangup/>"]})

    await worker.edge().enqueue(verb(ENQUEUE), URL)

    assert worker.problems == ["the caller waits in the queue without end"]
