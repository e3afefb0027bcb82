"""Chat completions as the OpenAI stand-in accepts and answers them; what is said comes from the scripted model."""

from __future__ import annotations

import json
import math
import re
import secrets
import time
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from simulator import policy
from simulator.openai_wire import OpenAIError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

_NAME = r"^[a-zA-Z0-9_-]{1,64}$"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Text(_Strict):
    type: Literal["text"]
    text: str


Content = str | Annotated[list[_Text], Field(min_length=1)]


class _Function(_Strict):
    name: Annotated[str, Field(pattern=_NAME)]
    arguments: str


class _ToolCall(_Strict):
    id: Annotated[str, Field(min_length=1, max_length=64)]
    type: Literal["function"]
    function: _Function


class _Said(_Strict):
    role: Literal["system", "developer", "user"]
    content: Content
    name: str | None = None


class _Answered(_Strict):
    role: Literal["assistant"]
    content: Content | None = None
    refusal: str | None = None
    name: str | None = None
    tool_calls: Annotated[list[_ToolCall], Field(min_length=1)] | None = None


class _Result(_Strict):
    role: Literal["tool"]
    content: Content
    tool_call_id: str


Message = Annotated[_Said | _Answered | _Result, Field(discriminator="role")]


class _Definition(_Strict):
    name: Annotated[str, Field(pattern=_NAME)]
    description: str = ""
    parameters: dict[str, Any] = {}
    strict: bool | None = None


class _Tool(_Strict):
    type: Literal["function"]
    function: _Definition


class _Named(_Strict):
    name: str


class _Choice(_Strict):
    type: Literal["function"]
    function: _Named


class _StreamOptions(_Strict):
    include_usage: bool = False
    include_obfuscation: bool = True


_REASONS, _NEVER_REASONS = re.compile(r"gpt-(?:5\.[6-9]|[6-9])"), re.compile(r"gpt-(?:3|4)")


class ChatRequest(_Strict):
    """The body of ``POST /v1/chat/completions``. Sampling changes nothing here: the model is scripted."""

    model: Annotated[str, Field(min_length=1)]
    messages: Annotated[list[Message], Field(min_length=1)]
    tools: Annotated[list[_Tool], Field(min_length=1)] | None = None
    tool_choice: Literal["none", "auto", "required"] | _Choice | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    n: Literal[1] | None = None
    seed: int | None = None
    stop: str | list[str] | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: Literal[False] | None = None
    modalities: list[Literal["text"]] | None = None
    response_format: dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    prediction: dict[str, Any] | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None = None
    verbosity: Literal["low", "medium", "high"] | None = None
    service_tier: Literal["auto", "default", "flex", "scale", "priority", "fast"] | None = None
    store: bool | None = None
    metadata: dict[str, str] | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: Literal["in_memory", "24h"] | None = None

    def check(self) -> None:
        """Refuse what no single field can show to be wrong."""
        if self.stream_options is not None and not self.stream:
            message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
            raise OpenAIError.invalid(message, param="stream_options")
        if self.tool_choice is not None and not self.tools:
            message = "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified."
            raise OpenAIError.invalid(message, param="tool_choice")
        self._check_reasoning()
        _check_tool_results(self.messages)

    def _check_reasoning(self) -> None:
        # The words of the service: https://github.com/itzcrazykns/vane/issues/1173
        if _REASONS.match(self.model):
            if self.tools and self.reasoning_effort != "none":
                message = (
                    f"Function tools with reasoning_effort are not supported for {self.model} in "
                    "/v1/chat/completions. To use function tools, use /v1/responses or set reasoning_effort to 'none'."
                )
                raise OpenAIError.invalid(message, param="reasoning_effort")
            if self.temperature not in (None, 1):
                message = (
                    f"Unsupported value: 'temperature' does not support {self.temperature:g} with this model. "
                    "Only the default (1) value is supported."
                )
                raise OpenAIError.invalid(message, param="temperature")
        elif _NEVER_REASONS.match(self.model) and self.reasoning_effort is not None:
            raise OpenAIError.invalid("Unrecognized request argument supplied: reasoning_effort", param=None)


