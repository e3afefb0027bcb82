"""The settings of a worker, read from the environment and `.env`; nothing else reads them."""

from __future__ import annotations

import difflib
import io
import logging
import re
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar
from urllib.parse import urlsplit

from dotenv.parser import parse_stream
from pydantic import BeforeValidator, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from agent.addresses import check_url, is_loopback
from appointments.contact import known_country
from appointments.errors import ConfigError
from mail.server import MailServer, Sender

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pydantic_core import ErrorDetails

    from appointments.ports import Clock

OPENAI_URL = "https://api.openai.com/v1"
NO_KEY = "none"
"""What a server of one's own is shown: it may want no key, but the client does."""

SHORTEST_TOKEN = 16

_TWILIO_KEYS = "Get it: Twilio Console → Account → API keys & tokens"
_FIXES = {
    "public_base_url": "It is the https address of this worker for Twilio, such as https://phone.example.com",
    "twilio_account_sid": _TWILIO_KEYS,
    "twilio_auth_token": _TWILIO_KEYS,
    "twilio_api_key_sid": _TWILIO_KEYS,
    "twilio_api_key_secret": _TWILIO_KEYS,
    "openai_api_key": "Get it: https://platform.openai.com/api-keys",
    "calcom_api_key": "Get it: Cal.com → Settings → Developer → API keys",
    "calcom_webhook_secret": "Make one: openssl rand -hex 32",
    "smtp_url": "Write smtps://mail.example.com, or smtp:// with the port that your mail provider names",
    "smtp_from": "Write an address that your mail provider lets you send from, such as clinic@example.com",
    "sms_countries": "Write two letters for each country, such as US,CA, or leave it empty",
    "owner_webhook_secret": "Make one: openssl rand -hex 32",
    "metrics_token": "Make one: openssl rand -hex 32",
    "traces_url": "Write the whole address, such as http://127.0.0.1:4318/v1/traces",
    "business_file": "Copy prompts/business/rehearsal.toml, change it and name the copy here",
}
"""Where the value of a setting comes from."""

Some = TypeVar("Some", bound=BaseSettings)

# It would tell of a line that it cannot read without naming the file; we name both.
logging.getLogger("dotenv").setLevel(logging.ERROR)

CalendarName = Literal["builtin", "calcom"]

_UpperCase = BeforeValidator(lambda value: value.upper() if isinstance(value, str) else value)
LogLevel = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], _UpperCase]


