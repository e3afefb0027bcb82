"""What can be known of an installation before any service is asked: settings, files, data folder."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from pydantic import ValidationError

from agent.authoring.business import check_business, check_texts, read_business
from agent.authoring.rules import Severity
from agent.business import load_prompts
from agent.doctor.data_dir import check_data_dir
from agent.doctor.findings import Check, Finding, State, failed, ok, skipped, warning
from agent.settings import Problem, Settings, SettingsError, load_settings
from appointments.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from agent.authoring.rules import Finding as Mistake
    from agent.instructions import PromptSet
    from appointments.model import Business

_STOPGAPS = {
    "public_base_url": "https://unset.invalid",
    "twilio_account_sid": "AC",
    "twilio_auth_token": "-",
    "openai_api_key": "-",
    "calcom_api_key": "-",
    "business_file": "unset",
}
"""What stands for a required setting that is wrong, so that the others can still be tried. It is never used itself."""

MODEL_ADDRESSES = tuple(
    f"{server}_base_url" for server in ("openai", "stt", "tts", "llm_fallback", "stt_fallback", "tts_fallback")
)
"""Where models are."""
MODEL_KEYS = tuple(name.replace("_base_url", "_api_key") for name in MODEL_ADDRESSES)
_ADDRESSES = ("public_base_url", "twilio_api_base_url", "calcom_base_url", *MODEL_ADDRESSES)
_KEYS = ("twilio_auth_token", "twilio_api_key_secret", "calcom_api_key", *MODEL_KEYS)
_TOGETHER = (
    ("twilio_api_key_sid", "twilio_api_key_secret"),
    ("smtp_url", "smtp_from"),
    *(
        tuple(name for name in Settings.model_fields if name.startswith(f"{part}_fallback_"))
        for part in ("llm", "stt", "tts")
    ),
)
"""Settings of which some are as good as none."""
_MOST_STOPGAP_ROUNDS = 4


@dataclass(frozen=True, slots=True)
class Installation:
    """What the checks go by. A setting in `broken` has no usable value; None is what could not be read."""

    settings: Settings | None = None
    broken: frozenset[str] = frozenset()
    business: Business | None = None
    minutes_places: Mapping[str, str] = field(default_factory=dict)
    """What says how long an action takes, by the action's name, for those of which the business file says so."""
    prompts: PromptSet | None = None

    def lacks(self, *names: str, business: bool = False) -> str:
        """Say why a check that needs these settings, or the business, cannot be made; "" when it can."""
        if self.settings is None:
            return "not tried: the settings could not be read"
        if broken := [name.upper() for name in names if name in self.broken]:
            return f"not tried: {' and '.join(broken)} must be put right first"
        if business and self.business is None:
            return "not tried: the business file must be put right first"
        return ""


def look_at_installation(env_file: Path | None) -> tuple[Installation, list[Finding]]:
    """Read the settings and the files they name. What is wrong with one does not keep the others from being read."""
    settings, broken = _salvaged(env_file)
    unusable = {} if settings is None else _unusable(settings)
    installation = Installation(settings, broken | unusable.keys())
    data_dir = check_data_dir(installation)
    if data_dir.state is State.FAILED:
        installation = replace(installation, broken=installation.broken | {"data_dir"})
    installation, business_findings = _with_business(installation)
    prompts, prompt_findings = _prompts(installation)
    findings = [*_settings_findings(env_file, unusable), *business_findings, *prompt_findings, data_dir]
    return replace(installation, prompts=prompts), findings


def _unusable(settings: Settings) -> dict[str, str]:
    """Return what is wrong with settings that no request could even be made with, by their names."""
    wrong = {}
    for name in _ADDRESSES:
        try:
            httpx.URL(getattr(settings, name))
        except httpx.InvalidURL:
            wrong[name] = "names a host that cannot be"
    for name in _KEYS:
        key = getattr(settings, name).get_secret_value()
        if not (key.isascii() and key.isprintable()):
            wrong[name] = "holds a character that no key has, such as a curly quote or a dash: copy it anew"
    return wrong


