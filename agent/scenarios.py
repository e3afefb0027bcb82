"""Scenario files: what a caller says, what goes wrong meanwhile, and what must be booked and texted at the end."""

from __future__ import annotations

import difflib
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, PrivateAttr, model_validator

from agent.business import load_business
from agent.business_file import LONGEST, SHORTEST
from agent.expectations import Expectation, LaterExpectation
from agent.scenario_fields import (
    EventTypeOptions,
    Expression,
    Keys,
    LocalTime,
    Moment,
    Number,
    Part,
    Replies,
    Spoken,
    Text,
    Times,
    Voice,
)
from agent.stand_ins import event_type_setting
from appointments.errors import ConfigError
from prompts.loader import REHEARSAL_BUSINESS, scenario_paths
from prompts.reading import FileProblem, Problem, nearest_line, parse_yaml, read_text, validate
from simulator.dial_edge import Person
from simulator.faults import MAY_BE_TAKEN, OPERATIONS, Kind
from simulator.script import SMS_CODE
from simulator.world import EVENT_TYPE_ID

if TYPE_CHECKING:
    from collections.abc import Iterable

    from appointments.model import Business
    from prompts.reading import LineOf, Loc

DEFAULT_SCENARIO = "books_the_first_offer"


class ScenarioBehind(Part):
    """Somebody who talks behind the caller all the time, `db` quieter than they."""

    says: Spoken
    voice: Voice = "en-us+m2"
    db: float = Field(default=15, ge=0, le=60)


class ScenarioCaller(Part):
    """Who phones, in which voice of espeak-ng, and how far above the line's noise (None: no noise).

    A `number` of None is withheld. `attestation` is how far the carrier vouches for it (None: it does not say).
    `texts` is what becomes of texts to it: they arrive, or it is a landline, or its owner has texted STOP before.
    """

    number: Number | None = "+14155550123"
    attestation: Literal["A", "B", "C"] | None = None
    texts: Literal["arrive", "landline", "stopped"] = "arrive"
    voice: Voice = "en-us+f3"
    noise_db: float | None = Field(default=None, ge=0, le=80)
    behind: ScenarioBehind | None = None

    @model_validator(mode="after")
    def _has_what_is_texted(self) -> ScenarioCaller:
        if self.number is None and self.texts != "arrive":
            raise ValueError("has no number that could be texted: leave out texts")
        return self

    @property
    def is_attested(self) -> bool:
        """Whether the carrier vouches for the caller's right to the number."""
        return self.number is not None and self.attestation == "A"


class BookedBefore(Part):
    """An appointment that exists when the call begins; `number` None is the caller's, `title` None the first."""

    at: LocalTime
    name: Text
    number: Number | None = None
    title: Text | None = None


class OwnerDeed(Part):
    """What the owner does at Cal.com with a booking: the one that begins at `start`, None: the first of ours."""

    does: Literal["accept", "reject", "cancel", "move", "no_show", "end"]
    start: LocalTime | None = None
    move_to: LocalTime | None = None
    reason: Text | None = None

    @model_validator(mode="after")
    def _says_where_to(self) -> OwnerDeed:
        if (self.does == "move") != (self.move_to is not None):
            raise ValueError("needs move_to with does: move, and with nothing else")
        return self


class ScenarioLine(Part):
    """One thing the caller does, the first time the agent's words match `when`.

    `owner` is what the owner does meanwhile, as soon as the caller has said it.
    """

    when: Expression | None = None
    say: Spoken | None = None
    press: Keys | None = None
    silence: Annotated[float, Field(gt=0, le=120)] | None = None
    hang_up: Literal[True] | None = None
    line_breaks: Literal[True] | None = None
    barge_in: Moment | None = None
    then: Literal["hang_up"] | None = None
    owner: OwnerDeed | None = None

    @model_validator(mode="after")
    def _does_one_thing(self) -> ScenarioLine:
        things = ("say", "press", "silence", "hang_up", "line_breaks")
        given = [name for name in things if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"needs one of {', '.join(things)}; it has {' and '.join(given) or 'none'}")
        if self.then and self.hang_up:
            raise ValueError("hangs up twice: leave out then")
        if self.owner and not self.say:
            raise ValueError("has what the owner does meanwhile, but nothing that is said: leave out owner, or add say")
        if self.owner and SMS_CODE in (self.say or ""):
            raise ValueError(f"has what the owner does meanwhile, and {SMS_CODE}: give owner to another line")
        if self.barge_in is not None and SMS_CODE in (self.say or self.press or ""):
            raise ValueError(f"waits for the text that brings {SMS_CODE}: leave out barge_in")
        return self


