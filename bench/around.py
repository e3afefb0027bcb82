"""Puts something around methods of an object that the product is given, so that the product needs no hooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    Wrapper = Callable[[str, Callable[[], Awaitable[Any]]], Awaitable[Any]]
    """Is given a method's name and its work, and returns what the work does."""


class Around:
    """Is `inner`, but for `wrapper` around the work of its methods `names`."""

    def __init__(self, inner: Any, names: Collection[str], wrapper: Wrapper) -> None:
        self._inner = inner
        self._names = names
        self._wrapper = wrapper

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name not in self._names:
            return found

        async def wrapped(*arguments: Any, **named: Any) -> Any:
            return await self._wrapper(name, lambda: found(*arguments, **named))

        return wrapped
