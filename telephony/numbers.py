"""What Twilio says about an account and its phone numbers: where each sends its calls and texts. Changes nothing."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from twilio.base.exceptions import TwilioException  # type: ignore[import-untyped]  # the package ships no types

from telephony.errors import TwilioUnclear

if TYPE_CHECKING:
    from collections.abc import Iterator

    from telephony.rest import TwilioRest

_MOST_LISTED: Final = 50


@dataclass(frozen=True, slots=True)
class Account:
    """The state of an account: `status` is active, suspended or closed."""

    status: str
    is_trial: bool


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where Twilio sends what happens to a number. `url` is "" when it sends it nowhere.

    `instead` says what Twilio uses in place of the URL, such as "the TwiML App AP…", "" when it uses the URL.
    """

    url: str
    method: str
    instead: str = ""


@dataclass(frozen=True, slots=True)
class IncomingNumber:
    """One phone number of the account."""

    number: str
    takes_calls: bool
    takes_texts: bool
    voice: Webhook
    status: Webhook
    sms: Webhook


async def check_key(rest: TwilioRest) -> None:
    """Make sure that Twilio takes the credentials of `rest`; raises a `TwilioError` when it does not."""
    with _known_shape():
        await rest.check()


async def read_account(rest: TwilioRest) -> Account:
    """Return the state of the account. Only its auth token and main API keys may read it: others get a 401."""
    with _known_shape():
        found = await rest.client.api.accounts(rest.client.account_sid).fetch_async()
    return Account(status=str(found.status or "active"), is_trial=found.type == "Trial")


async def find_number(rest: TwilioRest, number: str) -> IncomingNumber | None:
    """Return the account's number that is exactly `number`, None when the account has no such number."""
    with _known_shape():
        # Twilio also returns numbers that merely contain the one that is asked for.
        listed = await rest.client.incoming_phone_numbers.list_async(phone_number=number, limit=_MOST_LISTED)
    return next((_number(found) for found in listed if found.phone_number == number), None)


@contextmanager
def _known_shape() -> Iterator[None]:
    try:
        yield
    except (TwilioException, AttributeError, KeyError, TypeError, ValueError) as error:
        # What the package raises when a list is no list of Twilio's. `from None`: it may hold the whole answer.
        raise TwilioUnclear(f"Twilio answered in an unknown shape ({type(error).__name__})") from None


def _number(found: Any) -> IncomingNumber:
    can: dict[str, bool] = found.capabilities or {}
    return IncomingNumber(
        number=found.phone_number,
        takes_calls=bool(can.get("voice")),
        takes_texts=bool(can.get("sms")),
        voice=Webhook(found.voice_url or "", found.voice_method or "POST", _voice_instead(found)),
        status=Webhook(found.status_callback or "", found.status_callback_method or "POST"),
        sms=Webhook(found.sms_url or "", found.sms_method or "POST", _app(found.sms_application_sid)),
    )


def _voice_instead(found: Any) -> str:
    if found.voice_receive_mode == "fax":
        return "a fax"
    if found.trunk_sid:
        return f"the SIP trunk {found.trunk_sid}"
    return _app(found.voice_application_sid)


def _app(application_sid: str | None) -> str:
    return f"the TwiML App {application_sid}" if application_sid else ""
