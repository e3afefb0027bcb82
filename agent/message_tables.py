"""``[messages]`` and ``[actions.messages]`` of a business file: what is sent about appointments, in which words."""

from __future__ import annotations

import re
from datetime import time, timedelta
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict

from appointments.errors import ConfigError
from appointments.messages import check_length, check_letters, check_template
from appointments.model import MessageSettings, QuietHours, SendingLimits
from appointments.store.records import MessageKind

_CLOCK = r"([01]\d|2[0-3]):(00|15|30|45)"
_QUIET = re.compile(f"{_CLOCK}-{_CLOCK}")
WORDED = (
    MessageKind.REQUESTED,
    MessageKind.UNCONFIRMED,
    MessageKind.FAILED,
    MessageKind.MOVED,
    MessageKind.CANCELLED,
    MessageKind.CHANGE_UNCONFIRMED,
    MessageKind.CHANGE_FAILED,
    MessageKind.REMINDER_DAY,
    MessageKind.REMINDER_HOURS,
    MessageKind.FOLLOW_UP,
    MessageKind.REVIEW,
)
"""What can be worded here; the confirmation is worded by ``sms_template``."""


def checked_template(template: str) -> str:
    """Return the template of a text; raises `ValueError` when it cannot be sent as it is."""
    try:
        check_template(template)
        check_letters(template)
        check_length(template)
    except ConfigError as error:
        raise ValueError(f"is wrong: {error}") from None
    return template.strip()


def _asks_for_review(template: str) -> str:
    if "{link}" not in template:
        raise ValueError("has no {link}, which is what it is sent for")
    return template


def _hours(values: list[float]) -> list[float]:
    if len(values) > 4 or len(set(values)) < len(values) or not all(0.5 <= value <= 336 for value in values):
        raise ValueError("must be up to 4 different numbers of hours, each 0.5 to 336")
    return values


def _later(hours: float) -> float:
    if not 0 <= hours <= 336:
        raise ValueError("must be 0 to 336 hours")
    return hours


def _link(url: str) -> str:
    parts = urlsplit(url)
    if not (parts.scheme == "https" and parts.hostname) or len(url) > 200 or re.search(r"[\s{}]", url):
        raise ValueError("must be a link that starts with https:// and has 200 letters at most")
    return url


def _rebook_link(url: str) -> str:
    _link(url.replace("{booking_uid}", "uid"))
    return url


def _title(template: str) -> str:
    if not template.strip() or "\n" in template or len(template) > 100:
        raise ValueError("must be one line of 1 to 100 letters")
    try:
        check_template(template)
    except ConfigError as error:
        raise ValueError(f"is wrong: {error}") from None
    return template.strip()


def _quiet_hours(text: str) -> str:
    if text and not (_QUIET.fullmatch(text) and 0 < _hours_of(text) <= 16):
        raise ValueError(
            f'must be written like "21:00-08:00", at quarters of an hour and 16 hours at most, or be "", not "{text}"'
        )
    return text


def _hours_of(span: str) -> float:
    begins, ends = (time.fromisoformat(clock) for clock in span.split("-"))
    return (((ends.hour - begins.hour) * 60 + ends.minute - begins.minute) % (24 * 60)) / 60


def _up_to(most: int) -> AfterValidator:
    def check(value: int) -> int:
        if not 1 <= value <= most:
            raise ValueError(f"must be 1 to {most}")
        return value

    return AfterValidator(check)


Template = Annotated[str, AfterValidator(checked_template)]
Link = Annotated[str, AfterValidator(_link)]


class ActionMessagesTable(BaseModel):
    """``[actions.messages]``: what is left out is as ``[messages]`` has it."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    remind_hours_before: Annotated[list[float], AfterValidator(_hours)] | None = None
    follow_up_after_hours: Annotated[float, AfterValidator(_later)] | None = None
    review_link: Link | None = None
    review_after_hours: Annotated[float, AfterValidator(_later)] | None = None
    rebook_link: Annotated[str, AfterValidator(_rebook_link)] | None = None
    email: bool | None = None
    invites: bool | None = None
    invite_title: Annotated[str, AfterValidator(_title)] | None = None
    requested: Template | None = None
    unconfirmed: Template | None = None
    failed: Template | None = None
    moved: Template | None = None
    cancelled: Template | None = None
    change_unconfirmed: Template | None = None
    change_failed: Template | None = None
    reminder_day: Template | None = None
    reminder_hours: Template | None = None
    follow_up: Template | None = None
    review: Annotated[Template, AfterValidator(_asks_for_review)] | None = None


class MessagesTable(ActionMessagesTable):
    """``[messages]``."""

    quiet_hours: Annotated[str, AfterValidator(_quiet_hours)] = "21:00-08:00"
    most_texts_per_number_an_hour: Annotated[int, _up_to(100)] = 6
    most_texts_a_day: Annotated[int, _up_to(100_000)] = 500


def message_settings(
    table: MessagesTable, of_action: ActionMessagesTable | None = None, *, is_texted: bool = True
) -> MessageSettings:
    """Return what is sent about appointments: of an action, or of what no action books any more.

    Args:
        is_texted: Whether the action's callers are texted at all; if not, only its own table can have them reminded.
    """
    own = of_action.model_dump(exclude_none=True) if of_action else {}
    given = {**table.model_dump(exclude_none=True), **own}
    usual = MessageSettings()
    reminders = usual.reminders
    if "remind_hours_before" in given:
        reminders = tuple(timedelta(hours=hours) for hours in given["remind_hours_before"])
    if not is_texted and "remind_hours_before" not in own:
        reminders = ()
    follow_up = given.get("follow_up_after_hours")
    return MessageSettings(
        reminders=reminders,
        quiet=_quiet(table.quiet_hours),
        follow_up_after=None if follow_up is None else timedelta(hours=follow_up),
        review_link=given.get("review_link", ""),
        review_after=timedelta(hours=given["review_after_hours"])
        if "review_after_hours" in given
        else usual.review_after,
        rebook_link=given.get("rebook_link", ""),
        has_email=given.get("email", usual.has_email),
        has_invites=given.get("invites", usual.has_invites),
        invite_title=given.get("invite_title", usual.invite_title),
        templates={kind.value: given[kind] for kind in WORDED if kind in given},
    )


def sending_limits(table: MessagesTable) -> SendingLimits:
    """Return how many texts may go out."""
    return SendingLimits(table.most_texts_per_number_an_hour, table.most_texts_a_day)


def _quiet(span: str) -> QuietHours | None:
    return QuietHours(*(time.fromisoformat(clock) for clock in span.split("-"))) if span else None
