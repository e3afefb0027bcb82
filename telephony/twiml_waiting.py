"""The TwiML for a call that nobody can take yet: a place in a queue, the wait there, and a wish to be called back."""

from __future__ import annotations

from typing import Final

from twilio.twiml.voice_response import Dial, Enqueue, Gather, VoiceResponse  # type: ignore[import-untyped]  # no types

QUEUE: Final = "slotline"
_LOOK_EVERY_SECS: Final = 8
"""How long a caller waits before we are asked again whether there is a place: Twilio asks when our TwiML has ended."""
_KEY_TIMEOUT_SECS: Final = 8
_DIAL_TIMEOUT_SECS: Final = 20


def enqueue(text: str, *, called: str, wait_url: str, action_url: str) -> str:
    """Say `text` and let the caller wait in the queue of the number they `called`.

    While they wait Twilio does what `wait_url` says, again and again; when they leave it asks `action_url`.
    """
    response = VoiceResponse()
    if text:
        response.say(text)
    queue = Enqueue(f"{QUEUE} {called}", wait_url=wait_url, wait_url_method="POST", action=action_url, method="POST")
    response.append(queue)
    return str(response)


def wait(text: str) -> str:
    """Say `text` to somebody in the queue, and let them wait a little longer."""
    response = VoiceResponse()
    response.say(text)
    response.pause(length=_LOOK_EVERY_SECS)
    return str(response)


def leave_queue() -> str:
    """Take the caller out of the queue: Twilio asks the queue's action what follows."""
    response = VoiceResponse()
    response.leave()
    return str(response)


def put_through(text: str, *, number: str, action_url: str) -> str:
    """Say `text` and dial `number`; when that is over Twilio asks `action_url` what follows."""
    response = VoiceResponse()
    response.say(text)
    call = Dial(answer_on_bridge=True, timeout=_DIAL_TIMEOUT_SECS, action=action_url, method="POST")
    call.number(number)
    response.append(call)
    return str(response)


def ask_for_key(text: str, *, key_url: str, otherwise: str) -> str:
    """Say `text` and ask `key_url` what follows the key that is pressed; say `otherwise` when none is, and hang up."""
    response = VoiceResponse()
    gather = Gather(num_digits=1, timeout=_KEY_TIMEOUT_SECS, action=key_url, method="POST")
    gather.say(text)
    response.append(gather)
    response.say(otherwise)
    response.hangup()
    return str(response)
