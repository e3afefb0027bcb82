"""What happens in the calls of a rehearsal, as those who take part in them tell it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in the call, as it happens. `who` is caller, agent, tool, person, owner or problem."""

    who: str
    text: str
    at_ms: int
    tool: str | None = None
    took_ms: int | None = None


@dataclass(slots=True)
class Events:
    """All that has happened in a rehearsal, each told on to the `listeners`."""

    listeners: list[Callable[[Event], None]] = field(default_factory=list)
    told: list[Event] = field(default_factory=list)

    def tell(self, event: Event) -> None:
        self.told.append(event)
        for listener in self.listeners:
            listener(event)

    def note_spoken(self, told: dict[str, Any], outcome: Outcome) -> None:
        """Keep what the process of a caller who speaks told."""
        match told["event"]:
            case "connected":
                outcome.connected(told["at_ms"])
            case "dialled":
                self._dialled({name: told[name] for name in ("number", "status", "is_bridged", "told")}, outcome)
            case "said":
                self.tell(Event("caller", told["text"], outcome.call_began_ms + told["at_ms"]))
            case "heard":
                at_ms = outcome.call_began_ms + told["at_ms"]
                self.tell(Event("agent", told["text"], at_ms, took_ms=told.get("took_ms")))
            case "problem":
                outcome.problems.append(told["text"])
                self.tell(Event("problem", told["text"], outcome.now_ms()))
            case "ended":
                outcome.greeting_ms = told.get("greeting_ms")
                outcome.voice_to_voice_ms += told.get("voice_to_voice_ms", [])
                outcome.has_ended = True

    def note_typed(self, told: dict[str, Any], outcome: Outcome) -> None:
        """Keep what a typed worker told."""
        if "put_through" in told:
            self._dialled(as_dialled(told), outcome)
        elif "agent" in told:
            self.tell(Event("agent", told["agent"], outcome.now_ms()))
        elif told.get("state") == "finished":
            self.tell(Event("tool", told["status"], outcome.now_ms(), told["tool"], told["took_ms"]))

    def _dialled(self, dialled: dict[str, Any], outcome: Outcome) -> None:
        outcome.dialled.append(dialled)
        became = "takes the call" if dialled["is_bridged"] else f"does not take the call ({dialled['status']})"
        heard = f"{dialled['told']} " if dialled["told"] else ""
        self.tell(Event("person", f"{heard}[{dialled['number']} {became}]", outcome.now_ms()))


def as_dialled(told: dict[str, Any]) -> dict[str, Any]:
    """Return what became of a call that a typed worker has put through: where no phone rings, a person answers."""
    return {"number": told["put_through"], "status": "completed", "is_bridged": True, "told": told["told"]}
