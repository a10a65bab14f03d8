"""Open files in a blocking call that may continue after the flow was cancelled."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from ..flows.requests import Call

Opened = TypeVar("Opened")


async def opened(open_file: Callable[[], Opened], close_file: Callable[[Opened], object]) -> Opened:
    """Call ``open_file`` in a Call and return its result.

    If the flow was cancelled meanwhile, ``close_file`` closes the result. A poll may be cancelled
    when the file is open but not yet returned, or, if the disk hangs, before it is opened. Raises
    the errors of ``open_file``.
    """
    waiting = True
    files: list[Opened] = []

    def close_once() -> None:
        with suppress(IndexError):
            close_file(files.pop())

    def work() -> None:
        files.append(open_file())
        if not waiting:
            close_once()

    try:
        await Call(work)
    except BaseException:
        waiting = False
        close_once()
        raise
    return files[0]
