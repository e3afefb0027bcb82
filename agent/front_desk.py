"""What calls go by: the business, the instructions and the texts, read again when one of their files changes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

import structlog

from agent import phrases
from agent.business import load_business, load_sms_template
from agent.instructions import check_tool_names, load_prompt_set, render_instructions
from appointments.errors import CalendarRejected, CalendarUnavailable, ConfigError
from prompts.loader import BOOKING_SCRIPT, FRONT_DESK, SMS_TEMPLATES, sms_template_path
from tools.booking import tool_names

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from datetime import datetime
    from pathlib import Path

    from agent.instructions import Instructions, PromptSet
    from agent.phrases import PhraseBook
    from agent.settings import Settings
    from appointments.model import Action, Business, EventType, PhoneNumber

log = structlog.get_logger(__name__)

LOOK_EVERY_SECS = 1.0


@dataclass(frozen=True, slots=True)
class FrontDesk:
    """What one call goes by from its start to its end, whatever is edited meanwhile."""

    business: Business
    prompts: PromptSet
    sms_unconfirmed: str
    sms_failed: str
    event_types: Mapping[str, EventType] = field(default_factory=dict)
    """What each action books, by the action's name."""

    def instructions(self, caller: PhoneNumber | None, *, now: datetime, is_recorded: bool) -> Instructions:
        """Return the instructions of a call that starts now."""
        return render_instructions(self.prompts, self.business, caller=caller, now=now, is_recorded=is_recorded)

    def phrases(self, *, now: datetime, is_recorded: bool) -> tuple[str, ...]:
        """Return all that a call may have to say without a model, its greeting first."""
        return (self.instructions(None, now=now, is_recorded=is_recorded).greeting, *phrases.ALL)


def read_front_desk(settings: Settings, prompt: Path | None = None) -> FrontDesk:
    """Return what the files say, without what the calendar knows of the event types.

    Args:
        prompt: Instructions to use instead of the business's.

    Raises:
        ConfigError: a file is wrong; names file and line.
    """
    business = load_business(settings.business_file, event_type_id=settings.calcom_event_type_id)
    if countries := tuple(settings.sms_countries.replace(",", " ").split()):
        business = replace(business, sms_countries=countries)
    prompts = load_prompt_set(prompt or business.prompt or FRONT_DESK)
    check_tool_names(prompts.prompt, tool_names(business.actions))
    return FrontDesk(
        business=business,
        prompts=prompts,
        sms_unconfirmed=load_sms_template("unconfirmed"),
        sms_failed=load_sms_template("failed"),
    )


async def with_event_types(desk: FrontDesk, event_type: Callable[[Action], Awaitable[EventType]]) -> FrontDesk:
    """Return `desk` with what the calendar says of each action; raises what the calendar raises."""
    return replace(desk, event_types={action.name: await event_type(action) for action in desk.business.actions})


class HasFrontDesk(Protocol):
    """A worker whose desk can be replaced."""

    desk: FrontDesk
    phrase_book: PhraseBook


class FrontDeskWatch:
    """Lets the next call use an edited file, and keeps the last good ones when one is broken.

    Args:
        read: Returns what the files say now; raises `ConfigError`.
        event_type: Returns what an action books.
        speak: Returns the phrases of a desk in its voice, rendered; None when the voice cannot be had now.
    """

    def __init__(
        self,
        worker: HasFrontDesk,
        *,
        business_file: Path,
        read: Callable[[], FrontDesk],
        event_type: Callable[[Action], Awaitable[EventType]],
        speak: Callable[[FrontDesk], Awaitable[PhraseBook | None]],
    ) -> None:
        self._worker = worker
        self._business_file = business_file
        self._read = read
        self._event_type = event_type
        self._speak = speak
        self._complaint = ""

    async def run(self) -> None:
        """Watch the files for as long as the worker lives."""
        seen: object = None
        while True:
            now = await asyncio.to_thread(self._fingerprint)
            # What was refused may become good by a file that is not watched yet, or by a service that answers again.
            if now != seen or self._complaint:
                await self._take_over()
                seen = now
            await asyncio.sleep(LOOK_EVERY_SECS)

    async def _take_over(self) -> None:
        """Use what the files say now, if it is good."""
        try:
            desk = await with_event_types(await asyncio.to_thread(self._read), self._event_type)
            self._check_number(desk)
            await self._use(desk)
        except (ConfigError, CalendarRejected) as error:
            self._complain("front_desk_refused", str(error))
        except CalendarUnavailable as error:
            self._complain("front_desk_waits", str(error))

    async def _use(self, desk: FrontDesk) -> None:
        if desk != self._worker.desk:
            # Rendered first: a call must find its greeting.
            phrase_book = await self._speak(desk)
            if phrase_book is None:
                self._complain("front_desk_waits", "the voice service does not answer")
                return
            self._worker.desk, self._worker.phrase_book = desk, phrase_book
            log.info("front_desk_changed", business=str(self._business_file), prompt=str(desk.prompts.prompt.path))
        elif self._complaint:
            log.info("front_desk_mended")
        self._complaint = ""

    def _complain(self, event: str, error: str) -> None:
        """Say once what is wrong."""
        if error != self._complaint:
            self._complaint = error
            log.error(event, error=error, hint="calls go on with what was good before")

    def _check_number(self, desk: FrontDesk) -> None:
        old, new = self._worker.desk.business, desk.business
        if (old.number, old.sms_from) != (new.number, new.sms_from):
            raise ConfigError(
                f"{self._business_file}: number and sms_from have changed: restart the worker to use them"
            )

    def _fingerprint(self) -> tuple[tuple[int, ...], ...]:
        """Return what changes when a file does; following links, as a mounted volume swaps them."""
        shipped = (BOOKING_SCRIPT, *(sms_template_path(name) for name in SMS_TEMPLATES))
        return tuple(_mark(file) for file in (self._business_file, self._worker.desk.prompts.prompt.path, *shipped))


def _mark(file: Path) -> tuple[int, ...]:
    try:
        status = file.stat()
    except OSError:
        return ()
    return status.st_mtime_ns, status.st_size, status.st_ino
