"""Holidays proposed for the business file."""

from __future__ import annotations

import sys
import tomllib
from datetime import date

import pytest

from agent.holidays import proposal
from appointments.errors import ConfigError

TODAY = date(2026, 11, 21)


def closed(country: str, **options: str | int) -> list[date]:
    found: list[date] = tomllib.loads(proposal(country, today=TODAY, **options))["closed"]  # type: ignore[arg-type]
    return found


def test_proposes_what_is_ahead_in_this_year_and_the_next_with_names() -> None:
    text = proposal("US", today=TODAY)

    assert closed("US")[:3] == [date(2026, 11, 26), date(2026, 12, 25), date(2027, 1, 1)]
    assert {day.year for day in closed("US")} == {2026, 2027}
    assert "  2026-11-26,  # Thursday: Thanksgiving Day\n" in text


def test_proposes_as_many_years_as_are_asked_for() -> None:
    assert {day.year for day in closed("US", years=1)} == {2026}
    assert max(closed("US", years=4)).year == 2029


def test_knows_the_holidays_of_a_part_of_a_country() -> None:
    lincoln = date(2027, 2, 12)

    assert lincoln in closed("US", subdivision="NY")
    assert lincoln in closed("US", subdivision="New York")
    assert lincoln not in closed("US")


def test_names_are_in_english() -> None:
    assert "Christmas Day" in proposal("DE", today=TODAY)


@pytest.mark.parametrize("country", ["us", "USA", "united states"])
def test_takes_a_country_however_it_is_written(country: str) -> None:
    assert closed(country, subdivision="ny") == closed("US", subdivision="NY")


@pytest.mark.parametrize(
    ("country", "subdivision", "expected"),
    [
        ("Untied States", "", "--country Untied States: there is none; did you mean US?"),
        ("Q", "", "use two letters such as US"),
        ("US", "Nwe York", "--subdivision Nwe York: there is none; did you mean NY?"),
        ("DE", "9", "use one of Augsburg, BB, BE, BW, BY"),
        ("EE", "Tallinn", "because EE has the same holidays everywhere"),
    ],
)
def test_says_what_is_meant_instead_of_an_unknown_place(country: str, subdivision: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        proposal(country, subdivision=subdivision)

    assert expected in str(caught.value)


def test_says_how_to_get_the_holidays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "holidays", None)

    with pytest.raises(ConfigError, match="uv sync --group authoring"):
        proposal("US")
