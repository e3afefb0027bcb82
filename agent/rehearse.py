"""`slotline rehearse`: rehearses scenarios and tells how they went."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from rich.markup import escape

from agent.outcome import Report
from agent.rehearsal import Rehearsal, new_folder
from agent.rehearsed import Rehearsed
from agent.report_lines import latency_line, line_console, print_report
from agent.scenarios import DEFAULT_SCENARIO, list_scenarios, load_scenario
from appointments.errors import ConfigError, SlotlineError

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from agent.rehearsal_events import Event
    from agent.scenarios import Scenario
    from agent.settings import CalendarName

COLOURS = {"caller": "cyan", "agent": "green", "tool": "yellow", "person": "magenta", "owner": "blue", "problem": "red"}


async def run(
    name: str | None,
    *,
    is_all: bool,
    is_list: bool,
    typed: bool,
    jobs: int,
    seed: int,
    json_file: Path | None,
    calendar: CalendarName | None = None,
) -> int:
    """Rehearse and return the exit status: 0 all as expected, 1 not.

    Args:
        calendar: None is Cal.com, unless the business has no event types there.

    Raises:
        SlotlineError: the one scenario could not be rehearsed; of all of them the others still are.
    """
    console = line_console()
    if is_list:
        for scenario in list_scenarios():
            console.print(f"{scenario.stem:32} {escape(scenario.name)}")
        return 0
    if json_file is not None and not json_file.parent.is_dir():
        raise ConfigError(f"--json: there is no folder {json_file.parent}")
    scenarios = list_scenarios() if is_all else [load_scenario(name or DEFAULT_SCENARIO)]
    places = asyncio.Semaphore(jobs)

    async def one(scenario: Scenario) -> Report:
        async with places:
            if not is_all:
                return await _rehearse(scenario, calendar, typed=typed, seed=seed, live=console)
            try:
                report = await _rehearse(scenario, calendar, typed=typed, seed=seed, live=None)
            except SlotlineError as error:
                report = Report(scenario.stem, ok=False, problems=[str(error)])
        _print_line(console, report)
        return report

    reports = await asyncio.gather(*(one(scenario) for scenario in scenarios))
    if is_all:
        console.print(f"The speech guard objected to {sum(report.guarded for report in reports)} sentences.")
    else:
        print_report(console, reports[0])
    is_ok = all(report.ok for report in reports)
    if json_file is not None:
        told = [report.to_json() for report in reports]
        result = {"ok": is_ok, "scenarios": told} if is_all else told[0]
        text = json.dumps(result, indent=2, ensure_ascii=False) + "\n"
        await asyncio.to_thread(json_file.write_text, text, encoding="utf-8")
    return 0 if is_ok else 1


async def _rehearse(
    scenario: Scenario, calendar: CalendarName | None, *, typed: bool, seed: int, live: Console | None
) -> Report:
    def show(event: Event) -> None:
        if live is not None:
            _print_event(live, event)

    rehearsed = Rehearsed.read(scenario.business_file, calendar=calendar)
    return await Rehearsal(scenario, new_folder(scenario.stem), rehearsed, seed=seed, on_event=show).run(typed=typed)


def _print_event(console: Console, event: Event) -> None:
    took = f" [dim]({event.took_ms} ms)[/dim]" if event.took_ms is not None else ""
    name = event.tool or event.who
    colour = COLOURS.get(event.who, "white")
    text = escape(event.text)
    console.print(f"[dim]{event.at_ms / 1000:7.2f} s[/dim]  [{colour}]{name:8}[/{colour}] {text}{took}")


def _print_line(console: Console, report: Report) -> None:
    if report.skipped:
        console.print(f"[dim]skipped[/dim] {report.scenario}: {report.skipped}")
    elif report.ok:
        latency = report.voice_to_voice_ms
        console.print(f"[green]ok[/green]      {report.scenario}" + (f"  {latency_line(latency)}" if latency else ""))
    else:
        console.print(f"[red]failed[/red]  {report.scenario}: {escape('; '.join(report.problems))}")
