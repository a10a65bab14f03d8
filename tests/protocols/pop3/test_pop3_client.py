"""The POP3 client: the event for each reply, and the commands allowed in each state."""

from __future__ import annotations

import pytest

from mailhaul.protocols.errors import LocalProtocolError, RemoteProtocolError
from mailhaul.protocols.limits import Limits
from mailhaul.protocols.machine import NEED_DATA
from mailhaul.protocols.pop3.client import CHUNK, Pop3Client
from mailhaul.protocols.pop3.commands import (
    Apop,
    Capa,
    Command,
    Delete,
    Envelope,
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
    TurnedAway,
    UniqueId,
)
from mailhaul.protocols.sasl.exchange import Authenticate
from mailhaul.protocols.secret import Secret

from .pop3_clients import ask, events_of, feed, greeted, hear, in_transaction, sent

NO = b"-ERR [SYS/TEMP/DISK] not now"


def test_the_greeting_may_hold_a_timestamp() -> None:
    client = Pop3Client()
    assert client.state == "greeting"
    assert hear(client, b"+OK hello <1.2@mail.example>") == [
        Greeted(b"<1.2@mail.example>", b"hello <1.2@mail.example>")
    ]
    assert (client.state, client.timestamp) == ("authorization", b"<1.2@mail.example>")


def test_most_greetings_hold_none() -> None:
    client = Pop3Client()
    assert hear(client, b"+OK") == [Greeted(None, b"")]
    assert client.timestamp is None


def test_a_server_may_turn_us_away_and_then_only_close() -> None:
    client = Pop3Client()
    assert hear(client, b"-ERR [SYS/TEMP] come back later") == [
        TurnedAway(ResponseCode.SYS_TEMP, b"come back later")
    ]
    with pytest.raises(LocalProtocolError):
        client.send(Quit())
    client.receive_eof()
    assert list(events_of(client)) == [Closed()]
    assert client.next_event() is NEED_DATA


ANSWERS: list[tuple[Command, list[bytes], list[Event]]] = [
    (Stat(), [b"+OK 2 320"], [Counted(2, 320)]),
    (List(), [b"+OK 2 messages", b"1 120", b"2 200", b"."], [Listed(1, 120), Listed(2, 200)]),
    (List(), [b"+OK", b"."], []),
    (List(2), [b"+OK 2 200"], [Listed(2, 200)]),
    (Uidl(), [b"+OK", b"1 a", b"2 a", b"."], [UniqueId(1, b"a"), UniqueId(2, b"a")]),
    (Uidl(2), [b"+OK 2 QhdPYR:00WBw1Ph7x7"], [UniqueId(2, b"QhdPYR:00WBw1Ph7x7")]),
    (Last(), [b"+OK 3 is it"], [LastRead(3)]),
    (Last(), [b"+OK  0"], [LastRead(0)]),
    (Lang(), [b"+OK", b"en English", b"..de", b"."], [Line(b"en English"), Line(b".de")]),
    (Lang(b"de"), [b"+OK de Sprache"], []),
    (
        Envelope(1),
        [b"+OK", b"host", b"ann@example.org", b"bob@example.org", b"."],
        [Line(b"host"), Line(b"ann@example.org"), Line(b"bob@example.org")],
    ),
    (
        Retrieve(1),
        [b"+OK 120 octets", b"a", b"..", b"...b", b"", b"."],
        [BodyStart(1), BodyChunk(b"a\r\n.\r\n..b\r\n\r\n")],
    ),
    (Retrieve(2), [b"+OK", b"."], [BodyStart(2)]),
    (
        Top(3, 1),
        [b"+OK", b"a: b", b"", b"c", b"."],
        [BodyStart(3), BodyChunk(b"a: b\r\n\r\nc\r\n")],
    ),
    (
        Capa(),
        [b"+OK list", b"top", b"SASL PLAIN  LOGIN", b"", b"EXPIRE 60", b"."],
        [Capabilities(((b"TOP", b""), (b"SASL", b"PLAIN  LOGIN"), (b"EXPIRE", b"60")))],
    ),
    (Capa(), [b"+OK", b"."], [Capabilities(())]),
    *[(one, [b"+OK"], list[Event]()) for one in (Delete(1), Reset(), Noop(), Quit())],
]


