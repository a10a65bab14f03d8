"""Runs a flow as part of a trio task: waiting, cancellation and threads are trio's."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeVar

import trio

from ..flows.requests import Address, Close, Open, Request
from .desk import Desk
from .engine import Engine
from .parking import Park, Step

T = TypeVar("T")
FAIR = 16
"""Requests after which a flow lets others run, if it has not waited for anything."""


STUCK = 2.0
"""Seconds that work in a thread may take to its end when its flow is cancelled. A disk that hangs
must not keep the program from ending."""
NOT_BEGUN = 0.1
"""Seconds after which work that has not begun never will."""


GateOf = Callable[[Address], trio.CapacityLimiter | None]
"""Says what bounds the connections to an address, if anything does."""


async def run(
    flow: Coroutine[Request[Any], Any, T],
    engine: Engine | None = None,
    gate: GateOf | None = None,
    desk: Desk | None = None,
) -> T:
    """Run a flow and return its result; what it raises is raised here.

    All its streams are closed and its children ended when it is over or cancelled. A connection
    waits for its turn where ``gate`` names a limiter for its address; the time of waiting is not
    taken from its own. What flows note in something that they share is done at their ``desk``.
    """
    engine = engine or Engine(trio.current_time)
    turns = Turns(gate)
    desk = desk or Desk()
    try:
        request = flow.send(None)
        step = 0
        while True:
            step += 1
            try:
                # Where everything is there already nothing waits: others want to run, too, and
                # this flow may have been cancelled.
                if step % FAIR:
                    await trio.lowlevel.checkpoint_if_cancelled()
                else:
                    await trio.lowlevel.checkpoint()
                await turns.before(request)
                answer = await finish(engine.perform(request), desk)
            except Exception as error:
                request = flow.throw(error)
            else:
                request = flow.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        flow.close()
        engine.abandon()
        turns.end()


class Turns:
    """The connections of one flow that others may have to wait for."""

    def __init__(self, gate: GateOf | None) -> None:
        self._gate = gate
        self._held: dict[Any, trio.CapacityLimiter] = {}

    async def before(self, request: Request[Any]) -> None:
        """Wait for a turn before a connection is opened; give it back as one is closed."""
        if self._gate is None:
            return
        match request:
            case Open(channel, address):
                limiter = self._gate(address)
                if limiter:
                    await limiter.acquire_on_behalf_of(channel)
                    self._held[channel] = limiter
            case Close(target) if limiter := self._held.pop(target, None):
                limiter.release_on_behalf_of(target)
            case _:
                pass

    def end(self) -> None:
        """Give back whatever is still held."""
        while self._held:
            channel, limiter = self._held.popitem()
            limiter.release_on_behalf_of(channel)


async def finish(steps: Generator[Step, Any, Any], desk: Desk) -> Any:
    """Take the steps of one answer, waiting as they ask."""
    try:
        step = next(steps)
        while True:
            if isinstance(step, Park):
                await park(step)
                step = steps.send(None)
            else:
                try:
                    if step.shared:
                        result = await desk.do(step.call)
                    else:
                        result = await in_thread(step.call)
                except Exception as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(result)
    except StopIteration as end:
        return end.value
    finally:
        steps.close()


async def in_thread(call: Callable[[], Any]) -> Any:
    """Return what a call returns that may block. A cancellation waits for its end, but not long."""
    begun = done = False

    def work() -> Any:
        nonlocal begun, done
        begun = True
        try:
            return call()
        finally:
            done = True

    try:
        return await trio.to_thread.run_sync(work, abandon_on_cancel=True)
    except trio.Cancelled:
        with trio.CancelScope(shield=True):
            since = trio.current_time()
            while not done and trio.current_time() < since + (STUCK if begun else NOT_BEGUN):
                await trio.sleep(0.01)
        raise


async def park(step: Park) -> None:
    """Wait for any of the descriptors, or for the time to pass."""
    timeout = float("inf") if step.timeout is None else step.timeout
    with trio.move_on_after(timeout):
        if len(step.reads) == 1 and not step.writes:
            await trio.lowlevel.wait_readable(step.reads[0])
            return
        if not step.reads and not step.writes:
            await trio.sleep_forever()
        async with trio.open_nursery() as nursery:

            async def first(wait: Any, fd: int) -> None:
                await wait(fd)
                nursery.cancel_scope.cancel()

            for fd in step.reads:
                nursery.start_soon(first, trio.lowlevel.wait_readable, fd)
            for fd in step.writes:
                nursery.start_soon(first, trio.lowlevel.wait_writable, fd)
