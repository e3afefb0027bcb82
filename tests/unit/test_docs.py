"""The documents agree with the code: what can be set, called or raised has an entry, and links and commands hold."""

from __future__ import annotations

import dataclasses
import inspect
import re
import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast, get_args

import pytest
import typer

import appointments.errors
import telephony.errors
from agent.app import build_app
from agent.authoring.rules import RULES
from agent.business import ActionTable, BusinessFile, HoursTable, OfferTable
from agent.cli import app as cli
from agent.outcome import Report
from agent.scenarios import Expectation, Scenario, ScenarioCaller, ScenarioFault, ScenarioLine, load_scenario
from agent.settings import Settings
from appointments.messages import PLACEHOLDERS
from prompts.loader import PROMPT_PLACEHOLDERS, SCRIPT_PLACEHOLDERS, FrontMatter
from simulator.faults import OPERATIONS
from tests.factories import ACTION, EVENT_TYPE
from tests.sessions import CLINIC, a_session
from tools.booking import book_appointment, find_slots
from tools.call import end_call
from tools.replies import Status

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel

    from agent.bootstrap import Worker

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "changelog").glob("*.md"))]
GROUPS = cast("Any", typer.main.get_command(cli)).commands
COMMANDS = {
    f"{name} {inner}".strip(): each
    for name, command in GROUPS.items()
    for inner, each in getattr(command, "commands", {"": command}).items()
}
"""Every command by its words, such as `prompts check`."""

Rows = dict[str, list[str]]


def read(name: str) -> str:
    return (REFERENCE / name).read_text(encoding="utf-8")


def section(text: str, heading: str) -> str:
    """Return what stands between the heading of those words and the next one."""
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"no heading {heading!r}"
    return found[1]


def rows(text: str) -> Rows:
    """Return the rows of all tables in `text` by each name in backticks of their first cell."""
    found: Rows = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("| ") else [""]
        for name in re.findall(r"`([^`]+)`", cells[0]):
            assert name not in found, f"{name} has two entries"
            found[name] = cells
    return found


def prose(page: Path) -> str:
    """Return a page without its code blocks."""
    return re.sub(r"^( *)```.*?^\1```", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_every_setting_has_an_entry_with_its_default() -> None:
    entries = rows(read("settings.md"))
    defaults = {
        name.upper(): f"`{shown(field.default)}`"
        for name, field in Settings.model_fields.items()
        if not field.is_required() and isinstance(field.default, str | int | float | Path) and field.default != ""
    }

    assert set(entries) == {name.upper() for name in Settings.model_fields}
    assert {name: entries[name][1] for name in defaults} == defaults


def test_every_command_has_a_section() -> None:
    assert set(re.findall(r"^## `slotline ([\w ]+)`$", read("commands.md"), re.MULTILINE)) == set(COMMANDS)


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_option_has_an_entry_with_its_default(command: str) -> None:
    entries = rows(section(read("commands.md"), f"`slotline {command}`"))
    parameters = COMMANDS[command].params
    defaults = {
        option: f"`{parameter.default}`"
        for parameter in parameters
        for option in parameter.opts
        if isinstance(parameter.default, str | int | Path) and not isinstance(parameter.default, bool)
    }

    assert set(entries) == {option for parameter in parameters for option in parameter.opts + parameter.secondary_opts}
    assert {option: entries[option][1] for option in defaults} == defaults


def test_every_key_of_a_rehearsals_result_has_an_entry() -> None:
    entries = rows(section(read("commands.md"), "The JSON of a rehearsal"))

    assert {key for key in entries if "." not in key} == {field.name for field in dataclasses.fields(Report)}


@pytest.mark.parametrize("heading", ["find_slots", "book_<event type>", "end_call"])
def test_every_tool_argument_has_an_entry(heading: str) -> None:
    other = dataclasses.replace(ACTION, name="Book another")
    session = a_session(business=dataclasses.replace(CLINIC, actions=(ACTION, other)))
    tools = {
        "find_slots": find_slots(session),
        "book_<event type>": book_appointment(session, ACTION, dataclasses.replace(EVENT_TYPE, requires_email=True)),
        "end_call": end_call(session),
    }

    assert set(rows(section(read("tools.md"), f"`{heading}`"))) == set(tools[heading].arguments.model_fields)


def test_every_reply_status_has_an_entry() -> None:
    assert set(rows(section(read("tools.md"), "Statuses"))) == {status.value for status in Status}


@pytest.mark.parametrize(
    ("heading", "module"),
    [
        ("Booking: `appointments/errors.py`", appointments.errors),
        ("Telephony: `telephony/errors.py`", telephony.errors),
    ],
)
def test_every_error_has_an_entry_below_the_right_one(heading: str, module: Any) -> None:
    entries = rows(section(read("errors.md"), heading))
    classes = {
        name: f"`{found.__mro__[1].__name__}`"
        for name, found in inspect.getmembers(module, inspect.isclass)
        if issubclass(found, Exception)
    }

    assert {name: cells[1] for name, cells in entries.items()} == classes
    assert all(cells[3] for cells in entries.values())


@pytest.mark.parametrize(
    ("page", "heading", "model"),
    [
        ("business.md", "The business", BusinessFile),
        ("business.md", "`[hours]`", HoursTable),
        ("business.md", "`[[actions]]`", ActionTable),
        ("business.md", "`[actions.offer]`", OfferTable),
        ("scenarios.md", "The file", Scenario),
        ("scenarios.md", "`caller`", ScenarioCaller),
        ("scenarios.md", "`lines`", ScenarioLine),
        ("scenarios.md", "`expect`", Expectation),
        ("instructions.md", "`prompts/front_desk.md`", FrontMatter),
    ],
)
def test_every_key_of_a_file_has_an_entry(page: str, heading: str, model: type[BaseModel]) -> None:
    assert set(rows(section(read(page), heading))) == set(model.model_fields)


def test_every_fault_has_an_entry() -> None:
    text = section(read("scenarios.md"), "`faults`")
    entries = rows(text)
    kinds = set(get_args(ScenarioFault.model_fields["kind"].annotation))
    operations = {operation for service in OPERATIONS.values() for operation in service}

    assert set(entries) == set(ScenarioFault.model_fields) | kinds
    assert set(re.findall(r"`(\w+)`", entries["service"][2])) == set(OPERATIONS)
    assert set(re.findall(r"`(\w+)`", entries["on"][2])) == operations | {"any"}


def test_every_placeholder_is_named() -> None:
    text = read("instructions.md")

    def named(heading: str) -> set[str]:
        return set(re.findall(r"`\{(\w+)\}`", section(text, heading)))

    assert named("`prompts/front_desk.md`") == PROMPT_PLACEHOLDERS
    assert named("`prompts/booking_script.md`") == SCRIPT_PLACEHOLDERS
    assert named("Texts") == set(PLACEHOLDERS)


def test_every_rule_of_a_check_has_an_entry_that_tells_how_bad_it_is() -> None:
    entries = rows(read("checks.md"))

    assert {name: cells[1] for name, cells in entries.items()} == RULES


def test_every_route_has_an_entry() -> None:
    settings = SimpleNamespace(
        public_base_url="http://127.0.0.1:8080", twilio_auth_tokens=("token",), twilio_account_sid="AC0"
    )
    worker = SimpleNamespace(settings=settings, token_secret=b"a secret long enough")
    entries = {
        re.sub(r"^websocket `", "WEBSOCKET ", line.strip("|").split("|")[0].strip()).replace("`", "")
        for line in read("routes.md").splitlines()
        if re.match(r"\| [\w ]*`", line)
    }

    assert set(_routes(build_app(cast("Worker", worker)).routes)) == entries


def _routes(routes: Any) -> Iterator[str]:
    for route in routes:
        if hasattr(route, "path"):
            yield from (f"{method} {route.path}" for method in getattr(route, "methods", ["WEBSOCKET"]))
        else:  # a router that was included
            yield from _routes(route.original_router.routes)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)]+)\)", prose(page))
    broken = [link for link in links if not link.startswith("https://") and not _leads_somewhere(page, link)]

    assert broken == []


