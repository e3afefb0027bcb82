"""What the owner of a key has at Cal.com: event types, connected calendars and apps for meetings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, Field

from appointments.errors import CalendarRejected
from appointments.model import EventTypeId
from calendars.calcom_requests import EVENT_TYPES, ask
from calendars.calcom_wire import null_as, read

if TYPE_CHECKING:
    from collections.abc import Sequence

    from calendars.client import ServiceClient

APPS = {
    "zoom_video": "zoom",
    "google_video": "google_meet",
    "office365_video": "microsoft_teams",
}
"""What the business file calls the apps that somebody has to connect; Cal Video is always there."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose key it is. `zone` is an IANA name."""

    username: str
    zone: str


@dataclass(frozen=True, slots=True)
class ConnectedCalendar:
    """One calendar that Cal.com is connected to. `is_checked` claims that what is in it makes times taken."""

    name: str
    is_checked: bool


@dataclass(frozen=True, slots=True)
class Calendars:
    """The connected calendars, and the one that bookings are written to, "" for none."""

    connected: tuple[ConnectedCalendar, ...]
    writes_to: str


class CalComAccount:
    """Reads what an account has; changes nothing. Raises as a `Calendar` does."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    async def owner(self) -> Owner:
        """Return whose key it is; raises `CalendarRejected` when the key is refused."""
        found = read(_Me, await ask(self._client, "/v2/me", {}, {}))
        return Owner(found.username, found.zone)

    async def event_type_ids(self, owner: Owner) -> Sequence[EventTypeId]:
        """Return the owner's event types and those of their teams, in Cal.com's order.

        What a list says of them leaves out the questions that a page hides; `CalComCalendar.describe` has them all.
        """
        listed = await ask(self._client, "/v2/event-types", {"username": owner.username}, EVENT_TYPES)
        found = read(list[_Numbered], listed)
        for team in await self._teams():
            of_team = await ask(self._client, f"/v2/teams/{team.id}/event-types", {}, EVENT_TYPES)
            found += read(list[_Numbered], of_team)
        return [EventTypeId(str(each.id)) for each in found]

    async def calendars(self) -> Calendars:
        """Return the connected calendars."""
        found = read(_Connected, await ask(self._client, "/v2/calendars", {}, {}))
        connected = tuple(
            ConnectedCalendar(each.name or each.external_id, each.is_checked)
            for account in found.accounts
            for each in account.calendars
        )
        destination = found.destination
        return Calendars(connected, destination.name or destination.external_id if destination else "")

    async def platforms(self) -> frozenset[str]:
        """Return the business file's names of the apps for meetings that are connected."""
        found = read(list[_App], await ask(self._client, "/v2/conferencing", {}, {}))
        return frozenset(APPS[app.type] for app in found if app.type in APPS and not app.is_invalid) | {"cal_video"}

    async def _teams(self) -> Sequence[_Numbered]:
        try:
            return read(list[_Numbered], await ask(self._client, "/v2/teams", {}, {}))
        except CalendarRejected:
            return ()  # a Cal.com of one's own has none, and a key may not be allowed to see them


class _Me(BaseModel):
    username: Annotated[str, null_as(str)] = ""
    zone: Annotated[str, Field(alias="timeZone", min_length=1)]


class _Numbered(BaseModel):
    id: int


class _App(BaseModel):
    type: Annotated[str, null_as(str)] = ""
    is_invalid: Annotated[bool | None, Field(alias="invalid")] = False


class _Calendar(BaseModel):
    name: Annotated[str, null_as(str)] = ""
    external_id: Annotated[str, null_as(str), Field(alias="externalId")] = ""
    is_checked: Annotated[bool, Field(alias="isSelected")] = False


class _CalendarAccount(BaseModel):
    calendars: Annotated[list[_Calendar], null_as(list)] = []


class _Connected(BaseModel):
    accounts: Annotated[list[_CalendarAccount], null_as(list), Field(alias="connectedCalendars")] = []
    destination: Annotated[_Calendar | None, Field(alias="destinationCalendar")] = None
