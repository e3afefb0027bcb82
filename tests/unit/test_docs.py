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
from pydantic import SecretStr

import appointments.errors
import mail.errors
import telephony.errors
from agent import metrics
from agent.app import build_app
from agent.authoring.rules import RULES
from agent.business_file import ActionTable, BlockedTable, BusinessFile, HoursTable, OfferTable, OwnerTable, RulesTable
from agent.cli import app as cli
from agent.expectations import Expectation
from agent.message_tables import ActionMessagesTable, MessagesTable
from agent.outcome import Report
from agent.scenarios import (
    OwnerDeed,
    Scenario,
    ScenarioCaller,
    ScenarioFault,
    ScenarioLater,
    ScenarioLine,
    load_scenario,
)
from agent.settings import Settings
from agent.transfer import TRANSFERRED
from appointments.messages import CODE_PLACEHOLDERS, PLACEHOLDERS
from appointments.reply_texts import REPLY_PLACEHOLDERS
from appointments.store.records import TurnTimes
from prompts.loader import PROMPT_PLACEHOLDERS, SCRIPT_PLACEHOLDERS, FrontMatter
from prompts.reading import keys
from simulator.faults import OPERATIONS
from tests.factories import ACTION, EVENT_TYPE
from tests.sessions import CLINIC, a_session
from tests.shown import plain_lines
from tools.replies import Status
from tools.toolbox import all_tools

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from pydantic import BaseModel

    from agent.bootstrap import Worker
    from tools.registry import Tool

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "changelog").glob("*.md"))]
LOGGING = ("agent", "appointments", "calendars", "mail", "telephony", "tools")
GROUPS = cast("Any", typer.main.get_command(cli)).commands
COMMANDS = {
    name: command
    for name, command in GROUPS.items()
    if not hasattr(command, "commands") or command.invoke_without_command
} | {
    f"{name} {inner}": each
    for name, command in GROUPS.items()
    for inner, each in getattr(command, "commands", {}).items()
}
"""Every command by its words, such as `prompts check`."""

Rows = dict[str, list[str]]


def read(page: str) -> str:
    return (REFERENCE / page).read_text(encoding="utf-8")


def section(page: str, heading: str) -> str:
    """Return what stands between the heading of those words and the next one."""
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", read(page), re.MULTILINE | re.DOTALL)
    assert found, f"docs/reference/{page} has no heading {heading!r}"
    return found[1]


def must_have(page: str, written: Collection[str], wanted: Collection[str]) -> None:
    """Name the page to edit, and what to write there or to take out."""
    lacking, left_over = sorted(set(wanted) - set(written)), sorted(set(written) - set(wanted))
    assert not lacking, f"docs/reference/{page} has no entry for {', '.join(lacking)}"
    assert not left_over, f"docs/reference/{page} has an entry for what is no more: {', '.join(left_over)}"


