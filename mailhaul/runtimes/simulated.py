"""Runs flows and their peers in memory, on a clock that jumps: no sockets, no waiting.

A simulation holds any number of flows, each with an engine as on every other runtime. The sockets
are simulated: links with a round-trip time and a window, as a network has. Where one flow opens an
address, the flow that was registered for it is started as its peer. One seed decides how bytes are
cut into pieces, so a run can be repeated exactly.

This file is long because everything that a kernel does for the other runtimes is here.
"""

from __future__ import annotations

import errno
import heapq
import os
import signal
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Generic, TypeVar

from ..flows.channel import Channel, Endpoint
from ..flows.requests import (
    Address,
    Flow,
    OpenFailed,
    Pipe,
    Program,
    Start,
    Tcp,
    TimedOut,
    UpgradeToTls,
)
from .drive import steps_of
from .engine import ChannelObserver, Engine, Running
from .steps import Steps, Suspend, Work
from .stream import Stream

if TYPE_CHECKING:
    from ..protocols.proxy.address import Proxy

T = TypeVar("T")
MachineT = TypeVar("MachineT", bound=Endpoint)
ResultT = TypeVar("ResultT", covariant=True)

WINDOW = 1024 * 1024
"""Bytes that one direction of a link holds before its sender has to wait."""
MAX_STEPS = 20_000_000
"""Steps after which a simulation is taken to run for ever."""


class Killed(BaseException):
    """The simulated process was killed at the step that the test chose."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What a simulated program does: its exit status, output, and seconds it takes."""

    status: int = 0
    output: bytes = b""
    seconds: float = 0.0


class Task(Generic[ResultT]):
    """One flow and its engine. ``suspended`` is what it waits for, if it waits.

    It has a ``result`` when the flow has returned.
    """

    result: ResultT

    def __init__(self, flow: Flow[ResultT], engine: SimulatedEngine) -> None:
        self.flow = flow
        self.engine = engine
        self.steps = steps_of(flow, engine)
        self.suspended: Suspend | None = None
        self.times_suspended = 0


class End:
    """One end of a link, which behaves like a socket.

    ``inbox`` has arrived and not been read, ``in_flight`` counts bytes that the peer has not read,
    ``ended`` says that nothing more arrives, ``arrives`` when the last bytes under way will.
    """

    def __init__(self, simulation: Simulation) -> None:
        self.peer: End | None = None
        self.inbox: deque[bytes] = deque()
        self.in_flight = 0
        self.ended = False
        self.closed = False
        self.arrives = 0.0
        self._simulation = simulation
        self._number = simulation.register(self)

    @property
    def readable(self) -> bool:
        """Whether ``recv`` returns at once."""
        return bool(self.inbox) or self.ended

    @property
    def writable(self) -> bool:
        """Whether ``sendmsg`` sends something, or fails."""
        return self.in_flight < WINDOW or self.ended

    def fileno(self) -> int:
        """Return the number that the simulation knows it by."""
        return self._number

    def recv(self, bufsize: int, /) -> bytes:
        """Return the next piece that has arrived, b"" at the end."""
        if not self.inbox:
            if self.ended:
                return b""
            raise BlockingIOError
        data = self.inbox.popleft()
        if len(data) > bufsize:
            self.inbox.appendleft(data[bufsize:])
            data = data[:bufsize]
        if self.peer:
            self.peer.in_flight -= len(data)
            self._simulation.wake(self.peer.fileno())
        return data

    def sendmsg(self, buffers: Sequence[memoryview], /) -> int:
        """Send as much as the window has room for."""
        if self.ended:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        if not self.writable:
            raise BlockingIOError
        pieces: list[memoryview] = []
        room = WINDOW - self.in_flight
        for buffer in buffers:
            pieces.append(buffer[:room])
            room -= len(pieces[-1])
            if not room:
                break
        data = b"".join(pieces)
        self.in_flight += len(data)
        self._simulation.send(self, data)
        return len(data)

    def close(self) -> None:
        """Close it. What was sent still arrives at the peer, then the end."""
        if not self.closed:
            self.closed = True
            self._simulation.hang_up(self)


