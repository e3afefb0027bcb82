"""Which line of a TOML text a value stands on, which `tomllib` does not tell."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

from prompts.reading import FileProblem, Loc, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from prompts.reading import LineOf

_TABLE = re.compile(r"^\s*(\[\[?)\s*([^\[\]#]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""^\s*([A-Za-z0-9_\-."' ]+?)\s*=""")
_PLACE = re.compile(r" \(at line (\d+), column \d+\)| \(at end of document\)")
_TOKEN = re.compile(
    r"""
      \#[^\n]*
    | (?P<text> \"{3} (?:[^\\]|\\.)*? \"{3} (?!\") | '{3} .*? '{3} (?!') )
    | (?P<unclosed> \"{3} | '{3} )
    | " (?:[^"\\\n]|\\.)* " | '[^'\n]*'
    | (?P<opens>\[) | (?P<closes>\])
    """,
    re.VERBOSE | re.DOTALL,
)


def parse_toml(text: str, path: Path) -> tuple[dict[str, object], LineOf]:
    """Return the data of a TOML text and the lines its values begin on; raises `FileProblem`."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise FileProblem(path, [_mistake(text, str(error))]) from error
    return data, _lines(text).get


def toml_table(table: Loc) -> str:
    """Return where a key of that table is written: above the first table when it is the file itself."""
    if not table:
        return "above the first [table]"
    name = ".".join(part for part in table if isinstance(part, str))
    return f"below [[{name}]]" if isinstance(table[-1], int) else f"below [{name}]"


def _mistake(text: str, message: str) -> Problem:
    """Return what is wrong with a text that is no TOML, where it begins: `tomllib` tells where it was noticed."""
    for begin, end, words in _texts(text):
        if end is None:
            return Problem(begin, f"is not TOML: the text that opens here with {words} is never closed")
        if _KEY.fullmatch(words.rpartition("\n")[2][:-3].rstrip()):
            what = f"the text that opens here with {words[:3]} ends on line {end}, where another opens"
            return Problem(begin, f"is not TOML: {what}")
    place = _PLACE.search(message)
    line = int(place[1]) if place and place[1] else text.count("\n") + 1
    what = _PLACE.sub("", message)
    if "array" in what.lower():
        line = _open_bracket(text, line)
    return Problem(line, f"is not TOML: {what[:1].lower()}{what[1:]}")


def _texts(text: str) -> Iterator[tuple[int, int | None, str]]:
    """Yield the first and the last line of each text in three quotation marks; of one without end its marks only."""
    for found in _TOKEN.finditer(text):
        if words := found["text"] or found["unclosed"]:
            begin = text.count("\n", 0, found.start()) + 1
            yield begin, begin + words.count("\n") if found["text"] else None, words


def _open_bracket(text: str, line: int) -> int:
    """Return the line of the bracket that is open on `line`."""
    open_on: list[int] = []
    for found in _TOKEN.finditer(text):
        on = text.count("\n", 0, found.start()) + 1
        if on >= line:
            break
        if found["opens"]:
            open_on.append(on)
        elif found["closes"] and open_on:
            open_on.pop()
    return open_on[-1] if open_on else line


def _lines(text: str) -> dict[Loc, int]:
    """Return the line of each table and value, which in an inline table or an array is that of its key.

    A text in three quotation marks stands where its words begin, mostly below its key.
    """
    lines: dict[Loc, int] = {}
    counts: dict[Loc, int] = {}
    table: Loc = ()
    texts = {begin: (end or begin, words[3:]) for begin, end, words in _texts(text)}
    inside = 0
    for number, line in enumerate(text.split("\n"), start=1):
        if number <= inside:
            continue
        inside, words = texts.get(number, (0, ""))
        if header := _TABLE.match(line):
            table = _resolve(_parts(header[2]), counts, is_new_item=header[1] == "[[")
            for end in range(1, len(table) + 1):
                lines.setdefault(table[:end], number)
        elif key := _KEY.match(line):
            blank = len(words) - len(words.lstrip())
            lines.setdefault((*table, *_parts(key[1])), number + words.count("\n", 0, blank))
    return lines


def _parts(name: str) -> tuple[str, ...]:
    return tuple(part.strip(" \"'") for part in name.split("."))


def _resolve(parts: tuple[str, ...], counts: dict[Loc, int], *, is_new_item: bool) -> Loc:
    """Return where a header leads: ``[actions.offer]`` belongs to the last ``[[actions]]`` above it."""
    loc: Loc = ()
    for index, part in enumerate(parts):
        loc = (*loc, part)
        if is_new_item and index == len(parts) - 1:
            counts[loc] = counts.get(loc, 0) + 1
        if loc in counts:
            loc = (*loc, counts[loc] - 1)
    return loc
