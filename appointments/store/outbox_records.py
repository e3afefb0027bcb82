"""The messages to be sent: each is added with what it tells of, leased by one worker at a time, and sent once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

from pydantic import TypeAdapter
from sqlalchemy import and_, func, or_, select, update

from appointments.model import AppointmentId, CallSid
from appointments.store.database import Database, insert_new
from appointments.store.records import AT_ONCE, Channel, Invite, MessageKind, OutboxRow
from appointments.store.tables import opt_outs, outbox

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime, timedelta

    from sqlalchemy import ColumnElement, Row
    from sqlalchemy.ext.asyncio import AsyncConnection

    from appointments.store.records import OutgoingMessage

# Status callbacks arrive in any order; a status never gives way to one of a lower rank.
_RANKS = {"": 0, "accepted": 1, "scheduled": 1, "queued": 2, "sending": 3, "sent": 4}
_RANKS |= dict.fromkeys(("delivered", "undelivered", "failed", "canceled"), 5) | {"read": 6}
_OUTLAST_CHANGES = (MessageKind.OWNER_NOTICE, MessageKind.REPLY)
"""What is told of an event itself stays true when another follows."""
CHANGED = "changed"
STOP = "stop"
"""Why a number is texted no more: its owner said so."""
_UNABLE = frozenset({"21211", "21614", "30006"})
"""Twilio's codes for a number that no text can reach: impossible, no mobile, a landline."""
_INVITES = TypeAdapter(Invite)


async def add_messages(
    connection: AsyncConnection,
    appointment_id: AppointmentId | None,
    messages: Sequence[OutgoingMessage],
    *,
    now: datetime,
) -> None:
    """Add `messages` within the caller's transaction, leaving out those that are there already."""
    for message in messages:
        values = {
            "outbox_id": f"ob_{uuid4().hex}",
            "dedupe_key": message.dedupe_key,
            "appointment_id": appointment_id,
            "call_sid": message.call_sid,
            "channel": message.channel,
            "kind": message.kind,
            "version": message.version,
            "receiver": message.to,
            **_content(message),
            "state": "pending",
            "status": "",
            "reason": "",
            "run_at": now + message.held_back,
            "not_before": message.not_before,
            "expires_at": message.expires_at,
            "attempts": 0,
            "owner": "",
            "message_sid": "",
            "error_code": "",
            "created_at": now,
        }
        await insert_new(connection, outbox, values)


async def supersede(connection: AsyncConnection, appointment_id: AppointmentId) -> None:
    """Cancel what is still to be sent of an appointment that is being changed, within the caller's transaction."""
    stale = and_(outbox.c.appointment_id == appointment_id, outbox.c.kind.not_in(_OUTLAST_CHANGES))
    await connection.execute(
        update(outbox).where(stale, outbox.c.state == "pending").values(state="cancelled", reason=CHANGED)
    )
    # What somebody is sending just now may go out; if it does not, it is not tried again.
    await connection.execute(update(outbox).where(stale, outbox.c.state == "leased").values(expires_at=AT_ONCE))


async def refresh(connection: AsyncConnection, messages: Sequence[OutgoingMessage]) -> None:
    """Give those of `messages` that are in the outbox, and that nobody has begun to send, the words they have now."""
    for message in messages:
        same = outbox.c.dedupe_key == message.dedupe_key
        await connection.execute(update(outbox).where(same, *_UNSENT).values(_content(message)))


