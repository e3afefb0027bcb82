"""Which calendars and meeting apps are connected to the stand-in Cal.com."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from simulator.calcom_people import OWNER
from simulator.calcom_wire import NoQuery, read_query, success

if TYPE_CHECKING:
    from simulator.calcom_schedule import CalendarOrder, Schedule

APP_TYPES = {"zoom": "zoom_video", "google-meet": "google_video", "office365-video": "office365_video"}
"""What the list of connected apps calls them. Cal Video is connected for everybody, and so is not in it."""


class Calendars:
    """The handlers that tell what is connected."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/v2/calendars", self.calendars), web.get("/v2/conferencing", self.apps)]

    async def calendars(self, request: web.Request) -> web.Response:
        """Answer with one credential for each kind of calendar, and the calendars that it opens."""
        read_query(request, NoQuery)
        kinds = list(dict.fromkeys(each.integration for each in self._schedule.calendars))
        connected = [self._connected(kind, number) for number, kind in enumerate(kinds, start=1)]
        written = [each for each in self._schedule.calendars if each.name == self._schedule.writes_to]
        destination = _destination(written[0], kinds.index(written[0].integration) + 1) if written else None
        return success({"connectedCalendars": connected, "destinationCalendar": destination})

    async def apps(self, request: web.Request) -> web.Response:
        read_query(request, NoQuery)
        apps = [
            {"id": number, "type": APP_TYPES[app], "userId": OWNER.id, "invalid": False}
            for number, app in enumerate(self._schedule.apps, start=50)
        ]
        return success(apps)

    def _connected(self, kind: str, number: int) -> dict[str, object]:
        listed = [_listed(each, number) for each in self._schedule.calendars if each.integration == kind]
        return {
            "integration": _app(kind),
            "credentialId": number,
            "primary": {**listed[0], "primary": True},
            "calendars": listed,
        }


def _app(kind: str) -> dict[str, object]:
    slug = kind.replace("_", "-")
    return {
        "name": kind.replace("_", " ").title(),
        "title": kind.replace("_", " ").title(),
        "description": "",
        "type": kind,
        "variant": "calendar",
        "categories": ["calendar"],
        "logo": f"/app-store/{slug}/icon.svg",
        "publisher": "Cal.com",
        "slug": slug,
        "url": "https://cal.com/",
        "email": "help@cal.com",
        "locationOption": None,
    }


def _listed(calendar: CalendarOrder, number: int) -> dict[str, object]:
    return {
        "externalId": calendar.name,
        "integration": calendar.integration,
        "name": calendar.name,
        "primary": False,
        "readOnly": calendar.is_read_only,
        "email": OWNER.email,
        "isSelected": calendar.is_checked,
        "credentialId": number,
    }


def _destination(calendar: CalendarOrder, number: int) -> dict[str, object]:
    return {
        "id": number,
        "integration": calendar.integration,
        "externalId": calendar.name,
        "primaryEmail": OWNER.email,
        "userId": OWNER.id,
        "eventTypeId": None,
        "credentialId": number,
        "name": calendar.name,
        "readOnly": calendar.is_read_only,
        "integrationTitle": calendar.integration.replace("_", " ").title(),
    }
