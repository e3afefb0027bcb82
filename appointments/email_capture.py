"""How a call comes to the caller's e-mail address: asked for, heard, read back, corrected, agreed to or left out."""

from __future__ import annotations

import re
from enum import StrEnum

from appointments.email_aloud import mask, spell, spell_domain
from appointments.email_corrections import Part, corrected, wrong_part
from appointments.email_domains import likely_domain
from appointments.email_words import clean_email, domain_in, find_address, local_part, tokens
from appointments.errors import WishNotUnderstood

MOST_TRIES = 3
"""Answers that were not understood, and read-backs that were not right; with the last of them it is left out."""

ASK = "What is your e-mail address? You can spell it."
ASK_AGAIN = "I'm sorry, I didn't get that. Could you spell the whole address, letter by letter?"
ASK_ALL_THE_SAME = "I'm sorry, I need an e-mail address to book it. What is your e-mail address?"
WHICH_PART = "I'm sorry. Is it the part before the at sign that's wrong, or the part after it?"
ASK_PART = {
    Part.LOCAL: "Could you spell the part before the at sign, letter by letter?",
    Part.DOMAIN: "And what comes after the at sign?",
}


class Stage(StrEnum):
    """What is open about the address."""

    UNKNOWN = "unknown"
    """The whole address."""
    PART = "part"
    """One part of it, which the caller is to say."""
    WHICH_PART = "which_part"
    """Which part is wrong."""
    SLIP = "slip"
    """Whether a common domain is meant by one that is nearly the same."""
    READ_BACK = "read_back"
    """Whether it is right; it has to be read back."""
    AGREED = "agreed"
    LEFT_OUT = "left_out"
    """The caller has none, would not give it, or could not be understood: it is not asked for again.

    A whole address that they say after all is taken.
    """


