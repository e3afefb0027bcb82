"""What is said in the calls of a bench: questions without days and times, some with a pause inside, and the answers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import product

from bench.tones import PITCHES

GREETING = "Hello, and thank you for calling."


NAME = "Jane Miller"
"""Who everything is booked for."""


class Needs(StrEnum):
    """What the model does before it answers."""

    NOTHING = ""
    LOOKING_UP = "looking_up"
    """It calls a tool that only reads, and then gives the known answer."""
    BOOKING = "booking"
    """It calls the tool that books, and says what that returns."""


@dataclass(frozen=True, slots=True)
class Question:
    """Something a caller says. With several parts there is a pause of `pause_ms` between them."""

    parts: tuple[str, ...]
    answer: str
    pitch: int
    """Of the answer's voice: no two answers that follow each other share one."""
    pause_ms: int = 0
    needs: Needs = Needs.NOTHING

    @property
    def text(self) -> str:
        return " … ".join(self.parts)


_ASKED = (
    ("Is there parking behind the building?", "Yes, there is plenty of room. Just follow the signs at the gate."),
    ("Do you have a waiting room for children?", "We do, and it has toys. The desk will show you the way."),
    ("Can I bring my dog along?", "Small dogs are welcome. Please keep yours on a lead inside."),
    ("Which bus stops near the clinic?", "The harbor line stops outside. It is a short walk from there."),
    ("Is there a coffee shop close by?", "There is one across the street. They make a very good espresso."),
    ("Can I pay by credit card?", "Yes, we take every common card. Cash is fine with us too."),
    ("Do you take new patients?", "We certainly do. You only need to bring some identification."),
    ("How much does a visit cost?", "That depends on what is done. The desk tells you beforehand."),
    ("Is there a lift in the building?", "Yes, right behind the entrance. It goes to every floor here."),
    ("Where can I leave my bicycle?", "There is a rack beside the door. It is covered and well lit."),
    ("Is your reception on the ground floor?", "Yes, you will see it at once. Somebody is always there to help."),
    ("Do you have free internet for visitors?", "Yes, it costs nothing at all. The password hangs on the wall."),
    ("Can you send me the address?", "It is on our website as well. I am glad to repeat it here."),
    ("What should I do when I arrive?", "Please tell the desk your name. They will look after you then."),
    ("Do I have to fill in a form?", "Only a very short one. You can do that with us."),
    ("Can I park my car in front of the clinic?", "That place is for ambulances. Behind the building there is room."),
    ("Is the waiting room quiet?", "It usually is, yes. We ask everybody to mute their phones."),
    ("Do you sell gift cards?", "I am afraid we do not. Perhaps we will some other year."),
    ("Where is the clinic?", "We are right at the harbor. Look for the building with blue doors."),
    ("What is your address?", "It is Harbor Street, number twelve. The blue doors are ours."),
)  # fmt: skip
QUESTIONS = tuple(Question((asked,), answer, pitch) for pitch, (asked, answer) in enumerate(_ASKED))
"""What is asked in most turns."""

TOOL_QUESTION = Question(
    ("What times do you have?",),
    "There is quite a choice. Shall I read some of it out to you?",
    PITCHES - 1,
    needs=Needs.LOOKING_UP,
)
BOOKING = (
    Question((f"Please book one of them for {NAME}.",), "So that is what you want?", PITCHES - 2, needs=Needs.BOOKING),
    Question(("Yes, that is right.",), "Then it is booked for you.", PITCHES - 3, needs=Needs.BOOKING),
)
"""What is said after `TOOL_QUESTION` to book; how long the answers are is only guessed here."""

_BEGINNINGS = (
    "Hello, I wanted to ask",
    "I would like to know",
    "Could you please tell me",
    "Well, I was wondering",
    "I am calling because I have to know",
    "What I need to find out is",
    "My wife wants me to ask you",
    "Maybe you can tell me",
    "There is one more thing, I am not sure",
    "Let me think, I also wanted to ask",
    "Then I would like to hear from you",
    "Before I come, can you say",
)
_ENDS = (
    ("whether I can park behind the building.", "Yes, parking there is no problem."),
    ("whether you speak any Spanish.", "Several of us do, certainly."),
    ("where I can leave my bicycle.", "Right beside the door is a rack."),
    ("whether I may bring my dog along.", "Small dogs may come with you."),
    ("what I should do when I arrive.", "Please go to the desk first."),
    ("how much a visit costs.", "The desk will tell you that beforehand."),
    ("whether you take new patients.", "We are happy to take new ones."),
    ("which bus stops near the clinic.", "Take the harbor line to us."),
    ("whether there is a lift in the building.", "It is right behind the entrance."),
)
_SHORTEST_PAUSE_MS, _LONGEST_PAUSE_MS = 300, 700


def _hesitant() -> tuple[Question, ...]:
    pairs = list(product(_BEGINNINGS, enumerate(_ENDS)))
    questions = []
    for number, (beginning, (pitch, (end, answer))) in enumerate(pairs):
        # A step that shares no factor with their number, so that short and long pauses are spread over all of them.
        place = number * 37 % len(pairs) / (len(pairs) - 1)
        pause_ms = round(_SHORTEST_PAUSE_MS + place * (_LONGEST_PAUSE_MS - _SHORTEST_PAUSE_MS))
        questions.append(Question((beginning, end), answer, pitch, pause_ms))
    return tuple(questions)


HESITANT = _hesitant()
"""What is asked with a pause inside, as people do who think while they speak: a turn that is not over yet."""

EVERYTHING = (*QUESTIONS, TOOL_QUESTION, *BOOKING, *HESITANT)
"""All of it; a line mark names a question by its place in here."""
