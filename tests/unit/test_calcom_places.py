"""Which of an event type's places is booked for the platform of the business file."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from appointments.booking_fields import LOCATION
from calendars.calcom_places import place_to_book
from tests.factories import ATTENDEE, CALLER

WITHHELD = replace(ATTENDEE, phone=None)
AT_HOME = replace(ATTENDEE, answers={LOCATION: "12 Elm Street"})


@pytest.mark.parametrize(
    ("kinds", "platform", "attendee", "place"),
    [
        ((), "phone", ATTENDEE, None),
        (("cal-video",), "cal_video", ATTENDEE, None),
        (("cal-video",), "phone", ATTENDEE, None),
        (("cal-video", "zoom"), "zoom", ATTENDEE, {"type": "integration", "integration": "zoom"}),
        (("zoom", "address"), "in_person", ATTENDEE, {"type": "address"}),
        (("zoom", "phone"), "phone", ATTENDEE, {"type": "phone"}),
        (("zoom", "link"), "in_person", ATTENDEE, None),
        (("zoom", "attendeePhone"), "phone", ATTENDEE, {"type": "attendeePhone", "phone": CALLER}),
        (("attendeePhone",), "phone", ATTENDEE, {"type": "attendeePhone", "phone": CALLER}),
        (("attendeePhone",), "phone", WITHHELD, None),
        (("attendeeAddress",), "in_person", AT_HOME, {"type": "attendeeAddress", "address": "12 Elm Street"}),
        (("attendeeDefined",), "in_person", AT_HOME, {"type": "attendeeDefined", "location": "12 Elm Street"}),
        (("attendeeAddress",), "in_person", ATTENDEE, None),
        (("unknown",), "", ATTENDEE, None),
    ],
)
def test_the_place_that_the_platform_means_is_asked_for(
    kinds: tuple[str, ...], platform: str, attendee: Any, place: Any
) -> None:
    assert place_to_book(kinds, platform, attendee) == place
