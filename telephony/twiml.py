"""The TwiML that we answer with: the XML in which Twilio is told what to do with a call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from twilio.twiml.voice_response import Connect, Dial, Stream, VoiceResponse  # type: ignore[import-untyped]  # no types

if TYPE_CHECKING:
    from collections.abc import Mapping

_LONGEST_PARAMETER: Final = 500
"""Twilio cuts a `<Parameter>` whose name and value together are longer."""
_DIAL_TIMEOUT_SECS: Final = 20


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
