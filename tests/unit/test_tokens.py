"""The tokens that tie a media stream to its call."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from telephony.errors import BadToken
from telephony.tokens import StreamTokens

SECRET = b"sixteen bytes or more"
CALL_SID = "CA" + "1" * 32
SAYS = {"caller": "+14155550123", "called": "+14155550100"}
START = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tokens(clock: Clock) -> StreamTokens:
    return StreamTokens(SECRET, clock=clock)


def test_a_token_is_good_for_its_call(tokens: StreamTokens) -> None:
    claim = tokens.check(tokens.mint(CALL_SID, SAYS), CALL_SID, SAYS)
    assert claim.token_id
    assert claim.expires == START + timedelta(seconds=120)


def test_each_token_has_an_id_of_its_own(tokens: StreamTokens) -> None:
    ids = {tokens.check(tokens.mint(CALL_SID, SAYS), CALL_SID, SAYS).token_id for _ in range(50)}
    assert len(ids) == 50


def test_another_process_with_the_same_secret_accepts_it(tokens: StreamTokens, clock: Clock) -> None:
    assert StreamTokens(SECRET, clock=clock).check(tokens.mint(CALL_SID, SAYS), CALL_SID, SAYS)


def test_a_token_of_another_call_is_refused(tokens: StreamTokens) -> None:
    with pytest.raises(BadToken):
        tokens.check(tokens.mint(CALL_SID, SAYS), "CA" + "2" * 32, SAYS)


@pytest.mark.parametrize(
    "forged",
    [
        SAYS | {"caller": "+14155550124"},
        SAYS | {"attestation": "A"},
        {"caller": SAYS["caller"]},
        {"caller": SAYS["called"], "called": SAYS["caller"]},
    ],
)
def test_a_token_does_not_fit_other_parameters(tokens: StreamTokens, forged: dict[str, str]) -> None:
    with pytest.raises(BadToken):
        tokens.check(tokens.mint(CALL_SID, SAYS), CALL_SID, forged)


def test_a_parameter_without_a_value_may_get_lost(tokens: StreamTokens) -> None:
    assert tokens.check(tokens.mint(CALL_SID, SAYS | {"caller": ""}), CALL_SID, {"called": SAYS["called"]})


def test_a_token_of_another_secret_is_refused(tokens: StreamTokens, clock: Clock) -> None:
    forged = StreamTokens(b"some other secret", clock=clock).mint(CALL_SID, SAYS)
    with pytest.raises(BadToken):
        tokens.check(forged, CALL_SID, SAYS)


def test_a_token_expires_after_two_minutes(tokens: StreamTokens, clock: Clock) -> None:
    token = tokens.mint(CALL_SID, SAYS)
    clock.now = START + timedelta(seconds=119)
    tokens.check(token, CALL_SID, SAYS)
    clock.now = START + timedelta(seconds=120)
    with pytest.raises(BadToken, match="expired"):
        tokens.check(token, CALL_SID, SAYS)


def test_a_later_expiry_cannot_be_written_into_a_token(tokens: StreamTokens) -> None:
    token_id, _, signature = tokens.mint(CALL_SID, SAYS).split(".")
    with pytest.raises(BadToken):
        tokens.check(f"{token_id}.99999999999.{signature}", CALL_SID, SAYS)


@pytest.mark.parametrize("junk", ["", ".", "..", "a.b.c", "ä.1.ö", "\ud800", "x" * 100_000])
def test_junk_is_refused(tokens: StreamTokens, junk: str) -> None:
    with pytest.raises(BadToken):
        tokens.check(junk, CALL_SID, SAYS)


def test_a_short_secret_is_refused(clock: Clock) -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        StreamTokens(b"short", clock=clock)


def test_a_token_fits_into_a_stream_parameter(tokens: StreamTokens) -> None:
    assert len("token" + tokens.mint(CALL_SID, SAYS)) < 500
