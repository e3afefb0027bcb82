"""Checking what authors write: each planted mistake is found on its line, by its rule, in a useful sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from agent.authoring.rules import RULES
from tests.author_files import GREETING, RULE_LINE, check, plant, told, write_files

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Return instructions and a business file in which nothing is to be found."""
    return write_files(tmp_path)


RULE_MISTAKES = [
    # A line of the instructions, the rule it breaks, and words of the sentence and of the better wording.
    ("Use `check_availability` before you name a time.", "unknown-tool", "find_slots", "use find_slots"),
    ("Call find_slot first.", "unknown-tool", "find_slot is no tool", "did you mean find_slots"),
    ("Call `bookAppointment` at the end.", "unknown-tool", "bookAppointment", "use book_30_minute_consultation"),
    ("Then use book 30 minute consult.", "unknown-action", '"Book 30-Minute Consultation"', "30-Minute Consultation"),
    ("Use the 'Book Team Call' action.", "unknown-action", 'no action "Book Team Call"', "30-Minute Consultation"),
    ("For new patients, Book 60-Minute Consultation.", "unknown-action", "60-Minute", "30-Minute Consultation"),
    ("Welcome callers of {busines}.", "placeholder", "{busines} is no placeholder", "{business}"),
    ("You work for {company}.", "placeholder", "{company}", "{business}"),
    ("You work for [Your Company Name].", "blank", "filled in by nobody", "{business}"),
    ("You are {agent name}.", "blank", "{agent name}", "{agent}"),
    ("We are open Monday to Friday from 8 am to 6 pm.", "wrong-hours", "Mon-Fri 09:00-17:00", "leave it out"),
    ("We're open until six.", "wrong-hours", "until six", "leave it out"),
    ("We are closed on Wednesdays.", "wrong-hours", "Wed 09:00-17:00", "leave it out"),
    ("Saturdays we are open from 10 to noon.", "wrong-hours", "Sat closed", "leave it out"),
    ('Say: "We\'re open from eight to half past five."', "wrong-hours", "eight to half past five", "leave it out"),
    ("We are open 24/7.", "wrong-hours", "24/7", "leave it out"),
    ("Our hours: Mon-Fri 9-17.", "written-hours", "repeats the business file", "leave it out"),
    ("We close at five.", "written-hours", "close at five", "leave it out"),
    ("There is a party on December 24.", "written-date", "December 24", "about"),
    ("On 12/24 nobody is here.", "written-date", "12/24", "about"),
    ("The move is on Monday, July 3rd, 2026.", "wrong-date", "that day is a Friday", "Friday"),
    ("A consultation is $90.", "wrong-price", "it is $80", "leave it out"),
    ("Tell callers a consultation costs ninety dollars.", "wrong-price", "it is $80", "leave it out"),
    ("A consultation costs 80 dollars.", "written-price", "repeats", "leave it out"),
    ("A whitening costs 249.90 USD.", "written-price", "stands here only", "about"),
    ("Our phone number is 415-555-0199.", "wrong-number", "+14155552671", "leave it out"),
    ('Say: "Call us at 415 555 0123 then."', "wrong-number", "+14155552671", "leave it out"),
    ("The laboratory has 212-555-0147.", "written-number", "stands here only", "about"),
    ("Our number is (415) 555-2671.", "written-number", "repeats", "leave it out"),
    ("All times are in Pacific Time.", "wrong-zone", "America/New_York", "leave it out"),
    ("You are the receptionist at Bright Smile Dental.", "wrong-name", "Harbor Street Clinic", "{business}"),
    ('Say: "Please **wait** for the tone."', "spoken-markup", "**", "plain sentences"),
    ('Say: "Go to https://harbor.example/book now."', "spoken-link", "https://harbor.example/book", "text"),
    ('Say "Write to info@harbor.example for that."', "spoken-email", "info@harbor.example", "info at harbor"),
    ('Say: "You\'re all set! \U0001f389"', "spoken-symbol", "no sound", "words"),
    ('Say: "It is on 12 Harbor St., upstairs."', "spoken-abbreviation", "St.", "whole word"),
    ('Say: "We answer Mon-Fri only."', "spoken-abbreviation", "Mon-Fri", "whole word"),
    ('Say: "I have 2:00 PM for you."', "spoken-time", "2:00 PM", "two in the afternoon"),
    ('Say: "WELCOME to the clinic."', "spoken-capitals", "WELCOME", "small letters"),
    ("Use bullet points for the times.", "asks-for-markup", "bullet points", "how it shall sound"),
    ("Format your answers in markdown.", "asks-for-markup", "markdown", "how it shall sound"),
    ('Ask: "Who are you? And what is it about?"', "two-questions", "2 questions", "one question"),
    ('Ask: "Is Monday, Tuesday, Wednesday, or Thursday best?"', "many-options", "4 options", "at most three"),
    ("Call Find_Slots first.", "unknown-tool", "Find_Slots is no tool", "did you mean find_slots"),
    ("8am to 6pm, Monday to Saturday.", "wrong-hours", "Mon-Fri 09:00-17:00; Sat closed", "leave it out"),
    ("Our number is (555) 123-4567.", "wrong-number", "(555) 123-4567", "leave it out"),
    ("Say 'one moment, let me check' before each tool.", "told-to-stall", "one moment", "by itself"),
    ("List all available times.", "many-options", "all available times", "at most three"),
    ('Say: "We\'ll email you the details."', "cannot-do", "an e-mail goes out", "the booking tool says"),
    ("Never say that you are an AI.", "hides-the-machine", "deceives callers", "automated when asked"),
    ("If asked, say you are a real person.", "hides-the-machine", "deceives callers", "automated when asked"),
    ("Before you book, run the getMeetingTimes function.", "unknown-tool", "getMeetingTimes", "plain words"),
    ("Take a detailed message for the doctor.", "cannot-do", "passes no messages on", "call back"),
    ("Hours: 9:00 a.m. \u2013 5:00 p.m., Sunday to Saturday", "wrong-hours", "Sat-Sun closed", "leave it out"),
    ("If you don't know the price, make one up.", "told-to-invent", "make one up", "say so"),
    ('Say "Let me check that for you" before each tool.', "told-to-stall", "Let me check", "by itself"),
    ("Use filler words while you look.", "told-to-stall", "filler", "by itself"),
    ("Ask for the caller's phone number.", "asks-for-number", "phone number", "the number the caller calls from"),
    ('Ask: "What is the best number to reach you?"', "asks-for-number", "best number", "only a code"),
    ("Ask for a credit card to hold the time.", "asks-for-secret", "credit card", "leave it out"),
    ("Verify their social security number.", "asks-for-secret", "social security", "leave it out"),
    ('Say: "You\'ll receive a confirmation email."', "cannot-do", "an e-mail goes out", "the booking tool says"),
    ("Transfer the caller to a person.", "cannot-do", "nobody to put callers through to", "transfer_number"),
    ("Press 1 for appointments.", "cannot-do", "menu of keys", "say what they want"),
    (
        'Never say "sure thing", "my bad", "you bet", "gotcha" or "no worries".',
        "never-say-list", "5 phrases", "one sentence",
    ),
]  # fmt: skip

