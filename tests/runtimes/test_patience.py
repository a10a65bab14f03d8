"""No wait of a runtime is longer than was said: for an answer that drips, for a name, a socket."""

from __future__ import annotations

import _thread
import asyncio
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from mailhaul.flows.channel import Channel
from mailhaul.flows.pace import MAX_TIMEOUTS, MIN_OCTETS_PER_SECOND, Pace, TooSlow
from mailhaul.flows.requests import NameNotFound, Open, Request, Tcp, TimedOut, UnixSocket, Wait
from mailhaul.protocols.outbox import Outbox
from mailhaul.runtimes import asyncio as on_asyncio
from mailhaul.runtimes import blocking, dialling
from mailhaul.runtimes import trio as on_trio
from mailhaul.runtimes.dialling import Lookup
from mailhaul.runtimes.engine import Engine

Flow = Coroutine[Request[Any], Any, Any]
Run = Callable[..., Any]
SOON = 20.0


def run_on_trio(flow: Flow, engine: Engine | None = None) -> Any:
    return trio.run(on_trio.run, flow, engine)


def run_on_asyncio(flow: Flow, engine: Engine | None = None) -> Any:
    return asyncio.run(on_asyncio.run(flow, engine))


@pytest.fixture(
    params=[blocking.run, run_on_trio, run_on_asyncio], ids=["blocking", "trio", "asyncio"]
)
def run(request: pytest.FixtureRequest) -> Run:
    chosen: Run = request.param
    return chosen


class Debtor:
    """A machine that is owed one reply; each piece of it costs ``seconds`` of its own clock."""

    def __init__(self, seconds: float) -> None:
        self.expected: object = object()
        self.now = 0.0
        self._seconds = seconds
        self._outbox = Outbox()

    def receive_data(self, data: bytes) -> None:
        self.now += self._seconds

    def receive_eof(self) -> None:
        raise AssertionError("the peer does not hang up")

    def say(self, data: bytes) -> None:
        self._outbox.put(data)

    def data_to_send(self) -> list[bytes]:
        return self._outbox.take()

    @property
    def unsent(self) -> int:
        return self._outbox.size


async def listen(machine: Debtor, engine: Engine, answer: int) -> int:
    """Hear pieces of a given length until the patience ends; return how many came."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        channel = Channel("peer", machine, pace=Pace(machine, 10.0))
        engine.adopt(channel, ours)
        for pieces in range(50):
            theirs.sendall(b"x" * answer)
            try:
                await Wait([channel], SOON)
            except TooSlow:
                return pieces
        return 50


@pytest.mark.parametrize(
    ("answer", "pieces"),
    [(1, MAX_TIMEOUTS * 10 // 4 + 1), (4 * MIN_OCTETS_PER_SECOND, 50)],
    ids=["drip", "flow"],
)
def test_an_answer_that_drips_ends_and_one_that_flows_does_not(
    run: Run, answer: int, pieces: int
) -> None:
    machine = Debtor(seconds=4.0)
    engine = Engine(lambda: machine.now)

    assert run(listen(machine, engine, answer), engine) == pieces


@pytest.fixture
def deaf_resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let every look-up of a name last until the test is over."""
    over = threading.Event()

    def look_up(*_: Any, flags: int = 0, **__: Any) -> list[Any]:
        if flags & socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "no address")
        over.wait(SOON)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    yield
    over.set()
    while Lookup._running:
        time.sleep(0.001)


@pytest.mark.usefixtures("deaf_resolver")
def test_a_look_up_that_does_not_end_is_left_behind(run: Run) -> None:
    async def flow() -> None:
        await Open(Channel("host", Debtor(0.0)), Tcp("mail.example.org", 143), 0.05)

    with pytest.raises(TimedOut):
        run(flow())


@pytest.mark.usefixtures("deaf_resolver")
def test_while_the_name_service_hangs_threads_do_not_pile_up(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialling, "MAX_LOOKUPS", 3)
    started: list[tuple[Any, ...]] = []
    start = _thread.start_new_thread

    def counted(work: Any, what: Any) -> int:
        started.append(what)
        return start(work, what)

    monkeypatch.setattr(_thread, "start_new_thread", counted)

    async def open_(host: str) -> None:
        await Open(Channel("host", Debtor(0.0)), Tcp(host, 143), 0.02)

    for host in ("a", "a", "b", "a", "b", "c", "d", "e", "a"):
        with pytest.raises(TimedOut):
            run(open_(f"{host}.example.org"))
    # trio has threads of its own for other things.
    names = [what for (what,) in started if isinstance(what, tuple)]
    assert names == [("a.example.org", 143), ("b.example.org", 143), ("c.example.org", 143)]


def test_all_who_ask_for_one_name_get_the_answer_and_the_next_asks_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []
    may_answer = threading.Event()

    def look_up(*_: Any, flags: int = 0, **__: Any) -> list[Any]:
        if flags & socket.AI_NUMERICHOST:
            raise socket.gaierror(socket.EAI_NONAME, "no address")
        asked.append(1)
        may_answer.wait(SOON)
        raise socket.gaierror(socket.EAI_AGAIN, "not now")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    failures: list[str] = []

    async def one() -> None:
        channel = Channel("host", Debtor(0.0))
        try:
            await Open(channel, Tcp("mail.example.org", 143), SOON)
        except NameNotFound as error:
            failures.append(str(error))

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(on_trio.run, one())
            await trio.testing.wait_all_tasks_blocked(0.01)
            may_answer.set()
        await on_trio.run(one())

    trio.run(main)
    assert failures == ["cannot find the address of mail.example.org: not now"] * 6
    assert len(asked) == 2


def test_a_unix_socket_whose_queue_is_full_is_left(run: Run, tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(path)
        listener.listen(0)

        async def flow() -> None:
            for _ in range(10):
                await Open(Channel("host", Debtor(0.0)), UnixSocket(path), 0.05)

        with pytest.raises(TimedOut):
            run(flow())


def test_an_address_needs_no_thread_and_no_name_service(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*args: Any) -> None:
        raise RuntimeError("can't start new thread")

    async def connect(port: int) -> None:
        await Open(Channel("server", Debtor(0.0)), Tcp("127.0.0.1", port), 5.0)

    monkeypatch.setattr(_thread, "start_new_thread", none)
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        run(connect(server.getsockname()[1]))
