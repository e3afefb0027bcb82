"""A letter is one that mail servers and mail programs take, whatever words are in it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mail.errors import MailRefused
from mail.letter import Letter, render_letter, wire_address
from mail.server import Sender
from tests.letters import CLINIC, INVITE, LETTER, MAYA

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)


def read(letter: Letter, sender: Sender = CLINIC) -> EmailMessage:
    """Return `letter` as it is read at the other end."""
    return message_from_bytes(render_letter(letter, sender, at=NOW).as_bytes(), policy=policy.default)


def test_it_says_from_whom_it_is_and_what_about() -> None:
    message = read(LETTER)

    assert str(message["From"]) == "Harbor Street Clinic <clinic@example.com>"
    assert (str(message["To"]), str(message["Subject"])) == (MAYA, "Harbor Street Clinic: your appointment")
    assert str(message["Message-ID"]) == "<ob_1@example.com>"
    assert message["Date"].datetime == NOW
    assert message.get_content().splitlines() == ["Hello Maya Chen,", "", "you are booked."]


def test_the_senders_own_name_goes_before_the_businesss() -> None:
    assert str(read(LETTER, Sender("clinic@example.com", "Front Desk"))["From"]) == "Front Desk <clinic@example.com>"


def test_no_holiday_notice_comes_in_answer() -> None:
    assert str(read(LETTER)["Auto-Submitted"]) == "auto-generated"


def test_an_invitation_is_a_form_of_the_text_and_a_file() -> None:
    message = read(replace(LETTER, invite=INVITE))

    kinds = [part.get_content_type() for part in message.walk()]
    assert kinds == ["multipart/mixed", "multipart/alternative", "text/plain", "text/calendar", "application/ics"]
    part = next(part for part in message.walk() if part.get_content_type() == "text/calendar")
    assert part.get_param("method") == "REQUEST"
    assert next(message.iter_attachments()).get_filename() == "invite.ics"


def test_a_line_break_in_a_header_begins_no_other() -> None:
    message = read(replace(LETTER, subject="Booked\r\nBcc: eve@example.com", business="Clinic\nBcc: eve@example.com"))

    assert message["Bcc"] is None
    assert str(message["Subject"]) == "Booked Bcc: eve@example.com"


@pytest.mark.parametrize("address", ["maya", "maya@", "mäya@example.com", "maya@example.com\r\nRCPT TO:<eve@a.com>"])
def test_an_address_that_a_server_cannot_be_told_is_refused(address: str) -> None:
    with pytest.raises(MailRefused):
        wire_address(address)


def test_a_domain_with_an_umlaut_is_written_as_servers_write_it() -> None:
    assert wire_address("maya@bücher.example") == "maya@xn--bcher-kva.example"


@given(st.text(max_size=300), st.text(max_size=300), st.text(max_size=80))
def test_whatever_the_words_every_line_is_short_and_ascii(text: str, subject: str, business: str) -> None:
    letter = replace(LETTER, text=text, subject=subject, business=business, invite=INVITE)

    raw = render_letter(letter, CLINIC, at=NOW).as_bytes()

    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) <= 998
