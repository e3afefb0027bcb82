"""Finding out what became of a request whose answer was lost, before anything is tried again."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

import structlog

from appointments.errors import CalendarRejected, CalendarUnavailable, SlotTaken

if TYPE_CHECKING:
    from appointments.model import Booking

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class SettleTimes:
    """How long the calendar is waited for, and when an unclear booking is looked up."""

    http_timeout: timedelta = timedelta(seconds=8)
    """The calendar client's whole timeout for one request."""
    look_ups: tuple[timedelta, ...] = (timedelta(0), timedelta(seconds=1), timedelta(seconds=4))
    """After the unclear answer; one more follows when nothing of ours can be under way any longer."""
    margin: timedelta = timedelta(seconds=2)
    answer_within: timedelta = timedelta(seconds=8)
    """The caller hears something by then, settled or not."""
    claim_again: timedelta = timedelta(seconds=2)
    """How long the record is left alone when it could not be written, while a text is promised."""
    claim_within: timedelta = timedelta(minutes=3)
    """A claim that takes longer books nothing any more: the caller is told that it failed."""
    give_up_after: timedelta = timedelta(minutes=10)
    """Nothing is written about a booking whose record could not be written for so long."""
    hold_for: timedelta = timedelta(minutes=5)
    """A slot is kept for a caller so long from their choice."""

    @property
    def request(self) -> timedelta:
        """How long one request may take before it counts as unclear."""
        return self.http_timeout + self.margin

    @property
    def abandoned_after(self) -> timedelta:
        """A claim untouched for so long belongs to a dead process: a live one has just made it or touches it."""
        return self.request + self.margin


class Attempt(Protocol):
    """One thing to be done at the calendar, once."""

    @property
    def name(self) -> str:
        """The id of what it is for, for the log."""
        ...

    @property
    def may_be_repeated(self) -> bool:
        """Whether making it twice does it once at most, or is refused the second time."""
        ...

    async def make(self) -> Booking:
        """Ask the calendar for it.

        Raises:
            SlotTaken, CalendarRejected: it is refused, perhaps because it has been done already.
            CalendarUnavailable: with `is_unclear` when it may have been done.
        """
        ...

    async def find(self) -> Booking | None:
        """Return what shows that it has been done, None when nothing does."""
        ...

    async def keep_working(self) -> None:
        """Tell the other processes that somebody is at work on it."""
        ...


class Settling:
    """Does a thing once: looks up what is unclear, and repeats it only where that cannot do it twice."""

    def __init__(self, times: SettleTimes) -> None:
        self._times = times

    async def carry_out(self, attempt: Attempt) -> Booking:
        """Do what nobody has tried yet.

        Raises:
            SlotTaken, CalendarRejected: nothing was done.
            CalendarUnavailable: nothing was done, or, with `is_unclear`, it cannot be found out.
        """
        try:
            return await self._make(attempt)
        except SlotTaken as refusal:
            return await self._done_in_spite_of(refusal, attempt)
        except CalendarUnavailable as error:
            if not error.is_unclear:
                raise
            log.warning("outcome_unclear", of=attempt.name)
        return await self.find_out(attempt)

    async def find_out(self, attempt: Attempt) -> Booking:
        """Settle what may or may not have been done; raises as `carry_out` does."""
        found = await self._look_up(attempt)
        if found is not None:
            return found
        if not attempt.may_be_repeated:
            raise CalendarUnavailable("nobody knows whether it will be done", is_unclear=True)
        log.warning("request_repeated", of=attempt.name)
        await attempt.keep_working()
        try:
            return await self._make(attempt)
        except (SlotTaken, CalendarRejected) as refusal:
            return await self._done_in_spite_of(refusal, attempt)
        except CalendarUnavailable as error:
            # Even when the repetition certainly did nothing, the first try may still take effect.
            found = await self._look_up(attempt)
            if found is None:
                raise CalendarUnavailable("the calendar has not answered twice", is_unclear=True) from error
            return found

    async def _done_in_spite_of(self, refusal: SlotTaken | CalendarRejected, attempt: Attempt) -> Booking:
        """Return what we did ourselves when that is what the calendar refuses to do twice."""
        try:
            found = await self._find(attempt)
        except (CalendarUnavailable, CalendarRejected):
            found = await self._look_up(attempt)
        if found is None:
            raise refusal
        return found

    async def _look_up(self, attempt: Attempt) -> Booking | None:
        """Look at growing intervals; None claims that the last two looks, one after any timeout, found nothing."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        empty_in_a_row = 0
        for moment in (*self._times.look_ups, self._times.request):
            await asyncio.sleep(began + moment.total_seconds() - loop.time())
            try:
                found = await self._find(attempt)
            except (CalendarUnavailable, CalendarRejected) as error:
                log.warning("look_up_failed", of=attempt.name, error=type(error).__name__)
                empty_in_a_row = 0
                continue
            if found is not None:
                return found
            empty_in_a_row += 1
        if empty_in_a_row < 2:
            raise CalendarUnavailable("what became of it could not be looked up", is_unclear=True)
        return None

    async def _make(self, attempt: Attempt) -> Booking:
        try:
            async with asyncio.timeout(self._times.request.total_seconds()):
                return await attempt.make()
        except TimeoutError:
            raise CalendarUnavailable("the calendar did not answer in time", is_unclear=True) from None

    async def _find(self, attempt: Attempt) -> Booking | None:
        await attempt.keep_working()
        try:
            async with asyncio.timeout(self._times.request.total_seconds()):
                return await attempt.find()
        except TimeoutError:
            raise CalendarUnavailable("the calendar did not answer in time") from None
