"""The answers to a flow's requests, with non-blocking calls and no opinion on waiting.

Each answer is a generator. Where something has to be waited for it yields a Park, where
something may block it yields a Work, and a driver (blocking, trio) does that and resumes
it. So connecting, TLS, backpressure, children and deadlines are written once.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Generator, Iterable
from typing import TYPE_CHECKING, Any, cast

from ..flows.channel import RELIEVED, Channel, Program
from ..flows.requests import (
    Call,
    Close,
    LedgerCall,
    Now,
    Open,
    OpenFailed,
    Pipe,
    Request,
    Sleep,
    Start,
    Tcp,
    TimedOut,
    UnixSocket,
    UpgradeToTls,
    Wait,
)
from .parking import Park, Step, Work
from .stream import Stream, enough_descriptors, nonblocking_pair, pipe_for_output

if TYPE_CHECKING:
    from .children import Child, Tail

Steps = Generator[Step, Any, Any]
Witness = Callable[[Channel[Any]], None]

GRACE = 2.0
"""Seconds to write the rest before closing; for a child to end by itself, and after SIGTERM."""
LAST_WORDS = 0.2
"""Seconds to wait for the rest of a child's standard error: ssh's master may keep it open."""
POLL_CHILD = 0.02
"""Seconds between looks at a child where the system has no pidfd."""


class Running:
    """What the engine knows of a running program."""

    def __init__(self, program: Program, child: Child, output: Tail) -> None:
        self.program = program
        self.child = child
        self.output = output

    def look(self) -> bool:
        """Read its output; True once it has ended."""
        self.output.drain()
        if self.program.status is None and self.child.poll() is not None:
            self.output.drain()
            self.output.close()
            self.program.output = self.output.kept
            self.program.status = self.child.status
        return self.program.status is not None


class Engine:
    """All streams and programs of one flow. ``clock`` gives seconds and never jumps.

    ``witness`` is shown each channel that the flow opens, before anything is said on it.
    """

    def __init__(self, clock: Callable[[], float], witness: Witness | None = None) -> None:
        self._clock = clock
        self._witness = witness
        self._streams: list[Stream] = []
        self._programs: list[Running] = []

    def perform(self, request: Request[Any]) -> Steps:
        """Return the steps that answer this request; their return value is the answer."""
        match request:
            case Wait():
                return self._wait(request)
            case Call(work):
                return self._call(work, isinstance(request, LedgerCall))
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
            case _:
                raise TypeError(f"not a request: {request!r}")

    def abandon(self) -> None:
        """Close everything at once, whatever is in flight. For when a flow has ended."""
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

    def adopt(self, channel: Channel[Any], sock: Any) -> None:
        """Use a connected socket as the channel's stream (the serving side does)."""
        sock.setblocking(False)
        self._attach(Stream(channel, sock, None, None))

    # Waiting

    def _wait(self, request: Wait) -> Steps:
        began = self._clock()
        paces = [w.pace for w in request.waitables if isinstance(w, Channel) and w.pace]
        for pace in paces:
            pace.check()
        yield from self._listen(request)
        for pace in paces:
            pace.waited(self._clock() - began)

    def _listen(self, request: Wait) -> Steps:
        deadline = self._clock() + request.timeout
        listening = [self._stream(w) for w in request.waitables if isinstance(w, Channel)]
        named = [w for w in request.waitables if isinstance(w, Program)]
        if any(program.status is not None for program in named):
            return
        programs = [self._running(program) for program in named]
        congested = [stream for stream in listening if stream.channel.congested]
        while True:
            self._flush()
            news = [stream.fill() for stream in listening]
            over = [running.look() for running in programs]
            # What arrived may have made TLS speak (a key update, a renegotiated ticket).
            self._flush()
            # Last of all: what is relieved only by the flush above would never wake us again.
            relieved = [s for s in congested if s.channel.unwritten <= RELIEVED]
            if any(over):
                self._programs = [r for r in self._programs if r.program.status is None]
            if any(news) or any(over) or relieved:
                return
            left = deadline - self._clock()
            if left <= 0:
                self._note_last_words(listening)
                raise TimedOut(request.timeout)
            yield self._park(listening, programs, left)

    def _park(self, listening: Iterable[Stream], programs: list[Running], left: float) -> Park:
        reads = [stream.fileno() for stream in listening if not stream.ended]
        for stream in self._streams:
            if stream.errors:
                stream.errors.drain()
                if stream.errors.open:
                    reads.append(stream.errors.fd)
        for running in programs:
            if running.output.open:
                reads.append(running.output.fd)
            if running.child.exit_fd is None:
                left = min(left, POLL_CHILD)
            else:
                reads.append(running.child.exit_fd)
        writes = tuple(stream.fileno() for stream in self._streams if stream.wants_to_write)
        return Park(tuple(reads), writes, left)

    def _flush(self) -> None:
        for stream in self._streams:
            stream.flush()

    def _sleep(self, seconds: float) -> Steps:
        self._flush()
        yield Park(timeout=seconds)

    def _now(self) -> Steps:
        return self._clock()
        yield

    def _call(self, work: Callable[[], Any], shared: bool) -> Steps:
        # What is ready to leave should travel while the disk is busy.
        self._flush()
        return (yield Work(work, shared))

    # Opening

    def _open(self, request: Open) -> Steps:
        deadline = self._clock() + request.timeout
        match request.address:
            case Tcp(host, port):
                sock, request.channel.address = yield from self._dial(host, port, deadline)
                self._attach(Stream(request.channel, sock, None, None))
            case UnixSocket(path):
                sock = yield from self._dial_unix(path, deadline)
                self._attach(Stream(request.channel, sock, None, None))
            case Pipe(argv):
                self._spawn(request.channel, argv)
        if self._witness:
            self._witness(request.channel)

    def _attach(self, stream: Stream) -> None:
        stream.channel.stream = stream
        stream.channel.open = True
        self._streams.append(stream)

    def _dial(self, host: str, port: int | str, deadline: float) -> Generator[Step, Any, Any]:
        from .dialling import dial

        return (yield from dial(host, port, deadline, self._clock))

    def _dial_unix(self, path: str, deadline: float) -> Generator[Step, Any, Any]:
        from .dialling import dial_unix

        return (yield from dial_unix(path, deadline, self._clock))

    def _spawn(self, channel: Channel[Any], argv: tuple[str, ...]) -> None:
        from .children import Tail, start, undisturbed

        with enough_descriptors():
            ours, theirs = nonblocking_pair()
            reading, writing = pipe_for_output()
        try:
            with undisturbed():
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

    def _upgrade(self, request: UpgradeToTls) -> Steps:
        from .tls import client_layer

        deadline = self._clock() + request.timeout
        stream = self._stream(request.channel)
        stream.flush()
        stream.tls = layer = client_layer(request.trust)
        while not layer.handshake():
            stream.flush_raw()
            left = deadline - self._clock()
            if left <= 0:
                raise TimedOut(request.timeout)
            writes = (stream.fileno(),) if stream.wants_to_write else ()
            yield Park((stream.fileno(),), writes, left)
            try:
                layer.receive(stream.sock.recv(65536))
            except BlockingIOError:
                continue
            except OSError as error:
                raise OpenFailed(error.strerror or str(error)) from None
        if request.trust.fingerprint:
            layer.check_fingerprint(request.trust.fingerprint)
        request.channel.tls = True

    # Programs

    def _start(self, request: Start) -> Steps:
        from .children import Tail, start, undisturbed

        argv = (
            ("/bin/sh", "-c", request.argv[0], "sh", *request.argv[1:])
            if request.shell
            else request.argv
        )
        program = Program(request.argv[0])
        if not request.captured:
            with undisturbed():
                child = start(argv, request.stdin, 1, 2)
                self._programs.append(Running(program, child, Tail(-1)))
            return program
        with enough_descriptors():
            reading, writing = pipe_for_output()
        try:
            with undisturbed():
                child = start(argv, request.stdin, writing, writing)
                self._programs.append(Running(program, child, Tail(reading)))
        except OpenFailed:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        return program
        yield

    # Closing

    def _close(self, target: Channel[Any] | Program) -> Steps:
        if isinstance(target, Program):
            yield from self._close_program(target)
        elif target.open:
            yield from self._close_stream(self._stream(target))

    def _close_stream(self, stream: Stream) -> Steps:
        if stream.tls and not stream.ended:
            stream.flush()
            stream.tls.close()
        stream.flush()
        deadline = self._clock() + GRACE
        while stream.wants_to_write and (left := deadline - self._clock()) > 0:
            yield Park((), (stream.fileno(),), left)
            stream.flush_raw()
        stream.close()
        self._streams.remove(stream)
        if stream.errors and stream.child:
            yield from self._end_child(stream.child, stream.errors)
            stream.channel.last_words = stream.errors.kept
            stream.channel.exit_status = stream.child.status
            stream.errors.close()

    def _close_program(self, program: Program) -> Steps:
        if program.status is not None:
            return
        running = self._running(program)
        self._programs.remove(running)
        running.child.signal(signal.SIGTERM)
        yield from self._end_child(running.child, running.output)
        program.status = running.child.status
        program.output = running.output.kept
        running.output.close()

    def _end_child(self, child: Child, output: Tail) -> Steps:
        """Let a child end by itself, then ask it to, then make it; and hear it out."""
        yield from self._await_exit(child, output, GRACE)
        if child.status is None:
            child.signal(signal.SIGTERM)
            yield from self._await_exit(child, output, GRACE)
        child.kill_now()
        deadline = self._clock() + LAST_WORDS
        output.drain()
        while output.open and (left := deadline - self._clock()) > 0:
            yield Park((output.fd,), (), left)
            output.drain()

    def _await_exit(self, child: Child, output: Tail, seconds: float) -> Steps:
        deadline = self._clock() + seconds
        while child.poll() is None and (left := deadline - self._clock()) > 0:
            output.drain()
            reads = [output.fd] if output.open else []
            if child.exit_fd is None:
                left = min(left, POLL_CHILD)
            else:
                reads.append(child.exit_fd)
            yield Park(tuple(reads), (), left)

    # Looking things up

    def _stream(self, channel: Channel[Any]) -> Stream:
        if not channel.open:
            raise OpenFailed(f"{channel.peer}: no stream is open")
        return cast(Stream, channel.stream)

    def _running(self, program: Program) -> Running:
        for running in self._programs:
            if running.program is program:
                return running
        raise OpenFailed(f"{program.name} is not running")

    def _note_last_words(self, streams: Iterable[Stream]) -> None:
        for stream in streams:
            stream.last_words()
