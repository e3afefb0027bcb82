from __future__ import annotations

import pytest

from simulator.script import Line, Script


def test_says_the_first_unused_line_that_fits() -> None:
    day, name = Line(when="help|book", say="Thursday, please."), Line(when="name", say="Maya Chen")
    script = Script([day, name])

    said = [script.next_line("How can I HELP you?"), script.next_line("May I have your name? I can help.")]

    assert said == [day, name]


def test_a_line_without_when_always_fits() -> None:
    line = Line(say="Hello?")

    assert Script([line]).next_line("") == line


def test_equal_lines_are_said_one_after_the_other() -> None:
    script = Script([Line(say="Yes."), Line(say="Yes.")])

    said = [script.next_line("Is that right?"), script.next_line("Is that right?"), script.next_line("Is that right?")]

    assert said == [Line(say="Yes."), Line(say="Yes."), None]


def test_asks_again_twice_and_then_hangs_up() -> None:
    script = Script([Line(when="name", say="Maya Chen")], again="Pardon?")

    said = [script.next_line("What is the weather?") for _ in range(3)]

    assert said == [Line(say="Pardon?"), Line(say="Pardon?"), Line(hang_up=True)]


def test_goes_on_with_the_script_after_asking_again() -> None:
    name = Line(when="name", say="Maya Chen")
    script = Script([name])
    script.next_line("Mumble.")

    assert script.next_line("Your name, please?") == name


def test_an_exhausted_script_says_nothing() -> None:
    script = Script([Line(say="Hello.")])
    script.next_line("")

    assert script.is_exhausted
    assert script.next_line("Anything else?") is None


def test_a_code_is_said_in_words_and_pressed_in_digits() -> None:
    said, pressed = Line(say="It's {sms_code}."), Line(press="*{sms_code}#")

    assert (said.needs_code, pressed.needs_code, Line(say="No.").needs_code) == (True, True, False)
    assert said.with_code("402113").say == "It's four zero two one one three."
    assert pressed.with_code("402113").press == "*402113#"


@pytest.mark.parametrize(("secs", "barges_in"), [(1.4, False), (1.5, True), (4.0, True)])
def test_barges_in_once_the_agent_has_spoken_for_so_long(secs: float, barges_in: bool) -> None:
    line = Line(when="two", say="Two, please.", barge_in=1.5)

    said = Script([line]).barge_in_line("I have one or two", secs)

    assert (said == line) is barges_in


def test_does_not_barge_in_before_what_it_waits_for_is_said() -> None:
    script = Script([Line(when="help", say="Hi."), Line(when="two", say="Two, please.", barge_in=0)])

    assert script.barge_in_line("How can I help?", 3) is None


def test_a_barge_in_without_when_waits_for_its_turn_in_the_script() -> None:
    first, second = Line(when="help", say="Hi."), Line(say="Wait.", barge_in=1)
    script = Script([first, second])

    too_early = script.barge_in_line("", 2)
    script.next_line("How can I help?")

    assert too_early is None
    assert script.barge_in_line("", 2) == second


def test_a_missed_barge_in_is_said_like_any_other_line() -> None:
    line = Line(when="two", say="Two, please.", barge_in=5)

    assert Script([line]).next_line("At two.") == line


@pytest.mark.parametrize(
    ("barge_in", "tool", "barges_in"),
    [
        ("book_30_minute_consultation", "book_30_minute_consultation", True),
        ("book_appointment", "book_30_minute_consultation", True),
        ("find_slots", "find_slots", True),
        ("find_slots", "book_30_minute_consultation", False),
        ("book_appointment", "find_slots", False),
    ],
)
def test_barges_in_when_the_tool_starts(barge_in: str, tool: str, barges_in: bool) -> None:
    line = Line(say="Wait!", barge_in=barge_in)

    assert (Script([line]).tool_line(tool, "") == line) is barges_in


def test_a_tools_barge_in_is_not_said_before_the_tool_starts() -> None:
    line = Line(say="Wait!", barge_in="book_appointment")
    script = Script([line])

    before = script.next_line("Is that right?")
    script.tool_line("book_30_minute_consultation", "", can_speak=False)

    assert before == Line(say="Sorry?")
    assert script.next_line("You are booked.") == line


@pytest.mark.parametrize(
    ("line", "ends"), [(Line(hang_up=True), True), (Line(say="Bye.", then="hang_up"), True), (Line(say="Bye."), False)]
)
def test_knows_which_lines_end_the_call(line: Line, ends: bool) -> None:
    assert line.ends_call is ends
