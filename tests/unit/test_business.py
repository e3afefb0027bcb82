"""The business file: what it means, and how its mistakes are told."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from agent.business import load_business, load_code_template, load_sms_template
from agent.toml_lines import parse_toml
from appointments.errors import ConfigError
from appointments.messages import render_code, render_sms, segments
from appointments.model import (
    BlockedTime,
    BookingRules,
    EventTypeId,
    OfferSettings,
    OpeningHours,
    Scope,
    Slot,
    WhenFull,
)
from prompts.loader import REHEARSAL_BUSINESS
from prompts.reading import FileProblem

ROOT = Path(__file__).parents[2]
HARBOR = REHEARSAL_BUSINESS.read_text(encoding="utf-8")


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "harbor.toml"
    path.write_text(text, encoding="utf-8")
    return path


def edited(tmp_path: Path, old: str, new: str) -> Path:
    assert HARBOR.count(old) == 1, old
    return write(tmp_path, HARBOR.replace(old, new))


def line_of(path: Path, text: str) -> int:
    lines = path.read_text(encoding="utf-8").splitlines()
    return next(number for number, line in enumerate(lines, start=1) if text in line)


def test_reads_the_rehearsals_business() -> None:
    business = load_business(REHEARSAL_BUSINESS)

    assert business.name == "Harbor Street Clinic"
    assert business.number == "+14155550100"
    assert business.zone == ZoneInfo("America/New_York")
    assert business.intervals(date(2026, 12, 1)) == (OpeningHours(1, time(9), time(17)),)
    assert business.intervals(date(2026, 12, 6)) == ()
    (action,) = business.actions
    assert action.name == "Book 30-Minute Consultation"
    assert action.event_type_id == "101"
    assert action.zone == business.zone
    assert action.offer == OfferSettings()
    assert action.fallback_email == "caller+{digits}@example.com"
    assert action.sms_confirmation
    assert "{date}" in action.sms_template
    assert action.default_instructions


def test_lives_where_the_settings_say_it_does() -> None:
    assert (ROOT / "prompts/business/rehearsal.toml").samefile(REHEARSAL_BUSINESS)


def test_settings_override_the_event_type_of_a_single_action(tmp_path: Path) -> None:
    without = edited(tmp_path, 'event_type = "101" ', "# ")

    assert load_business(REHEARSAL_BUSINESS, event_type_id="202").actions[0].event_type_id == EventTypeId("202")
    assert load_business(without, event_type_id="202").actions[0].event_type_id == EventTypeId("202")


def test_without_an_event_type_an_action_has_the_name_of_its_tool(tmp_path: Path) -> None:
    (action,) = load_business(edited(tmp_path, 'event_type = "101" ', "# ")).actions

    assert action.event_type_id == "book_30_minute_consultation"


@pytest.mark.parametrize(
    ("title", "given", "minutes"),
    [
        ("30-Minute Consultation", "", 30),
        ("Long talk, 90 minutes", "", 90),
        ("45 Minute Visit", "minutes = 60", 60),
        ("Home Visit", "", 30),
        ("Home Visit", "minutes = 5", 5),
        ("2-minute miracle", "", 30),
        ("1000 minutes", "", 30),
    ],
)
def test_an_action_takes_what_is_written_or_else_what_its_title_says(
    tmp_path: Path, title: str, given: str, minutes: int
) -> None:
    path = edited(tmp_path, 'title = "30-Minute Consultation"', f'{given}\ntitle = "{title}"')

    (action,) = load_business(path).actions

    assert action.duration == timedelta(minutes=minutes)


def test_reads_a_second_action_and_several_intervals(tmp_path: Path) -> None:
    text = HARBOR.replace('monday = ["09:00-17:00"]', 'monday = ["13:00-17:00", "09:00-12:00"]')
    text += """