class OutboxRecords(Database):
    """Leases messages, records what became of them, remembers who wants none."""

    async def enqueue(
        self, messages: Sequence[OutgoingMessage], *, appointment_id: AppointmentId | None = None
    ) -> None:
        """Add `messages` that belong to no other change of the record."""
        async with self._write() as connection:
            await add_messages(connection, appointment_id, messages, now=self._clock())

    async def lease_message(
        self, *, channel: Channel, owner: str, now: datetime, business_now: datetime, lease: timedelta
    ) -> OutboxRow | None:
        """Lease the message of `channel` that is due longest, None when none is.

        The lease must outlast the sender's timeout.
        """
        due = or_(
            and_(outbox.c.state == "pending", outbox.c.not_before <= business_now, outbox.c.run_at <= now),
            and_(outbox.c.state == "leased", outbox.c.lease_until <= now),
        )
        of_channel = outbox.c.channel == channel
        oldest = (
            select(outbox).where(due, of_channel).order_by(outbox.c.run_at).limit(1).with_for_update(skip_locked=True)
        )
        async with self._write() as connection:
            row = (await connection.execute(oldest)).first()
            if row is None:
                return None
            await connection.execute(
                update(outbox)
                .where(outbox.c.outbox_id == row.outbox_id)
                .values(
                    state="leased",
                    owner=owner,
                    lease_until=now + lease,
                    attempts=row.attempts + 1,
                    tried_at=row.tried_at or now,
                )
            )
        return _outbox_row(row)

    async def take_back(self, messages: Sequence[OutgoingMessage]) -> None:
        """Remove those of `messages` that nobody has begun to send: what they tell has been heard."""
        theirs = outbox.c.dedupe_key.in_([message.dedupe_key for message in messages])
        async with self._write() as connection:
            await connection.execute(outbox.delete().where(theirs, *_UNSENT))

    async def finish_message(self, row: OutboxRow, *, owner: str, message_sid: str, status: str) -> bool:
        """Record that the sender accepted it; False when the lease was lost or a status callback came first."""
        return await self._settle(row, owner, state="sent", message_sid=message_sid, status=status, reason="")

    async def refuse_message(self, row: OutboxRow, *, owner: str, error_code: str = "", reason: str = "") -> bool:
        """Record that it will never be sent."""
        async with self._write() as connection:
            if error_code in _UNABLE:
                await self._block(connection, row.to, error_code)
            return await self._settle_in(connection, row, owner, state="refused", error_code=error_code, reason=reason)

    async def drop_message(self, row: OutboxRow, *, owner: str, reason: str) -> bool:
        """Record that its time was over before it could be sent."""
        return await self._settle(row, owner, state="dropped", reason=reason)

    async def retry_message(
        self, row: OutboxRow, *, owner: str, run_at: datetime, may_be_sent: bool, reason: str = ""
    ) -> bool:
        """Put it back until `run_at`; `may_be_sent` makes the next worker look before it sends."""
        tried: dict[str, Any] = {} if may_be_sent else {"tried_at": None}
        return await self._settle(row, owner, state="pending", run_at=run_at, reason=reason, **tried)

    async def message_status(self, outbox_id: str, status: str, *, message_sid: str = "", error_code: str = "") -> bool:
        """Take the sender's later word, in whatever order it comes. It also proves that the message was accepted.

        Returns whether anything changed.
        """
        async with self._write() as connection:
            mine = select(outbox).where(outbox.c.outbox_id == outbox_id).with_for_update()
            row = (await connection.execute(mine)).first()
            if row is None or (row.state == "sent" and _RANKS.get(status, 0) <= _RANKS.get(row.status, 0)):
                return False
            if error_code in _UNABLE:
                await self._block(connection, row.receiver, error_code)
            changes = {"state": "sent", "status": status, "message_sid": message_sid or row.message_sid}
            await connection.execute(
                update(outbox)
                .where(outbox.c.outbox_id == outbox_id)
                .values(**changes, error_code=error_code or row.error_code)
            )
        return True

    async def texts_since(self, since: datetime, *, besides: str, to: str | None = None) -> tuple[int, datetime | None]:
        """Return how many texts went out, or may have gone out, since then, and when the first of them did.

        Args:
            besides: The id of the one that does not count.
            to: The number whose texts count; None: all do.
        """
        count = select(func.count(), func.min(outbox.c.tried_at)).where(
            outbox.c.tried_at > since,
            outbox.c.channel == Channel.SMS,
            outbox.c.state.in_(("pending", "leased", "sent")),
            outbox.c.outbox_id != besides,
        )
        if to is not None:
            count = count.where(outbox.c.receiver == to)
        async with self._read() as connection:
            number, first = (await connection.execute(count)).one()
        return number, first

    async def other_message_sids(self, row: OutboxRow) -> Collection[str]:
        """Return the sender's ids of the other messages to the same receiver: none of them is this one."""
        others = (outbox.c.receiver == row.to, outbox.c.message_sid != "", outbox.c.outbox_id != row.outbox_id)
        async with self._read() as connection:
            return set((await connection.execute(select(outbox.c.message_sid).where(*others))).scalars())

    async def pending_messages(self, by: datetime | None = None) -> int:
        """Return how many messages are still to be settled.

        Args:
            by: The moment, on the business's clock, by which they are to be sent; None: only those that wait for no
                time count.
        """
        still_open = (outbox.c.state.in_(("pending", "leased")), outbox.c.not_before <= (by or AT_ONCE))
        async with self._read() as connection:
            return int((await connection.execute(select(func.count()).where(*still_open))).scalar_one())

    async def messages(self, appointment_id: AppointmentId | None = None) -> Sequence[OutboxRow]:
        """Return the messages about an appointment, or all of them, oldest first."""
        query = select(outbox).order_by(outbox.c.created_at, outbox.c.not_before, outbox.c.outbox_id)
        if appointment_id is not None:
            query = query.where(outbox.c.appointment_id == appointment_id)
        async with self._read() as connection:
            return [_outbox_row(row) for row in await connection.execute(query)]

    async def message(self, outbox_id: str) -> OutboxRow | None:
        """Return a message, None when it is unknown."""
        async with self._read() as connection:
            row = (await connection.execute(select(outbox).where(outbox.c.outbox_id == outbox_id))).first()
            return _outbox_row(row) if row else None

    async def opt_out(self, number: str) -> None:
        """Remember that `number` wants no texts."""
        async with self._write() as connection:
            await connection.execute(opt_outs.delete().where(opt_outs.c.number == number))
            await self._block(connection, number, STOP)

    async def opt_in(self, number: str) -> None:
        """Forget that `number` wanted no texts."""
        async with self._write() as connection:
            await connection.execute(opt_outs.delete().where(opt_outs.c.number == number))

    async def has_opted_out(self, number: str) -> bool:
        """Return whether `number` wants no texts."""
        return await self._why_blocked(number) == STOP

    async def takes_texts(self, number: str) -> bool:
        """Return whether a text to `number` has a chance: it is wanted, and none was found unable to arrive."""
        return await self._why_blocked(number) is None

    async def _why_blocked(self, number: str) -> str | None:
        query = select(opt_outs.c.because).where(opt_outs.c.number == number)
        async with self._read() as connection:
            return (await connection.execute(query)).scalar_one_or_none()

    async def _block(self, connection: AsyncConnection, number: str, because: str) -> None:
        await insert_new(connection, opt_outs, {"number": number, "because": because, "since": self._clock()})

    async def _settle(self, row: OutboxRow, owner: str, **changes: Any) -> bool:
        async with self._write() as connection:
            return await self._settle_in(connection, row, owner, **changes)

    async def _settle_in(self, connection: AsyncConnection, row: OutboxRow, owner: str, **changes: Any) -> bool:
        # The fence: whoever outlived its lease changes nothing.
        mine = and_(outbox.c.outbox_id == row.outbox_id, outbox.c.owner == owner, outbox.c.state == "leased")
        done = await connection.execute(update(outbox).where(mine).values(lease_until=None, **changes))
        return bool(done.rowcount)


def _content(message: OutgoingMessage) -> dict[str, Any]:
    """Return what of a message a later word may change."""
    attachment = _INVITES.dump_python(message.attachment, mode="json") if message.attachment else None
    return {"subject": message.subject, "body": message.body, "attachment": attachment}


def _outbox_row(row: Row[Any]) -> OutboxRow:
    return OutboxRow(
        outbox_id=row.outbox_id,
        appointment_id=AppointmentId(row.appointment_id) if row.appointment_id else None,
        call_sid=CallSid(row.call_sid) if row.call_sid else None,
        channel=Channel(row.channel),
        kind=MessageKind(row.kind),
        version=row.version,
        to=row.receiver,
        subject=row.subject,
        body=row.body,
        attachment=_INVITES.validate_python(row.attachment) if row.attachment else None,
        state=row.state,
        status=row.status,
        reason=row.reason,
        attempts=row.attempts,
        not_before=row.not_before,
        expires_at=row.expires_at,
        created_at=row.created_at,
        tried_at=row.tried_at,
        message_sid=row.message_sid,
        error_code=row.error_code,
    )


_UNSENT: tuple[ColumnElement[bool], ...] = (outbox.c.state == "pending", outbox.c.tried_at.is_(None))
