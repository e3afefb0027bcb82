"""An author's text taken apart: its sentences and their lines, what is forbidden in them, and what will be spoken."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

Speaker = Literal["", "agent", "caller"]
GREETING = "the greeting"
"""The section of the words that open a call."""
HIDDEN = "\0"
"""Stands in prose for each letter that is quoted."""


@dataclass(frozen=True, slots=True)
class Passage:
    """What belongs together: a paragraph, a list item, a line of an example.

    `starts` tells where in `text` each line of the file begins; `lead` is the line that a list hangs on.
    """

    path: Path
    text: str
    starts: tuple[tuple[int, int], ...]
    section: str = ""
    lead: str = ""
    speaker: Speaker = ""

    @property
    def prose(self) -> str:
        """The text with all that is quoted hidden, but for the mark a quoted sentence ends with."""
        return _QUOTED.sub(lambda found: found[0][0] + _hidden(found[0][1:-1]) + found[0][-1], self.text)

    @property
    def is_example(self) -> bool:
        """Claim that this is made up to show how a call may go."""
        is_named = _EXAMPLE.search(self.section) or _EXAMPLE.search(self.lead)
        return bool(is_named or self.speaker) and self.section != GREETING

    @property
    def is_forbidden(self) -> bool:
        """Claim that it stands under "Never:" or the like."""
        return any(_FORBIDS.search(words) and not _CONDITION.match(words) for words in (self.section, self.lead))

    def line(self, offset: int) -> int:
        return max(number for start, number in self.starts if start <= offset)

    def sentences(self) -> Iterator[Span]:
        begin = 0
        for found in _SENTENCE_END.finditer(self.prose):
            yield Span(self, begin, found.end())
            begin = found.end()
        if begin < len(self.text):
            yield Span(self, begin, len(self.text))

    def spoken(self) -> Iterator[Span]:
        """Return what of it the agent is to say word for word, or says in an example."""
        if self.speaker == "agent":
            yield Span(self, 0, len(self.text))
        elif not self.speaker:
            for sentence in self.sentences():
                yield from (quote for quote in sentence.quotes() if sentence.wants_said(quote))


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a passage, mostly a sentence or what is quoted in one."""

    passage: Passage
    begin: int
    end: int

    @property
    def text(self) -> str:
        return self.passage.text[self.begin : self.end]

    @property
    def prose(self) -> str:
        return self.passage.prose[self.begin : self.end]

    def line(self, offset: int = 0) -> int:
        return self.passage.line(self.begin + offset)

    def is_negated(self, before: int | None = None) -> bool:
        """Claim that the sentence forbids or denies, as far as `before`."""
        prose = self.prose[:before]
        # "If you don't know, …" forbids nothing.
        condition = _CONDITION_CLAUSE.match(prose)
        return self.passage.is_forbidden or _NOT.search(prose, condition.end() if condition else 0) is not None

    def quotes(self) -> Iterator[Span]:
        for found in _QUOTED.finditer(self.text):
            yield Span(self.passage, self.begin + found.start() + 1, self.begin + found.end() - 1)

    def stated(self) -> str:
        """Return the text with the quotations hidden that nobody but a caller says, of the same length."""
        text = self.text
        for quote in self.quotes():
            if not self.wants_said(quote):
                begin, end = quote.begin - self.begin, quote.end - self.begin
                text = text[:begin] + HIDDEN * (end - begin) + text[end:]
        return text

    def wants_said(self, quote: Span) -> bool:
        """Claim that the agent shall speak `quote`: no caller does, and it is not forbidden."""
        before = quote.begin - self.begin
        if self.is_negated(before) or len(quote.text.split()) < 3:
            return False
        lead_in = f"{self.passage.lead} {self.prose[:before]}"
        verbs = list(_SPEECH.finditer(lead_in))
        if not verbs:
            return quote.text[:1].isupper() and (quote.text.rstrip()[-1] in ".?!" or len(quote.text.split()) > 3)
        subject = lead_in[: verbs[-1].start()]
        if verbs[-1]["other"]:
            return _AGENT.search(subject) is not None
        return _CALLERS.search(subject) is None


def passages(text: str, path: Path, first_line: int = 1, *, agent: str = "") -> tuple[Passage, ...]:
    """Return the passages of a text that starts on `first_line` of `path`; headings are the sections of others.

    Args:
        agent: What the agent is called in the lines of an example, beside "You" and "Agent".
    """
    found: list[Passage] = []
    block: list[tuple[int, str]] = []
    section = lead = ""
    names = frozenset({agent.casefold()})
    for number, raw in enumerate(text.translate(_PLAIN).splitlines(), start=first_line):
        line = raw.strip()
        if block and line and not _begins(line, section) and _goes_on(block, line):
            block.append((number, line))
            continue
        found += _passage(block, path, section, lead, names)
        block = []
        heading = _HEADING.fullmatch(line)
        if heading:
            section, lead = heading["words"] or heading["bold"], ""
        elif line:
            if not _ITEM.match(line):
                lead = line if line.endswith(":") else ""
            block = [(number, line)]
    return (*found, *_passage(block, path, section, lead, names))


def joined(
    lines: Iterable[tuple[int, str]], path: Path, *, section: str = "", lead: str = "", speaker: Speaker = ""
) -> Passage:
    """Return the passage that numbered lines make."""
    starts, text = [], ""
    for number, line in lines:
        text += " " if text else ""
        starts.append((len(text), number))
        text += line
    return Passage(path, text, tuple(starts), section, lead, speaker)


