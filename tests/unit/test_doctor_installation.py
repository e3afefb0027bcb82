"""The doctor reads settings and files one by one, so that one mistake hides no other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agent.doctor.findings import Check, Finding, State
from agent.doctor.installation import Installation, look_at_installation
from prompts.loader import FRONT_DESK, REHEARSAL_BUSINESS

if TYPE_CHECKING:
    from collections.abc import Callable

    Look = Callable[..., tuple[Installation, list[Finding]]]

SECRETS = {
    "TWILIO_AUTH_TOKEN": "b7d1c1f2a94e4b0f8a6f3d5c2e1b0a99",
    "OPENAI_API_KEY": "sk-proj-Zr7QeT3yUiOpAsDfGhJkLzXcVbNm0123456789",
    "CALCOM_API_KEY": "cal_live_5f4e3d2c1b0a99887766554433221100",
}

EVENT_TYPE_LINE = REHEARSAL_BUSINESS.read_text(encoding="utf-8").split("\nevent_type = ")[0].count("\n") + 2


@pytest.fixture
def look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Look:
    """Return a look at a complete installation in which some settings are changed; None leaves one out."""
    settings: dict[str, str | None] = {
        "PUBLIC_BASE_URL": "https://phone.example.com",
        "TWILIO_ACCOUNT_SID": "AC0f1e2d3c4b5a69788796a5b4c3d2e1f0",
        **SECRETS,
        "CALCOM_EVENT_TYPE_ID": "101",
        "BUSINESS_FILE": str(REHEARSAL_BUSINESS),
        "DATA_DIR": str(tmp_path / "data"),
    }
    for name in (*settings, "DATABASE_URL", "CLOCK_START", "TWILIO_API_KEY_SID", "TWILIO_API_KEY_SECRET"):
        monkeypatch.delenv(name, raising=False)

    def looked(**changes: str | None) -> tuple[Installation, list[Finding]]:
        env_file = tmp_path / ".env"
        lines = [f"{name}={value}\n" for name, value in (settings | changes).items() if value is not None]
        env_file.write_text("".join(lines), encoding="utf-8")
        return look_at_installation(env_file)

    return looked


def of(findings: list[Finding], check: Check) -> list[Finding]:
    return [finding for finding in findings if finding.check is check]


def test_a_complete_installation_is_fine(look: Look) -> None:
    installation, findings = look()

    assert {finding.state for finding in findings} == {State.OK}
    assert [finding.check for finding in findings] == [
        Check.SETTINGS,
        Check.BUSINESS,
        Check.INSTRUCTIONS,
        Check.DATA_DIR,
    ]
    assert installation.business is not None
    assert installation.prompts is not None
    assert installation.lacks("openai_api_key", "public_base_url", business=True) == ""


def test_each_wrong_setting_is_told_with_where_to_get_it(look: Look) -> None:
    _, findings = look(OPENAI_API_KEY=None, TWILIO_ACCOUNT_SID="0f1e", CALCOM_APIKEY="x", CALCOM_API_KEY=None)
    told = of(findings, Check.SETTINGS)

    assert [finding.state for finding in told] == [State.FAILED] * 4
    by_name = {finding.seen.partition(" ")[0]: finding for finding in told}
    assert by_name["OPENAI_API_KEY"].seen == "OPENAI_API_KEY is unset"
    assert "https://platform.openai.com/api-keys" in by_name["OPENAI_API_KEY"].fix
    assert "must start with AC" in by_name["TWILIO_ACCOUNT_SID"].seen
    assert "did you mean CALCOM_API_KEY?" in by_name["CALCOM_APIKEY"].seen
    assert by_name["CALCOM_APIKEY"].fix == "Rename the line to CALCOM_API_KEY, or take it out."


def test_the_other_settings_can_still_be_tried(look: Look) -> None:
    installation, findings = look(OPENAI_API_KEY=None, TWILIO_API_KEY_SID="0f1e", TWILIO_API_KEY_SECRET="x")

    assert installation.settings is not None
    assert installation.settings.calcom_api_key.get_secret_value() == SECRETS["CALCOM_API_KEY"]
    assert installation.settings.twilio_api_key_sid == ""
    assert installation.lacks("calcom_api_key", business=True) == ""
    assert installation.lacks("openai_api_key") == "not tried: OPENAI_API_KEY must be put right first"
    assert of(findings, Check.BUSINESS)[0].state is State.OK


@pytest.mark.parametrize(
    ("half", "seen"),
    [
        ({"TWILIO_API_KEY_SID": "SK" + "0" * 32}, "is unset beside TWILIO_API_KEY_SID"),
        ({"TWILIO_API_KEY_SECRET": "q8ZpRt0vYxW3sKdMnB5cLhJf7gAeUi2o"}, "is set without TWILIO_API_KEY_SID"),
    ],
)
def test_half_an_api_key_is_told_and_the_auth_token_is_used(look: Look, half: dict[str, str], seen: str) -> None:
    installation, findings = look(**half)

    (told,) = of(findings, Check.SETTINGS)
    assert told.seen == f"TWILIO_API_KEY_SECRET {seen}: set both or neither"
    assert installation.settings is not None
    assert installation.settings.twilio_api_key_sid == ""
    assert installation.lacks("twilio_account_sid", "twilio_auth_token", "twilio_api_base_url") == ""
    assert "must be put right first" in installation.lacks("twilio_api_key_sid", "twilio_api_key_secret")
    assert of(findings, Check.BUSINESS)[0].state is State.OK


def test_half_of_who_stands_in_is_told_and_the_rest_is_looked_at(look: Look) -> None:
    installation, findings = look(LLM_FALLBACK_BASE_URL="https://models.example.com/v1", LLM_FALLBACK_API_KEY="sk-9")

    (told,) = of(findings, Check.SETTINGS)
    assert told.seen.startswith("LLM_FALLBACK_MODEL is unset beside LLM_FALLBACK_BASE_URL")
    assert installation.settings is not None
    assert installation.settings.llm_fallback_base_url == ""
    assert of(findings, Check.BUSINESS)[0].state is State.OK


def test_a_line_that_sets_nothing_is_told_with_its_place(tmp_path: Path, look: Look) -> None:
    look()
    env_file = tmp_path / ".env"
    env_file.write_text(f"{env_file.read_text()}\n\nLOG_LEVEL DEBUG\n", encoding="utf-8")
    line = env_file.read_text().splitlines().index("LOG_LEVEL DEBUG") + 1
    _, findings = look_at_installation(env_file)

    (told,) = of(findings, Check.SETTINGS)
    assert told.seen == f"{env_file}:{line} sets nothing"


def test_a_host_that_cannot_be_is_a_wrong_setting(look: Look) -> None:
    installation, findings = look(CALCOM_BASE_URL="https://ä..b")

    assert of(findings, Check.SETTINGS)[0].seen == "CALCOM_BASE_URL names a host that cannot be"
    assert "CALCOM_BASE_URL" in installation.lacks("calcom_base_url")


def test_a_key_that_was_copied_badly_is_a_wrong_setting(look: Look) -> None:
    key = "sk-proj-Zr7QeT3yUiOpAsDfGhJk—LzXcVbNm"
    installation, findings = look(OPENAI_API_KEY=key)

    assert of(findings, Check.SETTINGS)[0].seen.startswith("OPENAI_API_KEY holds a character that no key has")
    assert installation.lacks("openai_api_key")
    assert key not in of(findings, Check.SETTINGS)[0].seen


def test_a_missing_env_file_is_told_once(tmp_path: Path, look: Look) -> None:
    look()  # the environment is empty now
    _, findings = look_at_installation(tmp_path / "none.env")
    told = of(findings, Check.SETTINGS)

    assert [finding.state for finding in told] == [State.FAILED] * 6
    assert told[0].seen == f"there is no {tmp_path / 'none.env'}"
    assert "env.example" in told[0].fix
    assert of(findings, Check.BUSINESS)[0].state is State.SKIPPED


def test_an_env_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xff\xfe\x00")
    installation, findings = look_at_installation(tmp_path / ".env")

    assert of(findings, Check.SETTINGS)[0].state is State.FAILED
    assert "cannot be read" in of(findings, Check.SETTINGS)[0].seen
    assert installation.lacks() == "not tried: the settings could not be read"


def test_no_secret_is_told(look: Look) -> None:
    _, findings = look(PUBLIC_BASE_URL="http://phone.example.com", CALCOM_BASE_URL="ftp://x", MAX_CALL_SECS="1")

    told = "".join(finding.seen + finding.fix for finding in findings)
    assert not any(secret in told for secret in SECRETS.values())


def test_every_mistake_of_the_business_file_is_told_with_its_line(tmp_path: Path, look: Look) -> None:
    text = REHEARSAL_BUSINESS.read_text(encoding="utf-8")
    wrong = text.replace("America/New_York", "America/New_Yorck", 1).replace("slots_per_day = 3", "slots_per_day = 9")
    file = tmp_path / "clinic.toml"
    file.write_text(wrong, encoding="utf-8")
    installation, findings = look(BUSINESS_FILE=str(file))
    zone_line = next(n for n, line in enumerate(wrong.splitlines(), 1) if "New_Yorck" in line)
    slots_line = next(n for n, line in enumerate(wrong.splitlines(), 1) if "slots_per_day = 9" in line)

    told = [finding for finding in of(findings, Check.BUSINESS) if finding.state is State.FAILED]
    assert len(told) == 2
    assert told[0].seen.startswith(f"{file}:{zone_line}: zone must be the IANA name")
    assert f"Change line {slots_line}: " in told[1].fix
    assert of(findings, Check.INSTRUCTIONS)[0].state is State.SKIPPED
    assert installation.lacks(business=True) == "not tried: the business file must be put right first"


def test_what_an_owner_will_regret_is_a_warning(tmp_path: Path, look: Look) -> None:
    text = REHEARSAL_BUSINESS.read_text(encoding="utf-8").replace("+14155550100", "+14153674141")
    file = tmp_path / "clinic.toml"
    file.write_text(text, encoding="utf-8")
    installation, findings = look(BUSINESS_FILE=str(file))
    line = next(n for n, line in enumerate(text.splitlines(), 1) if line.startswith("fallback_email"))

    fine, lost = of(findings, Check.BUSINESS)
    assert (fine.state, lost.state) == (State.OK, State.WARNING)
    assert lost.seen.startswith(f"{file}:{line}: fallback_email is at example.com, which nobody owns")
    assert "use a domain of yours" in lost.fix
    assert installation.business is not None


@pytest.mark.parametrize(
    ("setting", "place"), [("202", "CALCOM_EVENT_TYPE_ID"), (None, f"event_type in line {EVENT_TYPE_LINE} of ")]
)
def test_what_names_an_event_type_is_known(look: Look, setting: str | None, place: str) -> None:
    installation, _ = look(CALCOM_EVENT_TYPE_ID=setting)

    assert installation.business is not None
    assert installation.business.actions[0].event_type_place.startswith(place)


def test_instructions_that_name_an_unknown_tool_are_told_with_their_line(tmp_path: Path, look: Look) -> None:
    prompt = FRONT_DESK.read_text(encoding="utf-8") + "\nCall look_up_slots first.\n"
    (tmp_path / "desk.md").write_text(prompt, encoding="utf-8")
    business = f'prompt = "desk.md"\n{REHEARSAL_BUSINESS.read_text(encoding="utf-8")}'
    (tmp_path / "clinic.toml").write_text(business, encoding="utf-8")
    _, findings = look(BUSINESS_FILE=str(tmp_path / "clinic.toml"))
    line = prompt.splitlines().index("Call look_up_slots first.") + 1

    (told,) = of(findings, Check.INSTRUCTIONS)
    assert told.state is State.FAILED
    assert told.seen.startswith(f"{tmp_path / 'desk.md'}:{line}: look_up_slots is no tool")


def test_a_data_folder_that_is_not_there_is_left_alone(tmp_path: Path, look: Look) -> None:
    _, findings = look(DATA_DIR=str(tmp_path / "a" / "b"))

    assert of(findings, Check.DATA_DIR)[0].seen == f"{tmp_path / 'a' / 'b'} will be created"
    assert not (tmp_path / "a").exists()


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="there is no folder in which not even root may write")
def test_a_data_folder_that_cannot_be_created_is_told_once(look: Look) -> None:
    installation, findings = look(DATA_DIR="/proc/slotline")

    assert of(findings, Check.DATA_DIR)[0].seen.startswith("/proc/slotline cannot be created: ")
    assert of(findings, Check.DATA_DIR)[0].state is State.FAILED
    assert installation.lacks("data_dir", "database_url") == "not tried: DATA_DIR must be put right first"


def test_trying_the_data_folder_leaves_nothing_in_it(tmp_path: Path, look: Look) -> None:
    (tmp_path / "data").mkdir()
    _, findings = look()

    assert of(findings, Check.DATA_DIR)[0].state is State.OK
    assert list((tmp_path / "data").iterdir()) == []


def test_a_data_folder_that_is_a_file_is_told(tmp_path: Path, look: Look) -> None:
    (tmp_path / "data").touch()
    _, findings = look()

    assert of(findings, Check.DATA_DIR)[0].seen == f"{tmp_path / 'data'} is no folder"
    assert "DATA_DIR" in of(findings, Check.DATA_DIR)[0].fix