def _leads_somewhere(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.is_file() or not target.is_relative_to(ROOT):
        return False
    headings = re.findall(r"^#+ (.+)$", prose(target), re.MULTILINE)
    return not anchor or anchor in {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_every_document_can_be_found_from_the_readme() -> None:
    found = {ROOT / "README.md"}
    pending = list(found)
    while pending:
        page = pending.pop()
        links = re.findall(r"\]\(([^)#:]+\.md)[^)]*\)", prose(page))
        new = {(page.parent / link).resolve() for link in links} - found
        found |= new
        pending += new

    assert set((ROOT / "docs").rglob("*.md")) - found == set()


def shown_commands() -> list[str]:
    """Return every command line of `slotline` in a code block or in backticks."""
    found = set()
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        blocks = re.findall(r"^ *```\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
        lines = [line.strip() for block in blocks for line in block.splitlines()]
        parts = [part for line in lines for part in line.split(" && ")] + re.findall(r"`([^`\n]+)`", prose(page))
        found |= {part for part in parts if re.match(r"(uv run (--group talk )?)?slotline ", part)}
    found -= {f"slotline {name}" for name in GROUPS if name not in COMMANDS}  # all commands of a group
    return sorted(found)


def test_the_shown_scenarios_are_some(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "howto" / "write-a-scenario.md").read_text(encoding="utf-8")
    shown = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    path = tmp_path / "shown.yaml"
    read = []
    for text in shown:
        path.write_text(text, encoding="utf-8")
        read.append(load_scenario(path))

    assert read[0].faults
    assert read[1].expect.title == "Colour"


def test_the_readme_shows_the_rehearsal() -> None:
    assert "uv run slotline rehearse" in shown_commands()


@pytest.mark.parametrize("line", shown_commands())
def test_every_shown_command_is_understood(line: str) -> None:
    words = shlex.split(line[line.index("slotline ") :])[1:]
    count = 2 if words[0] in GROUPS and words[0] not in COMMANDS else 1
    name = " ".join(words[:count])

    context = COMMANDS[name].make_context(name, words[count:])

    assert not context.args
