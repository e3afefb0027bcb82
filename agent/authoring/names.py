"""What instructions call by name: placeholders, tools and actions, and whether there is such a thing."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING

from agent.authoring.rules import Finding
from prompts.loader import unknown_placeholders

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from pathlib import Path

    from agent.authoring.text import Passage, Span
    from appointments.model import Action


def check_placeholders(text: str, known: Collection[str], path: Path, first_line: int) -> Iterator[Finding]:
    """Find braces that nothing fills in, and blanks that the author has not filled in."""
    unknown: set[str] = set()
    for problem in unknown_placeholders(text, known, first_line=first_line):
        name = problem.text[1 : problem.text.index("}")]
        unknown.add(name)
        yield Finding(path, problem.line, "placeholder", problem.text, _better_placeholder(name, known))
    for found in _BLANK.finditer(text):
        if any(f"{{{name}}}" in found[0] for name in unknown):
            continue
        line = first_line + text.count("\n", 0, found.start())
        what = f"{found[0]} is filled in by nobody: the model reads it as it stands"
        close = _close_placeholder(found[0].strip("[]{}<> "), known)
        better = f"write {{{close}}}" if close else "write the words themselves"
        yield Finding(path, line, "blank", what, better)


def check_tool_names(passage: Passage, known: Collection[str]) -> Iterator[Finding]:
    """Find names of tools that the agent does not have. Every word in snake_case is a tool's name."""
    text = re.sub(r"\{\w*\}", lambda found: " " * len(found[0]), passage.text)
    for found in _TOOL.finditer(text):
        name = found["snake"] or found["code"] or found["camel"]
        is_meant = not found["snake"] or name.islower() or name.lower() in known
        if is_meant and name not in known:
            what = f"{name} is no tool; there are {', '.join(sorted(known))}"
            better = _better_tool(name, known)
            yield Finding(passage.path, passage.line(found.start()), "unknown-tool", what, better)


def check_actions(passage: Passage, actions: Sequence[Action]) -> Iterator[Finding]:
    """Find "Book …" where there is no such action."""
    for sentence in passage.sentences():
        for begin, phrase in _phrases(sentence):
            words = _normal(phrase)
            names = {_normal(action.name): action.name for action in actions}
            close = difflib.get_close_matches(words, names, n=1, cutoff=0.6)
            is_real = any(f"{words} ".startswith(f"{name} ") for name in names)
            # "Book Tuesdays first" opens a sentence and names no action; "Book 30 Minute Consult" nearly does.
            if is_real or (_is_advice(sentence.text, phrase) and not close):
                continue
            real = ", ".join(f'"{action.name}"' for action in actions)
            what = f'there is no action "{phrase}"; there {"is" if len(actions) == 1 else "are"} {real}'
            meant = f'write "{names[close[0]] if close else actions[0].name}"'
            other = "" if close else ", or add an action for it"
            better = f"{meant}{other}" if close or len(actions) == 1 else f"name one of those{other}"
            yield Finding(passage.path, sentence.line(begin), "unknown-action", what, better)


def mentions(text: str, action: Action, actions: Sequence[Action]) -> bool:
    """Claim that `text` tells when to book `action`: by its name, its title or its tool's name."""
    is_only = len(actions) == 1
    if is_only and re.search(r"\bbooking (?:tool|action)\b", text, re.IGNORECASE):
        return True
    return f" {_normal(action.title)} " in f" {_normal(text)} "


def check_unmentioned(text: str, actions: Sequence[Action], path: Path, lines: Sequence[int]) -> Iterator[Finding]:
    """Find actions that neither the author's text nor the shipped script speaks of.

    Args:
        lines: Where each action stands in the business file `path`.
    """
    for action, line in zip(actions, lines, strict=True):
        if not action.default_instructions and not mentions(text, action, actions):
            what = f'"{action.name}" is never mentioned, and default_instructions = false leaves out the shipped script'
            better = f'tell when to use the "{action.name}" action, or leave default_instructions out'
            yield Finding(path, line, "unmentioned-action", what, better)


