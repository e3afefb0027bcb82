"""A letter: plain text, and an invitation that mail programs show with it."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import TYPE_CHECKING, Final

from email_validator import EmailNotValidError, validate_email

from mail.errors import MailRefused
from mail.invite import render_invite

if TYPE_CHECKING:
    from datetime import datetime

    from appointments.store.records import Invite
    from mail.server import Sender

_POLICY: Final = SMTP.clone(cte_type="7bit")  # not every server on the way lets eight bits through
_FILE_NAME: Final = "invite.ics"
_MAILBOX_NOT_ALLOWED: Final = 553


@dataclass(frozen=True, slots=True)
class Letter:
    """What is sent to one address. `reference` makes its Message-ID: the same each time it is tried."""

    to: str
    subject: str
    text: str
    reference: str
    invite: Invite | None = None
    business: str = ""
    """Whose letter it is, where the sender has no name of its own."""


def message_id(reference: str, sender: Sender) -> str:
    """Return the Message-ID of the letter with this `reference`.

    Who gets the letter twice, because an answer to us was lost, sees by it that it is the same.
    """
    return f"<{reference}@{sender.domain}>"


def wire_address(address: str) -> str:
    """Return `address` in the letters that every mail server takes.

    Raises:
        MailRefused: it cannot be written with them.
    """
    try:
        written = validate_email(address, check_deliverability=False).ascii_email
    except EmailNotValidError:
        written = None
    if written is None:
        raise MailRefused(_MAILBOX_NOT_ALLOWED, "not asked: the address is none, or takes SMTPUTF8")
    return written


def render_letter(letter: Letter, sender: Sender, *, at: datetime) -> EmailMessage:
    """Return `letter` as a message, made at `at`; raises `MailRefused` when nothing can be sent to its address."""
    to = wire_address(letter.to)
    message = EmailMessage(policy=_POLICY)
    message["Message-ID"] = message_id(letter.reference, sender)
    message["Date"] = format_datetime(at)
    message["From"] = sender.header(_one_line(letter.business))
    message["To"] = Address(addr_spec=to)
    message["Subject"] = _one_line(letter.subject)
    # RFC 3834: no holiday notice is sent in answer to it.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter.text.rstrip() + "\n")
    if letter.invite is not None:
        _invite(message, letter.invite, organizer=sender.address, attendee=to, at=at)
    return message


def _invite(message: EmailMessage, invite: Invite, *, organizer: str, attendee: str, at: datetime) -> None:
    """Add the invitation twice: as another form of the text, which Gmail and Outlook read, and as a file for others."""
    ical = render_invite(invite, organizer=organizer, attendee=attendee, at=at)
    message.add_alternative(
        ical.decode("utf-8"), subtype="calendar", params={"method": invite.method, "component": "VEVENT"}
    )
    message.add_attachment(ical, maintype="application", subtype="ics", filename=_FILE_NAME)


def _one_line(text: str) -> str:
    """Return `text` as a header may have it: a line break in it would begin another header."""
    return " ".join("".join(" " if unicodedata.category(letter) == "Cc" else letter for letter in text).split())
