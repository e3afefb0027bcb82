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

    from agent.expectations import Expectation, ExpectedText
    from agent.rehearsal_events import Event
    from agent.scenarios import Scenario
    from agent.standing import Standing
    from appointments.model import Appointment, Business
    from appointments.store.records import CallerRequest


@dataclass(frozen=True, slots=True)
class Held:
    """A booking of ours that holds its slot in the calendar in use."""

    start: datetime
    title: str


@dataclass(frozen=True, slots=True)
class Happened:
    """What went out, was said and was dialled in the part of a rehearsal that is judged."""

    texts: Sequence[dict[str, Any]]
    mails: Sequence[dict[str, Any]]
    events: Sequence[Event]
    dialled: Sequence[dict[str, Any]]

    def beyond(self, before: Happened) -> Happened:
        """Return what has been added to `before`."""
        return Happened(
            self.texts[len(before.texts) :],
            self.mails[len(before.mails) :],
            self.events[len(before.events) :],
            self.dialled[len(before.dialled) :],
        )


def shortcomings(
    scenario: Scenario, expect: Expectation, business: Business, standing: Standing, happened: Happened
) -> list[str]:
    """Return all that stands or happened other than `expect` says."""
    # What the calendar holds amiss is not told a second time as what the record says.
    wrong = wrong_bookings(scenario, expect, business, standing.held)
    return [
        *(wrong or wrong_record(scenario, expect, standing.record.appointments)),
        *wrong_requests(expect, standing.record.requests),
        *wrong_texts(scenario, expect, happened.texts),
        *wrong_mails(expect, happened.mails),
        *wrong_words(expect, happened.events),
        *wrong_transfer(expect, happened.dialled),
    ]


def concerned(scenario: Scenario) -> set[str]:
    """Return the numbers whose texts count: the caller's, those of what existed before, and those expected to get one.

    Others, such as the owner's, get texts that a scenario need not speak of.
    """
    numbers = {scenario.caller.number, *(each.number for each in scenario.booked)}
    numbers |= {text.to for expect in scenario.every_expectation for text in expect.texts}
    return {number for number in numbers if number}


def wrong_bookings(scenario: Scenario, expect: Expectation, business: Business, held: Sequence[Held]) -> list[str]:
    """Return what the calendar holds that it should not, or lacks."""
    starts = sorted(_local(each.start, business.zone) for each in held)
    # The first is what is moved or cancelled: of what existed before, or else of what the first call has booked.
    wanted = [*(each.at for each in scenario.booked), *expect.bookings]
    if expect.cancelled or expect.moved:
        wanted[0:1] = [expect.moved] if expect.moved else []
    wanted.sort()
    wrong = [] if starts == wanted else [f"the calendar holds {_times(starts)}, not {_times(wanted)}"]
    for start, title in zip(expect.bookings, expect.titles, strict=False):
        found = [each.title for each in held if _local(each.start, business.zone) == start]
        wrong += [f"the booking is for {other}, not for {title}" for other in found if title not in found]
    return wrong


def wrong_record(scenario: Scenario, expect: Expectation, appointments: Iterable[Appointment]) -> list[str]:
    """Return what has become of the first appointment, where something else was expected of it."""
    if not scenario.booked and not scenario.later:
        return []
    first = next((each for each in appointments if not scenario.booked or each.call_sid == call_before(0)), None)
    if first is None:
        return ["the record has lost the appointment that existed before"] if scenario.booked else []
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


def wrong_texts(scenario: Scenario, expect: Expectation, texts: Sequence[dict[str, Any]]) -> list[str]:
    """Return how many texts and codes were accepted, where another number or other words were expected."""
    codes = sum(code_in([text["body"]]) is not None for text in texts)
    counts = {"texts": (len(texts) - codes, expect.sms), "texts with a code": (codes, expect.codes)}
    return [
        *(
            f"{what} accepted for the caller: {sent}, not {wanted}"
            for what, (sent, wanted) in counts.items()
            if sent != wanted
        ),
        *_missing("text", expect.texts, texts, otherwise_to=scenario.caller.number),
        *(f"a text says: {text['body']}" for text in texts if expect.no_text and _fits(expect.no_text, text["body"])),
    ]


def wrong_mails(expect: Expectation, mails: Sequence[dict[str, Any]]) -> list[str]:
    """Return the mails that did not come; others may have."""
    told = [{"to": mail["to"], "body": f"{mail['subject']}\n{mail['text']}"} for mail in mails]
    return _missing("mail", expect.mails, told, otherwise_to=None)


def _missing(
    what: str, expected: Sequence[ExpectedText], sent: Sequence[dict[str, Any]], *, otherwise_to: str | None
) -> list[str]:
    """Return each of `expected` for which none of `sent` is left that nothing before it has taken."""
    left, missing = list(sent), []
    for each in expected:
        to = each.to or otherwise_to
        found = next((one for one in left if to in (None, one["to"]) and _fits(each.matches, one["body"])), None)
        if found is None:
            missing.append(f"no {what} to {to or 'anybody'} matches: {each.matches}")
        else:
            left.remove(found)
    return missing


def _fits(pattern: str, text: str) -> bool:
    return re.search(pattern, text, re.IGNORECASE) is not None


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
