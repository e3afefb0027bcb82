"""Whether the data folder, or another in which a worker creates files, can be written to."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

from agent.doctor.findings import Check, Finding, failed, ok, skipped

if TYPE_CHECKING:
    from pathlib import Path

    from agent.doctor.installation import Installation


def check_data_dir(installation: Installation) -> Finding:
    if why := installation.lacks("data_dir"):
        return skipped(Check.DATA_DIR, why)
    assert installation.settings is not None
    folder = installation.settings.data_dir.absolute()
    if why := why_not_writable(folder):
        fix = "Name another folder in DATA_DIR, or let the worker's user write to this one."
        return failed(Check.DATA_DIR, why, fix)
    return ok(Check.DATA_DIR, f"{folder} {'can be written to' if folder.exists() else 'will be created'}")


def why_not_writable(folder: Path) -> str:
    """Say why a worker could not write to `folder`, which it creates when it is not there; "" when it could."""
    existing = next(place for place in (folder, *folder.parents) if os.path.exists(place))
    if not existing.is_dir():
        return f"{existing} is no folder"
    try:
        # Only trying tells of a full disk, of one that is mounted read-only, or of /proc.
        with tempfile.TemporaryFile(dir=existing) as tried:
            tried.write(b"slotline")
    except OSError as error:
        return f"{folder} cannot be {'written to' if existing == folder else 'created'}: {error.strerror}"
    return ""
