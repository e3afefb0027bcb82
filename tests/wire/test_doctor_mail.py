"""The doctor says whether e-mails would go out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from agent.doctor.findings import Finding, State
from agent.doctor.installation import Installation
from agent.doctor.mail_server import check_mail
from agent.settings import Settings
from tests.letters import served_mail

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.letters import MailStandIns

PASSWORD = "not the one"


@pytest.fixture
async def mail() -> AsyncIterator[MailStandIns]:
    async with served_mail() as served:
        yield served


async def finding(mail: MailStandIns | None = None, *, broken: str = "", **changes: Any) -> Finding:
    values: dict[str, Any] = {
        "public_base_url": "http://127.0.0.1:8080",
        "twilio_account_sid": "AC",
        "twilio_auth_token": "-",
        "openai_api_key": "-",
        "business_file": "clinic.toml",
    }
    if mail is not None:
        keys = mail.credentials
        values |= {"smtp_url": mail.url, "smtp_user": keys.smtp_user, "smtp_password": keys.smtp_password}
        values |= {"smtp_from": keys.smtp_from}
    settings = Settings(_env_file=None, **(values | changes))  # type: ignore[call-arg]
    (found,) = await check_mail(Installation(settings, frozenset({broken} if broken else ())))
    return found


async def test_a_login_that_is_taken_is_told(mail: MailStandIns) -> None:
    found = await finding(mail)

    assert (found.state, found.fix) == (State.OK, "")
    assert await mail.mails() == []


async def test_no_mail_server_is_fine() -> None:
    assert (await finding()).state is State.OK


async def test_a_wrong_password_is_told_without_it(mail: MailStandIns) -> None:
    found = await finding(mail, smtp_password=PASSWORD)

    assert found.state is State.FAILED
    assert "does not take the login (535)" in found.seen
    assert "SMTP_PASSWORD" in found.fix
    assert PASSWORD not in found.seen + found.fix


async def test_a_sender_of_somebody_else_is_told(mail: MailStandIns) -> None:
    found = await finding(mail, smtp_from="eve@example.com")

    assert found.state is State.FAILED
    assert "SMTP_FROM" in found.fix


async def test_a_server_that_cannot_be_reached_keeps_no_call_from_being_taken(mail: MailStandIns) -> None:
    found = await finding(mail, smtp_url="smtp://127.0.0.1:1")

    assert found.state is State.WARNING
    assert "127.0.0.1:1" in found.seen


async def test_a_wrong_setting_has_to_be_put_right_first(mail: MailStandIns) -> None:
    found = await finding(mail, broken="smtp_from")

    assert (found.state, found.seen) == (State.SKIPPED, "not tried: SMTP_FROM must be put right first")
