"""How files that people edit are read: YAML, and problems told with file and line."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pydantic.fields import FieldInfo
    from pydantic_core import ErrorDetails

Loc = tuple[int | str, ...]
"""Where a value is: ``("actions", 0, "offer", "start_date")``."""
LineOf = Callable[[Loc], int | None]
"""Tells the line a value stands on; None when the file does not have it."""
Named = Callable[[Loc], str]
"""Puts a place into words."""

ModelT = TypeVar("ModelT", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, with the line and the value; line 0 is the file as a whole."""

    line: int
    text: str
    loc: Loc = ()


class FileProblem(Exception):
    """A file is wrong. The message has one `path:line: what` for each problem, or `path: what`."""

    def __init__(self, path: Path, problems: Sequence[Problem]) -> None:
        self.path = path
        self.problems = tuple(sorted(problems, key=lambda p: p.line))
        super().__init__("\n".join(f"{path}{f':{p.line}' if p.line else ''}: {p.text}" for p in self.problems))


def read_text(path: Path) -> str:
    """Return what `path` holds."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise FileProblem(path, [Problem(0, "there is no such file")]) from None
    except OSError as error:
        raise FileProblem(path, [Problem(0, f"cannot be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        what = f"is not UTF-8 text: it has the byte {error.object[error.start]:#04x}"
        raise FileProblem(path, [Problem(line, what)]) from error


def parse_yaml(text: str, path: Path, *, first_line: int = 1) -> tuple[object, LineOf]:
    """Return the data of a YAML text, and the lines its values stand on.

    Args:
        first_line: the line of the file on which `text` starts.
    """
    try:
        for event in yaml.parse(text, _Loader):
            if isinstance(event, yaml.AliasEvent):
                line = first_line + (event.start_mark.line if event.start_mark else 0)
                raise FileProblem(path, [Problem(line, "YAML aliases (*name) are not supported here")])
        loader = _Loader(text)
        node = loader.get_single_node()
        data: object = loader.construct_document(node) if node is not None else {}
    except yaml.YAMLError as error:
        raise FileProblem(path, [_yaml_problem(error, text, first_line)]) from error
    lines: dict[Loc, int] = {}
    twice: list[Problem] = []
    if node is not None:
        for loc, line in _walk(node, ()):
            if loc in lines:
                twice.append(Problem(first_line + line, f"{dotted(loc)} is given twice"))
            lines[loc] = first_line + line
    if twice:
        raise FileProblem(path, twice)
    return data, lines.get


def validate(model: type[ModelT], data: object, path: Path, line_of: LineOf, *, first_line: int = 1) -> ModelT:
    """Return `data` as a `model`, or raise a `FileProblem` that names every wrong value."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise FileProblem(path, explained(error, model, line_of, first_line=first_line)) from None


def dotted(loc: Loc) -> str:
    """Return ``actions[0].offer`` for ``("actions", 0, "offer")``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).lstrip(".")


def explained(
    error: ValidationError,
    model: type[BaseModel],
    line_of: LineOf,
    *,
    first_line: int = 1,
    named: Named = dotted,
    home: Named = lambda table: f"under {dotted(table)}" if table else "to the top level",
) -> list[Problem]:
    """Return what is wrong with a file that is no `model`, one problem for each wrong value.

    Args:
        named: What a value is called.
        home: Where a key that stands in the wrong table is to go, told of the right one.
    """
    problems = []
    for details in error.errors():
        loc = details["loc"]
        # Pydantic ends a place with names of its own, such as the branch of a union: keep what the file has.
        while len(loc) > 1 and details["type"] != "missing" and line_of(loc) is None:
            loc = loc[:-1]
        line = nearest_line(loc, line_of, first_line)
        what = _verdict(details, loc, model, home)
        problems.append(Problem(line, f"{named(loc)} {what}".lstrip(), loc))
    return problems


def keys(table: type[BaseModel]) -> dict[str, FieldInfo]:
    """Return the fields of a table by what a file calls them."""
    return {field.alias or name: field for name, field in table.model_fields.items()}


def nearest_line(loc: Loc, line_of: LineOf, default: int = 1) -> int:
    """Return the line of `loc`, or of the closest thing around it that the file has."""
    for end in range(len(loc), 0, -1):
        if (line := line_of(loc[:end])) is not None:
            return line
    return default


class _Loader(yaml.SafeLoader):
    """YAML 1.2's plain values: `on` is a word and 2026-12-01T09:00 and 12:30 are text, not a bool, a time or 750."""


