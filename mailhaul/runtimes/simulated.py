"""Runs flows and their peers in memory, on a clock that jumps: no sockets, no waiting.

A simulation holds any number of flows. Streams between them are links with a round-trip time
and a window, as a network has; where one flow opens an address, the flow that was registered
for it is started as its peer. One seed decides how bytes are cut into pieces, so a run can be
repeated exactly.
"""

from __future__ import annotations

import heapq
import os
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any, TypeVar

from ..flows.channel import RELIEVED, Channel, Endpoint, Program
from ..flows.pace import Pace
from ..flows.requests import (
    Address,
    Call,
    Close,
    Now,
    Open,
    OpenFailed,
    Pipe,
    Request,
    Sleep,
    Start,
    TimedOut,
    UpgradeToTls,
    Wait,
)

T = TypeVar("T")
Flow = Coroutine[Request[Any], Any, Any]

WINDOW = 1024 * 1024
"""Bytes that one direction of a link holds before its sender has to wait."""
MOST_STEPS = 20_000_000
"""Steps after which a simulation is taken to run for ever."""


class Killed(BaseException):
    """The simulated process was killed at the step that the test chose."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What a simulated program does: its exit status, output, and seconds it takes."""

    status: int = 0
    output: bytes = b""
    seconds: float = 0.0


@dataclass(eq=False, slots=True)
class Task:
    """One flow, and what it waits for."""

    flow: Flow
    name: str
    channels: list[Channel[Any]] = field(default_factory=list[Channel[Any]])
    waiting: Wait | None = None
    congested: list[Channel[Any]] = field(default_factory=list[Channel[Any]])
    turn: int = 0
    began: float = 0.0