[[actions]]
event_type = 102
title = "Home Visit"
platform = "in_person"
address = "12 Harbor Street"
zone = "America/Los_Angeles"
sms_template = "See you on {date} at {time}."
[actions.offer]
start_date = 2026-12-10
"""

    business = load_business(write(tmp_path, text))

    monday = business.intervals(date(2026, 12, 7))
    assert [(h.opens, h.closes) for h in monday] == [(time(9), time(12)), (time(13), time(17))]
    visit = business.actions[1]
    assert visit.event_type_id == "102"
    assert visit.zone.key == "America/Los_Angeles"
    assert visit.sms_template == "See you on {date} at {time}."
    assert visit.offer.start_date == date(2026, 12, 10)


def test_without_rules_the_usual_ones_hold() -> None:
    assert load_business(REHEARSAL_BUSINESS).rules == BookingRules()


def test_reads_the_rules(tmp_path: Path) -> None:
    text = """
[rules]
minimum_notice_minutes = 90
maximum_advance_days = 60
buffer_before_minutes = 0
buffer_after_minutes = 10
grid_minutes = 20
most_a_day = 8
most_per_caller = 2
closed = [2026-12-25, "2027-01-01"]  # with quotes or without

[[rules.blocked]]
from = "12:00"
until = "13:00"
weekdays = ["monday", "friday"]

