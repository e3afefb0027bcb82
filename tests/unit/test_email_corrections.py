"""What callers correct of an address that was read back to them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appointments.email_corrections import Part, corrected, wrong_part


@pytest.mark.parametrize(
    ("address", "said", "meant"),
    [
        ("den@gmail.com", "No, it's b as in bravo.", "ben@gmail.com"),
        ("den@gmail.com", "no, b not d", "ben@gmail.com"),
        ("den@gmail.com", "with a b instead of a d", "ben@gmail.com"),
        ("den@gmail.com", "not d but b", "ben@gmail.com"),
        ("chem@gmail.com", "the last letter is n", "chen@gmail.com"),
        ("chem@gmail.com", "it ends with an n", "chen@gmail.com"),
        ("naya@gmail.com", "no, m as in mike", "maya@gmail.com"),
        ("maya@gnx.de", "no, m as in mike", "maya@gmx.de"),
    ],
)
def test_changes_the_letter_that_was_misheard(address: str, said: str, meant: str) -> None:
    assert corrected(address, said) == meant


@pytest.mark.parametrize(
    ("address", "said"),
    [("bend.d@gmail.com", "no, t not d"), ("maya@gmail.com", "no, b as in bravo"), ("ddd@gmail.com", "b as in bravo")],
)
def test_changes_no_letter_that_could_be_meant_in_two_places_or_in_none(address: str, said: str) -> None:
    assert corrected(address, said) == ""


@pytest.mark.parametrize(
    ("address", "said", "meant"),
    [
        ("alen@gmail.com", "double l", "allen@gmail.com"),
        ("alen@gmail.com", "with two l's", "allen@gmail.com"),
        ("allen@gmail.com", "only one l", "alen@gmail.com"),
        ("allen@gmail.com", "just a single l", "alen@gmail.com"),
    ],
)
def test_counts_a_letter_as_the_caller_does(address: str, said: str, meant: str) -> None:
    assert corrected(address, said) == meant


@pytest.mark.parametrize(
    ("address", "said", "meant"),
    [
        ("maya.chen@gmail.com", "no dot between", "mayachen@gmail.com"),
        ("maya.chen@gmail.com", "without the dot", "mayachen@gmail.com"),
        ("maya.chen@gmail.com", "it's an underscore, not a dot", "maya_chen@gmail.com"),
        ("maya.chen@gmail.com", "dash instead of the dot", "maya-chen@gmail.com"),
        ("mayachen@gmail.com", "there's a dot between maya and chen", "maya.chen@gmail.com"),
        ("m-a-y-a@gmail.com", "no dashes", "maya@gmail.com"),
    ],
)
def test_puts_signs_in_and_takes_them_out(address: str, said: str, meant: str) -> None:
    assert corrected(address, said) == meant


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("gmail not hotmail", "maya.chen@gmail.com"),
        ("no, not hotmail, gmail", "maya.chen@gmail.com"),
        ("it's at gmail dot com", "maya.chen@gmail.com"),
        ("Sorry, outlook dot com", "maya.chen@outlook.com"),
        ("dot co dot uk", "maya.chen@hotmail.co.uk"),
        ("dot org, not dot com", "maya.chen@hotmail.org"),
        ("no, at harbor street dot com", "maya.chen@harborstreet.com"),
    ],
)
def test_takes_another_domain_and_keeps_the_rest(said: str, meant: str) -> None:
    assert corrected("maya.chen@hotmail.com", said) == meant


@pytest.mark.parametrize(
    ("address", "said", "meant"),
    [
        ("j.obryan@gmail.com", "No, it's o b r i e n", "j.obrien@gmail.com"),
        ("maja.chen@gmail.com", "maya", "maya.chen@gmail.com"),
        ("j.obrien@gmail.com", "it's maya dot chen", "maya.chen@gmail.com"),
    ],
)
def test_takes_the_piece_that_is_spelled_anew(address: str, said: str, meant: str) -> None:
    assert corrected(address, said) == meant


def test_takes_what_was_asked_for_as_the_whole_part() -> None:
    address = "maya@gmail.com"

    assert corrected(address, "j, o, e", part=Part.LOCAL) == "joe@gmail.com"
    assert corrected(address, "hotmail dot com", part=Part.DOMAIN) == "maya@hotmail.com"
    assert corrected("maya@harbour.com", "h a r b o r", part=Part.DOMAIN) == "maya@harbor.com"


@pytest.mark.parametrize(
    "said", ["", "yes", "yes, that's right", "no", "that's wrong", "Right.", "perfect, thank you", "um"]
)
def test_makes_nothing_out_of_an_answer_that_corrects_nothing(said: str) -> None:
    assert corrected("wright@gmail.com", said) == ""
    assert corrected("wright@gmail.com", said, part=Part.LOCAL) == ""


@pytest.mark.parametrize(
    ("said", "part"),
    [
        ("the second part is wrong", Part.DOMAIN),
        ("the part after the at", Part.DOMAIN),
        ("the first part", Part.LOCAL),
        ("what's before the at sign", Part.LOCAL),
        ("the first part and the second part", None),
        ("no", None),
    ],
)
def test_knows_which_part_is_called_wrong(said: str, part: Part | None) -> None:
    assert wrong_part(said) is part


@given(said=st.text(max_size=60), part=st.sampled_from([None, *Part]))
def test_corrects_to_one_address_or_to_none_whatever_is_said(said: str, part: Part | None) -> None:
    made = corrected("maya.chen@gmail.com", said, part=part)

    assert made == "" or made.count("@") == 1
