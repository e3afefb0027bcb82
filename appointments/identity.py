"""Whose appointments a caller may hear about and change: nobody's until they have shown that a number is theirs."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
import secrets
import unicodedata
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4
from zoneinfo import ZoneInfo

import structlog

from appointments.contact import may_text
from appointments.digits import CODE_LENGTH, spoken_code
from appointments.errors import (
    MessageDeferred,
    MessageRefused,
    MessageUnclear,
    NotVerified,
    SlotlineError,
    WishNotUnderstood,
)
from appointments.messages import render_code
from appointments.model import LIVE, Proof
from appointments.store.code_records import CODE_LIFETIME, IssuedCode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import date, datetime

    from appointments.model import Appointment, CallSid, PhoneNumber
    from appointments.ports import Clock, TextSender
    from appointments.store.store import Store

log = structlog.get_logger(__name__)

CODE_SENT = "If there is an appointment under that number, I've just texted a code to it."
"""Said whether there is one or not."""


@dataclass(frozen=True, slots=True)
class CodeTexts:
    """How codes reach a number.

    Args:
        secret: What codes are hashed with; without it none can be made out from the record.
        takes: How long it takes at least to ask for a code, so that nobody hears whether one was sent.
    """

    sender: TextSender
    secret: bytes
    template: str
    business: str
    countries: Sequence[str]
    takes: timedelta = timedelta(seconds=1)


class Identity:
    """What one call's caller has shown. `known` only ever is a number that they have shown to be theirs."""

    def __init__(
        self,
        *,
        call_sid: CallSid,
        caller: PhoneNumber | None,
        is_attested: bool,
        store: Store,
        clock: Clock,
        texts: CodeTexts,
        real_clock: Clock | None = None,
    ) -> None:
        """Take a call by `caller`, None when withheld; the carrier vouches for the number when it `is_attested`."""
        self._call_sid = call_sid
        self._caller = caller
        self._store = store
        self._clock = clock
        self._texts = texts
        self._real_clock = real_clock or store.now
        self._known = caller if is_attested else None
        self._may_prove = caller is not None
        self._may_ask = True
        self._has_asked = False
        self._code_until: datetime | None = None

    @property
    def known(self) -> PhoneNumber | None:
        """The number whose appointments the caller may hear about and change: the one they have shown last."""
        return self._known

    @property
    def awaits_code(self) -> bool:
        """Whether a code was asked for that can still be entered, sent or not."""
        return self._code_until is not None and self._real_clock() < self._code_until

    @property
    def fewest_digits_hidden(self) -> int | None:
        """How many digits in a row must be readable nowhere: half a code while one is awaited, a whole one after it."""
        if self.awaits_code:
            return CODE_LENGTH // 2
        return CODE_LENGTH if self._has_asked else None

    @property
    def ways(self) -> tuple[Proof, ...]:
        """What the caller can still show; it does not depend on what is on record."""
        open_ways = {
            Proof.NAME_AND_DAY: self._may_prove and self._known is None,
            Proof.CODE: self.awaits_code,
            Proof.NEW_CODE: self._may_ask,
        }
        return tuple(way for way, is_open in open_ways.items() if is_open)

    async def appointments(self) -> Sequence[Appointment]:
        """Return the upcoming appointments that the caller may hear about and change, earliest first.

        Those that were booked in this call are among them, whoever calls.

        Raises:
            NotVerified: there are none.
        """
        now = self._clock()
        booked_now = await self._store.appointments(self._call_sid)
        theirs = await self._store.upcoming(self._known, now) if self._known else ()
        found = {each.appointment_id: each for each in (*booked_now, *theirs)}.values()
        upcoming = [each for each in found if each.status in LIVE and each.slot.end > now]
        if not upcoming:
            raise NotVerified(self.ways)
        return sorted(upcoming, key=lambda appointment: appointment.slot)

    def may_change(self, appointment: Appointment) -> bool:
        """Claim that the caller may hear about `appointment` and change it."""
        is_theirs = self._known is not None and appointment.attendee.phone == self._known
        return is_theirs or appointment.call_sid == self._call_sid

    async def prove(self, name: str, day: date) -> PhoneNumber:
        """Take the name and the day of an upcoming appointment under the number that calls, and return the number.

        Raises:
            NotVerified: there is no such appointment, the number is withheld, or too many were tried.
        """
        left = await self._store.begin_proof(self._call_sid, self._caller) if self._caller else None
        self._may_prove = bool(left)
        if self._caller is None or left is None:
            raise self._not_verified("name_and_day")
        upcoming = await self._store.upcoming(self._caller, self._clock())
        if not any(_is_on(each, day) and same_name(name, each.attendee.name) for each in upcoming):
            raise self._not_verified("name_and_day")
        return self._verified(self._caller, "name_and_day")

    async def send_code(self, number: PhoneNumber) -> None:
        """Text a code to `number` if there is an upcoming appointment under it; nobody learns which.

        Raises:
            WishNotUnderstood: codes are not texted to such numbers at all.
            NotVerified: too many codes were asked for, in this call or for this number.
            MessageDeferred: no text can be sent at the moment.
        """
        if not may_text(number, self._texts.countries):
            countries = " and ".join(self._texts.countries)
            raise WishNotUnderstood(f"Codes can only be texted to mobile numbers of {countries}.")
        async with _lasting(self._texts.takes):
            await self._issue(number)

    async def check_code(self, said: str) -> PhoneNumber:
        """Take the code that the caller has typed or said, and return the number that it was texted to.

        Raises:
            WishNotUnderstood: it is no code, which costs no try.
            NotVerified: it is wrong, too late, used, or there is none.
        """
        code = spoken_code(said)
        if code is None:
            raise WishNotUnderstood(f"A code has {CODE_LENGTH} digits. Ask the caller to say it digit by digit.")
        check = await self._store.try_code(
            self._call_sid, lambda issued: hmac.compare_digest(issued.digest, self._digest(issued, code))
        )
        if not check.tries_left:
            self._code_until = None
        if check.number is None:
            raise self._not_verified("code")
        self._code_until = None
        return self._verified(check.number, "code")

    async def _issue(self, number: PhoneNumber) -> None:
        upcoming = await self._store.upcoming(number, self._clock())
        is_unwanted = await self._store.has_opted_out(number)
        code = f"{secrets.randbelow(10**CODE_LENGTH):0{CODE_LENGTH}}"
        issued = IssuedCode(f"code_{uuid4().hex}", self._call_sid, number, digest="")
        is_sent = bool(upcoming) and not is_unwanted
        if is_sent:
            issued = IssuedCode(issued.code_id, self._call_sid, number, self._digest(issued, code))
        until = self._real_clock() + CODE_LIFETIME
        left = await self._store.issue_code(issued)
        self._may_ask = bool(left)
        if left is None:
            raise self._not_verified("code")
        self._has_asked, self._code_until = True, until
        await self._text(issued, code, is_sent=is_sent)

    async def _text(self, issued: IssuedCode, code: str, *, is_sent: bool) -> None:
        """Send the code or do what takes as long and fails as often: neither must tell what is on record."""
        body = render_code(self._texts.template, code=code, business=self._texts.business)
        sender = self._texts.sender
        try:
            if is_sent:
                await sender.send(to=issued.number, body=body, outbox_id=issued.code_id)
            else:
                await sender.find(to=issued.number, body=body, since=self._real_clock())
        except MessageRefused as error:
            # That depends on the number, so it is told to the owner only.
            log.error("code_refused", outbox_id=issued.code_id, code=error.code)
            if error.is_opt_out:
                await self._store.opt_out(issued.number)
        except (MessageUnclear, MessageDeferred) as error:
            log.warning("code_not_sent", outbox_id=issued.code_id, error=type(error).__name__)
            raise MessageDeferred("no text can be sent at the moment") from error

    def _digest(self, issued: IssuedCode, code: str) -> str:
        words = (issued.code_id, issued.call_sid, issued.number, code)
        return hmac.new(self._texts.secret, " ".join(words).encode(), hashlib.sha256).hexdigest()

    def _verified(self, number: PhoneNumber, by: str) -> PhoneNumber:
        log.info("caller_verified", by=by)
        self._known = number
        return number

    def _not_verified(self, by: str) -> NotVerified:
        log.warning("caller_not_verified", by=by)
        return NotVerified(self.ways)


