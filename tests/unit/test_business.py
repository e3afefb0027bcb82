"""The business file: what it means, and how its mistakes are told."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from agent.business import load_business, load_sms_template
from agent.toml_lines import parse_toml
from appointments.errors import ConfigError
from appointments.messages import render_sms, segments
from appointments.model import EventTypeId, OfferSettings, OpeningHours, Slot
from prompts.loader import REHEARSAL_BUSINESS

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


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("look_ahead_days = 2", "look_ahead_days = 4", "actions[0].offer.look_ahead_days must be 1 to 3"),
        ("slots_per_day = 3", "slots_per_day = 1", "slots_per_day must be 2 to 5"),
        ("hours_between = 3", "hours_between = 5", "hours_between must be 1 to 4"),
        ("hours_between = 3", 'hours_between = "3"', "hours_between: input should be a valid integer"),
        ("hours_between = 3", "hours = 3", "actions[0].offer.hours is an unknown key"),
        ('platform = "cal_video"', 'plattform = "phone"', "actions[0].plattform is an unknown key"),
        ('platform = "cal_video"', 'platform = "fax"', "actions[0].platform: input should be 'phone'"),
        ('platform = "cal_video"', 'zone = "Mars/Base"', "zone must be the IANA name of a time zone"),
        ('zone = "America/New_York"         #', 'zone = "America" #', "zone must be the IANA name of a time zone"),
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
        ('title = "30-Minute Consultation"', 'title = " "', "title: string should have at least 1 character"),
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
    assert f"{path}:3: nam is an unknown key" in str(caught.value)
    assert "look_ahead_days must be 1 to 3" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (HARBOR.replace('event_type = "101"', 'event_type = ""'), "actions[0].event_type is missing"),
        (HARBOR.replace('platform = "cal_video"', 'platform = "in_person"'), "actions[0] needs an address"),
        (HARBOR[: HARBOR.index("[[actions]]")], "actions is missing"),
        (HARBOR + '\n[[actions]]\nevent_type = "1"\ntitle = "30-minute consultation"\n', "is used by another action"),
        (
            HARBOR + '\n[[actions]]\nevent_type = "1"\ntitle = "30 Minute (Consultation)"\n',
            'harbor.toml:LAST: actions[1].title "30 Minute (Consultation)" makes the same tool, '
            'book_30_minute_consultation, as "30-Minute Consultation" of another action',
        ),
        (HARBOR + "\n[[actions]\n", "is not TOML"),
        (HARBOR + "\nname =", "is not TOML"),
    ],
)
def test_refuses_a_file_that_does_not_fit_together(tmp_path: Path, change: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=r"harbor\.toml:\d+: .*") as caught:
        load_business(write(tmp_path, change))

    line = next((n for n in range(len(change.splitlines()), 0, -1) if "[[actions]]" in change.splitlines()[n - 1]), 0)
    assert expected.replace("LAST", str(line)) in str(caught.value)


def test_one_event_type_setting_does_not_fit_two_actions(tmp_path: Path) -> None:
    path = write(tmp_path, HARBOR + '\n[[actions]]\nevent_type = "102"\ntitle = "Home Visit"\n')

    with pytest.raises(ConfigError, match="CALCOM_EVENT_TYPE_ID fits one action only"):
        load_business(path, event_type_id="202")


def test_says_so_when_there_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such file"):
        load_business(tmp_path / "nobody.toml")


def test_knows_the_lines_of_nested_tables() -> None:
    text = 'about = """\nname = "not a key"\n"""\n[[a]]\nx = 1\n[a.b]\n"y" = 2\n[[a]]\nx = {z = 1}\n[a.b]\ny=1 # = 2\n'

    _, find = parse_toml(text, Path("x.toml"))

    assert find(("about",)) == 1
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
        load_sms_template(name),  # type: ignore[arg-type]  # the names above
        slot=slot,
        zone=action.zone,
        duration=slot.duration,
        link="https://meet.google.com/abc-defg-hij",
        location="12 Harbor Street, Springfield",
        business="Harbor Street Clinic",
    )

    assert segments(body) <= 2
    assert body.isascii()
