"""Files that are opened in a call that may outlast whoever asked for it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from ..flows.requests import Call

Opened = TypeVar("Opened")


async def opened(begin: Callable[[], Opened], end: Callable[[Opened], object]) -> Opened:
    """Call ``begin`` and return what it returns; ``end`` closes that if nobody waits for it now.

    A poll may be stopped when the file is open and not yet handed over, or, where the disk
    hangs, before it is opened. Raises what ``begin`` raises.
    """
    waiting = True
    files: list[Opened] = []

    def end_once() -> None:
        with suppress(IndexError):
            end(files.pop())

    def work() -> None:
        files.append(begin())
        if not waiting:
            end_once()

    try:
        await Call(work)
    except BaseException:
        waiting = False
        end_once()
        raise
    return files[0]
