"""The outbox's way to the mail server."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

import structlog

from appointments.errors import MessageDeferred, MessageRefused, MessageUnclear
from mail.errors import MailAccountRefused, MailNotDone, MailRefused, MailUnclear
from mail.letter import Letter
from mail.server import MailServer, Sender
from mail.smtp import Smtp

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from agent.settings import Settings
    from appointments.store.records import OutboxRow

log = structlog.get_logger(__name__)

MAIL_TIMEOUT: Final = timedelta(seconds=20)
"""A server that looks into what it is handed takes its time; the outbox's lease is longer."""


def connect_mail(settings: Settings, *, timeout: timedelta = MAIL_TIMEOUT) -> Smtp:
    """Return the mail server of `settings`, which name one."""
    server = MailServer.at(
        settings.smtp_url, user=settings.smtp_user, password=settings.smtp_password.get_secret_value()
    )
    return Smtp(server, Sender.parse(settings.smtp_from), timeout=timeout)


class MailSender:
    """E-mails as the outbox wants them."""

    def __init__(self, smtp: Smtp) -> None:
        self._smtp = smtp

    async def send(self, row: OutboxRow) -> str:
        invite = row.attachment
        letter = Letter(
            to=row.to,
            subject=row.subject,
            text=row.body,
            reference=row.outbox_id,
            invite=invite,
            business=invite.business if invite else "",
        )
        try:
            return await self._smtp.send(letter)
        except MailRefused as error:
            log.info("mail_refused", outbox_id=row.outbox_id, code=error.code, pii_answer=error.answer)
            raise MessageRefused(str(error), code=error.code) from error
        except MailUnclear as error:
            if row.tried_at is not None:
                raise MessageRefused("the mail server was handed a letter twice and answered neither time") from error
            raise MessageUnclear(str(error)) from error
        except MailNotDone as error:
            if isinstance(error, MailAccountRefused):
                log.error("mail_account_refused", setting=error.setting, code=error.code, reason=str(error))
            raise MessageDeferred(str(error), retry_after_secs=error.retry_after_secs) from error

    async def find(self, row: OutboxRow, *, since: datetime, other_than: Collection[str]) -> str | None:
        """Find nothing: a mail server cannot be asked what it has sent.

        A letter whose answer was lost goes out once more, with the same Message-ID, by which mail programs show it
        once, and the same version of the same event, which changes nothing in a calendar that has it.
        """
        return None
