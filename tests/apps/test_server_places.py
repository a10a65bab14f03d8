"""Many accounts at one server that limits its connections: polls wait, and are repeated."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import trio

from mailhaul.adapters.config.caller import Caller
from mailhaul.adapters.config.load import load
from mailhaul.adapters.config.settings import AccountSettings
from mailhaul.adapters.ledger.store import SqliteLedger
from mailhaul.apps.polls import limited
from mailhaul.apps.polls.context import PollContext
from mailhaul.apps.polls.lines import Lines
from mailhaul.apps.polls.pool import PollPool
from mailhaul.apps.polls.server_places import ServerPlaces, ServerSlot
from mailhaul.flows.admission import START
from mailhaul.flows.channel import Channel
from mailhaul.flows.outcome import ExitCode, ServerRefused
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.protocols.pop3.server import Pop3Server
from mailhaul.runtimes import blocking
from mailhaul.runtimes import trio as on_trio
from mailhaul.runtimes.engine import Engine
from mailhaul.servers.imap import serve_imap
from mailhaul.servers.logins import Logins
from mailhaul.servers.mailboxes import Mailbox, Mailboxes
from mailhaul.servers.pop3 import Maildrop, serve_pop3

TEXT = b"From: a@example.org\r\nSubject: hello\r\n\r\nHello.\r\n"
USERS = {b"u%d" % number: b"secret" for number in range(30)}
BUSY = {
    "imap": b"* BYE [UNAVAILABLE] Too many connections from your address\r\n",
    "pop3": b"-ERR [SYS/TEMP] Too many connections from your address\r\n",
}


class LimitedServer:
    """A server that refuses connections beyond ``most``. Each session has a new message."""

    def __init__(self, protocol: str, most: int) -> None:
        self._protocol = protocol
        self._most = most
        self._open = 0
        self.boxes: list[Mailbox] = []
        self.refused = self.port = 0

    async def run(self, task_status: trio.TaskStatus[None]) -> None:
        """Serve until cancelled."""
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.port = listeners[0].socket.getsockname()[1]
        task_status.started()
        await trio.serve_listeners(self._serve, listeners)

    async def _serve(self, stream: trio.SocketStream) -> None:
        async with stream:
            if self._open >= self._most:
                self.refused += 1
                await stream.send_all(BUSY[self._protocol])
                return
            self._open += 1
            try:
                await self._session(socket.socket(fileno=os.dup(stream.socket.fileno())))
            finally:
                self._open -= 1

    async def _session(self, connection: socket.socket) -> None:
        box = Mailbox([TEXT])
        self.boxes.append(box)
        if self._protocol == "imap":
            channel: Channel[Any] = Channel("client", ImapServer())
            flow = serve_imap(channel, Mailboxes({b"INBOX": box}), USERS)
        else:
            channel = Channel("client", Pop3Server())
            flow = serve_pop3(channel, Maildrop(box), Logins(USERS))
        engine = Engine(trio.current_time)
        engine.adopt(channel, connection)
        await on_trio.run(flow, engine)


class Accounts:
    """Accounts at one server, and the pool that polls them."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self.err = StringIO()
        self.lines = Lines(0, StringIO(), self.err)

    def load(self, text: str) -> tuple[PollPool, Sequence[AccountSettings]]:
        """Return the pool and the accounts of an rc file."""
        rc = self._home / "rc"
        rc.write_text(text)
        rc.chmod(0o600)
        caller = Caller("me", os.getuid(), str(self._home), None, str(self._home))
        configuration = load(["-f", str(rc)], caller, bytes)
        ledger = SqliteLedger(str(self._home / "ledger"))
        locks = str(self._home / "locks")
        context = PollContext(
            caller, configuration.globals, False, ledger, locks, "here", lambda protocol: None
        )
        return PollPool(context), configuration.accounts

    def poll(self, server: LimitedServer, protocol: str, count: int) -> list[ExitCode]:
        """Poll all accounts once, side by side; return their exit codes."""
        codes: list[ExitCode] = []

        async def story() -> None:
            async with trio.open_nursery() as nursery:
                await nursery.start(server.run)
                pool, accounts = self.load(
                    "".join(
                        f"poll 127.0.0.1 protocol {protocol} port {server.port} timeout 20"
                        f' user u{n} password secret sslproto "" maildir "{self._home}/Mail"\n'
                        for n in range(count)
                    )
                )

                async def one(settings: AccountSettings) -> None:
                    codes.append(await pool.poll(settings, self.lines))

                async with trio.open_nursery() as polls:
                    for settings in accounts:
                        polls.start_soon(one, settings)
                nursery.cancel_scope.cancel()

        trio.run(story)
        return codes