def find(pattern: re.Pattern[str], span: Span) -> Iterator[re.Match[str]]:
    """Return where `pattern` occurs in the sentence without being negated before it."""
    return (found for found in pattern.finditer(span.text) if not span.is_negated(found.start()))


def _passage(
    block: Sequence[tuple[int, str]], path: Path, section: str, lead: str, names: frozenset[str]
) -> Iterator[Passage]:
    if not block:
        return
    first = block[0][1]
    speaker = _speaker(first, section)
    cut = speaker or _ITEM.match(first)
    lines = [(block[0][0], first[cut.end() :] if cut else first), *block[1:]]
    who: Speaker = ""
    if speaker:
        who = "agent" if _AGENT_NAME.fullmatch(speaker["who"]) or speaker["who"].casefold() in names else "caller"
    yield joined(lines, path, section=section, lead="" if lead == first else lead, speaker=who)


def _speaker(line: str, section: str) -> re.Match[str] | None:
    """Return who speaks in a line such as "Caller: Hello"; in an example anybody may."""
    found = _SPEAKER.match(line)
    return found if found and (_EXAMPLE.search(section) or _ROLE.fullmatch(found["who"])) else None


def _begins(line: str, section: str) -> bool:
    return bool(_ITEM.match(line) or _HEADING.fullmatch(line) or _speaker(line, section))


def _goes_on(block: Sequence[tuple[int, str]], line: str) -> bool:
    """Claim that `line` continues a sentence: the one before it ends in no mark, or inside a quotation."""
    before = " ".join(part for _, part in block)
    if before.count('"') % 2 or before.count("“") > before.count("”"):
        return True
    return before[-1] not in '.!?:;"”' and not line[0].isupper()


def _hidden(quoted: str) -> str:
    mark = quoted[-1:] if quoted[-1:] in ".!?" else ""
    return HIDDEN * (len(quoted) - len(mark)) + mark


_PLAIN = str.maketrans(dict.fromkeys("\u2018\u2019", "'"))
_QUOTED = re.compile(r"""\"[^"]*"|“[^”]*”|(?<!\w)'(?=\S+\s+\S+\s)[^"“]+?'(?!\w)""")
"""Quotations; between single marks only of three words and more, because apostrophes look the same."""
_SENTENCE_END = re.compile(
    r"(?<![ap]\.m)(?<!\be\.g)(?<!\bi\.e)(?<!\bSt)(?<!\b[DM]r)(?<!\bMrs)[.!?][\"”)]*\s+(?=[^a-z\s])"
)
_HEADING = re.compile(r"#{1,6}\s+(?P<words>.+)|\*\*(?P<bold>[^*]+)\*\*:?")
_ITEM = re.compile(r"(?:[-*+•]|\d{1,2}[.)])\s+")
_EXAMPLE = re.compile(r"\b(?:examples?|samples?|dialogues?|transcripts?)\b", re.IGNORECASE)
_AGENT_NAME = re.compile(r"You|Agent|Assistant|AI|Receptionist|Bot|\{agent\}")
_ROLE = re.compile(rf"{_AGENT_NAME.pattern}|Caller|Customer|User|Patient|Client")
_SPEAKER = re.compile(
    r"(?:[-*+•]\s+)?\**(?P<who>\{agent\}|[A-Z]\w*(?: \w+)?)(?:\s*\([^)]*\)|,[^:.]{0,40})?\**:\**\s+(?=\S)"
)
_NOT = re.compile(
    r"\b(?:never|not|no|nobody|cannot|\w+n't|without|avoid|neither|nor|instead of|rather than|refuse|refrain|unable)\b",
    re.IGNORECASE,
)
_FORBIDS = re.compile(
    r"^\W*(?:don'?ts?|avoid|forbidden|off[- ]limits|prohibited)\b|\bnot to (?:do|say)\b"
    r"|\b(?:never|not allowed|do not|don't|must not|mustn't|should not|shouldn't|may not|cannot|can't)\b",
    re.IGNORECASE,
)
_CONDITION = re.compile(r"\W*(?:if|when|whenever|once|in case)\b", re.IGNORECASE)
_CONDITION_CLAUSE = re.compile(rf"{_CONDITION.pattern}[^,]*,", re.IGNORECASE)
_SPEECH = re.compile(
    r"\b(?:(?P<own>say|ask|tell|answer|reply|respond|repeat|offer|greet|speak|confirm|apologi[sz]e|close|open|end|start)"
    r"|(?P<other>says|said|saying|asks|asked|asking|answers|answered|replies|replied|tells|told|mentions|mentioned"
    r"|wants|hears|means|responds))\b",
    re.IGNORECASE,
)
_AGENT = re.compile(r"\b(?:agent|assistant|receptionist|bot|tool|you|it|\w+_\w+)\W+(?:\w+\W+){0,2}$", re.IGNORECASE)
_CALLERS = re.compile(
    r"\b(?:they|callers?|people|customers?|patients?|clients?|someone|somebody|anyone)\W+"
    r"(?:(?:may|might|could|would|will|often|sometimes|usually|just|only)\W+){0,2}$",
    re.IGNORECASE,
)
