"""Scenario files: what a caller says, what goes wrong meanwhile, and what must be booked and texted at the end."""

from __future__ import annotations

import difflib
import re
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    model_validator,
)

from agent.business import LONGEST, SHORTEST, load_business
from agent.stand_ins import event_type_setting
from appointments.errors import ConfigError
from prompts.loader import REHEARSAL_BUSINESS, scenario_paths
from prompts.reading import FileProblem, Problem, nearest_line, parse_yaml, read_text, validate
from simulator.dial_edge import Person
from simulator.faults import MAY_BE_TAKEN, OPERATIONS, Kind
from simulator.script import SMS_CODE
from simulator.voices import UnknownVoice, VoicesMissing, check_voice
from simulator.world import EVENT_TYPE_ID

if TYPE_CHECKING:
    from collections.abc import Iterable

    from appointments.model import Business
    from prompts.reading import LineOf, Loc

DEFAULT_SCENARIO = "books_the_first_offer"

_LOCAL_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?")


def _regular_expression(text: str) -> str:
    try:
        re.compile(text, re.IGNORECASE)
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}") from None
    return text


def _known_voice(name: str) -> str:
    try:
        check_voice(name)
    except UnknownVoice as error:
        raise ValueError(f"is wrong: {error}") from None
    except VoicesMissing:
        # A typed rehearsal needs no voice, and a spoken one says what to install.
        return name
    return name


def _local_time(value: object) -> datetime:
    try:
        if isinstance(value, str) and _LOCAL_TIME.fullmatch(value):
            return datetime.fromisoformat(value)
    except ValueError:
        pass  # such as the 31st of a month that has 30 days
    raise ValueError(f"must be a day and a time of the business's clock such as 2026-12-01T09:00, not {value!r}")


def _list_of_times(value: object) -> object:
    if not isinstance(value, list):
        raise ValueError(f"must be a list of times such as [2026-12-01T09:00, 2026-12-01T14:30], not {value!r}")
    return value


def _times_or_none(value: object) -> datetime | tuple[datetime, ...] | None:
    if isinstance(value, list):
        return tuple(map(_local_time, value))
    return None if value is None else _local_time(value)


def _like(pattern: str, what: str) -> AfterValidator:
    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"must be {what}, not {text!r}")
        return text

    return AfterValidator(check)


def _moment(value: float | str) -> float | str:
    is_right = re.fullmatch(r"[a-z][a-z0-9_]*", value) if isinstance(value, str) else 0 <= value <= 60
    if not is_right:
        raise ValueError(f"must be a number of seconds, 60 at most, or the name of a tool, not {value!r}")
    return value


def _only_sms_code(text: str) -> str:
    for placeholder in re.findall(r"\{\w*\}", text):
        if placeholder != SMS_CODE:
            raise ValueError(f"has {placeholder}, which is no placeholder; there is {SMS_CODE}")
    return text


Text = Annotated[str, Field(min_length=1)]
Spoken = Annotated[str, Field(min_length=1), AfterValidator(_only_sms_code)]
Keys = Annotated[str, _like(r"([0-9*#]|\{sms_code\})+", f"keys, of 0 to 9, * and #, or {SMS_CODE}")]
Number = Annotated[str, _like(r"\+[1-9][0-9]{5,14}", "a number in E.164 such as +14155550123")]
Voice = Annotated[
    str,
    _like(r"[a-z]+(-[a-z0-9]+)*(\+[A-Za-z0-9]+)?", "a voice of espeak-ng such as en-us+f3"),
    AfterValidator(_known_voice),
]
Expression = Annotated[str, Field(min_length=1), AfterValidator(_regular_expression)]
LocalTime = Annotated[datetime, BeforeValidator(_local_time)]
"""A time on the business's wall clock."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ScenarioBehind(_Part):
    """Somebody who talks behind the caller all the time, `db` quieter than they."""

    says: Spoken
    voice: Voice = "en-us+m2"
    db: float = Field(default=15, ge=0, le=60)


class ScenarioCaller(_Part):
    """Who phones, in which voice of espeak-ng, and how far above the line's noise (None: no noise).

    A `number` of None is withheld. `attestation` is how far the carrier vouches for it (None: it does not say).
    """

    number: Number | None = "+14155550123"
    attestation: Literal["A", "B", "C"] | None = None
    voice: Voice = "en-us+f3"
    noise_db: float | None = Field(default=None, ge=0, le=80)
    behind: ScenarioBehind | None = None

    @property
    def is_attested(self) -> bool:
        """Whether the carrier vouches for the caller's right to the number."""
        return self.number is not None and self.attestation == "A"


class BookedBefore(_Part):
    """An appointment that exists when the call begins; `number` None is the caller's, `title` None the first."""

    at: LocalTime
    name: Text
    number: Number | None = None
    title: Text | None = None