[[rules.blocked]]
from = "15:30"
until = "16:00"
date = 2026-12-24
"""

    business = load_business(write(tmp_path, HARBOR + text))

    assert business.rules == BookingRules(
        minimum_notice=timedelta(minutes=90),
        maximum_advance_days=60,
        buffer_before=timedelta(0),
        buffer_after=timedelta(minutes=10),
        grid_minutes=20,
        most_a_day=8,
        most_per_caller=2,
        closed=frozenset({date(2026, 12, 25), date(2027, 1, 1)}),
        blocked=(
            BlockedTime(time(12), time(13), weekdays=frozenset({0, 4})),
            BlockedTime(time(15, 30), time(16), day=date(2026, 12, 24)),
        ),
    )
    assert business.intervals(date(2026, 12, 25)) == ()


LUNCH = '[[rules.blocked]]\nfrom = "12:00"\nuntil = "13:00"\n'


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ("[rules]\nminimum_notice_minutes = -1", "rules.minimum_notice_minutes must be 0 to 43200"),
        ("[rules]\nmaximum_advance_days = 366", "rules.maximum_advance_days must be 0 to 365"),
        ("[rules]\ngrid_minutes = 241", "rules.grid_minutes must be 0 to 240"),
        ("[rules]\nmost_a_day = 0", "rules.most_a_day must be 1 to 1000"),
        ("[rules]\nnotice = 60", "rules.notice is an unknown key"),
        ("[rules]\nclosed = 2026-12-25", "rules.closed must be a list"),
        ('[rules]\nclosed = ["Christmas"]', "rules.closed must be a date"),
        ("[rules]\nminimum_notice_minutes = 1440\nmaximum_advance_days = 0", "rules leaves nothing to book"),
        (LUNCH, "rules.blocked[0] needs either weekdays"),
        (f'{LUNCH}weekdays = ["monday"]\ndate = 2026-12-24', "rules.blocked[0] needs either weekdays"),
        (f'{LUNCH}weekdays = ["mon"]', "rules.blocked[0].weekdays must be 'monday'"),
        (f"{LUNCH}weekday = 1", "rules.blocked[0].weekday is an unknown key; did you mean weekdays?"),
        (LUNCH.replace("13:00", "11:00"), "rules.blocked[0] must end after it begins"),
        (LUNCH.replace("12:00", "noon"), 'rules.blocked[0].from must be a time such as "12:00", not "noon"'),
        (LUNCH.replace("from", "form"), "rules.blocked[0].form is an unknown key; did you mean from?"),
    ],
)
def test_names_the_rule_that_is_wrong(tmp_path: Path, rules: str, expected: str) -> None:
    path = write(tmp_path, f"{HARBOR}\n{rules}\n")

    with pytest.raises(ConfigError) as caught:
        load_business(path)

    assert expected in str(caught.value)
    below = len(HARBOR.splitlines())
    assert all(int(line.removeprefix(f"{path}:").partition(":")[0]) > below for line in str(caught.value).splitlines())


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "look_ahead_days = 2",
            "look_ahead_days = 4",
            'the first action, "30-Minute Consultation": offer.look_ahead_days must be 1 to 3',
        ),
        ("slots_per_day = 3", "slots_per_day = 1", "slots_per_day must be 2 to 5"),
        ("sms_confirmation = true", "minutes = 4", "minutes must be 5 to 480"),
        ("sms_confirmation = true", "minutes = 481", "minutes must be 5 to 480"),
        ("hours_between = 3", "hours_between = 5", "hours_between must be 1 to 4"),
        ("hours_between = 3", 'hours_between = "3"', "hours_between must be a whole number, without quotes"),
        ("hours_between = 3", "hours = 3", "offer.hours is an unknown key"),
        ('platform = "cal_video"', 'plattform = "phone"', "plattform is an unknown key; did you mean platform?"),
        ('platform = "cal_video"', 'platform = "fax"', "platform must be 'phone', 'in_person'"),
        ('platform = "cal_video"', 'zone = "Mars/Base"', "zone must be the IANA name of a time zone"),
        ('zone = "America/New_York"         #', 'zone = "America" #', "zone must be the IANA name of a time zone"),
        ('zone = "America/New_York"         #', 'zone = "america/new york" #', "did you mean America/New_York?"),
        ('zone = "America/New_York"         #', 'zone = "../etc" #', "zone must be the IANA name of a time zone"),
        ('number = "+14155550100" ', 'number = "+14150" ', "number must be a valid phone number in E.164"),
        ('number = "+14155550100" ', 'number = "415-555-0100" ', "number must be a valid phone number in E.164"),
        ('sms_countries = ["US", "CA"]', 'sms_countries = ["USA"]', "sms_countries must be a country's two letters"),
        ('friday = ["09:00-17:00"]', 'friday = ["17:00-09:00"]', "must close after they open"),
        ('friday = ["09:00-17:00"]', 'friday = ["9-17"]', "must be written like"),
        ('friday = ["09:00-17:00"]', 'friday = ["09:00-13:00", "12:00-17:00"]', "hours.friday must not overlap"),
        ('friday = ["09:00-17:00"]', 'freitag = ["09:00-17:00"]', "hours.freitag is an unknown key"),
        ("caller+{digits}@example.com", "caller@example.com", "must hold {digits}"),
        ("caller+{digits}@example.com", "caller {digits}", "must be an e-mail address"),
        ('title = "30-Minute Consultation"', 'title = " "', "title must not be empty"),
        ("sms_confirmation = true", 'sms_template = "At {hour}"', "no placeholder {hour}"),
        ("sms_confirmation = true", f'sms_template = "{{time}}{"x" * 300}"', "makes a text of 3 segments; 2 are the"),
        ('title = "30-Minute Consultation"', 'title = "\u76f8\u8ac7"', "title needs a letter from a to z or a digit"),
    ],
)
def test_names_file_and_line_of_a_mistake(tmp_path: Path, old: str, new: str, expected: str) -> None:
    path = edited(tmp_path, old, new)

    with pytest.raises(ConfigError) as caught:
        load_business(path)

    (message,) = str(caught.value).splitlines()
    assert message.startswith(f"{path}:{line_of(path, new)}: ")
    assert expected in message


def test_tells_all_mistakes_at_once(tmp_path: Path) -> None:
    text = HARBOR.replace("look_ahead_days = 2", "look_ahead_days = 9").replace('name = "Harbor', 'nam = "Harbor')
    path = write(tmp_path, text)

    with pytest.raises(ConfigError) as caught:
        load_business(path)

    assert f"{path}:1: name is missing" in str(caught.value)
    assert f"{path}:{line_of(path, 'nam =')}: nam is an unknown key" in str(caught.value)
    assert "look_ahead_days must be 1 to 3" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            HARBOR.replace('platform = "cal_video"', 'platform = "in_person"'),
            'the first action, "30-Minute Consultation": needs an address',
        ),
        (HARBOR[: HARBOR.index("[[actions]]")], "actions is missing"),
        (HARBOR + '\n[[actions]]\nevent_type = "1"\ntitle = "30-minute consultation"\n', "makes the same tool"),
        (
            HARBOR + '\n[[actions]]\nevent_type = "1"\ntitle = "30 Minute (Consultation)"\n',
            'harbor.toml:LAST: the second action, "30 Minute (Consultation)": title makes the same tool, '
            'book_30_minute_consultation, as the first action, "30-Minute Consultation"',
        ),
        (HARBOR + "\n[[actions]\n", "is not TOML"),
        (HARBOR + "\nname =", "is not TOML"),
    ],
)
def test_refuses_a_file_that_does_not_fit_together(tmp_path: Path, change: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=r"harbor\.toml:\d+: .*") as caught:
        load_business(write(tmp_path, change))

    assert expected.replace("LAST", str(len(change.splitlines()))) in str(caught.value)


def test_one_event_type_setting_does_not_fit_two_actions(tmp_path: Path) -> None:
    path = write(tmp_path, HARBOR + '\n[[actions]]\nevent_type = "102"\ntitle = "Home Visit"\n')

    with pytest.raises(ConfigError, match="CALCOM_EVENT_TYPE_ID fits one action only"):
        load_business(path, event_type_id="202")


def test_the_shipped_text_with_a_code_costs_one_segment() -> None:
    body = render_code(load_code_template(), code="482113", business="Harbor Street Clinic")

    assert "482113" in body
    assert segments(body) == 1


def test_says_so_when_there_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nobody\.toml: there is no such file$"):
        load_business(tmp_path / "nobody.toml")


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        ('a = 1\nb = """\nwords\n', 2, 'opens here with """ is never closed'),
        ('a = """\nwords\n[hours]\nb = """\nother words.\n"""\n', 1, "ends on line 4, where another opens"),
        ("a = '''\nwords\nb = 3", 1, "is never closed"),
        ('a = "one\nb = 2', 1, "illegal character"),
        ('a = [\n  "one"\n  "two"\n]\n', 1, "unclosed array"),
        ('a = ["]"]\nb = [["one"]\nc = 3', 2, "unclosed array"),
        ('# """\na = "\\"\\"\\""\nb = ', 3, "invalid value"),
    ],
)
def test_a_text_that_is_no_toml_is_wrong_where_the_mistake_begins(text: str, line: int, expected: str) -> None:
    with pytest.raises(FileProblem, match=expected) as caught:
        parse_toml(text, Path("x.toml"))

    assert [problem.line for problem in caught.value.problems] == [line]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "[hours]  ",
            '[hours]\nprompt = "desk.md" #',
            "hours.prompt is an unknown key: move it above the first [table]",
        ),
        (
            "hours_between = 3",
            'sms_countries = ["US"]',
            "sms_countries is an unknown key: move it above the first [table]",
        ),
        ("hours_between = 3", 'zone = "US/Pacific"', "offer.zone is an unknown key: move it below [[actions]]"),
        (
            "[hours]  ",
            '[hours]\nzone = "US/Pacific" #',
            "hours.zone is an unknown key: move it above the first [table]",
        ),
        (
            "hours_between = 3",
            "sms_confirmation = true",
            "sms_confirmation is an unknown key: move it below [[actions]]",
        ),
        ("sms_countries = [", "monday = [", "monday is an unknown key: move it below [hours]"),
    ],
)
def test_a_key_in_the_wrong_table_is_told_the_right_one(tmp_path: Path, old: str, new: str, expected: str) -> None:
    path = edited(tmp_path, old, new)

    with pytest.raises(ConfigError) as caught:
        load_business(path)

    assert expected in str(caught.value)


