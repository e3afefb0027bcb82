"""A stand-in of a mail server: takes letters of one account on loopback, refuses what real ones refuse, keeps them."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.utils import parseaddr
from typing import TYPE_CHECKING, Any, cast

from aiohttp import web
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from pydantic import BaseModel, ConfigDict

from simulator.faults import fault_routes
from simulator.mail_invite import invite_summary
from simulator.world import HOST, read_order

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator
    from email.message import EmailMessage

    from aiosmtpd.smtp import Envelope, Session

    from simulator.faults import FaultBoard
    from simulator.world import Credentials

# It warns at every login of how it works itself.
logging.getLogger("mail.log").setLevel(logging.ERROR)

OPERATION = "letters"
_LONGEST_LINE = 998
"""RFC 5322, section 2.1.1."""
_NEEDED = ("From", "Date", "Message-ID", "To")
_OK = "250 2.0.0 queued"


class WorldOrder(BaseModel):
    """The body of ``POST /control/world``: whom nobody can write to."""

    model_config = ConfigDict(extra="forbid")

    unknown: frozenset[str] = frozenset()
    """Addresses that no mailbox has."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One letter the server has taken."""

    sender: str
    to: str
    message: EmailMessage
    taken_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def summary(self) -> dict[str, Any]:
        """What the control endpoints tell about it."""
        return {
            "to": self.to,
            "from": str(self.message["From"]),
            "sender": self.sender,
            "subject": str(self.message["Subject"]),
            "message_id": str(self.message["Message-ID"]),
            "text": _text(self.message),
            "invite": invite_summary(self.message),
            "taken_at": self.taken_at.isoformat(),
        }


class MailStandIn:
    """The account's rules, the letters it has sent, and what is to go wrong."""

    def __init__(self, credentials: Credentials, faults: FaultBoard, *, starttls: ssl.SSLContext | None = None) -> None:
        """Offer STARTTLS with the certificate of `starttls`, if there is one."""
        self._login = (credentials.smtp_user, credentials.smtp_password)
        self._sender = credentials.smtp_from
        self._faults = faults
        self._starttls = starttls
        self._world = WorldOrder()
        self._letters: list[Letter] = []

    def connection(self) -> SMTP:
        """Return the server's side of a new connection."""
        return SMTP(
            self,
            hostname="mail.example.com",
            ident="stand-in",
            authenticator=self._authenticate,
            auth_require_tls=False,  # loopback
            tls_context=self._starttls,
            data_size_limit=25 * 1024 * 1024,
        )

    def _authenticate(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, shown: object
    ) -> AuthResult:
        is_right = (
            isinstance(shown, LoginPassword)
            and (shown.login.decode(errors="replace"), shown.password.decode(errors="replace")) == self._login
        )
        # Not handled: the server itself answers a wrong login, with 535.
        return AuthResult(success=is_right, handled=is_right)

    async def handle_MAIL(
        self, _server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take the sender, if it is the account's."""
        if not session.authenticated:
            return "530 5.7.0 Authentication required"
        if address != self._sender:
            return "553 5.7.1 Sender address rejected: not owned by user"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take a receiver that can have mail. RFC 2606: nothing below ``.invalid`` ever can."""
        if address.lower().endswith(".invalid"):
            return "550 5.1.2 Recipient address rejected: Domain not found"
        if address in self._world.unknown:
            return "550 5.1.1 Recipient address rejected: User unknown"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:
        """Keep the letter, unless something is wrong with it or is to go wrong."""
        content = envelope.content
        assert isinstance(content, bytes)  # nothing is decoded
        fault = self._faults.take(OPERATION)
        match fault and fault.kind:
            case "error_500":
                return "451 4.3.0 Temporary server error. Please try again later"
            case "rate_limited":
                return "450 4.2.1 The user you are trying to contact is receiving mail at a rate that is too high"
            case "drop_before":
                return _drop(server)
            case "slow":
                assert fault is not None
                await asyncio.sleep(fault.seconds)
        if problem := _problem(content, envelope.mail_from or ""):
            return problem
        message = message_from_bytes(content, policy=policy.default)
        self._letters += [Letter(envelope.mail_from or "", to, message) for to in envelope.rcpt_tos]
        if fault and fault.kind == "drop_after":
            return _drop(server)
        if fault and fault.kind == "error_500_after":
            return "451 4.3.0 Temporary server error. Please try again later"
        return _OK

    def control_app(self) -> web.Application:
        """Return what is asked and told over HTTP."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/control/state", self._state),
                web.post("/control/world", self._set_world),
                *fault_routes(self._faults),
            ]
        )
        return app

    async def _state(self, _request: web.Request) -> web.Response:
        return web.json_response({"mails": [letter.summary for letter in self._letters], "faults": self._faults.fired})

    async def _set_world(self, request: web.Request) -> web.Response:
        self._world = await read_order(request, WorldOrder)
        self._letters = []
        self._faults.replace([])
        return web.json_response({})


@asynccontextmanager
async def serving_mail(
    stand_in: MailStandIn, port: int = 0, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    """Serve `stand_in` on loopback (`port` 0: any free one), encrypted by `tls` if given, and yield its URL."""
    server = await asyncio.get_running_loop().create_server(stand_in.connection, HOST, port, ssl=tls)
    try:
        yield f"{'smtps' if tls else 'smtp'}://{HOST}:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


def _drop(server: SMTP) -> str:
    """Abort the connection: whatever is answered after that, nobody reads."""
    cast("asyncio.Transport", server.transport).abort()
    return _OK


def _problem(content: bytes, sender: str) -> str:
    """Return how a server that is wary of spam refuses `content`, "" when it takes it."""
    if any(len(line) > _LONGEST_LINE for line in content.split(b"\r\n")):
        return "550 5.6.0 Line too long"
    head = content.partition(b"\r\n\r\n")[0]
    if not head.isascii():
        return "550 5.6.7 Non-ASCII header without SMTPUTF8"
    message = message_from_bytes(content, policy=policy.default)
    for name in _NEEDED:
        if len(message.get_all(name, [])) != 1:
            return f"550 5.7.1 Messages with no valid {name} header, or several, are not accepted"
    if parseaddr(str(message["From"]))[1].rpartition("@")[2] != sender.rpartition("@")[2]:
        return "550 5.7.26 The From header is not aligned with the sender"
    return ""


def _text(message: EmailMessage) -> str:
    part = message.get_body(("plain",))
    return str(part.get_content()).replace("\r\n", "\n") if part is not None else ""
