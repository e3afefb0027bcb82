"""Texts that people send to the stand-in Twilio's numbers: the signed webhook, and who wants no texts any more."""

from __future__ import annotations

import secrets
from http import HTTPStatus
from typing import Annotated
from xml.etree import ElementTree

import aiohttp
import phonenumbers
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from simulator.twilio_messages import segments
from simulator.twilio_numbers import e164
from simulator.twilio_webhooks import post_signed
from simulator.twilio_wire import API

# https://www.twilio.com/docs/messaging/tutorials/advanced-opt-out has the words. Of a number without that feature
# Twilio answers them itself and posts them to the webhook all the same, without `OptOutType`.
STOP_WORDS = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "END", "QUIT", "REVOKE", "OPTOUT", "CANCEL"})
START_WORDS = frozenset({"START", "UNSTOP", "YES"})


class InboundOrder(BaseModel):
    """The body of ``POST /control/inbound``: somebody texts a number of the account.

    With the `message_sid` of a text that came before, Twilio delivers that one again.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    from_: Annotated[str, Field(alias="from"), AfterValidator(e164)]
    to: Annotated[str, AfterValidator(e164)] | None = None
    """None: the account's first number."""
    body: str = Field(max_length=1600)
    message_sid: str = Field(default_factory=lambda: "SM" + secrets.token_hex(16), pattern="^SM[0-9a-f]{32}$")

    @property
    def word(self) -> str:
        """The body as Twilio compares it with its opt-out words: the whole of it, in capitals."""
        return self.body.strip().upper()

    def form(self, account_sid: str, to: str) -> dict[str, str]:
        """Return the fields that Twilio posts: https://www.twilio.com/docs/messaging/guides/webhook-request"""
        places: dict[str, str] = {}
        for side, number in (("From", self.from_), ("To", to)):
            country = phonenumbers.region_code_for_number(phonenumbers.parse(number)) or ""
            places |= {f"{side}City": "", f"{side}State": "", f"{side}Zip": "", f"{side}Country": country}
        return {
            **places,
            "AccountSid": account_sid,
            "ApiVersion": API,
            "Body": self.body,
            "From": self.from_,
            "MessageSid": self.message_sid,
            "NumMedia": "0",
            "NumSegments": str(segments(self.body)),
            "SmsMessageSid": self.message_sid,
            "SmsSid": self.message_sid,
            "SmsStatus": "received",
            "To": to,
        }


async def deliver(order: InboundOrder, *, to: str, url: str, account_sid: str, auth_token: str) -> dict[str, object]:
    """Post a text to the webhook of its number, and return what became of that: `answered`, or a `problem`."""
    told: dict[str, object] = {"message_sid": order.message_sid, "answered": None}
    try:
        told["answered"], twiml = await post_signed(auth_token, url, order.form(account_sid, to))
    except (aiohttp.ClientError, TimeoutError) as error:
        return told | {"problem": repr(error)}
    if told["answered"] == HTTPStatus.OK and (problem := _problem(twiml)):
        told["problem"] = problem
    return told


def _problem(twiml: str) -> str:
    """Return what is wrong with the answer, "" when Twilio would do nothing more."""
    try:
        response = ElementTree.fromstring(twiml)  # noqa: S314 -- the worker's own TwiML, from loopback
    except ElementTree.ParseError as error:
        return f"12100: the answer is no TwiML: {error}"
    if response.tag != "Response" or len(response):
        return f"the stand-in follows no verbs in an answer to a text: {twiml}"
    return ""