@dataclass(eq=False)
class End:
    """One end of a link: what has arrived and not been read, what waits to be sent."""

    channel: Channel[Any]
    task: Task
    peer: End | None = None
    inbox: deque[bytes] = field(default_factory=deque[bytes])
    outbox: deque[bytes] = field(default_factory=deque[bytes])
    in_flight: int = 0
    ended: bool = False
    told: bool = False
    arrives: float = 0.0


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
        witness: Callable[[Channel[Any]], None] | None = None,
    ) -> None:
        self.now = 0.0
        self.steps = 0
        self._random = Random(seed)  # noqa: S311 - a repeatable choice, not a secret
        self._half = round_trip / 2
        self._cut = cut
        self._kill_at = kill_at
        self._run_program = run_program
        self._witness = witness
        self._listeners: dict[
            Address, tuple[Callable[[], Endpoint], Callable[[Channel[Any]], Flow]]
        ] = {}
        self._ready: deque[tuple[Task, Any, BaseException | None]] = deque()
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._main: Task | None = None
        self._tasks: list[Task] = []
        self._result: Any = None
        self._failure: BaseException | None = None
        self._over = False

    def listen(
        self,
        address: Address,
        machine: Callable[[], Endpoint],
        serve: Callable[[Channel[Any]], Flow],
    ) -> None:
        """Let ``serve`` be the peer of whoever opens ``address``."""
        self._listeners[address] = (machine, serve)

    def run(self, flow: Coroutine[Request[Any], Any, T]) -> T:
        """Run a flow to its end; what it raises is raised here. Its peers end with it."""
        self._main = Task(flow, "main")
        self._over = False
        self._failure = None
        self._tasks = [self._main]
        self._ready.append((self._main, None, None))
        try:
            while not self._over:
                self._step()
        finally:
            self._ready.clear()
            self._timers.clear()
            for task in self._tasks:
                task.flow.close()
        if self._failure:
            raise self._failure
        result: T = self._result
        return result

    def _step(self) -> None:
        self.steps += 1
        if self._kill_at is not None and self.steps >= self._kill_at:
            raise Killed
        if self.steps > MOST_STEPS:
            raise RuntimeError("the simulation does not end")
        if self._ready:
            self._resume(*self._ready.popleft())
        elif self._timers:
            when, _, action = heapq.heappop(self._timers)
            self.now = max(self.now, when)
            action()
        else:
            raise RuntimeError("every flow waits for another one")

    def _at(self, when: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._timers, (when, next(self._order), action))

    def _later(self, seconds: float, task: Task, value: Any = None) -> None:
        self._at(self.now + seconds, lambda: self._ready.append((task, value, None)))

    # Tasks

    def _resume(self, task: Task, value: Any, error: BaseException | None) -> None:
        try:
            request = task.flow.throw(error) if error else task.flow.send(value)
        except StopIteration as end:
            self._finish(task, end.value, None)
        except Exception as failure:
            self._finish(task, None, failure)
        else:
            task.congested = [channel for channel in task.channels if channel.congested]
            for channel in task.channels:
                self._flush(channel.stream)
            try:
                self._perform(task, request)
            except Exception as failure:
                self._ready.append((task, None, failure))

    def _finish(self, task: Task, value: Any, failure: BaseException | None) -> None:
        for channel in list(task.channels):
            self._flush(channel.stream)
            self._hang_up(task, channel)
        if task is self._main:
            self._result, self._failure, self._over = value, failure, True
        elif failure:
            raise failure

    def _perform(self, task: Task, request: Request[Any]) -> None:
        match request:
            case Wait():
                self._wait(task, request)
            case Open():
                self._open(task, request)
            case Close(target):
                if isinstance(target, Channel):
                    self._hang_up(task, target)
                elif target.status is None:
                    target.status = -15
                self._ready.append((task, None, None))
            case UpgradeToTls(channel):
                channel.tls = True
                self._later(2 * self._half, task)
            case Start(argv, stdin, _, captured):
                self._start(task, argv, stdin if captured else None)
            case Call(work):
                self._ready.append((task, work(), None))
            case Sleep(seconds):
                self._later(seconds, task)
            case Now():
                self._ready.append((task, self.now, None))
            case _:
                raise TypeError(f"not a request: {request!r}")

    # Links

    def _open(self, task: Task, request: Open) -> None:
        listener = self._listeners.get(request.address)
        if listener is None:
            raise OpenFailed(f"connection to {request.address} failed: Connection refused")
        make_machine, serve = listener
        ours = self._attach(request.channel, task)
        if self._witness and task is self._main:
            self._witness(request.channel)
        server = Channel("client", make_machine())
        peer = Task(serve(server), f"peer of {request.channel.peer}")
        self._tasks.append(peer)
        theirs = self._attach(server, peer)
        ours.peer, theirs.peer = theirs, ours
        delay = 0.0 if isinstance(request.address, Pipe) else self._half
        self._later(delay, peer)
        self._later(2 * delay, task)

    def _attach(self, channel: Channel[Any], task: Task) -> End:
        end = End(channel, task)
        channel.stream = end
        channel.open = True
        task.channels.append(channel)
        return end

    def _flush(self, end: End) -> None:
        """Send what the machine has to say, as far as the window allows."""
        end.outbox.extend(end.channel.machine.data_to_send())
        peer = end.peer
        if peer is None or (end.ended and end.told):
            end.outbox.clear()
        while peer and end.outbox and end.in_flight < WINDOW:
            data = end.outbox.popleft()
            end.in_flight += len(data)
            if end.channel.pace:
                end.channel.pace.moved(len(data))
            self._deliver(peer, data)
        end.channel.unwritten = sum(map(len, end.outbox))

    def _deliver(self, to: End, data: bytes) -> None:
        to.arrives = max(to.arrives, self.now + self._half)
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
        if end.channel.open:
            end.inbox.append(data)
            self._tell(end)

    def _hang_up(self, task: Task, channel: Channel[Any]) -> None:
        if not channel.open:
            return
        end: End = channel.stream
        # A closed socket's buffer is still delivered, however slow the peer.
        end.in_flight = -sum(map(len, end.outbox)) - channel.machine.unsent
        self._flush(end)
        channel.open = False
        task.channels.remove(channel)
        if peer := end.peer:
            peer.arrives = max(peer.arrives, self.now + self._half)
            self._at(peer.arrives, lambda: self._end(peer))

    def _end(self, end: End) -> None:
        end.ended = True
        self._tell(end)

    # Waiting

    def _wait(self, task: Task, request: Wait) -> None:
        for waitable in request.waitables:
            if isinstance(waitable, Channel) and not waitable.open:
                raise OpenFailed(f"{waitable.peer}: no stream is open")
        for pace in paces_of(request):
            pace.check()
        task.waiting = request
        task.began = self.now
        task.turn += 1
        if self._try(task):
            return
        turn = task.turn
        self._at(self.now + request.timeout, lambda: self._give_up(task, turn))

    def _give_up(self, task: Task, turn: int) -> None:
        if task.waiting and task.turn == turn:
            seconds = task.waiting.timeout
            task.waiting = None
            self._ready.append((task, None, TimedOut(seconds)))

    def _tell(self, end: End) -> None:
        if end.task.waiting:
            self._try(end.task)

    def _try(self, task: Task) -> bool:
        """Resume a waiting task if there is news for it."""
        news = False
        for waitable in task.waiting.waitables if task.waiting else ():
            if isinstance(waitable, Program):
                news = news or waitable.status is not None
            elif waitable.stream is not None:
                news = self._feed(waitable.stream) or news
                relieved = waitable in task.congested and waitable.unwritten <= RELIEVED
                news = news or relieved
        if news and task.waiting:
            for pace in paces_of(task.waiting):
                pace.waited(self.now - task.began)
            task.waiting = None
            self._ready.append((task, None, None))
        return news

    def _feed(self, end: End) -> bool:
        """Give the machine what has arrived; tell whether that, or room to write, is news."""
        news = False
        while end.inbox:
            data = end.inbox.popleft()
            if end.channel.pace:
                end.channel.pace.moved(len(data))
            end.channel.machine.receive_data(data)
            news = True
            if end.peer:
                self._release(end.peer, len(data))
        if end.ended and not end.told:
            end.told = news = True
            end.channel.machine.receive_eof()
        self._flush(end)
        return news

    def _release(self, end: End, size: int) -> None:
        end.in_flight -= size
        if end.outbox:
            self._flush(end)
            self._tell(end)

    # Programs

    def _start(self, task: Task, argv: tuple[str, ...], stdin: int | None) -> None:
        if self._run_program is None:
            raise OpenFailed(f'program "{argv[0]}" not found')
        data = b"" if stdin is None else os.pread(stdin, os.fstat(stdin).st_size, 0)
        ran = self._run_program(argv, data)
        program = Program(argv[0])
        self._ready.append((task, program, None))

        def end() -> None:
            if program.status is None:
                program.status, program.output = ran.status, ran.output
                if task.waiting:
                    self._try(task)

        self._at(self.now + ran.seconds, end)


def paces_of(request: Wait) -> list[Pace]:
    """Return the accounts of the peers that are listened to."""
    return [w.pace for w in request.waitables if isinstance(w, Channel) and w.pace]
