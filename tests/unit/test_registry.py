"""The wrapper around every tool: what the model reads, and one answer whatever happens."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal, cast

import pytest
import structlog
from pydantic import Field

from appointments.errors import (
    CalendarRejected,
    CalendarUnavailable,
    NotConfirmed,
    SlotNotOffered,
    SlotTaken,
    WishNotUnderstood,
)
from tests.factories import a_slot
from tests.sessions import a_session, agent, caller
from tools.call import end_call
from tools.registry import Arguments, Tool, answer, register
from tools.replies import Reply, Status

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

SECRET = "+14155550123"


class Wish(Arguments):
    kind: Literal["haircut", "shave"] = Field(description="What is wanted.")
    minutes: int = Field(30, ge=15, le=90)
    note: str | None = Field(None, description="Anything else.", max_length=20)


async def _found(_arguments: Any, _heard: Any) -> Reply:
    return Reply(Status.AVAILABLE, say="Here you are.")


def a_tool(run: Callable[..., Awaitable[Reply]] = _found, **changes: Any) -> Tool:
    facts: dict[str, Any] = {"deadline_secs": 1.0, **changes}
    return Tool(name="find_slots", description="Look.", arguments=Wish, run=run, **facts)


def raising(error: BaseException) -> Callable[..., Awaitable[Reply]]:
    async def run(_arguments: Any, _heard: Any) -> Reply:
        raise error

    return run


class Model:
    """Stands for the language model's service: keeps what is registered and calls it as Pipecat does."""

    def __init__(self, *tools: Tool, heard: tuple[Any, ...] = ()) -> None:
        self.handlers: dict[str, Callable[[Any], Awaitable[None]]] = {}
        self.options: dict[str, dict[str, Any]] = {}
        self.results: list[tuple[Any, Any]] = []
        self.started: list[str] = []
        self.ended: list[tuple[str, Status, int]] = []
        register(
            cast("Any", self),
            tools,
            heard_in=lambda: heard,
            on_start=self.started.append,
            on_end=lambda tool, reply, took_ms: self.ended.append((tool, reply.status, took_ms)),
        )

    def register_function(self, name: str, handler: Callable[[Any], Awaitable[None]], **options: Any) -> None:
        self.handlers[name] = handler
        self.options[name] = options

    async def call(self, name: str, arguments: Any) -> Any:
        """Call a tool and return the one result it gave."""

        async def result_callback(result: Any, *, properties: Any = None) -> None:
            self.results.append((result, properties))

        before = len(self.results)
        await self.handlers[name](SimpleNamespace(arguments=arguments, result_callback=result_callback))
        (result,) = self.results[before:]
        return result[0]


def test_what_may_be_chosen_and_its_limits_reach_the_model() -> None:
    schema = a_tool().schema()

    assert schema.properties["kind"]["enum"] == ["haircut", "shave"]
    assert (schema.properties["minutes"]["minimum"], schema.properties["minutes"]["maximum"]) == (15, 90)
    assert schema.properties["note"]["maxLength"] == 20
    assert schema.required == ["kind"]


def test_an_argument_that_may_be_left_out_is_not_said_to_be_null() -> None:
    note = a_tool().schema().properties["note"]

    assert note == {"type": "string", "maxLength": 20, "description": "Anything else."}


def test_the_model_reads_no_titles_and_no_defaults() -> None:
    told = str(a_tool().schema().properties)

    assert "title" not in told
    assert "default" not in told


async def test_the_checked_arguments_and_what_was_heard_reach_the_tool() -> None:
    got: list[Any] = []

    async def run(arguments: Wish, heard: Any) -> Reply:
        got.append((arguments, heard))
        return Reply(Status.DONE)

    model = Model(a_tool(run), heard=(agent("Hello."), caller("Hi.")))
    await model.call("find_slots", {"kind": "shave", "note": "  short  "})

    assert got == [(Wish(kind="shave", minutes=30, note="short"), (agent("Hello."), caller("Hi.")))]


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({}, "kind"),
        ({"kind": SECRET}, "kind"),
        ({"kind": "shave", "minutes": 900}, "minutes"),
        ({"kind": "shave", "note": SECRET * 3}, "note"),
        ({"kind": "shave", "colour": SECRET}, "colour"),
    ],
)
async def test_bad_arguments_are_named_without_their_values(arguments: Mapping[str, Any], field: str) -> None:
    model = Model(a_tool())

    result = await model.call("find_slots", arguments)

    assert result["status"] == "invalid"
    assert f"{field}:" in result["hint"]
    assert SECRET not in str(result)
    assert "say" not in result


@pytest.mark.parametrize("arguments", [None, [], ["kind"], "kind", 5])
async def test_arguments_that_are_no_object_are_invalid(arguments: Any) -> None:
    model = Model(a_tool())

    result = await model.call("find_slots", arguments)

    assert result["status"] == "invalid"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotConfirmed("Is that right?"), "not_confirmed"),
        (SlotNotOffered("a9"), "not_offered"),
        (SlotTaken(a_slot()), "taken"),
        (WishNotUnderstood("Ask which day."), "invalid"),
        (CalendarUnavailable("down"), "unavailable"),
        (CalendarRejected("a wrong key"), "rejected"),
        (RuntimeError("boom"), "unavailable"),
        (TimeoutError(), "unavailable"),
        (ValueError("boom"), "unavailable"),
    ],
)
async def test_every_failure_is_one_answer(error: Exception, status: str) -> None:
    model = Model(a_tool(raising(error)))

    result = await model.call("find_slots", {"kind": "shave"})

    assert result["status"] == status
    assert len(model.results) == 1
    assert result.get("say") or result.get("hint")


