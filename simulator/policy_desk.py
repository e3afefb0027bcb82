"""What the stand-in model knows of one call, and the next step that follows from it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING

from simulator import policy_contact as contact
from simulator import policy_existing as existing
from simulator import policy_requests as requests
from simulator import policy_resume as resume
from simulator import policy_transfer as transfer
from simulator.policy_answer import GOODBYE, MORE, NAME, OTHER_TIME, Answer, Asked, ToolCall
from simulator.policy_contact import Email
from simulator.policy_digits import number_aloud
from simulator.policy_existing import Existing
from simulator.policy_offer import MOST_SPOKEN, Offer, OfferedSlot
from simulator.policy_questions import ask_again, next_question
from simulator.policy_requests import Leaving
from simulator.policy_tools import (
    CALL_BACK,
    CANCEL_MINE,
    CHECK_CODE,
    CONFIRM_MINE,
    FIND_MINE,
    MOVE_MINE,
    NOTE_EMAIL,
    TEXT_CODE,
    TRANSFER,
    WAITLIST,
    BookingTool,
    Toolbox,
    with_article,
)
from simulator.policy_when import CalendarTable, When, when_said
from simulator.policy_words import plain

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(slots=True)
class Desk:
    """One call, as far as the messages tell of it; `answer` is always the reply to the last of them."""

    calendar: CalendarTable
    tools: Toolbox
    answer: Answer = field(default_factory=Answer)
    asked: Asked = Asked.OPEN
    offer: Offer = field(default_factory=Offer)
    wish: When | None = None
    """What to look for next; None: nothing."""
    looked_for: When = field(default_factory=When)
    """What was looked for last."""
    action: str = ""
    """What is to be booked; "" where that is not known yet, or there is no choice."""
    picked: OfferedSlot | None = None
    name: str = ""
    email: Email = field(default_factory=Email)
    number: str = ""
    """The number to reach a caller at who withholds theirs."""
    is_number_refused: bool = False
    notes: str = ""
    answers: dict[str, object] = field(default_factory=dict)
    """To the event type's own questions, by the arguments that pass them; None where nobody understood the answer."""
    unanswered: int = 0
    """How often the answer to the question of the moment was not understood."""
    is_confirmed: bool = False
    is_read_back: bool = False
    """Claims that the caller has heard all that is about to be booked."""
    is_booking: bool = False
    is_nudged: bool = False
    booked: set[str] = field(default_factory=set)
    refusals: int = 0
    puzzled: int = 0
    read_backs: int = 0
    turned_down: int = 0
    """How often the caller has refused all that was offered."""
    unsaid: str = ""
    """The end of a booking, until the caller has heard it."""
    heard: str = ""
    has_broken_off: bool = False
    """Claims that the caller's last call did, and that they have not been asked about it yet."""
    is_put_through: bool = False
    """Claims that the caller is being put through to a person."""
    existing: Existing = field(default_factory=Existing)
    leaving: Leaving = field(default_factory=Leaving)

    @property
    def tool(self) -> BookingTool | None:
        return self.tools.book_for(self.action)

    def say(self, text: str, asked: Asked | None = None) -> None:
        """Answer with `text`, which comes to ask about `asked`."""
        self.asked = asked or self.asked
        self.answer = Answer(text.strip())

    def part(self) -> None:
        """Say goodbye and hang up."""
        calls = (ToolCall(self.tools.end, {}),) if self.tools.end else ()
        self.answer = Answer(GOODBYE, calls)
        self.asked = Asked.MORE

    def note_said(self, text: str) -> None:
        """Take note of what the caller was heard to be told, which is less than was meant after a barge-in."""
        self.heard = f"{self.heard} {plain(text)}".strip()
        if "still there" in plain(text):
            self.is_nudged = True
        if needed := self._details():
            self.is_read_back = self.is_read_back or all(plain(words) in self.heard for words in needed)
        words = set(plain(self.unsaid).split())
        if words and len(words & set(self.heard.split())) * 2 > len(words):
            self.unsaid = ""

    def _details(self) -> tuple[str, ...]:
        """Return the words that a read-back must name."""
        if self.existing.errand:
            return existing.details(self)
        return (self.picked.say, self.name) if self.picked and self.name else ()

    def start_over(self) -> None:
        """Leave what was under way; the caller's name stays."""
        self.drop_pick()
        self.offer, self.wish, self.turned_down = Offer(), None, 0

    def pick(self, slot: OfferedSlot) -> None:
        if slot != self.picked:
            self.picked = slot
            self.details_changed()

    def drop_pick(self) -> None:
        self.picked = None
        self.details_changed()

    def give_up(self) -> None:
        """Book nothing of what was under way; what was booked before stays so."""
        self.drop_pick()
        if self.booked:
            self.start_over()
            self.say(f"All right, I won't book that. {MORE}", Asked.MORE)
        else:
            self.say(f"All right, nothing is booked. {OTHER_TIME}", Asked.OTHER_TIME)

    def details_changed(self) -> None:
        """Forget the caller's yes: every change is read back again."""
        self.is_confirmed = self.is_read_back = False
        self.read_backs = 0

    def advance(self) -> None:
        """Take the next step towards a booking, or towards what else the caller wants."""
        tool = self.tool
        if self.leaving.kind:
            requests.go_on(self)
        elif self.existing.errand:
            existing.go_on(self)
        elif self.wish is not None:
            self.look()
        elif self.picked is None or tool is None:
            self.say(self.question(), Asked.OFFER if self.offer.spoken else Asked.OPEN)
        elif not self.name:
            opening = "" if self.asked in (Asked.NAME, Asked.OFFER) else f"{self.picked.say} is free. "
            self.say(f"{opening}{NAME}", Asked.NAME)
        elif "number" in tool.parameters and not (self.number or self.is_number_refused):
            self.say(requests.REACH, Asked.NUMBER)
        elif (tool.needs_email or self.is_number_refused) and not self.email.is_settled:
            contact.note_email(self)
        elif question := next_question(self):
            self.say(question.words, Asked.QUESTION)
        elif not (self.is_confirmed and (self.is_read_back or self.read_backs > 1)):
            self.is_confirmed = False
            self.read_backs += 1
            self.say(self._read_back(tool, self.picked), Asked.CONFIRM)
        else:
            self._book(tool, self.picked)

    def look(self) -> None:
        """Look for free times."""
        wish = self.wish or When()
        if not self.tools.find:
            self.wish = None
            self.say(f"I'm sorry, I can't look up times on this call. {MORE}", Asked.MORE)
            return
        if len(self.tools.books) > 1 and not self.action:
            self.asked = Asked.ACTION
            self.say(self.question())
            return
        # The tool looks for one time: of "after three" it can only be told the part of the day.
        said = {
            "date": wish.day.isoformat() if wish.day else "",
            "part_of_day": wish.part_of_limit if wish.limit else "" if wish.times else wish.part,
            "time": "" if wish.limit else wish.time_words,
            "appointment": self.action,
            "moving": self.existing.moved_key,
        }
        arguments: dict[str, object] = {
            name: words for name, words in said.items() if words and name in self.tools.find_parameters
        }
        self.answer = Answer(calls=(ToolCall(self.tools.find, arguments),))

    def _read_back(self, tool: BookingTool, slot: OfferedSlot) -> str:
        number = f", with the phone number {number_aloud(self.number)}" if self.number else ""
        return f"That's {with_article(tool.title)} on {slot.say}, for {self.name}{number}. Is that right?"

    def _book(self, tool: BookingTool, slot: OfferedSlot) -> None:
        said = {"slot": slot.key, "name": self.name, "number": self.number, "notes": self.notes}
        arguments: dict[str, object] = {
            name: value for name, value in said.items() if value and name in tool.parameters
        }
        arguments |= {name: answer for name, answer in self.answers.items() if answer is not None}
        self.answer = Answer(calls=(ToolCall(tool.name, arguments),))

    def question(self) -> str:
        """Return the open question in words that can be said at any time."""
        match self.asked:
            case Asked.ACTION:
                return f"Would you like {self.tools.choices}?"
            case Asked.OFFER if len(self.offer.spoken) > 1:
                return f"Which would you like: {', or '.join(slot.say for slot in self.offer.spoken)}?"
            case Asked.OFFER if self.offer.spoken:
                return f"{self.offer.spoken[0].say} is free. Would you like that one?"
            case Asked.NAME:
                return NAME
            case Asked.QUESTION if question := next_question(self):
                return question.words
            case Asked.EMAIL:
                return self.email.question
            case Asked.CONFIRM if self.existing.errand:
                return existing.read_back(self)
            case Asked.CONFIRM if self.picked and self.tool:
                return self._read_back(self.tool, self.picked)
            case Asked.OTHER_TIME:
                return OTHER_TIME
            case Asked.CHANGE:
                return "What should be different?"
            case Asked.RETRY:
                return "Shall I try again?"
            case Asked.MORE:
                return MORE
            case Asked.RESUME:
                return resume.QUESTION
            case Asked.GOODBYE:
                return "Shall I end the call?"
            case Asked.ERRAND:
                return existing.errand_question(self)
            case Asked.WHICH:
                return existing.which_question(self)
            case Asked.WHO:
                return "What name is it under, and which day is it?"
            case Asked.CODE_NUMBER:
                return "Which number is it under?"
            case Asked.CODE:
                return "Could you read me the code, or type it on your phone?"
            case Asked.WHY:
                return existing.WHY
            case Asked.LEAVE if self.leaving.choice:
                return requests.QUESTION[self.leaving.choice]
            case Asked.BEST_TIME if self.leaving.kind:
                return requests.BEST_TIME[self.leaving.kind]
            case Asked.REACH | Asked.NUMBER:
                return requests.REACH
            case _:
                return "Would you like to book an appointment?"

    def take_result(self, call: ToolCall, result: Mapping[str, object] | None) -> None:
        """Go on from what a tool answered; None means that it gave no answer."""
        self.heard, self.is_booking = "", False
        match call.name:
            case self.tools.end:
                self.answer = Answer()
            case self.tools.find:
                self._take_found(call, result)
            case _ if call.name.startswith("book_"):
                self._take_booked(call, result)
            case _ if call.name in (FIND_MINE, CHECK_CODE):
                existing.take_known(self, result)
            case _ if call.name == TEXT_CODE:
                existing.take_code_sent(self, result)
            case _ if call.name in (CONFIRM_MINE, MOVE_MINE, CANCEL_MINE):
                existing.take_changed(self, call, result)
            case _ if call.name == TRANSFER:
                transfer.take_put_through(self, result)
            case _ if call.name == NOTE_EMAIL:
                contact.take_noted(self, result)
            case _ if call.name in (WAITLIST, CALL_BACK):
                requests.take_noted(self, result)

    def _take_found(self, call: ToolCall, result: Mapping[str, object] | None) -> None:
        asked_for = self.wish or self._asked_for(call)
        if result is None:
            self.say("I'm sorry, I couldn't look that up just now. Shall I try again?", Asked.RETRY)
            self.wish = self.wish or asked_for
            return
        self.wish, self.offer, self.looked_for = None, Offer.read(result), asked_for
        self.action = str(call.arguments.get("appointment") or self.action)
        self.drop_pick()
        exact = [slot for slot in self.offer.slots if asked_for.fits(slot.day, slot.time)]
        if result.get("status") == "available" and asked_for.times and not asked_for.limit and len(exact) == 1:
            self.pick(exact[0])
            self.asked = Asked.OPEN
            self.advance()
            return
        if result.get("status") == "nothing_free":
            requests.offer(self, str(result.get("say") or ""), can_wait=True)
            return
        if not self.tools.books and not self.existing.errand:
            requests.offer(self, f"{_without_question(str(result.get('say')))} I can't book it myself.", can_wait=False)
            return
        fitting = exact[:MOST_SPOKEN]
        if asked_for.limit and fitting and set(self.offer.spoken) - set(exact):
            self.offer = replace(self.offer, spoken=tuple(fitting))
            self.asked = Asked.OFFER
            self.say(self.question())
            return
        self.speak(result, Asked.OFFER if self.offer.slots else Asked.OTHER_TIME)

    def _asked_for(self, call: ToolCall) -> When:
        arguments = {name: str(value or "") for name, value in call.arguments.items()}
        said = when_said(plain(arguments.get("time", "")), self.calendar)
        try:
            day = date.fromisoformat(arguments.get("date", ""))
        except ValueError:
            day = None
        return When(day, said.times, said.time_words, said.part or arguments.get("part_of_day", ""))

    def speak(self, result: Mapping[str, object], asked: Asked) -> None:
        """Say a tool's own words, and ask on where they do not."""
        say = str(result.get("say") or "")
        if say and result.get("status") in ("unavailable", "rejected"):
            requests.tell_trouble(self, say)
            return
        self.asked = Asked.MORE if "anything else" in say.lower() else asked
        if not say:
            say = "Sorry, I couldn't make that out. Which day and time would you like?"
        elif "?" not in say:
            say = f"{say} {self.question()}"
        self.say(say)

    def _take_booked(self, call: ToolCall, result: Mapping[str, object] | None) -> None:
        say = str((result or {}).get("say") or "")
        match (result or {}).get("status"):
            case "booked" | "requested":
                self._close(say or "You're booked.", booked=str(call.arguments.get("slot")))
            case "pending" | "unconfirmed":
                say = say or "I'm still confirming that with our calendar."
                self._close(say, booked=str(call.arguments.get("slot")))
            case "unavailable" | "rejected":
                self._close("")
                requests.tell_trouble(self, say or "I'm sorry, I can't book that now.")
                self.unsaid = say
            case "not_confirmed":
                self.is_confirmed = False
                self.read_backs += 1
                self.say(say or self.question(), Asked.CONFIRM)
            case "taken" | "not_allowed":
                self.drop_pick()
                self.offer = Offer.read(result or {})
                self.speak(result or {}, Asked.OFFER if self.offer.slots else Asked.OPEN)
            case "not_offered":
                day = date.fromisoformat(self.picked.day) if self.picked else None
                self.drop_pick()
                self.wish = When(day)
                self.advance()
            case "needs_email" | "left_out":
                contact.take_noted(self, result)
            case "invalid":
                self._mend(str((result or {}).get("hint") or "").lower())
            case _:
                self.is_confirmed = False
                self.say("I'm sorry, I couldn't confirm that just now. Shall I try again?", Asked.RETRY)

    def _close(self, say: str, *, booked: str = "") -> None:
        """Tell how a booking ended and ask for more; `booked` is the key of a slot that is not free any more."""
        self.unsaid = say
        if booked:
            self.booked.add(booked)
            self.action = ""
        self.drop_pick()
        self.offer, self.wish, self.notes, self.answers = Offer(), None, "", {}
        self.say(say if "anything else?" in say.lower() else f"{say} {MORE}", Asked.MORE)

    def _mend(self, hint: str) -> None:
        """Ask again for the argument that `hint` complains of."""
        self.details_changed()
        if ask_again(self, hint):
            return
        if "number" in hint:
            self.number = ""
            self.say(requests.REACH, Asked.NUMBER)
        elif "name" in hint:
            self.name = ""
            self.say(f"I'm sorry, I didn't get the name. {NAME}", Asked.NAME)
        else:
            self.drop_pick()
            self.say(f"I'm sorry, that didn't work. {OTHER_TIME}", Asked.OTHER_TIME)


def _without_question(say: str) -> str:
    return " ".join(sentence for sentence in re.split(r"(?<=[.?!]) ", say) if not sentence.endswith("?"))
