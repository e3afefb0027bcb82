"""What can be known of an installation before any service is asked: settings, files, data folder."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from pydantic import ValidationError

from agent.business import load_business, load_prompts, load_sms_template
from agent.doctor.findings import Check, Finding, failed, ok, skipped, warning
from agent.settings import Settings, load_settings
from appointments.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

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

_ADDRESSES = ("public_base_url", "twilio_api_base_url", "openai_base_url", "calcom_base_url")
_KEYS = ("twilio_auth_token", "twilio_api_key_secret", "openai_api_key", "calcom_api_key")
_MOST_STOPGAP_ROUNDS = 4
_GET_IT = ". Get it: "


@dataclass(frozen=True, slots=True)
class Installation:
    """What the checks go by. A setting in `broken` has no usable value; None is what could not be read."""

    settings: Settings | None = None
    broken: frozenset[str] = frozenset()
    business: Business | None = None
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
    findings = _settings_findings(env_file, unusable)
    business, business_findings = _business(installation)
    installation = replace(installation, business=business)
    prompts, prompt_findings = _prompts(installation)
    findings += [*business_findings, *prompt_findings, _data_dir(installation)]
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
    place = "the environment" if env_file is None else f"{env_file} or the environment"
    has_file = env_file is not None and env_file.is_file()
    try:
        load_settings(env_file)
    except ConfigError as error:
        return [*_no_file(env_file), *(_settings_finding(line, place) for line in str(error).splitlines())]
    except (OSError, UnicodeDecodeError) as error:
        fix = "Make it a text file in UTF-8 that this user may read."
        return [failed(Check.SETTINGS, f"{env_file} cannot be read ({type(error).__name__})", fix)]
    if unusable:
        return [_settings_finding(f"{name.upper()} {what}", place) for name, what in unusable.items()]
    return [ok(Check.SETTINGS, f"read from {f'{env_file} and the environment' if has_file else 'the environment'}")]


def _no_file(env_file: Path | None) -> list[Finding]:
    if env_file is None or env_file.is_file():
        return []
    fix = f"Copy env.example to {env_file} and fill in its first part, or name the right file with --env-file."
    return [warning(Check.SETTINGS, f"there is no {env_file.absolute()}", fix)]


def _settings_finding(line: str, place: str) -> Finding:
    seen, _, where = line.partition(_GET_IT)
    name = line.partition(" ")[0]
    if "did you mean" in line:
        return failed(Check.SETTINGS, seen, f"Rename {name}, or delete the line.")
    return failed(Check.SETTINGS, seen, f"Set {name} in {place}: {where or 'docs/reference/settings.md explains it'}.")


def _salvaged(env_file: Path | None) -> tuple[Settings | None, frozenset[str]]:
    """Return the settings with a stopgap for each that is wrong, and the names of those."""
    stopgaps: dict[str, Any] = {}
    for _ in range(_MOST_STOPGAP_ROUNDS):  # one that is replaced may contradict another
        try:
            return Settings.read(env_file, stopgaps), frozenset(stopgaps)
        except ValidationError as error:
            for details in error.errors(include_input=False, include_context=False):
                name = str(details["loc"][0])
                stopgaps[name] = _STOPGAPS.get(name, Settings.model_fields[name].get_default())
        except (OSError, UnicodeDecodeError):
            break
    return None, frozenset()


def _business(installation: Installation) -> tuple[Business | None, list[Finding]]:
    if why := installation.lacks("business_file"):
        return None, [skipped(Check.BUSINESS, why)]
    assert installation.settings is not None
    file = installation.settings.business_file
    if not file.is_file():
        place = f"BUSINESS_FILE names {file.absolute()}, which is no file"
        fix = "Set BUSINESS_FILE to your business file; a relative path starts at the working directory."
        return None, [failed(Check.BUSINESS, place, fix)]
    event_type_id = "" if "calcom_event_type_id" in installation.broken else installation.settings.calcom_event_type_id
    try:
        business = load_business(file, event_type_id=event_type_id)
        for name in ("unconfirmed", "failed"):
            load_sms_template(name)
    except ConfigError as error:
        help_ = "docs/reference/business.md has every key of the business file."
        return None, _file_findings(Check.BUSINESS, error, help_)
    titles = ", ".join(action.title for action in business.actions)
    return business, [ok(Check.BUSINESS, f"{file}: {business.name}; can be booked: {titles}")]


def _prompts(installation: Installation) -> tuple[PromptSet | None, list[Finding]]:
    business = installation.business
    if business is None:
        why = installation.lacks("business_file", business=True)
        return None, [skipped(Check.INSTRUCTIONS, why)]
    try:
        prompts = load_prompts(business)
    except ConfigError as error:
        help_ = "`slotline prompts check` explains more; docs/reference/instructions.md has every key."
        return None, _file_findings(Check.INSTRUCTIONS, error, help_)
    return prompts, [ok(Check.INSTRUCTIONS, f"{prompts.prompt.path}")]


def _file_findings(check: Check, error: ConfigError, help_: str) -> list[Finding]:
    """Return a finding for each line of an error that says ``file:line: what``."""
    findings = []
    for line in str(error).splitlines():
        file, _, rest = line.partition(":")
        number = rest.partition(":")[0]
        place = f"line {number} of {file}" if number.isdigit() else file
        findings.append(failed(check, line, f"Change {place}. {help_}"))
    return findings


def _data_dir(installation: Installation) -> Finding:
    if why := installation.lacks("data_dir"):
        return skipped(Check.DATA_DIR, why)
    assert installation.settings is not None
    folder = installation.settings.data_dir.absolute()
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    fix = f"Make {existing} a folder that the worker's user may write to, or name another folder in DATA_DIR."
    if not existing.is_dir():
        return failed(Check.DATA_DIR, f"{existing} is no folder", fix)
    try:
        if existing == folder:
            # Only trying tells of a full disk, or of one that is mounted read-only.
            with tempfile.TemporaryFile(dir=folder) as tried:
                tried.write(b"slotline")
        elif not os.access(existing, os.W_OK | os.X_OK):
            return failed(Check.DATA_DIR, f"{folder} cannot be created: {existing} cannot be written to", fix)
    except OSError as error:
        return failed(Check.DATA_DIR, f"{folder} cannot be written to: {error.strerror}", fix)
    return ok(Check.DATA_DIR, f"{folder} {'can be written to' if existing == folder else 'will be created'}")
