"""What a rehearsal's report counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from agent.logs import configure_logs
from agent.outcome import _guarded

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_counts_what_the_speech_guard_has_logged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("INFO", "json", show_pii=False)
    log = structlog.get_logger("agent.speech_guard")
    log.warning("speech_guarded", mode="replace", reason="unknown", pii_sentence="At three.", pii_said="At two.")
    log.info("tool_finished", tool="find_slots")
    log.warning("speech_guarded", mode="replace", reason="not_offered", pii_sentence="At four.", pii_said="At two.")
    file = tmp_path / "worker.log"
    file.write_text(capsys.readouterr().err, encoding="utf-8")

    assert _guarded(file) == 2
    assert _guarded(tmp_path / "none.log") == 0