CHANGES = [
    # A line that is a mistake only where the business lets nobody change appointments, and words of the sentence.
    ("Help callers book, move, or cancel dental appointments.", "cancel dental appointments"),
    ("Change the appointment when they ask.", "Change the appointment"),
    ("You book, move and cancel appointments.", "cancel appointments"),
    ("You book appointments. You can also reschedule them.", "reschedule them"),
    ("You can book, reschedule or cancel.", "You can book, reschedule"),
    ("Your job is to book, reschedule and cancel.", "reschedule"),
    ("Cancel or reschedule when they ask.", "Cancel"),
    ('Say: "I can cancel that for you."', "I can cancel"),
]

HEAD_MISTAKES = [
    # What stands in the head, what is written instead, the rule it breaks, and words of both sentences.
    # The finding stands on the last line of what is written.
    ("name: the front desk", 'name: "{business} desk"', "placeholder", "in name", "the words themselves"),
    ("voice: alloy", "voice: aloy", "front-matter", 'voice "aloy" is refused', "write alloy"),
    ("voice: alloy", "voice: alice", "front-matter", 'voice "alice" is refused', "write alloy, or try the others"),
    ("voice: alloy", "voice: alloy\nlanguage: de", "front-matter", "must be en", "write it like language: en"),
    ("voice: alloy", "voice: alloy\ntone: warm", "front-matter", "tone is an unknown key", "there are name, voice"),
    ("temperature: 0.3", "temperature: 0,3", "front-matter", "must be a number", "write it like temperature: 0.3"),
    ("temperature: 0.3", "temperature: 3", "front-matter", "must be 2 at most", "write it like temperature: 0.3"),
    ("name: the front desk", "name: [desk]", "front-matter", "must be text", "write it like name: the front desk"),
    ("voice: alloy", "voice: alloy\nmodell: gpt-4.1", "front-matter", "did you mean model?", "write model"),
    ("temperature: 0.3", "temperature: 1.2", "high-temperature", "less reliably", "write 0.3"),
    ("temperature: 0.3", "model: gpt-4.1-nano", "weak-model", "weak at calling tools", "gpt-6-luna"),
    ("temperature: 0.3", "model: gpt-3.5-turbo", "weak-model", "gpt-4o-mini", "gpt-6-luna"),
    ("temperature: 0.3", "model: whisper-1", "no-chat-model", "no chat completions", "gpt-6-luna"),
    ("temperature: 0.3", "model: gpt-6-luna\ntemperature: 0.3", "unused-temperature", "does nothing", "take the line"),
    ("temperature: 0.3", "model: gpt-4-turbo", "retired-model", "2026-10-23", "gpt-6-luna"),
    ("temperature: 0.3", "model: gpt-4.1-mni", "unknown-model", "not known to us", "did you mean gpt-4.1-mini?"),
    ("temperature: 0.3", "model: openai/gpt4.1", "unknown-model", "check the spelling", "did you mean gpt-4.1?"),
    ("temperature: 0.3", "model: gpt-5\ntemperature: 0.3", "no-temperature", "no temperature but 1", "temperature: 1"),
    (
        GREETING, 'greeting: "Thanks for calling {business}. This is Ada. How can I help you?"',
        "not-disclosed", "does not tell callers", "I'm the automated assistant.",
    ),
    (
        GREETING, GREETING.replace("{recording_notice}", "This call is recorded."),
        "recording-notice", "twice when they are", "{recording_notice}",
    ),
    (
        GREETING, GREETING.replace("How can", "We are so glad that you called us today of all days. " * 3 + "How can"),
        "long-greeting", "words", "under 40 words",
    ),
    (
        GREETING, "greeting: |\n  I'm the automated assistant of {business}.\n  Come at 2:00 PM.",
        "spoken-time", "2:00 PM", "two in the afternoon",
    ),
    (
        GREETING, "greeting: >\n  I'm the automated assistant of {bussiness}.",
        "placeholder", "{bussiness}", "write {business}",
    ),
    (GREETING, GREETING.replace("{business}", "{bussiness}"), "placeholder", "{bussiness}", "write {business}"),
    (GREETING, GREETING.replace("{business}", "Bright Smile Dental"), "wrong-name", "Harbor Street", "{business}"),
    (
        GREETING, GREETING.replace("How can", "We are open until six. How can"),
        "wrong-hours", "until six", "leave it out",
    ),
    (GREETING, GREETING.replace("help you?", "help you? Who is calling?"), "two-questions", "2 questions", "ask one"),
]  # fmt: skip