@asynccontextmanager
async def _lasting(shortest: timedelta) -> AsyncIterator[None]:
    """Take at least so long, whether it goes well or not."""
    loop = asyncio.get_running_loop()
    until = loop.time() + shortest.total_seconds()
    try:
        yield
    except SlotlineError:
        await asyncio.sleep(until - loop.time())
        raise
    await asyncio.sleep(until - loop.time())


def _is_on(appointment: Appointment, day: date) -> bool:
    return appointment.slot.start.astimezone(ZoneInfo(appointment.zone)).date() == day


def same_name(said: str, on_record: str) -> bool:
    """Claim that two names are one person's: a middle name may be left out or added, one name alone is not enough."""
    theirs, known = _name_words(said), _name_words(on_record)
    if theirs == known:
        return bool(known)
    fewer, more = sorted((theirs, known), key=len)
    return len(fewer) >= 2 and fewer <= more and len(theirs) <= len(known) + 1


def _name_words(name: str) -> frozenset[str]:
    """Return the words of a name as they sound: without accents, hyphens, apostrophes and capitals."""
    plain = "".join(part for part in unicodedata.normalize("NFKD", name) if not unicodedata.combining(part))
    return frozenset(re.findall(r"\w+", re.sub("['\u2019]", "", plain.casefold())))
