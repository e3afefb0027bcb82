"""Instructions of a call: the facts, the calendar table and the caller in the form that everything else relies on."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from agent.business import load_business
from agent.instructions import Instructions, Source, check_tool_names, load_prompt_set, render_instructions
from appointments.errors import ConfigError
from appointments.model import BookingRules, Business, OpeningHours, PhoneNumber
from prompts.loader import BOOKING_SCRIPT, FRONT_DESK, REHEARSAL_BUSINESS, TRANSFER_SCRIPT
from tools.toolbox import tool_names

PROMPTS = load_prompt_set()
BUSINESS = load_business(REHEARSAL_BUSINESS)
NOW = datetime(2026, 12, 1, 14, tzinfo=UTC)
CALLER = PhoneNumber("+14155550123")


def render(business: Business = BUSINESS, *, now: datetime = NOW, is_recorded: bool = False) -> Instructions:
    return render_instructions(PROMPTS, business, caller=CALLER, now=now, is_recorded=is_recorded)


def rows(instructions: Instructions) -> list[str]:
    return re.findall(r"^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) \d{4}-.*$", instructions.system, re.MULTILINE)


def test_greets_with_the_business_and_says_what_it_is() -> None:
    assert render().greeting == (
        "Thanks for calling Harbor Street Clinic. I'm the automated assistant. How can I help you?"
    )


def test_announces_a_recording() -> None:
    assert "assistant. This call is recorded. How" in render(is_recorded=True).greeting


def test_announces_a_recording_that_the_greeting_forgot(tmp_path: Path) -> None:
    path = tmp_path / "desk.md"
    path.write_text("---\nname: x\nvoice: x\ngreeting: Hello. How can I help you?\n---\nFirst\n")
    prompts = load_prompt_set(path)

    recorded, unrecorded = (
        render_instructions(prompts, BUSINESS, caller=CALLER, now=NOW, is_recorded=is_recorded).greeting
        for is_recorded in (True, False)
    )

    assert recorded == "This call is recorded. Hello. How can I help you?"
    assert unrecorded == "Hello. How can I help you?"


def test_the_agent_has_the_name_of_the_front_matter(tmp_path: Path) -> None:
    path = tmp_path / "desk.md"
    path.write_text("---\nname: Robin\nvoice: x\ngreeting: It is {agent}.\n---\nYou are {agent}.\n")

    instructions = render_instructions(load_prompt_set(path), BUSINESS, caller=CALLER, now=NOW)

    assert instructions.greeting == "It is Robin."
    assert instructions.system.startswith("You are Robin.\n")
    assert render().system.splitlines()[1].startswith("You are the front desk of Harbor Street Clinic.")


def test_calendar_has_every_day_that_can_be_booked() -> None:
    table = rows(render())

    assert len(table) == 31
    assert table[0] == "Tue 2026-12-01 (today) | open 09:00-17:00"
    assert table[1] == "Wed 2026-12-02 | open 09:00-17:00"
    assert table[5] == "Sun 2026-12-06 | closed"
    assert table[30] == "Thu 2026-12-31 | open 09:00-17:00"


def test_calendar_reaches_as_far_as_is_booked() -> None:
    assert len(rows(render(replace(BUSINESS, rules=BookingRules(maximum_advance_days=90))))) == 91


def test_a_closed_date_is_closed_in_the_calendar() -> None:
    business = replace(BUSINESS, rules=BookingRules(closed=frozenset({date(2026, 12, 2)})))

    assert rows(render(business))[1] == "Wed 2026-12-02 | closed"


def test_today_is_the_business_zones_day() -> None:
    late = datetime(2026, 12, 2, 4, 59, tzinfo=UTC)

    assert rows(render(now=late))[0].startswith("Tue 2026-12-01 (today)")
    assert rows(render(replace(BUSINESS, zone=ZoneInfo("Asia/Tokyo")), now=late))[0].startswith(
        "Wed 2026-12-02 (today)"
    )


def test_a_day_has_all_its_intervals() -> None:
    hours = (OpeningHours(1, time(13), time(17)), OpeningHours(1, time(9), time(12)))

    instructions = render(replace(BUSINESS, hours=hours))

    assert rows(instructions)[0] == "Tue 2026-12-01 (today) | open 09:00-12:00, 13:00-17:00"
    assert "Opening hours: Mon closed; Tue 09:00-12:00, 13:00-17:00; Wed-Sun closed" in instructions.system


def test_names_the_callers_number_or_says_it_is_unknown() -> None:
    unknown = render_instructions(PROMPTS, BUSINESS, caller=None, now=NOW)

    assert "Caller's number: +14155550123" in render().system.splitlines()
    assert "Caller's number: unknown" in unknown.system.splitlines()


def test_adds_the_booking_script_of_each_action_that_wants_it() -> None:
    consultation = BUSINESS.actions[0]
    visit = replace(consultation, name="Book Home Visit", title="Home Visit", default_instructions=False)

    system = render(replace(BUSINESS, actions=(consultation, visit))).system

    assert "# Book 30-Minute Consultation" in system
    assert "# Book Home Visit" not in system
    assert "Can be booked: Home Visit, by video" in system


def test_says_when_to_put_a_caller_through_only_where_that_can_be_done() -> None:
    with_person = replace(BUSINESS, transfer_number=PhoneNumber("+14155550198"))

    system = render(with_person).system

    assert "`transfer_to_human`" in system
    assert "+14155550198" not in system
    assert "transfer_to_human" not in render().system
    assert set(re.findall(r"`(\w+)`", TRANSFER_SCRIPT.read_text())) <= set(tool_names(with_person))


def test_tells_where_an_appointment_is_and_whose_zone_it_has() -> None:
    visit = replace(
        BUSINESS.actions[0], platform="in_person", address="12 Harbor Street", zone=ZoneInfo("America/Chicago")
    )

    system = render(replace(BUSINESS, actions=(visit,))).system

    assert (
        "Can be booked: 30-Minute Consultation, in person, 12 Harbor Street, times in America/Chicago"
        in system.splitlines()
    )


def test_braces_in_the_business_file_are_left_alone() -> None:
    assert "Use {code}." in render(replace(BUSINESS, about="Use {code}.")).system


def test_what_changes_from_call_to_call_comes_last() -> None:
    one, other = render().system, render_instructions(PROMPTS, BUSINESS, caller=None, now=NOW).system

    assert one.splitlines()[:-1] == other.splitlines()[:-1]


def test_one_empty_line_is_between_what_different_sources_say() -> None:
    system = render().system

    assert "\n\n# Book 30-Minute Consultation\n" in system
    assert "\n\n# Facts\n" in system
    assert "\n\n# Calendar\n" in system
    assert "\n\n\n" not in system
    assert system.endswith("\n\nCaller's number: +14155550123")


def test_each_part_knows_its_source() -> None:
    texts = {source: "".join(part.text for part in render().parts if part.source is source) for source in Source}

    assert texts[Source.AUTHOR].startswith("# Who you are\nYou are the front desk of Harbor Street Clinic.")
    assert texts[Source.SCRIPT].startswith("# Book 30-Minute Consultation\n")
    assert texts[Source.BUSINESS].startswith("# Facts\nBusiness: Harbor Street Clinic\n")
    assert texts[Source.CALL].startswith("# Calendar\nTue 2026-12-01 (today)")
    assert texts[Source.CALL].endswith("Caller's number: +14155550123")


@pytest.mark.parametrize(("source", "path"), [(Source.AUTHOR, FRONT_DESK), (Source.SCRIPT, BOOKING_SCRIPT)])
def test_each_line_of_a_file_knows_its_number(source: Source, path: Path) -> None:
    written = path.read_text(encoding="utf-8").splitlines()
    parts = {part.line: part.text.rstrip("\n") for part in render().parts if part.source is source}

    unfilled = {number: line for number, line in enumerate(written, start=1) if number in parts and "{" not in line}
    assert max(number for number in parts if number) == len(written)
    assert len(unfilled) > 4
    assert {number: parts[number] for number in unfilled} == unfilled


def test_a_value_of_several_lines_shifts_no_numbers(tmp_path: Path) -> None:
    path = tmp_path / "desk.md"
    path.write_text("---\nname: x\nvoice: x\ngreeting: x\n---\nYou are of {business}.\nLast.\n")

    instructions = render_instructions(
        load_prompt_set(path), replace(BUSINESS, name="Two\nlines"), caller=CALLER, now=NOW
    )

    first, last, *_ = instructions.parts
    assert (first.line, first.text) == (6, "You are of Two\nlines.\n")
    assert (last.line, last.text) == (7, "Last.\n\n")


def test_shipped_prompt_names_only_tools_there_are() -> None:
    check_tool_names(PROMPTS.prompt, {"find_slots", "end_call"})


def test_an_unknown_tool_is_told_with_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "desk.md"
    path.write_text("---\nname: x\nvoice: x\ngreeting: x\n---\n\nFirst\n`find_slot` for {recording_notice}\n")

    with pytest.raises(ConfigError) as caught:
        check_tool_names(load_prompt_set(path).prompt, {"find_slots", "end_call"})

    assert str(caught.value) == f"{path}:8: find_slot is no tool; did you mean find_slots?"


def test_a_wrong_prompt_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nobody\.md: there is no such file"):
        load_prompt_set(tmp_path / "nobody.md")
