"""The settings of the mail server: what is asked for, what is refused, and what is sent by it."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from agent.front_desk import read_front_desk
from agent.settings import Settings
from prompts.loader import REHEARSAL_BUSINESS


def settings(**changes: Any) -> Settings:
    values: dict[str, Any] = {
        "public_base_url": "https://phone.example.com",
        "twilio_account_sid": "AC",
        "twilio_auth_token": "-",
        "openai_api_key": "-",
        "business_file": "harbor.toml",
    }
    return Settings(_env_file=None, **(values | changes))  # type: ignore[call-arg]


def emails(**changes: Any) -> set[str]:
    """Return the names of the e-mail templates that a worker with these settings goes by."""
    desk = read_front_desk(settings(business_file=REHEARSAL_BUSINESS, **changes))
    return {name for name in desk.texts if name.startswith("email_")}


def test_e_mails_are_sent_where_the_calendar_sends_none() -> None:
    mail = {"smtp_url": "smtp://mail.example.com", "smtp_from": "clinic@example.com"}

    assert emails(calendar="builtin", **mail) == {"email_confirmation", "email_moved", "email_cancelled"}
    assert emails(calendar="calcom", calcom_api_key="cal_live_1", **mail) == set()
    assert emails(calendar="builtin") == set()


def test_without_a_server_there_is_no_mail() -> None:
    assert not settings().has_mail


def test_a_server_and_a_sender_are_enough() -> None:
    assert settings(smtp_url="smtp://mail.example.com", smtp_from="clinic@example.com").has_mail


def test_a_server_without_a_sender_is_refused() -> None:
    with pytest.raises(ValidationError, match="is unset beside SMTP_URL"):
        settings(smtp_url="smtp://mail.example.com")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"smtp_url": "mail.example.com"}, "must be a URL starting with smtps://"),
        ({"smtp_url": "smtp://me:hush@mail.example.com"}, "without user and password"),
        ({"smtp_from": "the clinic"}, "must be an e-mail address"),
    ],
)
def test_what_no_letter_could_be_sent_with_is_refused(changes: dict[str, str], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem) as refused:
        settings(**changes)

    assert "hush" not in str(refused.value)
