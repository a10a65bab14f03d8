"""The POP3 client and the POP3 server, connected in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.protocols.dots import normalized
from mailhaul.protocols.machine import NeedData
from mailhaul.protocols.pop3.client import Pop3Client
from mailhaul.protocols.pop3.client_lines import digest
from mailhaul.protocols.pop3.commands import (
    Apop,
    Capa,
    Command,
    Delete,
    Envelope,
    Heard,
    Lang,
    Last,
    List,
    Noop,
    Pass,
    Quit,
    Reset,
    Retrieve,
    StartTls,
    Stat,
    Top,
    Uidl,
    User,
    Utf8,
)
from mailhaul.protocols.pop3.events import (
    BodyChunk,
    BodyStart,
    Capabilities,
    Closed,
    Completed,
    Counted,
    Event,
    Greeted,
    LastRead,
    Line,
    Listed,
    ResponseCode,
    TlsReady,
    UniqueId,
)
from mailhaul.protocols.pop3.server import Pop3Server
from mailhaul.protocols.sasl.exchange import Authenticate, CancelAuthentication, Challenge, Respond
from mailhaul.protocols.secret import Secret

from .pop3_clients import add

TIMESTAMP = b"<1.2@mail.example>"
NOBODY = 9
"""The message that every command on it is refused for."""
UIDS = (b"a", b"a b", b".", b"..\xff", b"9" * 70)
CAPABILITIES = ((b"PIPELINING", b""), (b"SASL", b"PLAIN LOGIN"), (b"EXPIRE", b"0"))


class Pair:
    """A client and a server with the messages ``texts``, and the events of both."""

    def __init__(self, texts: Sequence[bytes] = (), seed: int = 0) -> None:
        self.client = Pop3Client()
        self.server = Pop3Server()
        self.heard: list[Heard] = []
        self.said: list[Event] = []
        self.events: list[Event] = []
        self.responses: list[bytes] = []
        self._texts = texts
        self._random = Random(seed)
        self.server.send(Greeted(TIMESTAMP, b"ready"))
        self.turn()

    def turn(self) -> None:
        """Transfer bytes in both directions, in pieces, until there are no more."""
        while self.client.unsent or self.server.unsent:
            for piece in self._pieces(b"".join(self.client.data_to_send())):
                self.server.receive_data(piece)
                self._serve()
            for piece in self._pieces(b"".join(self.server.data_to_send())):
                self.client.receive_data(piece)
                self._listen()

    def say(self, *commands: Command) -> None:
        """Send commands pipelined if that is allowed, otherwise one by one."""
        for command in commands:
            if self.client.outstanding and not self.client.capabilities:
                self.turn()
            self.client.send(command)

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        while data:
            size = self._random.choice([1, 3, 50, 100_000])
            yield data[:size]
            data = data[size:]

    def _listen(self) -> None:
        while not isinstance(event := self.client.next_event(), NeedData):
            add(self.events, event)
            match event:
                case Challenge(prompt):
                    self.client.send(Respond(Secret(b"to " + prompt)))
                case _:
                    pass

    def _serve(self) -> None:
        while not isinstance(heard := self.server.next_event(), NeedData):
            assert not isinstance(heard, Closed)
            self.heard.append(heard)
            for event in self._answer(heard):
                self.server.send(event)
                add(self.said, event)

    def _answer(self, heard: Heard) -> list[Event]:
        match heard:
            case Respond(response):
                self.responses.append(response.reveal())
                if len(self.responses) < 2:
                    return [Challenge(b"second")]
                return [Completed(self.server.outstanding[0], True, b"in")]
            case CancelAuthentication():
                return [Completed(self.server.outstanding[0], False)]
            case StartTls():
                return [TlsReady(heard)]
            case Authenticate(_, None):
                return [Challenge(b"first")]
            case _ if getattr(heard, "number", None) == NOBODY:
                return [Completed(heard, False, b"none", ResponseCode.SYS_PERM)]
            case Authenticate() | Pass() | Apop():
                return [Completed(heard, True, b"in")]
            case _:
                return [*self._facts(heard), Completed(heard, True)]

    def _facts(self, command: Command) -> list[Event]:
        match command:
            case Capa():
                return [Capabilities(CAPABILITIES)]
            case Stat():
                return [Counted(len(UIDS), 320)]
            case Last():
                return [LastRead(3)]
            case List(None):
                return [Listed(number, number * 10) for number in range(1, 4)]
            case List(int(number)):
                return [Listed(number, 10)]
            case Uidl(None):
                return [UniqueId(number, uid) for number, uid in enumerate(UIDS, 1)]
            case Uidl(int(number)):
                return [UniqueId(number, UIDS[number % 3])]
            case Lang(None) | Envelope():
                return [Line(b"."), Line(b".a"), Line(b"b c")]
            case Retrieve(number) | Top(number):
                return [BodyStart(number), *(BodyChunk(text) for text in self._texts)]
            case _:
                return []


def stored(events: Sequence[Event]) -> list[Event]:
    """Return events with texts as they arrive, and without what stands behind +OK."""
    found: list[Event] = []
    for event in events:
        match event:
            case BodyChunk(data):
                text = normalized(data)
                text += b"" if text.endswith(b"\r\n") or not text else b"\r\n"
                found += [BodyChunk(text)] if text else []
            case Completed(command, positive, _, code):
                found.append(Completed(command, positive, b"", code))
            case _:
                found.append(event)
    return found


def texts_of(chunks: Sequence[bytes]) -> st.SearchStrategy[list[bytes]]:
    return st.lists(st.lists(st.sampled_from(chunks), max_size=8).map(b"".join), max_size=4)


TEXTS = texts_of([b".", b"\r", b"\n", b"\r\n", b"\r\n.\r\n", b"+OK\r\n", b"text", b"\xff\0"])
NUMBERS = st.sampled_from([1, 2, NOBODY, 9_999_999_999])
LATE: st.SearchStrategy[Command] = st.one_of(
    st.sampled_from([Stat(), List(), Uidl(), Reset(), Noop(), Last(), Lang(), Lang(b"de")]),
    *(NUMBERS.map(kind) for kind in (List, Uidl, Retrieve, Delete, Envelope)),
    st.builds(Top, NUMBERS, st.integers(0, 5)),
)


@given(st.lists(LATE, max_size=12), TEXTS, st.booleans(), st.integers(0, 999))
def test_both_sides_agree_on_commands_and_replies(
    commands: list[Command], texts: list[bytes], pipelined: bool, seed: int
) -> None:
    pair = Pair(texts, seed)
    if pipelined:
        pair.say(Capa())
        pair.turn()
    pair.say(User(b"joe"))
    pair.turn()
    pair.say(Pass(Secret(b"two words")))
    pair.turn()
    pair.heard.clear()
    pair.said.clear()
    pair.events.clear()
    pair.say(*commands, Quit())
    pair.turn()
    assert pair.heard == [*commands, Quit()]
    assert stored(pair.events) == stored(pair.said)
    assert (pair.client.state, pair.server.state) == ("leaving", "leaving")
    assert pair.client.outstanding == ()


EARLY: list[Command] = [Capa(), Utf8(), Lang(), Lang(b"de"), User(b"joe"), User(b"ann b")]


@given(st.lists(st.sampled_from(EARLY), max_size=8), st.integers(0, 999))
def test_both_agree_where_they_are_before_the_login(commands: list[Command], seed: int) -> None:
    pair = Pair(seed=seed)
    asked: list[Heard] = []
    for command in commands:
        if isinstance(command, Utf8) and pair.client.state == "named":
            continue
        asked.append(command)
        pair.say(command)
        pair.turn()
        assert pair.client.state == pair.server.state
    assert pair.heard == asked


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "command",
    [
        Apop(b"joe", Secret(b"tanstaaf")),
        Authenticate(b"PLAIN", Secret(b"\0joe\0two words")),
        Authenticate(b"EXTERNAL", Secret(b"")),
        Authenticate(b"LOGIN"),
    ],
)
def test_both_sides_agree_on_every_login_method(command: Command, seed: int) -> None:
    pair = Pair(seed=seed)
    pair.say(command)
    pair.turn()
    assert (pair.client.state, pair.server.state) == ("transaction", "transaction")
    [heard, *rest] = pair.heard
    match command, heard:
        case Authenticate(_, None), _:
            assert heard == command
            assert pair.responses == [b"to first", b"to second"]
        case Authenticate(_, Secret() as ours), Authenticate(_, Secret() as theirs):
            assert (ours.reveal(), rest) == (theirs.reveal(), [])
        case Apop(), Apop(b"joe", proof):
            assert (proof.reveal(), rest) == (digest(TIMESTAMP, b"tanstaaf"), [])
        case _:
            pytest.fail(f"{command} became {heard}")


def test_an_initial_response_that_is_too_long_arrives_all_the_same() -> None:
    pair = Pair()
    response = b"\0joe\0" + b"x" * 300
    pair.say(Authenticate(b"PLAIN", Secret(response)))
    pair.turn()
    assert pair.responses == [response, b"to second"]
    assert pair.client.state == "transaction"


@pytest.mark.parametrize("seed", range(5))
def test_both_sides_stop_at_the_handshake_and_continue_after_it(seed: int) -> None:
    pair = Pair(seed=seed)
    pair.say(StartTls())
    pair.turn()
    assert pair.client.state == pair.server.state == "tls-handover"
    assert pair.events[-1] == TlsReady(StartTls())
    pair.client.tls_started()
    pair.server.tls_started()
    pair.say(Capa())
    pair.turn()
    assert pair.client.capabilities == {
        name: tuple(arguments.split()) for name, arguments in CAPABILITIES
    }
