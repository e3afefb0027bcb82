"""What a business file says of e-mails."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from agent.message_tables import ActionMessagesTable, MessagesTable, message_settings


def test_e_mails_and_invitations_are_on_until_they_are_switched_off() -> None:
    settings = message_settings(MessagesTable())

    assert (settings.has_email, settings.has_invites) == (True, True)


def test_an_action_may_go_its_own_way() -> None:
    business = MessagesTable(email=False, invite_title="At the clinic")

    settings = message_settings(business, ActionMessagesTable(email=True, invites=False))

    assert (settings.has_email, settings.has_invites, settings.invite_title) == (True, False, "At the clinic")


@pytest.mark.parametrize("title", ["", "  ", "two\nlines", "{when}", "x" * 101])
def test_a_title_that_no_calendar_shows_well_is_refused(title: str) -> None:
    with pytest.raises(ValidationError):
        MessagesTable(invite_title=title)
