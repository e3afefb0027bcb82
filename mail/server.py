"""Which mail server is spoken to, how, and in whose name."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from email.headerregistry import Address
from email.utils import parseaddr
from enum import StrEnum
from urllib.parse import urlsplit

from email_validator import EmailNotValidError, validate_email


class Security(StrEnum):
    """How the connection is kept from being read."""

    TLS = "tls"
    """From the first byte."""
    STARTTLS = "starttls"
    """From a command on; without it nothing is sent."""
    NONE = "none"
    """Not at all: on this machine only."""


_PORTS = {Security.TLS: 465, Security.STARTTLS: 587, Security.NONE: 25}


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where letters are handed in."""

    host: str
    port: int
    security: Security
    user: str = ""
    password: str = ""

    @classmethod
    def at(cls, url: str, *, user: str = "", password: str = "") -> MailServer:
        """Return the server at `url`, ``smtps://host:port`` or ``smtp://host:port``.

        Raises:
            ValueError: it is no such URL; says what is wrong with it.
        """
        host, port, security = _parts(url)
        return cls(host, port or _PORTS[security], security, user, password)

    @property
    def address(self) -> str:
        """The host and the port, for people."""
        return f"{self.host}:{self.port}"


def _parts(url: str) -> tuple[str, int | None, Security]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("is not a URL") from None
    if parts.scheme not in {"smtp", "smtps"} or not parts.hostname:
        raise ValueError("must be a URL starting with smtps:// or smtp://")
    if parts.username or parts.password:
        raise ValueError("must be without user and password: they have settings of their own")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("must be a plain URL: a host, and a port behind it")
    return parts.hostname, port, _security(parts.scheme, parts.hostname)


def _security(scheme: str, host: str) -> Security:
    if scheme == "smtps":
        return Security.TLS
    return Security.NONE if _is_this_machine(host) else Security.STARTTLS


def _is_this_machine(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Sender:
    """In whose name letters go out: an address, and the name that stands before it, "" for the business's."""

    address: str
    name: str = ""

    @classmethod
    def parse(cls, text: str) -> Sender:
        """Return the sender in `text`, ``clinic@example.com`` or ``Front Desk <clinic@example.com>``.

        Raises:
            ValueError: it is no e-mail address.
        """
        name, address = parseaddr(text)
        try:
            written = validate_email(address, check_deliverability=False).ascii_email
        except EmailNotValidError:
            written = None
        if written is None:
            raise ValueError("must be an e-mail address, such as clinic@example.com") from None
        return cls(written, name)

    @property
    def domain(self) -> str:
        """What stands behind the @."""
        return self.address.rpartition("@")[2]

    def header(self, business: str) -> Address:
        """Return the address as a header shows it."""
        return Address(self.name or business, addr_spec=self.address)
