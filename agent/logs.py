"""How the process logs: JSON lines on stderr with the call's id, and no personal data outside `pii_` keys.

Our own events are constants whose personal values stand under `pii_` keys. What libraries log is another matter:
Pipecat's messages (loguru) are ready-made sentences that quote transcripts and numbers at any level, also in warnings,
and so is an exception's text. Their words therefore go under `pii_message` and `pii_exception` of one event,
`library_logged`. What stays readable is where they come from (logger, function, line), the type and the places of an
exception, and under `message` the words of a standard-library record, with its numbers and without its other arguments.
"""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Literal

import loguru
import structlog

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from structlog.typing import EventDict, Processor, WrappedLogger

REDACTED = "[redacted]"

_CHATTY = ("httpx", "httpcore", "httpx2", "openai", "twilio.http_client", "uvicorn", "aiosqlite", "alembic")
"""Libraries that log every request, retry, connection or statement at INFO: only their warnings are wanted."""

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


def configure_logs(level: str, format: Literal["json", "console"], show_pii: bool) -> None:
    """Send everything this process logs to stderr, one event a line.

    Call it before Pipecat is imported: its first import logs, which is kept out. Give uvicorn `log_config=None`.
    Bind what every line of a call carries with `structlog.contextvars.bind_contextvars(call_sid=…)`.
    """
    threshold = logging.getLevelNamesMapping()[level]
    structlog.configure(
        processors=_processors(format, show_pii),
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=_StderrLogger,
        cache_logger_on_first_use=False,
    )
    _bridge_standard_library(threshold)
    _bridge_loguru(threshold, show_pii)


def _processors(format_: str, show_pii: bool) -> list[Processor]:
    processors: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        _add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _split_exception,
    ]
    if not show_pii:
        processors.append(_redact)
    if format_ == "json":
        processors.append(structlog.processors.JSONRenderer(default=str, ensure_ascii=False))
    else:
        processors.append(structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()))
    return processors


class _StderrLogger:
    """Writes finished lines. Looks `sys.stderr` up each time, since whoever runs us may replace it."""

    _lock = threading.Lock()

    def __init__(self, name: str = "slotline") -> None:
        self.name = name

    def msg(self, line: str) -> None:
        with self._lock:
            sys.stderr.write(line + "\n")
            sys.stderr.flush()

    debug = info = warning = error = critical = msg


def _add_logger_name(logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event.setdefault("logger", logger.name)
    return event


def _split_exception(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace `exc_info` by the exception's types and places, and its text under a `pii_` key."""
    exc_info = event.pop("exc_info", None)
    if isinstance(exc_info, tuple):
        error = exc_info[1]
    elif isinstance(exc_info, BaseException):
        error = exc_info
    else:
        error = sys.exception() if exc_info else None
    if error is not None:
        event["exception"] = _outline(error)
        event["pii_exception"] = "".join(traceback.format_exception(error))
    return event


def _outline(error: BaseException) -> list[str]:
    """Return the types of an exception and what caused it, each with the places it passed, innermost last."""
    lines: list[str] = []
    seen: set[int] = set()
    pending: list[tuple[str, BaseException]] = [("", error)]
    while pending:
        relation, current = pending.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        places = [f"{f.filename}:{f.lineno} {f.name}" for f in traceback.extract_tb(current.__traceback__)]
        lines.append(f"{relation}{type(current).__module__}.{type(current).__qualname__}")
        lines.extend(f"  {place}" for place in places)
        if isinstance(current, BaseExceptionGroup):
            pending.extend(("contains ", inner) for inner in current.exceptions)
        if current.__cause__ is not None:
            pending.append(("caused by ", current.__cause__))
        elif current.__context__ is not None and not current.__suppress_context__:
            pending.append(("while handling ", current.__context__))
    return lines


def _redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    _redact_keys(event)
    return event


def _redact_keys(values: MutableMapping[str, object]) -> None:
    for key, value in values.items():
        if key.startswith("pii_"):
            values[key] = REDACTED
        elif isinstance(value, dict):
            values[key] = inner = dict(value)
            _redact_keys(inner)


def _bridge_standard_library(threshold: int) -> None:
    root = logging.getLogger()
    for handler in list(root.handlers):
        if isinstance(handler, _StandardLibraryBridge):
            root.removeHandler(handler)
    root.addHandler(_StandardLibraryBridge())
    root.setLevel(threshold)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(threshold, logging.WARNING))
    logging.captureWarnings(True)


class _StandardLibraryBridge(logging.Handler):
    """Hands the records of libraries to structlog."""

    def emit(self, record: logging.LogRecord) -> None:
        # Without arguments the text may be a ready-made sentence, so only a template may be shown.
        is_template = bool(record.args) and isinstance(record.msg, str)
        words = {"message": _message(record, _without_words(record.args))} if is_template else {}
        structlog.get_logger(record.name).log(
            _standard_level(record.levelno),
            "library_logged",
            **words,
            where=f"{record.funcName}:{record.lineno}",
            pii_message=_message(record, record.args),
            exc_info=record.exc_info,
        )


_Arguments = tuple[object, ...] | Mapping[str, object] | None


def _message(record: logging.LogRecord, arguments: _Arguments) -> str:
    template = str(record.msg)
    try:
        return template % arguments if arguments else template
    except (TypeError, ValueError, KeyError):  # the template does not fit its arguments
        return f"{template} {arguments!r}"


def _without_words(arguments: _Arguments) -> _Arguments:
    """Return the arguments of a template, of which only numbers are kept that are too short to phone."""
    if isinstance(arguments, Mapping):
        return {name: _number(value) for name, value in arguments.items()}
    return tuple(_number(value) for value in arguments or ())


def _number(value: object) -> object:
    return value if isinstance(value, int | float) and abs(value) < 10**7 else REDACTED


def _bridge_loguru(threshold: int, show_pii: bool) -> None:
    # Pipecat's DEBUG records hold the whole conversation and cost time for each frame.
    lowest = threshold if show_pii else max(threshold, logging.INFO)
    loguru.logger.remove()
    # enqueue=True would run the sink in another thread and lose `call_sid`.
    loguru.logger.add(
        _take_loguru,
        level=lowest,
        format="{message}",
        filter=_is_no_banner,
        enqueue=False,
        backtrace=False,
        diagnose=False,
    )


def _is_no_banner(record: loguru.Record) -> bool:
    """Claim that a record is not the name and version with which Pipecat greets whoever imports it."""
    return record["name"] != "pipecat"


def _take_loguru(message: loguru.Message) -> None:
    record = message.record
    exception = record["exception"]
    structlog.get_logger(record["name"] or "loguru").log(
        _standard_level(record["level"].no),
        "library_logged",
        where=f"{record['function']}:{record['line']}",
        pii_message=record["message"],
        exc_info=exception.value if exception is not None and exception.value is not None else None,
    )


def _standard_level(number: int) -> int:
    """Return the standard level at or below one of a library's own, such as TRACE (5) or SUCCESS (25)."""
    return max(10, min(number // 10 * 10, 50))
