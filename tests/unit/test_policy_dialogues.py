"""Typed dialogues with the stand-in model: each one is played against small, honest stand-ins of the tools."""

from __future__ import annotations

import copy
import json
import re
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from appointments.email_capture import EmailCapture, Stage
from simulator.policy import answer
from simulator.policy_answer import Answer, ToolCall
from tools.consent import names, yes_or_no

DIALOGUES = Path(__file__).parent / "dialogues"
ONES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
ORDINALS = (
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh",
    "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth", "nineteenth",
    "twentieth", "twenty-first", "twenty-second", "twenty-third", "twenty-fourth", "twenty-fifth", "twenty-sixth",
    "twenty-seventh", "twenty-eighth", "twenty-ninth", "thirtieth", "thirty-first",
)  # fmt: skip
MINUTES = {0: "", 15: " fifteen", 30: " thirty", 45: " forty-five"}
PARTS = {"morning": range(0, 12), "afternoon": range(12, 17), "evening": range(17, 24)}


def spoken(start: datetime) -> str:
    """Return a slot as the product says it: "Thursday, December third, at two in the afternoon"."""
    part = next(name for name, hours in PARTS.items() if start.hour in hours)
    hour = ONES[start.hour % 12 or 12] + MINUTES[start.minute] + f" in the {part}"
    clock = "noon" if (start.hour, start.minute) == (12, 0) else hour
    return f"{start:%A}, {start:%B} {ORDINALS[start.day - 1]}, at {clock}"


