"""Whether what stands after a rehearsed call is what its scenario expects."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from agent.booked_before import call_before
from appointments.model import AppointmentStatus
from simulator.caller_texts import code_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from agent.rehearsal import Event
    from agent.scenarios import Expectation, Scenario
    from appointments.model import Appointment, Business
    from appointments.store.records import CallerRequest


@dataclass(frozen=True, slots=True)
class Held:
    """A booking of ours that holds its slot in the calendar in use."""

    start: datetime
    title: str


def concerned(scenario: Scenario) -> set[str]:
    """Return the numbers that texts of the call may go to: the caller's, and those of what existed before."""
    numbers = {scenario.caller.number, *(each.number for each in scenario.booked)}
    return {number for number in numbers if number}


def wrong_bookings(scenario: Scenario, expect: Expectation, business: Business, held: Sequence[Held]) -> list[str]:
    """Return what the calendar holds that it should not, or lacks."""
    starts = sorted(_local(each.start, business.zone) for each in held)
    kept = [each.at for each in scenario.booked]
    if expect.cancelled or expect.moved:
        kept[0:1] = [expect.moved] if expect.moved else []
    wanted = sorted([*expect.bookings, *kept])
    wrong = [] if starts == wanted else [f"the calendar holds {_times(starts)}, not {_times(wanted)}"]
    for start, title in zip(expect.bookings, expect.titles, strict=False):
        found = [each.title for each in held if _local(each.start, business.zone) == start]
        wrong += [f"the booking is for {other}, not for {title}" for other in found if title not in found]
    return wrong


def wrong_record(scenario: Scenario, expect: Expectation, appointments: Iterable[Appointment]) -> list[str]:
    """Return what has become of the first of what existed before, where something else was expected of it."""
    if not scenario.booked:
        return []
    first = next((each for each in appointments if each.call_sid == call_before(0)), None)
    if first is None:
        return ["the record has lost the appointment that existed before"]
    is_cancelled, is_confirmed = first.status is AppointmentStatus.CANCELLED, first.confirmed_at is not None
    facts = {"cancelled": (is_cancelled, expect.cancelled), "confirmed": (is_confirmed, expect.confirmed)}
    return [
        f"the record says that the appointment is {'' if is_so else 'not '}{what}"
        for what, (is_so, wanted) in facts.items()
        if is_so != wanted
    ]


def wrong_requests(expect: Expectation, requests: Iterable[CallerRequest]) -> list[str]:
    """Return what the caller left, where they should have left something else."""
    left = Counter(request.kind.value for request in requests)
    return [] if left == Counter(expect.requests) else [f"left are {_kinds(left)}, not {_kinds(expect.requests)}"]


def wrong_texts(expect: Expectation, texts: Sequence[dict[str, Any]]) -> list[str]:
    """Return how many texts and codes were accepted, where another number was expected."""
    codes = sum(code_in([text["body"]]) is not None for text in texts)
    counts = {"texts": (len(texts) - codes, expect.sms), "texts with a code": (codes, expect.codes)}
    return [
        f"{what} accepted for the caller: {sent}, not {wanted}"
        for what, (sent, wanted) in counts.items()
        if sent != wanted
    ]


def wrong_words(expect: Expectation, events: Iterable[Event]) -> list[str]:
    """Return what the agent said that it must not, or never said that it must."""
    said = [event.text for event in events if event.who == "agent"]
    missing = [each for each in expect.said if not any(re.search(each, text, re.IGNORECASE) for text in said)]
    unsaid = expect.unsaid
    wrong = [text for text in said if unsaid is not None and re.search(unsaid, text, re.IGNORECASE)]
    return [*(f"the agent said: {text}" for text in wrong), *(f"the agent never said: {each}" for each in missing)]


def wrong_transfer(expect: Expectation, dialled: Sequence[dict[str, Any]]) -> list[str]:
    """Return whether a person took the call, and what they were told first, where it should be otherwise."""
    wrong = []
    is_transferred = any(each["is_bridged"] for each in dialled)
    if is_transferred != expect.transferred:
        wrong.append(f"a person {'has' if is_transferred else 'has not'} taken the call")
    told = " ".join(each["told"] for each in dialled)
    if expect.told and not re.search(expect.told, told, re.IGNORECASE):
        wrong.append(f"the person was told: {told or 'nothing'}")
    return wrong


def _local(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None)


def _times(times: Sequence[datetime]) -> str:
    return " and ".join(f"a booking at {time:%Y-%m-%d %H:%M}" for time in times) or "no booking"


def _kinds(kinds: Iterable[str]) -> str:
    return " and ".join(sorted(kinds)) or "no requests"
