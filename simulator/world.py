"""What the stand-ins share: the credentials they accept, the business's clock, and how they are served."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from aiohttp import web
from pydantic import BaseModel, ValidationError

if TYPE_CHECKING:
    from typing import TypeVar

    _Model = TypeVar("_Model", bound=BaseModel)

BUSINESS_NUMBER = "+14155550100"
EVENT_TYPE_ID = 101
HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Credentials:
    """The account of every stand-in. A client that shows others is refused."""

    twilio_account_sid: str
    twilio_auth_token: str
    twilio_api_key_sid: str
    twilio_api_key_secret: str
    openai_api_key: str
    fallback_api_key: str
    calcom_api_key: str
    smtp_user: str
    smtp_password: str
    smtp_from: str
    """Whose letters the mail server takes from it."""

    @classmethod
    def generate(cls) -> Credentials:
        """Return credentials nobody else knows, in the services' own shapes."""
        return cls(
            twilio_account_sid="AC" + secrets.token_hex(16),
            twilio_auth_token=secrets.token_hex(16),
            twilio_api_key_sid="SK" + secrets.token_hex(16),
            twilio_api_key_secret=secrets.token_hex(16),
            openai_api_key="sk-" + secrets.token_hex(24),
            fallback_api_key="sk-" + secrets.token_hex(24),
            calcom_api_key="cal_live_" + secrets.token_hex(16),
            smtp_user="front-desk",
            smtp_password=secrets.token_urlsafe(16),
            smtp_from="clinic@example.com",
        )


class SimulatedClock:
    """The business's clock: the system's time, or any other start, running at real speed."""

    def __init__(self, start: datetime | None = None) -> None:
        self.set(start)

    def set(self, start: datetime | None) -> None:
        """Start the clock at `start` now; None follows the system's time."""
        if start is not None and start.tzinfo is None:
            raise ValueError(f"the clock starts at an aware time, not at {start!r}")
        self._start = start
        self._started = time.monotonic()

    def __call__(self) -> datetime:
        if self._start is None:
            return datetime.now(UTC)
        return self._start.astimezone(UTC) + timedelta(seconds=time.monotonic() - self._started)


async def run_app(app: web.Application, port: int) -> tuple[web.AppRunner, str]:
    """Serve `app` on loopback (`port` 0: any free one) and return its runner and its URL."""
    # A long poll must not hold up the end of a rehearsal: aiohttp would wait a minute for it.
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, HOST, port).start()
    return runner, f"http://{HOST}:{runner.addresses[0][1]}"


async def read_order(request: web.Request, model: type[_Model]) -> _Model:
    """Return the body of a control request, or answer 400 saying what is wrong with it."""
    try:
        return model.model_validate_json(await request.read())
    except ValidationError as error:
        raise web.HTTPBadRequest(text=str(error)) from error