@pytest.mark.parametrize(("command", "lines", "events"), ANSWERS, ids=lambda value: str(value)[:40])
def test_each_answer_becomes_events_and_ends_with_the_command(
    command: Command, lines: list[bytes], events: list[Event]
) -> None:
    client = in_transaction()
    text = lines[0].removeprefix(b"+OK").removeprefix(b" ")
    expected = [*events, Completed(command, True, text)]
    assert ask(client, command, *lines) == expected
    bytewise = in_transaction()
    bytewise.send(command)
    wire = b"".join(line + b"\r\n" for line in lines)
    assert feed(bytewise, [wire[n : n + 1] for n in range(len(wire))]) == expected
    assert client.outstanding == bytewise.outstanding == ()


@pytest.mark.parametrize(
    "command",
    [
        *(Stat(), List(), List(1), Uidl(), Uidl(1), Top(1, 0), Retrieve(1), Delete(1), Reset()),
        *(Noop(), Last(), Envelope(1), Capa(), Lang(), Lang(b"de"), Quit()),
    ],
    ids=repr,
)
def test_every_command_can_be_refused(command: Command) -> None:
    client = in_transaction()
    refused = Completed(command, False, b"not now", ResponseCode.SYS_TEMP)
    assert ask(client, command, NO) == [refused]
    assert client.state == ("leaving" if command == Quit() else "transaction")


def test_the_code_of_a_positive_reply_is_returned_too() -> None:
    client = in_transaction()
    assert ask(client, Delete(1), b"+OK [UTF8] gone") == [
        Completed(Delete(1), True, b"gone", ResponseCode.UTF8)
    ]


def test_utf8_is_agreed_upon_before_the_login() -> None:
    client = greeted()
    assert ask(client, Utf8(), b"+OK") == [Completed(Utf8(), True)]
    assert ask(client, Utf8(), b"-ERR no") == [Completed(Utf8(), False, b"no")]
    assert client.state == "authorization"


def test_a_text_is_returned_in_the_chunks_received() -> None:
    client = in_transaction()
    client.send(Retrieve(1))
    client.receive_data(b"+OK\r\nabc")
    assert list(events_of(client)) == [BodyStart(1), BodyChunk(b"abc")]
    client.receive_data(b"def\r\n")
    assert list(events_of(client)) == [BodyChunk(b"def")]
    client.receive_data(b".\r\n")
    assert list(events_of(client)) == [BodyChunk(b"\r\n"), Completed(Retrieve(1), True)]


def test_no_chunk_is_larger_than_promised() -> None:
    client = in_transaction()
    client.send(Retrieve(1))
    client.receive_data(b"+OK\r\n" + b"x" * (2 * CHUNK + 10) + b"\r\n.\r\n")
    _, *chunks, _ = events_of(client)
    sizes = [len(chunk.data) for chunk in chunks if isinstance(chunk, BodyChunk)]
    assert sum(sizes) == 2 * CHUNK + 12
    assert max(sizes) <= CHUNK
    assert len(sizes) == len(chunks) == 3


def test_the_next_reply_follows_a_text() -> None:
    client = in_transaction(b"PIPELINING")
    for command in (Retrieve(1), Delete(1), Retrieve(2), Quit()):
        client.send(command)
    assert sent(client) == b"RETR 1\r\nDELE 1\r\nRETR 2\r\nQUIT\r\n"
    assert client.outstanding == (Retrieve(1), Delete(1), Retrieve(2), Quit())
    assert hear(client, b"+OK", b"a", b".", b"+OK gone", b"-ERR none", b"+OK bye") == [
        *(BodyStart(1), BodyChunk(b"a\r\n"), Completed(Retrieve(1), True)),
        Completed(Delete(1), True, b"gone"),
        Completed(Retrieve(2), False, b"none"),
        Completed(Quit(), True, b"bye"),
    ]
    client.receive_eof()
    assert client.next_event() == Closed()
    assert client.state == "closed"


# Pipelining


def test_without_the_capability_a_command_waits_for_the_reply() -> None:
    client = in_transaction()
    client.send(Stat())
    with pytest.raises(LocalProtocolError, match="LIST must wait for the reply to STAT"):
        client.send(List())
    assert sent(client) == b"STAT\r\n"
    hear(client, b"+OK 0 0")
    client.send(List())


@pytest.mark.parametrize("command", [Capa(), StartTls(), User(b"x"), Utf8(), Authenticate(b"X")])
def test_commands_that_change_the_session_are_not_pipelined(command: Command) -> None:
    client = greeted(b"PIPELINING", b"STLS")
    client.send(Lang())
    with pytest.raises(LocalProtocolError, match="must wait for the reply to LANG"):
        client.send(command)
    assert (client.outstanding, client.state) == ((Lang(),), "authorization")


