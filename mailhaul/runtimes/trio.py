"""Runs a flow as part of a trio task: waiting, cancellation and threads are trio's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar

import trio

from ..flows.requests import Flow, Signal
from .batch_worker import BatchWorker
from .drive import await_steps, steps_of
from .engine import Engine
from .steps import NextRequest, Step, Suspend, Work

T = TypeVar("T")

MAX_WAIT_FOR_CALL = 2.0
"""Seconds that a cancelled flow waits for a call that is running in a thread: a disk that hangs
must not keep the program from ending."""
MAX_WAIT_FOR_START = 0.1
"""Seconds that a cancelled flow waits for a call that has not started."""
MAX_REQUESTS_IN_A_ROW = 16
"""Requests after which a flow lets others run, if it has not waited for anything."""


def run(
    flow: Flow[T],
    engine: Engine | None = None,
    batch_worker: BatchWorker | None = None,
    threads: Threads | None = None,
) -> Coroutine[Any, Any, T]:
    """Run a flow and return its result; what it raises is raised here. To be awaited.

    All its streams are closed and its children ended when it is over or cancelled. A ``LedgerCall``
    runs in ``batch_worker``, any other ``Call`` in ``threads``.
    """
    driver = Driver(batch_worker or BatchWorker(), threads or Threads())
    # Not a coroutine itself, which each flow that waits would keep.
    return await_steps(steps_of(flow, engine or Engine(trio.current_time)), driver.take)


class Driver:
    """Takes the steps of one flow."""

    __slots__ = ("_batch_worker", "_requests", "_threads")

    def __init__(self, batch_worker: BatchWorker, threads: Threads) -> None:
        self._batch_worker = batch_worker
        self._threads = threads
        self._requests = 0

    def take(self, step: Step) -> Coroutine[Any, Any, object]:
        """Return what waits, runs a call, or lets other tasks run."""
        # Not a coroutine itself, which each flow that waits would keep.
        match step:
            case Suspend():
                return suspend(step)
            case Work(call, shared):
                return (self._batch_worker if shared else self._threads).run(call)
            case NextRequest():
                return self._checkpoint()

    async def _checkpoint(self) -> None:
        # A request that is answered at once is no checkpoint: other tasks would never run, and
        # this flow would not notice that it has been cancelled.
        self._requests += 1
        if self._requests % MAX_REQUESTS_IN_A_ROW:
            await trio.lowlevel.checkpoint_if_cancelled()
        else:
            await trio.lowlevel.checkpoint()


class Threads:
    """Runs blocking calls of flows in threads, ``at_a_time`` of them at most."""

    def __init__(self, at_a_time: int = 40) -> None:
        self._limiter = trio.CapacityLimiter(at_a_time)

    async def run(self, call: Callable[[], T]) -> T:
        """Return the result of a call, or raise what it raises.

        A cancellation waits until the call has ended, since nobody may write a message again while
        it is still being written; but not for long. A call that hangs keeps its thread.
        """
        started = done = False

        def work() -> T:
            nonlocal started, done
            started = True
            try:
                return call()
            finally:
                done = True

        try:
            return await trio.to_thread.run_sync(
                work, abandon_on_cancel=True, limiter=self._limiter
            )
        except trio.Cancelled:
            with trio.CancelScope(shield=True):
                since = trio.current_time()
                while not done and trio.current_time() - since < (
                    MAX_WAIT_FOR_CALL if started else MAX_WAIT_FOR_START
                ):
                    await trio.sleep(0.01)
            raise


async def suspend(step: Suspend) -> None:
    """Wait for any of the descriptors, or for the time to pass."""
    timeout = float("inf") if step.timeout is None else step.timeout
    with trio.move_on_after(timeout):
        if len(step.reads) == 1 and not step.writes and not step.signals:
            await trio.lowlevel.wait_readable(step.reads[0])
            return
        if not step.reads and not step.writes:
            await wait_for_signals(step.signals)
            return
        async with trio.open_nursery() as nursery:

            async def wait_for(ready: Callable[[T], Awaitable[None]], what: T) -> None:
                await ready(what)
                nursery.cancel_scope.cancel()

            for fd in step.reads:
                nursery.start_soon(wait_for, trio.lowlevel.wait_readable, fd)
            for fd in step.writes:
                nursery.start_soon(wait_for, trio.lowlevel.wait_writable, fd)
            if step.signals:
                nursery.start_soon(wait_for, wait_for_signals, step.signals)


async def wait_for_signals(signals: Sequence[Signal]) -> None:
    """Wait until one of these is set."""
    event = trio.Event()
    for signal in signals:
        signal.listen(event.set)
    try:
        await event.wait()
    finally:
        for signal in signals:
            signal.ignore(event.set)
