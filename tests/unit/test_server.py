"""What a worker says to who starts it in a terminal, and what it does before the first call."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import pytest

from agent.server import greeting, keep_out_of_collections

if TYPE_CHECKING:
    from agent.settings import CalendarName


@pytest.mark.parametrize(("calendar", "named"), [("calcom", "Cal.com"), ("builtin", "the built-in calendar")])
def test_tells_where_it_listens_and_what_it_books(calendar: CalendarName, named: str) -> None:
    assert greeting("127.0.0.1", 8080, calendar) == (
        f"Listening on http://127.0.0.1:8080, booking into {named}. `slotline doctor` checks the installation."
    )


def test_what_is_loaded_is_not_looked_through_again() -> None:
    keep_out_of_collections()
    try:
        assert gc.get_freeze_count() > 100_000
        assert len(gc.get_objects()) < 10_000
    finally:
        gc.unfreeze()
