"""The world of a scenario: what its stand-ins hold, what exists in it before the call, and what a worker in it sees."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from agent.booked_before import book_before
from agent.builtin_world import NotForBuiltin, check_faults, take_slots, write_business
from agent.stand_ins import worker_environment
from simulator.script import SMS_CODE
from simulator.world import SimulatedClock
from telephony.urls import SMS_PATH

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from agent.rehearsed import Rehearsed
    from agent.scenarios import Scenario
    from agent.stand_ins import StandIns
    from appointments.model import Business

NOBODY = "http://127.0.0.1:1"
"""Where a worker says that it is phoned when nobody phones it."""
LANDLINE = 30006
"""Twilio's error for a text that cannot reach its receiver: https://www.twilio.com/docs/api/errors/30006"""


@dataclass(slots=True)
class RehearsalWorld:
    """The world of one scenario, in which a worker keeps its data in `folder`."""

    scenario: Scenario
    rehearsed: Rehearsed
    folder: Path
    business_file: Path = field(init=False)
    """The one that the worker goes by."""
    _began: datetime | None = field(init=False)
    """When the part of the rehearsal begins that is on, on the business's wall clock; None: the system's time."""
    _clock: SimulatedClock = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.business_file = self.rehearsed.file
        self._begin(self.scenario.now)

    def _begin(self, now: datetime | None) -> None:
        self._began = now
        self._clock = SimulatedClock(now and self.at(now))

    def now(self) -> datetime:
        """Return the time of the business's clock."""
        return self._clock()

    @property
    def business(self) -> Business:
        return self.rehearsed.business

    def prepare(self) -> None:
        """Write what the built-in calendar goes by; raises `NotForBuiltin` when it cannot have the scenario's world."""
        if self.rehearsed.calendar == "builtin":
            check_faults(self.scenario.faults)
            if self.scenario.has_owner or self.scenario.event_types:
                raise NotForBuiltin("it is about what is so at Cal.com, which is not in use")
            self.business_file = write_business(self.rehearsed.file, self.scenario, self.now(), self.folder)

    async def set_up(self, stand_ins: StandIns, *, worker_url: str | None = None) -> None:
        """Give the stand-ins the scenario's world, and book what exists in it before the call.

        Twilio knows the worker only where it is phoned.
        """
        scenario, caller = self.scenario, self.scenario.caller
        # A line with a code in it is told to the recogniser when there is one.
        says = [line.say for line in scenario.every_line if line.say and SMS_CODE not in line.say] + [scenario.again]
        await stand_ins.control("openai", "world", {"lines": says, "voice": caller.voice})
        await stand_ins.control("twilio", "world", self._twilio_world(worker_url))
        if stand_ins.mail:
            await stand_ins.control("mail", "world", {})
        if self.rehearsed.calendar == "calcom":
            await stand_ins.control("calcom", "world", self._calcom_world())
        await book_before(scenario, self.environment(stand_ins))

    async def move_on(self, stand_ins: StandIns, now: datetime) -> None:
        """Let it be `now` on the business's wall clock; all that stands stays as it is."""
        self._begin(now)
        if self.rehearsed.calendar == "calcom":
            await stand_ins.control("calcom", "clock", {"now": self._start()})

    def _twilio_world(self, worker_url: str | None) -> dict[str, Any]:
        numbers = sorted({self.business.number, self.business.sms_from or self.business.number})
        sms_url = f"{worker_url}{SMS_PATH}" if worker_url else ""
        caller = self.scenario.caller
        return {
            "worker_url": worker_url,
            "opted_out": [caller.number] if caller.texts == "stopped" else [],
            "undeliverable": {caller.number: LANDLINE} if caller.texts == "landline" else {},
            "numbers": [{"phone_number": number, "sms_url": sms_url} for number in numbers],
        }

    def _calcom_world(self) -> dict[str, Any]:
        scenario = self.scenario
        return {
            "now": self._start() or None,
            "zone": self.business.zone.key,
            "free": None if scenario.open_times is None else [self.local(time) for time in scenario.open_times],
            "event_types": self.rehearsed.event_types(scenario.minutes, scenario.event_types),
            **self._week(),
        }

    def _week(self) -> dict[str, Any]:
        """Return the calendar's ordinary week: the opening hours, where the business has any."""
        hours = [
            {"weekday": hours.weekday, "opens": hours.opens.isoformat(), "closes": hours.closes.isoformat()}
            for hours in self.business.hours
        ]
        return {"week": hours} if hours else {}

    async def start_faults(self, stand_ins: StandIns) -> None:
        """Let the scenario's faults happen from now on: a worker that starts needs its services."""
        for service in stand_ins.services:
            faults = [
                fault.model_dump(exclude={"service"}, exclude_none=True)
                for fault in self.scenario.faults
                if fault.stand_in == service
            ]
            await stand_ins.control(service, "faults", faults)
        if self.rehearsed.calendar == "builtin":
            await asyncio.to_thread(take_slots, self.folder / "slotline.db", self.scenario.faults)

    def environment(self, stand_ins: StandIns, url: str = NOBODY) -> dict[str, str]:
        """Return the environment of a worker that is phoned at `url`."""
        return worker_environment(
            stand_ins,
            url=url,
            data_dir=self.folder,
            clock_start=self._start(),
            business_file=self.business_file,
            calendar=self.rehearsed.calendar,
            has_fallback=self.scenario.fallback,
            stt_mode=self.scenario.stt_mode,
            context_tokens=self.scenario.context_tokens,
        )

    def _start(self) -> str:
        return "" if self._began is None else self.local(self._began)

    def local(self, time: datetime) -> str:
        """Return a time on the business's wall clock with its offset."""
        return self.at(time).isoformat()

    def at(self, time: datetime) -> datetime:
        """Return the moment of a time on the business's wall clock."""
        return time.replace(tzinfo=self.business.zone)
