"""Hands letters to the mail server: one connection a letter, each with a deadline, and none repeated by itself."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import aiosmtplib

from mail.errors import MailAccountRefused, MailNotDone, MailRefused, MailUnclear
from mail.letter import message_id, render_letter, wire_address
from mail.server import Security

if TYPE_CHECKING:
    from datetime import timedelta

    from mail.errors import MailError
    from mail.letter import Letter
    from mail.server import MailServer, Sender

_RETRY_SECS: Final = 30.0
"""A server that greylists takes nothing sooner than after minutes; who asks again waits longer each time."""
_GOODBYE_SECS: Final = 1.0
_TEMPORARY: Final = 400
"""Below are answers that refuse nothing, and what is no answer of a mail server at all."""
_PERMANENT: Final = 500
_LOGIN_WANTED: Final = 530
"""RFC 4954: nobody may send here without a login."""


class Smtp:
    """Letters in one name through one server."""

    def __init__(
        self, server: MailServer, sender: Sender, *, timeout: timedelta, tls: ssl.SSLContext | None = None
    ) -> None:
        """Let `timeout` hold for a whole letter; `tls` is whom to trust, left out: whom this machine trusts."""
        self._server = server
        self._sender = sender
        self._timeout_secs = timeout.total_seconds()
        # Made once: reading the roots takes tens of milliseconds, in which no call would be heard.
        self._tls = tls or (None if server.security is Security.NONE else ssl.create_default_context())

    async def send(self, letter: Letter) -> str:
        """Hand in one letter and return its Message-ID.

        Raises:
            MailRefused: the server will never take it.
            MailAccountRefused: the server takes no letter of ours before a person has put something right.
            MailNotDone: the server did not take it; try again later.
            MailUnclear: the server may have taken it.
        """
        message = render_letter(letter, self._sender, at=datetime.now(UTC))
        await self._talk(wire_address(letter.to), message.as_bytes())
        return message_id(letter.reference, self._sender)

    async def check(self) -> None:
        """Make sure that the server takes our login and our sender, sending nothing; raises what `send` raises."""
        await self._talk()

    async def _talk(self, to: str = "", message: bytes = b"") -> None:
        """Log in and name the sender, and with a receiver `to` hand in `message`."""
        client = self._client()
        is_on_its_way = False
        try:
            async with asyncio.timeout(self._timeout_secs):
                await client.connect()
                await client.mail(self._sender.address)
                if to:
                    await client.rcpt(to)
                    is_on_its_way = True
                    await client.data(message)
        except aiosmtplib.SMTPResponseException as error:
            # From None: its text may quote an address.
            raise self._refusal(error, is_on_its_way=is_on_its_way) from None
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            raise self._breakdown(error, is_on_its_way=is_on_its_way) from error
        finally:
            await _leave(client)

    def _client(self) -> aiosmtplib.SMTP:
        server = self._server
        return aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.user or None,
            password=server.password or None,
            # Without a name it would ask the resolver for that of this machine, and block meanwhile.
            local_hostname=self._sender.domain,
            timeout=self._timeout_secs,
            use_tls=server.security is Security.TLS,
            start_tls=server.security is Security.STARTTLS,
            tls_context=self._tls,
        )

    def _refusal(self, error: aiosmtplib.SMTPResponseException, *, is_on_its_way: bool) -> MailError:
        """Return what an answer means: whether it is about this letter, about us, or only about now."""
        code, server = error.code, self._server.address
        if code < _TEMPORARY:
            return self._breakdown(error, is_on_its_way=is_on_its_way)
        if code < _PERMANENT:
            return MailNotDone(f"{server} does not take it now ({code})", retry_after_secs=_RETRY_SECS)
        if code == _LOGIN_WANTED or isinstance(error, aiosmtplib.SMTPAuthenticationError):
            return self._account_refused(f"{server} does not take the login ({code})", "SMTP_USER", code)
        if isinstance(error, aiosmtplib.SMTPSenderRefused):
            return self._account_refused(f"{server} does not take the sender ({code})", "SMTP_FROM", code)
        if isinstance(error, aiosmtplib.SMTPRecipientRefused | aiosmtplib.SMTPDataError):
            return MailRefused(code, error.message)
        return self._account_refused(f"{server} does not talk to us ({code})", "SMTP_URL", code)

    def _breakdown(self, error: Exception, *, is_on_its_way: bool) -> MailError:
        """Return what it means that the server answered nothing, or nothing of use."""
        server = self._server.address
        if is_on_its_way:
            return MailUnclear(f"no answer to a letter from {server}: {type(error).__name__}")
        if isinstance(error, aiosmtplib.SMTPResponseException):
            return self._account_refused(f"{server} does not speak SMTP", "SMTP_URL")
        if isinstance(problem := error.__cause__ or error, ssl.SSLError):
            return self._account_refused(f"{server} shows no certificate to trust: {problem.reason}", "SMTP_URL")
        if isinstance(error, aiosmtplib.SMTPException) and not isinstance(error, _GONE):
            # It offers no encryption, or no login: aiosmtplib says so without an answer's code.
            return self._account_refused(f"{server}: {error}", "SMTP_URL")
        return MailNotDone(f"no connection to {server}: {type(error).__name__}", retry_after_secs=_RETRY_SECS)

    def _account_refused(self, message: str, setting: str, code: int = 0) -> MailAccountRefused:
        return MailAccountRefused(message, setting=setting, code=code, retry_after_secs=_RETRY_SECS)


_GONE = (aiosmtplib.SMTPConnectError, aiosmtplib.SMTPTimeoutError, aiosmtplib.SMTPServerDisconnected)


async def _leave(client: aiosmtplib.SMTP) -> None:
    """Say goodbye, as far as the server still listens; what it took it has taken."""
    with suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
        if client.is_connected:
            async with asyncio.timeout(_GOODBYE_SECS):
                await client.quit()
    client.close()