def test_knows_the_lines_of_nested_tables() -> None:
    text = 'about = """\nname = "not a key"\n"""\n[[a]]\nx = 1\n[a.b]\n"y" = 2\n[[a]]\nx = {z = 1}\n[a.b]\ny=1 # = 2\n'

    _, find = parse_toml(text, Path("x.toml"))

    assert find(("about",)) == 2
    assert find(("a",)) == 4
    assert find(("name",)) is None
    assert find(("a", 0, "x")) == 5
    assert find(("a", 0, "b", "y")) == 7
    assert find(("a", 1)) == 8
    assert find(("a", 1, "x")) == 9
    assert find(("a", 1, "b", "y")) == 11


@pytest.mark.parametrize("name", ["confirmation", "unconfirmed", "failed"])
def test_shipped_texts_cost_two_segments_at_most(name: str) -> None:
    (action,) = load_business(REHEARSAL_BUSINESS).actions
    slot = Slot(datetime(2026, 12, 2, 15, tzinfo=UTC), timedelta(minutes=30))

    body = render_sms(
        load_sms_template(name),
        slot=slot,
        zone=action.zone,
        duration=slot.duration,
        link="https://meet.google.com/abc-defg-hij",
        location="12 Harbor Street, Springfield",
        business="Harbor Street Clinic",
    )

    assert segments(body) <= 2
    assert body.isascii()


