"""Runs a flow as part of a trio task: waiting, cancellation and threads are trio's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol, TypeVar

import trio

from ..flows.requests import Address, Close, Flow, Open, OpenFailed, Request
from .batch_worker import BatchWorker
from .drive import await_steps, steps_of
from .engine import Engine
from .steps import NextRequest, Step, Suspend, Work

T = TypeVar("T")

MAX_WAIT_FOR_CALL = 2.0
"""Seconds that a cancelled flow waits for a call that is running in a thread: a disk that hangs
must not keep the program from ending."""
SECONDS_FOR_ANOTHER = 0.1
"""Seconds that a flow waits for a slot if it already has a connection to the same address."""
MAX_WAIT_FOR_START = 0.1
"""Seconds that a cancelled flow waits for a call that has not started."""
MAX_REQUESTS_IN_A_ROW = 16
"""Requests after which a flow lets others run, if it has not waited for anything."""


class Gate(Protocol):
    """Limits connections, as a trio.CapacityLimiter does."""

    async def acquire_on_behalf_of(self, borrower: object) -> None:
        """Wait for a slot."""
        ...

    def release_on_behalf_of(self, borrower: object) -> None:
        """Give the slot back."""
        ...


GateOf = Callable[[Address], Gate | None]
"""Returns what limits the connections to an address, or None."""


def run(
    flow: Flow[T],
    engine: Engine | None = None,
    gate: GateOf | None = None,
    batch_worker: BatchWorker | None = None,
    threads: Threads | None = None,
) -> Coroutine[Any, Any, T]:
    """Run a flow and return its result; what it raises is raised here. To be awaited.

    All its streams are closed and its children ended when it is over or cancelled. Where ``gate``
    names a limiter for an address, a connection to it waits for a slot; that time does not count
    against the timeout of the connection. A ``LedgerCall`` runs in ``batch_worker``, any other
    ``Call`` in ``threads``.
    """
    slots = ConnectionSlots(gate)
    driver = Driver(slots, batch_worker or BatchWorker(), threads or Threads())
    # Not a coroutine itself, which each flow that waits would keep.
    steps = steps_of(flow, engine or Engine(trio.current_time))
    return await_steps(steps, driver.take, slots.release_all)


class Driver:
    """Takes the steps of one flow."""

    __slots__ = ("_batch_worker", "_requests", "_slots", "_threads")

    def __init__(self, slots: ConnectionSlots, batch_worker: BatchWorker, threads: Threads) -> None:
        self._slots = slots
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
            case NextRequest(request):
                return self._before(request)

    async def _before(self, request: Request[object]) -> None:
        await self._checkpoint()
        await self._slots.before(request)

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


class ConnectionSlots:
    """The slots that the connections of one flow hold in the limiters of their addresses."""

    __slots__ = ("_gate", "_held")

    def __init__(self, gate: GateOf | None) -> None:
        self._gate = gate
        self._held: dict[object, tuple[Gate, Address]] = {}

    async def before(self, request: Request[object]) -> None:
        """Wait for a slot before a connection is opened; release it when one is closed."""
        if self._gate is None:
            return
        match request:
            case Open(channel, address):
                limiter = self._gate(address)
                if limiter:
                    await self._acquire(limiter, channel, address)
                    self._held[channel] = limiter, address
            case Close(target) if held := self._held.pop(target, None):
                held[0].release_on_behalf_of(target)
            case _:
                pass

    async def _acquire(self, limiter: Gate, channel: object, address: Address) -> None:
        """Wait for a slot; for one more at an address, not for long. Raises OpenFailed.

        Flows that hold one slot each and wait for another one would wait for each other for ever.
        """
        if all(address != other for _, other in self._held.values()):
            await limiter.acquire_on_behalf_of(channel)
            return
        with trio.move_on_after(SECONDS_FOR_ANOTHER) as scope:
            await limiter.acquire_on_behalf_of(channel)
        if scope.cancelled_caught:
            raise OpenFailed("too many connections of other accounts")

    def release_all(self) -> None:
        """Release the slots that are still held."""
        while self._held:
            channel, (limiter, _) = self._held.popitem()
            limiter.release_on_behalf_of(channel)


async def suspend(step: Suspend) -> None:
    """Wait for any of the descriptors, or for the time to pass."""
    timeout = float("inf") if step.timeout is None else step.timeout
    with trio.move_on_after(timeout):
        if len(step.reads) == 1 and not step.writes:
            await trio.lowlevel.wait_readable(step.reads[0])
            return
        if not step.reads and not step.writes:
            await trio.sleep_forever()
        async with trio.open_nursery() as nursery:

            async def wait_for(ready: Callable[[int], Awaitable[None]], fd: int) -> None:
                await ready(fd)
                nursery.cancel_scope.cancel()

            for fd in step.reads:
                nursery.start_soon(wait_for, trio.lowlevel.wait_readable, fd)
            for fd in step.writes:
                nursery.start_soon(wait_for, trio.lowlevel.wait_writable, fd)
