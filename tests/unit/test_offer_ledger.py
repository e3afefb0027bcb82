"""What the ledger of a call lets book, and for how long."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from appointments.errors import RuleViolation, SlotNotOffered
from appointments.model import Rule, Slot
from appointments.offer import OfferLedger
from tests.offers import BUSINESS, NEW_YORK, NOW, at, by


class TestLedger:
    def test_gives_short_keys_and_the_same_key_again(self) -> None:
        ledger = OfferLedger()

        first = ledger.add([at("12-03T10:00"), at("12-03T14:00")], NEW_YORK, now=NOW)
        again = ledger.add([at("12-03T14:00"), at("12-04T10:00")], NEW_YORK, now=NOW)

        assert [offered.key for offered in first + again] == ["a1", "a2", "a2", "a3"]
        assert first[1].say == "Thursday, December third, at two in the afternoon"
        assert ledger.slot(" A2 ").slot == at("12-03T14:00")

    def test_refuses_a_key_that_was_never_offered(self) -> None:
        with pytest.raises(SlotNotOffered):
            OfferLedger().slot("a1")

    def test_refuses_a_withdrawn_slot_until_it_is_offered_again(self) -> None:
        ledger = OfferLedger()
        ledger.add([at("12-03T10:00"), at("12-03T14:00")], NEW_YORK, now=NOW)

        ledger.withdraw(at("12-03T10:00"))

        assert [offered.key for offered in ledger] == ["a2"]
        with pytest.raises(SlotNotOffered):
            ledger.slot("a1")
        assert ledger.add([at("12-03T10:00")], NEW_YORK, now=NOW)[0] == ledger.slot("a1")


class TestBookable:
    TEN = at("12-03T10:00")

    def ledger(self, slot: Slot = TEN) -> OfferLedger:
        ledger = OfferLedger()
        ledger.add([slot], NEW_YORK, now=NOW)
        return ledger

    def test_an_offer_stands_for_a_quarter_of_an_hour(self) -> None:
        ledger = self.ledger()

        assert ledger.bookable("a1", BUSINESS, now=NOW + timedelta(minutes=15)).slot == self.TEN
        with pytest.raises(SlotNotOffered) as caught:
            ledger.bookable("a1", BUSINESS, now=NOW + timedelta(minutes=15, seconds=1))
        assert caught.value.is_old

    def test_it_stands_again_when_it_is_offered_again(self) -> None:
        ledger, later = self.ledger(), NOW + timedelta(hours=1)

        (offered,) = ledger.add([self.TEN], NEW_YORK, now=later)

        assert ledger.bookable("a1", BUSINESS, now=later + timedelta(minutes=5)) == offered

    def test_the_notice_is_judged_by_the_time_of_the_offer(self) -> None:
        ledger = self.ledger(at("12-01T11:00"))

        assert ledger.bookable("a1", BUSINESS, now=NOW + timedelta(minutes=10)).offered_at == NOW

    def test_what_has_begun_cannot_be_booked(self) -> None:
        ledger, business = self.ledger(at("12-01T09:10")), by(minimum_notice=timedelta(0), grid_minutes=10)

        assert ledger.bookable("a1", business, now=NOW + timedelta(minutes=9))
        with pytest.raises(RuleViolation) as caught:
            ledger.bookable("a1", business, now=NOW + timedelta(minutes=10))
        assert caught.value.rule is Rule.TOO_SOON

    def test_what_the_business_would_not_offer_any_more_cannot_be_booked(self) -> None:
        business = by(closed=frozenset({date(2026, 12, 3)}))

        with pytest.raises(RuleViolation) as caught:
            self.ledger().bookable("a1", business, now=NOW)
        assert caught.value.rule is Rule.CLOSED
