"""Whether this machine's clock is right, by what the services' answers say the time is."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC
from email.utils import parsedate_to_datetime
from statistics import median
from typing import TYPE_CHECKING

import httpx

from agent.doctor.findings import Check, Finding, failed, ok, skipped, warning
from agent.doctor.services import REQUEST_SECS

if TYPE_CHECKING:
    from agent.doctor.installation import Installation

_SERVICES = {
    "twilio_api_base_url": "twilio_auth_token",
    "openai_base_url": "openai_api_key",
    "calcom_base_url": "calcom_api_key",
}
WARN_SECS = 5.0
FAIL_SECS = 60.0
_FIX = (
    "Let the system keep the time: `timedatectl set-ntp true`, or install chrony. "
    "A container has the clock of its host: put that one right."
)


async def check_clock(installation: Installation) -> list[Finding]:
    settings = installation.settings
    if settings is None:
        return [skipped(Check.CLOCK, installation.lacks())]
    # A service is not asked before there is a key for it.
    urls = [
        getattr(settings, url)
        for url, key in _SERVICES.items()
        if not installation.lacks(url, key) and getattr(settings, key).get_secret_value()
    ]
    async with httpx.AsyncClient(timeout=REQUEST_SECS, trust_env=False) as http:
        found = await asyncio.gather(*(_ahead_secs(http, url) for url in urls))
    findings = [judge([secs for secs in found if secs is not None])]
    if settings.clock_start is not None:
        seen = "CLOCK_START is set: times are offered by a rehearsal's clock, not by today's"
        findings.append(warning(Check.CLOCK, seen, "Unset CLOCK_START before real callers are served."))
    return findings


def judge(ahead_secs: list[float]) -> Finding:
    """Return the finding for a clock that is so much ahead of each service; the middle one decides."""
    if not ahead_secs:
        return skipped(Check.CLOCK, "not compared: no service said what time it is")
    ahead = median(ahead_secs)
    if abs(ahead) <= WARN_SECS:
        return ok(Check.CLOCK, f"within {WARN_SECS:.0f} s of what {_services(len(ahead_secs))}")
    seen = (
        f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} what {_services(len(ahead_secs))}: "
        "today, and the times that are still to come, are reckoned by this clock"
    )
    return failed(Check.CLOCK, seen, _FIX) if abs(ahead) > FAIL_SECS else warning(Check.CLOCK, seen, _FIX)


def _services(count: int) -> str:
    return "a service says" if count == 1 else f"{count} services say"


async def _ahead_secs(http: httpx.AsyncClient, url: str) -> float | None:
    """Return how much our clock is ahead of the service's, None when it does not tell. Any answer will do."""
    sent = time.time()
    try:
        async with asyncio.timeout(REQUEST_SECS):
            answer = await http.head(url)
        received = time.time()
        at = parsedate_to_datetime(answer.headers["date"]).astimezone(UTC).timestamp()
        age = float(answer.headers.get("age", 0))
    except (httpx.HTTPError, TimeoutError, KeyError, ValueError):
        return None
    # The header leaves out the fraction of its second: half of one on average.
    return (sent + received) / 2 - (at + 0.5 + age)
