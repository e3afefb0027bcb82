"""Every call gets a model of its own, whatever becomes of the others' loading."""

from __future__ import annotations

import asyncio

import pytest

from agent.speech import Spare


class Loads:
    """Counts what is loaded; the first `failing` loads fail."""

    def __init__(self, failing: int = 0) -> None:
        self.count = 0
        self._failing = failing

    def __call__(self) -> object:
        self.count += 1
        if self.count <= self._failing:
            raise OSError("the model's file cannot be read")
        return object()


async def test_calls_that_start_together_get_a_model_each() -> None:
    spare = Spare(Loads())
    spare.prepare()

    models = await asyncio.gather(spare.take(), spare.take(), spare.take())

    assert len({id(model) for model in models}) == 3


async def test_a_call_that_ends_while_it_waits_takes_nothing_from_the_next() -> None:
    spare = Spare(Loads())
    spare.prepare()
    leaving = asyncio.create_task(spare.take())
    await asyncio.sleep(0)
    leaving.cancel()

    assert await spare.take() is not None


async def test_a_model_that_could_not_be_loaded_ahead_is_loaded_again() -> None:
    loads = Loads(failing=1)
    spare = Spare(loads)
    spare.prepare()
    while loads.count < 1:
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.01)

    assert await spare.take() is not None


async def test_a_load_that_fails_fails_only_its_own_call() -> None:
    spare = Spare(Loads(failing=1))

    with pytest.raises(OSError, match="cannot be read"):
        await spare.take()

    assert await spare.take() is not None