class Desk:
    """What the tools of one dialogue know and do; refuses a booking that was not read back."""

    def __init__(self, dialogue: dict[str, Any]) -> None:
        self.now: datetime = _moment(dialogue.get("now", "2026-12-01T09:00"))
        self.free = [_moment(start) for start in dialogue["free"]]
        self.taken = [_moment(start) for start in dialogue.get("taken", [])]
        self.requires_email: bool = dialogue.get("requires_email", False)
        self.is_withheld: bool = dialogue.get("is_withheld", False)
        self.titles: list[str] = dialogue.get("titles", ["30-Minute Consultation"])
        self.ledger: dict[str, tuple[str, datetime]] = {}
        """What each slot was offered for."""
        self.booked: list[dict[str, str]] = []
        self.mine: list[dict[str, Any]] | None = copy.deepcopy(dialogue.get("mine"))
        """The caller's appointments; None: nobody may hear about any."""
        self.is_proven: bool = dialogue.get("is_attested", False)
        self.can_prove: bool = dialogue.get("can_prove", True)
        self.code: str = dialogue.get("code", "")
        self.changes: list[dict[str, str]] = []
        self.requests: list[dict[str, str]] = []
        self.email = EmailCapture()

    def system_prompt(self) -> str:
        days = [self.now.date() + timedelta(days=n) for n in range(21)]
        rows = [
            f"{day:%a %Y-%m-%d}{' (today)' if n == 0 else ''} | {'open 09:00-17:00' if day.weekday() < 5 else 'closed'}"
            for n, day in enumerate(days)
        ]
        return "You answer the phone.\n\n# Calendar\n" + "\n".join(rows) + "\n\nCaller's number: +14155550123\n"

    def tools(self) -> list[dict[str, Any]]:
        text = {"type": "string"}
        booking = {"slot": text, "name": text, "notes": text} | ({"number": text} if self.is_withheld else {})
        needs = " It needs an e-mail address: note_email first." if self.requires_email else ""
        required = ["slot", "name"]
        actions = [f"Book {title}" for title in self.titles]
        choice = {"appointment": text | {"enum": actions}} if len(actions) > 1 else {}
        wish = {"date": text, "part_of_day": text, "time": text} | choice
        return [
            _tool("find_slots", "Find free slots.", wish, list(choice)),
            *(_tool(_tool_name(title), f"Book {title} to order.{needs}", booking, required) for title in self.titles),
            *([_tool("note_email", "", {"said": text}, [])] if self.requires_email or self.is_withheld else []),
            *(
                []
                if self.mine is None
                else [_tool(name, "", dict.fromkeys(of, text), []) for name, of in EXISTING.items()]
            ),
            _tool("end_call", "End the call.", {}, []),
        ]

    def run(self, call: ToolCall, last_said: str) -> dict[str, Any]:
        if call.name == "end_call":
            return {"status": "ending"}
        arguments = {name: str(value) for name, value in call.arguments.items()}
        if call.name == "find_slots":
            return self._find(**arguments)
        if call.name == "note_email":
            return self._note_email(last_said, **arguments)
        if call.name in EXISTING:
            result: dict[str, Any] = getattr(self, f"_{call.name}")(last_said=last_said, **arguments)
            return result
        title = next(title for title in self.titles if _tool_name(title) == call.name)
        return self._book(title, last_said, **arguments)

    def _find(self, date: str = "", part_of_day: str = "", time: str = "", appointment: str = "") -> dict[str, Any]:
        if (len(self.titles) > 1) != bool(appointment):
            return {"status": "invalid", "hint": "appointment: one of those there are, where there is a choice"}
        self.title = appointment.removeprefix("Book ") or self.titles[0]
        wanted, day = sorted(self.free), _day(date)
        if not wanted:
            return {
                "status": "nothing_free",
                "say": "I'm sorry, there is nothing free in the next two weeks.",
                "slots": [],
            }
        if day and day > self.now.date() + timedelta(days=21):
            return {"status": "too_far", "say": "That is too far ahead for me.", "slots": []}
        if day and day.weekday() > 4:
            return self._offer("closed", f"We are closed on {day:%A}. I have ", wanted)
        if day:
            wanted = [start for start in wanted if start.date() == day]
        if part_of_day:
            wanted = [start for start in wanted if start.hour in PARTS[part_of_day]]
        if not wanted:
            return self._offer("day_full", "There is nothing free then. The nearest I have is ", sorted(self.free))
        if time:
            exact = [start for start in wanted if f"{start:%H:%M}" in _clock(time)]
            return (
                self._offer("available", "", exact) if exact else self._offer("taken", "That is taken. I have ", wanted)
            )
        return self._offer("available", "", wanted)

    def _offer(self, status: str, opening: str, starts: list[datetime]) -> dict[str, Any]:
        slots = []
        for start in starts[:3]:
            key = f"a{len(self.ledger) + 1}"
            self.ledger[key] = self.title, start
            slots.append({"key": key, "say": spoken(start), "date": f"{start:%Y-%m-%d}", "time": f"{start:%H:%M}"})
        choice = ", or ".join(slot["say"] for slot in slots)
        question = " Which would you like?" if len(slots) > 1 else " Would that work?"
        return {
            "status": status,
            "say": f"{opening or 'I have '}{choice}.{question}",
            "hint": "Offer these.",
            "slots": slots,
        }

    def _book(
        self, title: str, last_said: str, slot: str, name: str, notes: str = "", number: str = ""
    ) -> dict[str, Any]:
        offered_for, start = self.ledger.get(slot, ("", self.now))
        if offered_for != title:
            return {"status": "not_offered", "hint": "Call find_slots."}
        if title not in last_said or spoken(start) not in last_said or name not in last_said:
            return {"status": "not_confirmed", "say": f"That's {spoken(start)}, for {name}. Is that right?"}
        if self.requires_email and not self.email.agreed:
            return {"status": "needs_email", "say": self.email.question}
        if self.is_withheld and not (number or self.email.agreed):
            return {"status": "invalid", "hint": "Ask for the caller's number."}
        self.free.remove(start)
        if start in self.taken:
            return self._offer("taken", "I'm sorry, that one was just taken. I have ", sorted(self.free))
        known = {"email": self.email.agreed} if self.email.agreed else {}
        known |= {"number": number} if number else {}
        self.booked.append({"start": f"{start:%Y-%m-%dT%H:%M}", "name": name, "title": title} | known)
        return {
            "status": "booked",
            "say": "You're booked. You'll get a text message.",
            "hint": "Ask for anything else.",
        }

    def _note_email(self, last_said: str, said: str = "") -> dict[str, Any]:
        answer = yes_or_no(said)
        was_heard = bool(self.email.read_back) and names(last_said, self.email.read_back)
        if answer and was_heard and not self.email.changes(said):
            self.email.agree()
        elif said:
            self.email.hear(said, answer=answer)
        match self.email.stage:
            case Stage.AGREED:
                return {"status": "noted"}
            case Stage.LEFT_OUT:
                return {"status": "left_out", "say": "I can't book it so. Shall I have somebody call you back?"}
            case _:
                return {"status": "needs_email", "say": self.email.question}

    def _find_appointments(self, last_said: str, name: str = "", date: str = "") -> dict[str, Any]:
        mine = self.mine or []
        if name and self.can_prove:
            self.is_proven = any(name == each["name"] and date == f"{_moment(each['at']):%Y-%m-%d}" for each in mine)
        if not (self.is_proven and mine):
            return self._not_verified()
        rows = [
            {
                "key": f"m{number}",
                "say": f"a {each['title']} on {spoken(_moment(each['at']))}",
                "title": each["title"],
                "date": f"{_moment(each['at']):%Y-%m-%d}",
                "time": f"{_moment(each['at']):%H:%M}",
            }
            for number, each in enumerate(mine, 1)
        ]
        return {"status": "found", "say": f"You have {'; '.join(row['say'] for row in rows)}.", "appointments": rows}

    def _not_verified(self) -> dict[str, Any]:
        if self.can_prove:
            say, hint = "What name is it under, and which day is it?", "Call find_appointments with both."
        else:
            say, hint = "Which number is it under? I can text a code to it.", "Call text_code with that number."
        return {"status": "not_verified", "say": f"I can't find it with what I have so far. {say}", "hint": hint}

    def _text_code(self, last_said: str, number: str = "+14155550123") -> dict[str, Any]:
        self.changes.append({"code": number})
        return {"status": "code_sent", "say": "I've just texted a code to it. Please read it to me, or type it."}

    def _check_code(self, last_said: str, code: str) -> dict[str, Any]:
        self.is_proven = code.replace(" ", "") == self.code
        if self.is_proven:
            return self._find_appointments(last_said)
        say, hint = "Could you read me the code once more?", "Call check_code with what the caller says or types."
        return {"status": "not_verified", "say": f"I can't find it with what I have so far. {say}", "hint": hint}

    def _confirm_appointment(self, last_said: str, appointment: str) -> dict[str, Any]:
        self.changes.append({"confirmed": self._at(appointment)})
        return {"status": "confirmed", "say": "Thank you, I've noted that you're coming."}

    def _move_appointment(self, last_said: str, appointment: str, slot: str, reason: str = "") -> dict[str, Any]:
        start = self.ledger[slot][1]
        if "move" not in last_said or spoken(start) not in last_said:
            return {"status": "not_confirmed", "say": f"I'll move it to {spoken(start)}. Is that right?"}
        if start in self.taken:
            self.free.remove(start)
            return self._offer("taken", "I'm sorry, that one was just taken. I have ", sorted(self.free))
        self.changes.append({"moved": self._at(appointment), "to": f"{start:%Y-%m-%dT%H:%M}"})
        self._of(appointment)["at"] = start
        return {"status": "moved", "say": f"Done: it's now on {spoken(start)}."}

    def _cancel_appointment(self, last_said: str, appointment: str, reason: str = "") -> dict[str, Any]:
        when = spoken(_moment(self._of(appointment)["at"]))
        if "is_gone" not in self._of(appointment):
            if "cancel" not in last_said or when not in last_said:
                return {"status": "not_confirmed", "say": f"I'll cancel it on {when}. Is that right?"}
            self.changes.append({"cancelled": self._at(appointment)} | ({"reason": reason} if reason else {}))
            self._of(appointment)["is_gone"] = True
        return {"status": "cancelled", "say": f"Your appointment on {when} is cancelled."}

    def _join_waitlist(self, **left: str) -> dict[str, Any]:
        return self._noted("waitlist", "I've put you on the waitlist.", **left)

    def _request_callback(self, **left: str) -> dict[str, Any]:
        return self._noted("call back", "I've noted that. Somebody will call you back.", **left)

    def _noted(self, kind: str, say: str, last_said: str, **left: str) -> dict[str, Any]:
        self.requests.append({"kind": kind} | left)
        return {"status": "noted", "say": say}

    def _of(self, key: str) -> dict[str, Any]:
        assert self.mine
        return self.mine[int(key.removeprefix("m")) - 1]

    def _at(self, key: str) -> str:
        return f"{_moment(self._of(key)['at']):%Y-%m-%dT%H:%M}"


