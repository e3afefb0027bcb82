"""Everything that can go wrong between Twilio and us.

TelephonyError
├── ForbiddenRequest          not signed by Twilio
├── BadToken                  forged, expired, used, or minted for another call
├── MalformedStream           a media socket that does not speak Media Streams
└── TwilioError               our request to Twilio's REST API went wrong
    ├── TwilioRefused         it was not done and never will be; carries Twilio's code
    ├── TwilioUnclear         it may have been done: look before asking again
    └── TwilioNotDone         it was certainly not done: ask again later
        ├── TwilioThrottled   too many requests (429)
        └── TwilioUnreachable no connection, so no byte of the request was sent
"""

from __future__ import annotations


class TelephonyError(Exception):
    """Any error of this package."""


class ForbiddenRequest(TelephonyError):
    """The request does not carry Twilio's signature over the URL that we published."""


class BadToken(TelephonyError):
    """The token of a media stream is forged, expired, used, or belongs to another call."""


class MalformedStream(TelephonyError):
    """The peer of a media socket does not speak Media Streams, or is too slow to start."""


class TwilioError(TelephonyError):
    """A request to Twilio's REST API went wrong."""


class TwilioRefused(TwilioError):
    """Twilio will never do it. `code` is Twilio's own (21610: the receiver said STOP), `status` is HTTP's.

    `message` is Twilio's reason. It may quote a number, so the error's own text leaves it out.
    """

    def __init__(self, code: int, message: str, *, status: int) -> None:
        super().__init__(f"Twilio refused with {status}, code {code}: https://www.twilio.com/docs/errors/{code}")
        self.code = code
        self.message = message
        self.status = status


class TwilioUnclear(TwilioError):
    """Twilio may have done it: look before asking again."""


class TwilioNotDone(TwilioError):
    """Twilio certainly did not do it. `retry_after_secs` is when to ask again."""

    def __init__(self, message: str, *, retry_after_secs: float) -> None:
        super().__init__(message)
        self.retry_after_secs = retry_after_secs


class TwilioThrottled(TwilioNotDone):
    """Too many requests: such a request is never processed."""


class TwilioUnreachable(TwilioNotDone):
    """No connection could be made, so no byte of the request was sent."""
