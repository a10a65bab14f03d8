"""Any input in any split gives the same events or the same error, with little memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fuzz.held import held
from mailhaul.protocols.errors import LimitExceeded, LocalProtocolError, RemoteProtocolError
from mailhaul.protocols.limits import Limits
from mailhaul.protocols.machine import NEED_DATA, NeedData
from mailhaul.protocols.pop3.client import Pop3Client
from mailhaul.protocols.pop3.commands import (
    Capa,
    Command,
    Continuation,
    Delete,
    Envelope,
    Heard,
    Lang,
    Last,
    List,
    Pass,
    Quit,
    Retrieve,
    StartTls,
    Stat,
    Top,
    Uidl,
    User,
)
from mailhaul.protocols.pop3.events import (
    BodyChunk,
    BodyStart,
    Closed,
    Completed,
    Event,
    Greeted,
    TlsReady,
    UniqueId,
)
from mailhaul.protocols.pop3.server import Pop3Server
from mailhaul.protocols.sasl.exchange import (
    Authenticate,
    CancelAuthentication,
    Challenge,
    Respond,
    encode_base64,
)
from mailhaul.protocols.secret import Secret

from .pop3_clients import add, feed, greeted, in_transaction, sent

TIGHT = Limits(
    reply_line=100,
    reply_lines=10,
    listing_lines=50,
    command_line=100,
    sasl=100,
    capabilities=10,
    outstanding=10,
)
PASSWORD = b"correct-horse"
FORMS = (PASSWORD, encode_base64(PASSWORD))
SESSION: list[tuple[Command | Continuation | None, bytes]] = [
    (None, b"+OK ready <1.2@x>\r\n"),
    (Capa(), b"+OK\r\nPIPELINING\r\nSASL PLAIN\r\n.\r\n"),
    (Authenticate(b"LOGIN"), b"+ VXNlcm5hbWU6\r\n"),
    (Respond(Secret(b"joe")), b"-ERR [AUTH] no\r\n"),
    (User(b"joe"), b"+OK\r\n"),
    (Pass(Secret(PASSWORD)), b"+OK correct-horse is right\r\n"),
    (Stat(), b"+OK 2 320\r\n"),
    (Uidl(), b"+OK\r\n1 a\r\n2 b\r\n.\r\n"),
    (List(), b"+OK\r\n1 120\r\n2 200\r\n.\r\n"),
    (Retrieve(1), b"+OK\r\n..\r\na\r\n\r\n.\n..b\r\n.\r\n"),
    (Top(2, 0), b"-ERR [SYS/TEMP] no\r\n"),
    (Delete(1), b"+OK\r\n"),
    (Last(), b"+OK 1\r\n"),
    (Envelope(1), b"+OK\r\nann@x\r\n..\r\n.\r\n"),
    (Quit(), b"+OK bye\r\n"),
]


def cut(data: bytes, sizes: Iterable[int]) -> list[bytes]:
    pieces: list[bytes] = []
    for size in sizes:
        pieces.append(data[:size])
        data = data[size:]
    return [*pieces, data]


SIZES = st.lists(st.integers(1, 30), max_size=40)


@given(SIZES)
def test_however_a_session_is_cut_its_events_are_the_same(sizes: list[int]) -> None:
    whole, pieces = Pop3Client(), Pop3Client()
    for command, wire in SESSION:
        for client in (whole, pieces):
            if command is not None:
                client.send(command)
        assert feed(pieces, cut(wire, sizes)) == feed(whole, [wire])
        assert sent(pieces) == sent(whole)
        assert (pieces.state, pieces.outstanding) == (whole.state, whole.outstanding)
    assert whole.state == "leaving"


@given(SIZES)
def test_however_pipelined_replies_are_cut_their_events_are_the_same(sizes: list[int]) -> None:
    clients = [in_transaction(b"PIPELINING"), in_transaction(b"PIPELINING")]
    # Behind the login, where commands may go ahead.
    late = SESSION[6:]
    for client in clients:
        for command, _ in late:
            if command is not None:
                client.send(command)
    wire = b"".join(wire for _, wire in late)
    events = feed(clients[0], [wire])
    assert feed(clients[1], cut(wire, sizes)) == events
    assert [e.command for e in events if isinstance(e, Completed)] == [c for c, _ in late]


class Patient:
    """A server that replies +OK to every command and records it."""

    def __init__(self) -> None:
        self.machine = Pop3Server(TIGHT)
        self.machine.send(Greeted())
        self.heard: list[Heard | Closed] = []

    def feed(self, data: bytes) -> None:
        self.machine.receive_data(data)
        while not isinstance(heard := self.machine.next_event(), NeedData):
            self.heard.append(heard)
            for event in answer_to(heard):
                self.machine.send(event)


def answer_to(heard: Heard | Closed) -> list[Event]:
    match heard:
        case Closed():
            return []
        case StartTls():
            return [TlsReady(heard)]
        case Authenticate(b"LOGIN"):
            return [Challenge(b"Username:")]
        case Respond() | CancelAuthentication():
            return [Completed(Authenticate(b"LOGIN"), True)]
        case Retrieve(number) | Top(number):
            return [BodyStart(number), BodyChunk(b".\r\n"), Completed(heard, True)]
        case Stat() | Last() | List(int()) | Uidl(int()):
            return [Completed(heard, False)]
        case _:
            return [Completed(heard, True)]


def shape(heard: Heard | Closed) -> str:
    """Secrets do not compare: say what they are."""
    if isinstance(heard, Pass):
        return f"PASS {heard.password.reveal()!r}"
    return f"RESPOND {heard.response.reveal()!r}" if isinstance(heard, Respond) else repr(heard)


SAID = (
    b"CAPA\r\nUSER ann\r\nPASS two words \r\nRSET\nXYZZY\r\nSTAT\r\nRETR 1\r\nTOP 2 0\r\n"
    b"LIST\r\nLIST 3\r\nUIDL\r\nDELE 1\r\nPASS x\r\nRETR 0\r\nQUIT\r\nNOOP\r\n"
)
EXCHANGED = b"AUTH LOGIN\r\nam9l\r\nNOOP\r\nAUTH LOGIN\r\n*\r\nQUIT\r\n"


@pytest.mark.parametrize("said", [SAID, EXCHANGED, EXCHANGED.replace(b"am9l", b"!")])
@given(sizes=SIZES)
def test_however_a_client_is_cut_the_server_hears_the_same(said: bytes, sizes: list[int]) -> None:
    whole, pieces = Patient(), Patient()
    whole.feed(said)
    for piece in cut(said, sizes):
        pieces.feed(piece)
    assert list(map(shape, pieces.heard)) == list(map(shape, whole.heard))
    assert b"".join(pieces.machine.data_to_send()) == b"".join(whole.machine.data_to_send())
    assert whole.machine.state == "leaving"
    assert whole.heard[-1] == Quit()


# Any bytes at all

WORDS = [
    *[b"+OK", b"-ERR", b"+", b" ", b"\r\n", b"\n", b".", b".\r\n", b"1", b"2 3", b"99999999999"],
    *[b"[AUTH]", b"<1@x>", b"PIPELINING", b"YQ==", b"\0", b"\xff", b"a" * 60, b"+OK\r\n", PASSWORD],
]
GARBAGE = st.lists(st.sampled_from(WORDS) | st.binary(max_size=5), max_size=30).map(b"".join)
COMMANDS: list[Command | Continuation] = [
    *(Capa(), StartTls(), User(b"joe"), Pass(Secret(PASSWORD)), Authenticate(b"LOGIN"), Stat()),
    *(Authenticate(b"PLAIN", Secret(b"\0" + PASSWORD * 20)), List(), List(1), Uidl(), Uidl(1)),
    *(Retrieve(1), Top(1, 1), Delete(1), Last(), Lang(), Envelope(1), Quit()),
    *(Respond(Secret(PASSWORD)), CancelAuthentication()),
]


class Talked:
    """The result of a session with a client: events, and an error."""

    def __init__(self, client: Pop3Client) -> None:
        self.client = client
        self.events: list[Event] = []
        self.fault: RemoteProtocolError | None = None
        self.sent = b""

    def say(self, command: Command | Continuation) -> None:
        try:
            self.client.send(command)
        except LocalProtocolError:
            return
        assert self.fault is None
        self.sent += sent(self.client)

    def hear(self, piece: bytes) -> None:
        self.client.receive_data(piece)
        self.drain()

    def drain(self) -> None:
        while self.fault is None:
            try:
                event = self.client.next_event()
            except RemoteProtocolError as fault:
                self.fault = fault
            else:
                if isinstance(event, NeedData):
                    return
                add(self.events, event)


TURNS = st.lists(st.tuples(st.lists(st.sampled_from(COMMANDS), max_size=3), GARBAGE), max_size=6)


@given(TURNS, st.booleans(), SIZES)
def test_any_server_data_gives_events_or_one_error(
    turns: list[tuple[list[Command | Continuation], bytes]], late: bool, sizes: list[int]
) -> None:
    make: Callable[..., Pop3Client] = in_transaction if late else greeted
    whole, pieces = (Talked(make(b"PIPELINING", limits=TIGHT)) for _ in range(2))
    for commands, heard in turns:
        for one, parts in ((whole, [heard]), (pieces, cut(heard, sizes))):
            for command in commands:
                one.say(command)
            for part in parts:
                one.hear(part)
            if not one.fault:
                assert held(one.client).octets < 5000
    for one in (whole, pieces):
        one.client.receive_eof()
        one.drain()
        if one.fault is None:
            assert one.client.next_event() is NEED_DATA
        else:
            shown = str(one.fault).encode()
            assert PASSWORD not in shown or not any(form in one.sent for form in FORMS)
            with pytest.raises(type(one.fault)):
                one.client.next_event()
    # What stands in the clear behind the +OK to STLS is a fault in both, seen before the event
    # or after it.
    ends = [[e for e in one.events if not isinstance(e, TlsReady)] for one in (whole, pieces)]
    assert ends[0] == ends[1]
    assert type(whole.fault) is type(pieces.fault)


SPOKEN = st.sampled_from(
    [
        *[
            b"USER joe",
            b"PASS x",
            b"AUTH LOGIN",
            b"AUTH PLAIN AGE=",
            b"APOP joe x",
            b"STLS",
            b"CAPA",
        ],
        *[
            b"STAT",
            b"LIST",
            b"UIDL 1",
            b"RETR 1",
            b"TOP 1 2",
            b"DELE",
            b"QUIT",
            b"*",
            b"YQ==",
            b"!",
        ],
        *[b"\0", b"\xff", b" ", b"x" * 60, b"RETR 99999999999"],
    ]
)
LINES = st.lists(
    st.tuples(SPOKEN | st.binary(max_size=6), st.sampled_from([b"\r\n", b"\n", b""])), max_size=25
).map(lambda pairs: b"".join(map(b"".join, pairs)))


@given(LINES, SIZES)
def test_any_client_data_gives_commands_or_one_error(said: bytes, sizes: list[int]) -> None:
    whole, pieces = Patient(), Patient()
    faults: list[Any] = [None, None]
    for place, (server, parts) in enumerate([(whole, [said]), (pieces, cut(said, sizes))]):
        for part in parts:
            try:
                server.feed(part)
            except RemoteProtocolError as fault:
                faults[place] = type(fault)
                with pytest.raises(type(fault)):
                    server.machine.next_event()
                break
            server.machine.data_to_send()
            # What waits behind QUIT and its like is the client's own to send.
            if server.machine.state not in {"leaving", "tls-handover"}:
                assert held(server.machine).octets < 1000
    if StartTls() not in whole.heard:
        # What is dropped behind STLS depends on what came with it.
        assert list(map(shape, whole.heard)) == list(map(shape, pieces.heard))
        assert faults[0] is faults[1]


@pytest.mark.parametrize("junk", [b"x", b".", b"+OK ", b" ", b"\0"])
def test_a_line_that_never_ends_is_not_kept(junk: bytes) -> None:
    client, server = in_transaction(limits=TIGHT), Patient().machine
    client.send(Stat())
    machines: tuple[Pop3Client | Pop3Server, ...] = (client, server)
    for machine in machines:
        heard = 0
        while machine.state != "error":
            machine.receive_data(junk)
            heard += len(junk)
            with suppress(LimitExceeded):
                assert machine.next_event() is NEED_DATA
            assert held(machine).octets < 1000
        assert heard <= 100 + len(junk)


def test_a_text_without_end_is_not_kept() -> None:
    client = in_transaction(limits=TIGHT)
    client.send(Retrieve(1))
    client.receive_data(b"+OK\r\n")
    total = 0
    for _ in range(200):
        client.receive_data(b"\r\n.." * 1000)
        while not isinstance(event := client.next_event(), NeedData):
            total += len(event.data) if isinstance(event, BodyChunk) else 0
        assert held(client).octets < 1000
    assert total == 200 * 3000


def test_a_list_without_end_is_given_up() -> None:
    client = in_transaction(limits=TIGHT)
    client.send(Uidl())
    client.receive_data(b"+OK\r\n")
    for number in range(1, 51):
        assert feed(client, [b"%d a\r\n" % number]) == [UniqueId(number, b"a")]
        assert held(client).octets < 1000
    with pytest.raises(LimitExceeded, match="lines of UIDL"):
        feed(client, [b"51 a\r\n"])
