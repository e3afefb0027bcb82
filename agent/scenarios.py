"""Scenario files: what a caller says, what goes wrong meanwhile, and what must be booked and texted at the end."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    NaiveDatetime,
    PrivateAttr,
    model_validator,
)

from agent.business import load_business
from agent.stand_ins import event_type_setting
from appointments.errors import ConfigError
from prompts.loader import REHEARSAL_BUSINESS, scenario_paths
from prompts.reading import FileProblem, Problem, nearest_line, parse_yaml, read_text, validate
from simulator.voices import UnknownVoice, VoicesMissing, check_voice
from simulator.world import EVENT_TYPE_ID

if TYPE_CHECKING:
    from appointments.model import Business
    from prompts.reading import LineOf, Loc

DEFAULT_SCENARIO = "books_the_first_offer"

_OPERATIONS = {
    "calcom": ("slots", "create", "list", "get", "any"),
    "twilio": ("messages", "calls", "any"),
    "openai": ("transcribe", "chat", "speech", "any"),
}
"""What a fault may hit, by service."""


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


Text = Annotated[str, Field(min_length=1)]
Voice = Annotated[str, Field(pattern=r"^[a-z]+(-[a-z0-9]+)*(\+[A-Za-z0-9]+)?$"), AfterValidator(_known_voice)]
Expression = Annotated[str, Field(min_length=1), AfterValidator(_regular_expression)]
LocalTime = NaiveDatetime
"""A time on the business's wall clock."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ScenarioCaller(_Part):
    """Who phones, in which voice of espeak-ng, and how far above the line's noise (None: no noise)."""

    number: str = Field(default="+14155550123", pattern=r"^\+[1-9][0-9]{5,14}$")
    voice: Voice = "en-us+f3"
    noise_db: float | None = Field(default=None, ge=0, le=80)


class ScenarioLine(_Part):
    """One thing the caller does, the first time the agent's words match `when`."""

    when: Expression | None = None
    say: Text | None = None
    press: Annotated[str, Field(pattern=r"^[0-9*#]+$")] | None = None
    silence: Annotated[float, Field(gt=0, le=120)] | None = None
    hang_up: Literal[True] | None = None
    barge_in: Annotated[float, Field(ge=0, le=60)] | Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")] | None = None
    then: Literal["hang_up"] | None = None

    @model_validator(mode="after")
    def _does_one_thing(self) -> ScenarioLine:
        given = [name for name in ("say", "press", "silence", "hang_up") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"needs one of say, press, silence, hang_up; it has {' and '.join(given) or 'none'}")
        if self.then and self.hang_up:
            raise ValueError("hangs up twice: leave out then")
        return self


class ScenarioFault(_Part):
    """A service misbehaves, `times` times."""

    service: Literal["calcom", "twilio", "openai"]
    on: str
    kind: Literal["slow", "error_500", "rate_limited", "taken", "drop_before", "drop_after"]
    times: int = Field(default=1, ge=1)
    seconds: float | None = Field(default=None, gt=0, le=120)

    @model_validator(mode="after")
    def _can_happen(self) -> ScenarioFault:
        if self.on not in _OPERATIONS[self.service]:
            raise ValueError(f"has on: {self.on}; {self.service} has {', '.join(_OPERATIONS[self.service])}")
        if self.kind == "taken" and (self.service, self.on) != ("calcom", "create"):
            raise ValueError("has kind: taken, which only happens on calcom's create")
        if self.kind == "slow" and self.seconds is None:
            raise ValueError("needs seconds, because its kind is slow")
        if self.kind not in {"slow", "rate_limited"} and self.seconds is not None:
            raise ValueError(f"has seconds, which kind: {self.kind} does not take")
        return self


class Expectation(_Part):
    """What must stand at the end: the booking's start, None for no booking at all, and how many texts.

    `title`, where it is given, is what was booked.
    """

    booking: LocalTime | None
    title: Text | None = None
    sms: int = Field(ge=0)

    @model_validator(mode="before")
    @classmethod
    def _one_text_a_booking(cls, data: object) -> object:
        if isinstance(data, dict) and "sms" not in data:
            return {**data, "sms": 0 if data.get("booking") is None else 1}
        return data


class Scenario(_Part):
    """One rehearsed call."""

    name: Text
    business: Text = REHEARSAL_BUSINESS.stem
    """A shipped business file's name, or a path as seen from the scenario's file."""
    now: LocalTime | None = None
    """None: the system's time."""
    free: tuple[LocalTime, ...] | None = None
    """None: the ordinary week; empty: nothing is free."""
    minutes: dict[str, Annotated[int, Field(ge=5)]] = {}
    """How long the appointments of those titles last."""
    caller: ScenarioCaller = ScenarioCaller()
    lines: tuple[ScenarioLine, ...] = Field(min_length=1)
    again: Text = "Sorry?"
    faults: tuple[ScenarioFault, ...] = ()
    expect: Expectation

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
    path = Path(name_or_path)
    if path.suffix in {".yaml", ".yml"} or path.is_file():
        return _read(path)
    for path in shipped.values():
        if _name_of(path).casefold() == text.casefold():
            return _read(path)
    close = difflib.get_close_matches(text, shipped, n=len(shipped), cutoff=0.4)
    names = [*close, *(name for name in shipped if name not in close)]
    raise ConfigError(f"no scenario is called {text!r}; there are {', '.join(names)}")


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
    named: dict[Loc, str] = {("minutes", title): title for title in scenario.minutes}
    if scenario.expect.title:
        named["expect", "title"] = scenario.expect.title
    if not named:
        return
    titles = [action.title for action in rehearsed_business(scenario.business_file).actions]
    problems = [
        Problem(nearest_line(loc, line_of), f"{loc[0]} names {title!r}; what can be booked is {', '.join(titles)}")
        for loc, title in named.items()
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
