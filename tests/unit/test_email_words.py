"""E-mail addresses as callers say them and recognisers write them."""

from __future__ import annotations

import string

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import assume, given
from hypothesis import strategies as st

from appointments.clock_words import UNITS
from appointments.email_aloud import SIGNS, mask, spell, spell_domain
from appointments.email_domains import likely_domain
from appointments.email_words import clean_email
from appointments.errors import WishNotUnderstood


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("maya@example.com", "maya@example.com"),
        (" Maya.Chen@Example.com. ", "maya.chen@example.com"),
        ("maya at example dot com", "maya@example.com"),
        ("It's maya dot chen at example dot co dot uk.", "maya.chen@example.co.uk"),
        ("maya underscore chen at sign example dot com", "maya_chen@example.com"),
        ("m a y a at example dot com", "maya@example.com"),
        ("maya dash chen plus clinic at example.com", "maya-chen+clinic@example.com"),
        ("maya four two at example dot com", "maya42@example.com"),
        ("maya @ example.com", "maya@example.com"),
    ],
)
def test_understands_an_address_typed_or_spoken(said: str, meant: str) -> None:
    assert clean_email(said) == meant


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("j dot o'brien plus test at gmail dot com", "j.obrien+test@gmail.com"),
        ("j. O\u2019Brien plus test at gmail.com", "jobrien+test@gmail.com"),
        ("J as in Juliet, O, B, R, I, E, N at gmail dot com", "jobrien@gmail.com"),
        ("M-A-Y-A at gmail.com", "maya@gmail.com"),
        ("M-A-Y-A@gmail.com", "maya@gmail.com"),
        ("m-a-y-a dot c-h-e-n at gmail dot com", "maya.chen@gmail.com"),
        ("M.A.Y.A. at gmail dot com", "maya@gmail.com"),
        ("b for bravo, e, n at gmail dot com", "ben@gmail.com"),
        ("b bravo e echo n november at gmail dot com", "ben@gmail.com"),
        ("mike alpha yankee alpha at gmail dot com", "maya@gmail.com"),
        ("oscar at gmail dot com", "oscar@gmail.com"),
        ("a double l e n at gmail dot com", "allen@gmail.com"),
        ("m i double-l e r at gmail dot com", "miller@gmail.com"),
        ("jay zed 9 at gmail dot com", "jz9@gmail.com"),
        ("see h e n at gmail dot com", "chen@gmail.com"),
        ("see as in charlie h e n at gmail dot com", "chen@gmail.com"),
        ("d as in bravo e n at gmail dot com", "ben@gmail.com"),
        ("r o b oh two at gmail dot com", "robo2@gmail.com"),
        ("maya nineteen eighty-four at gmail dot com", "maya1984@gmail.com"),
        ("maya two thousand five at gmail dot com", "maya2005@gmail.com"),
        ("maya twenty three at gmail dot com", "maya23@gmail.com"),
        ("double u i n at gmail dot com", "win@gmail.com"),
        ("capital m, a y a at gmail dot com", "maya@gmail.com"),
    ],
)
def test_understands_what_is_spelled(said: str, meant: str) -> None:
    assert clean_email(said) == meant


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("maya at hotmail co uk", "maya@hotmail.co.uk"),
        ("maya at hot mail dot co dot uk", "maya@hotmail.co.uk"),
        ("maya at g mail", "maya@gmail.com"),
        ("maya at gmail com", "maya@gmail.com"),
        ("maya at gmail, all lowercase, thanks", "maya@gmail.com"),
        ("maya at harbor street dot com", "maya@harborstreet.com"),
        ("maya at harbor dash street dot clinic", "maya@harbor-street.clinic"),
        ("info at c h e n dot c o m", "info@chen.com"),
        ("maya at mail dot example dot com dot au", "maya@mail.example.com.au"),
    ],
)
def test_understands_a_domain_as_it_is_said(said: str, meant: str) -> None:
    assert clean_email(said) == meant


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("Sure, my e-mail address is maya dot chen at example dot com.", "maya.chen@example.com"),
        ("you can reach me at maya at example dot com", "maya@example.com"),
        ("um, it's, uh, maya at example dot com please", "maya@example.com"),
        ("No, it's maya at example dot com", "maya@example.com"),
        ("I think it's maya underscore one at example dot com", "maya_1@example.com"),
        ("maya chen, all one word, at example dot com, all lowercase", "mayachen@example.com"),
        ("maya chen no dot between at example dot com", "mayachen@example.com"),
        ("it's me at chen dot com", "me@chen.com"),
        ("a dot chen at example dot com", "a.chen@example.com"),
        ("me dot chen at example dot com", "me.chen@example.com"),
        ("j and then o at example dot com", "jo@example.com"),
        ("Zo\u00eb dot m\u00fcller at example dot com", "zoe.muller@example.com"),
        ("maya apostrophe s at example dot com", "maya's@example.com"),
    ],
)
def test_tells_the_address_from_what_is_said_around_it(said: str, meant: str) -> None:
    assert clean_email(said) == meant