EXISTING = {
    "find_appointments": ("name", "date"),
    "confirm_appointment": ("appointment",),
    "move_appointment": ("appointment", "slot", "reason"),
    "cancel_appointment": ("appointment", "reason"),
    "text_code": ("number",),
    "check_code": ("code",),
    "join_waitlist": ("name", "number", "best_time", "notes", "appointment"),
    "request_callback": ("name", "number", "best_time", "notes"),
}
"""The tools for what exists and for what is left, with their arguments."""


def _tool(name: str, description: str, properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties, "required": required}
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


def _tool_name(title: str) -> str:
    return "book_" + re.sub("[^a-z0-9]+", "_", title.lower())


def _moment(value: object) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(str(value))


def _day(text: str) -> date | None:
    return date.fromisoformat(text) if text else None


def _clock(words: str) -> set[str]:
    """Return the clock times that words such as "half past two" may mean."""
    words = words.lower().removeprefix("half past ")
    minute = 30 if "thirty" in words else 0
    hour = next(ONES.index(word) for word in re.findall("[a-z]+", words) if word in ONES)
    return {f"{each:02}:{minute:02}" for each in (hour % 12, hour % 12 + 12)}


class Play:
    """One dialogue being played: the messages so far and what the agent said and called in the current turn."""

    def __init__(self, dialogue: dict[str, Any]) -> None:
        self.desk = Desk(dialogue)
        self.messages: list[dict[str, Any]] = [
            {"role": "system", "content": self.desk.system_prompt()},
            {"role": "assistant", "content": "Hello, this is Ada's office. How can I help you?"},
        ]
        self.said, self.calls = "", list[ToolCall]()

    def turn(self, line: dict[str, Any]) -> None:
        role = "user" if "user" in line else "developer"
        self.messages.append({"role": role, "content": line[role]})
        self.said, self.calls = "", []
        for _ in range(4):
            reply = answer(self.messages, self.desk.tools())
            self.said = f"{self.said} {reply.text}".strip()
            self.calls += reply.calls
            if not self._follow(reply, line.get("heard", reply.text)) or self._ended(reply):
                return
        raise AssertionError(f"the model went on calling tools: {self.calls}")

    def _follow(self, reply: Answer, heard: str) -> bool:
        """Append what was heard and what the tools answered; return whether the model must speak again."""
        last_said = next(m["content"] for m in reversed(self.messages) if m["role"] == "assistant" and m.get("content"))
        for n, call in enumerate(reply.calls):
            call_id = f"call_{len(self.messages)}_{n}"
            function = {"name": call.name, "arguments": json.dumps(call.arguments)}
            asked = {"role": "assistant", "tool_calls": [{"id": call_id, "type": "function", "function": function}]}
            result = json.dumps(self.desk.run(call, last_said))
            self.messages += [asked, {"role": "tool", "tool_call_id": call_id, "content": result}]
        if reply.text and heard:
            self.messages.append({"role": "assistant", "content": heard})
        return bool(reply.calls)

    def _ended(self, reply: Answer) -> bool:
        return any(call.name == "end_call" for call in reply.calls)