def must_say(page: str, written: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    """Name the page to edit, and the cells that say something else than the code."""
    wrong = [f"{name}: {written[name]} instead of {cell}" for name, cell in wanted.items() if written[name] != cell]
    assert not wrong, f"docs/reference/{page} has {', '.join(wrong)}"


def column(entries: Rows, number: int) -> dict[str, str]:
    return {name: cells[number] for name, cells in entries.items()}


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

    must_have("settings.md", entries, [name.upper() for name in Settings.model_fields])
    must_say("settings.md", column(entries, 1), defaults)


def test_every_command_has_a_section() -> None:
    must_have("commands.md", re.findall(r"^## `slotline ([\w -]+)`$", read("commands.md"), re.MULTILINE), COMMANDS)


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_option_has_an_entry_with_its_default(command: str) -> None:
    entries = rows(section("commands.md", f"`slotline {command}`"))
    parameters = COMMANDS[command].params
    defaults = {
        option: f"`{parameter.default}`"
        for parameter in parameters
        for option in parameter.opts
        if isinstance(parameter.default, str | int | Path) and not isinstance(parameter.default, bool)
    }

    must_have("commands.md", entries, [option for each in parameters for option in each.opts + each.secondary_opts])
    must_say("commands.md", column(entries, 1), defaults)


def test_every_option_before_a_command_has_an_entry() -> None:
    options = {option for parameter in typer.main.get_command(cli).params for option in parameter.opts}

    assert set(re.findall(r"`(--[\w-]+)`", read("commands.md").partition("\n## ")[0])) == options | {"--help"}


def test_every_key_of_a_rehearsals_result_has_an_entry() -> None:
    entries = rows(section("commands.md", "The JSON of a rehearsal"))

    must_have("commands.md", [key for key in entries if "." not in key], [f.name for f in dataclasses.fields(Report)])


BOOKING = "book_<event type>"


def tools() -> dict[str, Tool]:
    """Return every tool by its heading; the booking tools have one."""
    other = dataclasses.replace(ACTION, name="Book another")
    business = dataclasses.replace(CLINIC, actions=(ACTION, other), transfer_number=CLINIC.number)
    session = a_session(business=business, caller=None)
    event_type = dataclasses.replace(EVENT_TYPE, requires_email=True)
    of_call = all_tools(session, {ACTION.name: event_type, other.name: event_type})
    return {BOOKING if tool.name.startswith("book_") else tool.name: tool for tool in of_call}


@pytest.mark.parametrize("heading", sorted(tools()))
def test_every_tool_argument_has_an_entry_with_whether_it_is_required(heading: str) -> None:
    arguments = tools()[heading].arguments.model_fields
    entries = rows(section("tools.md", f"`{heading}`"))

    must_have("tools.md", entries, arguments)
    required = {name: cells[1].startswith("yes") for name, cells in entries.items()}
    assert required == {name: field.is_required() for name, field in arguments.items()}


def test_every_tool_tells_its_deadline_and_whether_it_may_be_cancelled() -> None:
    for heading, tool in tools().items():
        text = section("tools.md", f"`{heading}`")
        if f"{tool.deadline_secs:.0f} seconds" in text:
            assert ("may be cancelled by barge-in" in text) == tool.is_cancellable, heading
        else:
            assert heading in ("end_call", "request_callback"), heading


def test_every_reply_status_has_an_entry() -> None:
    must_have("tools.md", rows(section("tools.md", "Statuses")), [status.value for status in Status])


@pytest.mark.parametrize(
    ("heading", "module"),
    [
        ("Booking: `appointments/errors.py`", appointments.errors),
        ("Telephony: `telephony/errors.py`", telephony.errors),
        ("E-mail: `mail/errors.py`", mail.errors),
    ],
)
def test_every_error_has_an_entry_below_the_right_one(heading: str, module: Any) -> None:
    entries = rows(section("errors.md", heading))
    classes = {
        name: f"`{found.__mro__[1].__name__}`"
        for name, found in inspect.getmembers(module, inspect.isclass)
        if issubclass(found, Exception)
    }

    must_have("errors.md", entries, classes)
    must_say("errors.md", column(entries, 1), classes)
    assert [name for name, who in column(entries, 3).items() if not who] == []


@pytest.mark.parametrize(
    ("page", "heading", "model"),
    [
        ("business.md", "The business", BusinessFile),
        ("business.md", "`[hours]`", HoursTable),
        ("business.md", "`[rules]`", RulesTable),
        ("business.md", "`[[rules.blocked]]`", BlockedTable),
        ("business.md", "`[messages]`", MessagesTable),
        ("business.md", "`[owner]`", OwnerTable),
        ("business.md", "`[[actions]]`", ActionTable),
        ("business.md", "`[actions.messages]`", ActionMessagesTable),
        ("business.md", "`[actions.offer]`", OfferTable),
        ("scenarios.md", "The file", Scenario),
        ("scenarios.md", "`caller`", ScenarioCaller),
        ("scenarios.md", "`lines`", ScenarioLine),
        ("scenarios.md", "`later`", ScenarioLater),
        ("scenarios.md", "`owner`", OwnerDeed),
        ("scenarios.md", "`expect`", Expectation),
        ("instructions.md", "`prompts/front_desk.md`", FrontMatter),
    ],
)
def test_every_key_of_a_file_has_an_entry(page: str, heading: str, model: type[BaseModel]) -> None:
    must_have(page, rows(section(page, heading)), keys(model))


def test_every_fault_has_an_entry() -> None:
    entries = rows(section("scenarios.md", "`faults`"))
    kinds = set(get_args(ScenarioFault.model_fields["kind"].annotation))
    operations = {operation for service in OPERATIONS.values() for operation in service}

    must_have("scenarios.md", entries, ScenarioFault.model_fields.keys() | kinds)
    services = get_args(ScenarioFault.model_fields["service"].annotation)
    must_have("scenarios.md", re.findall(r"`(\w+)`", entries["service"][2]), services)
    must_have("scenarios.md", re.findall(r"`(\w+)`", entries["on"][2]), operations | {"any"})


def test_every_placeholder_is_named() -> None:
    placeholders = {
        "`prompts/front_desk.md`": PROMPT_PLACEHOLDERS,
        "`prompts/booking_script.md`": SCRIPT_PLACEHOLDERS,
        "Texts": {*PLACEHOLDERS, *CODE_PLACEHOLDERS},
        "Answers": set(REPLY_PLACEHOLDERS) - set(PLACEHOLDERS),
    }

    for heading, wanted in placeholders.items():
        must_have("instructions.md", re.findall(r"`\{(\w+)\}`", section("instructions.md", heading)), wanted)


def test_every_rule_of_a_check_has_an_entry_that_tells_how_bad_it_is() -> None:
    entries = rows(read("checks.md"))

    must_have("checks.md", entries, RULES)
    must_say("checks.md", column(entries, 1), RULES)


def test_every_route_has_an_entry() -> None:
    settings = SimpleNamespace(
        public_base_url="http://127.0.0.1:8080",
        twilio_auth_tokens=("token",),
        twilio_account_sid="AC0",
        metrics_token=SecretStr("a token for a scraper"),
        calcom_webhook_secret=SecretStr("a secret long enough"),
    )
    watch = SimpleNamespace(keep=None)
    worker = SimpleNamespace(settings=settings, token_secret=b"a secret long enough", calcom_watch=watch)
    entries = {
        re.sub(r"^websocket `", "WEBSOCKET ", line.strip("|").split("|")[0].strip()).replace("`", "")
        for line in read("routes.md").splitlines()
        if re.match(r"\| [\w ]*`", line)
    }

    must_have("routes.md", entries, list(_routes(build_app(cast("Worker", worker)).routes)))


def _routes(routes: Any) -> Iterator[str]:
    for route in routes:
        if hasattr(route, "path"):
            yield from (f"{method} {route.path}" for method in getattr(route, "methods", ["WEBSOCKET"]))
        else:  # a router that was included
            yield from _routes(route.original_router.routes)


def test_every_metric_has_an_entry_with_its_kind_and_labels() -> None:
    entries = rows(section("metrics.md", "Metrics").partition("| outcome |")[0])
    collectors: list[Any] = list(metrics.REGISTRY._collector_to_names)
    families = [family for collector in collectors for family in collector.collect()]
    names = {family.name: f"{family.name}{'_total' * (family.type == 'counter')}" for family in families}
    labels = {names[each._name]: ", ".join(f"`{label}`" for label in each._labelnames) for each in collectors}

    must_have("metrics.md", entries, names.values())
    must_say("metrics.md", column(entries, 1), {names[family.name]: family.type for family in families})
    must_say("metrics.md", column(entries, 2), labels)


def test_every_outcome_of_a_call_has_an_entry() -> None:
    code = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "agent").glob("*.py"))
    written = {
        outcome for found in (r'\boutcome = "(\w+)"', r'\boutcome="(\w+)"\)') for outcome in re.findall(found, code)
    }
    table = section("metrics.md", "Metrics").partition("| outcome |")[2]

    must_have("metrics.md", rows(table), {*written, "failed", "flooded", TRANSFERRED})