class Settings(BaseSettings):
    """Every setting; the environment variable is the field's name in capitals. `env.example` explains each."""

    model_config = SettingsConfigDict(
        case_sensitive=False,
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
        str_strip_whitespace=True,
    )

    public_base_url: str
    twilio_account_sid: str = Field(pattern="^AC")
    twilio_auth_token: SecretStr
    twilio_api_key_sid: str = Field(default="", pattern="^(SK.*)?$")
    twilio_api_key_secret: SecretStr = Field(default=SecretStr(""), validate_default=True)
    twilio_api_base_url: str = "https://api.twilio.com"
    openai_api_key: SecretStr
    openai_base_url: str = OPENAI_URL
    calendar: Literal["", CalendarName] = ""
    calcom_api_key: SecretStr = Field(default=SecretStr(""), validate_default=True)
    calcom_base_url: str = "https://api.cal.com"
    calcom_event_type_id: str = Field(default="", pattern="^[0-9]*$")
    calcom_webhook_secret: SecretStr = SecretStr("")
    calcom_sends_texts: bool = False
    smtp_url: str = ""
    smtp_user: str = ""
    smtp_password: SecretStr = SecretStr("")
    smtp_from: str = Field(default="", validate_default=True)
    owner_webhook_secret: SecretStr = SecretStr("")
    data_dir: Path = Path("data")
    database_url: SecretStr = Field(default=SecretStr(""), validate_default=True)
    business_file: Path
    record_calls: bool = False
    sms_countries: str = ""
    max_call_secs: int = Field(default=900, ge=30, le=14_400)
    most_calls: int = Field(default=20, ge=1, le=1000)
    most_lag_ms: int = Field(default=250, ge=20, le=10_000)
    drain_secs: int = Field(default=600, ge=0, le=86_400)
    clock_start: datetime | None = None
    turn_end: Literal["smart_turn", "speech_timeout"] = "smart_turn"
    speech_timeout_secs: float = Field(default=0.6, gt=0, le=5)
    speech_guard: Literal["off", "warn", "replace"] = "replace"
    context_tokens: int = Field(default=8000, ge=1000)
    llm_model: str = "gpt-6-luna"
    stt_model: str = "gpt-4o-transcribe"
    tts_model: str = "gpt-4o-mini-tts"
    stt_mode: Literal["http", "realtime"] = "http"
    stt_realtime_model: str = "gpt-realtime-whisper"
    stt_base_url: str = ""
    stt_api_key: SecretStr = SecretStr("")
    tts_base_url: str = ""
    tts_api_key: SecretStr = SecretStr("")
    tts_voice: str = ""
    llm_fallback_base_url: str = ""
    llm_fallback_api_key: SecretStr = SecretStr("")
    llm_fallback_model: str = Field(default="", validate_default=True)
    stt_fallback_base_url: str = ""
    stt_fallback_api_key: SecretStr = SecretStr("")
    stt_fallback_model: str = Field(default="", validate_default=True)
    tts_fallback_base_url: str = ""
    tts_fallback_api_key: SecretStr = SecretStr("")
    tts_fallback_voice: str = ""
    tts_fallback_model: str = Field(default="", validate_default=True)
    log_level: LogLevel = "INFO"
    log_format: Literal["json", "console"] = Field(default_factory=lambda: "console" if sys.stderr.isatty() else "json")
    log_pii: bool = False
    metrics_token: SecretStr = SecretStr("")
    traces_url: str = ""

    @field_validator("public_base_url")
    @classmethod
    def _is_reachable_and_private(cls, url: str) -> str:
        check_url(url)
        if "/twilio" in urlsplit(url).path:
            raise ValueError("is the address of a webhook: leave out /twilio and what follows")
        if url.startswith("http://") and not is_loopback(url):
            raise ValueError("must start with https:// unless it is loopback: Twilio would talk to it in the clear")
        return url.rstrip("/")

    @field_validator("twilio_api_base_url", "openai_base_url", "calcom_base_url")
    @classmethod
    def _is_url(cls, url: str) -> str:
        check_url(url)
        return url.rstrip("/")

    @field_validator(
        "stt_base_url", "tts_base_url", "llm_fallback_base_url", "stt_fallback_base_url", "tts_fallback_base_url"
    )
    @classmethod
    def _is_url_or_left_out(cls, url: str) -> str:
        return cls._is_url(url) if url else url

    @field_validator("llm_fallback_model", "stt_fallback_model", "tts_fallback_model")
    @classmethod
    def _is_asked_of_a_fallback(cls, model: str, info: ValidationInfo) -> str:
        part = str(info.field_name).removesuffix("_model")
        for name in (f"{part}_base_url", f"{part}_api_key", f"{part}_voice"):
            value = info.data.get(name)
            if not model and (value.get_secret_value() if isinstance(value, SecretStr) else value):
                raise ValueError(f"is unset beside {name.upper()}: name the model that stands in")
        return model

    @field_validator("twilio_auth_token", "openai_api_key")
    @classmethod
    def _is_given(cls, secret: SecretStr) -> SecretStr:
        if not secret.get_secret_value().strip(" ,"):
            raise ValueError("is empty")
        return secret

    @field_validator("metrics_token", "calcom_webhook_secret", "owner_webhook_secret")
    @classmethod
    def _cannot_be_guessed(cls, secret: SecretStr, info: ValidationInfo) -> SecretStr:
        if 0 < len(secret.get_secret_value()) < SHORTEST_TOKEN:
            harm = _GUESSED[str(info.field_name)]
            raise ValueError(f"must have {SHORTEST_TOKEN} characters or more: whoever guesses it {harm}")
        return secret

    @field_validator("traces_url")
    @classmethod
    def _is_whole_url(cls, url: str) -> str:
        if url:
            check_url(url)
        return url

    @field_validator("calcom_api_key")
    @classmethod
    def _opens_calcom(cls, key: SecretStr, info: ValidationInfo) -> SecretStr:
        if info.data.get("calendar") == "calcom" and not key.get_secret_value():
            raise ValueError("is unset, and CALENDAR is calcom")
        return key

    @field_validator("calcom_event_type_id")
    @classmethod
    def _is_of_an_account(cls, event_type_id: str, info: ValidationInfo) -> str:
        if event_type_id and "calcom_api_key" in info.data and not info.data["calcom_api_key"].get_secret_value():
            raise ValueError("is set without CALCOM_API_KEY: set both or neither")
        return event_type_id

    @field_validator("smtp_url")
    @classmethod
    def _is_mail_server(cls, url: str) -> str:
        if url:
            MailServer.at(url)
        return url

    @field_validator("smtp_from")
    @classmethod
    def _can_be_written_as(cls, sender: str, info: ValidationInfo) -> str:
        if sender:
            Sender.parse(sender)
        elif info.data.get("smtp_url"):
            raise ValueError("is unset beside SMTP_URL: name the address that e-mails come from")
        return sender

    @field_validator("twilio_api_key_secret")
    @classmethod
    def _belongs_to_a_key(cls, secret: SecretStr, info: ValidationInfo) -> SecretStr:
        has_secret, has_sid = bool(secret.get_secret_value()), bool(info.data.get("twilio_api_key_sid"))
        if "twilio_api_key_sid" in info.data and has_secret != has_sid:
            half = "is set without" if has_secret else "is unset beside"
            raise ValueError(f"{half} TWILIO_API_KEY_SID: set both or neither")
        return secret

    @field_validator("sms_countries")
    @classmethod
    def _are_countries(cls, codes: str) -> str:
        return ",".join(known_country(code) for code in codes.replace(",", " ").split())

    @field_validator("database_url")
    @classmethod
    def _is_in_data_dir_by_default(cls, url: SecretStr, info: ValidationInfo) -> SecretStr:
        if url.get_secret_value() or "data_dir" not in info.data:
            return url
        return SecretStr(f"sqlite+aiosqlite:///{(info.data['data_dir'] / 'slotline.db').as_posix()}")

    @field_validator("clock_start")
    @classmethod
    def _is_for_rehearsals(cls, start: datetime | None, info: ValidationInfo) -> datetime | None:
        if start is not None and not is_loopback(info.data.get("public_base_url", "http://127.0.0.1")):
            raise ValueError("is for rehearsals: leave it empty unless PUBLIC_BASE_URL is loopback")
        return start

    @property
    def twilio_auth_tokens(self) -> tuple[str, ...]:
        """The tokens a request may be signed with; more than one while they are being rotated."""
        return tuple(token.strip() for token in self.twilio_auth_token.get_secret_value().split(",") if token.strip())

    @property
    def calendar_in_use(self) -> CalendarName:
        """The calendar that is booked."""
        return _calendar_in_use(self.calendar, self.calcom_api_key)

    @property
    def has_mail(self) -> bool:
        """Whether e-mails can be sent."""
        return bool(self.smtp_url)

    @property
    def event_type_id(self) -> str:
        """The event type that overrides the business file's: "" where the calendar has none of Cal.com's."""
        return self.calcom_event_type_id if self.calendar_in_use == "calcom" else ""

    def clock(self, zone: tzinfo = UTC) -> Clock:
        """Return the business's clock: the system's, or one that starts at CLOCK_START and runs at real speed.

        Args:
            zone: what a CLOCK_START without an offset is read in: the business's zone.
        """
        if self.clock_start is None:
            return lambda: datetime.now(UTC)
        start = self.clock_start if self.clock_start.tzinfo else self.clock_start.replace(tzinfo=zone)
        start = start.astimezone(UTC)
        began = time.monotonic()
        return lambda: start + timedelta(seconds=time.monotonic() - began)