class SimulatedProcess:
    """A program that runs for some seconds, and its output."""

    readable = writable = False
    fd = -1
    open = False

    def __init__(self, simulation: Simulation, ran: Ran) -> None:
        self.status: int | None = None
        self.kept = b""
        self.exit_fd: int | None = simulation.register(self)
        self._simulation = simulation
        simulation.call_later(ran.seconds, lambda: self._end(ran.status, ran.output))

    def _end(self, status: int, output: bytes = b"") -> None:
        if self.status is None and self.exit_fd is not None:
            self.status, self.kept = status, output
            self.readable = True
            self._simulation.wake(self.exit_fd)

    def poll(self) -> int | None:
        """Return the exit status if it has ended."""
        return self.status

    def signal(self, number: int) -> None:
        """End it: no simulated program ignores a signal."""
        self._end(-number)

    def kill_now(self) -> None:
        """End it."""
        self._end(-signal.SIGKILL)

    def drain(self) -> None:
        """Do nothing: the output is there when the program ends."""

    def close(self) -> None:
        """Forget the program."""
        if self.exit_fd is not None:
            self._simulation.unregister(self.exit_fd)
            self.exit_fd = None


class SimulatedEngine(Engine):
    """An engine whose streams and programs are simulated; the rest is as on every runtime."""

    def __init__(self, simulation: Simulation, observer: ChannelObserver | None) -> None:
        super().__init__(lambda: simulation.now, observer)
        self._simulation = simulation

    def _connect(self, channel: Channel[Endpoint], address: Address, timeout: float) -> Steps[None]:
        seconds = 0.0 if isinstance(address, Pipe) else self._simulation.round_trip
        if seconds > timeout:
            yield Suspend(timeout=timeout)
            raise TimedOut(timeout)
        if isinstance(address, Tcp) and address.proxy:
            yield from self._connect_through(address.proxy, channel, address, timeout)
            return
        self.use(channel, self._simulation.connect(channel, address))
        yield from self._sleep(seconds)

    def _connect_through(
        self, proxy: Proxy, channel: Channel[Endpoint], address: Tcp, timeout: float
    ) -> Steps[None]:
        from .proxies import pass_proxy

        end = self._simulation.connect(channel, address.first_hop)
        try:
            yield from self._sleep(self._simulation.round_trip)
            yield from pass_proxy(end, proxy, address, self._clock() + timeout, self._clock)
        except BaseException:
            end.close()
            raise
        self.use(channel, end)

    def use(self, channel: Channel[Endpoint], end: End) -> None:
        """Use one end of a link as the channel's stream."""
        self._attach(Stream(channel, end, None, None))

    def _upgrade(self, request: UpgradeToTls) -> Steps[None]:
        stream = self._stream(request.channel)
        stream.flush()
        seconds = self._simulation.round_trip
        yield from self._sleep(min(seconds, request.timeout))
        if seconds > request.timeout:
            raise TimedOut(request.timeout)
        request.channel.tls = True

    def _start(self, request: Start) -> Steps[Program]:
        process = self._simulation.start_program(request)
        program = Program(request.argv[0])
        self._programs.append(Running(program, process, process))
        return program
        yield


