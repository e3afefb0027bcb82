"""Whether Twilio would reach this worker through PUBLIC_BASE_URL, with its signature, and could open the audio."""

from __future__ import annotations

import asyncio
import ipaddress
from contextlib import aclosing
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from agent.doctor.findings import Check, Finding, failed, ok, skipped, warning
from agent.doctor.services import REQUEST_SECS, host_of
from telephony.probe import Answer, Trouble, WorkerProbe
from telephony.urls import MEDIA_PATH, STATUS_PATH, PublicUrls

if TYPE_CHECKING:
    from agent.doctor.installation import Installation

_CHECKS = (
    Check.PUBLIC_URL,
    Check.WORKER_READY,
    Check.SIGNED_REQUEST,
    Check.UNSIGNED_REQUEST,
    Check.MEDIA_SOCKET,
)
_NO_WORKER: Final = frozenset({502, 503, 504, 521, 522, 523, 524, 530})
"""What proxies and tunnels answer with when they find nobody behind them."""
_NO_CONTENT: Final = 204
_ACCEPTED: Final = range(200, 300)
_DENIED: Final = frozenset({401, 403, 407})
_SERVER_ERROR: Final = 500
_UNAVAILABLE: Final = 503

_START_IT = "Start `slotline serve`, and point the proxy or tunnel at its --host and --port."
_REDIRECT = "Set PUBLIC_BASE_URL to the address it leads to: Twilio's signature holds for one address only."
_WEBSOCKETS = (
    "Turn websockets on in the proxy. In nginx: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; "
    'proxy_set_header Connection "upgrade"; and a proxy_read_timeout of an hour.'
)
_TROUBLES = {
    Trouble.NO_ADDRESS: (
        "{host} has no address",
        "Correct PUBLIC_BASE_URL, or add the name's DNS record. The address of a free tunnel changes with each start.",
    ),
    Trouble.REFUSED: (
        "{host} refuses connections",
        "Correct the port in PUBLIC_BASE_URL if it is another; or start the proxy or tunnel that listens there, "
        "and without one, start `slotline serve` on that port.",
    ),
    Trouble.TIMEOUT: (
        f"{{host}} did not answer within {REQUEST_SECS:g} s",
        "Open the port in the firewall, and see that the proxy or tunnel runs. "
        "Some routers do not let a machine reach its own public address: then try it from outside.",
    ),
    Trouble.TLS: (
        "{host} offers no TLS that Twilio accepts: {reason}",
        "Let the proxy end TLS there, with a certificate of a public authority for exactly this name and with its "
        "whole chain, such as one of Let's Encrypt. If it looks right from elsewhere, this network replaces it.",
    ),
    Trouble.BROKEN_OFF: (
        "the connection to {host} broke off: {reason}",
        "See what the proxy or tunnel logs, and that PUBLIC_BASE_URL names its https port.",
    ),
}


async def check_webhook(installation: Installation) -> list[Finding]:
    if why := installation.lacks("public_base_url", "twilio_auth_token"):
        return [skipped(check, why) for check in _CHECKS]
    settings = installation.settings
    assert settings is not None
    url = settings.public_base_url
    if _is_private(url) and not _is_private(settings.twilio_api_base_url):
        seen = f"PUBLIC_BASE_URL is {url}, which Twilio cannot reach: that address is of this network alone"
        fix = "Set it to the public https address of the proxy or tunnel in front of `slotline serve`."
        return _nothing_but(failed(Check.PUBLIC_URL, seen, fix))
    probe = WorkerProbe(url, secret=settings.twilio_auth_tokens[0], timeout_secs=REQUEST_SECS)
    async with aclosing(probe):
        health = await probe.health()
        if health.trouble is not None:
            return _nothing_but(_unreachable(Check.PUBLIC_URL, url, health))
        return await _ask_further(url, probe, health)


async def _ask_further(url: str, probe: WorkerProbe, health: Answer) -> list[Finding]:
    ready, signed, unsigned, media = await asyncio.gather(
        probe.readiness(), probe.signed(), probe.unsigned(), probe.media()
    )
    if not any(answer.is_ours for answer in (health, signed, unsigned, media)):
        return _nothing_but(judge_health(url, health, is_there=False))
    return [
        judge_health(url, health, is_there=True),
        judge_readiness(ready),
        judge_signed(url, signed),
        judge_unsigned(unsigned),
        judge_media(url, media, signed=signed),
    ]


def _nothing_but(finding: Finding) -> list[Finding]:
    """Return what is found when the worker cannot be reached at all: the rest would only say the same."""
    return [finding, *(skipped(check, "not judged: see public_url") for check in _CHECKS if check != finding.check)]


def _unreachable(check: Check, url: str, answer: Answer) -> Finding:
    assert answer.trouble is not None
    seen, fix = _TROUBLES[answer.trouble]
    return failed(check, seen.format(host=host_of(url), reason=answer.reason), fix)


