"""`slotline event-types`: what it writes is a business file, with the reasons of what cannot be booked."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from agent.business_file import ActionTable
from agent.event_types import proposal
from appointments.booking_fields import BookingField, FieldKind
from appointments.model import EventTypeId
from calendars.calcom_event_types import EventTypeDetails, Obstacle
from tests.factories import EVENT_TYPE

PLAIN = EventTypeDetails(EVENT_TYPE, places=("cal-video",))


def numbered(number: int, **changes: Any) -> Any:
    return replace(EVENT_TYPE, id=EventTypeId(str(number)), **changes)


def written(*listed: EventTypeDetails) -> str:
    return "\n".join(proposal("ada", listed))


def tables(text: str) -> list[dict[str, Any]]:
    actions: list[dict[str, Any]] = tomllib.loads(text).get("actions", [])
    return actions


def test_an_event_type_becomes_an_action_that_a_business_file_may_have() -> None:
    (table,) = tables(written(PLAIN))

    assert table == {"event_type": "101", "title": "30-Minute Consultation", "platform": "cal_video"}
    assert ActionTable.model_validate(table)


def test_lengths_places_and_questions_are_written_with_what_there_is_to_choose() -> None:
    fields = (
        BookingField("insurance", 'Which "insurance"?', is_required=True),
        BookingField("plan", "Which plan?", FieldKind.CHOICE, is_required=True, options=("Basic", "Plus")),
        BookingField("website", "Site?", FieldKind.LINK, is_required=True),
        BookingField("colour", "Which colour?"),
        BookingField("notes", "Notes", is_required=True),
    )
    details = replace(
        PLAIN,
        event_type=numbered(7, title='The "big" one', fields=fields),
        lengths=(timedelta(minutes=30), timedelta(minutes=60)),
        places=("address", "attendeePhone", "link"),
        address="12 Harbor Street",
    )

    text = written(details)

    (table,) = tables(text)
    assert ActionTable.model_validate(table)
    assert table["title"] == 'The "big" one'
    assert (table["minutes"], table["platform"], table["address"]) == (30, "in_person", "12 Harbor Street")
    assert table["fields"]["insurance"] == {"ask": 'Which "insurance"?'}
    assert list(table["fields"]) == ["insurance", "plan", "website"]
    for comment in ("# one of 30, 60", "# or phone", "# one of Basic, Plus", '# colour = { ask = "Which colour?" }'):
        assert comment in text


def test_what_cannot_be_booked_is_left_out_and_told_with_the_way_out() -> None:
    seats = replace(PLAIN, event_type=numbered(8, title="Group\nClass"), obstacles=(Obstacle.SEATS, Obstacle.PRICE))

    text = written(seats, PLAIN)

    assert [table["event_type"] for table in tables(text)] == ["101"]
    assert text.startswith("# ada has 2 event types at Cal.com; 1 can be booked by phone.\n")
    assert '# 8, Group Class, 30 min: it has seats. Turn off "Offer seats"' in text
    assert "# 8, Group Class, 30 min: it has a price" in text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"event_type": replace(EVENT_TYPE, requires_email=True)}, "it demands an e-mail"),
        ({"needs_confirmation": True}, "until its host has accepted it"),
        ({"is_hidden": True}, "hidden"),
        ({"places": ("whereby-video",)}, "Cal.com does not say"),
        ({"places": ("address",)}, 'address = "…"'),
    ],
)
def test_what_the_owner_should_know_stands_beside_it(changes: dict[str, Any], words: str) -> None:
    text = written(replace(PLAIN, **changes))

    assert words in text
    assert len(tables(text)) == 1


def test_an_account_without_event_types_is_told_so() -> None:
    assert written().startswith("# ada has 0 event types at Cal.com; 0 can be booked by phone.")
