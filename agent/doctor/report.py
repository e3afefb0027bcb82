"""How the doctor's findings are told: to people as they come, or as one JSON object."""

from __future__ import annotations

import json
import sys
from collections import Counter

from rich.console import Console
from rich.markup import escape

from agent.doctor.findings import Finding, State

COLOURS = {State.OK: "green", State.WARNING: "yellow", State.FAILED: "red", State.SKIPPED: "dim"}
_STATE_WIDTH = 8
_CHECK_WIDTH = 18
_INDENT = " " * (_STATE_WIDTH + _CHECK_WIDTH + 2)


class Report:
    """Collects findings; tells people each one at once, because the later ones may take a while."""

    def __init__(self, *, as_json: bool) -> None:
        # No emoji: ``file:1234:`` would become one.
        self._console = None if as_json else Console(highlight=False, soft_wrap=True, emoji=False)
        self._findings: list[Finding] = []
        self._untold: list[Finding] = []
        """What was skipped for the same reason; people read it in one line."""

    def add(self, finding: Finding) -> None:
        self._findings.append(finding)
        if self._untold and (finding.state, finding.seen) != (State.SKIPPED, self._untold[0].seen):
            self._tell_skipped()
        if finding.state is State.SKIPPED:
            self._untold.append(finding)
        elif self._console is not None:
            _print(self._console, finding)

    def finish(self) -> int:
        """Tell the sum of it and return the exit status."""
        self._tell_skipped()
        is_ok = all(finding.state is not State.FAILED for finding in self._findings)
        if self._console is not None:
            self._console.print(f"\n{_summary(self._findings)}")
        else:
            told = {"ok": is_ok, "findings": [finding.to_json() for finding in self._findings]}
            sys.stdout.write(json.dumps(told, indent=2, ensure_ascii=False) + "\n")
        return 0 if is_ok else 1

    def _tell_skipped(self) -> None:
        if self._console is not None and self._untold:
            names = ", ".join(dict.fromkeys(finding.check.value for finding in self._untold))
            state = f"[{COLOURS[State.SKIPPED]}]{State.SKIPPED.value:{_STATE_WIDTH}}[/]"
            self._console.print(f"{state} {names}: {_indented(self._untold[0].seen)}")
        self._untold.clear()


def _print(console: Console, finding: Finding) -> None:
    colour = COLOURS[finding.state]
    state = f"[{colour}]{finding.state.value:{_STATE_WIDTH}}[/]"
    console.print(f"{state} {finding.check.value:{_CHECK_WIDTH}} {_indented(finding.seen)}")
    if finding.fix:
        console.print(f"{_INDENT}[bold]Fix:[/bold] {_indented(finding.fix)}")


def _indented(text: str) -> str:
    return escape(text).replace("\n", f"\n{_INDENT}")


def _summary(findings: list[Finding]) -> str:
    counted = Counter(finding.state for finding in findings)
    parts = [f"{counted[state]} {state.value}" for state in State if counted[state]]
    verdict = (
        "[red]Calls will go wrong until what failed is fixed" if counted[State.FAILED] else "[green]Nothing failed"
    )
    return f"{verdict}.[/] {', '.join(parts)}."
