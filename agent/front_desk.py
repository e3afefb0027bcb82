"""What calls go by: the business, the instructions and the texts, read again when one of their files changes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import structlog

from agent import phrases
from agent.business import (
    load_business,
    load_code_template,
    load_email_template,
    load_prompts,
    load_reply_template,
    load_sms_template,
    names_calcom,
)
from agent.instructions import render_greeting, render_instructions
from appointments.booking_fields import misfits
from appointments.errors import CalendarRejected, CalendarUnavailable, ConfigError
from appointments.message_plan import email_name
from calendars.calcom_requests import EVENT_TYPE_PLACES
from prompts.loader import (
    BOOKING_SCRIPT,
    CODE_TEMPLATE,
    EMAIL_TEMPLATES,
    REPLY_TEMPLATES,
    SMS_TEMPLATES,
    TRANSFER_SCRIPT,
    email_template_path,
    sms_template_path,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from datetime import datetime
    from pathlib import Path

    from agent.bootstrap import Worker
    from agent.instructions import Instructions, PromptSet
    from agent.settings import AuthorSettings, Settings
    from appointments.model import Action, Business, EventType, PhoneNumber

log = structlog.get_logger(__name__)

LOOK_EVERY_SECS = 1.0
TRY_AGAIN_SECS = 5.0
"""What was refused may become good by a file that is not watched yet, or by a service that answers again."""

ASK_AGAIN_SECS = 600.0
"""An event type may be changed at the calendar at any time, and nobody tells us."""

GO_ON = "calls go on with what was good before"


@dataclass(frozen=True, slots=True)
class FrontDesk:
    """What one call goes by from its start to its end, whatever is edited meanwhile."""

    business: Business
    prompts: PromptSet
    texts: Mapping[str, str]
    """The shipped templates, by their names."""
    event_types: Mapping[str, EventType] = field(default_factory=dict)
    """What each action books, by the action's name."""

    def instructions(
        self, caller: PhoneNumber | None, *, now: datetime, is_recorded: bool, note: str = ""
    ) -> Instructions:
        """Return the instructions of a call that starts now; `note` is what is known of its caller."""
        return render_instructions(
            self.prompts, self.business, caller=caller, now=now, is_recorded=is_recorded, note=note
        )

    def greeting(self, *, is_recorded: bool) -> str:
        """Return what a caller hears first, unless they have called before in the same call."""
        return render_greeting(self.prompts, self.business, is_recorded=is_recorded)

    def phrases(self, *, now: datetime, is_recorded: bool) -> tuple[str, ...]:
        """Return all that a call may have to say without a model, its greeting first."""
        return (self.instructions(None, now=now, is_recorded=is_recorded).greeting, *phrases.ALL)


def read_front_desk(settings: Settings, prompt: Path | None = None) -> FrontDesk:
    """Return what the files say, without what the calendar knows of the event types.

    Args:
        prompt: Instructions to use instead of the business's.

    Raises:
        ConfigError: a file is wrong; names file and line. Or it names event types of Cal.com that nobody can ask for,
            or ways to tell the owner that nobody can go.
    """
    business = load_business(settings.business_file, event_type_id=settings.event_type_id)
    if mistake := calendar_mistake(settings, business) or owner_mistake(settings, business):
        raise ConfigError(f"{settings.business_file}: {mistake}")
    if countries := tuple(settings.sms_countries.replace(",", " ").split()):
        business = replace(business, sms_countries=countries)
    return FrontDesk(
        business=business,
        prompts=load_prompts(business, prompt),
        texts={
            **{name: load_sms_template(name) for name in SMS_TEMPLATES},
            **{name: load_reply_template(name) for name in REPLY_TEMPLATES},
            CODE_TEMPLATE: load_code_template(),
            **_emails(settings),
        },
    )


def _emails(settings: Settings) -> dict[str, str]:
    """Return the templates of e-mails by their names, none where none are sent: Cal.com sends its own."""
    if not settings.has_mail or settings.calendar_in_use == "calcom":
        return {}
    return {email_name(kind): load_email_template(kind) for kind in EMAIL_TEMPLATES}


def owner_mistake(settings: Settings, business: Business) -> str:
    """Say what keeps the owner of `business` from being told, "" when nothing does."""
    if business.owner.webhook and not settings.owner_webhook_secret.get_secret_value():
        return "owner: webhook needs OWNER_WEBHOOK_SECRET, which it is signed with. Make one: openssl rand -hex 32"
    if business.owner.email and not settings.has_mail:
        return "owner: email needs a mail server: set SMTP_URL, or delete the line"
    return ""


def calendar_mistake(settings: Settings | AuthorSettings, business: Business) -> str:
    """Say what keeps `business` from the calendar in use, "" when nothing does: none is to be booked by mistake."""
    keyless = actions_without_key(settings, business)
    if not keyless:
        return ""
    first, *others = keyless
    places = first.event_type_place + (f" and {len(others)} more" if others else "")
    return (
        f'"{first.title}" has event_type {first.event_type_id}, a number at Cal.com, and CALCOM_API_KEY is unset. '
        f"Set CALCOM_API_KEY to book there; or delete {places}, or set CALENDAR=builtin, to book into the calendar "
        "that slotline has itself"
    )


