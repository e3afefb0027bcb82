"""Sending the messages of the outbox: each once, whatever is lost on the way."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from appointments.contact import country_of
from appointments.errors import MessageDeferred, MessageRefused, MessageUnclear
from appointments.model import PhoneNumber
from appointments.store.outbox_records import CHANGED
from appointments.store.records import AT_ONCE, Channel, MessageKind
from appointments.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import datetime

    from appointments.model import Business
    from appointments.ports import Clock, MessageSender, TextSender
    from appointments.store.records import OutboxRow
    from appointments.store.store import Store
    from appointments.tally import TextState

log = structlog.get_logger(__name__)

# The sender's clock and ours differ, and its list is searched by when a text was sent.
CLOCK_SLACK = timedelta(minutes=1)
LONGEST_WAIT = timedelta(minutes=5)
# A confirmation that could not be sent for a day helps nobody any more.
GIVE_UP_AFTER = timedelta(hours=24)
ACCEPTED = "accepted"
OPTED_OUT = 21610
"""Twilio's code for a receiver who said STOP: https://www.twilio.com/docs/api/errors/21610"""
HOUR, DAY = timedelta(hours=1), timedelta(hours=24)


class TextChannel:
    """Hands the texts of the outbox to their sender."""

    def __init__(self, sender: TextSender) -> None:
        self._sender = sender

    async def send(self, row: OutboxRow) -> str:
        return await self._sender.send(to=row.to, body=row.body, outbox_id=row.outbox_id)

    async def find(self, row: OutboxRow, *, since: datetime, other_than: Collection[str]) -> str | None:
        return await self._sender.find(to=row.to, body=row.body, since=since, other_than=other_than)


