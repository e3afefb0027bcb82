"""Texts that came in, each worked through once, and what our last one has asked its receiver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, delete, func, insert, or_, select, update

from appointments.model import AppointmentId
from appointments.replies import Question
from appointments.reply_words import Wish
from appointments.store.database import Database, insert_new
from appointments.store.outbox_records import add_messages
from appointments.store.records import Channel, MessageKind, ReceivedText
from appointments.store.tables import outbox, received_texts, text_questions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime, timedelta

    from sqlalchemy import Row

    from appointments.store.records import OutgoingMessage

_REMINDERS = (MessageKind.REMINDER_DAY, MessageKind.REMINDER_HOURS)


class ReplyRecords(Database):
    """Keeps one row a text and one question a number."""

    async def receive_text(self, text: ReceivedText) -> bool:
        """Keep a text to be worked through; False when it is there already."""
        values = {
            "message_sid": text.message_sid,
            "number": text.number,
            "called": text.called,
            "body": text.body,
            "received_at": text.received_at,
            "kept_at": self._clock(),
            "tries": 0,
            "act": "",
            "is_way_out": False,
        }
        async with self._write() as connection:
            return await insert_new(connection, received_texts, values)

    async def lease_received_text(self, *, lease: timedelta) -> ReceivedText | None:
        """Lease the text that waits longest, None when none does; those of one sender come one after the other."""
        now = self._clock()
        earlier = received_texts.alias()
        is_first = ~(
            select(earlier.c.message_sid)
            .where(
                earlier.c.number == received_texts.c.number,
                earlier.c.settled_at.is_(None),
                or_(
                    earlier.c.kept_at < received_texts.c.kept_at,
                    and_(
                        earlier.c.kept_at == received_texts.c.kept_at,
                        earlier.c.message_sid < received_texts.c.message_sid,
                    ),
                ),
            )
            .exists()
        )
        is_free = or_(received_texts.c.lease_until.is_(None), received_texts.c.lease_until <= now)
        waiting = (
            select(received_texts)
            .where(received_texts.c.settled_at.is_(None), is_free, is_first)
            .order_by(received_texts.c.kept_at)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        async with self._write() as connection:
            row = (await connection.execute(waiting)).first()
            if row is None:
                return None
            mine = received_texts.c.message_sid == row.message_sid
            leased = {"lease_until": now + lease, "tries": row.tries + 1}
            await connection.execute(update(received_texts).where(mine).values(leased))
        return _received_text(row)

    async def settle_received_text(
        self,
        text: ReceivedText,
        *,
        act: str,
        is_way_out: bool = False,
        question: Question | None = None,
        messages: Sequence[OutgoingMessage] = (),
    ) -> None:
        """Record what was done about a text, with the answer; `question` takes the place of the one before."""
        now = self._clock()
        unsettled = (received_texts.c.message_sid == text.message_sid, received_texts.c.settled_at.is_(None))
        settled = {"settled_at": now, "act": act, "is_way_out": is_way_out, "lease_until": None}
        async with self._write() as connection:
            if not (await connection.execute(update(received_texts).where(*unsettled).values(settled))).rowcount:
                return  # whoever outlived its lease changes nothing
            await connection.execute(delete(text_questions).where(text_questions.c.number == text.number))
            if question is not None:
                await connection.execute(insert(text_questions).values(_question_values(text.number, question)))
            await add_messages(connection, None, messages, now=now)

    async def question_to(self, number: str) -> Question | None:
        """Return what `number` was asked last and has not answered, None when there is nothing."""
        query = select(text_questions).where(text_questions.c.number == number)
        async with self._read() as connection:
            row = (await connection.execute(query)).first()
        if row is None:
            return None
        return Question(Wish(row.wish), tuple(map(AppointmentId, row.appointment_ids)), row.until)

    async def last_reminded(self, number: str) -> AppointmentId | None:
        """Return the appointment of the last reminder that went to `number`, None when none has."""
        sent = (
            select(outbox.c.appointment_id)
            .where(
                outbox.c.receiver == number,
                outbox.c.channel == Channel.SMS,
                outbox.c.kind.in_(_REMINDERS),
                outbox.c.state == "sent",
            )
            .order_by(outbox.c.tried_at.desc())
            .limit(1)
        )
        async with self._read() as connection:
            found = (await connection.execute(sent)).scalar_one_or_none()
        return AppointmentId(found) if found else None

    async def was_shown_the_way_out(self, number: str, *, since: datetime) -> bool:
        """Return whether `number` was told since then, by the business's clock, that we do not understand."""
        told = received_texts.c.is_way_out & (received_texts.c.received_at > since)
        query = select(received_texts.c.message_sid).where(received_texts.c.number == number, told)
        async with self._read() as connection:
            return (await connection.execute(query.limit(1))).first() is not None

    async def pending_replies(self) -> int:
        """Return how many texts have not been worked through."""
        count = select(func.count()).where(received_texts.c.settled_at.is_(None))
        async with self._read() as connection:
            return int((await connection.execute(count)).scalar_one())


def _received_text(row: Row[Any]) -> ReceivedText:
    return ReceivedText(
        message_sid=row.message_sid,
        number=row.number,
        called=row.called,
        body=row.body,
        received_at=row.received_at,
        tries=row.tries,
    )


def _question_values(number: str, question: Question) -> dict[str, Any]:
    return {
        "number": number,
        "wish": question.wish,
        "appointment_ids": list(question.appointment_ids),
        "until": question.until,
    }
