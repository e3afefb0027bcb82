"""Logs: one JSON object a line, the call's id on each, personal data under `pii_` keys only."""

from __future__ import annotations

import asyncio
import json
import logging
import warnings
from typing import Any

import loguru
import pytest
import structlog

from agent.logs import REDACTED, configure_logs

log = structlog.get_logger("agent.test")


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    captured = capsys.readouterr()
    assert captured.out == ""
    return [json.loads(line) for line in captured.err.splitlines()]


def test_writes_an_event_as_one_json_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("INFO", "json", show_pii=False)

    log.info("appointment_booked", took_ms=12)

    (line,) = lines(capsys)
    assert line["event"] == "appointment_booked"
    assert line["took_ms"] == 12
    assert line["level"] == "info"
    assert line["logger"] == "agent.test"
    assert line["timestamp"].endswith("Z")


def test_redacts_personal_keys_at_any_depth(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("INFO", "json", show_pii=False)
    arguments = {"slot": "a1", "pii_name": "Maya Chen"}

    log.info("tool_called", pii_caller="+14155550123", arguments=arguments)

    (line,) = lines(capsys)
    assert line["pii_caller"] == REDACTED
    assert line["arguments"] == {"slot": "a1", "pii_name": REDACTED}
    assert arguments["pii_name"] == "Maya Chen"


def test_shows_personal_data_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("INFO", "json", show_pii=True)

    log.info("tool_called", pii_name="Maya Chen")

    assert lines(capsys)[0]["pii_name"] == "Maya Chen"


def test_every_source_carries_the_call_sid_of_its_own_call(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("INFO", "json", show_pii=True)

    async def call(sid: str) -> None:
        structlog.contextvars.bind_contextvars(call_sid=sid)
        await asyncio.sleep(0)
        log.info("ours", pii_sid=sid)
        logging.getLogger("library").warning("theirs %s", sid)
        loguru.logger.info(f"pipecat {sid}")
        await asyncio.to_thread(logging.getLogger("library").warning, "thread %s", sid)

    async def both() -> None:
        await asyncio.gather(asyncio.create_task(call("CA1")), asyncio.create_task(call("CA2")))

    asyncio.run(both())

    written = lines(capsys)
    assert len(written) == 8
    assert all(line["call_sid"] in json.dumps(line.get("pii_message", line.get("pii_sid"))) for line in written)


@pytest.mark.parametrize("level", ["INFO", "WARNING", "ERROR"])
def test_words_of_pipecat_are_personal_at_every_level(capsys: pytest.CaptureFixture[str], level: str) -> None:
    configure_logs("INFO", "json", show_pii=False)

    loguru.logger.log(level, "TranscriptionFrame(text: [Maya Chen])")

    (line,) = lines(capsys)
    assert line["event"] == "library_logged"
    assert line["level"] == level.lower()
    assert line["logger"] == __name__
    assert line["where"].startswith("test_words_of_pipecat_are_personal_at_every_level:")
    assert line["pii_message"] == REDACTED


def test_pipecats_debug_needs_both_settings(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("DEBUG", "json", show_pii=False)
    loguru.logger.debug("frame")
    assert lines(capsys) == []

    configure_logs("DEBUG", "json", show_pii=True)
    loguru.logger.debug("frame")
    assert lines(capsys)[0]["pii_message"] == "frame"


def test_levels_of_a_librarys_own_become_standard_ones(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("INFO", "json", show_pii=False)

    loguru.logger.success("done")
    logging.getLogger("library").log(35, "done")

    assert [line["level"] for line in lines(capsys)] == ["info", "warning"]


@pytest.mark.parametrize(
    ("template", "arguments", "message"),
    [
        ("started [%d] in %.1f s", (4711, 0.25), "started [4711] in 0.2 s"),
        ("%(count)d texts to %(to)s", ({"count": 2, "to": "+14155550123"},), "2 texts to [redacted]"),
        ("could not text %s", ("+14155550123",), "could not text [redacted]"),
        ("could not text %s", (14155550123,), "could not text [redacted]"),
        ("does not fit %d", ("+14155550123",), "does not fit %d ('[redacted]',)"),
    ],
)
def test_a_library_keeps_its_words_and_numbers_and_loses_its_other_arguments(
    capsys: pytest.CaptureFixture[str], template: str, arguments: tuple[object, ...], message: str
) -> None:
    logging.getLogger().handlers.clear()  # pytest's own fail on a record that cannot be formatted
    configure_logs("INFO", "json", show_pii=False)

    logging.getLogger("library").warning(template, *arguments)

    (line,) = lines(capsys)
    assert (line["event"], line["message"], line["pii_message"]) == ("library_logged", message, REDACTED)


@pytest.mark.parametrize("sentence", ["could not text +14155550123", ValueError("could not text +14155550123")])
def test_a_ready_made_sentence_of_a_library_is_personal(capsys: pytest.CaptureFixture[str], sentence: object) -> None:
    configure_logs("INFO", "json", show_pii=False)

    logging.getLogger("library").warning(sentence)

    (line,) = lines(capsys)
    assert line["event"] == "library_logged"
    assert "4155550123" not in json.dumps(line)


def test_a_librarys_words_are_whole_when_personal_data_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("INFO", "json", show_pii=True)

    logging.getLogger("library").warning("could not text %s", "+14155550123")

    assert lines(capsys)[0]["pii_message"] == "could not text +14155550123"


@pytest.mark.parametrize("source", ["ours", "standard", "loguru"])
def test_an_exception_keeps_types_and_places_and_loses_its_text(
    capsys: pytest.CaptureFixture[str], source: str
) -> None:
    configure_logs("INFO", "json", show_pii=False)

    def fail() -> None:
        try:
            raise KeyError("Maya Chen")
        except KeyError as error:
            raise ValueError("no slot for Maya Chen") from error

    try:
        fail()
    except ValueError:
        match source:
            case "ours":
                log.exception("tool_failed")
            case "standard":
                logging.getLogger("library").exception("it failed")
            case _:
                loguru.logger.exception("it failed for Maya Chen")

    (line,) = lines(capsys)
    assert line["exception"][0] == "builtins.ValueError"
    assert "caused by builtins.KeyError" in line["exception"]
    assert any(place.endswith(" fail") for place in line["exception"])
    assert line["pii_exception"] == REDACTED
    assert "Maya" not in json.dumps(line)


def test_an_exception_group_is_opened(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("INFO", "json", show_pii=True)

    log.error("call_failed", exc_info=ExceptionGroup("two", [ValueError("a"), KeyError("b")]))

    (line,) = lines(capsys)
    assert line["exception"] == [
        "builtins.ExceptionGroup",
        "contains builtins.ValueError",
        "contains builtins.KeyError",
    ]
    assert "ValueError: a" in line["pii_exception"]


def test_warnings_are_logged(capsys: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        configure_logs("INFO", "json", show_pii=False)
        warnings.warn("deprecated", stacklevel=1)
        logging.captureWarnings(False)

    assert lines(capsys)[0]["logger"] == "py.warnings"


def test_keeps_below_the_level_and_requests_out(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("WARNING", "json", show_pii=False)

    log.info("below")
    logging.getLogger("library").info("below")
    loguru.logger.info("below")
    configure_logs("INFO", "json", show_pii=False)
    logging.getLogger("httpx").info(
        "HTTP Request: %s", "https://api.cal.com/v2/bookings?attendeeEmail=maya@example.com"
    )
    logging.getLogger("uvicorn.error").info("connection open")

    assert lines(capsys) == []


def test_the_banner_of_pipecat_is_kept_out(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("INFO", "json", show_pii=False)

    loguru.logger.patch(lambda record: record.update({"name": "pipecat"})).info("Pipecat 1.2.3 (Python 3.11)")
    loguru.logger.patch(lambda record: record.update({"name": "pipecat.pipeline.worker"})).info("says something")

    assert [line["logger"] for line in lines(capsys)] == ["pipecat.pipeline.worker"]


def test_console_is_for_eyes(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("INFO", "console", show_pii=False)

    log.info("appointment_booked", pii_name="Maya Chen")

    text = capsys.readouterr().err
    assert "appointment_booked" in text
    assert "Maya" not in text
