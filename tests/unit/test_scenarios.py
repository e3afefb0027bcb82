"""Scenario files: which are shipped, how they are found, and how their mistakes are told."""

from __future__ import annotations

import difflib
import re
from datetime import datetime
from itertools import permutations
from pathlib import Path

import pytest

import agent.scenario_fields
from agent.scenarios import DEFAULT_SCENARIO, Scenario, list_scenarios, load_scenario, rehearsed_business
from appointments.errors import ConfigError
from prompts.loader import REHEARSAL_BUSINESS
from simulator.voices import VoicesMissing

SHIPPED = list_scenarios()
COMPLETE = """\
name: Caller opens with a specific day
now: 2026-12-01T09:00            # the business's clock, in its zone
free: [2026-12-03T10:00, 2026-12-03T14:00]
caller: {number: "+14155550123", voice: en-us+f3, noise_db: 25}
lines:
  - {when: "help|book", say: "Do you have anything on Thursday?"}
  - {when: "two|2", say: "Two in the afternoon, please.", barge_in: 1.5}
  - {when: "name", say: "Maya Chen"}
  - {when: "right", say: "Yes, go ahead.", then: hang_up}
again: "Sorry?"
faults: [{service: calcom, on: create, kind: taken, times: 1}]
expect: {booking: 2026-12-03T14:00, sms: 1}
"""
A_TIME = "must be a day and a time of the business's clock such as 2026-12-01T09:00"


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_reads_a_complete_file(tmp_path: Path) -> None:
    scenario = load_scenario(write(tmp_path, COMPLETE))

    assert scenario.stem == "mine"
    assert scenario.now == datetime(2026, 12, 1, 9)  # noqa: DTZ001 -- local to the business
    assert scenario.free is not None
    assert [time.hour for time in scenario.free] == [10, 14]
    assert scenario.caller.noise_db == 25
    assert scenario.lines[1].barge_in == 1.5
    assert scenario.lines[3].then == "hang_up"
    assert scenario.faults[0].on == "create"
    assert scenario.expect.booking == datetime(2026, 12, 3, 14)  # noqa: DTZ001 -- local to the business


def test_needs_a_name_lines_and_what_to_expect_only(tmp_path: Path) -> None:
    path = write(tmp_path, "name: Short\nlines: [{say: Hello}]\nexpect: {booking: null}\n")

    scenario = load_scenario(path)

    assert scenario.now is None
    assert scenario.free is None
    assert scenario.again == "Sorry?"
    assert scenario.faults == ()
    assert scenario.calls_again == ()
    assert scenario.expect.sms == 0
    assert scenario.business_file == REHEARSAL_BUSINESS
    assert scenario.minutes == {}
    assert scenario.expect.title is None


@pytest.mark.parametrize(
    ("line", "field", "value"),
    [
        ("{say: Yes}", "say", "Yes"),
        ("{say: no}", "say", "no"),
        ('{press: "12#"}', "press", "12#"),
        ('{press: "*{sms_code}#"}', "press", "*{sms_code}#"),
        ('{say: "It is {sms_code}."}', "say", "It is {sms_code}."),
        ("{silence: 3}", "silence", 3),
        ("{hang_up: true}", "hang_up", True),
        ("{say: Hello, barge_in: book_30_minute_consultation}", "barge_in", "book_30_minute_consultation"),
    ],
)
def test_a_line_does_one_thing(tmp_path: Path, line: str, field: str, value: object) -> None:
    path = write(tmp_path, f"name: Short\nlines:\n  - {line}\nexpect: {{booking: null}}\n")

    assert getattr(load_scenario(path).lines[0], field) == value