def _phrases(sentence: Span) -> Iterator[tuple[int, str]]:
    """Return where an action is called by name, and the name: after "use", quoted, or capitalised."""
    for found in _ACTION.finditer(sentence.text):
        yield found.start(), next(phrase for phrase in found.groups() if phrase).strip(" '")


def _is_advice(sentence: str, phrase: str) -> bool:
    """Whether "Book Tuesdays first" tells what to do; "Book Colour is for highlights" tells what an action is."""
    return sentence.startswith(phrase) and re.match(r"\s+(?:is|are)\b", sentence[len(phrase) :]) is None


def _normal(words: str) -> str:
    return " ".join(re.findall(r"[a-z0-9]+", words.casefold()))


def _better_placeholder(name: str, known: Collection[str]) -> str:
    close = _close_placeholder(name, known)
    return f"write {{{close}}}" if close else "write the words themselves, or leave it out"


def _close_placeholder(name: str, known: Collection[str]) -> str:
    words = re.sub(r"[\W_]+", "_", name.casefold()).strip("_")
    for part in ("business", "company", "clinic", "agent", "assistant"):
        meant = {"company": "business", "clinic": "business", "assistant": "agent"}.get(part, part)
        if part in words.split("_") and meant in known:
            return meant
    return next(iter(difflib.get_close_matches(words, sorted(known), n=1)), "")


def _better_tool(name: str, known: Collection[str]) -> str:
    words = name.casefold()
    if same := difflib.get_close_matches(words, sorted(known), n=1, cutoff=0.85):
        return f"did you mean {same[0]}?"
    booking = [tool for tool in known if tool.startswith("book_")]
    for hints, tools in (
        (("resched", "move", "change"), ["move_appointment"]),
        (("cancel",), ["cancel_appointment"]),
        (("callback", "call_back"), ["request_callback"]),
        (("slot", "avail", "free", "calendar"), ["find_slots"]),
        (("book", "sched", "create_appoint", "reserv"), booking),
        (("appoint",), ["find_appointments"]),
        (("hang", "end", "bye", "finish"), ["end_call"]),
    ):
        meant = sorted(set(tools).intersection(known))
        if meant and any(hint in words for hint in hints):
            return f"use {' or '.join(meant)}"
    if close := difflib.get_close_matches(words, sorted(known), n=1):
        return f"did you mean {close[0]}?"
    return "say what the agent shall do in plain words; it has no other tools"


_BLANK = re.compile(
    r"\{\{\s*\w[\w ]*\}\}|\{\w+[ .-][^{}\n]*\}|\{ \w+ ?\}"
    r"|[\[<](?i:your|insert|enter|add|company|business|clinic|agent|assistant)\b[^\]>\n]{0,40}[\]>](?!\()"
    r"|\[[A-Z][A-Z _]{3,40}\](?!\()|\b(?:TODO|FIXME|TBD)\b|\b[Ll]orem ipsum\b"
)
_TOOL = re.compile(
    r"\b(?P<snake>[A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)+)\b"
    r"|`(?P<code>[a-z][a-z0-9]*[A-Z]\w*)(?:\(\))?`|\b(?P<camel>[a-z][a-z0-9]*[A-Z]\w*)(?= (?:function|tool)\b)"
)
_ACTION = re.compile(
    r"""
      \b(?i:use|using|call|calling|run|running|trigger|invoke|start|choose|select|via) \s+ (?:the\s+)? ['"“`]?
      (?P<called>
        (?i:book) \s+ (?!it\b|them\b|an?\s+(?:appointment|time|slot)\b) [\w'&+-]+
        (?: \s+ (?!(?:actions?|tools?|functions?|when|if|for|once|after|before|to|with|and|or|as|only|at|in|on|by|so
        |then|until|unless|is|will|does|has)\b) [\w'&+-]+ ){0,6}
      )
    | ['"“`] (?P<quoted>Book\s+(?:an?\s+|the\s+)?[A-Z0-9][^'"”`.?!]{0,60}) ['"”`]
    | (?<=[a-z,:;]\s) (?P<capital>Book(?:\s+[A-Z0-9][\w'&+-]*)+)
    | ^ (?P<opening>Book(?:\s+[A-Z0-9][\w'&+-]*)+)
    """,
    re.VERBOSE,
)