def _calendar_in_use(chosen: Literal["", CalendarName], calcom_api_key: SecretStr) -> CalendarName:
    return chosen or ("calcom" if calcom_api_key.get_secret_value() else "builtin")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with the settings or their file: what was seen, and the way out where it is known."""

    seen: str
    fix: str = ""

    def __str__(self) -> str:
        return f"{self.seen}. {self.fix}" if self.fix else self.seen


class SettingsError(ConfigError):
    """Settings are wrong; `problems` are all of them, and never hold a secret."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


class AuthorSettings(BaseSettings):
    """The settings that decide what the agent is told: who writes that may have no keys at all."""

    model_config = Settings.model_config

    business_file: Path | None = None
    calendar: Literal["", CalendarName] = ""
    calcom_api_key: SecretStr = SecretStr("")
    calcom_event_type_id: str = Field(default="", pattern="^[0-9]*$")
    llm_model: str = Settings.model_fields["llm_model"].default

    @property
    def calendar_in_use(self) -> CalendarName:
        """The calendar that is booked, if the worker has the same settings."""
        return _calendar_in_use(self.calendar, self.calcom_api_key)

    @property
    def event_type_id(self) -> str:
        """The event type that overrides the business file's, of whose account the key may be elsewhere."""
        return "" if self.calendar == "builtin" else self.calcom_event_type_id


