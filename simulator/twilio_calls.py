"""The calls the stand-in Twilio knows of: registered by the caller, ended by either side."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from simulator.twilio_wire import API, CALL_NOT_IN_PROGRESS, TwilioError, rfc2822

if TYPE_CHECKING:
    from simulator.twilio_wire import UpdateCall

_MOST_WAIT_SECS = 60.0


class CallOrder(BaseModel):
    """The body of ``POST /control/calls``: a call that has just been answered."""

    model_config = ConfigDict(extra="forbid")

    call_sid: str = Field(pattern=r"^CA[0-9a-fA-F]{32}$")
    from_: str = Field(alias="from")
    to: str


class CallEndOrder(BaseModel):
    """The body of ``POST /control/calls/{sid}``: the caller hung up."""

    model_config = ConfigDict(extra="forbid")

    status: Literal["completed"]


@dataclass(slots=True)
class Call:
    """One call. `redirect` is the TwiML or the URL the worker last sent it to."""

    sid: str
    from_: str
    to: str
    status: str = "in-progress"
    redirect: str | None = None
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    ended_at: datetime | None = None
    _over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def summary(self) -> dict[str, str | None]:
        """What the control endpoints tell about it."""
        return {
            "sid": self.sid,
            "from": self.from_,
            "to": self.to,
            "status": self.status,
            "redirect": self.redirect,
        }

    def end(self) -> None:
        """Hang up; a call that is over stays as it is."""
        if not self._over.is_set():
            self.status = "completed"
            self.ended_at = datetime.now(UTC)
            self._over.set()

    async def wait_until_over(self, wait_secs: float) -> None:
        """Return when the call is over, or after `wait_secs`."""
        try:
            async with asyncio.timeout(min(wait_secs, _MOST_WAIT_SECS)):
                await self._over.wait()
        except TimeoutError:
            return

    def update(self, change: UpdateCall) -> None:
        """Do what the worker asks through the REST API."""
        if self._over.is_set():
            raise TwilioError(CALL_NOT_IN_PROGRESS, "Call is not in-progress. Cannot redirect.")
        self.redirect = change.twiml or change.url or self.redirect
        if change.status == "completed":  # "canceled" leaves alone a call that was answered
            self.end()

    def rendered(self, account_sid: str) -> dict[str, object]:
        """Return the call as the REST API shows it."""
        seconds = (self.ended_at - self.started_at).total_seconds() if self.ended_at else None
        return {
            "account_sid": account_sid,
            "answered_by": None,
            "api_version": API,
            "caller_name": None,
            "date_created": rfc2822(self.started_at),
            "date_updated": rfc2822(self.ended_at or self.started_at),
            "direction": "inbound",
            "duration": None if seconds is None else str(round(seconds)),
            "end_time": rfc2822(self.ended_at),
            "forwarded_from": None,
            "from": self.from_,
            "from_formatted": self.from_,
            "group_sid": None,
            "parent_call_sid": None,
            "phone_number_sid": None,
            "price": None,
            "price_unit": "USD",
            "queue_time": "0",
            "sid": self.sid,
            "start_time": rfc2822(self.started_at),
            "status": self.status,
            "subresource_uris": {},
            "to": self.to,
            "to_formatted": self.to,
            "trunk_sid": None,
            "uri": f"/{API}/Accounts/{account_sid}/Calls/{self.sid}.json",
        }
