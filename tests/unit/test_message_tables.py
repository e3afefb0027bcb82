"""``[messages]`` and ``[actions.messages]``: what they mean, and how their mistakes are told."""

from __future__ import annotations

from datetime import time, timedelta
from typing import TYPE_CHECKING

import pytest

from agent.business import load_business
from appointments.errors import ConfigError
from appointments.model import MessageSettings, QuietHours, SendingLimits
from prompts.loader import REHEARSAL_BUSINESS

if TYPE_CHECKING:
    from pathlib import Path

HARBOR = REHEARSAL_BUSINESS.read_text(encoding="utf-8")


def a_file(folder: Path, *, business: str = "", action: str = "", confirms: bool = True) -> Path:
    """Write the rehearsal's business with these lines in its two tables."""
    text = HARBOR.replace("[[actions]]", f"[messages]\n{business}\n\n[[actions]]", 1)
    text = text.replace("[actions.offer]", f"[actions.messages]\n{action}\n\n[actions.offer]", 1)
    if not confirms:
        text = text.replace("sms_confirmation = true", "sms_confirmation = false")
    path = folder / "business.toml"
    path.write_text(text, encoding="utf-8")
    return path


def of_action(path: Path) -> MessageSettings:
    return load_business(path).actions[0].messages


def test_without_the_tables_callers_are_reminded_twice_and_never_at_night() -> None:
    business = load_business(REHEARSAL_BUSINESS)

    assert business.actions[0].messages == business.messages == MessageSettings()
    assert business.sending == SendingLimits()
    assert business.messages.reminders == (timedelta(hours=24), timedelta(hours=2))


def test_what_the_business_says_holds_for_its_actions(tmp_path: Path) -> None:
    path = a_file(
        tmp_path,
        business="""
remind_hours_before = [48, 0.5]
quiet_hours = "20:30-09:00"
follow_up_after_hours = 2
review_link = "https://reviews.example.com/clinic"
review_after_hours = 3
rebook_link = "https://app.cal.com/reschedule/{booking_uid}"
reminder_day = "See you on {date}."
most_texts_per_number_an_hour = 3
most_texts_a_day = 40
""",
    )

    settings = of_action(path)

    assert settings.reminders == (timedelta(hours=48), timedelta(minutes=30))
    assert settings.quiet == QuietHours(time(20, 30), time(9))
    assert (settings.follow_up_after, settings.review_after) == (timedelta(hours=2), timedelta(hours=3))
    assert settings.review_link == "https://reviews.example.com/clinic"
    assert settings.rebook_link == "https://app.cal.com/reschedule/{booking_uid}"
    assert settings.templates == {"reminder_day": "See you on {date}."}
    assert load_business(path).sending == SendingLimits(3, 40)


def test_an_action_has_the_last_word(tmp_path: Path) -> None:
    path = a_file(
        tmp_path,
        business='remind_hours_before = [48]\nmoved = "Moved."\nfollow_up = "Thanks."',
        action='remind_hours_before = []\nmoved = "It is on {date} now."',
    )

    settings = of_action(path)

    assert settings.reminders == ()
    assert settings.templates == {"moved": "It is on {date} now.", "follow_up": "Thanks."}
    assert load_business(path).messages.reminders == (timedelta(hours=48),)


def test_who_is_not_texted_is_not_reminded_either(tmp_path: Path) -> None:
    assert of_action(a_file(tmp_path, business="remind_hours_before = [48]", confirms=False)).reminders == ()


def test_unless_the_action_itself_says_so(tmp_path: Path) -> None:
    path = a_file(tmp_path, action="remind_hours_before = [4]", confirms=False)

    assert of_action(path).reminders == (timedelta(hours=4),)


def test_nights_can_be_as_good_as_days(tmp_path: Path) -> None:
    assert of_action(a_file(tmp_path, business='quiet_hours = ""')).quiet is None


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("remind_hours_before = [24, 24]", "different numbers of hours"),
        ("remind_hours_before = [0]", "each 0.5 to 336"),
        ("follow_up_after_hours = -1", "0 to 336 hours"),
        ('review_link = "http://reviews.example.com"', "must be a link that starts with https://"),
        ('rebook_link = "https://cal.example.com/{name}"', "must be a link that starts with https://"),
        ('reminder_day = "At {hour}."', "no placeholder {hour}; there are {date} {time}"),
        ('reminder_day = "Reply C to confirm or CANCEL to cancel."', "asks for the reply CANCEL"),
        ('reminder_day = "再见"', "letters that a text cannot hold"),
        (f'reminder_day = "{"x" * 2000}"', "makes a text of 14 segments; 2 are the most"),
        ('review = "How was it?"', "has no {link}"),
        ('remind_day = "x"', "unknown key"),
    ],
)
@pytest.mark.parametrize("table", ["business", "action"])
def test_a_mistake_is_told_with_its_line(tmp_path: Path, table: str, line: str, told: str) -> None:
    path = a_file(tmp_path, business=line) if table == "business" else a_file(tmp_path, action=line)
    number = path.read_text(encoding="utf-8").splitlines().index(line) + 1

    with pytest.raises(ConfigError) as caught:
        load_business(path)

    assert told in str(caught.value)
    assert f"{path}:{number}" in str(caught.value)


@pytest.mark.parametrize("span", ["21:00", "21:10-08:00", "21:00-21:00", "04:00-21:00", "8-21"])
def test_quiet_hours_are_a_span_of_quarters(tmp_path: Path, span: str) -> None:
    with pytest.raises(ConfigError, match="must be written like"):
        load_business(a_file(tmp_path, business=f'quiet_hours = "{span}"'))


def test_the_limits_are_the_business_own(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unknown key"):
        load_business(a_file(tmp_path, action="most_texts_a_day = 1"))
