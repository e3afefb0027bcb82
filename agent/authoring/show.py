"""`slotline prompts show`: what the model is told at the start of a call, who wrote each line, and its tokens."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from agent.authoring.length import count
from agent.authoring.sent import TOOLS, as_sent, token_counts, tools_of
from agent.authoring.tokens import ENCODING, NOT_COUNTED
from agent.instructions import RECORDING_NOTICE, Part, Source, render_instructions
from agent.language_models import may_reason
from agent.logs import configure_logs
from agent.settings import author_settings
from appointments.model import PhoneNumber
from prompts.loader import BOOKING_SCRIPT, REHEARSAL_BUSINESS, TRANSFER_SCRIPT, read_prompt

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agent.instructions import Instructions, PromptSet
    from agent.settings import AuthorSettings
    from appointments.model import Business
    from tools.registry import Tool

CALLER = PhoneNumber("+14155550123")
"""Who calls in what is shown."""
COLOURS = {
    Source.AUTHOR: "green",
    Source.SCRIPT: "cyan",
    Source.BUSINESS: "yellow",
    Source.CALL: "magenta",
    Source.LIBRARY: "red",
    TOOLS: "bright_blue",
}
LABEL_WIDTH = 13


@dataclass(frozen=True, slots=True)
class Chosen:
    """The files that are shown and why just these."""

    business: Business
    business_file: Path
    why_business: str
    prompts: PromptSet
    why_prompt: str
    is_for_calcom: bool


def run(file: Path | None, *, business: Path | None, env_file: Path | None) -> int:
    """Show what a call that starts now is told, and return the exit status.

    Raises:
        ConfigError: a file or a setting is wrong; names file and line.
    """
    configure_logs("ERROR", "console", show_pii=False)
    settings = author_settings(env_file)
    chosen = choose(file, business, settings)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A pipe may have an encoding that lacks what a text holds.
        sys.stdout.reconfigure(errors="backslashreplace")
    Page(Console(highlight=False, markup=False, emoji=False), settings.llm_model).show(chosen, now=datetime.now(UTC))
    return 0


def choose(file: Path | None, business: Path | None, settings: AuthorSettings) -> Chosen:
    """Return the files a worker would use, unless others are named; raises `ConfigError` with file and line."""
    # Imported now: with the business file comes Pipecat, whose first import logs.
    from agent.business import load_business, load_prompts
    from agent.front_desk import is_meant_for_calcom
    from agent.stand_ins import event_type_setting

    event_type_id = settings.event_type_id
    if business is not None:
        path, why_business = business, "--business"
    elif settings.business_file is not None:
        path, why_business = settings.business_file, "BUSINESS_FILE"
    else:
        path, why_business = REHEARSAL_BUSINESS, "BUSINESS_FILE is unset"
    if path != settings.business_file:
        # The setting is for another business, and only completes this one.
        event_type_id = event_type_setting(path, event_type_id)
    found = load_business(path, event_type_id=event_type_id)
    if file is not None:
        why_prompt = "named on the command line"
    else:
        why_prompt = "named by the business file" if found.prompt else "shipped: the business file names none"
    is_for_calcom = is_meant_for_calcom(settings, found)
    return Chosen(found, path, why_business, load_prompts(found, file), why_prompt, is_for_calcom)


class Page:
    """What is printed, in a margin that tells the source of each line.

    Args:
        llm_model: The model of a prompt whose head names none.
    """

    def __init__(self, console: Console, llm_model: str) -> None:
        self._console = console
        self._bar = " │ " if console.encoding.startswith("utf") else " | "
        self._llm_model = llm_model

    def show(self, chosen: Chosen, *, now: datetime) -> None:
        plain, recorded = (
            render_instructions(chosen.prompts, chosen.business, caller=CALLER, now=now, is_recorded=is_recorded)
            for is_recorded in (False, True)
        )
        tools = tools_of(chosen.business, caller=CALLER, now=now)
        parts = as_sent(plain, tools)
        self._sources(chosen, now)
        self._heading("System prompt, as the model gets it")
        for part in parts:
            self._part(part)
        if recorded.system != plain.system:
            self._note(f'"{RECORDING_NOTICE}" stands for {{recording_notice}} when calls are recorded.')
        self._tools(chosen, tools)
        self._speech(plain, greeting_if_recorded=recorded.greeting)
        self._tokens(chosen, parts, tools, now)

    def _sources(self, chosen: Chosen, now: datetime) -> None:
        self._console.print(Text("Who writes what", style="bold"))
        when = now.astimezone(chosen.business.zone).strftime("%Y-%m-%d %H:%M")
        is_scripted = any(action.default_instructions for action in chosen.business.actions)
        script = "shipped, for each action" if is_scripted else "shipped, but no action wants it"
        self._row(Source.AUTHOR, f"{_shown(chosen.prompts.prompt.path)} ({chosen.why_prompt})", Source.AUTHOR)
        self._row(Source.SCRIPT, f"{_shown(BOOKING_SCRIPT)} ({script})", Source.SCRIPT)
        if chosen.business.transfer_number:
            self._row(Source.SCRIPT, f"{_shown(TRANSFER_SCRIPT)} (shipped, for transfer_number)", Source.SCRIPT)
        self._row(Source.BUSINESS, f"{_shown(chosen.business_file)} ({chosen.why_business})", Source.BUSINESS)
        self._row(Source.CALL, f"made for each call; here from {CALLER} at {when}", Source.CALL)
        self._row(Source.LIBRARY, "the library that carries the call adds this", Source.LIBRARY)
        self._row(TOOLS, "slotline, with the titles of the business file", TOOLS)

    def _part(self, part: Part) -> None:
        label = part.source if part.line is None else f"{part.source:8} {part.line:4}"
        first, *others = part.text.removesuffix("\n").split("\n")
        self._row(label, first, part.source)
        for line in others:
            self._row(label if line else "", line, part.source)

    def _tools(self, chosen: Chosen, tools: Sequence[Tool]) -> None:
        self._heading("Tools, as the model gets them")
        for number, tool in enumerate(tools):
            if number:
                self._row("", "", TOOLS)
            for line in _described(tool):
                self._row(TOOLS, line, TOOLS)
        for action in chosen.business.actions if chosen.is_for_calcom else ():
            if not action.fallback_email:
                self._note(
                    f'Assumed without asking Cal.com: "{action.title}" needs no e-mail address. '
                    f"If it does, its tool says so, and there is `note_email` too."
                )

    def _speech(self, instructions: Instructions, *, greeting_if_recorded: str) -> None:
        self._heading("Greeting and voice")
        self._row("greeting", instructions.greeting, Source.AUTHOR)
        self._row("if recorded", greeting_if_recorded, Source.AUTHOR)
        self._row("voice", instructions.voice, Source.AUTHOR)
        if instructions.model:
            self._row("model", instructions.model, Source.AUTHOR)
        else:
            self._row("model", f"{self._llm_model} (LLM_MODEL: the instructions name none)")
        if may_reason(instructions.model or self._llm_model):
            self._row("temperature", "not sent: the model is told not to reason, and such models refuse one")
        else:
            self._row("temperature", f"{instructions.temperature:g}", Source.AUTHOR)

    def _tokens(self, chosen: Chosen, parts: Sequence[Part], tools: Sequence[Tool], now: datetime) -> None:
        self._heading(f"Tokens ({ENCODING})")
        counts = token_counts(parts, tools)
        if counts is None:
            self._note(f"{NOT_COUNTED[:1].upper()}{NOT_COUNTED[1:]}")
            return
        prompts = chosen.prompts
        budgets = count(read_prompt(prompts.prompt.path), chosen.business, prompts.booking_script, now)
        total = sum(counts.values())

        def row(label: str, number: int, *, budget: int = 0) -> None:
            beside = f"   {'over the' if number > budget else 'within a'} budget of {budget:,}" if budget else ""
            self._row(label, f"{number:6,} {number / total:5.0%}{beside}", label)

        for source in Source:
            row(source, counts[source], budget=budgets.text_budget if source is Source.AUTHOR else 0)
        row("system prompt", total - counts[TOOLS], budget=budgets.instructions_budget)
        row(TOOLS, counts[TOOLS])
        row("total", total)
        self._note("The model reads all of it again in every turn. Tools are counted as the JSON that is sent.")

    def _heading(self, words: str) -> None:
        self._console.print(Text(f"\n{words}", style="bold"), soft_wrap=True)

    def _note(self, words: str) -> None:
        self._row("note", words)

    def _row(self, label: str, words: str, source: str = "") -> None:
        """Print a line behind its label, wrapped so that the margin stays."""
        indent = len(words) - len(words.lstrip(" "))
        width = max(self._console.width - LABEL_WIDTH - len(self._bar) - indent, 20)
        lines = Text(_visible(words[indent:])).wrap(self._console, width) or [Text()]
        for number, line in enumerate(lines):
            margin = f"{'' if number else label:{LABEL_WIDTH}}{self._bar}{' ' * indent}"
            if number < len(lines) - 1:
                line.rstrip()
            # The words keep the terminal's own colour, which is readable on its background.
            row = Text.assemble((margin if line else margin.rstrip(), COLOURS.get(source, "")), line)
            self._console.print(row, soft_wrap=True)


def _described(tool: Tool) -> Iterator[str]:
    """Yield all that a tool's schema says, for reading."""
    schema = tool.schema()
    yield schema.name
    yield f"  {schema.description}"
    for name, argument in schema.properties.items():
        yield f"  {name}: {', '.join(_limits(argument, is_required=name in schema.required))}"
        yield f"    {argument.get('description', '')}"


def _limits(argument: dict[str, Any], *, is_required: bool) -> Iterator[str]:
    yield str(argument.get("type", "anything"))
    yield "required" if is_required else "may be left out"
    for key, value in argument.items():
        if key not in ("type", "description"):
            yield f"{key} {json.dumps(value, ensure_ascii=False)}"


def _visible(line: str) -> str:
    """Return `line` with an escape for each character that would not show, or move the cursor."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in line)


def _shown(path: Path) -> Path:
    """Return the shorter way to write `path`."""
    here, there = Path.cwd(), path.resolve()
    return there.relative_to(here) if there.is_relative_to(here) else path