@pytest.mark.parametrize("command", [Capa(), Utf8(), User(b"joe"), Quit()])
def test_no_command_is_pipelined_after_one_that_changes_the_session(command: Command) -> None:
    client = greeted(b"PIPELINING")
    client.send(command)
    with pytest.raises(LocalProtocolError, match="LANG must wait for the reply to"):
        client.send(Lang())


def test_questions_may_go_ahead_before_the_login() -> None:
    client = greeted(b"PIPELINING")
    client.send(Lang())
    client.send(Lang(b"de"))
    client.send(Quit())
    assert sent(client) == b"LANG\r\nLANG de\r\nQUIT\r\n"


def test_the_number_of_outstanding_commands_is_limited() -> None:
    client = in_transaction(b"PIPELINING", limits=Limits(outstanding=3))
    for _ in range(3):
        client.send(Noop())
    with pytest.raises(LocalProtocolError, match="too many commands"):
        client.send(Noop())
    assert sent(client) == b"NOOP\r\n" * 3
    hear(client, b"+OK")
    client.send(Noop())


# What may be sent when

ANYWHERE: list[Command] = [
    *(Capa(), StartTls(), User(b"joe"), Pass(Secret(b"x")), Apop(b"joe", Secret(b"x")), Utf8()),
    *(Authenticate(b"PLAIN"), Lang(), Stat(), List(), Uidl(), Top(1, 1), Retrieve(1), Delete(1)),
    *(Reset(), Noop(), Last(), Envelope(1), Quit()),
]
EARLY = {"CAPA", "STLS", "USER", "APOP", "UTF8", "AUTH", "LANG", "QUIT"}
NAMED = {"CAPA", "USER", "PASS", "APOP", "AUTH", "LANG", "QUIT"}
LATE = {"STAT", "LIST", "UIDL", "TOP", "RETR", "DELE", "RSET", "NOOP", "LAST", "*ENV"}


def named() -> Pop3Client:
    client = greeted(text=b"<1@x>")
    ask(client, User(b"joe"), b"+OK")
    client.data_to_send()
    return client


@pytest.mark.parametrize("command", ANYWHERE, ids=lambda value: type(value).__name__)
@pytest.mark.parametrize("state", ["greeting", "authorization", "named", "transaction", "leaving"])
def test_a_command_is_sent_only_in_its_states(state: str, command: Command) -> None:
    client = {
        "greeting": Pop3Client,
        "authorization": lambda: greeted(text=b"<1@x>"),
        "named": named,
        "transaction": in_transaction,
        "leaving": Pop3Client,
    }[state]()
    if state == "leaving":
        hear(client, b"-ERR")
    if state in {"greeting", "leaving"}:
        client._timestamp = b"<1@x>"
    here = {"authorization": EARLY, "named": NAMED, "transaction": LATE | {"CAPA", "LANG", "QUIT"}}
    verb = command_name(command)
    if verb in here.get(state, ()):
        client.send(command)
        assert sent(client).split()[0] == verb.encode()
        assert client.outstanding == (command,)
    else:
        with pytest.raises(LocalProtocolError):
            client.send(command)
        assert (client.state, client.unsent, client.outstanding) == (state, 0, ())


def command_name(command: Command) -> str:
    from mailhaul.protocols.pop3.client_lines import VERBS

    return VERBS[type(command)]


def test_going_on_without_a_login_is_possible_once() -> None:
    client = greeted()
    client.assume_authenticated()
    assert client.state == "transaction"
    with pytest.raises(LocalProtocolError, match="assume_authenticated"):
        client.assume_authenticated()


def test_tls_started_is_not_allowed_without_starttls() -> None:
    with pytest.raises(LocalProtocolError, match="the handshake"):
        greeted().tls_started()


def test_after_a_fault_or_the_end_nothing_can_be_done() -> None:
    faulty, ended = in_transaction(), in_transaction()
    with pytest.raises(RemoteProtocolError):
        ask(faulty, Noop(), b"what?")
    ended.receive_eof()
    for client in (faulty, ended):
        with pytest.raises(LocalProtocolError, match="no longer usable"):
            client.send(Noop())
    for step in (faulty.tls_started, faulty.assume_authenticated):
        with pytest.raises(LocalProtocolError, match="no longer usable"):
            step()


def test_after_a_fault_nothing_more_is_sent() -> None:
    client = in_transaction(b"PIPELINING")
    client.send(Noop())
    client.send(Delete(1))
    with pytest.raises(RemoteProtocolError):
        hear(client, b"what?")
    assert (client.state, client.data_to_send()) == ("error", [])