def actions_without_key(settings: Settings | AuthorSettings, business: Business) -> list[Action]:
    """Return the actions that name an event type of Cal.com where no key of it is set and no calendar is chosen."""
    if settings.calendar or settings.calendar_in_use == "calcom":
        return []
    return [action for action in business.actions if names_calcom(action)]


def is_meant_for_calcom(settings: Settings | AuthorSettings, business: Business) -> bool:
    """Claim that `business` is to be booked at Cal.com, though the key of it may be missing yet."""
    return settings.calendar_in_use == "calcom" or bool(actions_without_key(settings, business))


async def with_event_types(desk: FrontDesk, event_type: Callable[[Action], Awaitable[EventType]]) -> FrontDesk:
    """Return `desk` with what the calendar says of each action; raises what the calendar raises."""
    found = {action.name: await _event_type(action, event_type) for action in desk.business.actions}
    return replace(desk, event_types=found)


async def _event_type(action: Action, event_type: Callable[[Action], Awaitable[EventType]]) -> EventType:
    try:
        found = await event_type(action)
    except CalendarRejected as error:
        # The calendar does not know where the number that it refuses is written.
        said = str(error).replace(EVENT_TYPE_PLACES, action.event_type_place)
        raise CalendarRejected(f"{action.name}: {said}") from error
    if fatal := [misfit for misfit in misfits(action, found) if misfit.is_fatal]:
        raise ConfigError("\n".join(f"{action.name}: {misfit.seen}. {misfit.fix}" for misfit in fatal))
    return found


class FrontDeskWatch:
    """Makes a worker ready, lets its next call use an edited file, and keeps the last good ones when one is broken."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._business_file = worker.settings.business_file
        self._complaint = ""

    async def run(self) -> None:
        """Watch the files for as long as the worker lives."""
        loop = asyncio.get_running_loop()
        seen: object = None
        tried_at = loop.time()
        while True:
            now = await asyncio.to_thread(self._fingerprint)
            pause = TRY_AGAIN_SECS if self._complaint else ASK_AGAIN_SECS
            if now != seen or loop.time() - tried_at >= pause:
                await self._take_over(is_edited=now != seen)
                seen, tried_at = now, loop.time()
            await asyncio.sleep(LOOK_EVERY_SECS)

    async def _take_over(self, *, is_edited: bool) -> None:
        """Use what the files say now, and what the calendar says of the event types, if it is good."""
        worker = self._worker
        try:
            desk = await with_event_types(await asyncio.to_thread(read_front_desk, worker.settings), worker.event_type)
            self._check_number(desk)
            await self._use(desk)
        except (ConfigError, CalendarRejected) as error:
            self._complain("front_desk_refused", str(error))
        except CalendarUnavailable as error:
            if is_edited or self._complaint:
                self._complain("front_desk_waits", str(error))
            else:
                log.warning("event_types_not_asked", error=str(error))

    async def _use(self, desk: FrontDesk) -> None:
        was_ready = self._worker.is_ready
        if desk == self._worker.desk and was_ready:
            if self._complaint:
                log.info("front_desk_mended")
        elif await self._worker.go_by(desk):
            event = "front_desk_changed" if was_ready else "worker_ready"
            log.info(event, business=str(self._business_file), prompt=str(desk.prompts.prompt.path))
        else:
            self._complain("front_desk_waits", "the voice service does not answer")
            return
        self._complaint = ""

    def _complain(self, event: str, error: str) -> None:
        """Say once what is wrong."""
        if error != self._complaint:
            self._complaint = error
            is_ready = self._worker.is_ready
            hint = (
                "calls go on with what was good before" if is_ready else "no call can be taken until this is put right"
            )
            log.error(event, error=error, hint=hint)

    def _check_number(self, desk: FrontDesk) -> None:
        old, new = self._worker.desk.business, desk.business
        if (old.number, old.sms_from) != (new.number, new.sms_from):
            raise ConfigError(
                f"{self._business_file}: number and sms_from have changed: restart the worker to use them"
            )

    def _fingerprint(self) -> tuple[tuple[int, ...], ...]:
        """Return what changes when a file does; following links, as a mounted volume swaps them."""
        texts = (sms_template_path(name) for name in (*SMS_TEMPLATES, *REPLY_TEMPLATES, CODE_TEMPLATE))
        shipped = (BOOKING_SCRIPT, TRANSFER_SCRIPT, *texts, *map(email_template_path, EMAIL_TEMPLATES))
        return tuple(_mark(file) for file in (self._business_file, self._worker.desk.prompts.prompt.path, *shipped))


def _mark(file: Path) -> tuple[int, ...]:
    try:
        status = file.stat()
    except OSError:
        return ()
    return status.st_mtime_ns, status.st_size, status.st_ino
