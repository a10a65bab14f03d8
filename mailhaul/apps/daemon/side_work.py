"""The fence around what goes on beside the polls: whatever goes wrong there, mail goes on.

The control socket, the watch over the network, the watchdog, the clocks and the rc file each have a
task. One that fails says so, and is begun again after a while; it never takes the daemon along.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import cast

import trio

from ..polls.interrupted import place_of

PAUSE = 60.0
"""Seconds before work that has failed is begun again; they double each time, up to an hour."""
MAX_PAUSE = 3600.0


async def fenced(
    what: str, work: Callable[[], Awaitable[object]], complain: Callable[[str], None]
) -> None:
    """Do side work until it is over; begin it again when it fails."""
    pause = PAUSE
    while True:
        problem = ""
        began = trio.current_time()
        try:
            await work()
        # A task with children of its own raises groups; a cancellation among them goes on.
        except* Exception as faults:
            problem = ", ".join(sorted(set(map(reason, leaves(faults)))))
        if not problem:
            return
        complain(f"{what}: {problem}; mail goes on")
        if trio.current_time() - began > MAX_PAUSE:
            pause = PAUSE
        await trio.sleep(pause)
        pause = min(2 * pause, MAX_PAUSE)


def attempt(what: str, work: Callable[[], object], complain: Callable[[str], None]) -> None:
    """Do a short piece of side work; one that fails is said, and that is all."""
    try:
        work()
    except Exception as fault:
        complain(f"{what}: {reason(fault)}; mail goes on")


def reason(fault: Exception) -> str:
    """Return what is wrong: the system's own words, or the place of a mistake of ours."""
    if isinstance(fault, OSError) and fault.strerror:
        return fault.strerror
    return f"internal error, please report it: {place_of(fault)}"


def leaves(fault: Exception) -> list[Exception]:
    """Return the faults that a group is made of."""
    if not isinstance(fault, ExceptionGroup):
        return [fault]
    group = cast(ExceptionGroup[Exception], fault)
    return [one for each in group.exceptions for one in leaves(each)]
