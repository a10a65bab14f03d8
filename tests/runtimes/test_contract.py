"""What every runtime owes a flow (``mailhaul/flows/requests.py``): one suite, run on each.

Tests that take a ``world`` run on all runtimes, and their peers are flows. Tests that take ``run``
need a real socket or a real child process: NOT_SIMULATED lists them, each with the reason. Their
peers are plain sockets in a thread, or real programs; certificates are made for the run.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import trio
import trio.testing
import trustme

from mailhaul.flows.channel import CONGESTED, RELIEVED, Channel
from mailhaul.flows.requests import (
    Address,
    Call,
    Close,
    LedgerCall,
    NameNotFound,
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
    TlsFailed,
    Trust,
    UnixSocket,
    UpgradeToTls,
    Wait,
)
from mailhaul.protocols.outbox import Outbox
from mailhaul.runtimes import asyncio as on_asyncio
from mailhaul.runtimes import blocking, several
from mailhaul.runtimes import trio as on_trio
from mailhaul.runtimes.engine import Engine
from mailhaul.runtimes.simulated import Ran, Simulation
from mailhaul.runtimes.stream import Stream

Flow = Coroutine[Request[Any], Any, Any]
Run = Callable[[Flow], Any]
Peer = Callable[[socket.socket], None]
SOON = 20.0
"""Longer than anything here takes; a wait that reaches it has hung."""


def run_on_trio(flow: Flow) -> Any:
    return trio.run(on_trio.run, flow)


def run_on_asyncio(flow: Flow) -> Any:
    return asyncio.run(on_asyncio.run(flow))


def run_beside_others(flow: Flow) -> Any:
    """Run a flow on the runtime for several, beside another one."""
    results: list[Any] = []

    async def story() -> None:
        results.append(await flow)

    async def other() -> None:
        await LedgerCall(lambda: None)
        await Sleep(0.01)
        await Call(lambda: None)

    several.run((one, Engine(time.monotonic)) for one in (other(), story()))
    return results[0]


REAL = {
    "blocking": blocking.run,
    "trio": run_on_trio,
    "asyncio": run_on_asyncio,
    "several": run_beside_others,
}

NO_RESOLVER = "there is no name service in memory, and a host has no addresses"
NO_TLS = "TLS in memory is one round trip, without certificates"
NO_CHILDREN = "a simulated pipe is a link to a flow: no process, no error output, no exit status"
NOT_SIMULATED = {
    "a_tcp_channel_has_the_address_of_its_peer": NO_RESOLVER,
    "a_unix_socket_is_a_stream_like_any_other": "needs the path of a real socket",
    "a_child_speaks_on_one_socket_for_both_directions": NO_CHILDREN,
    "a_half_closed_peer_still_hears_us": "a flow cannot close one direction only",
    "a_broken_connection_says_why": "a flow cannot reset a connection",
    "a_peer_that_vanishes_is_noticed_within_four_minutes": "needs the options of a real socket",
    "a_refused_connection_names_every_address": NO_RESOLVER,
    "a_host_without_address_is_told_apart": NO_RESOLVER,
    "a_missing_unix_socket_is_named": "needs a path that does not exist",
    "a_program_that_cannot_run_is_named": "needs a file that is no program",
    "a_child_that_dies_leaves_its_status_and_last_words": NO_CHILDREN,
    "a_silent_child_is_given_up_with_what_it_wrote_on_its_error_output": NO_CHILDREN,
    "a_child_that_ignores_everything_is_killed": NO_CHILDREN,
    "error_output_without_end_neither_blocks_nor_grows": NO_CHILDREN,
    "no_child_outlives_its_flow": NO_CHILDREN,
    "a_shell_command_gets_its_arguments_apart_from_its_text": "needs a real shell",
    "a_program_killed_by_sigpipe_says_so": "needs a real signal",
    "tls_carries_megabytes_both_ways": NO_TLS,
    "a_certificate_for_another_name_is_refused": NO_TLS,
    "a_certificate_of_an_unknown_ca_is_refused": NO_TLS,
    "a_wrong_certificate_passes_where_the_user_checks_none": NO_TLS,
    "a_fingerprint_pins_one_certificate_and_a_wrong_one_is_told_the_right_one": NO_TLS,
    "a_peer_without_tls_is_named_as_such": NO_TLS,
    "a_handshake_that_never_ends_is_given_up": NO_TLS,
    "a_peer_that_hangs_up_in_the_handshake_fails_it": NO_TLS,
    "tls_that_is_cut_off_is_told_from_an_orderly_end": NO_TLS,
    "output_after_tls_was_cut_off_is_dropped": NO_TLS,
    "waiting_for_a_channel_that_was_closed_fails_at_once": NO_CHILDREN,
}
"""The tests that do not run on the simulated runtime, and why not."""


def test_only_listed_tests_leave_the_simulated_runtime_out() -> None:
    tests = {name: value for name, value in globals().items() if name.startswith("test_")}
    real = {name for name, test in tests.items() if "run" in inspect.signature(test).parameters}
    assert real == {f"test_{name}" for name in NOT_SIMULATED}


@pytest.fixture(params=REAL)
def run(request: pytest.FixtureRequest) -> Run:
    return REAL[request.param]


class Notebook:
    """A machine that writes down what it hears and says what it is given."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self.ended = False
        self._outbox = Outbox()

    def receive_data(self, data: bytes) -> None:
        assert not self.ended
        self.heard += data

    def receive_eof(self) -> None:
        self.ended = True

    def say(self, data: bytes) -> None:
        self._outbox.put(data)

    def data_to_send(self) -> list[bytes]:
        return self._outbox.take()

    @property
    def unsent(self) -> int:
        return self._outbox.size


