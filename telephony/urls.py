"""The addresses under which Twilio reaches us, all below the configured public base URL."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

VOICE_PATH: Final = "/twilio/voice"
MEDIA_PATH: Final = "/twilio/media"
STATUS_PATH: Final = "/twilio/status"
CONNECT_DONE_PATH: Final = "/twilio/connect-done"
WHISPER_PATH: Final = "/twilio/whisper"
WHISPER_KEY_PATH: Final = "/twilio/whisper-key"
DIAL_DONE_PATH: Final = "/twilio/dial-done"
QUEUE_WAIT_PATH: Final = "/twilio/queue-wait"
QUEUE_LEFT_PATH: Final = "/twilio/queue-left"
CALL_BACK_PATH: Final = "/twilio/call-back"
SMS_PATH: Final = "/twilio/sms"
SMS_STATUS_PATH: Final = "/twilio/sms-status"


@dataclass(frozen=True, slots=True)
class PublicUrls:
    """Absolute URLs. They come from the configuration, never from a request: `Host` can be forged."""

    public_base_url: str

    def __post_init__(self) -> None:
        parts = urlsplit(self.public_base_url)
        if parts.scheme not in {"http", "https"} or not parts.netloc or parts.query or parts.fragment:
            raise ValueError(f"a public base URL looks like https://phone.example.com, not {self.public_base_url!r}")
        object.__setattr__(self, "public_base_url", self.public_base_url.rstrip("/"))

    def webhook(self, path: str, query: str = "") -> str:
        return f"{self.public_base_url}{path}?{query}" if query else f"{self.public_base_url}{path}"

    def socket(self, path: str) -> str:
        """Return the websocket URL of `path`: https becomes wss, http (loopback only) becomes ws."""
        return "ws" + self.public_base_url.removeprefix("http") + path

    @property
    def media(self) -> str:
        return self.socket(MEDIA_PATH)

    @property
    def connect_done(self) -> str:
        return self.webhook(CONNECT_DONE_PATH)

    @property
    def whisper_key(self) -> str:
        return self.webhook(WHISPER_KEY_PATH)

    @property
    def queue_wait(self) -> str:
        return self.webhook(QUEUE_WAIT_PATH)

    @property
    def queue_left(self) -> str:
        return self.webhook(QUEUE_LEFT_PATH)

    @property
    def call_back(self) -> str:
        return self.webhook(CALL_BACK_PATH)

    @property
    def dial_done(self) -> str:
        return self.webhook(DIAL_DONE_PATH)

    def whisper(self, call_sid: str) -> str:
        """Return where Twilio asks what to tell the person who answers for the caller of `call_sid`."""
        return self.webhook(WHISPER_PATH, f"call={quote(call_sid, safe='')}")

    def sms_status(self, reference: str) -> str:
        """Return where Twilio reports on the text that we know as `reference`."""
        return self.webhook(SMS_STATUS_PATH, f"o={quote(reference, safe='')}")
