"""What holds for every test."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

import loguru
import pytest
import structlog

# Imported before anything imports onnxruntime: it keeps that from reporting to its maker.
import agent  # noqa: F401

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """Undo what a command of ours has set up for its process: the next test may look for a warning."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    if structlog.is_configured():
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.captureWarnings(False)
        structlog.contextvars.clear_contextvars()
        structlog.reset_defaults()
        loguru.logger.remove()
        loguru.logger.add(sys.__stderr__ or sys.stderr)