class ScenarioFault(Part):
    """A service misbehaves, `times` times."""

    service: Literal["calendar", "calcom", "twilio", "mail", "openai", "fallback"]
    on: str
    kind: Kind
    times: int = Field(default=1, ge=1)
    seconds: float | None = Field(default=None, gt=0, le=120)

    @model_validator(mode="after")
    def _can_happen(self) -> ScenarioFault:
        if self.on not in OPERATIONS[self.stand_in]:
            raise ValueError(f"has on: {self.on}; {self.service} has {', '.join(OPERATIONS[self.stand_in])}")
        if self.kind == "taken" and (self.stand_in, self.on) not in MAY_BE_TAKEN:
            raise ValueError("has kind: taken, which only happens on the calendar's create and reschedule")
        if self.kind == "slow" and self.seconds is None:
            raise ValueError("needs seconds, because its kind is slow")
        if self.kind not in {"slow", "rate_limited"} and self.seconds is not None:
            raise ValueError(f"has seconds, which kind: {self.kind} does not take")
        return self

    @property
    def stand_in(self) -> str:
        """The stand-in that it happens to, where the calendar is one."""
        return "calcom" if self.service == "calendar" else self.service


class ScenarioLater(Part):
    """What is lived through when it is `now`: the worker starts on the same record, and what is due happens.

    Then the owner does something, the caller answers by text, one text after the other, and calls, as far as each is
    said.
    """

    now: LocalTime
    owner: OwnerDeed | None = None
    sms_reply: Replies = ()
    lines: tuple[ScenarioLine, ...] = ()
    expect: LaterExpectation = LaterExpectation(sms=0)


class Scenario(Part):
    """One rehearsed call, or two of the same caller, and what comes later of it."""

    name: Text
    business: Text = REHEARSAL_BUSINESS.stem
    """A shipped business file's name, or a path as seen from the scenario's file."""
    now: LocalTime | None = None
    """None: the system's time."""
    free: Times | None = None
    """None: the ordinary week; empty: nothing is free."""
    minutes: dict[str, Annotated[int, Field(ge=SHORTEST, le=LONGEST)]] = Field(default_factory=dict)
    """How long the appointments of those titles last."""
    event_types: EventTypeOptions = Field(default_factory=dict)
    """What else the event types of those titles are at Cal.com."""
    caller: ScenarioCaller = ScenarioCaller()
    person: Person = "answers"
    """What becomes of the phone that the caller is put through to."""
    booked: tuple[BookedBefore, ...] = ()
    """What exists before the call."""
    lines: tuple[ScenarioLine, ...] = Field(min_length=1)
    calls_again: tuple[ScenarioLine, ...] = ()
    """What the caller does in a second call, right after the first; empty: they do not call again."""
    later: tuple[ScenarioLater, ...] = ()
    again: Text = "Sorry?"
    fallback: bool = False
    """Whether another stands in for model, recogniser and voice."""
    stt_mode: Literal["http", "realtime"] = "http"
    context_tokens: Annotated[int, Field(ge=1000)] | None = None
    """How much of the call the model is sent; None: as much as ever."""
    faults: tuple[ScenarioFault, ...] = ()
    expect: Expectation

    @model_validator(mode="after")
    def _has_what_it_changes(self) -> Scenario:
        expect = self.expect
        if not self.booked and expect.changes:
            raise ValueError("expects a change of what exists before the call, and booked names nothing")
        is_anything = self.booked or any(each.bookings for each in self.every_expectation)
        if not is_anything and any(each.expect.changes for each in self.later):
            raise ValueError("expects a change later, and nothing is booked by then")
        if self.caller.number is None and any(each.number is None for each in self.booked):
            raise ValueError("has a caller without a number: say number in each of booked")
        return self

    @model_validator(mode="after")
    def _goes_forward(self) -> Scenario:
        times = [self.now, *(each.now for each in self.later)]
        if self.later and any(before is None or after is None or before >= after for before, after in pairwise(times)):
            raise ValueError("has a later that is not later: each needs a now behind the one before, and so the call")
        if self.caller.number is None and any(each.sms_reply for each in self.later):
            raise ValueError("has a caller without a number, who cannot text: leave out sms_reply")
        return self

    @model_validator(mode="after")
    def _has_what_fails(self) -> Scenario:
        if not self.fallback and any(fault.service == "fallback" for fault in self.faults):
            raise ValueError("has a fault of what stands in, and nothing does: say fallback: true")
        return self

    @property
    def every_line(self) -> tuple[ScenarioLine, ...]:
        """What the caller does, in whichever call."""
        return self.lines + self.calls_again + tuple(line for later in self.later for line in later.lines)

    @property
    def has_owner(self) -> bool:
        """Whether the owner does something at Cal.com."""
        return any(line.owner for line in self.every_line) or any(later.owner for later in self.later)

    @property
    def every_expectation(self) -> tuple[Expectation, ...]:
        """What is expected, at whichever time."""
        return (self.expect, *(later.expect for later in self.later))

    @property
    def open_times(self) -> tuple[datetime, ...] | None:
        """What is free before anything is booked, None for the ordinary week."""
        if self.free is None:
            return None
        return tuple(sorted({*self.free, *(each.at for each in self.booked)}))

    _path: Path = PrivateAttr(default=Path())
    _business_file: Path = PrivateAttr(default=REHEARSAL_BUSINESS)

    @property
    def path(self) -> Path:
        """The file it was read from."""
        return self._path

    @property
    def business_file(self) -> Path:
        """The business file that `business` names."""
        return self._business_file

    @property
    def stem(self) -> str:
        """The short name that `--scenario` takes."""
        return self._path.stem


