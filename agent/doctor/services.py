"""What the checks of outside services have in common."""

from __future__ import annotations

from urllib.parse import urlsplit

REQUEST_SECS = 3.5
"""How long one request may take. A check makes at most two in a row, so that a silent service is soon told of."""


def host_of(url: str) -> str:
    """Return the host, and the port if it is named."""
    return urlsplit(url).netloc


def reach_help(url: str, setting: str, status_page: str) -> str:
    """Return how to fix that nobody answers at `url`."""
    return (
        f"Make sure that this machine may open connections to {host_of(url)} (name resolution, firewall) "
        f"and that {setting} is right; the service's own troubles are told at {status_page}."
    )
