"""Who is told of what happens, as the business file says it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.business import load_business
from agent.front_desk import read_front_desk
from agent.settings import load_settings
from appointments.errors import ConfigError
from appointments.model import OwnerChannels, OwnerEvent
from prompts.loader import REHEARSAL_BUSINESS

if TYPE_CHECKING:
    from pathlib import Path

HARBOR = REHEARSAL_BUSINESS.read_text(encoding="utf-8")


def with_owner(tmp_path: Path, table: str) -> Path:
    path = tmp_path / "harbor.toml"
    path.write_text(f"{HARBOR}\n[owner]\n{table}\n", encoding="utf-8")
    return path


def test_nobody_is_told_unless_the_file_says_so() -> None:
    assert load_business(REHEARSAL_BUSINESS).owner == OwnerChannels()


def test_the_owner_has_three_ways_to_be_told_of_all_there_is(tmp_path: Path) -> None:
    table = 'sms = "+14155550190"\nemail = "Owner@Example.com"\nwebhook = "https://owner.example.com/hook?of=harbor"'

    assert load_business(with_owner(tmp_path, table)).owner == OwnerChannels(
        sms="+14155550190",
        email="Owner@example.com",
        webhook="https://owner.example.com/hook?of=harbor",
        notify=tuple(OwnerEvent),
    )


def test_the_owner_chooses_what_to_be_told_of(tmp_path: Path) -> None:
    owner = load_business(with_owner(tmp_path, 'sms = "+14155550190"\nnotify = ["failed", "call_back"]')).owner

    assert owner.notify == (OwnerEvent.FAILED, OwnerEvent.CALL_BACK)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ('sms = "555 0190"', "owner.sms must be a valid phone number in E.164"),
        ('email = "owner at example"', "owner.email must be an e-mail address"),
        ('webhook = "http://owner.example.com/hook"', "owner.webhook must start with https://"),
        ('webhook = "ftp://127.0.0.1/hook"', "owner.webhook must start with https://"),
        ('webhook = "https:///hook"', "owner.webhook must start with https://"),
        ('webhook = "owner.example.com"', "owner.webhook must start with https://"),
        ('notify = ["moved", "sold"]', "owner.notify must be 'booked'"),
        ('phone = "+14155550190"', "owner.phone is an unknown key"),
    ],
)
def test_names_what_is_wrong(tmp_path: Path, table: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=r"harbor\.toml") as caught:
        load_business(with_owner(tmp_path, table))

    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("table", "setting"),
    [('webhook = "http://127.0.0.1:9000/hook"', "OWNER_WEBHOOK_SECRET"), ('email = "owner@example.com"', "SMTP_URL")],
)
def test_a_way_that_nobody_can_go_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str, setting: str
) -> None:
    environment = {
        "PUBLIC_BASE_URL": "http://127.0.0.1:8080",
        "TWILIO_ACCOUNT_SID": "AC1",
        "TWILIO_AUTH_TOKEN": "token",
        "OPENAI_API_KEY": "key",
        "CALCOM_API_KEY": "key",
        "BUSINESS_FILE": str(with_owner(tmp_path, table)),
        setting: "",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(ConfigError, match=setting):
        read_front_desk(load_settings(None))