def test_every_column_of_the_times_of_an_answer_has_an_entry() -> None:
    table = [line.split("|")[2] for line in read("metrics.md").splitlines() if line.startswith("| `turn_times`")]
    fields = {field.name for field in dataclasses.fields(TurnTimes)}

    must_have("metrics.md", re.findall(r"`(\w+)`", " ".join(table)), {"call_sid", *fields})


def test_every_event_that_wants_a_person_has_an_entry() -> None:
    code = "".join(file.read_text(encoding="utf-8") for package in LOGGING for file in (ROOT / package).rglob("*.py"))
    events = set(re.findall(r'log\.(?:error|exception|critical)\(\s*"(\w+)"', code))
    page = "docs/howto/troubleshoot.md"
    lacking = events - rows((ROOT / page).read_text(encoding="utf-8")).keys()

    assert not lacking, f"{page} has no entry for {', '.join(sorted(lacking))}"


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

    lost = [str(page.relative_to(ROOT)) for page in (ROOT / "docs").rglob("*.md") if page not in found]
    assert not lost, f"no page that README.md leads to has a link to {', '.join(lost)}"


def shown_commands() -> list[str]:
    """Return every command line of `slotline` in a code block or in backticks."""
    found = set()
    for page in PAGES:
        parts = [part for line in plain_lines(page) for part in line.split(" && ")]
        parts += re.findall(r"`([^`\n]+)`", prose(page))
        found |= {part for part in parts if re.match(r"(uv run (--group talk )?)?slotline ", part)}
    found -= {f"slotline {name}" for name in (*GROUPS, *COMMANDS)}  # named, not shown: an argument may be missing
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
    count = 2 if " ".join(words[:2]) in COMMANDS else 1
    name = " ".join(words[:count])

    context = COMMANDS[name].make_context(name, words[count:])

    assert not context.args
