"""Runs the stand-ins in one process: ``python -m simulator``."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
import threading
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from simulator import calcom, openai, twilio
from simulator.faults import FaultBoard
from simulator.mail import MailStandIn, serving_mail
from simulator.room import Room
from simulator.world import BUSINESS_NUMBER, EVENT_TYPE_ID, Credentials, run_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from aiohttp import web


@dataclass(frozen=True, slots=True)
class Options:
    """The command line. Port 0 is any free one."""

    twilio_port: int
    openai_port: int
    fallback_port: int
    calcom_port: int
    smtp_port: int
    credentials: Credentials
    until_eof: bool


def main(arguments: Sequence[str]) -> None:
    """Serve until SIGTERM, SIGINT or, when asked to, the end of stdin."""
    asyncio.run(_serve(_options(arguments)))


async def _serve(options: Options) -> None:
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, over.set)
    async with contextlib.AsyncExitStack() as running:
        credentials = options.credentials
        room = Room()
        apps = {
            "twilio": (twilio.build_app(credentials, FaultBoard("twilio")), options.twilio_port),
            "openai": (openai.build_app(credentials, FaultBoard("openai"), room), options.openai_port),
            "fallback": (openai.build_fallback(credentials, FaultBoard("fallback"), room), options.fallback_port),
            "calcom": (calcom.build_app(credentials, FaultBoard("calcom")), options.calcom_port),
        }
        mail = MailStandIn(credentials, FaultBoard("mail"))
        apps["mail"] = (mail.control_app(), 0)
        urls = {name: await running.enter_async_context(_running(app, port)) for name, (app, port) in apps.items()}
        urls["smtp"] = await running.enter_async_context(serving_mail(mail, options.smtp_port))
        _announce(urls, credentials)
        if options.until_eof:
            # A thread, because an event loop can wait for pipes only, and a daemon, because its read has no end.
            threading.Thread(target=_watch_stdin, args=(loop, over), daemon=True).start()
        await over.wait()


@contextlib.asynccontextmanager
async def _running(app: web.Application, port: int) -> AsyncIterator[str]:
    runner, url = await run_app(app, port)
    try:
        yield url
    finally:
        await runner.cleanup()


def _watch_stdin(loop: asyncio.AbstractEventLoop, over: asyncio.Event) -> None:
    """Set `over` when stdin ends: whoever started us is gone."""
    while os.read(sys.stdin.fileno(), 4096):
        pass
    with contextlib.suppress(RuntimeError):  # the loop is closed: we are ending anyway
        loop.call_soon_threadsafe(over.set)


def _announce(urls: dict[str, str], credentials: Credentials) -> None:
    line = {
        "twilio": urls["twilio"],
        "openai": urls["openai"] + "/v1",
        "fallback": urls["fallback"] + "/v1",
        "calcom": urls["calcom"],
        "mail": urls["mail"],
        "smtp": urls["smtp"],
        "credentials": asdict(credentials),
        "numbers": {"business": BUSINESS_NUMBER},
        "event_type_id": str(EVENT_TYPE_ID),
    }
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _options(arguments: Sequence[str]) -> Options:
    parser = argparse.ArgumentParser(prog="python -m simulator", description=__doc__)
    for service in ("twilio", "openai", "fallback", "calcom", "smtp"):
        parser.add_argument(f"--{service}-port", type=int, default=0, metavar="PORT", help="0, the default: any")
    parser.add_argument("--credentials", type=_credentials, metavar="JSON", help="left out: made up for this run")
    parser.add_argument("--until-eof", action="store_true", help="end when stdin does")
    given = vars(parser.parse_args(arguments))
    return Options(**{**given, "credentials": given["credentials"] or Credentials.generate()})


def _credentials(text: str) -> Credentials:
    try:
        return TypeAdapter(Credentials).validate_json(text)
    except ValidationError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


if __name__ == "__main__":
    main(sys.argv[1:])
