"""How a caller can be reached: which numbers are real, which may be texted, which e-mail address a template makes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import phonenumbers

from appointments.digits import digit_runs, in_words
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


def spoken_number(number: PhoneNumber) -> str:
    """Return `number` as it is read out, without its country: "four one five, five five five, zero one two three"."""
    parsed = _parsed(number)
    national = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL) if parsed else number
    return ", ".join(in_words(group) for group in re.findall(r"\d+", national))


def names_number(text: str, number: PhoneNumber) -> bool:
    """Claim that `text` names `number`, in digits or in words, with its country or without."""
    parsed = _parsed(number)
    national = str(parsed.national_number) if parsed else number
    return any(run.digits.endswith(national) for run in digit_runs(text))


def _parsed(number: str) -> phonenumbers.PhoneNumber | None:
    try:
        return phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return None
