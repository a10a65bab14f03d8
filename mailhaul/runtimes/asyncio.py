"""Runs a flow as part of an asyncio task, for programs that have an asyncio loop.

The loop must be able to watch descriptors (``add_reader``), as the selector loops do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import TypeVar

from ..flows.requests import Flow
from .drive import await_steps, steps_of
from .engine import Engine
from .steps import NextRequest, Step, Suspend, Work

T = TypeVar("T")

MAX_WAIT_FOR_CALL = 2.0
"""Seconds that a cancelled flow waits for a call that is running in a thread: a disk that hangs
must not keep the program from ending."""
MAX_REQUESTS_IN_A_ROW = 16
"""Requests after which a flow lets others run, if it has not waited for anything."""


async def run(flow: Flow[T], engine: Engine | None = None) -> T:
    """Run a flow and return its result; what it raises is raised here.

    All its streams are closed and its children ended when it is over or cancelled.
    """
    engine = engine or Engine(asyncio.get_running_loop().time)
    return await await_steps(steps_of(flow, engine), Driver().take)


class Driver:
    """Takes the steps of one flow."""

    def __init__(self) -> None:
        self._requests = 0

    async def take(self, step: Step) -> object:
        """Wait, run a call, or let other tasks run."""
        match step:
            case Suspend():
                await suspend(step)
            case Work(call):
                return await run_in_thread(call)
            case NextRequest():
                # A request that is answered at once suspends nothing: other tasks would never
                # run, and this flow would not notice that it has been cancelled.
                self._requests += 1
                if self._requests % MAX_REQUESTS_IN_A_ROW == 0:
                    await asyncio.sleep(0)
        return None


async def suspend(step: Suspend) -> None:
    """Wait for any of the descriptors, or for the time to pass."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    timer = None if step.timeout is None else loop.call_later(step.timeout, ready.set)
    try:
        for fd in step.reads:
            loop.add_reader(fd, ready.set)
        for fd in step.writes:
            loop.add_writer(fd, ready.set)
        for signal in step.signals:
            signal.listen(ready.set)
        await ready.wait()
    finally:
        for signal in step.signals:
            signal.ignore(ready.set)
        for fd in step.reads:
            loop.remove_reader(fd)
        for fd in step.writes:
            loop.remove_writer(fd)
        if timer:
            timer.cancel()


async def run_in_thread(call: Callable[[], object]) -> object:
    """Return the result of a call, or raise what it raises.

    A cancellation waits until the call has ended, since nobody may write a message again while it
    is still being written; but not for long. A call that hangs keeps its thread.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()
    result: object = None
    error: BaseException | None = None

    def work() -> None:
        nonlocal result, error
        try:
            result = call()
        except BaseException as failure:
            error = failure
        # The loop may have been closed meanwhile.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(ended.set_result, None)

    # A thread of its own: the end of the program would wait for those of the loop's executor.
    Thread(target=work, daemon=True).start()
    try:
        await asyncio.wait([ended])
    except asyncio.CancelledError:
        await asyncio.wait([ended], timeout=MAX_WAIT_FOR_CALL)
        raise
    if error:
        raise error
    return result
