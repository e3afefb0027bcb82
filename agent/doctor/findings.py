"""What the doctor finds: one finding for each thing that was looked at."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Check(StrEnum):
    """What is looked at, in the order of the report: from this machine outwards, a cause before what it explains."""

    SETTINGS = "settings"
    BUSINESS = "business"
    INSTRUCTIONS = "instructions"
    DATA_DIR = "data_dir"
    DATABASE = "database"
    CLOCK = "clock"
    OPENAI_KEY = "openai_key"
    OPENAI_MODEL = "openai_model"
    OPENAI_VOICE = "openai_voice"
    CALENDAR = "calendar"
    CALCOM_KEY = "calcom_key"
    CALCOM_VERSION = "calcom_version"
    CALCOM_CALENDARS = "calcom_calendars"
    EVENT_TYPE = "event_type"
    ZONES = "zones"
    FREE_SLOTS = "free_slots"
    MAIL = "mail"
    TWILIO_AUTH = "twilio_auth_token"
    TWILIO_API_KEY = "twilio_api_key"
    TWILIO_ACCOUNT = "twilio_account"
    PUBLIC_URL = "public_url"
    WORKER_READY = "worker_ready"
    SIGNED_REQUEST = "signed_request"
    UNSIGNED_REQUEST = "unsigned_request"
    MEDIA_SOCKET = "media_socket"
    NUMBER = "number"
    VOICE_URL = "voice_url"
    STATUS_CALLBACK = "status_callback"
    SMS_NUMBER = "sms_number"
    SMS_URL = "sms_url"


class State(StrEnum):
    """How it stands with what was looked at."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was seen, and for a warning or a failure what to do about it. Never a secret, never personal data."""

    check: Check
    state: State
    seen: str
    fix: str = ""

    def to_json(self) -> dict[str, str]:
        return {"check": self.check.value, "state": self.state.value, "seen": self.seen, "fix": self.fix}


def ok(check: Check, seen: str) -> Finding:
    return Finding(check, State.OK, seen)


def warning(check: Check, seen: str, fix: str) -> Finding:
    return Finding(check, State.WARNING, seen, fix)


def failed(check: Check, seen: str, fix: str) -> Finding:
    return Finding(check, State.FAILED, seen, fix)


def skipped(check: Check, why: str) -> Finding:
    return Finding(check, State.SKIPPED, why)