@pytest.mark.parametrize(
    ("number", "new", "expected"),
    [
        (1, "", "name is missing"),
        (1, "name: [a", "is not YAML"),
        (2, "now: 2026-12-01T09:00Z", f"now {A_TIME}, not '2026-12-01T09:00Z'"),
        (2, "now: tommorow 14:00", f"now {A_TIME}, not 'tommorow 14:00'"),
        (2, "now: 2026-11-31T09:00", f"now {A_TIME}, not '2026-11-31T09:00'"),
        (2, "now: 2026-12-01", f"now {A_TIME}, not '2026-12-01'"),
        (3, "free: tomorrow", "free must be a list of times such as [2026-12-01T09:00, "),
        (3, "free: [2026-12-03T10:00, 14:00]", f"free[1] {A_TIME}, not '14:00'"),
        (12, "expect: {booking: Thursday}", f"expect.booking {A_TIME}, not 'Thursday'"),
        (4, "caler: {}", "caler is an unknown key"),
        (4, "caller: {number: 4155550123}", "caller.number must be text: put it in quotes"),
        (4, "caller: {voice: zz}", "caller.voice is wrong: espeak-ng has no voice 'zz'"),
        (4, "caller: {voice: EN}", "caller.voice must be a voice of espeak-ng such as en-us+f3, not 'EN'"),
        (4, 'caller: {number: "415 555"}', "caller.number must be a number in E.164 such as +14155550123"),
        (6, '  - {when: "help"}', "lines[0] needs one of say, press, silence, hang_up, line_breaks; it has none"),
        (
            6,
            "  - {say: Hello, silence: 2}",
            "lines[0] needs one of say, press, silence, hang_up, line_breaks; it has say and silence",
        ),
        (6, '  - {when: "(", say: Hello}', "lines[0].when is no regular expression"),
        (6, "  - {say: Hello, bargein: 2}", "lines[0].bargein is an unknown key"),
        (6, '  - {press: "1a"}', "lines[0].press must be keys, of 0 to 9, * and #, or {sms_code}, not '1a'"),
        (6, '  - {press: "{code}"}', "lines[0].press must be keys, of 0 to 9, * and #, or {sms_code}, not '{code}'"),
        (6, '  - {say: "It is {code}."}', "lines[0].say has {code}, which is no placeholder; there is {sms_code}"),
        (
            6,
            '  - {say: "{sms_code}", barge_in: 2}',
            "lines[0] waits for the text that brings {sms_code}: leave out barge_in",
        ),
        (
            6,
            '  - {say: "{sms_code}", owner: {does: cancel}}',
            "lines[0] has what the owner does meanwhile, and {sms_code}: give owner to another line",
        ),
        (10, "calls_again: {say: Hello}", "calls_again must be a list"),
        (10, "calls_again: [{say: Hello}, {say: Yes, then: wait}]", "calls_again[1].then must be 'hang_up'"),
        (
            10,
            "calls_again: [{when: hello}]",
            "calls_again[0] needs one of say, press, silence, hang_up, line_breaks; it has none",
        ),
        (10, "call_again: [{say: Hello}]", "call_again is an unknown key; did you mean calls_again?"),
        (4, "caller: {attestation: D}", "caller.attestation must be"),
        (6, "  - {say: Hello, barge_in: -1}", "lines[0].barge_in must be a number of seconds, 60 at most, or the name"),
        (6, "  - {say: Hello, barge_in: At once}", "lines[0].barge_in must be a number of seconds, 60 at most, or the"),
        (6, "  - {say: Hello, then: wait}", "lines[0].then must be 'hang_up'"),
        (6, "  - {hang_up: true, then: hang_up}", "lines[0] hangs up twice"),
        (6, "  - {say: Hello, say: Bye}", "lines[0].say is given twice"),
        (6, "  - &a {say: Hello}\n  - *a", "aliases"),
        (
            11,
            "faults: [{service: calcom, on: chat, kind: slow, seconds: 1}]",
            "faults[0] has on: chat; calcom has slots",
        ),
        (11, "faults: [{service: twilio, on: calls, kind: taken}]", "faults[0] has kind: taken"),
        (11, "faults: [{service: openai, on: chat, kind: slow}]", "faults[0] needs seconds"),
        (11, "faults: [{service: openai, on: ear, kind: slow, seconds: 1}]", "faults[0] has on: ear; openai has"),
        (11, "faults: [{service: openai, on: chat, kind: drop_after, seconds: 2}]", "faults[0] has seconds"),
        (11, "faults: [{service: openai, on: chat, kind: drop_after, times: 0}]", "faults[0].times must be 1 at least"),
        (12, "expect: {sms: 1}", "expect.booking is missing"),
        (12, "expect: {booking: null, title: Colour}", "expect names 'Colour'; what can be booked is 30-Minute Consul"),
        (2, "minutes: {Colour: 120}", "minutes names 'Colour'; what can be booked is 30-Minute Consultation"),
        (2, "minutes: {30-Minute Consultation: 3}", "minutes.30-Minute Consultation must be 5 at least"),
        (2, "minutes: 30", "minutes must be a table"),
        (2, "business: plumer", "no shipped business of that name; there are plumber, rehearsal, salon"),
        (2, "business: mine.toml", "there is no file"),
        (2, "business: 12", "business must be text"),
        (12, "expect: {booking: null, sms: -1}", "expect.sms must be 0 at least"),
    ],
)
def test_names_file_and_line_of_a_mistake(tmp_path: Path, number: int, new: str, expected: str) -> None:
    lines = COMPLETE.splitlines()
    lines[number - 1] = new
    path = write(tmp_path, "\n".join(lines))

    with pytest.raises(ConfigError) as caught:
        load_scenario(path)

    assert re.search(rf"^{re.escape(str(path))}:\d+: .*{re.escape(expected)}", str(caught.value), re.MULTILINE)
    if "is not YAML" not in expected and expected != "aliases":
        assert f":{number}: " in str(caught.value).splitlines()[0]


