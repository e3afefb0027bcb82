"""What goes into the image: the sources it copies, and no package that only developing needs."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.image import ROOT, copied, instructions, is_in_context, left_out, syncs

if TYPE_CHECKING:
    from collections.abc import Iterable

PRIVATE = [".env", ".git/config", ".venv/bin/python", "data/slotline.db", "rehearsals/one/slotline.db"]


@cache
def locked() -> dict[str, dict[str, Any]]:
    """Return the packages of uv.lock by name."""
    with (ROOT / "uv.lock").open("rb") as file:
        return {package["name"]: package for package in tomllib.load(file)["package"]}


def closure(needs: Iterable[dict[str, Any]]) -> set[str]:
    """Return the names of `needs` and of all that they need, on whatever platform."""
    found: set[tuple[str, str]] = set()
    pending = _wanted(needs)
    while pending:
        name, extra = pending.pop()
        if (name, extra) not in found:
            found.add((name, extra))
            package = locked()[name]
            further = package["optional-dependencies"][extra] if extra else package.get("dependencies", [])
            pending |= _wanted(further)
    return {name for name, _ in found}


def _wanted(needs: Iterable[dict[str, Any]]) -> set[tuple[str, str]]:
    return {(need["name"], extra) for need in needs for extra in ["", *need.get("extra", [])]}


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")

    finished = subprocess.run([hadolint, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)

    assert (finished.returncode, finished.stdout) == (0, "")


def test_what_is_copied_exists_and_reaches_the_build() -> None:
    assert {source for source in copied() if not (ROOT / source).exists()} == set()
    assert {source for source in copied() if not is_in_context(source)} == set()


def test_every_package_of_ours_is_copied() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        pyproject = tomllib.load(file)

    # The licence and the readme are part of the wheel, so without them it cannot be built.
    packages = pyproject["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert copied() == {*packages, "pyproject.toml", "uv.lock", "README.md", "LICENSE"}


@pytest.mark.parametrize("path", [*PRIVATE, "tests/worker.py", "docs/glossary.md", "agent/__pycache__/cli.pyc"])
def test_nothing_private_or_needless_reaches_the_build(path: str) -> None:
    assert not is_in_context(path)


def test_the_files_that_a_worker_reads_reach_the_build() -> None:
    shipped = ["prompts/front_desk.md", "prompts/sms/confirmation.txt", "prompts/business/rehearsal.toml"]

    assert all(is_in_context(path) for path in shipped)


def test_the_image_is_built_from_the_lock_and_without_groups() -> None:
    assert len(syncs()) == 2
    assert all({"--locked", "--no-default-groups"} <= set(words) for words in syncs())
    assert not any(re.search(r"--(group|all-groups|dev|extra|all-extras)\b", " ".join(words)) for words in syncs())


def test_sources_are_built_anew_whatever_the_cache_holds() -> None:
    words = syncs()[-1]

    assert words[words.index("--refresh-package") + 1] == "slotline"
    assert "--no-editable" in words


def test_no_group_has_a_package_in_the_image() -> None:
    ours = locked()["slotline"]
    image = closure(ours["dependencies"]) - left_out()
    groups = {need["name"] for group in ours["dev-dependencies"].values() for need in group}

    # `talk` names Pipecat for its extra.
    assert groups & image == {"pipecat-ai"}
    assert not {"aiortc", "opencv-python", "espeakng-loader", "splintr-rs", "pytest"} & image


def test_what_is_left_out_is_needed_by_nothing_else() -> None:
    image = closure(locked()["slotline"]["dependencies"])
    needing = {name for name in image if left_out() & {need["name"] for need in locked()[name].get("dependencies", [])}}

    assert left_out() <= image
    assert needing - left_out() == {"pipecat-ai"}


def test_the_worker_listens_where_docker_looks() -> None:
    words = {line[0]: line for line in instructions()}
    port = words["EXPOSE"][1]

    assert f"--port, {port}," in " ".join(words["CMD"])
    assert f", {port}," in " ".join(words["HEALTHCHECK"])
    assert words["USER"][1] == "10001:10001"


def test_the_shown_compose_file_fits_the_image() -> None:
    page = (ROOT / "docs" / "howto" / "deploy.md").read_text(encoding="utf-8")
    shown = re.search(r"^ *```yaml\n(.*?)^ *```", page, re.MULTILINE | re.DOTALL)
    assert shown
    service = yaml.safe_load(shown[1])["services"]["slotline"]
    words = {line[0]: line for line in instructions()}
    home = words["WORKDIR"][1]

    mounted = {volume.split(":")[1] for volume in service["volumes"]}
    assert mounted == {*(folder.strip("[]") for folder in words["VOLUME"][1:]), f"{home}/business"}
    assert service["ports"] == [f"127.0.0.1:8080:{words['EXPOSE'][1]}"]
    assert service["environment"]["BUSINESS_FILE"].startswith("business/")


def test_the_workflow_runs_what_everybody_runs() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    checks = workflow["jobs"]["checks"]

    assert "bash .ci/run" in [step.get("run") for step in checks["steps"]]
    assert workflow["permissions"] == {"contents": "read"}
    assert all("timeout-minutes" in job for job in workflow["jobs"].values())


def test_one_version_of_uv_builds_the_image_and_runs_the_checks() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    used = [step["with"]["version"] for step in workflow["jobs"]["checks"]["steps"] if "setup-uv" in str(step)]
    images = [words[1] for words in instructions() if words[0] == "FROM"]

    assert [f"ghcr.io/astral-sh/uv:{version}" for version in used] == images[:1]


def test_a_commit_is_checked_by_what_the_checks_run() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]
    checks = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    tools = {word for hook in hooks for word in re.findall(r"uv run (\w[\w-]+)", hook["entry"])}

    assert tools - {"slotline"} == set(re.findall(r"^uv run (\w[\w-]+)", checks, re.MULTILINE))