def test_what_the_agent_may_do_is_everything_unless_less_is_said(tmp_path: Path) -> None:
    less = edited(tmp_path, "[hours]", 'scopes = ["read", "create"]\n\n[hours]')

    assert load_business(REHEARSAL_BUSINESS).scopes == frozenset(Scope)
    assert load_business(less).scopes == {Scope.READ, Scope.CREATE}


def test_nobody_is_put_through_to_unless_the_file_says_to_whom() -> None:
    business = load_business(REHEARSAL_BUSINESS)

    assert (business.transfer_number, business.transfer_to, business.transfers_always) == (None, "", False)


@pytest.mark.parametrize(("hours", "is_always"), [("open", False), ("always", True)])
def test_says_who_is_put_through_to_and_when(tmp_path: Path, hours: str, is_always: bool) -> None:
    lines = 'zone = "America/New_York"\ntransfer_number = "+14155552672"\ntransfer_to = "the office"\n'
    path = write(
        tmp_path,
        HARBOR.replace('zone = "America/New_York"         #', f'{lines}transfer_hours = "{hours}"  #', 1),
    )

    business = load_business(path)

    assert (business.transfer_number, business.transfer_to) == ("+14155552672", "the office")
    assert business.transfers_always == is_always


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        ('transfer_number = "the office"', "transfer_number must be a valid phone number in E.164"),
        ('transfer_number = "911"', "transfer_number must be a valid phone number in E.164"),
        ('transfer_number = "+14155550100"', "transfer_number: is the number that callers dial"),
        ('transfer_hours = "sometimes"', "transfer_hours"),
        ('transfer_to = ""', "transfer_to"),
    ],
)
def test_a_person_who_cannot_be_reached_is_told_of_with_the_line(tmp_path: Path, written: str, complaint: str) -> None:
    path = write(tmp_path, HARBOR.replace("[hours]", f"{written}\n\n[hours]", 1))

    with pytest.raises(ConfigError, match=complaint) as refused:
        load_business(path)

    assert f"{path}:{line_of(path, written)}" in str(refused.value)


@pytest.mark.parametrize(
    ("local", "is_open"),
    [("2026-12-01T09:00", True), ("2026-12-01T16:59", True), ("2026-12-01T17:00", False), ("2026-12-06T12:00", False)],
)
def test_is_open_in_its_hours_by_its_own_clock(local: str, is_open: bool) -> None:
    business = load_business(REHEARSAL_BUSINESS)

    assert business.is_open(datetime.fromisoformat(local).replace(tzinfo=business.zone).astimezone(UTC)) == is_open


def test_callers_wait_where_nothing_is_said_of_a_full_worker() -> None:
    assert load_business(REHEARSAL_BUSINESS).when_full is WhenFull.QUEUE


@pytest.mark.parametrize("when_full", list(WhenFull))
def test_a_business_chooses_what_becomes_of_calls_that_cannot_be_taken(tmp_path: Path, when_full: WhenFull) -> None:
    lines = f'fallback_number = "+14155552672"\nwhen_full = "{when_full}"\n\n[hours]'
    path = write(tmp_path, HARBOR.replace("[hours]", lines, 1))

    assert load_business(path).when_full is when_full


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('when_full = "voicemail"', "when_full must be 'queue', 'dial' or 'call_back'"),
        ('when_full = "dial"', 'when_full: "dial" needs a fallback_number to dial'),
    ],
)
def test_a_full_worker_cannot_do_what_nobody_answers(tmp_path: Path, line: str, told: str) -> None:
    path = write(tmp_path, HARBOR.replace("[hours]", f"{line}\n\n[hours]", 1))

    with pytest.raises(ConfigError) as raised:
        load_business(path)

    assert f"{path}:{line_of(path, line)}: {told}" in str(raised.value)
