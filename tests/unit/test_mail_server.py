"""Which mail server the settings mean, and how it is spoken to."""

from __future__ import annotations

import pytest

from mail.server import MailServer, Security, Sender


@pytest.mark.parametrize(
    ("url", "port", "security"),
    [
        ("smtps://mail.example.com", 465, Security.TLS),
        ("smtps://127.0.0.1:2465", 2465, Security.TLS),
        ("smtp://mail.example.com", 587, Security.STARTTLS),
        ("smtp://mail.example.com:25", 25, Security.STARTTLS),
        ("smtp://localhost", 25, Security.NONE),
        ("smtp://127.0.0.1:2525", 2525, Security.NONE),
        ("smtp://[::1]:2525", 2525, Security.NONE),
    ],
)
def test_only_this_machine_is_spoken_to_in_the_clear(url: str, port: int, security: Security) -> None:
    server = MailServer.at(url)

    assert (server.port, server.security) == (port, security)


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("mail.example.com:587", "must be a URL starting with smtps:// or smtp://"),
        ("https://mail.example.com", "must be a URL starting with smtps:// or smtp://"),
        ("smtp://", "must be a URL starting with smtps:// or smtp://"),
        ("smtp://user:word@mail.example.com", "must be without user and password: they have settings of their own"),
        ("smtp://mail.example.com/inbox", "must be a plain URL: a host, and a port behind it"),
        ("smtp://mail.example.com:99999", "is not a URL"),
    ],
)
def test_a_wrong_url_is_told_of_without_what_stands_in_it(url: str, problem: str) -> None:
    with pytest.raises(ValueError, match=f"^{problem}$"):
        MailServer.at(url)


@pytest.mark.parametrize(
    ("text", "sender"),
    [
        ("clinic@example.com", Sender("clinic@example.com")),
        ("Front Desk <clinic@example.com>", Sender("clinic@example.com", "Front Desk")),
        ('"Chen, Dr." <clinic@EXAMPLE.com>', Sender("clinic@example.com", "Chen, Dr.")),
    ],
)
def test_a_sender_is_an_address_with_or_without_a_name(text: str, sender: Sender) -> None:
    assert Sender.parse(text) == sender


@pytest.mark.parametrize("text", ["", "clinic", "Front Desk", "clinic@@example.com", "clínic@example.com"])
def test_a_sender_that_no_server_takes_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be an e-mail address"):
        Sender.parse(text)
