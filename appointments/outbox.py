"""Sending the texts of the outbox: each once, whatever is lost on the way."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from appointments.errors import MessageDeferred, MessageRefused, MessageUnclear
from appointments.tally import Tally

if TYPE_CHECKING:
    from appointments.ports import Clock, MessageSender
    from appointments.store.records import OutboxRow
    from appointments.store.store import Store

log = structlog.get_logger(__name__)

# The sender's clock and ours differ, and its list is searched by when a text was sent.
CLOCK_SLACK = timedelta(minutes=1)
LONGEST_WAIT = timedelta(minutes=5)
# A confirmation that could not be sent for a day helps nobody any more.
GIVE_UP_AFTER = timedelta(hours=24)
ACCEPTED = "accepted"
OPTED_OUT = 21610
"""Twilio's code for a receiver who said STOP: https://www.twilio.com/docs/api/errors/21610"""


class OutboxWorker:
    """Leases one text after the other and sends it, in one loop; any number of workers may share a store."""

    def __init__(
        self,
        store: Store,
        sender: MessageSender,
        *,
        owner: str,
        lease: timedelta = timedelta(seconds=60),
        poll: timedelta = timedelta(seconds=1),
        unclear_wait: timedelta = timedelta(seconds=30),
        real_clock: Clock | None = None,
        tally: Tally | None = None,
    ) -> None:
        """`lease` and `unclear_wait` must outlast the sender's timeout: a look-up sees nothing still under way."""
        self._store = store
        self._sender = sender
        self._owner = owner
        self._lease = lease
        self._poll = poll
        self._unclear_wait = unclear_wait
        self._clock = real_clock or store.now
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
                # One bad text or a busy database must not end all texting; the lease brings the text back.
                log.exception("outbox_job_crashed", owner=self._owner)
                did_one = False
            if did_one:
                continue
            if self._is_finishing:
                return
            await self._pause()

    async def send_next(self) -> bool:
        """Settle the text that is due longest; False when none is."""
        row = await self._store.lease_text(owner=self._owner, now=self._clock(), lease=self._lease)
        if row is None:
            return False
        try:
            message_sid = await self._find_or_send(row)
        except MessageRefused as error:
            await self._refuse(row, error)
        except MessageUnclear:
            await self._put_back(row, self._unclear_wait, may_be_sent=True)
        except MessageDeferred as error:
            # The look-up was deferred, or the sending; only without an earlier try is it certain that nothing went out.
            await self._put_back(row, _wait(row, error), may_be_sent=row.tried_at is not None)
        else:
            await self._store.finish_text(row, owner=self._owner, message_sid=message_sid, status=ACCEPTED)
            self._tally.text("accepted")
            log.info("text_sent", outbox_id=row.outbox_id, message_sid=message_sid)
        return True

    async def _find_or_send(self, row: OutboxRow) -> str:
        """Return the `message_sid` of the text: of an earlier try that went out after all, or of a new one."""
        if row.tried_at is not None:
            found = await self._sender.find(to=row.to, body=row.body, since=row.tried_at - CLOCK_SLACK)
            if found is not None:
                return found
        if await self._store.has_opted_out(row.to):
            raise MessageRefused("the receiver wants no texts", code=OPTED_OUT, is_opt_out=True)
        if self._clock() - row.created_at > GIVE_UP_AFTER:
            raise MessageRefused("the text could not be sent for too long")
        return await self._sender.send(to=row.to, body=row.body, outbox_id=row.outbox_id)

    async def _refuse(self, row: OutboxRow, error: MessageRefused) -> None:
        await self._store.refuse_text(row, owner=self._owner, error_code=str(error.code or ""))
        self._tally.text("refused")
        if error.is_opt_out:
            await self._store.opt_out(row.to)
            log.info("text_not_wanted", outbox_id=row.outbox_id)
        else:
            log.error("text_refused", outbox_id=row.outbox_id, code=error.code)

    async def _put_back(self, row: OutboxRow, wait: timedelta, *, may_be_sent: bool) -> None:
        run_at = self._clock() + wait
        await self._store.retry_text(row, owner=self._owner, run_at=run_at, may_be_sent=may_be_sent)
        self._tally.text("put_back")
        log.warning("text_put_back", outbox_id=row.outbox_id, may_be_sent=may_be_sent, wait_secs=wait.total_seconds())

    async def _pause(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), self._poll.total_seconds())


def _wait(row: OutboxRow, error: MessageDeferred) -> timedelta:
    """Return the sender's advice, doubled with every attempt."""
    doubled = error.retry_after_secs * 2 ** min(row.attempts, 10)
    return min(timedelta(seconds=doubled), LONGEST_WAIT)