class TalkSettings(AuthorSettings):
    """The settings that decide whether and how a developer can talk to the agent: the stand-ins may do the rest."""

    openai_api_key: SecretStr = SecretStr("")
    openai_base_url: str = OPENAI_URL
    log_level: LogLevel = "ERROR"
    """Quieter than a worker's: what is said in the call must not drown."""
    log_pii: bool = False

    @property
    def has_own_server(self) -> bool:
        """Whether speech and model are had from somewhere else than OpenAI, which takes no one without a key."""
        return self.openai_base_url.rstrip("/") != OPENAI_URL

    @property
    def has_model(self) -> bool:
        """Whether there is somebody to ask."""
        return bool(self.openai_api_key.get_secret_value()) or self.has_own_server

    def environment(self) -> dict[str, str]:
        """Return the settings of another process that is to use the same model."""
        return {
            "OPENAI_API_KEY": self.openai_api_key.get_secret_value() or NO_KEY,
            "OPENAI_BASE_URL": self.openai_base_url,
            "LLM_MODEL": self.llm_model,
        }


class CalComSettings(BaseSettings):
    """The settings that decide which account at Cal.com is asked: the others may be missing or wrong."""

    model_config = Settings.model_config

    calcom_api_key: SecretStr = SecretStr("")
    calcom_base_url: str = Settings.model_fields["calcom_base_url"].default

    @field_validator("calcom_base_url")
    @classmethod
    def _is_url(cls, url: str) -> str:
        check_url(url)
        return url.rstrip("/")


def load_settings(env_file: Path | None = Path(".env"), *, given: Mapping[str, object] | None = None) -> Settings:
    """Return the settings, or raise a `SettingsError` with all that is wrong and where to get it.

    Args:
        env_file: None reads the process's environment only.
        given: Fields that are settled, whatever the environment says.
    """
    return _read(Settings, env_file, given)


def author_settings(env_file: Path | None) -> AuthorSettings:
    """Return what a writer of instructions needs of the settings; the others may be missing or wrong."""
    return _read(AuthorSettings, env_file)


def calcom_settings(env_file: Path | None) -> CalComSettings:
    """Return what asking Cal.com needs of the settings; the others may be missing or wrong."""
    return _read(CalComSettings, env_file)


