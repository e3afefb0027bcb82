"""What `slotline prompts show` shows is what reaches the language model."""

from __future__ import annotations

import asyncio
import io
import re
from typing import TYPE_CHECKING, Any

from rich.console import Console

from agent.authoring.sent import tools_of
from agent.authoring.show import Page, choose
from agent.settings import AuthorSettings
from agent.typed import run_typed_call
from appointments.model import PhoneNumber
from prompts.loader import REHEARSAL_BUSINESS
from tests.worker import CALLER, Answer, ScriptedModel, open_house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime
    from pathlib import Path

    from agent.transcript import Turn

PATIENCE_SECS = 10.0


async def a_call(folder: Path) -> tuple[dict[str, Any], str, datetime]:
    """Hold a typed call and return the first request that the model gets, the greeting, and when it was."""
    model = ScriptedModel([Answer("Sorry, we are closed. Is there anything else?")])
    said: list[Turn] = []
    answered = asyncio.Event()

    def on_turn(turn: Turn) -> None:
        said.append(turn)
        if turn.text.startswith("Sorry"):
            answered.set()

    async def typed() -> AsyncIterator[str]:
        yield "Do you have anything on Thursday?"
        await answered.wait()

    async with open_house(folder, model=model) as house, asyncio.timeout(PATIENCE_SECS):
        now = house.worker.clock()
        await run_typed_call(house.worker, caller=CALLER, typed=typed(), on_turn=on_turn, on_tool=lambda _name: None)
    return model.requests[0], said[0].text, now


async def test_what_is_shown_is_what_the_model_gets(tmp_path: Path) -> None:
    request, greeting, now = await a_call(tmp_path)
    chosen = choose(None, REHEARSAL_BUSINESS, AuthorSettings(business_file=None))
    file = io.StringIO()
    Page(Console(file=file, width=10_000, highlight=False, markup=False, emoji=False), "").show(chosen, now=now)
    rows = re.findall(r"^(.{13}) │ ?(.*)$", file.getvalue(), re.MULTILINE)
    words = [words for _, words in rows]
    first, after = words.index("# Who you are"), words.index("find_slots")
    described = tools_of(chosen.business, caller=PhoneNumber(CALLER), now=now)

    system, *_ = request["messages"]
    tools = [tool["function"] for tool in request["tools"]]
    assert system["role"] == "system"
    assert "\n".join(words[first:after]) == system["content"]
    assert [tool.schema().to_default_dict() for tool in described] == tools
    assert greeting in words