@pytest.fixture
def accounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Accounts:
    async def no_rest(*_: object) -> None:
        """Ask no ledger in a thread: all ask for their connections at the same time."""

    monkeypatch.setattr(limited, "at_rest", no_rest)
    return Accounts(tmp_path)


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_a_server_with_few_connections_refuses_few_and_all_mail_is_fetched(
    accounts: Accounts, protocol: str
) -> None:
    server = LimitedServer(protocol, most=5)
    assert set(accounts.poll(server, protocol, 30)) == {ExitCode.SUCCESS}
    assert accounts.err.getvalue() == ""
    assert [len(box.messages) for box in server.boxes] == [0] * 30
    assert 0 < server.refused <= 2 * START


@pytest.mark.parametrize("protocol", ["imap", "pop3"])
def test_a_server_that_refuses_everybody_is_asked_once_by_each(
    accounts: Accounts, protocol: str
) -> None:
    server = LimitedServer(protocol, most=0)
    codes = set(accounts.poll(server, protocol, 30))
    assert codes == {ExitCode.SERVBUSY if protocol == "imap" else ExitCode.LOCKBUSY}
    assert server.refused == 30
    assert accounts.err.getvalue().count("Too many connections") == 30


def has(slot: ServerSlot) -> bool:
    """Whether a poll has its connection, for which it asks if it has not done so."""
    return slot.ask(slot).is_set


def test_polls_get_connections_in_the_order_in_which_they_asked() -> None:
    places = ServerPlaces(1)
    order: list[int] = []
    slots = [ServerSlot(places, f"u{number}") for number in range(3)]
    for number in (2, 0, 1):
        slots[number].ask(slots).listen(partial(order.append, number))
    for number in (2, 0, 1):
        slots[number].end()
    assert order == [2, 0, 1]


def test_a_wait_that_is_cancelled_keeps_no_connection() -> None:
    places = ServerPlaces(1)
    first, second, third = (ServerSlot(places, user) for user in "abc")
    assert has(first)
    waiting = second.begin()
    waiting.send(None)
    waiting.close()
    first.end()
    assert has(third)
    waiting = second.begin()
    waiting.send(None)
    # It gets the connection, and is cancelled before it runs again.
    third.end()
    waiting.close()
    assert has(third)


def test_the_connection_is_free_when_logout_is_sent_and_is_waited_for_again() -> None:
    places = ServerPlaces(1)
    first, second = ServerSlot(places, "a"), ServerSlot(places, "b")
    assert has(first)
    assert has(first)
    first.ending()
    assert has(second)
    assert not has(first)
    second.end()
    assert has(first)
    first.give_back(first)
    assert not places.admission.has_room


def test_after_a_refusal_the_connection_is_kept_until_it_is_closed() -> None:
    places = ServerPlaces(2)
    first, second = ServerSlot(places, "a"), ServerSlot(places, "b")
    assert has(first)
    assert has(second)
    second.failed(ServerRefused(ExitCode.SERVBUSY, "too many"))
    second.end()
    first.ending()
    assert not places.admission.has_room
    first.end()
    assert places.admission.has_room


def test_a_poll_is_repeated_as_often_as_it_may() -> None:
    places = ServerPlaces(8)
    slot, *others = (ServerSlot(places, user, 1) for user in "abcd")
    assert all(has(one) for one in (slot, *others))
    slot.failed(ServerRefused(ExitCode.SERVBUSY, "too many"))
    assert slot.is_repeated()
    for other in others[1:]:
        other.logged_in()
        other.end()
    assert blocking.run(slot.begin_again())
    slot.failed(ServerRefused(ExitCode.SERVBUSY, "too many"))
    assert not slot.is_repeated()