def test_a_caller_may_call_again(tmp_path: Path) -> None:
    path = write(tmp_path, f"{COMPLETE}calls_again:\n  - {{when: help, say: Hello again.}}\n  - {{hang_up: true}}\n")

    scenario = load_scenario(path)

    assert [line.say for line in scenario.calls_again] == ["Hello again.", None]
    assert scenario.every_line == scenario.lines + scenario.calls_again


LATER = """\
later:
  - now: 2026-12-02T14:00
    sms_reply: C
    expect: {confirmed: true, texts: [{matches: reply C}, {matches: confirmed}]}
  - now: 2026-12-03T09:00
    sms_reply: [X, "Y"]
    lines: [{say: Hello once more.}]
    expect: {cancelled: true, texts: [{matches: cancelled, to: "+14155550198"}], no_text: tomorrow}
"""


def test_things_may_happen_later(tmp_path: Path) -> None:
    scenario = load_scenario(write(tmp_path, COMPLETE + LATER))

    first, second = scenario.later
    assert (first.now.day, first.sms_reply, first.lines, first.expect.sms) == (2, ("C",), (), 2)
    assert (second.sms_reply, second.expect.sms, second.expect.cancelled) == (("X", "Y"), 1, True)
    assert scenario.every_line[-1].say == "Hello once more."
    assert len(scenario.every_expectation) == 3


@pytest.mark.parametrize(
    ("wrong", "instead", "expected"),
    [
        ("now: 2026-12-03T09:00", "now: 2026-12-02T14:00", "is not later: each needs a now behind the one before"),
        ("now: 2026-12-02T14:00", "now: 2026-12-01T08:59", "is not later"),
        ("sms_reply: C", "sms_reply: ''", "later[0].sms_reply must not be empty"),
        ("sms_reply: C", "reply: C", "later[0].reply is an unknown key"),
        ("{matches: reply C}", "{matches: '('}", "texts[0].matches is no regular expression"),
        ("confirmed: true", "title: Colour", "later names 'Colour'; what can be booked is"),
        ("no_text: tomorrow", "moved: 2026-12-04T10:00", "says moved and cancelled"),
    ],
)
def test_a_mistake_in_what_happens_later_is_told(tmp_path: Path, wrong: str, instead: str, expected: str) -> None:
    path = write(tmp_path, COMPLETE + LATER.replace(wrong, instead))

    with pytest.raises(ConfigError, match=re.escape(expected)):
        load_scenario(path)


@pytest.mark.parametrize(
    ("wrong", "instead", "expected"),
    [
        ("now: 2026-12-01T09:00            # the business's clock, in its zone\n", "", "is not later"),
        ('number: "+14155550123"', "number: null", "a caller without a number, who cannot text"),
        ("booking: 2026-12-03T14:00, sms: 1", "booking: null", "expects a change later, and nothing is booked"),
    ],
)
def test_what_cannot_happen_later_is_refused(tmp_path: Path, wrong: str, instead: str, expected: str) -> None:
    path = write(tmp_path, COMPLETE.replace(wrong, instead) + LATER)

    with pytest.raises(ConfigError, match=re.escape(expected)):
        load_scenario(path)


def test_a_shipped_business_is_found_by_its_name(tmp_path: Path) -> None:
    path = write(tmp_path, COMPLETE.replace("now:", "business: salon\nminutes: {Colour: 120}\nnow:"))

    scenario = load_scenario(path)

    assert rehearsed_business(scenario.business_file).name == "Willow Corner Hair"
    assert scenario.minutes == {"Colour": 120}


def test_a_business_of_ones_own_is_found_next_to_the_scenario(tmp_path: Path) -> None:
    (tmp_path / "shops").mkdir()
    text = REHEARSAL_BUSINESS.read_text(encoding="utf-8").replace("Harbor Street Clinic", "My Shop")
    # One action may leave its event type to the rehearsal, as it may to CALCOM_EVENT_TYPE_ID.
    (tmp_path / "shops" / "mine.toml").write_text(text.replace('event_type = "101"', ""), encoding="utf-8")

    scenario = load_scenario(write(tmp_path, COMPLETE.replace("now:", "business: shops/mine.toml\nnow:")))
    business = rehearsed_business(scenario.business_file)

    assert (business.name, business.actions[0].event_type_id) == ("My Shop", "101")


