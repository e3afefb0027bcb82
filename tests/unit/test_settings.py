"""Settings: what is asked for, what is refused, and what is never printed."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from agent.settings import Settings, author_settings, load_settings, talk_settings
from appointments.errors import ConfigError

ROOT = Path(__file__).parents[2]
COMPLETE = {
    "PUBLIC_BASE_URL": "https://phone.example.com",
    "TWILIO_ACCOUNT_SID": "AC" + "a" * 32,
    "TWILIO_AUTH_TOKEN": "tw-hush-1",
    "OPENAI_API_KEY": "sk-hush-2",
    "BUSINESS_FILE": "harbor.toml",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in COMPLETE.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def refused(env_file: Path | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        load_settings(env_file)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return str(caught.value)


def test_needs_five_settings_only(environment: pytest.MonkeyPatch) -> None:
    settings = load_settings(None)

    assert settings.twilio_api_base_url == "https://api.twilio.com"
    assert settings.openai_base_url == "https://api.openai.com/v1"
    assert settings.calcom_base_url == "https://api.cal.com"
    assert settings.database_url.get_secret_value() == "sqlite+aiosqlite:///data/slotline.db"
    assert settings.max_call_secs == 900
    assert settings.turn_end == "smart_turn"
    assert not settings.record_calls
    assert not settings.log_pii


def test_names_everything_that_is_unset_and_where_to_get_it(environment: pytest.MonkeyPatch) -> None:
    for name in COMPLETE:
        environment.delenv(name)

    message = refused()

    assert [line.split()[0] for line in message.splitlines()] == list(COMPLETE)
    assert "TWILIO_AUTH_TOKEN is unset. Get it: Twilio Console → Account → API keys & tokens" in message
    assert "OPENAI_API_KEY is unset. Get it: https://platform.openai.com/api-keys" in message
    assert "prompts/business/rehearsal.toml" in message


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("PUBLIC_BASE_URL", "http://phone.example.com", "must start with https://"),
        ("PUBLIC_BASE_URL", "https://phone.example.com/twilio/voice", "leave out /twilio"),
        ("PUBLIC_BASE_URL", "phone.example.com", "must be a URL"),
        ("PUBLIC_BASE_URL", "https://me:hush-4@phone.example.com", "must be a plain URL"),
        ("PUBLIC_BASE_URL", "https://phone.example.com:port", "is not a URL"),
        ("TWILIO_ACCOUNT_SID", "hush-4", "must start with AC"),
        ("TWILIO_AUTH_TOKEN", " , ", "is empty"),
        ("TWILIO_API_KEY_SID", "AChush-4", "must start with SK"),
        ("TWILIO_API_KEY_SECRET", "hush-4", "is set without TWILIO_API_KEY_SID: set both or neither"),
        ("OPENAI_BASE_URL", "ftp://hush-4", "must be a URL"),
        ("CALCOM_EVENT_TYPE_ID", "hush-4", "number of an event type"),
        ("MAX_CALL_SECS", "hush-4", "must be a valid integer"),
        ("MAX_CALL_SECS", "5", "must be greater than or equal to 30"),
        ("RECORD_CALLS", "hush-4", "must be true or false"),
        ("METRICS_TOKEN", "hush-4", "must have 16 characters or more"),
        ("OWNER_WEBHOOK_SECRET", "hush-4", "must have 16 characters or more: whoever guesses it can forge notices"),
        ("TRACES_URL", "ftp://hush-4", "must be a URL"),
        ("TURN_END", "hush-4", "must be 'smart_turn' or 'speech_timeout'"),
        ("LOG_LEVEL", "hush-4", "must be 'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
        ("CLOCK_START", "2026-12-01T09:00", "unless PUBLIC_BASE_URL is loopback"),
        ("CLOCK_START", "hush-4", "must be a valid datetime"),
    ],
)
def test_refuses_a_wrong_value_without_printing_it(
    environment: pytest.MonkeyPatch, name: str, value: str, expected: str
) -> None:
    environment.setenv(name, value)

    message = refused()

    assert message.startswith(name)
    assert expected in message
    assert "hush" not in message


def test_a_mistyped_true_is_shown(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("RECORD_CALLS", "yess")

    assert refused() == 'RECORD_CALLS must be true or false, not "yess". Write true or false'


@pytest.mark.parametrize(
    ("name", "value", "fix"),
    [
        ("CALENDAR", "gogle", "Leave it empty, or write builtin or calcom"),
        ("SPEECH_GUARD", "on", "Write off or warn or replace, or leave it empty"),
        ("LOG_LEVEL", "loud", "Write DEBUG or INFO or WARNING or ERROR, or leave it empty"),
        ("MAX_CALL_SECS", "ten", "Write a number such as 900, or leave it empty"),
        ("SPEECH_TIMEOUT_SECS", "9", "Write a number such as 0.6, or leave it empty"),
        ("CLOCK_START", "noon", "Write a time such as 2026-12-01T09:00, or leave it empty"),
        ("SMS_COUNTRIES", "USA", "Write two letters for each country, such as US,CA, or leave it empty"),
    ],
)
def test_says_what_to_write_instead_of_a_wrong_value(
    environment: pytest.MonkeyPatch, name: str, value: str, fix: str
) -> None:
    environment.setenv(name, value)

    assert refused().endswith(f". {fix}")


@pytest.mark.parametrize(("is_terminal", "log_format"), [(True, "console"), (False, "json")])
def test_logs_are_for_people_in_a_terminal_and_for_machines_elsewhere(
    environment: pytest.MonkeyPatch, *, is_terminal: bool, log_format: str
) -> None:
    environment.setenv("LOG_FORMAT", "")
    environment.setattr(sys.stderr, "isatty", lambda: is_terminal)

    assert load_settings(None).log_format == log_format


@pytest.mark.parametrize(
    ("given", "calendar", "event_type_id"),
    [
        ({}, "builtin", ""),
        ({"CALENDAR": "builtin"}, "builtin", ""),
        ({"CALCOM_API_KEY": "cal_live_hush-3"}, "calcom", ""),
        ({"CALCOM_API_KEY": "cal_live_hush-3", "CALCOM_EVENT_TYPE_ID": "101"}, "calcom", "101"),
        ({"CALCOM_API_KEY": "cal_live_hush-3", "CALENDAR": "calcom"}, "calcom", ""),
        ({"CALCOM_API_KEY": "cal_live_hush-3", "CALCOM_EVENT_TYPE_ID": "101", "CALENDAR": "builtin"}, "builtin", ""),
    ],
)
def test_cal_com_is_the_calendar_when_there_is_a_key_unless_another_is_named(
    environment: pytest.MonkeyPatch, given: dict[str, str], calendar: str, event_type_id: str
) -> None:
    for name, value in given.items():
        environment.setenv(name, value)

    settings = load_settings(None)

    assert (settings.calendar_in_use, settings.event_type_id) == (calendar, event_type_id)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"CALENDAR": "calcom", "CALCOM_API_KEY": " "},
            "CALCOM_API_KEY is unset, and CALENDAR is calcom. Get it: Cal.com → Settings → Developer → API keys",
        ),
        (
            {"CALCOM_EVENT_TYPE_ID": "101"},
            "CALCOM_EVENT_TYPE_ID is set without CALCOM_API_KEY: set both or neither",
        ),
        (
            {"CALENDAR": "outlook"},
            "CALENDAR must be '', 'builtin' or 'calcom'. Leave it empty, or write builtin or calcom",
        ),
    ],
)
def test_a_calendar_that_cannot_be_booked_is_refused(
    environment: pytest.MonkeyPatch, given: dict[str, str], message: str
) -> None:
    for name, value in given.items():
        environment.setenv(name, value)

    assert refused() == message


def test_half_an_api_key_is_refused(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("TWILIO_API_KEY_SID", "SK" + "b" * 32)

    assert refused().startswith("TWILIO_API_KEY_SECRET is unset beside TWILIO_API_KEY_SID: set both or neither")


def test_never_shows_a_secret(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DATABASE_URL", "postgresql+asyncpg://slotline:hush-4@db/slotline")
    environment.setenv("TWILIO_API_KEY_SID", "SK" + "b" * 32)
    environment.setenv("TWILIO_API_KEY_SECRET", "hush-5")

    settings = load_settings(None)

    assert "hush" not in f"{settings} {settings!r} {settings.model_dump()} {settings.model_dump_json()}"


def test_takes_several_auth_tokens_while_they_are_rotated(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("TWILIO_AUTH_TOKEN", "old , new,")

    assert load_settings(None).twilio_auth_tokens == ("old", "new")


def test_clock_is_the_systems_by_default(environment: pytest.MonkeyPatch) -> None:
    now = load_settings(None).clock()()

    assert abs(datetime.now(UTC) - now) < timedelta(seconds=5)


@pytest.mark.parametrize("start", ["2026-12-01T09:00", "2026-12-01T14:00:00Z", "2026-12-01T09:00-05:00"])
def test_clock_starts_where_it_is_told_in_the_business_zone(environment: pytest.MonkeyPatch, start: str) -> None:
    environment.setenv("PUBLIC_BASE_URL", "http://127.0.0.1:8080")
    environment.setenv("CLOCK_START", start)

    clock = load_settings(None).clock(ZoneInfo("America/New_York"))

    first, second = clock(), clock()
    assert first.tzinfo is UTC
    assert timedelta(0) <= first - datetime(2026, 12, 1, 14, tzinfo=UTC) < timedelta(seconds=5)
    assert second >= first


def test_process_environment_wins_over_the_file(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("OPENAI_API_KEY=from-file\nLLM_MODEL=from-file\nMAX_CALL_SECS=\nPOSTGRES_PASSWORD=x\n")

    settings = load_settings(env_file)

    assert settings.openai_api_key.get_secret_value() == "sk-hush-2"
    assert settings.llm_model == "from-file"
    assert settings.max_call_secs == 900


def test_reads_no_file_when_told_so(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("LLM_MODEL=from-file\n")
    environment.chdir(tmp_path)

    assert load_settings(None).llm_model == "gpt-6-luna"
    assert load_settings().llm_model == "from-file"


@pytest.mark.parametrize(("name", "meant"), [("RECORD_CALL", "RECORD_CALLS"), ("OPENAI_KEY", "OPENAI_API_KEY")])
def test_notices_a_misspelt_name_in_the_file(
    environment: pytest.MonkeyPatch, tmp_path: Path, name: str, meant: str
) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text(f"{name}=true\n")

    assert f"{name} in" in refused(env_file)
    assert f"did you mean {meant}?" in refused(env_file)


def test_a_file_that_is_not_there_is_named_first(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert load_settings(tmp_path / "none.env").llm_model == "gpt-6-luna"

    environment.delenv("OPENAI_API_KEY")
    missing, unset = refused(tmp_path / "none.env").splitlines()

    assert missing.startswith(f"there is no {tmp_path / 'none.env'}. Copy env.example")
    assert unset.startswith("OPENAI_API_KEY is unset")


def test_every_line_of_the_file_that_sets_nothing_is_named(
    environment: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    env_file = tmp_path / ".env"
    env_file.write_text("# Ours\nLLM_MODEL='a\nb'\n\nOPENAI_API_KEY\n\n\nMAX_CALL_SECS hush 5\nLOG_LEVEL=\n")

    assert [line.partition(" ")[0] for line in refused(env_file).splitlines()] == [f"{env_file}:5", f"{env_file}:8"]
    assert "hush" not in refused(env_file)
    assert capfd.readouterr().err == ""


def test_a_file_that_is_no_text_is_refused(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xff\xfe\x00")

    assert refused(tmp_path / ".env").startswith(f"{tmp_path / '.env'} cannot be read (UnicodeDecodeError)")


def test_the_settings_of_authors_forgive_the_others(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in COMPLETE:
        environment.delenv(name)
    (tmp_path / ".env").write_text("TWILIO_ACOUNT_SID=x\nMAX_CALL_SECS=soon\nLLM_MODEL=gpt-5.1\n")

    assert author_settings(tmp_path / ".env").llm_model == "gpt-5.1"
    assert not talk_settings(tmp_path / "none.env").has_model


def test_env_example_explains_every_setting_and_no_other() -> None:
    text = (ROOT / "env.example").read_text()
    listed = re.findall(r"^([A-Z_]+)=", text, re.MULTILINE)

    assert sorted(listed) == sorted(name.upper() for name in Settings.model_fields)
    for before, name in re.findall(r"^(.*)\n([A-Z_]+)=", text, re.MULTILINE):
        assert before.startswith("#") or name == "TWILIO_API_KEY_SECRET"


def test_env_example_names_the_real_defaults() -> None:
    text = (ROOT / "env.example").read_text()

    for name, field in Settings.model_fields.items():
        comment = text[: text.index(f"\n{name.upper()}=")].rsplit("\n\n", 1)[-1]
        if isinstance(field.default, str | int | float) and not isinstance(field.default, bool) and field.default:
            assert f"Default: {field.default}" in comment, name