def new_channel() -> Channel[Notebook]:
    return Channel("peer", Notebook())


async def hear(channel: Channel[Notebook], size: int) -> bytes:
    while len(channel.machine.heard) < size and not channel.machine.ended:
        await Wait([channel], SOON)
    return bytes(channel.machine.heard)


async def hear_end(channel: Channel[Notebook]) -> bytes:
    while not channel.machine.ended:
        await Wait([channel], SOON)
    return bytes(channel.machine.heard)


Serve = Callable[[Channel[Notebook]], Flow]


class RealWorld:
    """A runtime, and peers that run in threads on the blocking one."""

    def __init__(self, run: Run, cleanup: ExitStack) -> None:
        self.run = run
        self._cleanup = cleanup

    def serve(self, peer: Serve) -> Tcp:
        """Let a flow be the peer of one connection; return its address."""
        listener = self._cleanup.enter_context(socket.create_server(("127.0.0.1", 0)))

        def accept() -> None:
            connection, _ = listener.accept()
            channel, engine = new_channel(), Engine(time.monotonic)
            engine.adopt(channel, connection)
            blocking.run(peer(channel), engine)

        thread = threading.Thread(target=accept)
        thread.start()
        self._cleanup.callback(thread.join, SOON)
        return Tcp("127.0.0.1", listener.getsockname()[1])

    def nobody(self) -> Tcp:
        """Return an address that nothing listens to."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            return Tcp("127.0.0.1", listener.getsockname()[1])

    def unreachable(self) -> Address:
        """Return an address that never answers."""
        path = self._cleanup.enter_context(TemporaryDirectory()) + "/socket"
        listener = self._cleanup.enter_context(closing(socket.socket(socket.AF_UNIX)))
        listener.bind(path)
        listener.listen(0)
        # Its queue is full.
        first = self._cleanup.enter_context(closing(socket.socket(socket.AF_UNIX)))
        first.connect(path)
        return UnixSocket(path)

    def program(self, ran: Ran, *argv: str) -> tuple[str, ...]:
        """Return the command line of a program."""
        return argv


class SimulatedWorld:
    """The simulated runtime and its peers."""

    def __init__(self) -> None:
        self._simulation = Simulation(round_trip=0.01, run_program=self._run_program)
        self._ports = count(1)
        self._programs: dict[tuple[str, ...], Ran] = {}

    def run(self, flow: Flow) -> Any:
        return self._simulation.run(flow)

    def serve(self, peer: Serve) -> Tcp:
        address = self.nobody()
        self._simulation.listen(address, Notebook, peer)
        return address

    def nobody(self) -> Tcp:
        return Tcp("host", next(self._ports))

    def unreachable(self) -> Address:
        self._simulation.round_trip = SOON
        return self.serve(hear_end)

    def program(self, ran: Ran, *argv: str) -> tuple[str, ...]:
        self._programs[argv] = ran
        return argv

    def _run_program(self, argv: tuple[str, ...], data: bytes) -> Ran:
        if argv not in self._programs:
            raise OpenFailed(f'program "{argv[0]}" not found')
        ran = self._programs[argv]
        return replace(ran, output=ran.output.replace(b"STDIN", data))


World = RealWorld | SimulatedWorld


@pytest.fixture(params=[*REAL, "simulated"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    with ExitStack() as cleanup:
        if request.param in REAL:
            yield RealWorld(REAL[request.param], cleanup)
        else:
            yield SimulatedWorld()


async def repeat(channel: Channel[Notebook]) -> None:
    """Send back what comes."""
    machine = channel.machine
    while not machine.ended:
        if not channel.congested:
            machine.say(bytes(machine.heard))
            machine.heard.clear()
        await Wait([channel], SOON)
    await Close(channel)


async def read_late(channel: Channel[Notebook]) -> None:
    """Begin to read after a while."""
    await Sleep(0.2)
    await hear_end(channel)


async def opened(world: World, peer: Serve) -> Channel[Notebook]:
    channel = new_channel()
    await Open(channel, world.serve(peer), SOON)
    return channel


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Tcp]]:
    """Start a peer in a thread, for one connection; return its address."""
    with ExitStack() as cleanup:

        def start(peer: Peer) -> Tcp:
            listener = cleanup.enter_context(socket.create_server(("127.0.0.1", 0)))

            def accept() -> None:
                connection, _ = listener.accept()
                with connection:
                    peer(connection)

            thread = threading.Thread(target=accept)
            thread.start()
            cleanup.callback(thread.join, SOON)
            return Tcp("127.0.0.1", listener.getsockname()[1])

        yield start


def echo(connection: socket.socket) -> None:
    while data := connection.recv(65536):
        connection.sendall(data)


# Streams


def test_what_is_said_over_tcp_comes_back(world: World) -> None:
    async def flow() -> bytes:
        channel = await opened(world, repeat)
        channel.machine.say(b"hello")
        heard = await hear(channel, 5)
        await Close(channel)
        return heard

    assert world.run(flow()) == b"hello"


def test_a_tcp_channel_has_the_address_of_its_peer(run: Run, serve: Callable[..., Tcp]) -> None:
    async def flow() -> str:
        channel = new_channel()
        await Open(channel, serve(echo), SOON)
        await Close(channel)
        return channel.address

    assert run(flow()) == "127.0.0.1"


def test_a_unix_socket_is_a_stream_like_any_other(run: Run, tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(path)
        listener.listen()

        async def flow() -> bytes:
            channel = new_channel()
            await Open(channel, UnixSocket(path), SOON)
            server, _ = listener.accept()
            with server:
                server.sendall(b"220 hello")
                return await hear(channel, 9)

        assert run(flow()) == b"220 hello"


def test_a_child_speaks_on_one_socket_for_both_directions(run: Run) -> None:
    program = "import os; os.write(0, b'from 0 '); os.write(1, os.read(0, 9))"

    async def flow() -> bytes:
        channel = new_channel()
        await Open(channel, Pipe((sys.executable, "-c", program)), SOON)
        channel.machine.say(b"and to it")
        heard = await hear_end(channel)
        await Close(channel)
        return heard

    assert run(flow()) == b"from 0 and to it"


def test_both_sides_can_send_megabytes_at_once(world: World) -> None:
    size = 5_000_000

    async def both(channel: Channel[Notebook]) -> int:
        channel.machine.say(b"x" * size)
        while not channel.machine.ended and (
            len(channel.machine.heard) < size or channel.unwritten
        ):
            await Wait([channel], SOON)
        await Close(channel)
        return len(channel.machine.heard)

    async def flow() -> int:
        return await both(await opened(world, both))

    assert world.run(flow()) == size


def test_a_peer_that_does_not_read_makes_the_channel_congested(world: World) -> None:
    async def flow() -> tuple[bool, bool]:
        channel = await opened(world, read_late)
        channel.machine.say(b"x" * 30_000_000)
        with pytest.raises(TimedOut):
            await Wait([channel], 0.05)
        before = channel.congested
        while channel.congested:
            await Wait([channel], SOON)
        assert channel.unwritten <= CONGESTED
        await Close(channel)
        return before, channel.congested

    assert world.run(flow()) == (True, False)


def test_a_half_closed_peer_still_hears_us(run: Run, serve: Callable[..., Tcp]) -> None:
    heard: list[bytes] = []

    def half(connection: socket.socket) -> None:
        connection.sendall(b"that was all")
        connection.shutdown(socket.SHUT_WR)
        heard.append(connection.recv(100))

    async def flow() -> bytes:
        channel = new_channel()
        await Open(channel, serve(half), SOON)
        said = await hear_end(channel)
        channel.machine.say(b"I heard")
        with pytest.raises(TimedOut):
            await Wait([channel], 0.05)
        await Close(channel)
        return said

    assert run(flow()) == b"that was all"
    assert heard == [b"I heard"]


def test_the_last_words_are_heard_although_we_can_no_longer_write(world: World) -> None:
    async def leave(channel: Channel[Notebook]) -> None:
        channel.machine.say(b"421 bye")
        await Close(channel)

    async def flow() -> bytes:
        channel = await opened(world, leave)
        await Sleep(0.1)
        for _ in range(3):
            channel.machine.say(b"x" * 100_000)
        return await hear_end(channel)

    # A reset may overtake what was sent before it.
    assert world.run(flow()) in {b"421 bye", b""}


def test_output_after_the_connection_broke_is_dropped_and_fills_no_channel(world: World) -> None:
    async def leave(channel: Channel[Notebook]) -> None:
        await Close(channel)

    async def flow() -> bool:
        channel = await opened(world, leave)
        await hear_end(channel)
        for _ in range(5):
            channel.machine.say(b"x" * 1_000_000)
            while channel.congested:
                await Wait([channel], 5.0)
        await Close(channel)
        return channel.congested

    assert not world.run(flow())


def test_a_broken_connection_says_why(run: Run, serve: Callable[..., Tcp]) -> None:
    def reset(connection: socket.socket) -> None:
        connection.recv(1)
        linger = b"\x01\0\0\0\0\0\0\0"
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    async def flow() -> str:
        channel = new_channel()
        await Open(channel, serve(reset), SOON)
        channel.machine.say(b"x")
        await hear_end(channel)
        return channel.failure

    assert run(flow()) == "Connection reset by peer"


def test_input_of_a_channel_that_nobody_listens_to_stays_where_it_is(world: World) -> None:
    async def chatter(channel: Channel[Notebook]) -> None:
        channel.machine.say(b"psst")
        await hear_end(channel)

    async def flow() -> tuple[bytes, bytes]:
        quiet, loud = await opened(world, repeat), await opened(world, chatter)
        with pytest.raises(TimedOut):
            await Wait([quiet], 0.1)
        before = bytes(loud.machine.heard)
        return before, await hear(loud, 4)

    assert world.run(flow()) == (b"", b"psst")


def test_output_is_sent_on_channels_that_nobody_listens_to(world: World) -> None:
    async def flow() -> int:
        quiet, loud = await opened(world, hear_end), await opened(world, repeat)
        quiet.machine.say(b"x" * 3_000_000)
        while quiet.unwritten or quiet.machine.unsent:
            with pytest.raises(TimedOut):
                await Wait([loud], 0.1)
        return len(loud.machine.heard)

    assert world.run(flow()) == 0


def test_output_is_sent_while_a_flow_sleeps(world: World) -> None:
    async def flow() -> int:
        channel = await opened(world, read_late)
        channel.machine.say(b"x" * 30_000_000)
        await Sleep(0.05)
        assert channel.congested
        for _ in range(int(SOON)):
            await Sleep(1.0)
            if not channel.unwritten:
                break
        return channel.unwritten

    assert world.run(flow()) == 0


def test_news_of_two_channels_come_from_one_wait_or_two(world: World) -> None:
    async def flow() -> tuple[bytes, bytes]:
        first, second = await opened(world, repeat), await opened(world, repeat)
        first.machine.say(b"one")
        second.machine.say(b"two")
        while len(first.machine.heard) < 3 or len(second.machine.heard) < 3:
            await Wait([first, second], SOON)
        return bytes(first.machine.heard), bytes(second.machine.heard)

    assert world.run(flow()) == (b"one", b"two")


# Closing


def test_what_was_to_be_written_is_written_before_a_channel_is_closed(world: World) -> None:
    heard: list[int] = []

    async def count_all(channel: Channel[Notebook]) -> None:
        await Sleep(0.1)
        heard.append(len(await hear_end(channel)))

    async def flow() -> None:
        channel = await opened(world, count_all)
        channel.machine.say(b"x" * 10_000_000)
        await Close(channel)
        await Close(channel)
        for _ in range(100):
            if not heard:
                await Sleep(0.1)

    world.run(flow())
    assert heard == [10_000_000]


def test_a_peer_that_does_not_read_holds_up_a_close_for_a_short_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailhaul.runtimes.engine.CLOSE_TIMEOUT", 0.1)

    async def sleepy(channel: Channel[Notebook]) -> None:
        await Sleep(1.0)

    async def flow() -> float:
        channel = await opened(world, sleepy)
        channel.machine.say(b"x" * 30_000_000)
        before = await Now()
        await Close(channel)
        assert not channel.open
        return await Now() - before

    assert 0.1 <= world.run(flow()) < 0.9


def test_the_end_of_a_flow_closes_what_it_left_open(world: World) -> None:
    left: list[Channel[Notebook]] = []

    async def flow() -> None:
        left.append(await opened(world, repeat))
        left[0].machine.say(b"x" * 30_000_000)
        await Sleep(0.0)
        raise RuntimeError("the flow fails")

    with pytest.raises(RuntimeError, match="the flow fails"):
        world.run(flow())
    assert (left[0].open, left[0].unwritten) == (False, 0)


def test_a_peer_that_vanishes_is_noticed_within_four_minutes(
    run: Run, serve: Callable[..., Tcp]
) -> None:
    address = serve(lambda connection: connection.recv(1))

    async def flow() -> list[int]:
        channel = new_channel()
        await Open(channel, address, SOON)
        options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        assert isinstance(channel.stream, Stream)
        sock: Any = getattr(channel.stream.sock, "sock", channel.stream.sock)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        return [sock.getsockopt(socket.IPPROTO_TCP, option) for option in options]

    idle, every, count = run(flow())
    assert idle + every * count <= 240


# Failing to open


def test_an_address_that_nothing_listens_to_is_refused(world: World) -> None:
    async def flow() -> None:
        await Open(new_channel(), world.nobody(), SOON)

    with pytest.raises(OpenFailed, match=r"connection to \S+:\d+ failed: .*Connection refused"):
        world.run(flow())


def test_an_address_that_never_answers_is_given_up(world: World) -> None:
    channel = new_channel()

    async def flow() -> float:
        address = world.unreachable()
        before = await Now()
        with pytest.raises(TimedOut, match=r"timeout after 0\.05 seconds"):
            await Open(channel, address, 0.05)
        assert not channel.open
        return await Now() - before

    assert world.run(flow()) >= 0.05


def test_a_program_that_does_not_exist_is_named(world: World) -> None:
    async def flow() -> None:
        with pytest.raises(OpenFailed, match='program "no-such-program" not found'):
            await Open(new_channel(), Pipe(("no-such-program",)), SOON)
        await Start(("no-such-program",), spool(b""))

    with pytest.raises(OpenFailed, match='program "no-such-program" not found'):
        world.run(flow())


def test_a_refused_connection_names_every_address(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    async def flow() -> None:
        await Open(new_channel(), Tcp("localhost", port), SOON)

    with pytest.raises(OpenFailed, match=r"127\.0\.0\.1: Connection refused"):
        run(flow())


def test_a_host_without_address_is_told_apart(run: Run) -> None:
    async def flow() -> None:
        await Open(new_channel(), Tcp("no-such-host.invalid", 25), SOON)

    with pytest.raises(NameNotFound, match=r"no-such-host\.invalid"):
        run(flow())


def test_a_missing_unix_socket_is_named(run: Run, tmp_path: Path) -> None:
    async def flow() -> None:
        await Open(new_channel(), UnixSocket(str(tmp_path / "none")), SOON)

    with pytest.raises(OpenFailed, match="none failed: No such file"):
        run(flow())


@pytest.mark.parametrize(
    ("word", "complaint"), [("no-such-program", "not found"), ("/etc/passwd", "cannot be run")]
)
def test_a_program_that_cannot_run_is_named(run: Run, word: str, complaint: str) -> None:
    async def flow() -> None:
        await Open(new_channel(), Pipe((word,)), SOON)

    with pytest.raises(OpenFailed, match=f'"{word}" {complaint}'):
        run(flow())


# Children


def test_a_child_that_dies_leaves_its_status_and_last_words(run: Run) -> None:
    async def flow() -> tuple[bytes, int | None]:
        channel = new_channel()
        await Open(channel, Pipe(("sh", "-c", "echo denied >&2; exit 7")), SOON)
        await hear_end(channel)
        await Close(channel)
        return channel.last_words, channel.exit_status

    assert run(flow()) == (b"denied\n", 7)


def test_a_silent_child_is_given_up_with_what_it_wrote_on_its_error_output(run: Run) -> None:
    async def flow() -> bytes:
        channel = new_channel()
        await Open(channel, Pipe(("sh", "-c", "echo hm >&2; exec cat >/dev/null")), SOON)
        with pytest.raises(TimedOut):
            await Wait([channel], 0.3)
        await Close(channel)
        return channel.last_words

    assert run(flow()) == b"hm\n"


def test_a_child_that_ignores_everything_is_killed(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mailhaul.runtimes.engine.CLOSE_TIMEOUT", 0.1)

    async def flow() -> int | None:
        channel = new_channel()
        stubborn = "trap '' TERM; echo ready; while :; do sleep 1; done"
        await Open(channel, Pipe(("sh", "-c", stubborn)), SOON)
        await hear(channel, 5)
        await Close(channel)
        return channel.exit_status

    assert run(flow()) == -9


def test_error_output_without_end_neither_blocks_nor_grows(run: Run) -> None:
    noisy = "import sys\nfor i in range(200): sys.stderr.write('x' * 10000)\nprint('done')"

    async def flow() -> tuple[bytes, int]:
        channel = new_channel()
        await Open(channel, Pipe((sys.executable, "-c", noisy)), SOON)
        heard = await hear_end(channel)
        await Close(channel)
        return heard, len(channel.last_words)

    assert run(flow()) == (b"done\n", 8192)


def test_no_child_outlives_its_flow(run: Run) -> None:
    pids: list[int] = []

    async def flow() -> None:
        channel = new_channel()
        await Open(channel, Pipe(("sh", "-c", "echo $$; exec sleep 1000")), SOON)
        await hear(channel, 2)
        pids.append(int(bytes(channel.machine.heard)))
        raise RuntimeError("the flow fails")

    with pytest.raises(RuntimeError, match="the flow fails"):
        run(flow())
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


# Programs


def spool(data: bytes) -> int:
    fd = os.memfd_create("spool")
    os.write(fd, data)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def test_a_program_reads_its_input_and_ends_with_a_status(world: World) -> None:
    ran = Ran(3, b"STDIN heard\n", 0.05)
    argv = world.program(ran, "sh", "-c", "cat; echo ' heard'; exit 3")

    async def flow() -> tuple[int | None, bytes]:
        program = await Start(argv, spool(b"message"))
        while program.status is None:
            await Wait([program], SOON)
        return program.status, program.output

    assert world.run(flow()) == (3, b"message heard\n")


def test_waiting_for_a_program_that_has_ended_returns_at_once(world: World) -> None:
    argv = world.program(Ran(), "true")

    async def flow() -> bytes:
        channel = await opened(world, repeat)
        program = await Start(argv, spool(b""))
        while program.status is None:
            await Wait([program], SOON)
        channel.machine.say(b"hello")
        # Such a wait sends and reads what it can all the same.
        while len(channel.machine.heard) < 5:
            await Wait([program, channel], SOON)
            await Sleep(0.05)
        return bytes(channel.machine.heard)

    assert world.run(flow()) == b"hello"


def test_waiting_for_a_program_that_this_flow_has_not_started_fails_at_once(world: World) -> None:
    async def flow() -> None:
        await Wait([Program("stranger")], SOON)

    with pytest.raises(OpenFailed, match="stranger is not running"):
        world.run(flow())


def test_a_shell_command_gets_its_arguments_apart_from_its_text(run: Run) -> None:
    async def flow() -> bytes:
        argv = ('printf %s "$1"', "a b; echo $HOME `id`")
        program = await Start(argv, spool(b""), shell=True)
        while program.status is None:
            await Wait([program], SOON)
        return program.output

    assert run(flow()) == b"a b; echo $HOME `id`"


def test_a_program_that_hangs_is_ended_by_closing_it(world: World) -> None:
    argv = world.program(Ran(seconds=1000.0), "sleep", "1000")

    async def flow() -> int | None:
        program = await Start(argv, spool(b""))
        with pytest.raises(TimedOut):
            await Wait([program], 0.05)
        await Close(program)
        return program.status

    assert world.run(flow()) == -15


def test_a_program_killed_by_sigpipe_says_so(run: Run) -> None:
    async def flow() -> int | None:
        program = await Start(("sh", "-c", "kill -PIPE $$"), spool(b""))
        while program.status is None:
            await Wait([program], SOON)
        return program.status

    assert run(flow()) == -13


# TLS


class Certificates:
    """A CA of this test run, and servers that it vouches for."""

    def __init__(self, folder: Path) -> None:
        self.ca = trustme.CA()
        self.file = str(folder / "ca.pem")
        self.ca.cert_pem.write_to_path(self.file)

    def server(self, name: str, inside: Peer) -> Peer:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert(name).configure_cert(context)

        def peer(connection: socket.socket) -> None:
            try:
                with context.wrap_socket(connection, server_side=True) as secured:
                    inside(secured)
            except OSError:
                pass  # the client went away, which some tests want

        return peer


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("ca"))


async def secured(address: Tcp, trust: Trust, timeout: float = SOON) -> Channel[Notebook]:
    channel = new_channel()
    await Open(channel, address, SOON)
    await UpgradeToTls(channel, trust, timeout)
    return channel


def test_tls_carries_megabytes_both_ways(
    run: Run, serve: Callable[..., Tcp], certificates: Certificates
) -> None:
    address = serve(certificates.server("mail.example.org", echo))

    async def flow() -> tuple[int, bool]:
        channel = await secured(address, Trust("mail.example.org", ca_file=certificates.file))
        channel.machine.say(b"y" * 3_000_000)
        heard = await hear(channel, 3_000_000)
        await Close(channel)
        return len(heard), channel.tls

    assert run(flow()) == (3_000_000, True)


def test_a_certificate_for_another_name_is_refused(
    run: Run, serve: Callable[..., Tcp], certificates: Certificates
) -> None:
    address = serve(certificates.server("other.example.org", echo))
    trust = Trust("mail.example.org", ca_file=certificates.file)
    with pytest.raises(TlsFailed, match=r"certificate refused: Hostname mismatch"):
        run(secured(address, trust))


def test_a_certificate_of_an_unknown_ca_is_refused(
    run: Run, serve: Callable[..., Tcp], certificates: Certificates
) -> None:
    address = serve(certificates.server("mail.example.org", echo))
    with pytest.raises(TlsFailed, match=r"unable to get local issuer.*sslcertfile"):
        run(secured(address, Trust("mail.example.org")))


def test_a_wrong_certificate_passes_where_the_user_checks_none(
    run: Run, serve: Callable[..., Tcp], certificates: Certificates
) -> None:
    address = serve(certificates.server("other.example.org", echo))
    channel: Channel[Notebook] = run(secured(address, Trust("mail.example.org", verify=False)))
    assert channel.tls


@pytest.mark.parametrize("fingerprint", ["00:" * 15 + "00", "00:" * 31 + "00"])
def test_a_fingerprint_pins_one_certificate_and_a_wrong_one_is_told_the_right_one(
    run: Run, serve: Callable[..., Tcp], certificates: Certificates, fingerprint: str
) -> None:
    peer = certificates.server("mail.example.org", echo)

    def visit(pin: str) -> Channel[Notebook]:
        trust = Trust("mail.example.org", verify=False, fingerprint=pin)
        channel: Channel[Notebook] = run(secured(serve(peer), trust))
        return channel

    with pytest.raises(
        TlsFailed, match=r"the certificate has the (MD5|SHA-256) fingerprint "
    ) as caught:
        visit(fingerprint)
    shown = str(caught.value).split()[6].rstrip(",")
    assert len(shown) == len(fingerprint)
    assert visit(shown).tls


def test_a_peer_without_tls_is_named_as_such(run: Run, serve: Callable[..., Tcp]) -> None:
    def plain(connection: socket.socket) -> None:
        connection.sendall(b"* OK IMAP4rev1 ready\r\n")
        connection.recv(1000)

    with pytest.raises(TlsFailed, match="does not speak TLS on this port"):
        run(secured(serve(plain), Trust("localhost")))


def test_a_handshake_that_never_ends_is_given_up(run: Run, serve: Callable[..., Tcp]) -> None:
    over = threading.Event()

    def silent(connection: socket.socket) -> None:
        over.wait(SOON)

    flow = secured(serve(silent), Trust("localhost"), timeout=0.1)
    with pytest.raises(TimedOut):
        run(flow)
    over.set()


def test_a_peer_that_hangs_up_in_the_handshake_fails_it(
    run: Run, serve: Callable[..., Tcp]
) -> None:
    def rude(connection: socket.socket) -> None:
        connection.recv(1)

    with pytest.raises((TlsFailed, OpenFailed)):
        run(secured(serve(rude), Trust("localhost")))


def test_tls_that_is_cut_off_is_told_from_an_orderly_end(
    run: Run, serve: Callable[..., Tcp], certificates: Certificates
) -> None:
    def cut(connection: socket.socket) -> None:
        connection.sendall(b"half a mess")
        os.close(connection.detach())

    address = serve(certificates.server("mail.example.org", cut))

    async def flow() -> tuple[bytes, str]:
        channel = await secured(address, Trust("mail.example.org", ca_file=certificates.file))
        return await hear_end(channel), channel.failure

    assert run(flow()) == (b"half a mess", "TLS was cut without close_notify")


def test_output_after_tls_was_cut_off_is_dropped(
    run: Run, serve: Callable[..., Tcp], certificates: Certificates
) -> None:
    def cut(connection: socket.socket) -> None:
        os.close(connection.detach())

    address = serve(certificates.server("mail.example.org", cut))

    async def flow() -> str:
        channel = await secured(address, Trust("mail.example.org", ca_file=certificates.file))
        await hear_end(channel)
        for request in (Sleep(0), Close(channel)):
            channel.machine.say(b"QUIT\r\n")
            await request
        return channel.failure

    assert run(flow()) == "TLS was cut without close_notify"


# Waiting


def test_waiting_for_nothing_lets_the_time_pass(world: World) -> None:
    async def flow() -> float:
        before = await Now()
        with pytest.raises(TimedOut):
            await Wait([], 0.05)
        return await Now() - before

    assert world.run(flow()) >= 0.05


def test_waiting_for_a_channel_that_is_not_open_fails_at_once(world: World) -> None:
    async def flow() -> float:
        before = await Now()
        with pytest.raises(OpenFailed, match="peer: no stream is open"):
            await Wait([new_channel()], SOON)
        with pytest.raises(OpenFailed, match="peer: no stream is open"):
            await UpgradeToTls(new_channel(), Trust("localhost"), SOON)
        await Close(new_channel())
        return await Now() - before

    assert world.run(flow()) < SOON


def test_waiting_for_a_channel_that_was_closed_fails_at_once(run: Run) -> None:
    async def flow() -> None:
        channel = new_channel()
        await Open(channel, Pipe(("cat",)), SOON)
        await Close(channel)
        with pytest.raises(OpenFailed, match="peer: no stream is open"):
            await Wait([channel], SOON)

    run(flow())


def test_no_channel_can_be_used_after_it_was_closed(world: World) -> None:
    async def flow() -> None:
        channel = await opened(world, hear_end)
        await Close(channel)
        with pytest.raises(OpenFailed, match="peer: no stream is open"):
            await UpgradeToTls(channel, Trust("localhost"), SOON)
        await Wait([channel], SOON)

    with pytest.raises(OpenFailed, match="peer: no stream is open"):
        world.run(flow())


def test_news_that_are_there_come_before_a_timeout_of_zero(world: World) -> None:
    async def flow() -> bytes:
        channel = await opened(world, repeat)
        channel.machine.say(b"hello")
        await Sleep(0.5)
        await Wait([channel], 0.0)
        with pytest.raises(TimedOut):
            await Wait([channel], 0.0)
        return bytes(channel.machine.heard)

    assert world.run(flow()) == b"hello"


def test_the_end_of_input_is_news_once(world: World) -> None:
    async def leave(channel: Channel[Notebook]) -> None:
        await Close(channel)

    async def flow() -> bool:
        channel = await opened(world, leave)
        await Wait([channel], SOON)
        with pytest.raises(TimedOut):
            await Wait([channel], 0.05)
        return channel.machine.ended

    assert world.run(flow())


async def relieved_at(channel: Channel[Notebook]) -> int:
    """Fill a channel; return what is unwritten when there is room again."""
    channel.machine.say(b"y" * 30_000_000)
    with pytest.raises(TimedOut):
        await Wait([channel], 0.05)
    assert channel.unwritten > CONGESTED
    await Wait([channel], SOON)
    return channel.unwritten


def test_a_full_channel_has_room_again_at_half_of_what_makes_it_full(world: World) -> None:
    async def flow() -> int:
        channel = await opened(world, read_late)
        left = await relieved_at(channel)
        await Close(channel)
        return left

    assert world.run(flow()) <= RELIEVED


# Time and work


def test_work_returns_its_result_or_raises_in_the_flow(world: World) -> None:
    def fail() -> None:
        raise ValueError("no")

    async def flow() -> int:
        with pytest.raises(ValueError, match="no"):
            await Call(fail)
        assert await LedgerCall(lambda: 43) == 43
        return await Call(lambda: 42)

    assert world.run(flow()) == 42


def test_the_clock_runs_while_a_flow_sleeps(world: World) -> None:
    async def flow() -> float:
        before = await Now()
        await Sleep(0.02)
        return await Now() - before

    assert world.run(flow()) >= 0.02


def cancel_on_trio(flow: Flow, seconds: float) -> None:
    async def main() -> None:
        with trio.move_on_after(seconds) as scope:
            await on_trio.run(flow)
        assert scope.cancelled_caught

    trio.run(main)


def cancel_on_asyncio(flow: Flow, seconds: float) -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(on_asyncio.run(flow), seconds)

    asyncio.run(main())


Cancel = Callable[[Flow, float], None]


@pytest.fixture(params=[cancel_on_trio, cancel_on_asyncio], ids=["trio", "asyncio"])
def cancel(request: pytest.FixtureRequest) -> Cancel:
    chosen: Cancel = request.param
    return chosen


def test_a_cancelled_poll_leaves_nothing_open(cancel: Cancel) -> None:
    channel = new_channel()

    async def flow() -> None:
        await Open(channel, Pipe(("cat",)), SOON)
        await Wait([channel], SOON)

    cancel(flow(), 0.05)
    assert not channel.open


def test_a_flow_that_never_waits_can_be_cancelled(cancel: Cancel) -> None:
    async def flow() -> None:
        while True:
            await Now()

    cancel(flow(), 0.05)


def test_work_that_hangs_does_not_hold_up_the_end(
    cancel: Cancel, monkeypatch: pytest.MonkeyPatch
) -> None:
    for runtime in (on_trio, on_asyncio):
        monkeypatch.setattr(runtime, "MAX_WAIT_FOR_CALL", 0.05)
    hanging = threading.Event()

    async def flow() -> None:
        await Call(lambda: hanging.wait(SOON))

    before = time.monotonic()
    cancel(flow(), 0.05)
    assert time.monotonic() - before < SOON / 2
    hanging.set()


def test_work_that_is_under_way_comes_to_its_end_before_its_flow_does(cancel: Cancel) -> None:
    ended: list[str] = []

    def work() -> None:
        time.sleep(0.3)
        ended.append("work")

    async def flow() -> None:
        try:
            await Call(work)
        finally:
            ended.append("flow")

    cancel(flow(), 0.1)
    assert ended == ["work", "flow"]


def test_the_ledger_has_a_thread_where_all_others_hang() -> None:
    hanging = threading.Event()

    async def hang() -> None:
        await Call(lambda: hanging.wait(SOON))

    async def note() -> int:
        return await LedgerCall(lambda: 42)

    async def main() -> int:
        limiter = trio.to_thread.current_default_thread_limiter()
        async with trio.open_nursery() as nursery:
            for _ in range(int(limiter.total_tokens)):
                nursery.start_soon(on_trio.run, hang())
            with trio.fail_after(SOON):
                await trio.testing.wait_all_tasks_blocked()
                answer: int = await on_trio.run(note())
            hanging.set()
        return answer

    assert trio.run(main) == 42


# Flows beside


def test_flows_beside_advance_while_this_one_waits(world: World) -> None:
    heard: list[bytes] = []
    news = [Signal()]

    async def ask(words: bytes) -> None:
        channel = await opened(world, repeat)
        channel.machine.say(words)
        while len(channel.machine.heard) < len(words):
            await Wait([channel], SOON)
        await Close(channel)
        heard.append(bytes(channel.machine.heard))
        news[0].set()

    async def flow() -> list[bytes]:
        for words in (b"one", b"two", b"three"):
            await Spawn(partial(ask, words))
        while len(heard) < 3:
            await Wait([*news], SOON)
            news[0] = Signal()
        return sorted(heard)

    assert world.run(flow()) == [b"one", b"three", b"two"]


def test_a_signal_that_is_set_ends_a_wait_at_once_and_one_that_is_not_times_out(
    world: World,
) -> None:
    async def flow() -> str:
        signal = Signal()
        signal.set()
        await Wait([signal], SOON)
        try:
            await Wait([Signal()], 0.05)
        except TimedOut:
            return "timeout"
        return "news"

    assert world.run(flow()) == "timeout"


def test_a_flow_beside_keeps_its_own_timeouts(world: World) -> None:
    signal = Signal()

    async def late() -> None:
        channel = await opened(world, repeat)
        try:
            await Wait([channel], 0.05)
        except TimedOut:
            signal.set()

    async def flow() -> bool:
        await Spawn(late)
        await Wait([signal], SOON)
        return signal.is_set

    assert world.run(flow())


def test_a_flow_beside_may_call_sleep_and_spawn(world: World) -> None:
    done: list[str] = []
    signal = Signal()

    async def inner() -> None:
        done.append(await Call(lambda: "call"))
        await Sleep(0.01)
        signal.set()

    async def outer() -> None:
        await Spawn(inner)
        done.append(await LedgerCall(lambda: "ledger"))

    async def flow() -> list[str]:
        await Spawn(outer)
        await Wait([signal], SOON)
        return done

    assert world.run(flow()) == ["ledger", "call"]


def test_a_flow_beside_gives_up_output_while_another_one_waits(world: World) -> None:
    """What each waits for may be out of date when the next one has closed a channel."""
    answer = Signal()

    async def listens() -> None:
        channel = await opened(world, repeat)
        with suppress(TimedOut):
            await Wait([channel], 3.0)
        channel.machine.say(b"still there")
        await Wait([channel], SOON)
        answer.set()

    async def gives_up() -> None:
        channel = await opened(world, deaf)
        channel.machine.say(b"x" * 16_000_000)
        await Close(channel)

    async def deaf(channel: Channel[Notebook]) -> None:
        # Longer than the closing of the other side takes.
        await Sleep(4.0)

    async def flow() -> bool:
        await Spawn(listens)
        await Spawn(gives_up)
        await Wait([answer], SOON)
        return answer.is_set

    assert world.run(flow())


def test_what_a_flow_beside_raises_ends_both(world: World) -> None:
    ended: list[str] = []

    async def broken() -> None:
        await Sleep(0.01)
        raise LookupError("beside")

    async def flow() -> None:
        try:
            await Spawn(broken)
            await Sleep(SOON)
        finally:
            ended.append("main")

    with pytest.raises(LookupError, match="beside"):
        world.run(flow())
    assert ended == ["main"]


def test_a_flow_beside_ends_with_the_main_one(world: World) -> None:
    ended: list[str] = []

    async def endless(name: str) -> None:
        try:
            await Sleep(SOON)
        finally:
            ended.append(name)

    async def flow() -> str:
        await Spawn(partial(endless, "begun"))
        await Sleep(0.01)
        await Spawn(partial(endless, "never begun"))
        return "main"

    assert world.run(flow()) == "main"
    assert ended == ["begun"]


def test_an_exception_of_a_call_beside_is_raised_there(world: World) -> None:
    signal = Signal()

    def fail() -> None:
        raise OSError("disk")

    async def careful() -> None:
        try:
            await Call(fail)
        except OSError:
            signal.set()

    async def flow() -> bool:
        await Spawn(careful)
        await Wait([signal], SOON)
        return signal.is_set

    assert world.run(flow())