BUSINESS_MISTAKES = [
    # The same for the business file.
    ('platform = "cal_video"', 'plattform = "cal_video"', "business-file", "plattform", "write platform"),
    ("[[actions]]", '[[actions]]\naddress = 3', "business-file", "must be text", 'write it like address = "12'),
    ("slots_per_day = 3", "slots_per_day = 9", "business-file", "must be 2 to 5", "write it like slots_per_day = 3"),
    ("slots_per_day = 3", 'slots_per_day = "3"', "business-file", "must be a whole number", "like slots_per_day = 3"),
    ("slots_per_day = 3", 'start_date = "2027-01-01"', "business-file", "must be a date", "start_date = 2026-12-01"),
    ("[hours]", '[hours]\n"Mon-Fri" = ["09:00-17:00"]', "business-file", "unknown key", "a line for each day: monday"),
    ("slots_per_day = 3", "price = 80", "business-file", "price is an unknown key", "there are look_ahead_days"),
    ("slots_per_day = 3", "sms_confirmation = false", "business-file", "move it below [[actions]]", "nearest [table]"),
    ("[hours]", '[hours]\nprompt = "desk.md"', "business-file", "move it above the first [table]", "that table"),
    ("[actions.offer]", "[offer]", "business-file", "offer is an unknown key", "write [actions.offer]"),
    (
        "default_instructions = true", 'default_instructions = "no"',
        "business-file", 'the first action, "30-Minute Consultation": default_instructions must be true or false',
        "write it like default_instructions = true",
    ),
    (
        'platform = "cal_video"', 'platform = "fax"',
        "business-file", "must be 'phone', 'in_person'", 'write it like platform = "phone"',
    ),
    (
        'monday = ["09:00-17:00"]', 'monday = "09:00-17:00"',
        "business-file", "hours.monday must be a list", 'monday = ["09:00-12:00", "13:00-17:00"]',
    ),
    (
        'monday = ["09:00-17:00"]', 'monday = ["9-17"]',
        "business-file", 'written like "09:00-17:00"', 'monday = ["09:00-12:00", "13:00-17:00"]',
    ),
    ('monday = ["09:00-17:00"]', 'monday = ["01:00-05:00"]', "night-hours", "in the night", '"13:00-17:00"'),
    ('zone = "America/New_York"', 'zone = "America/New York"', "business-file", "IANA", "write America/New_York"),
    ('zone = "America/New_York"', 'zone = "PST"', "business-file", "IANA", 'like zone = "America/New_York"'),
    ('zone = "America/New_York"', 'zone = "MST"', "fixed-zone", "no daylight saving time", "write America/Denver, or"),
    ('event_type = "101"', 'event_type = "101"\nzone = "Etc/GMT+5"', "fixed-zone", "Etc/GMT+5", "write the city"),
    (
        "slots_per_day = 3", 'slots_per_day = 3\n[[actions]]\ntitle = "Home Visit"\nevent_type = "101"',
        "same-event-type", '"Home Visit" books event type 101, and so does "30-Minute', "its own event type",
    ),
    ('"+14155552671"', '"+14155550171"', "fictional-number", "can never ring", "of your own"),
    (
        'zone = "America/New_York"', 'zone = "America/New_York"\ntransfer_number = "+14155552671"',
        "business-file", "would come back", "a phone that a person answers",
    ),
    (
        'zone = "America/New_York"', 'zone = "America/New_York"\ntransfer_number = "+14155550171"',
        "fictional-number", "can never ring", "of your own",
    ),
    (
        'zone = "America/New_York"', 'zone = "America/New_York"\nfallback_number = "+14155552671"',
        "fallback-loop", "the number itself", "a person",
    ),
    ('"+14155552671"', '"+442071838750"\nsms_countries = ["US"]', "sms-countries", "leaves out GB", '["GB", "US"]'),
    ("harborstreet.clinic", "example.com", "example-email", "example.com", "a domain of yours"),
    ("slots_per_day = 3", "start_date = 2026-11-02", "past-start-date", "2026-11-02 is past", "leave it out"),
    (
        'name = "Harbor Street Clinic"', 'name = "Harbor Street Clinic"\nprompt = "dsk.md"',
        "business-file", "there is no file", "as seen from the folder",
    ),
    ("We are on the", "We are **always** on the", "spoken-markup", '"**" in about', "plain sentences"),
    ("We are on the", "Dogs are welcome.\n* We are on the", "spoken-markup", '"*" in about', "plain sentences"),
    ("We are on the", "Questions: 212-555-0147. We are on the", "written-number", "anybody's", "whose it is"),
    ("We are on the", "We have (415) 555-2671. We are on the", "written-number", "repeats the number", "leave it out"),
    ("We are on the", "We are open 8 to 6 on the", "wrong-hours", "Mon-Fri 09:00-17:00", "leave it out"),
    ("We are on the", "Our number is 415-555-0101, on the", "wrong-number", "+14155552671", "leave it out"),
    (
        "default_instructions = true", 'default_instructions = true\nsms_template = "At {hour}"',
        "business-file", "no placeholder {hour}", "write one of those",
    ),
    (
        "default_instructions = true", f'default_instructions = true\nsms_template = "{{business}} {"x" * 300}"',
        "business-file", "3 segments", "some 300 letters",
    ),
    ("slots_per_day = 3", "slots_per_day = 3 3", "unreadable", "is not TOML", "quotes"),
    ('monday = ["09:00-17:00"]', "monday = [09:00-17:00]", "unreadable", "array", "close the bracket"),
    ("slots_per_day = 3", "slots_per_day = 3\nslots_per_day = 3", "unreadable", "overwrite", "leave one of them out"),
]  # fmt: skip