async def test_a_refused_confirmation_gives_the_words_to_say() -> None:
    model = Model(a_tool(raising(NotConfirmed("Is that right?"))))

    result = await model.call("find_slots", {"kind": "shave"})

    assert result["say"] == "Is that right?"
    assert "Nothing was done" in result["hint"]


async def test_a_tool_that_takes_too_long_is_stopped_and_answered_once() -> None:
    is_stopped = asyncio.Event()

    async def run(_arguments: Any, _heard: Any) -> Reply:
        try:
            return await asyncio.Event().wait()  # type: ignore[return-value]
        finally:
            is_stopped.set()

    model = Model(a_tool(run, deadline_secs=0.01))
    result = await model.call("find_slots", {"kind": "shave"})

    assert result["status"] == "unavailable"
    assert result["say"]
    assert is_stopped.is_set()
    assert len(model.results) == 1


async def test_a_timed_out_booking_is_not_told_to_have_failed() -> None:
    async def run(_arguments: Any, _heard: Any) -> Reply:
        return await asyncio.Event().wait()  # type: ignore[return-value]

    reply = await answer(a_tool(run, deadline_secs=0.01, is_cancellable=False), {"kind": "shave"}, [])

    # It goes on behind the tool's back: told to call again, the caller would book twice.
    assert reply.say
    assert "call again" not in reply.say


async def test_a_booking_that_fails_unexpectedly_does_not_claim_that_nothing_was_done() -> None:
    reply = await answer(a_tool(raising(RuntimeError("boom")), is_cancellable=False), {"kind": "shave"}, [])

    assert "Nothing was done" not in reply.hint


async def test_a_read_that_the_caller_interrupts_is_cancelled_without_an_answer() -> None:
    is_running = asyncio.Event()

    async def run(_arguments: Any, _heard: Any) -> Reply:
        is_running.set()
        return await asyncio.Event().wait()  # type: ignore[return-value]

    model = Model(a_tool(run))
    calling = asyncio.create_task(model.call("find_slots", {"kind": "shave"}))
    await is_running.wait()
    calling.cancel()

    with pytest.raises(asyncio.CancelledError):
        await calling
    assert model.results == []


def test_only_what_changes_nothing_may_be_cancelled() -> None:
    read, booking = a_tool(), a_tool(is_cancellable=False)

    options = [Model(tool).options["find_slots"] for tool in (read, booking)]

    assert [option["cancel_on_interruption"] for option in options] == [True, False]
    assert [option["cancellable_by_llm"] for option in options] == [False, False]


async def test_start_and_end_are_told_with_the_time_it_took() -> None:
    model = Model(a_tool())

    await model.call("find_slots", {"kind": "shave"})

    assert model.started == ["find_slots"]
    assert [(tool, status) for tool, status, _ in model.ended] == [("find_slots", Status.AVAILABLE)]
    assert 0 <= model.ended[0][2] < 1000


async def test_an_answer_lets_the_model_go_on() -> None:
    model = Model(a_tool())

    await model.call("find_slots", {"kind": "shave"})

    assert model.results[0][1].run_llm is None


async def test_ending_the_call_needs_no_further_words_of_the_model() -> None:
    session = a_session()
    model = Model(end_call(session))

    result = await model.call("end_call", {})

    assert session.goodbye.is_set()
    assert model.results[0][1].run_llm is False
    # Pipecat takes a falsy result for none at all.
    assert result


async def test_a_mistake_in_ending_the_call_goes_back_to_the_model() -> None:
    session = a_session()
    model = Model(end_call(session))

    result = await model.call("end_call", {"reason": "done"})

    assert result["status"] == "invalid"
    assert not session.goodbye.is_set()
    assert model.results[0][1].run_llm is None


@pytest.mark.parametrize(
    "run",
    [
        _found,
        raising(WishNotUnderstood(f"{SECRET} is no day")),
        raising(NotConfirmed(f"For {SECRET}?")),
        raising(CalendarRejected(f"no {SECRET}")),
    ],
)
async def test_logs_name_nothing_personal_outside_their_pii_keys(run: Callable[..., Awaitable[Reply]]) -> None:
    model = Model(a_tool(run))

    with structlog.testing.capture_logs() as logs:
        await model.call("find_slots", {"kind": "shave", "note": SECRET})
        await model.call("find_slots", {"kind": SECRET})

    open_facts = [{key: fact for key, fact in line.items() if not key.startswith("pii_")} for line in logs]
    assert SECRET not in str(open_facts)
    assert [line["event"] for line in logs if line["event"].startswith("tool_")].count("tool_finished") == 2


async def test_an_unexpected_error_is_logged_with_its_traceback() -> None:
    with structlog.testing.capture_logs() as logs:
        await answer(a_tool(raising(RuntimeError("boom"))), {"kind": "shave"}, [])

    assert [(line["event"], line["log_level"], line["exc_info"]) for line in logs] == [("tool_failed", "error", True)]


def test_empty_parts_of_an_answer_are_left_out() -> None:
    assert Reply(Status.DONE).to_wire() == {"status": "done"}
