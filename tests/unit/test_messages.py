"""The text message: filled, plain, counted."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appointments.errors import ConfigError
from appointments.messages import (
    GSM_BASIC,
    GSM_EXTENDED,
    check_code_template,
    check_template,
    gsm_clean,
    render_code,
    render_sms,
    segments,
)
from appointments.model import Slot

NEW_YORK = ZoneInfo("America/New_York")
SLOT = Slot(datetime(2026, 12, 3, 14, tzinfo=NEW_YORK), timedelta(minutes=30))
TEMPLATE = """\
{business}: {name}, you are booked for {date} at {time} ({duration}).
Where: {location}
Join: {link}
"""


def render(
    template: str = TEMPLATE,
    *,
    slot: Slot = SLOT,
    zone: ZoneInfo = NEW_YORK,
    link: str = "",
    location: str = "",
    name: str = "Maya Chen",
) -> str:
    return render_sms(
        template,
        slot=slot,
        zone=zone,
        duration=slot.duration,
        link=link,
        location=location,
        name=name,
        business="Harbor Street Clinic",
    )


def test_fills_the_template() -> None:
    assert render(link="https://example.com/m/1", location="12 Harbor Street") == (
        "Harbor Street Clinic: Maya Chen, you are booked for Thu, Dec 3 at 2:00 PM (30 minutes).\n"
        "Where: 12 Harbor Street\n"
        "Join: https://example.com/m/1"
    )


def test_leaves_out_a_line_with_nothing_to_say() -> None:
    assert render() == "Harbor Street Clinic: Maya Chen, you are booked for Thu, Dec 3 at 2:00 PM (30 minutes)."


def test_tells_the_time_in_the_zone_of_the_action() -> None:
    assert render("{date} {time}", zone=ZoneInfo("Asia/Tokyo")) == "Fri, Dec 4 4:00 AM"


@pytest.mark.parametrize(
    ("minutes", "told"), [(30, "30 minutes"), (60, "1 hour"), (61, "1 hour 1 minute"), (150, "2 hours 30 minutes")]
)
def test_tells_the_duration(minutes: int, told: str) -> None:
    assert render("{duration}", slot=Slot(SLOT.start, timedelta(minutes=minutes))) == told


def test_does_not_fill_placeholders_that_came_with_a_value() -> None:
    assert render("{name}", name="{link}\nSTOP") == "{link} STOP"


def test_names_an_unknown_placeholder_and_the_real_ones() -> None:
    with pytest.raises(ConfigError, match=r"\{when\}.*\{date\} \{time\} \{link\} \{location\} \{duration\}"):
        check_template("You are booked for {when}.")


def test_fills_in_a_code() -> None:
    assert render_code("{business}: {code}.\n", code="482113", business="Ada\u2019s  Studio") == "Ada's Studio: 482113."


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{business}: hello.", "has no {code}"),
        ("{code} for {name}", "no placeholder {name}; there are {code} {business}"),
        ("{code}" + "x" * 310, "3 segments"),
    ],
)
def test_refuses_a_template_that_brings_no_code(template: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(expected)):
        check_code_template(template)


def test_a_text_about_an_appointment_brings_no_code() -> None:
    with pytest.raises(ConfigError, match=r"no placeholder \{code\}"):
        check_template("{code}")


def test_refuses_a_template_that_would_unsubscribe_the_caller() -> None:
    with pytest.raises(ConfigError, match="CANCEL"):
        check_template('{date}. Reply "CANCEL" to cancel.')


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("2:30\u202fPM\u00a0today", "2:30 PM today"),
        ("It\u2019s \u201cnow\u201d \u2014 or never\u2026", 'It\'s "now" - or never...'),
        ("Ren\u00e9 Fran\u00e7ois", "Ren\u00e9 Francois"),
        ("Rene\u0301", "Ren\u00e9"),
        ("\u0141ukasz Dvo\u0159\u00e1k", "Lukasz Dvorak"),
        ("\u00bd hour\ufe0f\u200b", "1/2 hour"),
        ("\U0001f600 \u7530", "? ?"),
        ("[1] {2} ~ 3\u20ac", "[1] {2} ~ 3\u20ac"),
    ],
)
def test_says_it_in_gsm_7(text: str, cleaned: str) -> None:
    assert gsm_clean(text) == cleaned


@given(text=st.text())
def test_leaves_nothing_that_gsm_7_lacks_and_cleans_only_once(text: str) -> None:
    cleaned = gsm_clean(text)

    assert set(cleaned) <= set(GSM_BASIC + GSM_EXTENDED)
    assert gsm_clean(cleaned) == cleaned


@given(name=st.text(max_size=30), link=st.text(max_size=30))
def test_renders_gsm_7_whatever_the_values(name: str, link: str) -> None:
    assert set(render(name=name, link=link)) <= set(GSM_BASIC + GSM_EXTENDED)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("\u20ac" * 80, 1),
        ("\u20ac" * 81, 2),
        ("\u20ac" * 153, 3),  # 76 to a segment: the 77th would be split
        ("\u4f60" * 70, 1),
        ("\u4f60" * 71, 2),
        ("\U0001f600" * 35, 1),
        ("\U0001f600" * 67, 3),
    ],
)
def test_counts_segments(text: str, count: int) -> None:
    assert segments(text) == count
