"""The tools by which a caller shows that a number is theirs: a code texted to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from appointments.errors import WishNotUnderstood
from appointments.identity import CODE_SENT
from tools.appointments import told
from tools.keys import number_given
from tools.registry import Arguments, Tool
from tools.replies import Reply, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.session import BookingSession, Utterance

SEND_SECS = 12.0
CHECK_SECS = 4.0


class TextCode(Arguments):
    """The arguments of `text_code`."""

    number: str | None = Field(
        None,
        description="The number the appointment is under, as +14155550123. Leave out for the number that calls.",
        max_length=20,
    )


class CheckCode(Arguments):
    """The argument of `check_code`."""

    code: str = Field(description="The code as the caller said or typed it.", min_length=1, max_length=80)


def text_code(session: BookingSession) -> Tool:
    async def run(wanted: TextCode, heard: Sequence[Utterance]) -> Reply:
        given = number_given(wanted.number, heard, session.business) if wanted.number or not session.caller else None
        number = given or session.caller
        if number is None:
            raise WishNotUnderstood("The caller's number is withheld. Ask for the number the appointment is under.")
        await session.identity.send_code(number)
        say = f"{CODE_SENT} Please read it to me, or type it on your phone."
        return Reply(Status.CODE_SENT, say=say, hint="Say it, then call check_code with what the caller says or types.")

    return Tool(
        name="text_code",
        description=(
            "Text a six-digit code to the number an appointment is under, when find_appointments could not tell "
            "whose appointments the caller may hear about."
        ),
        arguments=TextCode,
        run=run,
        deadline_secs=SEND_SECS,
        is_cancellable=False,
    )


def check_code(session: BookingSession) -> Tool:
    async def run(wanted: CheckCode, _heard: Sequence[Utterance]) -> Reply:
        await session.identity.check_code(wanted.code)
        return await told(session)

    return Tool(
        name="check_code",
        description="Check the code that the caller has said or typed, and look up their appointments.",
        arguments=CheckCode,
        run=run,
        deadline_secs=CHECK_SECS,
        is_cancellable=False,
    )
