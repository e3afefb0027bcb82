"""What a worker says to who starts it in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.server import greeting

if TYPE_CHECKING:
    from agent.settings import CalendarName


@pytest.mark.parametrize(("calendar", "named"), [("calcom", "Cal.com"), ("builtin", "the built-in calendar")])
def test_tells_where_it_listens_and_what_it_books(calendar: CalendarName, named: str) -> None:
    assert greeting("127.0.0.1", 8080, calendar) == (
        f"Listening on http://127.0.0.1:8080, booking into {named}. `slotline doctor` checks the installation."
    )
