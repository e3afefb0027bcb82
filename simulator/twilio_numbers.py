"""The stand-in Twilio's account and its phone numbers: where each number sends its calls and texts."""

from __future__ import annotations

import fnmatch
import hashlib
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from simulator.twilio_wire import API, Method, is_e164, rfc2822
from simulator.world import BUSINESS_NUMBER

if TYPE_CHECKING:
    from simulator.twilio_wire import ListNumbers

_BOUGHT_AT = datetime(2026, 6, 1, 9, tzinfo=UTC)


def e164(number: str) -> str:
    """Return `number`, checked for a model."""
    if not is_e164(number):
        raise ValueError("must be a valid number in E.164")
    return number


class NumberOrder(BaseModel):
    """One number of the account, as a scenario or a test sets it up."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    phone_number: Annotated[str, AfterValidator(e164)]
    voice: bool = True
    sms: bool = True
    voice_url: str = ""
    voice_method: Method = "POST"
    voice_application_sid: str = Field(default="", pattern=r"^(AP[0-9a-f]{32})?$")
    voice_receive_mode: Literal["voice", "fax"] = "voice"
    trunk_sid: str | None = Field(default=None, pattern=r"^TK[0-9a-f]{32}$")
    status_callback: str = ""
    status_callback_method: Method = "POST"
    sms_url: str = ""
    sms_method: Method = "POST"
    sms_application_sid: str = Field(default="", pattern=r"^(AP[0-9a-f]{32})?$")

    def rendered(self, account_sid: str) -> dict[str, object]:
        """Return the number as the REST API shows it. A URL that is not set is an empty text, as on a bought number."""
        sid = "PN" + hashlib.md5(self.phone_number.encode(), usedforsecurity=False).hexdigest()
        return {
            "account_sid": account_sid,
            "address_requirements": "none",
            "address_sid": None,
            "api_version": API,
            "beta": False,
            "bundle_sid": None,
            "capabilities": {"fax": False, "mms": self.sms, "sms": self.sms, "voice": self.voice},
            "date_created": rfc2822(_BOUGHT_AT),
            "date_updated": rfc2822(_BOUGHT_AT),
            "emergency_address_sid": None,
            "emergency_address_status": "unregistered",
            "emergency_status": "Inactive",
            "friendly_name": self.phone_number,
            "identity_sid": None,
            "origin": "twilio",
            "phone_number": self.phone_number,
            "sid": sid,
            "sms_application_sid": self.sms_application_sid or None,
            "sms_fallback_method": "POST",
            "sms_fallback_url": "",
            "sms_method": self.sms_method,
            "sms_url": self.sms_url,
            "status": "in-use",
            "status_callback": self.status_callback,
            "status_callback_method": self.status_callback_method,
            "trunk_sid": self.trunk_sid,
            "uri": f"/{API}/Accounts/{account_sid}/IncomingPhoneNumbers/{sid}.json",
            "voice_application_sid": self.voice_application_sid or None,
            "voice_caller_id_lookup": False,
            "voice_fallback_method": "POST",
            "voice_fallback_url": "",
            "voice_method": self.voice_method,
            "voice_receive_mode": self.voice_receive_mode,
            "voice_url": self.voice_url,
        }


class AccountOrder(BaseModel):
    """What the account is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    status: Literal["active", "suspended", "closed"] = "active"
    type: Literal["Full", "Trial"] = "Full"

    def rendered(self, account_sid: str, auth_token: str) -> dict[str, object]:
        """Return the account as the REST API shows it, which is with its auth token."""
        uri = f"/{API}/Accounts/{account_sid}"
        return {
            "auth_token": auth_token,
            "date_created": rfc2822(_BOUGHT_AT),
            "date_updated": rfc2822(_BOUGHT_AT),
            "friendly_name": "Ada's account",
            "owner_account_sid": account_sid,
            "sid": account_sid,
            "status": self.status,
            "subresource_uris": {"incoming_phone_numbers": f"{uri}/IncomingPhoneNumbers.json"},
            "type": self.type,
            "uri": f"{uri}.json",
        }


def set_up_for(worker_url: str | None) -> tuple[NumberOrder, ...]:
    """Return the numbers of an account that is used by the worker at `worker_url`, by nobody when that is None."""
    if worker_url is None:
        return (NumberOrder(phone_number=BUSINESS_NUMBER),)
    base = worker_url.rstrip("/")
    return (
        NumberOrder(
            phone_number=BUSINESS_NUMBER,
            voice_url=f"{base}/twilio/voice",
            status_callback=f"{base}/twilio/status",
            sms_url=f"{base}/twilio/sms",
        ),
    )


def find(numbers: tuple[NumberOrder, ...], query: ListNumbers) -> list[NumberOrder]:
    """Return the numbers that fit `query`. A part of a number fits, and * stands for any digit."""
    wanted = f"*{(query.phone_number or '').replace('*', '?')}*"
    return [
        number
        for number in numbers
        if fnmatch.fnmatchcase(number.phone_number, wanted)
        and query.friendly_name in (None, number.phone_number)
        and query.origin in (None, "twilio")
    ]
