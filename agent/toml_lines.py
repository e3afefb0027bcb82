"""Which line of a TOML text a value stands on, which `tomllib` does not tell."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

from prompts.reading import FileProblem, Loc, Problem

if TYPE_CHECKING:
    from pathlib import Path

    from prompts.reading import LineOf

_TABLE = re.compile(r"^\s*(\[\[?)\s*([^\[\]#]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""^\s*([A-Za-z0-9_\-."' ]+?)\s*=""")
_QUOTES = re.compile(r'"""|\'\'\'')
_PLACE = re.compile(r" \(at line (\d+), column \d+\)| \(at end of document\)")


def parse_toml(text: str, path: Path) -> tuple[dict[str, object], LineOf]:
    """Return the data of a TOML text and the lines its values stand on; raises `FileProblem`."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = _PLACE.search(str(error))
        line = int(place[1]) if place and place[1] else text.count("\n") + 1
        what = _PLACE.sub("", str(error))
        raise FileProblem(path, [Problem(line, f"is not TOML: {what[:1].lower()}{what[1:]}")]) from error
    return data, _lines(text).get


def _lines(text: str) -> dict[Loc, int]:
    """Return the line of each table and each key. Inside an inline table or an array the key's line has to do."""
    lines: dict[Loc, int] = {}
    counts: dict[Loc, int] = {}
    table: Loc = ()
    is_inside_text = False
    for number, line in enumerate(text.split("\n"), start=1):
        opened_inside = is_inside_text
        is_inside_text ^= len(_QUOTES.findall(line)) % 2 == 1
        if opened_inside:
            continue
        if header := _TABLE.match(line):
            table = _resolve(_parts(header[2]), counts, is_new_item=header[1] == "[[")
            lines.setdefault(table, number)
        elif key := _KEY.match(line):
            lines.setdefault((*table, *_parts(key[1])), number)
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