def load_scenario(name_or_path: str | Path = DEFAULT_SCENARIO) -> Scenario:
    """Return the scenario of that file name, `name:` or path.

    Raises:
        ConfigError: with file and line of what is wrong, or with the names there are when there is none of that name.
    """
    shipped = {path.stem: path for path in scenario_paths()}
    text = str(name_or_path)
    if text in shipped:
        return _read(shipped[text])
    if Path(text).is_file():
        return _read(Path(text))
    for path in shipped.values():
        if _name_of(path).casefold() == text.casefold():
            return _read(path)
    raise ConfigError(f"there is no scenario {text!r}, and no file of that name{_there_are(Path(text).stem, shipped)}")


def _there_are(name: str, shipped: Iterable[str]) -> str:
    """Return the end of a sentence that names the scenarios which `name` resembles, itself or in a word, else all."""
    likeness = {
        stem: max(difflib.SequenceMatcher(None, name.casefold(), part).ratio() for part in (stem, *stem.split("_")))
        for stem in shipped
    }
    best = max(likeness.values())
    if best <= 0.5:
        return f".\nShipped are {', '.join(shipped)}."
    close = [stem for stem in likeness if likeness[stem] == best]
    return f"; did you mean {' or '.join(close)}? `slotline rehearse --list` shows all."


def rehearsed_business(file: Path) -> Business:
    """Return the business of `file`, whose one action may leave its event type to the rehearsal.

    Raises:
        ConfigError: with file and line of what is wrong.
    """
    return load_business(file, event_type_id=event_type_setting(file, str(EVENT_TYPE_ID)))


def list_scenarios() -> tuple[Scenario, ...]:
    """Return every shipped scenario by file name; raises `ConfigError` when one is wrong."""
    return tuple(_read(path) for path in scenario_paths())


def _read(path: Path) -> Scenario:
    try:
        data, line_of = parse_yaml(read_text(path), path)
        scenario = validate(Scenario, data, path, line_of)
        scenario._path = path
        scenario._business_file = _business_file(scenario, line_of)
        _check_titles(scenario, line_of)
    except FileProblem as problem:
        raise ConfigError(str(problem)) from problem
    return scenario


def _business_file(scenario: Scenario, line_of: LineOf) -> Path:
    shipped = {file.stem: file for file in sorted(REHEARSAL_BUSINESS.parent.glob("*.toml"))}
    file = shipped.get(scenario.business) or scenario.path.parent / scenario.business
    if file.is_file():
        return file
    text = f"business: there is no file {file}, and no shipped business of that name; there are {', '.join(shipped)}"
    raise FileProblem(scenario.path, [Problem(nearest_line(("business",), line_of), text)])


def _check_titles(scenario: Scenario, line_of: LineOf) -> None:
    """Refuse titles that the business has no action of."""
    named: list[tuple[Loc, str]] = [(("minutes", title), title) for title in scenario.minutes]
    named += [(("event_types", title), title) for title in scenario.event_types]
    named += [(("booked", place, "title"), each.title) for place, each in enumerate(scenario.booked) if each.title]
    named += [(("expect", "title"), title) for title in dict.fromkeys(scenario.expect.titles)]
    named += [
        (("later", place, "expect", "title"), title)
        for place, later in enumerate(scenario.later)
        for title in dict.fromkeys(later.expect.titles)
    ]
    if not named:
        return
    titles = [action.title for action in rehearsed_business(scenario.business_file).actions]
    problems = [
        Problem(nearest_line(loc, line_of), f"{loc[0]} names {title!r}; what can be booked is {', '.join(titles)}")
        for loc, title in named
        if title not in titles
    ]
    if problems:
        raise FileProblem(scenario.path, problems)


def _name_of(path: Path) -> str:
    """Return the `name:` of a file, "" when it has none: another's mistake must not hide the one looked for."""
    try:
        data, _ = parse_yaml(read_text(path), path)
    except FileProblem:
        return ""
    return str(data.get("name", "")) if isinstance(data, dict) else ""
