"""The one wrapper around every tool: arguments checked, one answer exactly, a deadline, nothing personal logged."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog
from pipecat.adapters.llm.schemas.function_schema import FunctionSchema
from pipecat.frames.frames import FunctionCallResultProperties

# Pipecat reads the annotation of a handler's parameter at runtime.
from pipecat.services.llm_service import FunctionCallParams
from pydantic import BaseModel, ConfigDict, ValidationError

from appointments.errors import PersonMustFix, SlotlineError
from tools.replies import Reply, reply_to_bad_arguments, reply_to_error, reply_without_result
from tools.session import Utterance

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from pipecat.services.llm_service import LLMService

log = structlog.get_logger(__name__)


class Arguments(BaseModel):
    """Base of every tool's arguments: what the model may not pass is an error it is told about."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


@dataclass(frozen=True, slots=True)
class Tool:
    """One function the model may call.

    Args:
        run: Gets the checked arguments and all that was heard in the call so far.
        is_cancellable: Whether barge-in may stop it. Never for a tool that changes anything.
    """

    name: str
    description: str
    arguments: type[Arguments]
    run: Callable[[Any, Sequence[Utterance]], Awaitable[Reply]]
    deadline_secs: float
    is_cancellable: bool = True

    def schema(self) -> FunctionSchema:
        """Return what the model reads, generated from the arguments' model so that enums and limits survive."""
        model = self.arguments.model_json_schema()
        properties = {name: _inlined(part) for name, part in model.get("properties", {}).items()}
        return FunctionSchema(
            name=self.name,
            description=self.description,
            properties=properties,
            required=model.get("required", []),
        )


def register(
    llm: LLMService[Any],
    tools: Iterable[Tool],
    *,
    heard_in: Callable[[], Sequence[Utterance]],
    on_start: Callable[[str], None],
    on_end: Callable[[str, Reply, int], None],
) -> None:
    """Let `llm` call `tools`; `on_end` is told a tool's name, reply and time in ms."""
    for tool in tools:
        llm.register_function(
            tool.name,
            _handler(tool, heard_in, on_start, on_end),
            cancel_on_interruption=tool.is_cancellable,
            cancellable_by_llm=False,
        )


def _handler(
    tool: Tool,
    heard_in: Callable[[], Sequence[Utterance]],
    on_start: Callable[[str], None],
    on_end: Callable[[str, Reply, int], None],
) -> Callable[[FunctionCallParams], Awaitable[None]]:
    async def handle(params: FunctionCallParams) -> None:
        log.info("tool_started", tool=tool.name)
        on_start(tool.name)
        started = time.monotonic()
        reply = await answer(tool, params.arguments, heard_in())
        took_ms = round((time.monotonic() - started) * 1000)
        log.info("tool_finished", tool=tool.name, status=reply.status.value, took_ms=took_ms, pii_say=reply.say)
        on_end(tool.name, reply, took_ms)
        await params.result_callback(
            reply.to_wire(), properties=FunctionCallResultProperties(run_llm=None if reply.answers else False)
        )

    return handle


async def answer(tool: Tool, arguments: Mapping[str, Any], heard: Sequence[Utterance]) -> Reply:
    """Run `tool` to an answer, whatever happens but cancellation."""
    try:
        checked = tool.arguments.model_validate(arguments)
        async with asyncio.timeout(tool.deadline_secs):
            return await tool.run(checked, heard)
    except ValidationError as error:
        return reply_to_bad_arguments(error)
    except SlotlineError as error:
        tell = log.error if isinstance(error, PersonMustFix) else log.warning
        tell("tool_refused", tool=tool.name, error=type(error).__name__, pii_error=str(error))
        return reply_to_error(error)
    except TimeoutError:
        log.error("tool_timed_out", tool=tool.name, deadline_secs=tool.deadline_secs)
        return reply_without_result(changes_something=not tool.is_cancellable)
    except Exception:
        # The tool border: the caller must hear an answer.
        log.exception("tool_failed", tool=tool.name)
        return reply_without_result(changes_something=not tool.is_cancellable)


def _inlined(part: dict[str, Any]) -> dict[str, Any]:
    """Drop pydantic's titles and turn `X | None` into `X`: a left-out argument says None."""
    options = [option for option in part.get("anyOf", []) if option.get("type") != "null"]
    merged = {**part, **options[0]} if len(options) == 1 else dict(part)
    return {key: value for key, value in merged.items() if key not in ("anyOf", "title", "default")}
