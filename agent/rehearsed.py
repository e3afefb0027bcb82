"""Whose phone a rehearsal is about: a business file, the calendar that it books, and other instructions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Self

from agent.business import load_business, load_prompts, names_calcom
from agent.scenarios import rehearsed_business
from appointments.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from agent.scenario_fields import EventTypeOptions
    from agent.settings import CalendarName
    from appointments.model import Action, Business

_MEETINGS = {
    "cal_video": "cal-video",
    "zoom": "zoom",
    "google_meet": "google-meet",
    "microsoft_teams": "office365-video",
}
"""What Cal.com calls the platforms on which both meet by video."""
NO_OPTIONS: EventTypeOptions = {}


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """Whose phone is rehearsed: a business file, what it says, the calendar, and other instructions than the file's."""

    file: Path
    business: Business
    calendar: CalendarName = "calcom"
    prompt: Path | None = None

    @classmethod
    def read(cls, file: Path, prompt: Path | None = None, calendar: CalendarName | None = None) -> Self:
        """Return what a worker will go by, or raise a `ConfigError` with all that it would refuse.

        Args:
            calendar: None is Cal.com, unless no action of the file is an event type there.
        """
        business = load_business(file)
        calendar = calendar or ("calcom" if any(map(names_calcom, business.actions)) else "builtin")
        if calendar == "calcom":
            business = rehearsed_business(file)
            _check_event_types(business, file)
        load_prompts(business, prompt)
        return cls(file.resolve(), business, calendar, prompt and prompt.resolve())

    @property
    def has_own_instructions(self) -> bool:
        return bool(self.prompt or self.business.prompt)

    def event_types(
        self, minutes: Mapping[str, int], options: EventTypeOptions = NO_OPTIONS
    ) -> list[dict[str, object]]:
        """Return the event types of the business's actions, which last what `minutes` or the actions say.

        Args:
            options: What else they are at Cal.com, by title.
        """
        return [
            {
                "id": number,
                "title": action.title,
                "minutes": minutes.get(action.title) or action.duration // timedelta(minutes=1),
                **({} if "locations" in options.get(action.title, {}) else {"location": self._location(action)}),
                **options.get(action.title, {}),
            }
            for number, action in {int(action.event_type_id): action for action in self.business.actions}.items()
        ]

    def _location(self, action: Action) -> dict[str, str]:
        match action.platform:
            case "in_person":
                return {"type": "address", "address": action.address}
            case "phone":
                return {"type": "phone", "phone": self.business.number}
            case platform:
                return {"type": "integration", "integration": _MEETINGS[platform]}


def _check_event_types(business: Business, file: Path) -> None:
    for action in business.actions:
        if not names_calcom(action):
            raise ConfigError(
                f'{file}: "{action.title}" has no event_type that is a number, as those of Cal.com are. '
                "Write one, or rehearse with --calendar builtin"
            )