def talk_settings(env_file: Path | None) -> TalkSettings:
    """Return what talking to the agent needs of the settings; the others may be missing or wrong."""
    return _read(TalkSettings, env_file)


def _read(wanted: type[Some], env_file: Path | None, given: Mapping[str, object] | None = None) -> Some:
    """Return the settings that are `given`, below them of the environment, and below it of `env_file`."""
    problems = [] if env_file is None else list(_file_problems(env_file, wanted))
    try:
        # The other values come from the environment, which the type of the constructor cannot say.
        settings = wanted(_env_file=env_file, **(given or {}))  # type: ignore[arg-type]
    except ValidationError as error:
        # The error holds the values: it must not be chained to ours.
        problems += [_explain(details) for details in error.errors(include_context=False)]
    if problems:
        if env_file is not None and not env_file.is_file():
            fix = f"Copy env.example to {env_file} and fill in its first part, or name the right file with --env-file"
            problems.insert(0, Problem(f"there is no {env_file.absolute()}", fix))
        raise SettingsError(problems)
    return settings


def _file_problems(env_file: Path, wanted: type[BaseSettings]) -> Iterator[Problem]:
    """Find lines that set nothing, and misspelt names of the `wanted` settings."""
    if not env_file.is_file():
        return
    known = [name.upper() for name in Settings.model_fields]
    for binding in parse_stream(io.StringIO(_text(env_file))):
        if binding.error or (binding.key and binding.value is None):
            text = binding.original.string
            line = binding.original.line + text[: len(text) - len(text.lstrip())].count("\n")
            yield Problem(f"{env_file}:{line} sets nothing", "Write NAME=value, or # before what is only a comment")
        name = (binding.key or "").upper()
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.82)
        if close and name not in known and close[0].lower() in wanted.model_fields:
            fix = f"Rename the line to {close[0]}, or take it out"
            yield Problem(f"{name} in {env_file} is no setting; did you mean {close[0]}?", fix)


def _text(env_file: Path) -> str:
    try:
        return env_file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        fix = "Make it a text file in UTF-8 that this user may read"
        raise SettingsError([Problem(f"{env_file} cannot be read ({type(error).__name__})", fix)]) from None


def _explain(details: ErrorDetails) -> Problem:
    field = str(details["loc"][0])
    match details["type"]:
        case "missing":
            text = "is unset"
        case "value_error":
            text = details["msg"].removeprefix("Value error, ")
        case "string_pattern_mismatch":
            text = _PATTERNS[field]
        case "bool_parsing":
            # A word is no secret, and shows what was mistyped.
            word = str(details["input"])
            text = "must be true or false" + (f', not "{word}"' if word.isalpha() and len(word) < 9 else "")
        case _:
            text = details["msg"].replace("Input should be", "must be", 1).partition(", unable to parse")[0]
    return Problem(f"{field.upper()} {text}", _FIXES.get(field) or _cure(field, details))


def _cure(field: str, details: ErrorDetails) -> str:
    """Return what to write instead, as far as the kind of the mistake tells."""
    kind, default = details["type"], Settings.model_fields[field].default
    if kind == "bool_parsing":
        return "Write true or false"
    if kind == "literal_error":
        words = re.findall("'([^']*)'", details["msg"])
        either = " or ".join(filter(None, words))
        return f"Leave it empty, or write {either}" if "" in words else f"Write {either}, or leave it empty"
    if kind.startswith("datetime"):
        return "Write a time such as 2026-12-01T09:00, or leave it empty"
    if isinstance(default, int | float):
        return f"Write a number such as {default}, or leave it empty"
    return ""


_GUESSED = {
    "metrics_token": "reads the metrics",
    "calcom_webhook_secret": "speaks for Cal.com",
    "owner_webhook_secret": "can forge notices",
}
"""What comes of a secret that is too short."""
_PATTERNS = {
    "twilio_account_sid": "must start with AC",
    "twilio_api_key_sid": "must start with SK",
    "calcom_event_type_id": "must be the number of an event type, as in its address at Cal.com",
}
