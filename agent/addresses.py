"""Addresses that stand in settings and files: what makes one fit to be called."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def check_url(url: str) -> None:
    """Refuse, by a `ValueError`, what is no plain address of a web server."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ValueError("is not a URL") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be a URL starting with https://")
    if parts.query or parts.fragment or parts.username or parts.password:
        raise ValueError("must be a plain URL, without user, ? or #")


def is_loopback(url: str) -> bool:
    """Whether what `url` names is on this machine."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