class EmailCapture:
    """One caller's address in one call. It is changed by the caller's words only, and agreed to before it is used."""

    def __init__(self) -> None:
        self.stage = Stage.UNKNOWN
        self._local = ""
        self._domain = ""
        self._part: Part | None = None
        """What the caller is asked for."""
        self._is_on_record = False
        self._is_masked = False
        self._has_proposed = False
        self._tries = 0
        self._has_declined = False
        self._sure_of: set[str] = set()
        """Domains that the caller was asked about."""

    @property
    def agreed(self) -> str:
        """The address that the caller has agreed to, "" before that."""
        return self._address if self.stage is Stage.AGREED else ""

    @property
    def read_back(self) -> str:
        """The words that the caller must have heard to agree, "" while there is nothing to agree to."""
        if self.stage is not Stage.READ_BACK:
            return ""
        return mask(self._address) if self._is_masked else spell(self._address)

    @property
    def question(self) -> str:
        """What to say next, "" when nothing is open."""
        match self.stage:
            case Stage.READ_BACK if self._is_on_record:
                return f"Shall I use the e-mail address we have for you, {self.read_back}?"
            case Stage.READ_BACK:
                return f"That's {self.read_back}. Is that right?"
            case Stage.SLIP:
                meant = spell_domain(likely_domain(self._domain))
                return f"I have {spell_domain(self._domain)} after the at sign. Did you mean {meant}?"
            case Stage.WHICH_PART:
                return WHICH_PART
            case Stage.PART if self._part:
                return ASK_PART[self._part]
            case Stage.UNKNOWN if self._has_declined:
                return ASK_ALL_THE_SAME
            case Stage.UNKNOWN:
                return ASK_AGAIN if self._tries else ASK
            case _:
                return ""

    def propose(self, address: str, *, is_masked: bool) -> None:
        """Have the caller asked about an address that is known; masked for one who has not shown who they are."""
        if self.stage is Stage.UNKNOWN and not (self._tries or self._has_declined or self._has_proposed):
            self._take(address)
            self._has_proposed = self._is_on_record = True
            self._is_masked, self.stage = is_masked, Stage.READ_BACK

    def changes(self, said: str) -> bool:
        """Claim that `said` makes another address of the one that was read back."""
        return self._understood(said, None) not in ("", self._address)

    def agree(self) -> None:
        """Take the caller's yes to the read-back, which they have heard."""
        self.stage = Stage.AGREED

    def decline(self, *, is_needed: bool) -> None:
        """Take a no to giving an address at all; where the booking needs one, it is asked for once more."""
        is_final = self._has_declined or not is_needed
        self._has_declined = True
        self._forget()
        self.stage = Stage.LEFT_OUT if is_final else Stage.UNKNOWN

    def hear(self, said: str, *, answer: bool | None = None, is_needed: bool = True) -> None:
        """Take what the caller said; `answer` is True for a yes, False for a no and None for neither."""
        if address := self._understood(said, answer):
            self._consider(address, is_instead=self.stage is Stage.READ_BACK and not self._is_on_record and not answer)
        elif self.stage is Stage.LEFT_OUT:
            return
        elif self._is_refused(said):
            self.decline(is_needed=is_needed)
        elif self.stage in (Stage.READ_BACK, Stage.AGREED):
            self._doubt(said, answer)
        elif self.stage is Stage.SLIP and answer is not None:
            self._settle_slip(is_meant=answer)
        elif self.stage is not Stage.UNKNOWN or not self._take_half(said):
            self._ask_again(said)

    @property
    def _address(self) -> str:
        return f"{self._local}@{self._domain}" if self._local and self._domain else ""

    @property
    def _is_open(self) -> bool:
        return self.stage not in (Stage.AGREED, Stage.LEFT_OUT)

    def _is_refused(self, said: str) -> bool:
        text = said.lower().replace("\u2019", "'")
        is_plain_no = self.stage is Stage.UNKNOWN and _PLAIN_NO.fullmatch(text) is not None
        return is_plain_no or (self._is_open and _DECLINES.search(text) is not None)

    def _understood(self, said: str, answer: bool | None) -> str:
        """Return the valid address that `said` gives or makes of the one there is, "" when there is none."""
        found = find_address(said)
        if not found and self._part is Part.DOMAIN and not self._domain:
            domain = _domain_after_at(said)
            found = f"{self._local}@{domain}" if domain else ""
        elif not found and self._address and not self._is_masked and (self._is_open or answer is False):
            found = corrected(self._address, said, part=self._part)
        try:
            return clean_email(found) if found else ""
        except WishNotUnderstood:
            return ""

    def _consider(self, address: str, *, is_instead: bool) -> None:
        """Take an address to be read back, instead of one that was."""
        self._take(address)
        is_slip = self._domain not in self._sure_of and bool(likely_domain(self._domain))
        self.stage = Stage.SLIP if is_slip else Stage.READ_BACK
        if is_instead:
            self._miss()

    def _settle_slip(self, *, is_meant: bool) -> None:
        if is_meant:
            self._domain = likely_domain(self._domain)
        self._sure_of.add(self._domain)
        self.stage = Stage.READ_BACK

    def _take_half(self, said: str) -> bool:
        """Keep the part before the at sign, when the caller has come that far: "j dot o'brien at"."""
        words = tokens(said)
        is_cut_off = bool(words) and words[-1] in ("at", "@")
        half = local_part(words[:-1] if is_cut_off else words)
        is_spelled = sum(len(word) == 1 and word.isalnum() for word in words) > 1 or not half.isalnum()
        if not half or not (is_cut_off or is_spelled):
            return False
        self._local, self._part, self.stage = half, Part.DOMAIN, Stage.PART
        return True

    def _doubt(self, said: str, answer: bool | None) -> None:
        """Find out what is wrong with an address that was read back, unless nothing is."""
        if answer is True or (self.stage is Stage.AGREED and answer is None):
            return
        if self._is_on_record:
            if answer is False:
                self._forget()
                self.stage = Stage.UNKNOWN
            return
        if part := wrong_part(said):
            self._part, self.stage = part, Stage.PART
        elif answer is False:
            self.stage = Stage.WHICH_PART
        self._miss()

    def _ask_again(self, said: str) -> None:
        """Ask for the part that the caller names, or once more for what was asked."""
        if self._address and (part := wrong_part(said)):
            self._part, self.stage = part, Stage.PART
            return
        if self.stage is Stage.WHICH_PART:
            self._forget()
            self.stage = Stage.UNKNOWN
        self._miss()

    def _miss(self) -> None:
        self._tries += 1
        if self._tries >= MOST_TRIES and self.stage is not Stage.AGREED:
            self._forget()
            self.stage = Stage.LEFT_OUT

    def _take(self, address: str) -> None:
        self._forget()
        self._local, _, self._domain = address.partition("@")

    def _forget(self) -> None:
        self._local = self._domain = ""
        self._part, self._is_on_record, self._is_masked = None, False, False


def _domain_after_at(said: str) -> str:
    """Return the domain in an answer to what comes after the at sign, which may be said again."""
    words = tokens(said)
    begin = max((n + 1 for n, word in enumerate(words) if word in ("at", "@", "its", "is", "thats")), default=0)
    return domain_in(words[begin:])


_DECLINES = re.compile(
    r"\b(?:don't|do not|haven't|have not) (?:really |even )?(?:have|got|use|do) (?:an? |any )?(?:e-?mails?|one|any|it)"
    r"\b|\b(?:don't|do not) (?:want|like|wish) to\b|\b(?:rather|prefer) not\b|\bno e-?mail\b|\bwithout an? e-?mail\b"
    r"|\bskip (?:it|that|the)\b|\bnot (?:comfortable|giving|going to give)\b|\bwon't give\b"
)
_PLAIN_NO = re.compile(r"\W*(?:no|nope|nah|never)\b(?:,? (?:thanks?|thank you|sorry|please))*\W*")
