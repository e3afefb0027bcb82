"""What the worker lets the model call, read from the tool definitions of a request."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from simulator.policy_questions import questions_of
from simulator.policy_titles import best_named, says_emergency
from simulator.policy_words import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulator.policy_questions import Question

FIND_MINE, CONFIRM_MINE, MOVE_MINE, CANCEL_MINE = (
    "find_appointments",
    "confirm_appointment",
    "move_appointment",
    "cancel_appointment",
)
TEXT_CODE, CHECK_CODE = "text_code", "check_code"
WAITLIST, CALL_BACK = "join_waitlist", "request_callback"
NOTE_EMAIL = "note_email"
TRANSFER = "transfer_to_human"
_NEEDS_EMAIL = re.compile(r"\bneeds [^.]*\be-mail\b[^.]*\bnote_email\b")


@dataclass(frozen=True, slots=True)
class BookingTool:
    """A tool that books one event type, such as `book_30_minute_consultation`."""

    name: str
    action: str
    title: str
    needs_email: bool
    parameters: frozenset[str]
    questions: tuple[Question, ...] = ()


@dataclass(frozen=True, slots=True)
class Toolbox:
    """The tools by what they do, found by their names."""

    find: str
    find_parameters: frozenset[str]
    books: tuple[BookingTool, ...]
    end: str
    names: frozenset[str]

    @classmethod
    def read(cls, tools: Sequence[dict[str, Any]]) -> Toolbox:
        functions = [tool["function"] for tool in tools if isinstance(tool.get("function"), dict)]
        names = [str(each.get("name", "")) for each in functions]
        finders = [each for each in functions if str(each.get("name", "")).startswith("find_slot")]
        return cls(
            find=finders[0]["name"] if finders else "",
            find_parameters=frozenset(_properties(finders[0])) if finders else frozenset(),
            books=tuple(_booking_tool(each) for each in functions if str(each.get("name", "")).startswith("book_")),
            end=next((name for name in names if name.startswith("end_")), ""),
            names=frozenset(names),
        )

    def has(self, *names: str) -> bool:
        """Claim that the model may call all of them."""
        return self.names.issuperset(names)

    def has_any(self, *names: str) -> bool:
        """Claim that the model may call one of them."""
        return not self.names.isdisjoint(names)

    def book_for(self, action: str) -> BookingTool | None:
        """Return the tool of `action`; with "" the only one there is."""
        fitting = [tool for tool in self.books if action in ("", tool.action)]
        return fitting[0] if len(fitting) == 1 or (fitting and action) else None

    def action_named(self, text: str) -> str:
        """Return the action whose title `text` names, "" when none stands out or there is no choice.

        An emergency comes before all else that is named.
        """
        titles = [tool.title for tool in self.books] if len(self.books) > 1 else []
        urgent = [title for title in titles if says_emergency(title)]
        title = urgent[0] if urgent and says_emergency(text) else best_named(text, titles)
        return self.action_titled(title)

    def action_titled(self, title: str) -> str:
        """Return the action of that title, "" when there is none."""
        return next((tool.action for tool in self.books if tool.title == title), "")

    @property
    def nouns(self) -> frozenset[str]:
        """What appointments are called by their titles: "consultation", "haircut"."""
        last = [tool.title.split()[-1] for tool in self.books if plain(tool.title)]
        return frozenset(noun for word in last for noun in (plain(word), plain(word.replace("-", ""))) if noun)

    @property
    def choices(self) -> str:
        """What can be booked, as in "a Repair, an Inspection or a Quote"."""
        titles = [with_article(tool.title) for tool in self.books]
        return " or ".join([", ".join(titles[:-1]), titles[-1]] if len(titles) > 1 else titles)


def with_article(title: str) -> str:
    """Return "a 30-Minute Consultation"."""
    return f"{'an' if title[:1].lower() in 'aeiou' else 'a'} {title}"


def _booking_tool(function: dict[str, Any]) -> BookingTool:
    name, schema = str(function["name"]), function.get("parameters") or {}
    action = _action(name, str(function.get("description") or ""))
    needs_email = _NEEDS_EMAIL.search(str(function.get("description") or "")) is not None
    title = action.split(" ", 1)[-1]
    return BookingTool(name, action, title, needs_email, frozenset(_properties(function)), questions_of(schema))


def _action(name: str, description: str) -> str:
    """Return the words at the start of the description that the tool is named after."""
    words = description.split()
    for count in range(1, len(words) + 1):
        action = " ".join(words[:count]).rstrip(".,:;")
        if re.sub(r"[^a-z0-9]+", "_", action.casefold()).strip("_")[:64] == name:
            return action
    return name.replace("_", " ")


def _properties(function: dict[str, Any]) -> list[str]:
    return list((function.get("parameters") or {}).get("properties") or {})
