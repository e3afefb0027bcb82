"""Whether the mail server takes the login and the sender of the settings. No letter is sent."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from agent.doctor.findings import Check, Finding, failed, ok, skipped, warning
from agent.doctor.services import REQUEST_SECS
from agent.mail_sender import connect_mail
from mail.errors import MailAccountRefused, MailError
from mail.server import MailServer

if TYPE_CHECKING:
    from agent.doctor.installation import Installation
    from agent.settings import Settings

_FIXES = {
    "SMTP_USER": "Set SMTP_USER and SMTP_PASSWORD to the login that your mail provider gave you for sending; some want "
    "a password of its own for each program.",
    "SMTP_FROM": "Name in SMTP_FROM an address that your mail provider lets this login send from.",
    "SMTP_URL": "See your mail provider's page on SMTP: smtps:// is for port 465, smtp:// for a port with STARTTLS, "
    "such as 587; the certificate must be made out to the host that is named.",
}


async def check_mail(installation: Installation) -> list[Finding]:
    """Log in at the mail server and name the sender, if there is one."""
    if why := installation.lacks("smtp_url", "smtp_password", "smtp_from"):
        return [skipped(Check.MAIL, why)]
    settings = installation.settings
    assert settings is not None
    if not settings.has_mail:
        return [ok(Check.MAIL, "SMTP_URL is unset: no e-mail is sent")]
    return [await _look(settings)]


async def _look(settings: Settings) -> Finding:
    address = MailServer.at(settings.smtp_url).address
    try:
        await connect_mail(settings, timeout=timedelta(seconds=REQUEST_SECS)).check()
    except MailAccountRefused as error:
        return failed(Check.MAIL, str(error), _FIXES[error.setting])
    except MailError as error:
        fix = (
            f"Make sure that this machine may open connections to {address} (name resolution, firewall; many hosts "
            "close port 25) and that SMTP_URL is right. Until then e-mails wait."
        )
        return warning(Check.MAIL, str(error), fix)
    return ok(Check.MAIL, f"{address} takes the login and the sender of the settings")