def _settings_findings(env_file: Path | None, unusable: Mapping[str, str]) -> list[Finding]:
    problems = [Problem(f"{name.upper()} {what}") for name, what in unusable.items()]
    try:
        load_settings(env_file)
    except SettingsError as error:
        problems = [*error.problems, *problems]
    has_file = env_file is not None and env_file.is_file()
    return [
        failed(Check.SETTINGS, problem.seen, f"{problem.fix or 'docs/reference/settings.md has every setting'}.")
        for problem in problems
    ] or [ok(Check.SETTINGS, f"read from {f'{env_file} and the environment' if has_file else 'the environment'}")]


def _salvaged(env_file: Path | None) -> tuple[Settings | None, frozenset[str]]:
    """Return the settings with a stopgap for each that is wrong, and the names of those."""
    stopgaps: dict[str, Any] = {}
    for _ in range(_MOST_STOPGAP_ROUNDS):  # one that is replaced may contradict another
        try:
            return Settings(_env_file=env_file, **stopgaps), frozenset(stopgaps)  # type: ignore[call-arg]
        except ValidationError as error:
            for details in error.errors(include_input=False, include_context=False):
                wrong = str(details["loc"][0])
                for name in next((names for names in _TOGETHER if wrong in names), (wrong,)):
                    stopgaps[name] = _STOPGAPS.get(name, _default(name))
        except (OSError, UnicodeDecodeError):
            break
    return None, frozenset()


def _default(name: str) -> Any:
    return Settings.model_fields[name].get_default(call_default_factory=True, validated_data={})


def _with_business(installation: Installation) -> tuple[Installation, list[Finding]]:
    if why := installation.lacks("business_file"):
        return installation, [skipped(Check.BUSINESS, why)]
    assert installation.settings is not None
    file = installation.settings.business_file
    if not file.is_file():
        place = f"BUSINESS_FILE names {file.absolute()}, which is no file"
        fix = "Set BUSINESS_FILE to your business file; a relative path starts at the working directory."
        return installation, [failed(Check.BUSINESS, place, fix)]
    event_type_id = "" if "calcom_event_type_id" in installation.broken else installation.settings.event_type_id
    reading = read_business(file, installation.settings, event_type_id=event_type_id)
    mistakes = [*reading.findings, *check_business(reading, datetime.now(UTC)), *check_texts()]
    findings = [_business_finding(mistake) for mistake in mistakes]
    business = reading.business
    if business is None or State.FAILED in {finding.state for finding in findings}:
        return installation, findings
    minutes_places = {
        action.name: f"minutes in line {reading.line('actions', index, 'minutes')} of {file}"
        for index, action in enumerate(business.actions)
        if reading.line_of(("actions", index, "minutes"))
    }
    titles = ", ".join(action.title for action in business.actions)
    seen = f"{file}: {business.name}; can be booked: {titles}"
    found = replace(installation, business=business, minutes_places=minutes_places)
    return found, [ok(Check.BUSINESS, seen), *findings]


def _business_finding(mistake: Mistake) -> Finding:
    judge = failed if mistake.severity is Severity.ERROR else warning
    place = f"{mistake.path}:{mistake.line}"
    return judge(Check.BUSINESS, f"{place}: {mistake.text}", f"Change line {mistake.line}: {mistake.better}.")


def _prompts(installation: Installation) -> tuple[PromptSet | None, list[Finding]]:
    business = installation.business
    if business is None:
        why = installation.lacks("business_file", business=True)
        return None, [skipped(Check.INSTRUCTIONS, why)]
    try:
        prompts = load_prompts(business)
    except ConfigError as error:
        return None, [_prompt_finding(line) for line in str(error).splitlines()]
    return prompts, [ok(Check.INSTRUCTIONS, f"{prompts.prompt.path}")]


def _prompt_finding(mistake: str) -> Finding:
    """Return the finding for ``file:line: what``."""
    place = ":".join(mistake.split(":", 2)[:2])
    help_ = "`slotline prompts check` explains more; docs/reference/instructions.md has every key."
    return failed(Check.INSTRUCTIONS, mistake, f"Change {place}. {help_}")
