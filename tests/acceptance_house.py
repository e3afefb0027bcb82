"""Workers as processes, stand-ins around them, and fronts between that fail over and count."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from agent.stand_ins import (
    StandIns,
    database_url,
    running_stand_ins,
    slotline,
    stop,
    wait_until_ready,
    worker_environment,
)
from appointments.store.store import Store
from prompts.loader import REHEARSAL_BUSINESS
from tests.shaky_proxy import pass_on, taking

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

CLOCK_START = "2026-12-01T09:00:00-05:00"
ZONE = "America/New_York"
FREE = ["2026-12-02T10:00:00-05:00", "2026-12-02T14:00:00-05:00", "2026-12-03T11:00:00-05:00"]
FALLBACK_NUMBER = "+14155550199"


class Front:
    """A port of loopback that passes each connection on to the first of `backends` that takes it."""

    def __init__(self, backends: Sequence[int]) -> None:
        self._backends = backends
        self.port = 0
        self.asked_bytes = 0
        """How much the clients have sent."""

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[Front]:
        async with taking(self._take) as self.port:
            yield self

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for port in self._backends:
            try:
                behind = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                continue
            await asyncio.gather(pass_on(reader, behind[1], self._count), pass_on(behind[0], writer))
            break

    def _count(self, some: bytes) -> None:
        self.asked_bytes += len(some)


@dataclass(slots=True)
class WorkerProcess:
    """A `slotline serve` that runs, and its log."""

    url: str
    process: asyncio.subprocess.Process
    log_file: Path

    @property
    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log_file.read_text().splitlines() if line.startswith("{")]

    def logged(self, event: str, **facts: Any) -> list[dict[str, Any]]:
        """Return the log's lines with this event and these facts."""
        return [line for line in self.log if line["event"] == event and facts.items() <= line.items()]

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()

    def tell_to_stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    async def exit_status(self, *, within_secs: float = 30) -> int:
        async with asyncio.timeout(within_secs):
            return await self.process.wait()


@dataclass(slots=True)
class House:
    """Stand-ins with a world of their own, and the folder that workers share."""

    stand_ins: StandIns
    folder: Path
    fronts: Mapping[str, Front] = field(default_factory=dict)

    @contextlib.asynccontextmanager
    async def worker(
        self, *, url: str, port: int, name: str = "worker", options: Sequence[str] = (), **settings: str
    ) -> AsyncIterator[WorkerProcess]:
        """Run a worker at `port` that Twilio reaches at `url`, with these `options` of `slotline serve` more."""
        log_file = self.folder / f"{name}.log"
        with log_file.open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *slotline("serve", "--no-env-file", "--host", "127.0.0.1", "--port", str(port), *options),
                env=self.environment(url) | settings,
                stdin=asyncio.subprocess.DEVNULL,
                stderr=log,
            )
        try:
            await wait_until_ready(f"http://127.0.0.1:{port}", process, log_file)
            yield WorkerProcess(url, process, log_file)
        finally:
            await stop(process)

    def environment(self, url: str) -> dict[str, str]:
        """Return the settings of a worker, whose providers are behind the fronts there are."""
        settings = worker_environment(self.stand_ins, url=url, data_dir=self.folder / "data", clock_start=CLOCK_START)
        for name, front in self.fronts.items():
            path = urlsplit(settings[name]).path
            settings[name] = f"http://127.0.0.1:{front.port}{path}"
        return settings

    @contextlib.asynccontextmanager
    async def store(self) -> AsyncIterator[Store]:
        store = await Store.open(database_url(self.folder / "data"))
        try:
            yield store
        finally:
            await store.close()

    async def held(self) -> list[dict[str, Any]]:
        """Return the bookings that the calendar holds."""
        bookings = (await self.stand_ins.state("calcom"))["bookings"]
        return [booking for booking in bookings if booking["status"] == "accepted"]

    async def texts(self) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = (await self.stand_ins.state("twilio"))["messages"]
        return messages

    async def has_fired(self, service: str) -> bool:
        return bool((await self.stand_ins.state(service))["faults"])


@contextlib.asynccontextmanager
async def open_house(folder: Path, *, lines: Sequence[str] = (), is_counted: bool = False) -> AsyncIterator[House]:
    """Run stand-ins whose calendar has `FREE`; `lines` are what a caller may say."""
    (folder / "data").mkdir()
    async with contextlib.AsyncExitStack() as stack:
        stand_ins = await stack.enter_async_context(running_stand_ins())
        await stand_ins.control("openai", "world", {"lines": list(lines), "voice": "en-us+f3"})
        await stand_ins.control("calcom", "world", {"now": CLOCK_START, "zone": ZONE, "free": FREE})
        fronts = {}
        if is_counted:
            urls = {"OPENAI_BASE_URL": stand_ins.openai, "CALCOM_BASE_URL": stand_ins.calcom}
            for name, url in urls.items():
                fronts[name] = await stack.enter_async_context(Front([urlsplit(url).port or 80]).open())
        yield House(stand_ins, folder, fronts)


def business_with_fallback(folder: Path) -> Path:
    """Write a business file whose calls go on at `FALLBACK_NUMBER`."""
    text = REHEARSAL_BUSINESS.read_text()
    # Before the first table: a key after it would be the table's.
    head, tables, rest = text.partition("[hours]")
    file = folder / "business.toml"
    file.write_text(f'{head}fallback_number = "{FALLBACK_NUMBER}"\n\n{tables}{rest}')
    return file


async def until(is_so: Callable[[], Any], *, within_secs: float = 20) -> None:
    """Wait for a condition; one that needs awaiting may return an awaitable."""
    async with asyncio.timeout(within_secs):
        while True:
            answer = is_so()
            if await answer if asyncio.iscoroutine(answer) else answer:
                return
            await asyncio.sleep(0.05)
