"""The worst silence of a call: what counts, and what does not."""

from __future__ import annotations

from dataclasses import dataclass, field

from agent.silence import Silence


@dataclass(slots=True)
class Owing:
    """What the caller is owed, as a test says."""

    is_owed: bool = True
    silence: Silence = field(init=False)

    def __post_init__(self) -> None:
        self.silence = Silence(lambda: self.is_owed)

    def asks(self, *, ended: float, turn_ended: float) -> None:
        self.silence.caller_speaks(ended - 1)
        self.silence.caller_stopped(ended)
        self.silence.turn_ended(turn_ended)


def test_a_wait_for_an_answer_begins_with_the_end_of_the_words_and_not_of_the_turn() -> None:
    call = Owing()

    call.asks(ended=10, turn_ended=10.5)
    call.silence.sound_began(11.25)

    assert call.silence.worst_secs == 1.25


def test_the_longest_of_several_counts() -> None:
    call = Owing()

    for ended, answered in ((10, 10.5), (20, 22), (30, 31)):
        call.asks(ended=ended, turn_ended=ended + 0.25)
        call.silence.sound_began(answered)
        call.is_owed = False
        call.silence.sound_ended(answered + 2)
        call.is_owed = True

    assert call.silence.worst_secs == 2


def test_the_wait_behind_a_filler_counts_from_its_end() -> None:
    call = Owing()

    call.asks(ended=10, turn_ended=10.25)
    call.silence.sound_began(10.5)
    call.silence.sound_ended(11.5)
    call.silence.sound_began(15)

    assert call.silence.worst_secs == 3.5


def test_a_gap_inside_an_answer_counts() -> None:
    call = Owing()

    call.silence.sound_began(1)
    call.silence.sound_ended(2)
    call.silence.sound_began(2.75)

    assert call.silence.worst_secs == 0.75


def test_a_caller_who_thinks_keeps_no_silence_of_ours() -> None:
    call = Owing(is_owed=False)

    call.silence.sound_began(1)
    call.silence.sound_ended(2)
    call.silence.caller_speaks(12)

    assert call.silence.worst_secs is None


def test_a_pause_inside_the_callers_turn_is_theirs() -> None:
    call = Owing()

    call.silence.caller_speaks(1)
    call.silence.caller_stopped(2)
    call.silence.caller_speaks(4)

    assert call.silence.worst_secs is None


def test_a_caller_who_asks_again_has_waited_until_then() -> None:
    call = Owing()

    call.asks(ended=10, turn_ended=10.5)
    call.silence.caller_speaks(13)

    assert call.silence.worst_secs == 3


def test_a_caller_who_wanted_no_answer_has_not_waited() -> None:
    call = Owing()

    call.asks(ended=10, turn_ended=10.5)
    call.is_owed = False
    call.silence.caller_speaks(30)

    assert call.silence.worst_secs is None


def test_asking_whether_the_caller_is_still_there_ends_no_silence() -> None:
    call = Owing()

    call.asks(ended=10, turn_ended=10.5)
    call.silence.nothing_owed()
    call.silence.sound_began(17)

    assert call.silence.worst_secs is None


def test_keys_count_as_words_that_end_at_once() -> None:
    call = Owing()

    call.silence.turn_ended(10)
    call.silence.sound_began(12)

    assert call.silence.worst_secs == 2


def test_a_sound_during_which_the_caller_speaks_leaves_no_silence_behind_it() -> None:
    call = Owing()

    call.silence.sound_began(1)
    call.silence.caller_speaks(2)
    call.silence.sound_ended(2.25)
    call.silence.caller_stopped(5)
    call.silence.turn_ended(5.25)
    call.silence.sound_began(6)

    assert call.silence.worst_secs == 1


def test_who_hangs_up_for_want_of_an_answer_has_waited_until_then() -> None:
    call = Owing()

    call.asks(ended=10, turn_ended=10.5)
    call.silence.line_closed(19)
    call.silence.sound_began(25)
    call.silence.line_closed(26)

    assert call.silence.worst_secs == 9
