"""Public holidays as lines for the business file, proposed to the owner, who decides on which of them to close."""

from __future__ import annotations

import difflib
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from appointments.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import date

    from holidays import HolidayBase

NOT_INSTALLED = "the holidays are not installed: uv sync --group authoring"


def proposal(country: str, *, subdivision: str = "", years: int = 2, today: date | None = None) -> str:
    """Return the holidays from today to the end of the last of `years`, this year included, as TOML.

    Raises:
        ConfigError: the country or its subdivision is unknown, or the library of holidays is not installed.
    """
    today = today or datetime.now(UTC).astimezone().date()
    found = _holidays(country, subdivision, years=range(today.year, today.year + years))
    where = f"{found.country}, {found.subdiv}" if found.subdiv else found.country
    lines = [
        f"# Public holidays of {where}. Keep the days on which you are closed, below [rules] of the business file.",
        "closed = [",
        *(f"  {day},  # {day:%A}: {name}" for day, name in sorted(found.items()) if day >= today),
        "]",
    ]
    return "\n".join(lines)


def _holidays(country: str, subdivision: str, *, years: range) -> HolidayBase:
    try:
        from holidays import country_holidays
        from holidays.registry import COUNTRIES
    except ImportError:  # a production image leaves the authors' tools out
        raise ConfigError(NOT_INSTALLED) from None
    names = {name.replace("_", " "): codes[1] for name, codes in COUNTRIES.items()}
    codes = {code.casefold(): codes[1] for codes in COUNTRIES.values() for code in codes[1:]}
    code = codes.get(country.casefold()) or names.get(country.casefold())
    if code is None:
        raise ConfigError(_unknown("--country", country, names | codes, "two letters such as US"))
    parts = dict(_subdivisions(country_holidays(code)))
    part = parts.get(subdivision.casefold())
    if subdivision and part is None:
        raise ConfigError(_unknown("--subdivision", subdivision, parts, _listed(parts, code)))
    return country_holidays(code, subdiv=part, years=years, language="en_US")


def _subdivisions(country: HolidayBase) -> Iterator[tuple[str, str]]:
    """Yield each name of a part of the country, and the code that the library knows it by."""
    yield from ((code.casefold(), code) for code in country.subdivisions)
    yield from ((name.casefold(), code) for name, code in getattr(country, "subdivisions_aliases", {}).items())


def _unknown(option: str, value: str, there_are: Mapping[str, str], otherwise: str) -> str:
    close = difflib.get_close_matches(value.casefold(), there_are, n=1, cutoff=0.7)
    return f"{option} {value}: there is none; {f'did you mean {there_are[close[0]]}?' if close else f'use {otherwise}'}"


def _listed(there_are: Mapping[str, str], code: str) -> str:
    codes: Sequence[str] = sorted(set(there_are.values()))
    return f"one of {', '.join(codes)}" if codes else f"none, because {code} has the same holidays everywhere"
