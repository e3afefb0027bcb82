"""The TwiML that we answer with: the XML in which Twilio is told what to do with a call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twilio.twiml.voice_response import (  # type: ignore[import-untyped]  # no types
    Connect,
    Dial,
    Gather,
    Stream,
    VoiceResponse,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST_PARAMETER: Final = 500
"""Twilio cuts a `<Parameter>` whose name and value together are longer."""
_DIAL_TIMEOUT_SECS: Final = 20
_KEY_TIMEOUT_SECS: Final = 4


def answer_with_stream(*, media_url: str, action_url: str, parameters: Mapping[str, str]) -> str:
    """Connect the caller to the websocket at `media_url`; when it closes Twilio asks `action_url` what follows.

    What the stream must know travels in `parameters`, because Twilio drops the query of a stream's URL.
    """
    stream = Stream(url=media_url)
    for name, value in parameters.items():
        if len(name) + len(value) >= _LONGEST_PARAMETER:
            raise ValueError(f"the stream parameter {name!r} is too long for Twilio")
        stream.parameter(name=name, value=value)
    connect = Connect(action=action_url, method="POST")
    connect.append(stream)
    response = VoiceResponse()
    response.append(connect)
    return str(response)


def put_through(*, number: str, caller_id: str, whisper_url: str, action_url: str) -> str:
    """Dial `number` for the caller, who hears it ring; when that is over Twilio asks `action_url` what follows.

    Args:
        caller_id: The caller's number or the one they dialled: Twilio takes no other (error 13214).
        whisper_url: What the person who answers hears, before they hear the caller.
    """
    call = Dial(
        answer_on_bridge=True, timeout=_DIAL_TIMEOUT_SECS, caller_id=caller_id, action=action_url, method="POST"
    )
    call.number(number, url=whisper_url, method="POST")
    response = VoiceResponse()
    response.append(call)
    return str(response)


def whisper(text: str, *, ask: str, key_url: str) -> str:
    """Tell `text` to whoever answers, and `ask` them twice for a key. No answering machine presses one: hang up."""
    response = VoiceResponse()
    for said in (f"{text} {ask}", ask):
        gather = Gather(num_digits=1, timeout=_KEY_TIMEOUT_SECS, action=key_url, method="POST")
        gather.say(said)
        response.append(gather)
    response.hangup()
    return str(response)


def bridge() -> str:
    """Let the person who was dialled and the caller hear each other: nothing more is to be told."""
    return str(VoiceResponse())


def hang_up() -> str:
    """End the call."""
    response = VoiceResponse()
    response.hangup()
    return str(response)


def apologise(text: str, dial: str | None) -> str:
    """Say `text`, then put the caller through to the number `dial`, or hang up when there is none."""
    response = VoiceResponse()
    response.say(text)
    if dial is not None:
        call = Dial(answer_on_bridge=True, timeout=_DIAL_TIMEOUT_SECS)
        call.number(dial)
        response.append(call)
    response.hangup()
    return str(response)


def refuse(text: str) -> str:
    """Say why the call cannot be taken, and hang up."""
    return apologise(text, dial=None)


def no_reply() -> str:
    """Do nothing: the answer to a text that needs none."""
    return str(VoiceResponse())
