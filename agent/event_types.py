"""`slotline event-types`: which event types of Cal.com can be booked by phone, ready for the business file."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

import typer

from agent.doctor.event_types import obstacles
from appointments.booking_fields import NOT_SPOKEN, NOTES, FieldKind, key, quoted
from appointments.errors import ConfigError, EventTypeChanged
from calendars.calcom import CalComCalendar
from calendars.calcom_places import PLATFORMS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from agent.settings import CalComSettings
    from appointments.booking_fields import BookingField
    from appointments.model import EventTypeId
    from calendars.calcom_event_types import EventTypeDetails


async def run(settings: CalComSettings) -> None:
    """Print the event types of the key's account.

    Raises:
        ConfigError: there is no key.
        CalendarRejected, CalendarUnavailable: Cal.com does not tell.
    """
    api_key = settings.calcom_api_key.get_secret_value()
    if not api_key:
        raise ConfigError("CALCOM_API_KEY is unset. Get it: Cal.com → Settings → Developer → API keys.")
    calendar = CalComCalendar.connect(settings.calcom_base_url, api_key=api_key)
    async with aclosing(calendar):
        owner = await calendar.account.owner()
        ids = await calendar.account.event_type_ids(owner)
        listed = await asyncio.gather(*(_described(calendar, each) for each in ids))
    typer.echo("\n".join(proposal(owner.username, [each for each in listed if each is not None])))


async def _described(calendar: CalComCalendar, event_type_id: EventTypeId) -> EventTypeDetails | None:
    """Return what Cal.com says of an event type, None for one of a team that this key may list and not open."""
    try:
        return await calendar.describe(event_type_id)
    except EventTypeChanged:
        return None


def proposal(username: str, listed: Sequence[EventTypeDetails]) -> Iterator[str]:
    """Yield the lines of a piece of business file with every event type that can be booked; others in comments."""
    bookable = [each for each in listed if not any(obstacles(each))]
    yield f"# {username} has {len(listed)} event types at Cal.com; {len(bookable)} can be booked by phone."
    yield "# Keep in the business file what callers may book, and look it over: lines with … wait for you."
    for details in bookable:
        yield ""
        yield from _action(details)
    others = [each for each in listed if each not in bookable]
    if others:
        yield ""
        yield "# These cannot be booked by phone:"
    for details in others:
        for what, fix in obstacles(details):
            yield f"# {_named(details)}: {what}. {fix}"


def _named(details: EventTypeDetails) -> str:
    found = details.event_type
    return f"{found.id}, {_plain(found.title)}, {found.duration.total_seconds() / 60:.0f} min"


def _action(details: EventTypeDetails) -> Iterator[str]:
    """Yield the table of one event type, as far as Cal.com says what belongs into it."""
    found = details.event_type
    minutes = f"{found.duration.total_seconds() / 60:.0f}"
    yield "[[actions]]"
    yield f'event_type = "{found.id}"'
    yield f"title = {quoted(found.title)}"
    if details.lengths:
        choice = ", ".join(f"{length.total_seconds() / 60:.0f}" for length in details.lengths)
        yield f"minutes = {minutes}  # one of {choice}"
    yield from _place(details)
    if found.requires_email:
        yield '# fallback_email = "caller+{digits}@…"  # it demands an e-mail; left out: every caller spells one'
    if details.needs_confirmation:
        yield "# Each booking waits until its host has accepted it, and callers hear so."
    if details.is_hidden:
        yield "# It is hidden on the page of the account."
    yield from _fields(found.fields)


def _place(details: EventTypeDetails) -> Iterator[str]:
    platforms = list(dict.fromkeys(PLATFORMS[kind] for kind in details.places if kind in PLATFORMS))
    if not platforms:
        yield '# platform = "…"  # Cal.com does not say what callers should be told'
        return
    also = f"  # or {', '.join(platforms[1:])}" if len(platforms) > 1 else ""
    yield f'platform = "{platforms[0]}"{also}'
    if platforms[0] == "in_person":
        yield f"address = {quoted(details.address or '…')}  # as callers are told it"


def _fields(fields: Sequence[BookingField]) -> Iterator[str]:
    needed = [field for field in fields if field.is_required and field.slug != NOTES]
    others = [field for field in fields if not field.is_required and field.slug not in (NOTES, "title", "guests")]
    if needed or others:
        yield ""
        yield "[actions.fields]"
    for field in needed:
        yield f"{_line(field)}"
    for field in others:
        yield f"# {_line(field)}"


def _line(field: BookingField) -> str:
    options = f"one of {', '.join(map(_plain, field.options))}" if field.options else ""
    if field.kind in NOT_SPOKEN:
        value = '["…"]' if field.kind is FieldKind.EMAILS else '"…"'
        return f"{key(field.slug)} = {value}  # {field.kind}, the same for every caller: nobody can say one"
    comment = f"  # {options}" if options else ""
    return f"{key(field.slug)} = {{ ask = {quoted(field.words)} }}{comment}"


def _plain(text: str) -> str:
    """Return `text` so that it stays in its comment."""
    return " ".join(text.split())
