"""`slotline prompts check`: mistakes in instructions, texts and the business file, each with its line and the cure."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from agent.authoring.rules import Severity
from agent.logs import configure_logs
from agent.settings import author_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from agent.authoring.review import Review
    from agent.authoring.rules import Finding

_COLOURS = {Severity.ERROR: typer.colors.RED, Severity.WARNING: typer.colors.YELLOW}


def run(file: Path | None, *, business: Path | None, env_file: Path | None, as_json: bool) -> int:
    """Check the files, print what was found, and return the exit status: 1 when there are errors.

    Raises:
        ConfigError: a file that was named is not there, or a setting is wrong.
    """
    configure_logs("ERROR", "console", show_pii=False)
    # Imported now: with the business file comes Pipecat, whose first import logs.
    from agent.authoring.review import review

    found = review(file, business, author_settings(env_file), datetime.now(UTC))
    typer.echo(json.dumps(as_object(found), ensure_ascii=False) if as_json else "\n".join(_lines(found)))
    return 1 if found.count(Severity.ERROR) else 0


def as_object(found: Review) -> dict[str, Any]:
    """Return what `--json` prints."""
    errors, warnings = found.count(Severity.ERROR), found.count(Severity.WARNING)
    return {
        "ok": not errors,
        "errors": errors,
        "warnings": warnings,
        "instructions": _shown(found.instructions) if found.instructions else None,
        "business": _shown(found.business),
        "model": found.model,
        "tokens": dataclasses.asdict(found.tokens),
        "segments": found.segments,
        "findings": [_finding(finding) for finding in found.findings],
        "notes": list(found.notes),
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "file": _shown(finding.path),
        "line": finding.line,
        "severity": finding.severity.value,
        "rule": finding.rule,
        "text": finding.text,
        "better": finding.better,
    }


def _lines(found: Review) -> Iterator[str]:
    for finding in found.findings:
        kind = typer.style(f"{finding.severity}[{finding.rule}]", fg=_COLOURS[finding.severity], bold=True)
        line = f":{finding.line}" if finding.line else ""
        yield f"{_shown(finding.path)}{line}: {kind} {finding.text}"
        yield f"    better: {finding.better}"
    if found.findings:
        yield ""
    errors, warnings = found.count(Severity.ERROR), found.count(Severity.WARNING)
    files = (
        f"{_shown(found.instructions)} with {_shown(found.business)}" if found.instructions else _shown(found.business)
    )
    yield f"{files}: {_some(errors, 'error')}, {_some(warnings, 'warning')}."
    yield from _numbers(found)
    yield from (f"note: {note}" for note in found.notes)


def _numbers(found: Review) -> Iterator[str]:
    tokens = found.tokens
    counted = [
        (tokens.text, f" of {tokens.text_budget:,} in the text"),
        (tokens.instructions, f" of {tokens.instructions_budget:,} in all instructions"),
        (tokens.tools, " in the tools"),
    ]
    if parts := [f"{number:,}{where}" for number, where in counted if number is not None]:
        yield f"Tokens: {', '.join(parts)}. Model: {found.model}."
    if found.segments:
        texts = ", ".join(f'"{title}" {_some(count, "segment")}' for title, count in found.segments.items())
        yield f"Texts: {texts}."


def _some(count: int, what: str) -> str:
    return f"{count or 'no'} {what}{'' if count == 1 else 's'}"


def _shown(path: Path) -> str:
    """Return the shorter way to write `path`."""
    here, there = Path.cwd(), path.resolve()
    return str(there.relative_to(here) if there.is_relative_to(here) else path)
