"""`slotline talk`: calls from a browser, spoken and heard, and what is said when there can be none."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from agent.stand_ins import free_port, slotline, stop
from prompts.loader import REHEARSAL_BUSINESS
from simulator.script import Line
from tests.acceptance_house import House, open_house, until

pytest.importorskip("aiortc", reason="without the browser's packages: uv run --group talk pytest")
from tests.browser import AGAIN, Listener, open_page, scripted_party

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

CALLER = "+14155550123"
SAYS = [
    Line(when="help", say="Hi, I would like to book an appointment."),
    # Over the offer, and later over what follows the booking: barge-in makes the call shorter too.
    Line(when=r"\bten\b", say="The first one works for me. My name is Maya Chen.", barge_in=1.5),
    Line(when="is that right", say="Yes, go ahead."),
    Line(when="booked for", say="No, that's all, thank you.", barge_in=3.0),
]


@dataclass(slots=True)
class Talk:
    """A `slotline talk` that runs, and what it has shown."""

    url: str
    process: asyncio.subprocess.Process
    shown: list[str] = field(default_factory=list)

    async def shows(self, text: str, *, within_secs: float = 20) -> None:
        try:
            await until(lambda: any(text in line for line in self.shown), within_secs=within_secs)
        except TimeoutError:
            raise AssertionError("\n".join([f"{text!r} is not among what was shown:", *self.shown])) from None

    async def read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.shown.append(line.decode().rstrip())


@contextlib.asynccontextmanager
async def talking(folder: Path, environment: Mapping[str, str], *options: str) -> AsyncIterator[Talk]:
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        *slotline("talk", "--no-env-file", "--port", str(port), *options),
        cwd=folder,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
    )
    talk = Talk(f"http://127.0.0.1:{port}", process)
    reading = asyncio.create_task(talk.read())
    try:
        await talk.shows("press Connect", within_secs=60)
        yield talk
    finally:
        await stop(process)
        await reading


def only_speech(house: House) -> dict[str, str]:
    """Return the environment of somebody who has a server for speech and model, and nothing else."""
    settings = house.environment("http://127.0.0.1:1")
    kept = ("PATH", "HOME", "OPENAI_API_KEY", "OPENAI_BASE_URL", "TURN_END")
    return {name: settings[name] for name in kept if name in settings}


async def test_books_what_is_spoken_into_a_browser(tmp_path: Path) -> None:
    heard: list[str] = []
    problems: list[str] = []

    def emit(event: str, **facts: Any) -> None:
        if event in ("heard", "problem"):
            (heard if event == "heard" else problems).append(facts["text"])

    async with open_house(tmp_path, lines=[*(line.say or "" for line in SAYS), AGAIN]) as house:
        settings = house.environment("http://127.0.0.1:1") | {"RECORD_CALLS": "false", "SPEECH_TIMEOUT_SECS": "0.3"}
        async with contextlib.AsyncExitStack() as stack:
            talk = await stack.enter_async_context(talking(tmp_path, settings, "--real"))
            url = house.stand_ins.openai.removesuffix("/v1")
            maya = await stack.enter_async_context(scripted_party(SAYS, url, emit, max_secs=80))
            page = await stack.enter_async_context(open_page(talk.url, maya))
            await talk.shows("has ended: completed", within_secs=90)
            await talk.shows("SMS")
            async with asyncio.timeout(10):
                await page.is_closed.wait()
            again = await page.offer_again()
        held, texts = await house.held(), await house.texts()

    assert [booking["start"] for booking in held] == ["2026-12-02T15:00:00.000Z"]
    assert [text["to"] for text in texts] == [CALLER]
    for words in ("Thanks for calling Harbor Street Clinic.", "Is that right?", "Thank you for calling. Goodbye"):
        assert any(words in text for text in heard), f"{words!r} was not heard, but {heard}; {problems}"
    assert not [problem for problem in problems if "cut off by the hang-up" in problem]
    assert "My name is Maya Chen." in " ".join(data["text"] for data in page.told("user-transcription"))
    assert any("Is that right?" in data["text"] for data in page.told("bot-output"))
    assert again.status_code == httpx.codes.NOT_FOUND, "the page must not get back what has ended"
    assert "caller> Yes, go ahead." in talk.shown
    assert any("book_30_minute_consultation: booked" in line for line in talk.shown)
    assert "Appointment  2026-12-02T10:00:00-05:00, 30 min, Maya Chen, +14155550123" in talk.shown


async def test_needs_speech_and_a_model_only_and_notices_when_the_page_is_left(tmp_path: Path) -> None:
    async with open_house(tmp_path) as house:
        salon = REHEARSAL_BUSINESS.with_name("salon.toml")
        settings = only_speech(house) | {"BUSINESS_FILE": str(salon)}
        listener = Listener()
        async with talking(tmp_path, settings) as talk, open_page(talk.url, listener) as page:
            await talk.shows("agent>")
            page.tell("send-text", content="What does it cost?")
            await talk.shows("caller> What does it cost?")
            page.is_frozen = True
            await talk.shows("has ended: caller_hung_up", within_secs=30)
            os.kill(talk.process.pid, signal.SIGINT)
            status = await asyncio.wait_for(talk.process.wait(), 20)
        bookings = (await house.stand_ins.state("calcom"))["bookings"]

    assert status == 0
    assert listener.heard_secs > 2
    assert any("stand-ins" in line for line in talk.shown)
    assert "Appointment  none" in talk.shown
    assert bookings == []
