"""The settings of a worker, read from the environment and `.env`; nothing else reads them."""

from __future__ import annotations

import difflib
import ipaddress
import time
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, DotEnvSettingsSource, SettingsConfigDict

from appointments.contact import known_country
from appointments.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_core import ErrorDetails

    from appointments.ports import Clock

OPENAI_URL = "https://api.openai.com/v1"
NO_KEY = "none"
"""What a server of one's own is shown: it may want no key, but the client does."""

_TWILIO_KEYS = "Twilio Console → Account → API keys & tokens"
_OPENAI_KEYS = "https://platform.openai.com/api-keys"
_CALCOM_KEYS = "Cal.com → Settings → Developer → API keys"
_WHERE = {
    "public_base_url": "the https address under which Twilio reaches this worker, such as https://phone.example.com",
    "twilio_account_sid": _TWILIO_KEYS,
    "twilio_auth_token": _TWILIO_KEYS,
    "twilio_api_key_sid": _TWILIO_KEYS,
    "twilio_api_key_secret": _TWILIO_KEYS,
    "openai_api_key": _OPENAI_KEYS,
    "calcom_api_key": _CALCOM_KEYS,
    "business_file": "copy prompts/business/rehearsal.toml, change it and name the copy here",
}
"""Where the value of a setting comes from."""

Some = TypeVar("Some", bound="AuthorSettings")

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
    calcom_api_key: SecretStr
    calcom_base_url: str = "https://api.cal.com"
    calcom_event_type_id: str = Field(default="", pattern="^[0-9]*$")
    data_dir: Path = Path("data")
    database_url: SecretStr = Field(default=SecretStr(""), validate_default=True)
    business_file: Path
    record_calls: bool = False
    sms_countries: str = ""
    max_call_secs: int = Field(default=900, ge=30, le=14_400)
    clock_start: datetime | None = None
    turn_end: Literal["smart_turn", "speech_timeout"] = "smart_turn"
    speech_timeout_secs: float = Field(default=0.6, gt=0, le=5)
    llm_model: str = "gpt-4.1"
    stt_model: str = "gpt-4o-transcribe"
    tts_model: str = "gpt-4o-mini-tts"
    log_level: LogLevel = "INFO"
    log_format: Literal["json", "console"] = "json"
    log_pii: bool = False

    @field_validator("public_base_url")
    @classmethod
    def _is_reachable_and_private(cls, url: str) -> str:
        _check_url(url)
        if "/twilio" in urlsplit(url).path:
            raise ValueError("is the address of a webhook: leave out /twilio and what follows")
        if url.startswith("http://") and not is_loopback(url):
            raise ValueError("must start with https:// unless it is loopback: Twilio would talk to it in the clear")
        return url.rstrip("/")

    @field_validator("twilio_api_base_url", "openai_base_url", "calcom_base_url")
    @classmethod
    def _is_url(cls, url: str) -> str:
        _check_url(url)
        return url.rstrip("/")

    @field_validator("twilio_auth_token", "openai_api_key", "calcom_api_key")
    @classmethod
    def _is_given(cls, secret: SecretStr) -> SecretStr:
        if not secret.get_secret_value().strip(" ,"):
            raise ValueError("is empty")
        return secret

    @field_validator("twilio_api_key_secret")
    @classmethod
    def _belongs_to_a_key(cls, secret: SecretStr, info: ValidationInfo) -> SecretStr:
        if "twilio_api_key_sid" in info.data and bool(secret.get_secret_value()) != bool(
            info.data["twilio_api_key_sid"]
        ):
            raise ValueError("and TWILIO_API_KEY_SID go together: set both or neither")
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

    @classmethod
    def read(cls, env_file: Path | None, given: Mapping[str, object]) -> Self:
        """Return the settings that are `given`, below them of the environment, and below it of `env_file`."""
        # The other values come from the environment, which the type of the constructor cannot say.
        return cls(_env_file=env_file, **given)  # type: ignore[arg-type, call-arg]


def load_settings(env_file: Path | None = Path(".env"), *, given: Mapping[str, object] | None = None) -> Settings:
    """Return the settings, or raise a `ConfigError` naming all that is wrong and where to get it, never a value.

    Args:
        env_file: None reads the process's environment only.
        given: Fields that are settled, whatever the environment says.
    """
    problems = _misspelt(env_file) if env_file is not None else []
    try:
        settings = Settings.read(env_file, given or {})
    except ValidationError as error:
        # The error holds the values: it must not be chained to ours.
        problems += [_explain(details) for details in error.errors(include_input=False, include_context=False)]
    if problems:
        raise ConfigError("\n".join(problems))
    return settings


class AuthorSettings(BaseSettings):
    """The settings that decide what the agent is told: who writes that may have no keys at all."""

    model_config = Settings.model_config

    business_file: Path | None = None
    calcom_event_type_id: str = Field(default="", pattern="^[0-9]*$")
    llm_model: str = Settings.model_fields["llm_model"].default

    @classmethod
    def read(cls, env_file: Path | None) -> Self:
        """Return the settings of the environment, and below it of `env_file`."""
        return cls(_env_file=env_file)  # type: ignore[call-arg]  # as above


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


def author_settings(env_file: Path | None) -> AuthorSettings:
    """Return what a writer of instructions needs of the settings; the others may be missing or wrong.

    Args:
        env_file: None reads the process's environment only.
    """
    return _read_some(AuthorSettings, env_file)


def talk_settings(env_file: Path | None) -> TalkSettings:
    """Return what talking to the agent needs of the settings; the others may be missing or wrong.

    Args:
        env_file: None reads the process's environment only.
    """
    return _read_some(TalkSettings, env_file)


def _read_some(wanted: type[Some], env_file: Path | None) -> Some:
    names = {name.upper() for name in wanted.model_fields}
    misspelt = _misspelt(env_file) if env_file is not None else []
    problems = [problem for problem in misspelt if problem.rpartition(" ")[2].rstrip("?") in names]
    try:
        settings = wanted.read(env_file)
    except ValidationError as error:
        problems += [_explain(details) for details in error.errors(include_input=False, include_context=False)]
    if problems:
        raise ConfigError("\n".join(problems))
    return settings


def business_file_setting(env_file: Path | None) -> Path | None:
    """Return BUSINESS_FILE, None when it is unset; the other settings may be missing or wrong."""
    return author_settings(env_file).business_file


def _misspelt(env_file: Path) -> list[str]:
    if not env_file.is_file():
        return []
    known = [name.upper() for name in Settings.model_fields]
    problems = []
    for name in map(str.upper, DotEnvSettingsSource(Settings, env_file=env_file).env_vars):
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.82)
        if close and name not in known:
            problems.append(f"{name} in {env_file} is no setting; did you mean {close[0]}?")
    return problems


def _explain(details: ErrorDetails) -> str:
    field = str(details["loc"][0])
    where = _WHERE.get(field)
    match details["type"]:
        case "missing":
            text = "is unset"
        case "value_error":
            text = details["msg"].removeprefix("Value error, ")
        case "string_pattern_mismatch":
            text = _PATTERNS[field]
        case _:
            text = f"is wrong: {details['msg'][:1].lower()}{details['msg'][1:]}"
    return f"{field.upper()} {text}" + (f". Get it: {where}" if where else "")


_PATTERNS = {
    "twilio_account_sid": "must start with AC",
    "twilio_api_key_sid": "must start with SK",
    "calcom_event_type_id": "must be the number of an event type, as in its address at Cal.com",
}


def _check_url(url: str) -> None:
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
