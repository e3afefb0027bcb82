"""The doctor compares this machine's clock with the services'."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from agent.doctor.clock import check_clock
from agent.doctor.installation import Installation
from agent.settings import Settings
from tests.odd_services import answering

if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.doctor.findings import Finding

NOWHERE = "http://127.0.0.1:1"


def dated(ahead: timedelta, status: int = 404, **headers: str) -> Any:
    """Answer as a service whose clock is so much ahead of ours."""

    def answer(_request: web.Request) -> web.Response:
        date = format_datetime(datetime.now(UTC) + ahead, usegmt=True)
        return web.Response(status=status, headers={"Date": date, **headers})

    return answer


async def findings(answers: Iterable[Any], broken: frozenset[str] = frozenset(), **changes: Any) -> list[Finding]:
    """Return what the doctor says where Twilio, OpenAI and Cal.com answer like this; None: not at all."""
    async with contextlib.AsyncExitStack() as stack:
        urls = [await stack.enter_async_context(answering(made)) if made else NOWHERE for made in answers]
        values = {
            "public_base_url": "http://127.0.0.1:8080",
            "twilio_account_sid": "AC",
            "twilio_auth_token": "-",
            "openai_api_key": "-",
            "calcom_api_key": "-",
            "business_file": "-",
            **dict(zip(("twilio_api_base_url", "openai_base_url", "calcom_base_url"), urls, strict=True)),
        }
        settings = Settings(_env_file=None, **(values | changes))  # type: ignore[call-arg]
        return await check_clock(Installation(settings, broken))


@pytest.mark.parametrize(
    ("ahead_secs", "state", "seen"),
    [
        (0, "ok", "within 5 s of what 3 services say"),
        (-20, "warning", "ahead of what 3 services say"),
        (3600, "failed", "behind what 3 services say"),
    ],
)
async def test_a_clock_that_is_off_is_told(ahead_secs: int, state: str, seen: str) -> None:
    (found,) = await findings([dated(timedelta(seconds=ahead_secs))] * 3)

    assert found.state.value == state
    assert seen in found.seen


async def test_one_service_that_answers_is_enough() -> None:
    (found,) = await findings([None, dated(timedelta(hours=2), 401), None])

    assert found.state.value == "failed"
    assert "behind what a service says" in found.seen


async def test_an_answer_from_a_cache_is_as_old_as_it_says() -> None:
    (found,) = await findings([dated(timedelta(seconds=-300), Age="300"), None, None])

    assert found.state.value == "ok"


async def test_a_service_without_a_key_is_not_asked() -> None:
    answers = [dated(timedelta(hours=2)), dated(timedelta(0)), None]
    (found,) = await findings(answers, frozenset({"twilio_auth_token"}))

    assert found.seen == "within 5 s of what a service says"


async def test_nobody_who_tells_the_time_is_no_failure() -> None:
    (found,) = await findings([None, None, dated(timedelta(0), Date="soon")])

    assert found.state.value == "skipped"


async def test_a_rehearsals_clock_is_a_warning() -> None:
    found = await findings([dated(timedelta(0))] * 3, clock_start="2026-12-01T09:00:00-05:00")

    assert [finding.state.value for finding in found] == ["ok", "warning"]
    assert "CLOCK_START" in found[1].fix
