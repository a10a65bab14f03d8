"""Work beside the polls. Whatever fails there, polling continues.

The control socket, the network watch, the watchdog, the clocks and the rc file each have a task. A
task that fails is reported and started again after a pause; it never ends the daemon.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import cast

import trio

from ..polls.interrupted import place_of

PAUSE = 60.0
"""Seconds before failed work is started again; they double each time, up to MAX_PAUSE."""
MAX_PAUSE = 3600.0


async def fenced(
    what: str, work: Callable[[], Awaitable[object]], complain: Callable[[str], None]
) -> None:
    """Run side work until it ends; start it again when it fails."""
    pause = PAUSE
    while True:
        problem = ""
        began = trio.current_time()
        try:
            await work()
        # A task with child tasks raises groups; a cancellation among them is not caught.
        except* Exception as faults:
            problem = ", ".join(sorted(set(map(reason, leaves(faults)))))
        if not problem:
            return
        complain(f"{what}: {problem}; polling continues")
        if trio.current_time() - began > MAX_PAUSE:
            pause = PAUSE
        await trio.sleep(pause)
        pause = min(2 * pause, MAX_PAUSE)


def attempt(what: str, work: Callable[[], object], complain: Callable[[str], None]) -> None:
    """Run a short piece of side work; a failure is only reported."""
    try:
        work()
    except Exception as fault:
        complain(f"{what}: {reason(fault)}; polling continues")


def reason(fault: Exception) -> str:
    """Return the error text of the system, or the place in the code of an internal error."""
    if isinstance(fault, OSError) and fault.strerror:
        return fault.strerror
    return f"internal error, please report it: {place_of(fault)}"


def leaves(fault: Exception) -> list[Exception]:
    """Return the exceptions in a group."""
    if not isinstance(fault, ExceptionGroup):
        return [fault]
    group = cast(ExceptionGroup[Exception], fault)
    return [one for each in group.exceptions for one in leaves(each)]
