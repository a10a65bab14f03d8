"""What every runtime that meets the real world owes a flow: one suite, run on each.

Peers are plain sockets in a thread, or real child processes; certificates are made for the run.
"""

from __future__ import annotations

import os
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
import trustme

from mailhaul.flows.channel import CONGESTED, RELIEVED, Channel
from mailhaul.flows.requests import (
    Call,
    Close,
    NameNotFound,
    Note,
    Now,
    Open,
    OpenFailed,
    Pipe,
    Request,
    Sleep,
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
from mailhaul.runtimes import blocking
from mailhaul.runtimes import trio as on_trio
from mailhaul.runtimes.simulated import Simulation

Flow = Coroutine[Request[Any], Any, Any]
Run = Callable[[Flow], Any]
Peer = Callable[[socket.socket], None]
SOON = 20.0
"""Longer than anything here takes; a wait that reaches it has hung."""


def run_on_trio(flow: Flow) -> Any:
    return trio.run(on_trio.run, flow)


@pytest.fixture(params=[blocking.run, run_on_trio], ids=["blocking", "trio"])
def run(request: pytest.FixtureRequest) -> Run:
    chosen: Run = request.param
    return chosen


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


def test_what_is_said_over_tcp_comes_back(run: Run, serve: Callable[..., Tcp]) -> None:
    async def flow() -> tuple[bytes, str]:
        channel = new_channel()
        await Open(channel, serve(echo), SOON)
        channel.machine.say(b"hello")
        heard = await hear(channel, 5)
        await Close(channel)
        return heard, channel.address

    assert run(flow()) == (b"hello", "127.0.0.1")


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


def test_both_sides_can_send_megabytes_at_once(run: Run, serve: Callable[..., Tcp]) -> None:
    size = 5_000_000

    async def flow() -> int:
        channel = new_channel()
        await Open(channel, serve(echo), SOON)
        channel.machine.say(b"x" * size)
        return len(await hear(channel, size))

    assert run(flow()) == size


def test_a_peer_that_does_not_read_makes_the_channel_congested(
    run: Run, serve: Callable[..., Tcp]
) -> None:
    reading = threading.Event()

    def slow(connection: socket.socket) -> None:
        reading.wait(SOON)
        while connection.recv(1 << 20):
            pass

    async def flow() -> tuple[bool, bool]:
        channel = new_channel()
        await Open(channel, serve(slow), SOON)
        channel.machine.say(b"x" * 30_000_000)
        with pytest.raises(TimedOut):
            await Wait([channel], 0.05)
        before = channel.congested
        reading.set()
        while channel.congested:
            await Wait([channel], SOON)
        assert channel.unwritten <= CONGESTED
        await Close(channel)
        return before, channel.congested

    assert run(flow()) == (True, False)


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


def test_the_last_words_are_heard_although_we_can_no_longer_write(
    run: Run, serve: Callable[..., Tcp]
) -> None:
    gone = threading.Event()

    def leaving(connection: socket.socket) -> None:
        connection.sendall(b"421 bye")
        connection.close()
        gone.set()

    async def flow() -> tuple[bytes, str]:
        channel = new_channel()
        await Open(channel, serve(leaving), SOON)
        await Call(lambda: gone.wait(SOON))
        for _ in range(3):
            channel.machine.say(b"x" * 100_000)
        heard = await hear_end(channel)
        return heard, channel.failure

    heard, _ = run(flow())
    assert heard in {b"421 bye", b""}  # a reset may overtake what it follows


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


def test_input_of_a_channel_that_nobody_listens_to_stays_where_it_is(
    run: Run, serve: Callable[..., Tcp]
) -> None:
    sent = threading.Event()

    def chatter(connection: socket.socket) -> None:
        connection.sendall(b"psst")
        sent.set()
        connection.recv(1)

    async def flow() -> tuple[bytes, bytes]:
        quiet, loud = new_channel(), new_channel()
        await Open(quiet, serve(echo), SOON)
        await Open(loud, serve(chatter), SOON)
        await Call(lambda: sent.wait(SOON))
        with pytest.raises(TimedOut):
            await Wait([quiet], 0.05)
        before = bytes(loud.machine.heard)
        return before, await hear(loud, 4)

    assert run(flow()) == (b"", b"psst")


def test_a_peer_that_vanishes_is_noticed_within_four_minutes(
    run: Run, serve: Callable[..., Tcp]
) -> None:
    address = serve(lambda connection: connection.recv(1))

    async def flow() -> list[int]:
        channel = new_channel()
        await Open(channel, address, SOON)
        options = (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        sock = channel.stream.sock
        sock = getattr(sock, "sock", sock)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        return [sock.getsockopt(socket.IPPROTO_TCP, option) for option in options]

    idle, every, count = run(flow())
    assert idle + every * count <= 240


# Failing to open


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
    monkeypatch.setattr("mailhaul.runtimes.engine.GRACE", 0.1)

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


def test_a_program_reads_its_input_and_ends_with_a_status(run: Run) -> None:
    async def flow() -> tuple[int | None, bytes]:
        program = await Start(("sh", "-c", "cat; echo ' heard'; exit 3"), spool(b"message"))
        while program.status is None:
            await Wait([program], SOON)
        return program.status, program.output

    assert run(flow()) == (3, b"message heard\n")


def test_a_shell_command_gets_its_arguments_apart_from_its_text(run: Run) -> None:
    async def flow() -> bytes:
        argv = ('printf %s "$1"', "a b; echo $HOME `id`")
        program = await Start(argv, spool(b""), shell=True)
        while program.status is None:
            await Wait([program], SOON)
        return program.output

    assert run(flow()) == b"a b; echo $HOME `id`"


def test_a_program_that_hangs_is_ended_by_closing_it(run: Run) -> None:
    async def flow() -> int | None:
        program = await Start(("sleep", "1000"), spool(b""))
        with pytest.raises(TimedOut):
            await Wait([program], 0.05)
        await Close(program)
        return program.status

    assert run(flow()) == -15


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


# Waiting, on all runtimes


@pytest.fixture(params=[blocking.run, run_on_trio, "simulated"], ids=["blocking", "trio", "sim"])
def run_anywhere(request: pytest.FixtureRequest) -> Run:
    if request.param == "simulated":
        return lambda flow: Simulation().run(flow)
    chosen: Run = request.param
    return chosen


def test_waiting_for_nothing_lets_the_time_pass(run_anywhere: Run) -> None:
    async def flow() -> float:
        before = await Now()
        with pytest.raises(TimedOut):
            await Wait([], 0.05)
        return await Now() - before

    assert run_anywhere(flow()) >= 0.05


def test_waiting_for_a_channel_that_is_not_open_fails_at_once(run_anywhere: Run) -> None:
    async def flow() -> float:
        before = await Now()
        with pytest.raises(OpenFailed, match="peer: no stream is open"):
            await Wait([new_channel()], SOON)
        return await Now() - before

    assert run_anywhere(flow()) < SOON


def test_waiting_for_a_channel_that_was_closed_fails_at_once(run: Run) -> None:
    async def flow() -> None:
        channel = new_channel()
        await Open(channel, Pipe(("cat",)), SOON)
        await Close(channel)
        with pytest.raises(OpenFailed, match="peer: no stream is open"):
            await Wait([channel], SOON)

    run(flow())


def test_waiting_for_a_simulated_channel_that_was_closed_fails_at_once() -> None:
    async def silent(channel: Channel[Notebook]) -> None:
        await hear_end(channel)

    async def flow() -> None:
        channel = new_channel()
        await Open(channel, Tcp("host", 25), SOON)
        await Close(channel)
        with pytest.raises(OpenFailed, match="peer: no stream is open"):
            await Wait([channel], SOON)

    simulation = Simulation()
    simulation.listen(Tcp("host", 25), Notebook, silent)
    simulation.run(flow())


async def relieved_at(channel: Channel[Notebook]) -> int:
    """Fill a channel; return what is unwritten when there is room again."""
    channel.machine.say(b"y" * 30_000_000)
    with pytest.raises(TimedOut):
        await Wait([channel], 0.05)
    assert channel.unwritten > CONGESTED
    await Wait([channel], SOON)
    return channel.unwritten


def test_a_full_channel_has_room_again_at_half_of_what_makes_it_full(
    run: Run, serve: Callable[..., Tcp]
) -> None:
    def late(connection: socket.socket) -> None:
        time.sleep(0.2)
        while connection.recv(1 << 16):
            pass

    async def flow() -> int:
        channel = new_channel()
        await Open(channel, serve(late), SOON)
        left = await relieved_at(channel)
        await Close(channel)
        return left

    assert run(flow()) <= RELIEVED


def test_a_full_simulated_channel_has_room_again_at_half_of_what_makes_it_full() -> None:
    async def late(channel: Channel[Notebook]) -> None:
        await Sleep(1.0)
        await hear_end(channel)

    async def flow() -> int:
        channel = new_channel()
        await Open(channel, Tcp("host", 25), SOON)
        # What is on its way fills the link.
        channel.machine.say(b"x" * 2_000_000)
        await Wait([channel], SOON)
        return await relieved_at(channel)

    simulation = Simulation(round_trip=0.01)
    simulation.listen(Tcp("host", 25), Notebook, late)
    assert simulation.run(flow()) <= RELIEVED


# Time and work


def test_work_returns_its_result_or_raises_in_the_flow(run: Run) -> None:
    def fail() -> None:
        raise ValueError("no")

    async def flow() -> int:
        with pytest.raises(ValueError, match="no"):
            await Call(fail)
        return await Call(lambda: 42)

    assert run(flow()) == 42


def test_the_clock_runs_while_a_flow_sleeps(run: Run) -> None:
    async def flow() -> float:
        before = await Now()
        await Sleep(0.02)
        return await Now() - before

    assert run(flow()) >= 0.02


def test_a_cancelled_poll_leaves_nothing_open() -> None:
    channel = new_channel()

    async def flow() -> None:
        await Open(channel, Pipe(("cat",)), SOON)
        await Wait([channel], SOON)

    async def main() -> None:
        with trio.move_on_after(0.05):
            await on_trio.run(flow())

    trio.run(main)
    assert not channel.open


def test_work_that_hangs_does_not_hold_up_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_trio, "STUCK", 0.05)
    hanging = threading.Event()

    async def flow() -> None:
        await Call(lambda: hanging.wait(SOON))

    async def main() -> None:
        with trio.move_on_after(0.05):
            await on_trio.run(flow())

    before = time.monotonic()
    trio.run(main)
    assert time.monotonic() - before < SOON / 2
    hanging.set()


def test_work_that_is_under_way_comes_to_its_end_before_its_flow_does() -> None:
    ended: list[str] = []
    begun = threading.Event()

    def work() -> None:
        begun.set()
        time.sleep(0.1)
        ended.append("work")

    async def flow() -> None:
        try:
            await Call(work)
        finally:
            ended.append("flow")

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(on_trio.run, flow())
            await trio.to_thread.run_sync(begun.wait)
            nursery.cancel_scope.cancel()

    trio.run(main)
    assert ended == ["work", "flow"]


def test_the_ledger_has_a_thread_where_all_others_hang() -> None:
    hanging = threading.Event()

    async def hang() -> None:
        await Call(lambda: hanging.wait(SOON))

    async def note() -> int:
        return await Note(lambda: 42)

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