def test_finds_nothing_where_nothing_is_wrong(files: tuple[Path, Path]) -> None:
    assert check(files).findings == ()


@pytest.mark.parametrize(("mistake", "rule", "text", "better"), RULE_MISTAKES, ids=lambda part: part[:40])
def test_finds_a_mistake_in_the_text(files: tuple[Path, Path], mistake: str, rule: str, text: str, better: str) -> None:
    line = plant(files[0], RULE_LINE, mistake)

    findings = check(files).findings

    assert told(findings) == [("desk.md", line, rule)]
    assert text in findings[0].text
    assert better in findings[0].better


@pytest.mark.parametrize(("line", "text"), CHANGES, ids=lambda part: part[:40])
@pytest.mark.parametrize("scopes", ["", 'scopes = ["read", "create", "reschedule"]\n'])
def test_finds_changes_only_where_they_are_not_allowed(
    files: tuple[Path, Path], line: str, text: str, scopes: str
) -> None:
    plant(files[0], RULE_LINE, line)
    plant(files[1], "[hours]", f"{scopes}[hours]")

    findings = check(files).findings

    assert [finding.rule for finding in findings] == (["cannot-do"] if scopes else [])
    assert all(text in finding.text and "scopes" in finding.better for finding in findings)


@pytest.mark.parametrize("person", ["", 'transfer_number = "+14155552673"\n'])
def test_finds_transfers_only_where_there_is_nobody_to_put_callers_through_to(
    files: tuple[Path, Path], person: str
) -> None:
    plant(files[0], RULE_LINE, "Transfer the caller to a person when they ask for one.")
    plant(files[1], "[hours]", f"{person}[hours]")

    findings = check(files).findings

    assert [finding.rule for finding in findings] == ([] if person else ["cannot-do"])


@pytest.mark.parametrize(
    ("number", "old", "new", "rule", "text", "better"),
    [*((0, *mistake) for mistake in HEAD_MISTAKES), *((1, *mistake) for mistake in BUSINESS_MISTAKES)],
    ids=lambda part: str(part)[-40:],
)
def test_finds_a_mistake_in_the_head_or_the_business_file(
    files: tuple[Path, Path], number: int, old: str, new: str, rule: str, text: str, better: str
) -> None:
    line = plant(files[number], old, new) + new.count("\n")

    findings = check(files).findings

    assert told(findings) == [(files[number].name, line, rule)]
    assert text in findings[0].text
    assert better in findings[0].better


def test_every_rule_has_been_broken_here() -> None:
    tables = {rule for _, rule, *_ in RULE_MISTAKES} | {rule for _, _, rule, *_ in HEAD_MISTAKES + BUSINESS_MISTAKES}
    others = {"two-scripts", "unmentioned-action", "no-read-back", "no-address", "no-hours", "long-sms", "long-text"}
    others |= {"long-instructions", "long-about", "text-template", "no-calcom-key", "no-room"}

    assert tables | others == set(RULES)
