"""How a caller can be reached: which numbers are real, which may be texted, which e-mail address to book with."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from appointments.clock_words import canonical
from appointments.digits import digit_runs
from appointments.errors import WishNotUnderstood
from appointments.model import PhoneNumber

if TYPE_CHECKING:
    from collections.abc import Collection

_NOT_TEXTED = frozenset(
    {
        phonenumbers.PhoneNumberType.PREMIUM_RATE,
        phonenumbers.PhoneNumberType.SHARED_COST,
        phonenumbers.PhoneNumberType.TOLL_FREE,
        phonenumbers.PhoneNumberType.UAN,
        phonenumbers.PhoneNumberType.VOICEMAIL,
    }
)


def valid_caller(raw: str) -> PhoneNumber | None:
    """Return the caller's number, or None when it is withheld, a SIP address, a short code or impossible."""
    # Twilio's stand-ins for a withheld number, such as +266696687 ("ANONYMOUS"), are no valid numbers.
    if not re.fullmatch(r"\+[1-9]\d{6,14}", raw.strip()):
        return None
    number = _parsed(raw)
    return PhoneNumber(raw.strip()) if number and phonenumbers.is_valid_number(number) else None


def clean_number(said: str, country: str) -> PhoneNumber:
    """Return the phone number in `said`, typed or spoken ("four one five, five five five, oh one two three").

    Args:
        country: Where a number without its country's code is.

    Raises:
        WishNotUnderstood: it is no phone number.
    """
    digits = "".join(run.digits for run in digit_runs(said))
    is_whole = re.match(r"\s*(?:\+|plus\b)", said, re.IGNORECASE)
    try:
        parsed = phonenumbers.parse(f"+{digits}" if is_whole else digits, country)
    except phonenumbers.NumberParseException:
        parsed = None
    if parsed is None or not phonenumbers.is_valid_number(parsed):
        raise WishNotUnderstood("That is no phone number. Ask the caller to say it again, digit by digit.")
    return PhoneNumber(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164))


def country_of(number: PhoneNumber) -> str:
    """Return the country of `number` as ISO 3166 spells it, "" when it belongs to none."""
    parsed = _parsed(number)
    return (phonenumbers.region_code_for_number(parsed) or "") if parsed else ""


def known_country(code: str) -> str:
    """Return `code` in capitals; raises `ValueError` when it names no country."""
    if code.upper() not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError("must be a country's two letters, such as US")
    return code.upper()


def may_text(number: PhoneNumber | None, countries: Collection[str]) -> bool:
    """Claim that a text to `number` can arrive, costs what a text costs and stays within `countries`."""
    if number is None or valid_caller(number) is None or country_of(number) not in countries:
        return False
    parsed = _parsed(number)
    return parsed is not None and phonenumbers.number_type(parsed) not in _NOT_TEXTED


def attendee_email(template: str, number: PhoneNumber | None) -> str | None:
    """Return the address that `template` makes for this caller alone, None without a template or a number."""
    if not template or number is None:
        return None
    return template.replace("{digits}", number.removeprefix("+"))


def clean_email(said: str) -> str:
    """Return the e-mail address in `said`, typed or spoken ("maya at example dot com").

    Raises:
        WishNotUnderstood: it is no address; says why.
    """
    text = said.strip().strip(".,;:!?<>\"'").lower()
    if "@" not in text or " " in text:
        text = _spoken_address(text)
    try:
        return validate_email(text, check_deliverability=False).normalized
    except EmailNotValidError as error:
        raise WishNotUnderstood(
            f"That is not an e-mail address: {error} Ask the caller to spell it, then pass it like maya@example.com."
        ) from None


def _spoken_address(text: str) -> str:
    text = _LEAD_IN.sub("", canonical(text))
    if "@" not in text:
        text = re.sub(r"\bat(?:[ -]sign)?\b", "@", text, count=1)
    for words, sign in _SIGNS.items():
        text = re.sub(rf"(?<![^ @])(?:{words})(?![^ @])", sign, text)
    return text.replace(" ", "")


def _parsed(number: str) -> phonenumbers.PhoneNumber | None:
    try:
        return phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return None


_LEAD_IN = re.compile(r"^(?:it's|it is|that's|that is|my e-?mail(?: address)? is) ")
_SIGNS = {"dot|point|period": ".", "underscore": "_", "dash|hyphen|minus": "-", "plus": "+"}