@pytest.mark.parametrize(
    "said",
    [
        "",
        "maya",
        "maya at",
        "I don't have one",
        "maya@example",
        "a@b@c.com",
        "maya at example dot com or maya at sign gmail at sign example dot com",
        "What do you need it for?",
        "I am at the office dot",
        "the one that I gave you last time at the desk",
        "dot dot at dot dot",
        "maya..chen@example.com",
        "stra\u00dfe at example dot com",
        "maya at invalid dot invalid",
        "\u540d\u524d at example dot com",
        "at " * 200,
    ],
)
def test_refuses_what_is_no_address(said: str) -> None:
    with pytest.raises(WishNotUnderstood, match="e-mail address"):
        clean_email(said)


def test_names_nothing_of_the_caller_in_the_refusal_but_what_is_wrong() -> None:
    with pytest.raises(WishNotUnderstood) as refused:
        clean_email("I'd rather not tell you, my name is Maya Chen")

    assert "Maya" not in str(refused.value)


@given(said=st.text(max_size=60))
def test_cleans_an_address_once_or_refuses_it(said: str) -> None:
    try:
        address = clean_email(said)
    except WishNotUnderstood:
        return
    assert clean_email(address) == address
    assert address.isascii()


LOCALS = st.text(string.ascii_lowercase + string.digits + "._-+", min_size=1, max_size=12)
NAMES = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=10)
ENDINGS = st.sampled_from(["com", "org", "net", "de", "co.uk", "clinic"])


@given(local=LOCALS, name=NAMES, ending=ENDINGS)
def test_understands_every_address_as_the_agent_spells_it(local: str, name: str, ending: str) -> None:
    address = f"{local}@{name}.{ending}"
    try:
        validate_email(address, check_deliverability=False)
    except EmailNotValidError:
        assume(False)

    assert clean_email(spell(address)) == address


WORDS = st.sampled_from(["maya", "chen", "j", "o'brien", "42", "sam"])


@given(local=st.lists(WORDS, min_size=1, max_size=3), data=st.data())
def test_understands_words_with_signs_between_them(local: list[str], data: st.DataObject) -> None:
    signs = [data.draw(st.sampled_from([" dot ", " underscore ", " dash ", " plus "])) for _ in local[1:]]
    said = local[0] + "".join(f"{sign}{word}" for sign, word in zip(signs, local[1:], strict=True))
    written = {" dot ": ".", " underscore ": "_", " dash ": "-", " plus ": "+"}
    meant = local[0] + "".join(f"{written[sign]}{word}" for sign, word in zip(signs, local[1:], strict=True))

    assert clean_email(f"it's {said} at gmail dot com, thanks") == f"{meant.replace(chr(39), '')}@gmail.com"


def test_spells_an_address_so_that_every_letter_is_heard() -> None:
    assert spell("j.obrien+7@gmail.com") == "j, dot, o, b, r, i, e, n, plus, seven, at gmail dot com"
    assert spell("m_c@harbor.co.uk") == "m, underscore, c, at h, a, r, b, o, r dot co dot u, k"
    assert spell_domain("mail.example.com") == "m, a, i, l dot e, x, a, m, p, l, e dot com"


def test_has_a_word_for_every_sign_of_an_address() -> None:
    unsaid = [char for char in "!#$%&'*+/=?^_`{|}~.-" if not SIGNS[char].replace(" ", "").isalpha()]

    assert unsaid == []
    assert len(UNITS[:10]) == 10


def test_masks_an_address_but_for_what_its_owner_knows_it_by() -> None:
    assert mask("maya.chen@gmail.com") == "the one that begins with m, at gmail dot com"
    assert mask("maya@chen-family.com") == "the one that begins with m"


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("gmial.com", "gmail.com"),
        ("gmail.con", "gmail.com"),
        ("gmal.com", "gmail.com"),
        ("ggmail.com", "gmail.com"),
        ("jmail.com", "gmail.com"),
        ("hotmial.com", "hotmail.com"),
        ("outlok.com", "outlook.com"),
        ("yahoo.co", "yahoo.com"),
    ],
)
def test_knows_a_slip_for_a_common_domain(written: str, meant: str) -> None:
    assert likely_domain(written) == meant


@pytest.mark.parametrize(
    "domain", ["gmail.com", "mail.com", "ymail.com", "yahoo.ca", "hotmail.co.uk", "example.com", "gmx.com", "aol.com"]
)
def test_takes_what_may_well_be_meant_for_no_slip(domain: str) -> None:
    assert likely_domain(domain) == ""
