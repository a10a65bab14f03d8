"""Runs several flows side by side in the calling thread, for a program that ends with them.

It does what the runtime on trio does, without cancellation: a signal handler that raises ends them
all. Importing trio would take longer than polling a few accounts.

Ledger calls run between two rounds, those of all flows together. Any other call runs in a thread
of its own, so that it delays no other flow.
"""

from __future__ import annotations

import _thread
import heapq
import os
import select
import signal
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack, contextmanager, suppress
from functools import partial

from ..flows.requests import Flow
from .calls import SharedCall, run_all
from .drive import steps_of
from .engine import Engine
from .steps import Suspend, Work

MAX_REQUESTS_IN_A_ROW = 16
"""Requests after which a flow lets others run, if it has not waited for anything."""
MAX_WAIT = 2_000_000.0
"""Seconds that one poll(2) call can wait, 23 days: milliseconds in 31 bits."""
MAX_WAIT_FOR_CALL = 2.0
"""Seconds that the end of all flows waits for calls that are running: a disk that hangs must not
keep the program from ending."""
FEW_TIMERS = 100
"""Timers of waits that have ended, and may be kept."""


def run(tasks: Iterable[tuple[Flow[None], Engine]]) -> None:
    """Run flows, each with its engine, until all have ended.

    If one raises an exception, or a signal handler does, all are ended at once and it is raised
    here. All their streams are closed and their children ended, however they end.
    """
    loop = Loop()
    try:
        for flow, engine in tasks:
            loop.add(flow, engine)
        loop.run()
    finally:
        loop.close()


class Task(SharedCall):
    """One flow with the call that it waits for, or the ``step``, if it waits for anything."""

    __slots__ = ("flow", "listener", "step", "steps", "times_suspended")

    def __init__(self, flow: Flow[None], engine: Engine) -> None:
        super().__init__(nothing)
        self.flow = flow
        self.steps = steps_of(flow, engine)
        self.step: Suspend | None = None
        self.listener: Callable[[], object] = nothing
        self.times_suspended = 0


def nothing() -> None:
    """Do nothing."""


Timer = tuple[float, int, int, Task]
"""When a flow continues at the latest; a number, by which equal times differ; in which wait."""


def is_running(timer: Timer) -> bool:
    """Whether the flow is still in this wait."""
    _, _, times_suspended, task = timer
    return task.step is not None and task.times_suspended == times_suspended


