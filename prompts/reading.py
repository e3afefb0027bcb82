"""How files that people edit are read: YAML, and problems told with file and line."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar, get_args

import yaml
from pydantic import BaseModel, ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pydantic_core import ErrorDetails

Loc = tuple[int | str, ...]
"""Where a value is: ``("actions", 0, "offer", "start_date")``."""
LineOf = Callable[[Loc], int | None]
"""Tells the line a value stands on; None when the file does not have it."""

ModelT = TypeVar("ModelT", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong on one line."""

    line: int
    text: str


class FileProblem(Exception):
    """A file is wrong. The message has one `path:line: what` for each problem."""

    def __init__(self, path: Path, problems: Sequence[Problem]) -> None:
        self.path = path
        self.problems = tuple(sorted(problems, key=lambda p: p.line))
        super().__init__("\n".join(f"{path}:{p.line}: {p.text}" for p in self.problems))


def read_text(path: Path) -> str:
    """Return what `path` holds."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise FileProblem(path, [Problem(1, "there is no such file")]) from None
    except OSError as error:
        raise FileProblem(path, [Problem(1, f"cannot be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        raise FileProblem(path, [Problem(1, f"is not UTF-8 text (byte {error.start})")]) from error


def parse_yaml(text: str, path: Path, *, first_line: int = 1) -> tuple[object, LineOf]:
    """Return the data of a YAML text, and the lines its values stand on.

    Args:
        first_line: the line of the file on which `text` starts.
    """
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, _Loader)):
            raise FileProblem(path, [Problem(first_line, "YAML aliases (*name) are not supported here")])
        loader = _Loader(text)
        node = loader.get_single_node()
        data: object = loader.construct_document(node) if node is not None else {}
    except yaml.YAMLError as error:
        raise FileProblem(path, [_yaml_problem(error, first_line)]) from error
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


def explained(error: ValidationError, model: type[BaseModel], line_of: LineOf, *, first_line: int = 1) -> list[Problem]:
    """Return what is wrong with a file that is no `model`, one problem for each wrong value."""
    return [_explain(details, model, line_of, first_line) for details in error.errors()]


def dotted(loc: Loc) -> str:
    """Return ``actions[0].offer`` for ``("actions", 0, "offer")``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).lstrip(".")


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


def _yaml_problem(error: yaml.YAMLError, first_line: int) -> Problem:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        what = ", ".join(part for part in (error.context, error.problem) if part)
        return Problem(first_line + error.problem_mark.line, f"is not YAML: {what}")
    return Problem(first_line, "is not YAML: it holds a character that text may not have")


def _walk(node: yaml.Node, loc: Loc) -> Iterator[tuple[Loc, int]]:
    yield loc, node.start_mark.line
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _walk(item, (*loc, index))
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _walk(value, (*loc, str(key.value)))


def _explain(details: ErrorDetails, model: type[BaseModel], line_of: LineOf, first_line: int) -> Problem:
    loc = details["loc"]
    line = nearest_line(loc, line_of, first_line)
    # Pydantic ends a place with names of its own, such as the branch of a union: keep what the file has.
    while loc and details["type"] != "missing" and line_of(loc) is None:
        loc = loc[:-1]
    where = dotted(loc)
    match details["type"]:
        case "missing":
            text = f"{where} is missing"
        case "extra_forbidden":
            text = f"{where} is an unknown key{_did_you_mean(details['loc'], model)}"
        case "value_error":
            text = f"{where} {details['msg'].removeprefix('Value error, ')}".lstrip()
        case "string_type":
            text = f"{where} must be text: put it in quotes"
        case _:
            text = f"{where}: {details['msg'][:1].lower()}{details['msg'][1:]}"
    return Problem(line, text)


def _did_you_mean(loc: Loc, model: type[BaseModel]) -> str:
    """Return the end of a sentence that names the key which an unknown one resembles, if there is one."""
    for part in loc[:-1]:
        field = model.model_fields.get(part) if isinstance(part, str) else None
        model = (_model_in(field.annotation) if field is not None else None) or model
    close = difflib.get_close_matches(str(loc[-1]).casefold(), model.model_fields, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def _model_in(annotation: object) -> type[BaseModel] | None:
    """Return the model in an annotation such as ``list[ActionTable]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((model for part in get_args(annotation) if (model := _model_in(part))), None)