def judge_health(url: str, answer: Answer, *, is_there: bool) -> Finding:
    """Return whether slotline answers; `is_there` claims that at least one of Twilio's routes reaches it."""
    check, status = Check.PUBLIC_URL, answer.status
    if answer.is_ours:
        return ok(check, f"slotline answers at {url}")
    if is_there:
        fix = "Calls do without it. For your monitoring let the proxy pass /healthz and /readyz on too."
        return warning(check, f"Twilio's routes are there, but {url}/healthz answers {status}", fix)
    if answer.location:
        return failed(check, f"{url}/healthz redirects to {answer.location}", _REDIRECT)
    if status in _NO_WORKER:
        return failed(
            check, f"{host_of(url)} answers {status}: the proxy or tunnel finds no worker behind it", _START_IT
        )
    if status in _DENIED:
        return failed(check, f"{host_of(url)} answers {status}, and not from slotline", _let_through(url))
    tunnel = f", {answer.reason}" if answer.reason else ""
    seen = f"{url}/healthz answers {status}{tunnel}, and not from slotline"
    return failed(check, seen, f"{_START_IT} {_paths(url)}")


def judge_readiness(answer: Answer) -> Finding:
    """Return whether the worker takes calls."""
    if answer.is_ours:
        return ok(Check.WORKER_READY, "the worker takes calls")
    if answer.status == _UNAVAILABLE:
        fix = (
            "Wait a moment and run this again. If it stays so, its log tells; so may openai_key and openai_model above."
        )
        seen = "the worker takes no call now: it still renders its fixed sentences, is full, or was told to stop"
        return warning(Check.WORKER_READY, seen, fix)
    return skipped(Check.WORKER_READY, f"not judged: /readyz answers {_short(answer)}")


def judge_signed(url: str, answer: Answer) -> Finding:
    """Return whether a request that is signed as Twilio signs is accepted."""
    check, status, address = Check.SIGNED_REQUEST, answer.status, f"POST {url}{STATUS_PATH}"
    if answer.trouble is not None:
        return _unreachable(check, url, answer)
    if status == _NO_CONTENT:
        return ok(check, "the worker accepts a request signed as Twilio signs")
    if status in _DENIED and answer.is_ours:
        return failed(
            check,
            "the worker refuses a request signed as Twilio signs (403): it goes by another PUBLIC_BASE_URL or "
            "TWILIO_AUTH_TOKEN than this one, or gets another path or no signature",
            f"Restart the worker with these settings: PUBLIC_BASE_URL={url}. {_paths(url)} "
            "It must also pass the header X-Twilio-Signature.",
        )
    if status in _DENIED:
        return failed(check, f"{address} answers {status}, and not from slotline", _let_through(url))
    if answer.location:
        return failed(check, f"{address} redirects to {answer.location}", _REDIRECT)
    if status in _NO_WORKER:
        return failed(check, f"{address} answers {status}: the proxy finds no worker for it", _START_IT)
    if status == _SERVER_ERROR:
        return failed(check, f"{address} answers {status}", "The worker's log says what went wrong.")
    return failed(check, f"{address} answers {status}, not 204", f"{_paths(url)} The body must arrive unchanged too.")


def judge_unsigned(answer: Answer) -> Finding:
    """Return whether a request without a signature is refused."""
    check = Check.UNSIGNED_REQUEST
    if answer.status in _DENIED:
        return ok(check, f"a request without a signature is refused ({answer.status})")
    if answer.status in _ACCEPTED:
        fix = "Take out what stands between and signs or answers requests itself: anybody could make calls up."
        return failed(check, f"a request without a signature is accepted ({answer.status})", fix)
    return skipped(check, f"not judged: the answer was {_short(answer)}")


def judge_media(url: str, answer: Answer, *, signed: Answer) -> Finding:
    """Return whether the media socket can be opened."""
    check, address = Check.MEDIA_SOCKET, PublicUrls(url).media
    if answer.is_ours:
        return ok(check, f"{address} opens")
    if answer.status in _DENIED and signed.status != _NO_CONTENT:
        return failed(check, f"{address} is refused ({answer.status})", "Put the signed request above right first.")
    if answer.status in _DENIED:
        return failed(
            check,
            f"{address} is refused ({answer.status}), though a signed request is accepted",
            f"Let the proxy pass the header X-Twilio-Signature and the path {MEDIA_PATH} on with the upgrade too.",
        )
    if answer.status in _NO_WORKER:
        return failed(check, f"{address} answers {answer.status}: the proxy finds no worker for it", _START_IT)
    return failed(check, f"{address} does not open ({_short(answer)}): the proxy passes no websockets on", _WEBSOCKETS)


def _paths(url: str) -> str:
    prefix = urlsplit(url).path
    taken_off = f", less the {prefix} of PUBLIC_BASE_URL" if prefix else ""
    return f"Let the proxy pass every path on as it is{taken_off}: /twilio/voice must arrive as /twilio/voice."


def _let_through(url: str) -> str:
    return (
        f"Let {url}/twilio/ through without login, bot protection or a list of addresses: "
        "Twilio has no fixed ones, and the signature protects it."
    )


def _is_private(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:  # a name
        return host == "localhost" or host.endswith((".local", ".internal", ".localhost"))


def _short(answer: Answer) -> str:
    return str(answer.status) if answer.trouble is None else answer.trouble.replace("_", " ")