class Completion:
    """The scripted model's answer to one request, in OpenAI's words."""

    def __init__(self, request: ChatRequest) -> None:
        messages = [message.model_dump(exclude_none=True) for message in request.messages]
        tools = [] if request.tool_choice == "none" else [tool.model_dump() for tool in request.tools or ()]
        self._answer = policy.answer(messages, tools)
        self._calls = [
            (f"call_{secrets.token_hex(12)}", call.name, json.dumps(call.arguments)) for call in self._answer.calls
        ]
        self._head = {
            "id": f"chatcmpl-{secrets.token_hex(14)}",
            "created": int(time.time()),
            "model": request.model,
            "service_tier": "default",
            "system_fingerprint": "fp_scripted",
        }
        self._finish_reason = "tool_calls" if self._calls else "stop"
        self._usage = _usage(json.dumps(messages), self._answer.text + "".join(call[2] for call in self._calls))
        self._includes_usage = request.stream_options is not None and request.stream_options.include_usage

    def whole(self) -> dict[str, Any]:
        """Return the answer in one piece."""
        message: dict[str, Any] = {"role": "assistant", "content": self._answer.text or None, "refusal": None}
        if self._calls:
            message["tool_calls"] = [
                {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
                for call_id, name, arguments in self._calls
            ]
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self._finish_reason}
        return {**self._head, "object": "chat.completion", "choices": [choice], "usage": self._usage}

    async def events(self) -> AsyncIterator[bytes]:
        """Yield the answer as server-sent events."""
        for delta in self._deltas():
            yield self._event([_choice(delta)])
        yield self._event([_choice({}, self._finish_reason)])
        if self._includes_usage:
            yield self._event([], self._usage)
        yield b"data: [DONE]\n\n"

    def _deltas(self) -> Iterator[dict[str, Any]]:
        yield {"role": "assistant", "content": "" if self._answer.text else None, "refusal": None}
        for word in re.findall(r"\s*\S+", self._answer.text):
            yield {"content": word}
        for index, (call_id, name, arguments) in enumerate(self._calls):
            # One call a chunk, and its arguments in pieces, as the service sends them.
            first = {"id": call_id, "type": "function", "function": {"name": name, "arguments": ""}}
            yield {"tool_calls": [{"index": index, **first}]}
            middle = len(arguments) // 2
            for piece in (arguments[:middle], arguments[middle:]):
                yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}

    def _event(self, choices: list[dict[str, Any]], usage: Mapping[str, Any] | None = None) -> bytes:
        chunk = {**self._head, "object": "chat.completion.chunk", "choices": choices}
        if self._includes_usage:
            chunk["usage"] = usage
        return f"data: {json.dumps(chunk)}\n\n".encode()


def _choice(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}


def _usage(prompt: str, completion: str) -> dict[str, Any]:
    """Return token counts of about the right size: four characters a token."""
    prompt_tokens, completion_tokens = math.ceil(len(prompt) / 4), max(1, math.ceil(len(completion) / 4))
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def _check_tool_results(messages: Sequence[Message]) -> None:
    """Refuse tool calls without results right after them, and results nobody called for."""
    awaited: set[str] = set()
    called_in = 0
    for index, message in enumerate(messages):
        if isinstance(message, _Result):
            if message.tool_call_id not in awaited:
                raise OpenAIError.invalid(
                    "Invalid parameter: messages with role 'tool' must be a response to a preceeding message with "
                    "'tool_calls'.",
                    param=f"messages.[{index}].role",
                )
            awaited.remove(message.tool_call_id)
            continue
        _check_all_answered(awaited, called_in)
        if isinstance(message, _Answered) and message.tool_calls:
            awaited, called_in = {call.id for call in message.tool_calls}, index
    _check_all_answered(awaited, called_in)


def _check_all_answered(awaited: set[str], called_in: int) -> None:
    if awaited:
        raise OpenAIError.invalid(
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
            f"'tool_call_id'. The following tool_call_ids did not have response messages: {', '.join(sorted(awaited))}",
            param=f"messages.[{called_in}].role",
        )
