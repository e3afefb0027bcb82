"""What the mail server answers is what the outbox goes by."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
import structlog

from agent.mail_sender import MailSender
from appointments.errors import MessageDeferred, MessageRefused, MessageUnclear
from appointments.model import AppointmentId, CallSid
from appointments.store.records import AT_ONCE, Channel, MessageKind, OutboxRow
from tests.letters import INVITE, MAYA, served_mail

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.letters import MailStandIns

NOW = datetime(2026, 12, 1, 14, tzinfo=UTC)
ROW = OutboxRow(
    outbox_id="ob_7",
    appointment_id=AppointmentId("ap_1"),
    call_sid=CallSid("CA1"),
    channel=Channel.EMAIL,
    kind=MessageKind.CONFIRMATION,
    version=1,
    to=MAYA,
    subject="Harbor Street Clinic: your appointment",
    body="you are booked",
    attachment=INVITE,
    state="leased",
    status="",
    reason="",
    attempts=0,
    not_before=AT_ONCE,
    expires_at=None,
    created_at=NOW,
    tried_at=None,
    message_sid="",
    error_code="",
)


@pytest.fixture
async def mail() -> AsyncIterator[MailStandIns]:
    async with served_mail() as served:
        yield served


async def test_a_row_goes_out_as_a_letter_with_its_invitation(mail: MailStandIns) -> None:
    message_id = await MailSender(mail.smtp()).send(ROW)

    (taken,) = await mail.mails()
    assert (taken["to"], taken["subject"], taken["text"]) == (ROW.to, ROW.subject, "you are booked\n")
    assert taken["from"] == "Harbor Street Clinic <clinic@example.com>"
    assert (taken["message_id"], taken["invite"]["uid"]) == (message_id, "ap_1")


async def test_a_row_without_an_invitation_is_a_plain_letter(mail: MailStandIns) -> None:
    await MailSender(mail.smtp()).send(replace(ROW, attachment=None))

    assert (await mail.mails())[0]["invite"] is None


async def test_an_address_that_nobody_has_is_refused(mail: MailStandIns) -> None:
    await mail.http.post("/control/world", json={"unknown": [MAYA]})
    with structlog.testing.capture_logs() as logs, pytest.raises(MessageRefused) as refused:
        await MailSender(mail.smtp()).send(ROW)

    assert (refused.value.code, refused.value.is_opt_out) == (550, False)
    assert {key for log in logs for key in log if not key.startswith("pii_")} == {
        "outbox_id",
        "code",
        "event",
        "log_level",
    }


async def test_a_lost_answer_is_unclear_once_and_then_given_up(mail: MailStandIns) -> None:
    sender = MailSender(mail.smtp())
    await mail.break_down("drop_after", times=2)

    with pytest.raises(MessageUnclear):
        await sender.send(ROW)
    with pytest.raises(MessageRefused):
        await sender.send(replace(ROW, tried_at=NOW))

    assert {taken["message_id"] for taken in await mail.mails()} == {"<ob_7@example.com>"}


async def test_a_server_that_has_no_time_defers(mail: MailStandIns) -> None:
    await mail.break_down("error_500")

    with pytest.raises(MessageDeferred):
        await MailSender(mail.smtp()).send(ROW)


async def test_a_wrong_password_defers_and_tells_a_person(mail: MailStandIns) -> None:
    with structlog.testing.capture_logs() as logs, pytest.raises(MessageDeferred):
        await MailSender(mail.smtp(password="an old one")).send(ROW)

    (told,) = logs
    assert (told["event"], told["log_level"], told["setting"]) == ("mail_account_refused", "error", "SMTP_USER")


async def test_nothing_can_be_looked_up(mail: MailStandIns) -> None:
    sender = MailSender(mail.smtp())
    await sender.send(ROW)

    assert await sender.find(ROW, since=NOW, other_than=()) is None