class ScenarioLine(_Part):
    """One thing the caller does, the first time the agent's words match `when`."""

    when: Expression | None = None
    say: Spoken | None = None
    press: Keys | None = None
    silence: Annotated[float, Field(gt=0, le=120)] | None = None
    hang_up: Literal[True] | None = None
    line_breaks: Literal[True] | None = None
    barge_in: Annotated[float | str, AfterValidator(_moment)] | None = None
    then: Literal["hang_up"] | None = None

    @model_validator(mode="after")
    def _does_one_thing(self) -> ScenarioLine:
        things = ("say", "press", "silence", "hang_up", "line_breaks")
        given = [name for name in things if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"needs one of {', '.join(things)}; it has {' and '.join(given) or 'none'}")
        if self.then and self.hang_up:
            raise ValueError("hangs up twice: leave out then")
        if self.barge_in is not None and SMS_CODE in (self.say or self.press or ""):
            raise ValueError(f"waits for the text that brings {SMS_CODE}: leave out barge_in")
        return self


class ScenarioFault(_Part):
    """A service misbehaves, `times` times."""

    service: Literal["calendar", "calcom", "twilio", "openai", "fallback"]
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


class Expectation(_Part):
    """What must stand at the end: where what was booked starts, None for no booking at all, and how many texts.

    `title`, where it is given, is what was booked. `moved`, `cancelled` and `confirmed` tell what became of the first
    appointment that was there before; the others must stand as they were. The agent must say
    each of `said` in some turn, and `unsaid` in none.
    `transferred` claims that a person has taken the call, and `told` is what they must have heard first.
    """

    booking: Annotated[datetime | tuple[datetime, ...] | None, BeforeValidator(_times_or_none)]
    title: Text | tuple[Text, ...] | None = None
    moved: LocalTime | None = None
    cancelled: bool = False
    confirmed: bool = False
    requests: tuple[Literal["call_back", "waitlist"], ...] = ()
    codes: int = Field(default=0, ge=0)
    sms: int = Field(ge=0)
    said: tuple[Expression, ...] = ()
    unsaid: Expression | None = None
    transferred: bool = False
    told: Expression | None = None

    @model_validator(mode="before")
    @classmethod
    def _one_text_a_change(cls, data: object) -> object:
        if not isinstance(data, dict) or "sms" in data:
            return data
        booking = data.get("booking")
        booked = len(booking) if isinstance(booking, list) else int(booking is not None)
        return {**data, "sms": booked + bool(data.get("moved")) + bool(data.get("cancelled"))}

    @model_validator(mode="after")
    def _fits_together(self) -> Expectation:
        if isinstance(self.title, tuple) and len(self.title) != len(self.bookings):
            raise ValueError(f"has {len(self.title)} titles for {len(self.bookings)} bookings")
        if self.moved and self.cancelled:
            raise ValueError("says moved and cancelled; a cancelled appointment is nowhere")
        return self

    @property
    def bookings(self) -> tuple[datetime, ...]:
        """When what was booked in the call starts."""
        return self.booking if isinstance(self.booking, tuple) else (self.booking,) if self.booking else ()

    @property
    def titles(self) -> tuple[str, ...]:
        """What was booked, for each booking; empty where anything will do."""
        if self.title is None or isinstance(self.title, tuple):
            return self.title or ()
        return (self.title,) * max(1, len(self.bookings))


class Scenario(_Part):
    """One rehearsed call, or two of the same caller."""

    name: Text
    business: Text = REHEARSAL_BUSINESS.stem
    """A shipped business file's name, or a path as seen from the scenario's file."""
    now: LocalTime | None = None
    """None: the system's time."""
    free: Annotated[tuple[LocalTime, ...], BeforeValidator(_list_of_times)] | None = None
    """None: the ordinary week; empty: nothing is free."""
    minutes: dict[str, Annotated[int, Field(ge=SHORTEST, le=LONGEST)]] = {}
    """How long the appointments of those titles last."""
    caller: ScenarioCaller = ScenarioCaller()
    person: Person = "answers"
    """What becomes of the phone that the caller is put through to."""
    booked: tuple[BookedBefore, ...] = ()
    """What exists before the call."""
    lines: tuple[ScenarioLine, ...] = Field(min_length=1)
    calls_again: tuple[ScenarioLine, ...] = ()
    """What the caller does in a second call, right after the first; empty: they do not call again."""
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
        if not self.booked and (expect.moved or expect.cancelled or expect.confirmed):
            raise ValueError("expects a change of what exists before the call, and booked names nothing")
        if self.caller.number is None and any(each.number is None for each in self.booked):
            raise ValueError("has a caller without a number: say number in each of booked")
        return self

    @model_validator(mode="after")
    def _has_what_fails(self) -> Scenario:
        if not self.fallback and any(fault.service == "fallback" for fault in self.faults):
            raise ValueError("has a fault of what stands in, and nothing does: say fallback: true")
        return self

    @property
    def every_line(self) -> tuple[ScenarioLine, ...]:
        """What the caller does, in whichever call."""
        return self.lines + self.calls_again

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
    named += [(("booked", place, "title"), each.title) for place, each in enumerate(scenario.booked) if each.title]
    named += [(("expect", "title"), title) for title in dict.fromkeys(scenario.expect.titles)]
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
