"""Tools about the call itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools.registry import Arguments, Tool
from tools.replies import Reply, Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tools.session import BookingSession, Utterance


END_CALL = "end_call"


class EndCall(Arguments):
    """Nothing to say."""


def end_call(session: BookingSession) -> Tool:
    async def run(_arguments: EndCall, _heard: Sequence[Utterance]) -> Reply:
        session.goodbye.set()
        return Reply(Status.DONE, answers=False)

    return Tool(
        name=END_CALL,
        description="Hang up, after you have said goodbye. Use it when the caller wants nothing more.",
        arguments=EndCall,
        run=run,
        deadline_secs=1.0,
    )