class OutboxWorker:
    """Leases one message of a channel after the other and sends it, in one loop; any number may share a store."""

    def __init__(
        self,
        store: Store,
        sender: MessageSender,
        *,
        owner: str,
        channel: Channel = Channel.SMS,
        business: Callable[[], Business] | None = None,
        clock: Clock | None = None,
        lease: timedelta = timedelta(seconds=60),
        poll: timedelta = timedelta(seconds=1),
        unclear_wait: timedelta = timedelta(seconds=30),
        real_clock: Clock | None = None,
        tally: Tally | None = None,
    ) -> None:
        """Send what is due by the business's `clock`, within the limits that `business` sets to texts.

        `lease` and `unclear_wait` must outlast the sender's timeout: a look-up sees nothing still under way.
        """
        self._store = store
        self._sender = sender
        self._owner = owner
        self.channel = channel
        self._business = business
        self._lease = lease
        self._poll = poll
        self._unclear_wait = unclear_wait
        self._clock = real_clock or store.now
        self._business_clock = clock or self._clock
        self._tally = tally or Tally()
        self._woken = asyncio.Event()
        self._is_finishing = False

    def wake(self) -> None:
        """Look into the outbox now rather than at the next poll."""
        self._woken.set()

    def finish(self) -> None:
        """Let `run` return as soon as nothing is due."""
        self._is_finishing = True
        self.wake()

    async def run(self) -> None:
        """Send what is due, until cancelled or told to finish."""
        while True:
            self._woken.clear()
            try:
                did_one = await self.send_next()
            except Exception:
                # One bad message or a busy database must not end all sending; the lease brings the message back.
                log.exception("outbox_job_crashed", owner=self._owner, channel=self.channel)
                did_one = False
            if did_one:
                continue
            if self._is_finishing:
                return
            await self._pause()

    async def send_next(self) -> bool:
        """Settle the message that is due longest; False when none is."""
        row = await self._store.lease_message(
            channel=self.channel,
            owner=self._owner,
            now=self._clock(),
            business_now=self._business_clock(),
            lease=self._lease,
        )
        if row is None:
            return False
        try:
            await self._settle(row)
        except MessageRefused as error:
            await self._refuse(row, error)
        except MessageUnclear:
            await self._put_back(row, self._unclear_wait, may_be_sent=True)
        except MessageDeferred as error:
            # The look-up was deferred, or the sending; only without an earlier try is it certain that nothing went out.
            await self._put_back(row, _wait(row, error), may_be_sent=row.tried_at is not None)
        return True

    async def _settle(self, row: OutboxRow) -> None:
        """Send it, unless an earlier try went out after all, its time is over, or too many have been sent."""
        message_sid = await self._earlier(row)
        if message_sid is None and self._is_late(row):
            await self._drop(row)
            return
        if message_sid is None and (full := await self._full(row)):
            await self._put_back(row, full.wait, may_be_sent=row.tried_at is not None, reason=full.reason)
            return
        if message_sid is None:
            message_sid = await self._send(row)
        await self._store.finish_message(row, owner=self._owner, message_sid=message_sid, status=ACCEPTED)
        self._count("accepted")
        log.info("message_sent", **_named(row), message_sid=message_sid)

    async def _earlier(self, row: OutboxRow) -> str | None:
        """Return the id of an earlier try that went out, None when none did."""
        if row.tried_at is None:
            return None
        others = await self._store.other_message_sids(row)
        return await self._sender.find(row, since=row.tried_at - CLOCK_SLACK, other_than=others)

    def _is_late(self, row: OutboxRow) -> bool:
        return row.expires_at is not None and row.expires_at <= self._business_clock()

    async def _full(self, row: OutboxRow) -> _Full | None:
        """Return which limit leaves no room for it now, None when none does."""
        if self._business is None or self.channel is not Channel.SMS:
            return None
        now, limits = self._clock(), self._business().sending
        if row.kind is not MessageKind.OWNER_NOTICE:
            number, first = await self._store.texts_since(now - HOUR, besides=row.outbox_id, to=row.to)
            if first is not None and number >= limits.most_per_number_an_hour:
                return _Full("hour_full", first + HOUR - now)
        number, first = await self._store.texts_since(now - DAY, besides=row.outbox_id)
        if first is not None and number >= limits.most_a_day:
            return _Full("day_full", first + DAY - now)
        return None

    async def _send(self, row: OutboxRow) -> str:
        if self.channel is Channel.SMS:
            await self._check_receiver(row)
        # What has a time of its own is late by that, however long it has been in the outbox.
        if row.expires_at is None and self._clock() - row.created_at > GIVE_UP_AFTER:
            raise MessageRefused("the message could not be sent for too long", reason="given_up")
        return await self._sender.send(row)

    async def _check_receiver(self, row: OutboxRow) -> None:
        """Refuse a text that the receiver does not want or cannot get, or whose country is not texted."""
        if await self._store.has_opted_out(row.to):
            raise MessageRefused("the receiver wants no texts", code=OPTED_OUT, is_opt_out=True)
        if not await self._store.takes_texts(row.to):
            raise MessageRefused("no text has reached the receiver", reason="unreachable")
        if self._business is None or row.kind is MessageKind.OWNER_NOTICE:
            return
        if country_of(PhoneNumber(row.to)) not in self._business().sms_countries:
            raise MessageRefused("the receiver's country is not texted", reason="country")

    async def _refuse(self, row: OutboxRow, error: MessageRefused) -> None:
        code = str(error.code or "")
        await self._store.refuse_message(row, owner=self._owner, error_code=code, reason=error.reason)
        self._count("refused")
        if error.is_opt_out:
            await self._store.opt_out(row.to)
            log.info("message_not_wanted", **_named(row))
        else:
            log.error("message_refused", **_named(row), code=error.code, reason=error.reason)

    async def _drop(self, row: OutboxRow) -> None:
        reason = CHANGED if row.expires_at == AT_ONCE else "late"
        await self._store.drop_message(row, owner=self._owner, reason=reason)
        self._count("dropped")
        log.warning("message_dropped", **_named(row), reason=reason)

    async def _put_back(self, row: OutboxRow, wait: timedelta, *, may_be_sent: bool, reason: str = "") -> None:
        run_at = self._clock() + wait
        await self._store.retry_message(row, owner=self._owner, run_at=run_at, may_be_sent=may_be_sent, reason=reason)
        self._count("put_back")
        secs = wait.total_seconds()
        log.warning("message_put_back", **_named(row), may_be_sent=may_be_sent, wait_secs=secs, reason=reason)

    def _count(self, state: TextState) -> None:
        if self.channel is Channel.SMS:
            self._tally.text(state)

    async def _pause(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), self._poll.total_seconds())


@dataclass(frozen=True, slots=True)
class _Full:
    """A limit that is reached, and how long until there is room."""

    reason: str
    wait: timedelta


def _named(row: OutboxRow) -> dict[str, str]:
    return {"outbox_id": row.outbox_id, "channel": row.channel, "kind": row.kind}


def _wait(row: OutboxRow, error: MessageDeferred) -> timedelta:
    """Return the sender's advice, doubled with every attempt."""
    doubled = error.retry_after_secs * 2 ** min(row.attempts, 10)
    return min(timedelta(seconds=doubled), LONGEST_WAIT)