_Loader.yaml_implicit_resolvers = {}
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"(~|null|)$"), ["~", "n", ""])
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"(true|false)$"), list("tf"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"-?(0|[1-9][0-9]*)$"), list("-0123456789"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", re.compile(r"-?(0|[1-9][0-9]*)\.[0-9]+$"), list("-0123456789"))


def _yaml_problem(error: yaml.YAMLError, text: str, first_line: int) -> Problem:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        what = ", ".join(part for part in (error.context, error.problem) if part)
        return Problem(first_line + _begin_of_mistake(error, error.problem_mark, text), f"is not YAML: {what}")
    return Problem(first_line, "is not YAML: it holds a character that text may not have")


def _begin_of_mistake(error: yaml.MarkedYAMLError, noticed: yaml.Mark, text: str) -> int:
    """Return the line of the mistake, which YAML often notices below: where something opens that nobody closes."""
    if error.context_mark is not None and (error.context or "").startswith(_OPENED):
        return error.context_mark.line
    try:
        for token in yaml.scan(text, _Loader):
            is_quoted = isinstance(token, yaml.ScalarToken) and token.style in ("'", '"')
            begin: int = token.start_mark.line
            # The quotation ended at the mark that should have opened the next one.
            if is_quoted and begin < token.end_mark.line == noticed.line:
                return begin
    except yaml.YAMLError:
        pass  # nothing is to be read behind the mistake
    return noticed.line


_OPENED = ("while parsing a flow", "while scanning a quoted", "while scanning a simple key")


def _walk(node: yaml.Node, loc: Loc) -> Iterator[tuple[Loc, int]]:
    is_block = isinstance(node, yaml.ScalarNode) and node.style in ("|", ">")
    # The words of a block begin below the mark that opens it.
    yield loc, node.start_mark.line + (1 if is_block else 0)
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _walk(item, (*loc, index))
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _walk(value, (*loc, str(key.value)))


def _verdict(details: ErrorDetails, loc: Loc, model: type[BaseModel], home: Named) -> str:
    """Return the end of a sentence that begins with what a wrong value is called."""
    kind, message = details["type"], details["msg"]
    if kind == "extra_forbidden":
        return f"is an unknown key{_what_is_meant(loc, details['input'], model, home)}"
    if kind == "value_error":
        return message.removeprefix("Value error, ")
    if kind in _VERDICTS:
        return _VERDICTS[kind].format_map(details.get("ctx", {}))
    return f"is wrong: {message[:1].lower()}{message[1:]}"


_VERDICTS = {
    "missing": "is missing",
    "string_type": "must be text: put it in quotes",
    "string_too_short": "must not be empty",
    "too_short": "must not be empty",
    "bool_type": "must be true or false, without quotes",
    "bool_parsing": "must be true or false, without quotes",
    "int_type": "must be a whole number, without quotes",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number, without quotes",
    "float_parsing": "must be a number",
    "date_type": "must be a date, without quotes",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "dict_type": "must be a table",
    "model_type": "must hold keys and values",
    "literal_error": "must be {expected}",
    "less_than_equal": "must be {le:g} at most",
    "greater_than_equal": "must be {ge:g} at least",
}
"""How the commonest of Pydantic's verdicts are said."""


def _what_is_meant(loc: Loc, value: object, model: type[BaseModel], home: Named) -> str:
    """Return the end of a sentence that names another place for an unknown key, or the key which it resembles."""
    key = str(loc[-1])
    tables = dict(_tables(model, ()))
    homes = [place for place, table in tables.items() if _has(table, key, is_table=isinstance(value, dict))]
    here = tuple(0 if isinstance(part, int) else part for part in loc[:-1])
    around = [place for place in homes if place == here[: len(place)]]
    if around or len(homes) == 1:
        return f": move it {home(max(around or homes, key=len))}"
    close = difflib.get_close_matches(key.casefold(), keys(tables.get(here, model)), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _has(table: type[BaseModel], key: str, *, is_table: bool) -> bool:
    field = keys(table).get(key)
    return field is not None and (_model_in(field.annotation) is not None) == is_table


def _tables(model: type[BaseModel], loc: Loc) -> Iterator[tuple[Loc, type[BaseModel]]]:
    """Yield each table that a file of this model may have, and its place; those of a list are at 0."""
    yield loc, model
    for key, field in keys(model).items():
        if (inner := _model_in(field.annotation)) is not None:
            is_list = get_origin(field.annotation) in (list, tuple)
            yield from _tables(inner, (*loc, key, 0) if is_list else (*loc, key))


def _model_in(annotation: object) -> type[BaseModel] | None:
    """Return the model in an annotation such as ``list[ActionTable]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for part in get_args(annotation) if (model := _model_in(part))), None)
