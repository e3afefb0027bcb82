"""A file that one process at a time may hold, where the file system knows of that."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

LOOK_EVERY_SECS: Final = 0.05
NO_LOCKS_HERE: Final = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})
"""How a folder of the network says that nothing can be held in it: what is done twice then is done twice."""


@asynccontextmanager
async def held(path: Path) -> AsyncIterator[None]:
    """Keep every other process of this machine out that holds `path`. It is free again when we are killed."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        # Not a thread that waits: it could not be cancelled, and would hold up our end.
        while not _take(descriptor):
            await asyncio.sleep(LOOK_EVERY_SECS)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in NO_LOCKS_HERE:
            raise
    return True
