"""Performs a flow's requests with non-blocking calls, and leaves all waiting to a driver.

Each request is performed by a generator. Where it has to wait it yields a Suspend, where a call may
block it yields a Work; the driver (blocking, trio, asyncio, simulated) does that and resumes it.
So connecting, TLS, backpressure, children and deadlines are written once. This file is long because
it performs every kind of request.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from ..flows.channel import RELIEVED, Channel, Endpoint
from ..flows.requests import (
    Address,
    Call,
    Close,
    Flow,
    LedgerCall,
    Now,
    Open,
    OpenFailed,
    Pipe,
    Program,
    Request,
    Signal,
    Sleep,
    Spawn,
    Start,
    Tcp,
    TimedOut,
    Trust,
    UnixSocket,
    UpgradeToTls,
    Wait,
)
from .gates import ConnectionPlaces, GateOf
from .steps import Steps, Suspend, Work
from .stream import (
    Output,
    Process,
    Stream,
    nonblocking_pair,
    pipe_for_output,
    report_missing_descriptors,
)

if TYPE_CHECKING:
    from socket import socket

    from .tls import TlsLayer


ChannelObserver = Callable[[Channel[Endpoint]], None]

SECONDS_FOR_ANOTHER = 0.1
"""Seconds that a flow waits for a place if it already has a connection to the same address."""
CLOSE_TIMEOUT = 2.0
"""Seconds to write the rest before closing; for a child to end by itself, and after SIGTERM."""
STDERR_TIMEOUT = 0.2
"""Seconds to wait for the rest of a child's standard error: ssh's master may keep it open."""
CHILD_POLL_INTERVAL = 0.02
"""Seconds between checks of a child where the system has no pidfd."""


class Running:
    """A program, and the child process that runs it."""

    def __init__(self, program: Program, child: Process, output: Output) -> None:
        self.program = program
        self.child = child
        self.output = output

    def check(self) -> bool:
        """Read its output; return True once it has ended."""
        self.output.drain()
        if self.program.status is None and self.child.poll() is not None:
            self.output.drain()
            self.output.close()
            self.program.output = self.output.kept
            self.program.status = self.child.status
        return self.program.status is not None


class Engine:
    """All streams and programs of one flow. ``clock`` gives seconds and never jumps.

    ``observer`` is called with each channel that the flow opens, before anything is sent on it.
    ``tls`` makes the TLS layer of a stream, which a serving side needs; by default it is a client.
    Where ``gate`` names a limiter for an address, a connection to it waits for a place; that time
    does not count against the timeout of the connection.
    """

    __slots__ = (
        "_clock", "_observer", "_places", "_programs", "_streams", "_tls", "closings", "spawned",
    )  # fmt: skip

    def __init__(
        self,
        clock: Callable[[], float],
        observer: ChannelObserver | None = None,
        tls: Callable[[Trust], TlsLayer] | None = None,
        gate: GateOf | None = None,
    ) -> None:
        self._clock = clock
        self._observer = observer
        self._tls = tls
        self._places = ConnectionPlaces(gate)
        self._streams: list[Stream] = []
        self._programs: list[Running] = []
        self.spawned: list[Callable[[], Flow[None]]] = []
        """Flows that begin when the main one waits next; the driver takes them from here."""
        self.closings = 0
        """Grows when a descriptor is closed that another flow beside may be waiting for."""

    def work_of(self, request: Call[object]) -> Work:
        """Return the only step of a call. Data that is ready travels while the disk is busy."""
        self._flush()
        return Work(request.work, isinstance(request, LedgerCall))

    def perform(self, request: Request[object]) -> Steps[object]:
        """Return the steps that perform this request; their return value is the answer."""
        match request:
            case Wait():
                return self._wait(request)
            case Open():
                return self._open(request)
            case Close(target):
                return self._close(target)
            case Start():
                return self._start(request)
            case UpgradeToTls():
                return self._upgrade(request)
            case Sleep(seconds):
                return self._sleep(seconds)
            case Now():
                return self._now()
            case Spawn(begin):
                return self._spawn_flow(begin)
            case _:
                raise TypeError(f"not a request: {request!r}")

    def abandon(self) -> None:
        """Close everything at once, written or not, when the flow has ended."""
        for stream in self._streams:
            stream.close()
            if stream.errors:
                stream.errors.close()
            if stream.child:
                stream.child.kill_now()
        for running in self._programs:
            running.child.kill_now()
            running.output.close()
        self._streams.clear()
        self._programs.clear()
        self._places.leave_all()

    def adopt(self, channel: Channel[Endpoint], sock: socket) -> None:
        """Use a connected socket as the channel's stream (the serving side does)."""
        sock.setblocking(False)
        self._attach(Stream(channel, sock, None, None))

    # Waiting

    def _wait(self, request: Wait) -> Steps[None]:
        began = self._clock()
        streams: list[Stream] = []
        programs: list[Running] = []
        signals: list[Signal] = []
        has_ended = False
        for one in request.waitables:
            if isinstance(one, Channel):
                if one.pace:
                    one.pace.check()
                streams.append(self._stream(one))
            elif isinstance(one, Signal):
                signals.append(one)
            elif one.status is None:
                programs.append(self._running(one))
            else:
                has_ended = True
        congested = [stream for stream in streams if stream.channel.congested]
        while not (
            self._exchange(streams, programs, congested)
            or has_ended
            or (signals and any(signal.is_set for signal in signals))
        ):
            left = began + request.timeout - self._clock()
            if left <= 0:
                for stream in streams:
                    stream.note_last_words()
                self.closings += 1
                raise TimedOut(request.timeout)
            yield self._suspend(streams, programs, left, tuple(signals))
        for stream in streams:
            if pace := stream.channel.pace:
                pace.waited(self._clock() - began)

    def _exchange(
        self, streams: list[Stream], programs: list[Running], congested: list[Stream]
    ) -> bool:
        """Write on every stream, read from these; tell whether there is news for the flow."""
        self._flush()
        has_news = has_ended = False
        for stream in streams:
            has_news |= stream.fill()
            if stream.tls:
                # The input may have made TLS reply (a key update, a new session ticket).
                stream.flush()
        for running in programs:
            has_ended |= running.check()
        if has_ended:
            self._programs = [r for r in self._programs if r.program.status is None]
        # Last of all: a stream that the flush relieved would not wake us again.
        for stream in congested:
            has_news |= stream.channel.unwritten <= RELIEVED
        return has_news or has_ended

    def _suspend(
        self,
        streams: Iterable[Stream],
        programs: Iterable[Running],
        left: float,
        signals: tuple[Signal, ...] = (),
    ) -> Suspend:
        """Wait for input of these, for output of every stream, and for errors of every child."""
        reads: list[int] = []
        for stream in streams:
            if not stream.ended:
                stream.acknowledge()
                reads.append(stream.fileno())
        for stream in self._streams:
            if stream.errors and stream.errors.open:
                stream.errors.drain()
                if stream.errors.open:
                    reads.append(stream.errors.fd)
                else:
                    self.closings += 1
        for running in programs:
            if running.output.open:
                reads.append(running.output.fd)
            if running.child.exit_fd is None:
                left = min(left, CHILD_POLL_INTERVAL)
            else:
                reads.append(running.child.exit_fd)
        writes = [
            stream.fileno() for stream in self._streams if stream.queue and stream.wants_to_write
        ]
        return Suspend(tuple(reads), tuple(writes), left, signals)

    def _flush(self) -> None:
        for stream in self._streams:
            if stream.queue or stream.tls or stream.channel.machine.unsent:
                stream.flush()

    def _sleep(self, seconds: float) -> Steps[None]:
        deadline = self._clock() + seconds
        left = max(0.0, seconds)
        while True:
            self._flush()
            yield self._suspend((), (), left)
            left = deadline - self._clock()
            if left <= 0:
                return

    def _now(self) -> Steps[float]:
        return self._clock()
        yield

    def _spawn_flow(self, begin: Callable[[], Flow[None]]) -> Steps[None]:
        self.spawned.append(begin)
        return None
        yield

    # Opening

    def _open(self, request: Open) -> Steps[None]:
        yield from self._await_place(request.channel, request.address)
        try:
            yield from self._connect(request.channel, request.address, request.timeout)
        except TimedOut:
            # Some of the time went by before the part that timed out.
            raise TimedOut(request.timeout) from None
        if self._observer:
            self._observer(request.channel)

    def _await_place(self, channel: Channel[Endpoint], address: Address) -> Steps[None]:
        """Wait for a place; for one more at an address, not for long. Raises OpenFailed.

        Flows that have one place each and wait for another one would wait for each other for ever.
        """
        patience = SECONDS_FOR_ANOTHER if self._places.has_one_at(address) else float("inf")
        admitted = self._places.ask(channel, address)
        deadline = self._clock() + patience
        while admitted and not admitted.is_set:
            if (left := deadline - self._clock()) <= 0:
                self._places.leave(channel)
                raise OpenFailed("too many connections of other accounts")
            self._flush()
            yield self._suspend((), (), left, (admitted,))

    def _connect(self, channel: Channel[Endpoint], address: Address, timeout: float) -> Steps[None]:
        deadline = self._clock() + timeout
        match address:
            case Tcp():
                sock, channel.address = yield from self._dial(address, deadline)
                self._attach(Stream(channel, sock, None, None))
            case UnixSocket(path):
                sock = yield from self._dial_unix(path, deadline)
                self._attach(Stream(channel, sock, None, None))
            case Pipe(argv):
                self._spawn(channel, argv)

    def _attach(self, stream: Stream) -> None:
        stream.channel.stream = stream
        stream.channel.open = True
        self._streams.append(stream)

    def _dial(self, address: Tcp, deadline: float) -> Steps[tuple[socket, str]]:
        """Return a connected socket and the server's IP address, which only a proxy may know."""
        if address.proxy is None:
            from .dialling import dial

            return (yield from dial(address, deadline, self._clock))
        from .proxies import dial_through

        return (yield from dial_through(address.proxy, address, deadline, self._clock)), ""

    def _dial_unix(self, path: str, deadline: float) -> Steps[socket]:
        from .dialling import dial_unix

        return (yield from dial_unix(path, deadline, self._clock))

    def _spawn(self, channel: Channel[Endpoint], argv: tuple[str, ...]) -> None:
        from .children import Tail, signals_blocked, start

        with report_missing_descriptors():
            ours, theirs = nonblocking_pair()
            reading, writing = pipe_for_output()
        try:
            with signals_blocked():
                child = start(argv, theirs.fileno(), theirs.fileno(), writing)
                self._attach(Stream(channel, ours, child, Tail(reading)))
        except OpenFailed:
            ours.close()
            os.close(reading)
            raise
        finally:
            theirs.close()
            os.close(writing)

    # TLS

    def _upgrade(self, request: UpgradeToTls) -> Steps[None]:
        deadline = self._clock() + request.timeout
        stream = self._stream(request.channel)
        stream.flush()
        stream.tls = layer = self._layer(request.trust)
        while not layer.handshake():
            stream.flush_raw()
            left = deadline - self._clock()
            if left <= 0:
                raise TimedOut(request.timeout)
            writes = (stream.fileno(),) if stream.wants_to_write else ()
            yield Suspend((stream.fileno(),), writes, left)
            try:
                layer.receive(stream.sock.recv(65536))
            except BlockingIOError:
                continue
            except OSError as error:
                raise OpenFailed(error.strerror or str(error)) from None
        if request.trust.fingerprint:
            layer.check_fingerprint(request.trust.fingerprint)
        request.channel.tls = True

    def _layer(self, trust: Trust) -> TlsLayer:
        if self._tls:
            return self._tls(trust)
        from .tls import client_layer

        return client_layer(trust)

    # Programs

    def _start(self, request: Start) -> Steps[Program]:
        from .children import Tail, signals_blocked, start

        argv = (
            ("/bin/sh", "-c", request.argv[0], "sh", *request.argv[1:])
            if request.shell
            else request.argv
        )
        program = Program(request.argv[0])
        if not request.captured:
            with signals_blocked():
                child = start(
                    argv, request.stdin, 1, 2, variables=request.variables, apart=request.apart
                )
                self._programs.append(Running(program, child, Tail(-1)))
            return program
        with report_missing_descriptors():
            reading, writing = pipe_for_output()
        try:
            with signals_blocked():
                child = start(
                    *(argv, request.stdin, writing, writing),
                    variables=request.variables,
                    apart=request.apart,
                )
                self._programs.append(Running(program, child, Tail(reading)))
        except OpenFailed:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        return program
        yield

    # Closing

    def _close(self, target: Channel[Endpoint] | Program) -> Steps[None]:
        self._places.leave(target)
        if isinstance(target, Program):
            yield from self._close_program(target)
        elif target.open:
            yield from self._close_stream(self._stream(target))

    def _close_stream(self, stream: Stream) -> Steps[None]:
        if stream.tls and not stream.ended:
            stream.flush()
            stream.tls.close()
        stream.flush()
        deadline = self._clock() + CLOSE_TIMEOUT
        while stream.wants_to_write and (left := deadline - self._clock()) > 0:
            yield Suspend((), (stream.fileno(),), left)
            stream.flush_raw()
        stream.close()
        self._streams.remove(stream)
        self.closings += 1
        if stream.errors and stream.child:
            yield from self._end_child(stream.child, stream.errors)
            stream.channel.last_words = stream.errors.kept
            stream.channel.exit_status = stream.child.status
            stream.errors.close()

    def _close_program(self, program: Program) -> Steps[None]:
        if program.status is not None:
            return
        running = self._running(program)
        self._programs.remove(running)
        running.child.signal(signal.SIGTERM)
        yield from self._end_child(running.child, running.output)
        program.status = running.child.status
        program.output = running.output.kept
        running.output.close()

    def _end_child(self, child: Process, output: Output) -> Steps[None]:
        """Let a child end by itself, else terminate it, else kill it; and read its last output."""
        yield from self._await_exit(child, output, CLOSE_TIMEOUT)
        if child.status is None:
            child.signal(signal.SIGTERM)
            yield from self._await_exit(child, output, CLOSE_TIMEOUT)
        child.kill_now()
        deadline = self._clock() + STDERR_TIMEOUT
        output.drain()
        while output.open and (left := deadline - self._clock()) > 0:
            yield Suspend((output.fd,), (), left)
            output.drain()

    def _await_exit(self, child: Process, output: Output, seconds: float) -> Steps[None]:
        deadline = self._clock() + seconds
        while child.poll() is None and (left := deadline - self._clock()) > 0:
            output.drain()
            reads = [output.fd] if output.open else []
            if child.exit_fd is None:
                left = min(left, CHILD_POLL_INTERVAL)
            else:
                reads.append(child.exit_fd)
            yield Suspend(tuple(reads), (), left)

    # Looking things up

    def _stream(self, channel: Channel[Endpoint]) -> Stream:
        stream = channel.stream
        if not (channel.open and isinstance(stream, Stream)):
            raise OpenFailed(f"{channel.peer}: no stream is open")
        return stream

    def _running(self, program: Program) -> Running:
        for running in self._programs:
            if running.program is program:
                return running
        raise OpenFailed(f"{program.name} is not running")