class Simulation:
    """A world with a virtual clock. ``round_trip`` is in seconds.

    ``cut`` makes links hand over random pieces. ``kill_at`` stops everything, as SIGKILL
    would, before the step of that number.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        round_trip: float = 0.0,
        cut: bool = False,
        kill_at: int | None = None,
        run_program: Callable[[tuple[str, ...], bytes], Ran] | None = None,
        observer: ChannelObserver | None = None,
    ) -> None:
        self.now = 0.0
        self.steps = 0
        self.round_trip = round_trip
        self._random = Random(seed)  # noqa: S311 - a repeatable choice, not a secret
        self._cut = cut
        self._kill_at = kill_at
        self._run_program = run_program
        self._observer = observer
        self._listeners: dict[Address, Callable[[], tuple[Channel[Endpoint], Flow[object]]]] = {}
        self._ready: deque[Task[object]] = deque()
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._numbers = count(1)
        self._registered: dict[int, End | SimulatedProcess] = {}
        self._waiting: dict[int, Task[object]] = {}
        self._main: Task[object] | None = None
        self._tasks: list[Task[object]] = []
        self._failure: BaseException | None = None
        self._over = False

    def listen(
        self,
        address: Address,
        machine: Callable[[], MachineT],
        serve: Callable[[Channel[MachineT]], Flow[object]],
    ) -> None:
        """Let ``serve`` be the peer of every channel that is opened to ``address``."""

        def accept() -> tuple[Channel[Endpoint], Flow[object]]:
            channel = Channel("client", machine())
            return channel, serve(channel)

        self._listeners[address] = accept

    def run(self, flow: Flow[T]) -> T:
        """Run a flow to its end; what it raises is raised here. Its peers end with it."""
        self._main = main = Task(flow, SimulatedEngine(self, self._observer))
        self._over = False
        self._failure = None
        self._tasks = [self._main]
        self._ready.append(self._main)
        try:
            while not self._over:
                self._step()
        finally:
            self._ready.clear()
            # Nobody waits any longer: what closing one task ends must not resume another.
            self._waiting.clear()
            for task in self._tasks:
                # A task that has not started has no step that would close its flow.
                task.flow.close()
                task.steps.close()
            self._timers.clear()
        if self._failure:
            raise self._failure
        return main.result

    def _step(self) -> None:
        self.steps += 1
        if self._kill_at is not None and self.steps >= self._kill_at:
            raise Killed
        if self.steps > MAX_STEPS:
            raise RuntimeError("the simulation does not end")
        if self._ready:
            self._resume(self._ready.popleft())
        elif self._timers:
            when, _, action = heapq.heappop(self._timers)
            self.now = max(self.now, when)
            action()
        else:
            raise RuntimeError("every flow waits for another one")

    def _at(self, when: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._timers, (when, next(self._order), action))

    def call_later(self, seconds: float, action: Callable[[], None]) -> None:
        """Let something happen after this many seconds."""
        self._at(self.now + seconds, action)

    # Tasks

    def _resume(self, task: Task[object]) -> None:
        """Take the steps of a flow until it waits, or is about to make its next request."""
        try:
            step = next(task.steps)
            while isinstance(step, Work):
                try:
                    result = step.call()
                except Exception as error:
                    step = task.steps.throw(error)
                else:
                    step = task.steps.send(result)
        except StopIteration as end:
            task.result = end.value
            self._finish(task, None)
        except Exception as failure:
            self._finish(task, failure)
        else:
            if isinstance(step, Suspend):
                self._suspend(task, step)
            else:
                self._ready.append(task)

    def _finish(self, task: Task[object], failure: BaseException | None) -> None:
        if task is self._main:
            self._failure, self._over = failure, True
        elif failure:
            raise failure

    # Waiting

    def _suspend(self, task: Task[object], step: Suspend) -> None:
        task.suspended = step
        task.times_suspended += 1
        if self._unpark(task):
            return
        for number in (*step.reads, *step.writes):
            self._waiting[number] = task
        for one in step.signals:
            one.listen(lambda: self._unpark(task))
        if step.timeout is not None:
            times = task.times_suspended
            self._at(self.now + step.timeout, lambda: self._time_out(task, times))

    def _time_out(self, task: Task[object], times_suspended: int) -> None:
        if task.suspended and task.times_suspended == times_suspended:
            task.suspended = None
            self._ready.append(task)

    def _unpark(self, task: Task[object]) -> bool:
        """Resume a task if what it waits for is there."""
        if task.suspended is None or not self._is_ready(task.suspended):
            return False
        task.suspended = None
        self._ready.append(task)
        return True

    def _is_ready(self, step: Suspend) -> bool:
        known = self._registered
        if any(signal.is_set for signal in step.signals):
            return True
        return any(known[number].readable for number in step.reads) or any(
            known[number].writable for number in step.writes
        )

    def register(self, what: End | SimulatedProcess) -> int:
        """Return a number by which an engine can wait for it."""
        number = next(self._numbers)
        self._registered[number] = what
        return number

    def unregister(self, number: int) -> None:
        """Forget what has this number."""
        self._registered.pop(number, None)
        self._waiting.pop(number, None)

    def wake(self, number: int) -> None:
        """Resume the task that waits for this, if it is ready now."""
        if task := self._waiting.get(number):
            self._unpark(task)

    # Links

    def connect(self, channel: Channel[Endpoint], address: Address) -> End:
        """Return our end of a new link, and start the peer. Raises OpenFailed."""
        listener = self._listeners.get(address)
        if listener is None:
            raise refused(address)
        ours, theirs = End(self), End(self)
        ours.peer, theirs.peer = theirs, ours
        server, flow = listener()
        peer = Task(flow, SimulatedEngine(self, None))
        peer.engine.use(server, theirs)
        self._tasks.append(peer)
        delay = 0.0 if isinstance(address, Pipe) else self.round_trip / 2
        self._at(self.now + delay, lambda: self._ready.append(peer))
        return ours

    def send(self, end: End, data: bytes) -> None:
        """Send bytes to the peer of this end."""
        if end.peer:
            self._deliver(end.peer, data)

    def _deliver(self, to: End, data: bytes) -> None:
        to.arrives = max(to.arrives, self.now + self.round_trip / 2)
        for piece in self._pieces(data):
            self._at(to.arrives, lambda piece=piece: self._arrive(to, piece))  # type: ignore[misc]

    def _pieces(self, data: bytes) -> list[bytes]:
        if not self._cut:
            return [data]
        pieces: list[bytes] = []
        while data:
            size = self._random.choice([1, 2, 7, 100, 4096, 65536])
            pieces.append(data[:size])
            data = data[size:]
        return pieces

    def _arrive(self, end: End, data: bytes) -> None:
        if not end.closed:
            end.inbox.append(data)
            self.wake(end.fileno())

    def hang_up(self, end: End) -> None:
        """Let the end of input arrive at the peer of this end, which has been closed."""
        self.unregister(end.fileno())
        if peer := end.peer:
            peer.arrives = max(peer.arrives, self.now + self.round_trip / 2)
            self._at(peer.arrives, lambda: self._end(peer))

    def _end(self, end: End) -> None:
        end.ended = True
        self.wake(end.fileno())

    # Programs

    def start_program(self, request: Start) -> SimulatedProcess:
        """Run a program. Raises OpenFailed."""
        if self._run_program is None:
            raise not_found(request.argv)
        fd = request.stdin if request.captured else None
        data = b"" if fd is None else os.pread(fd, os.fstat(fd).st_size, 0)
        return SimulatedProcess(self, self._run_program(request.argv, data))


def refused(address: Address) -> OpenFailed:
    """Return the fault of an address that nothing listens to."""
    match address:
        case Tcp(host, port):
            return OpenFailed(f"connection to {host}:{port} failed: {host}: Connection refused")
        case Pipe(argv):
            return not_found(argv)
        case _:
            return OpenFailed(f"connection to {address.path} failed: No such file or directory")


def not_found(argv: tuple[str, ...]) -> OpenFailed:
    """Return the fault of a program that does not exist."""
    return OpenFailed(f'program "{argv[0]}" not found')
