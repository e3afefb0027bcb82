"""Letters arrive, and what a mail server answers, or does not, is told from each other."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from mail.errors import MailAccountRefused, MailNotDone, MailRefused, MailUnclear
from mail.server import MailServer, Security
from mail.smtp import Smtp
from tests.certificates import a_certificate
from tests.letters import CLINIC, INVITE, LETTER, MAYA, served_mail

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.letters import MailStandIns


@pytest.fixture
async def mail() -> AsyncIterator[MailStandIns]:
    async with served_mail() as served:
        yield served


async def test_a_letter_arrives_as_it_was_written(mail: MailStandIns) -> None:
    message_id = await mail.smtp().send(LETTER)

    (taken,) = await mail.mails()
    assert taken["message_id"] == message_id == "<ob_1@example.com>"
    assert (taken["to"], taken["from"]) == (MAYA, "Harbor Street Clinic <clinic@example.com>")
    assert (taken["subject"], taken["text"]) == (LETTER.subject, "Hello Maya Chen,\n\nyou are booked.\n")
    assert taken["invite"] is None


async def test_an_invitation_arrives_as_a_calendar_reads_it(mail: MailStandIns) -> None:
    await mail.smtp().send(replace(LETTER, invite=INVITE))

    (taken,) = await mail.mails()
    assert taken["invite"] == {
        "problem": "",
        "method": "REQUEST",
        "uid": "ap_1",
        "sequence": 1,
        "status": "CONFIRMED",
        "start": "2026-12-01T19:30:00+00:00",
        "end": "2026-12-01T20:00:00+00:00",
        "summary": "Appointment with Harbor Street Clinic",
        "description": "",
        "location": "12 Harbor Street, Springfield",
        "organizer": "clinic@example.com",
        "attendee": MAYA,
    }


async def test_lines_that_look_like_smtp_arrive_too(mail: MailStandIns) -> None:
    text = ".\n..two\nQUIT\n" + "é" * 2000

    await mail.smtp().send(replace(LETTER, text=text))

    assert (await mail.mails())[0]["text"] == text + "\n"


async def test_an_address_that_nobody_has_is_refused_for_good(mail: MailStandIns) -> None:
    await mail.http.post("/control/world", json={"unknown": [MAYA]})

    with pytest.raises(MailRefused) as refused:
        await mail.smtp().send(LETTER)

    assert refused.value.code == 550
    assert MAYA not in str(refused.value)
    assert await mail.mails() == []


async def test_a_wrong_password_is_the_accounts_matter_and_not_the_letters(mail: MailStandIns) -> None:
    with pytest.raises(MailAccountRefused) as refused:
        await mail.smtp(password="an old one").send(LETTER)

    assert (refused.value.setting, refused.value.code) == ("SMTP_USER", 535)
    assert "an old one" not in str(refused.value)


async def test_a_sender_that_is_not_ours_is_the_accounts_matter(mail: MailStandIns) -> None:
    with pytest.raises(MailAccountRefused) as refused:
        await mail.smtp(sender="eve@example.com").send(LETTER)

    assert (refused.value.setting, refused.value.code) == ("SMTP_FROM", 553)


async def test_without_a_login_a_server_that_wants_one_says_so(mail: MailStandIns) -> None:
    smtp = Smtp(MailServer.at(mail.url), CLINIC, timeout=timedelta(seconds=10))

    with pytest.raises(MailAccountRefused) as refused:
        await smtp.send(LETTER)

    assert (refused.value.setting, refused.value.code) == ("SMTP_USER", 530)


@pytest.mark.parametrize("kind", ["error_500", "rate_limited"])
async def test_a_server_that_has_no_time_is_asked_later(mail: MailStandIns, kind: str) -> None:
    await mail.break_down(kind)

    with pytest.raises(MailNotDone) as not_done:
        await mail.smtp().send(LETTER)

    assert not isinstance(not_done.value, MailAccountRefused)
    assert await mail.mails() == []


@pytest.mark.parametrize(("kind", "arrives"), [("drop_before", 0), ("drop_after", 1)])
async def test_a_lost_answer_is_unclear(mail: MailStandIns, kind: str, arrives: int) -> None:
    await mail.break_down(kind)

    with pytest.raises(MailUnclear):
        await mail.smtp().send(LETTER)

    assert len(await mail.mails()) == arrives


async def test_a_letter_that_is_sent_again_has_the_same_name(mail: MailStandIns) -> None:
    await mail.break_down("drop_after")
    with pytest.raises(MailUnclear):
        await mail.smtp().send(LETTER)

    await mail.smtp().send(LETTER)

    first, second = await mail.mails()
    assert first["message_id"] == second["message_id"]


async def test_a_server_that_is_slow_to_answer_is_not_waited_for(mail: MailStandIns) -> None:
    await mail.break_down("slow", seconds=30)

    with pytest.raises(MailUnclear):
        await mail.smtp(timeout_secs=0.5).send(LETTER)


@pytest.mark.parametrize("greeting", [b"", b"220 mail.example.com"])
async def test_a_server_that_does_not_end_its_greeting_is_not_waited_for(greeting: bytes) -> None:
    async with greets(greeting) as url:
        with pytest.raises(MailNotDone):
            await Smtp(MailServer.at(url), CLINIC, timeout=timedelta(seconds=0.3)).send(LETTER)


async def test_nobody_at_the_port_means_later() -> None:
    with pytest.raises(MailNotDone):
        await Smtp(MailServer.at("smtp://127.0.0.1:1"), CLINIC, timeout=timedelta(seconds=5)).send(LETTER)


@pytest.mark.parametrize(
    ("greeting", "expected"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", MailAccountRefused),
        (b"554 mail.example.com we do not talk to you\r\n", MailAccountRefused),
        (b"421 mail.example.com too many connections\r\n", MailNotDone),
    ],
)
async def test_a_server_that_will_not_talk_is_told_apart_from_one_that_is_busy(
    greeting: bytes, expected: type[MailNotDone]
) -> None:
    async with greets(greeting) as url:
        with pytest.raises(MailNotDone) as not_done:
            await Smtp(MailServer.at(url), CLINIC, timeout=timedelta(seconds=5)).send(LETTER)

    assert type(not_done.value) is expected


async def test_a_check_sends_nothing(mail: MailStandIns) -> None:
    await mail.smtp().check()

    assert await mail.mails() == []


async def test_many_at_once_arrive_once_each(mail: MailStandIns) -> None:
    smtp = mail.smtp()

    await asyncio.gather(*(smtp.send(replace(LETTER, reference=f"ob_{number}")) for number in range(20)))

    assert len({taken["message_id"] for taken in await mail.mails()}) == len(await mail.mails()) == 20


async def test_starttls_keeps_the_login_from_being_read(tmp_path: Path) -> None:
    certificate = a_certificate(tmp_path)
    async with served_mail(certificate.server) as mail:
        await encrypted(mail, certificate.client).send(LETTER)

        assert len(await mail.mails()) == 1


async def test_without_starttls_nothing_is_sent_beyond_this_machine(mail: MailStandIns) -> None:
    with pytest.raises(MailAccountRefused) as refused:
        await encrypted(mail, ssl.create_default_context()).send(LETTER)

    assert refused.value.setting == "SMTP_URL"
    assert await mail.mails() == []


async def test_a_server_may_be_encrypted_from_the_start(tmp_path: Path) -> None:
    certificate = a_certificate(tmp_path)
    async with served_mail(tls=certificate.server) as mail:
        await encrypted(mail, certificate.client, Security.TLS).send(LETTER)

        assert len(await mail.mails()) == 1


@pytest.mark.parametrize("security", [Security.STARTTLS, Security.TLS])
async def test_a_certificate_that_is_not_trusted_is_not_talked_to(tmp_path: Path, security: Security) -> None:
    certificate = a_certificate(tmp_path).server
    both = {"starttls": certificate} if security is Security.STARTTLS else {"tls": certificate}
    async with served_mail(**both) as mail:
        with pytest.raises(MailAccountRefused, match="shows no certificate to trust") as refused:
            await encrypted(mail, ssl.create_default_context(), security).send(LETTER)

        assert refused.value.setting == "SMTP_URL"
        assert await mail.mails() == []


def encrypted(mail: MailStandIns, trusted: ssl.SSLContext, security: Security = Security.STARTTLS) -> Smtp:
    """Return a client that speaks to loopback as to any other machine."""
    port, keys = MailServer.at(mail.url).port, mail.credentials
    server = MailServer("localhost", port, security, keys.smtp_user, keys.smtp_password)
    return Smtp(server, CLINIC, timeout=timedelta(seconds=10), tls=trusted)


@asynccontextmanager
async def greets(greeting: bytes) -> AsyncIterator[str]:
    """Serve `greeting` and nothing more, until the client hangs up."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        while await reader.read(100):
            pass
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    yield f"smtp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with asyncio.timeout(5):
        while asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.sleep(0)
    server.close()