def test_a_mistake_in_the_business_is_told_with_the_business_file(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('name = "My Shop"\n', encoding="utf-8")
    path = write(tmp_path, COMPLETE.replace("now:", "business: mine.toml\nminutes: {Cut: 30}\nnow:"))

    with pytest.raises(ConfigError, match=r"mine\.toml:1: number is missing"):
        load_scenario(path)


def test_any_voice_will_do_where_none_can_be_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_here(voice: str) -> None:
        raise VoicesMissing

    monkeypatch.setattr(agent.scenario_fields, "check_voice", none_here)

    assert load_scenario(write(tmp_path, COMPLETE.replace("en-us+f3", "zz"))).caller.voice == "zz"


@pytest.mark.parametrize("text", ["", "just words", "- a\n- b\n", "name: \x00"])
def test_refuses_what_is_no_scenario_at_all(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"mine\.yaml:1: "):
        load_scenario(write(tmp_path, text))


def test_is_found_by_file_name_by_name_and_by_path() -> None:
    by_stem = load_scenario("slot_taken")

    assert load_scenario("slot taken BETWEEN offer and booking") == by_stem
    assert load_scenario(str(by_stem.path)) == by_stem
    assert load_scenario().stem == DEFAULT_SCENARIO


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("slot_takn", "slot_taken"),
        ("bokked", "books_the_first_offer"),
        ("plumber", "plumber_emergency or plumber_emergency_first or plumber_repair"),
        ("nowhere/Slot_Taken.yaml", "slot_taken"),
    ],
)
def test_an_unknown_name_is_told_with_the_likeliest_real_ones(name: str, suggestion: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_scenario(name)

    told = f"there is no scenario {name!r}, and no file of that name; did you mean {suggestion}?"
    assert str(caught.value) == f"{told} `slotline rehearse --list` shows all."


def test_an_unknown_name_like_no_other_is_told_with_all_real_ones() -> None:
    with pytest.raises(ConfigError) as caught:
        load_scenario("xyz")

    first, second = str(caught.value).splitlines()
    assert first == "there is no scenario 'xyz', and no file of that name."
    assert second == f"Shipped are {', '.join(scenario.stem for scenario in SHIPPED)}."


def test_ships_the_scenarios_that_were_promised() -> None:
    assert {scenario.stem for scenario in SHIPPED} >= {
        "books_the_first_offer",
        "a_specific_day",
        "everything_in_one_breath",
        "changes_mind",
        "slot_taken",
        "answer_lost",
        "nothing_free",
        "a_date_outside_availability",
        "refuses",
        "barges_in_during_the_offer",
        "barges_in_during_the_booking",
        "silent_caller",
        "calendar_down",
        "hangs_up_right_after_yes",
        "plumber_emergency",
        "plumber_repair",
        "salon_colour_instead",
        "salon_closed_day",
    }


@pytest.mark.parametrize("scenario", SHIPPED, ids=lambda s: s.stem)
def test_shipped_lines_can_be_told_apart_by_ear(scenario: Scenario) -> None:
    said = [line.say for line in scenario.every_line if line.say] + [scenario.again]
    words = [" ".join(re.findall(r"[a-z']+", text.casefold())) for text in said]

    for one, other in permutations(words, 2):
        assert not other.startswith(one)
        assert difflib.SequenceMatcher(None, one, other).ratio() < 0.75


@pytest.mark.parametrize("scenario", SHIPPED, ids=lambda s: s.stem)
def test_shipped_expectations_can_come_true(scenario: Scenario) -> None:
    business = rehearsed_business(scenario.business_file)

    assert scenario.now is not None
    for start in scenario.open_times or ():
        assert start > scenario.now
        assert any(h.opens <= start.time() < h.closes for h in business.intervals(start.date()))
    if scenario.free is not None:
        assert {*scenario.expect.bookings, *filter(None, [scenario.expect.moved])} <= set(scenario.free)
    # Of what existed before the call nobody has texted anything yet: what its owner changes is not told by text.
    is_callers = not any(line.owner for line in scenario.every_line)
    changes = bool(scenario.expect.moved) + scenario.expect.cancelled if is_callers else 0
    gets_texts = scenario.caller.number is not None and scenario.caller.texts == "arrive"
    assert scenario.expect.sms == (len(scenario.expect.bookings) + changes if gets_texts else 0)


def test_shipped_callers_and_names_differ() -> None:
    numbers = [scenario.caller.number for scenario in SHIPPED if scenario.caller.number is not None]
    assert len(set(numbers)) == len(numbers)
    assert len({scenario.name for scenario in SHIPPED}) == len(SHIPPED)
