"""What became of a call, as lines for a person: what was booked and texted, and where to read on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.outcome import Report

_CALENDARS = {"calcom": "Cal.com", "builtin": "built-in"}
_STAGES = {
    "turn_end": "turn end",
    "stt": "of it transcript",
    "llm": "first word",
    "tts": "first audio",
    "play": "on the line",
}
_INDENT = "\n             "


def line_console() -> Console:
    """Return a console whose lines are as long as what is said in them."""
    return Console(highlight=False, soft_wrap=True)


def print_report(console: Console, report: Report, *, is_real: bool = False, expects: bool = True) -> None:
    """Print the report of one call.

    Args:
        is_real: Whether its calendar was that of the settings, and no stand-in.
        expects: Whether a scenario says what was to be the end.
    """
    console.print()
    if report.skipped:
        console.print(f"Skipped: {report.skipped}")
        return
    for appointment in report.appointments:
        console.print(f"Appointment  {_appointment(appointment)}")
    if not report.appointments:
        console.print("Appointment  none")
    for sms in report.sms:
        body = escape(sms["body"]).replace("\n", _INDENT)
        console.print(f"SMS          to {sms['to']} ({sms['status']}){_INDENT}{body}")
    for mail in report.mails:
        console.print(f"E-mail       to {escape(mail['to'])}{_INDENT}{escape(mail['subject'])}")
    for fault in report.faults:
        console.print(f"Fault        {fault['service']} {fault['on']}: {fault['kind']}")
    if report.guarded:
        console.print(f"Guarded      {report.guarded} sentences that the speech guard objected to")
    if report.voice_to_voice_ms:
        console.print(f"Latency      greeting {report.greeting_ms} ms; {latency_line(report.voice_to_voice_ms)}")
    if report.stages_ms:
        stages = ", ".join(f"{_STAGES[stage]} {took_ms}" for stage, took_ms in report.stages_ms.items())
        console.print(f"Stages       {stages} ms (medians)")
    if report.worst_silence_ms is not None:
        console.print(f"Silence      {report.worst_silence_ms} ms at worst")
    if report.calendar:
        is_stand_in = report.calendar == "calcom" and not is_real
        console.print(f"Calendar     {_CALENDARS[report.calendar]}{' (stand-in)' if is_stand_in else ''}")
    for name, path in report.files.items():
        console.print(f"{name.capitalize():12} {_near(path)}")
    for problem in report.problems:
        console.print(f"[red]Problem[/red]      {escape(problem)}")
    if expects:
        console.print("[green]As expected.[/green]" if report.ok else "[red]Not as expected.[/red]")


def _appointment(appointment: Mapping[str, Any]) -> str:
    a = appointment
    whose = ", ".join(escape(part) for part in (a["attendee"], a["phone"] or a["email"]) if part)
    return f"{a['start']}, {a['duration_min']} min, {whose}{_INDENT}{a['status']}, booking {a['booking_uid']}"


def _near(path: str) -> str:
    """Return `path` as seen from the working directory, when it lies below."""
    here = Path.cwd()
    return str(Path(path).relative_to(here)) if Path(path).is_relative_to(here) else path


def latency_line(voice_to_voice: Mapping[str, int]) -> str:
    return f"voice-to-voice p50 {voice_to_voice['p50']} ms, p95 {voice_to_voice['p95']} ms"
