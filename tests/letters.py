"""Letters, invitations, and a mail server in a test's own event loop."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx

from appointments.store.records import Invite
from mail.letter import Letter
from mail.server import MailServer, Sender
from mail.smtp import Smtp
from simulator.faults import FaultBoard
from simulator.mail import MailStandIn, serving_mail
from simulator.world import Credentials, run_app

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

CLINIC = Sender("clinic@example.com")
MAYA = "maya@example.com"
INVITE = Invite(
    method="REQUEST",
    uid="ap_1",
    sequence=1,
    starts_at=datetime(2026, 12, 1, 19, 30, tzinfo=UTC),
    ends_at=datetime(2026, 12, 1, 20, tzinfo=UTC),
    title="Appointment with Harbor Street Clinic",
    description="",
    location="12 Harbor Street, Springfield",
    business="Harbor Street Clinic",
    attendee_name="Maya Chen",
)
LETTER = Letter(
    to=MAYA,
    subject="Harbor Street Clinic: your appointment",
    text="Hello Maya Chen,\n\nyou are booked.",
    reference="ob_1",
    business="Harbor Street Clinic",
)


@dataclass(frozen=True, slots=True)
class MailStandIns:
    """A mail server that is being served, and how it is told and asked."""

    url: str
    credentials: Credentials
    http: httpx.AsyncClient

    def smtp(self, *, timeout_secs: float = 10.0, password: str = "", sender: str = "") -> Smtp:
        """Return a client with the right login, and what else is asked for."""
        keys = self.credentials
        server = MailServer.at(self.url, user=keys.smtp_user, password=password or keys.smtp_password)
        return Smtp(server, Sender(sender or keys.smtp_from), timeout=timedelta(seconds=timeout_secs))

    async def break_down(self, kind: str, *, times: int = 1, seconds: float = 0.0) -> None:
        """Order one kind of fault."""
        fault = {"on": "letters", "kind": kind, "times": times, "seconds": seconds}
        answer = await self.http.post("/control/faults", json=[fault])
        assert answer.status_code == httpx.codes.OK, answer.text

    async def mails(self) -> list[dict[str, Any]]:
        """Return the letters that it has taken."""
        found: list[dict[str, Any]] = (await self.http.get("/control/state")).json()["mails"]
        return found


@contextlib.asynccontextmanager
async def served_mail(
    starttls: ssl.SSLContext | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[MailStandIns]:
    """Serve a stand-in of a mail server, which offers STARTTLS, or is encrypted from the start by `tls`."""
    credentials = Credentials.generate()
    stand_in = MailStandIn(credentials, FaultBoard("mail"), starttls=starttls)
    runner, control = await run_app(stand_in.control_app(), 0)
    try:
        async with serving_mail(stand_in, tls=tls) as url, httpx.AsyncClient(base_url=control, trust_env=False) as http:
            yield MailStandIns(url, credentials, http)
    finally:
        await runner.cleanup()
