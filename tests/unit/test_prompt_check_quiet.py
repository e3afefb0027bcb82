"""Checking finds nothing in what is right: a false alarm teaches authors not to look."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.authoring.business import SHIPPED
from agent.authoring.review import review
from prompts.loader import FRONT_DESK, REHEARSAL_BUSINESS
from tests.author_files import NOW, RULE_LINE, SETTINGS, check, plant, told, write_files

GOOD = sorted((Path(__file__).parent / "instructions").glob("*.md"))
BUSINESSES = sorted(REHEARSAL_BUSINESS.parent.glob("*.toml"))

SENTENCES = [
    # Tools and actions.
    "Book nothing when the caller is not sure.",
    "Book Tuesdays first, because they are quiet.",
    'When the caller says "book an appointment", call `find_slots`.',
    'Use the "Book 30-Minute Consultation" action when they agree.',
    "Then Book 30-Minute Consultation.",
    "When the caller has agreed, use book 30-minute consultation.",
    "Call `book_30_minute_consultation` once, then `end_call`.",
    "Use Facebook reviews only when asked.",
    # Hours, dates and times.
    "Keep answers to one or two sentences during opening hours.",
    "Appointments take 30 to 45 minutes.",
    "Open with a greeting of 2 to 3 words.",
    "We are open to 2 to 4 new patients a week.",
    "Open every call in 5 to 10 words.",
    "If the caller asks whether we are open on Sunday, look at the facts.",
    'When somebody asks "are you open on Saturday?", look at the facts.',
    "When we are closed on a day, offer the next.",
    "Never say that we are open from 8 to 8.",
    "We take emergencies 24/7.",
    "The parking garage is open 6 to 10.",
    "Closed is not the same as fully booked.",
    'Say the date in words, such as "Friday, December fourth".',
    "Say dates as words, for example December fourth, and not as 12/4.",
    "You may offer three times.",
    "March through the steps one at a time.",
    "Half of the callers are 1/2 asleep at 7 in the morning.",
    "Grades 5 to 12 may come, from 9 of 10 schools.",
    "Sundays are quiet.",
    "Monday is 9 times out of 10 the busiest day.",
    # Numbers and prices.
    "The callers' names and the doctors' lists stay private, don't they.",
    "Offer all of your help.",
    "In an emergency tell them to dial 911, or 988 in a crisis.",
    "Never name a price such as $50 yourself.",
    "Ask how many rooms there are, 1 to 5.",
    "Order number 12345678 is an example of what callers may read out.",
    "The caller may ask about Pacific Time; say times as the tools do.",
    # Spoken words.
    'Say: "Dr. Chen is in on Thursday. Does that suit you?"',
    'Say: "We do cleaning, whitening, braces and implants."',
    'Say: "On Thursday, December third, at ten, or on Friday, December fourth, at two?"',
    'Say: "The HVAC team will look at it."',
    'Say: "It is on harborstreet dot com."',
    'When the caller says "WHAT? Who is this? Why?", stay calm.',
    "Never use bullet points, markdown, bold text or emoji.",
    "Do not read links or e-mail addresses aloud.",
    "Speak plainly, without bold or italic letters.",
    'Say "Take your time." when the caller asks you to wait.',
    'When the caller says "one moment" or "hold on", say nothing.',
    # Conduct.
    "Ask for the customer's account number and for the code of the gate.",
    "Confirm the phone number they are calling from.",
    "If anything changes about the appointment, read it back again.",
    "When the caller changes the appointment, read it back again.",
    "To cancel an appointment, callers use the link in the text.",
    "You are the receptionist at Springfield, and the agent for Medicare questions.",
    "Do not say that you are an AI unless you are asked.",
    'Never say "as an AI language model".',
    "Never claim to be a person.",
    "Never guess a time and never make up a price.",
    "If you do not know, do not make something up.",
    "A makeup appointment takes an hour.",
    "You cannot call anybody back. Say so when you are asked to.",
    "Offer to have somebody call them back, and ask for the number to reach them at.",
    "Ask for the phone number of the appointment, and text a code to it.",
    "When the caller asks to be called back, say that you cannot.",
    "If the caller wants to cancel an appointment, say that the link in the text does that.",
    "If somebody wants to talk to a person, say that nobody can come to the phone.",
    "Do not transfer calls.",
    "Never ask for a phone number; texts go to the number that calls.",
    "Do not collect card numbers, passwords or a social security number.",
    "If the caller starts to read out a card number, stop them.",
    "Ask for an e-mail address only when the booking tool wants one.",
    "Never promise a confirmation e-mail or a reminder.",
    'Do not say "no problem" or "no worries".',
    "Move on to the next question when the appointment is clear.",
    "Ask the caller to confirm the details.",
    "Keys that the caller presses reach you as digits.",
    # Changes that nobody promises.
    "When the caller wants to cancel or reschedule it, say that you only book.",
    "If they ask you to reschedule, say sorry and offer a new appointment.",
    "You cannot cancel or reschedule anything yourself.",
    'Say: "You can cancel until the evening before."',
    "Cancellations are free until the day before.",
    "Callers who cancelled before are welcome again.",
    "A link in the text cancels it.",
    "Callers may want to:\n- book a visit\n- cancel or reschedule",
    "Cancel or reschedule: tell them to ask at the desk.",
    "Help a caller who wants to cancel to find the right words.",
    # A booking that is left to the shipped script.
    "Ask for the name of the dog, then go on with the booking steps below.",
    "Call `find_slots` as soon as the caller has named a day.",
    "When the booking tool says that the time is taken, look for times again.",
    "Get the caller's name right: ask them to spell it.",
]


@pytest.mark.parametrize("business", BUSINESSES, ids=lambda path: path.stem)
def test_finds_nothing_in_what_is_shipped(business: Path) -> None:
    found = review(None, business, SETTINGS, NOW)

    assert found.findings == ()
    assert business.name in SHIPPED
    assert (found.instructions == FRONT_DESK) == (business == REHEARSAL_BUSINESS)


def test_checks_every_shipped_prompt() -> None:
    checked = [review(None, business, SETTINGS, NOW).instructions for business in BUSINESSES]

    shipped = {path for path in FRONT_DESK.parent.glob("*.md") if not path.name.endswith("_script.md")}
    assert {path.resolve() for path in checked if path} == shipped


@pytest.mark.parametrize("prompt", GOOD, ids=lambda path: path.stem)
def test_finds_nothing_in_good_instructions_of_another_style(prompt: Path) -> None:
    found = review(prompt, REHEARSAL_BUSINESS, SETTINGS, NOW)

    assert told(found.findings) == []
    assert (found.tokens.text or 0) < 900


@pytest.mark.parametrize("sentence", SENTENCES)
def test_finds_nothing_in_a_harmless_sentence(tmp_path: Path, sentence: str) -> None:
    files = write_files(tmp_path)
    plant(files[0], RULE_LINE, sentence)

    assert told(check(files).findings) == []


ABOUT = [
    "The owner's mobile number is 212-555-0147.",
    "The laboratory next door has 212-555-0147.",
    "Billing: 212-555-0147.",
    "In an emergency call 212-555-0147.",
    "We opened in 1998 - and never closed.",
    "Dogs - small ones - are welcome.",
    "There are 2 rooms. 3 are being built.",
]


@pytest.mark.parametrize("fact", ABOUT)
def test_finds_nothing_in_a_harmless_fact(tmp_path: Path, fact: str) -> None:
    files = write_files(tmp_path)
    plant(files[1], "We are on the ground floor", f"{fact}\nWe are on the ground floor")

    assert told(check(files).findings) == []


@pytest.mark.parametrize(
    "model",
    [
        "gpt-4.1-2025-04-14", "openai/gpt-4.1", "gpt-5.7-mini", "gpt-oss-120b", "llama-3.3-70b-instruct", "qwen3-32b",
        "mistral-small", "front-desk", "ft:gpt-4.1:acme::x1", "gpt-4o-2024-11-20", "claude-sonnet-4-5",
    ],
)  # fmt: skip
def test_a_model_of_any_name_may_stand_on_a_server(tmp_path: Path, model: str) -> None:
    files = write_files(tmp_path)
    plant(files[0], "temperature: 0.3", f'model: "{model}"')

    assert told(check(files).findings) == []


@pytest.mark.parametrize("zone", ["America/Phoenix", "US/Pacific", "Pacific/Honolulu", "CET", "Asia/Tokyo"])
def test_a_place_may_have_no_daylight_saving_time(tmp_path: Path, zone: str) -> None:
    files = write_files(tmp_path)
    plant(files[1], "America/New_York", zone)

    assert told(check(files).findings) == []


def test_a_heading_about_hours_makes_no_hours_of_other_numbers(tmp_path: Path) -> None:
    files = write_files(tmp_path)
    plant(files[0], "# Rules", "# Opening hours")
    plant(files[0], RULE_LINE, "- Offer 2-4 nearby options.\n- Offer one to three of them at once.")

    assert told(check(files).findings) == []


def test_a_sentence_may_go_on_in_the_next_line(tmp_path: Path) -> None:
    files = write_files(tmp_path)
    plant(
        files[0], RULE_LINE, "Whatever happens, never ask for the caller's\nphone number or promise to call\nthem back."
    )

    assert told(check(files).findings) == []


def test_what_is_forbidden_in_a_list_is_not_wished_for(tmp_path: Path) -> None:
    files = write_files(tmp_path)
    plant(files[0], RULE_LINE, "Never:\n- ask for a phone number\n- call them back\n- make up a price\n\nBe brief.")

    assert told(check(files).findings) == []


def test_callers_in_examples_may_say_anything(tmp_path: Path) -> None:
    files = write_files(tmp_path)
    said = "Caller: MY NUMBER IS 212-555-0147, are you open 9 to 9 on Sundays? Call me back at 3:00 PM!"
    plant(files[0], "Caller: Do you have anything on Thursday?", said)

    assert told(check(files).findings) == []


def test_an_example_may_name_any_day_and_time(tmp_path: Path) -> None:
    files = write_files(tmp_path)
    plant(files[0], "Which suits you?", "We are open until six on Saturday, December fifth. Which suits you?")

    assert told(check(files).findings) == []


def test_callers_who_are_asked_for_an_address_may_be_promised_an_email(tmp_path: Path) -> None:
    files = write_files(tmp_path)
    plant(files[0], RULE_LINE, 'Say: "You will get a confirmation e-mail."')
    plant(files[1], 'fallback_email = "caller+{digits}@harborstreet.clinic"\n', "")

    assert told(check(files).findings) == []


def test_hours_after_midnight_are_no_mistake(tmp_path: Path) -> None:
    files = write_files(tmp_path)
    plant(files[1], 'friday = ["09:00-17:00"]', 'friday = ["00:00-02:00", "09:00-23:59"]')

    assert told(check(files).findings) == []