def dialogues() -> list[Any]:
    files = sorted(DIALOGUES.glob("*.yaml"))
    return [
        pytest.param(each, id=f"{path.stem}: {each['name']}")
        for path in files
        for each in yaml.safe_load(path.read_text(encoding="utf-8"))
    ]


@pytest.mark.parametrize("dialogue", dialogues())
def test_the_dialogue_goes_as_written(dialogue: dict[str, Any]) -> None:
    play = Play(dialogue)

    for n, line in enumerate(dialogue["turns"], 1):
        play.turn(line)
        _check(line, play, f"turn {n}, after {line.get('user', line.get('developer'))!r}")

    assert play.desk.booked == [_booking(each, play.desk.titles[0]) for each in dialogue.get("booked", [])]
    assert play.desk.changes == [_plain_times(each) for each in dialogue.get("changes", [])]
    assert play.desk.requests == dialogue.get("requests", [])


def _check(line: dict[str, Any], play: Play, where: str) -> None:
    spoke = f"{where} the agent said {play.said!r} and called {play.calls}"
    if "calls" in line:
        assert [call.name for call in play.calls] == [wanted["name"] for wanted in line["calls"]], spoke
        for call, wanted in zip(play.calls, line["calls"], strict=True):
            assert call.arguments.items() >= wanted.get("args", {}).items(), spoke
    else:
        assert play.calls == [], spoke
    assert play.said, spoke
    assert re.search(line.get("says", ""), play.said), spoke
    assert not ("not_says" in line and re.search(line["not_says"], play.said)), spoke


def _plain_times(expected: dict[str, Any]) -> dict[str, str]:
    return {
        name: f"{value:%Y-%m-%dT%H:%M}" if isinstance(value, datetime) else str(value)
        for name, value in expected.items()
    }


def _booking(expected: dict[str, Any], title: str) -> dict[str, str]:
    start = f"{_moment(expected['start']):%Y-%m-%dT%H:%M}"
    known = {name: expected[name] for name in ("email", "number") if name in expected}
    return {"start": start, "name": expected["name"], "title": expected.get("title", title)} | known