class Loop:
    """The flows, and what they wait for."""

    def __init__(self) -> None:
        self._tasks: set[Task] = set()
        self._ready: deque[Task] = deque()
        self._batch: list[Task] = []
        self._poll = select.poll()
        self._by_descriptor: dict[int, Task] = {}
        self._timers: list[Timer] = []
        self._timers_made = 0
        self._threads = 0
        self._returned: deque[Task] = deque()
        self._bell, self._rope = os.pipe()
        os.set_blocking(self._rope, False)
        self._poll.register(self._bell, select.POLLIN)

    def add(self, flow: Flow[None], engine: Engine) -> None:
        """Add a flow; it begins when the loop runs."""
        task = Task(flow, engine)
        self._tasks.add(task)
        self._ready.append(task)

    def run(self) -> None:
        """Run all flows to their ends."""
        with rung_by_signals(self._rope):
            self._run()

    def _run(self) -> None:
        while self._tasks:
            # Those that become ready meanwhile come after a look at the descriptors.
            for _ in range(len(self._ready)):
                self._resume(self._ready.popleft())
            if self._batch:
                batch, self._batch = self._batch, []
                run_all(batch)
                self._ready.extend(batch)
            if self._tasks:
                self._wait()

    def close(self) -> None:
        """End the flows that are left, and free the descriptors."""
        with ExitStack() as closing:
            closing.callback(self._close_pipe)
            for task in self._tasks:
                closing.callback(task.flow.close)
                closing.callback(task.steps.close)
            # A call may write to a descriptor that its flow closes when it ends.
            closing.callback(self._wait_for_calls)

    def _wait_for_calls(self) -> None:
        """Wait for the calls that are running, but not for long."""
        deadline = time.monotonic() + MAX_WAIT_FOR_CALL
        poll = select.poll()
        poll.register(self._bell, select.POLLIN)
        while self._threads and (left := deadline - time.monotonic()) > 0:
            if poll.poll(left * 1000):
                os.read(self._bell, 4096)
            self._note_returned()

    def _close_pipe(self) -> None:
        os.close(self._bell)
        if not self._threads:
            # Else a thread that still works will ring.
            os.close(self._rope)

    # Steps

    def _resume(self, task: Task) -> None:
        """Take the steps of a flow until it waits or has run for long enough."""
        result, error = task.result, task.error
        task.result = task.error = None
        steps = task.steps
        try:
            for _ in range(MAX_REQUESTS_IN_A_ROW):
                step = steps.send(result) if error is None else steps.throw(error)
                result = error = None
                if isinstance(step, Suspend):
                    self._suspend(task, step)
                    return
                if isinstance(step, Work):
                    self._call(task, step)
                    return
        except StopIteration:
            self._tasks.discard(task)
            return
        self._ready.append(task)

    def _call(self, task: Task, step: Work) -> None:
        task.call, task.done = step.call, False
        if step.shared:
            self._batch.append(task)
            return
        try:
            _thread.start_new_thread(self._work, (task,))
            self._threads += 1
        except RuntimeError as failure:
            task.error = failure
            self._ready.append(task)

    def _work(self, task: Task) -> None:
        """Run a call in a thread."""
        run_all([task])
        self._returned.append(task)
        with suppress(OSError):
            os.write(self._rope, b"!")

    # Waiting

    def _suspend(self, task: Task, step: Suspend) -> None:
        task.step = step
        task.times_suspended += 1
        for fd in step.reads:
            self._by_descriptor[fd] = task
            self._poll.register(fd, select.POLLIN)
        for fd in step.writes:
            self._by_descriptor[fd] = task
            self._poll.register(fd, select.POLLOUT | (select.POLLIN if fd in step.reads else 0))
        if step.timeout is not None and step.timeout < MAX_WAIT:
            self._timers_made += 1
            due = time.monotonic() + step.timeout
            heapq.heappush(self._timers, (due, self._timers_made, task.times_suspended, task))
            if len(self._timers) > FEW_TIMERS + 2 * len(self._tasks):
                # Most waits end long before their timeout.
                self._timers = [timer for timer in self._timers if is_running(timer)]
                heapq.heapify(self._timers)
        if step.signals:
            task.listener = partial(self._wake, task, task.times_suspended)
            for one in step.signals:
                if task.step is step:
                    one.listen(task.listener)

    def _wake(self, task: Task, times_suspended: int) -> None:
        """Let a flow continue if it still waits for what has happened."""
        step = task.step
        if step is None or task.times_suspended != times_suspended:
            return
        task.step = None
        for fd in {*step.reads, *step.writes}:
            del self._by_descriptor[fd]
            self._poll.unregister(fd)
        for one in step.signals:
            one.ignore(task.listener)
        self._ready.append(task)

    def _wait(self) -> None:
        """Wait until a flow can continue; let those continue that can."""
        for fd, _ in self._poll.poll(self._milliseconds()):
            if task := self._by_descriptor.get(fd):
                self._wake(task, task.times_suspended)
            elif fd == self._bell:
                os.read(self._bell, 4096)
        self._note_returned()
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            _, _, times_suspended, task = heapq.heappop(self._timers)
            self._wake(task, times_suspended)

    def _note_returned(self) -> None:
        while self._returned:
            self._threads -= 1
            self._ready.append(self._returned.popleft())

    def _milliseconds(self) -> int | None:
        """Return how long nothing happens by itself, None for ever."""
        if self._ready or self._returned:
            return 0
        while self._timers:
            if is_running(timer := self._timers[0]):
                return max(0, round((timer[0] - time.monotonic()) * 1000) + 1)
            heapq.heappop(self._timers)
        return None


@contextmanager
def rung_by_signals(rope: int) -> Generator[None]:
    """Write to this descriptor at each signal, until the end of the ``with`` statement.

    The system may deliver a signal to a thread that runs a call, and its handler runs only when the
    main thread wakes. To block all signals there instead would block them in the commands of calls.
    """
    try:
        before = signal.set_wakeup_fd(rope, warn_on_full_buffer=False)
    except ValueError:
        # Not the main thread, where no handler runs.
        yield
        return
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
