"""The IMAP server: the commands it returns, its own replies, and the responses it sends."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailhaul.protocols.errors import LimitExceeded, LocalProtocolError, RemoteProtocolError
from mailhaul.protocols.imap.commands import (
    Capability,
    CloseMailbox,
    Command,
    Expunge,
    Fetch,
    Heard,
    Login,
    Logout,
    Noop,
    Search,
    Select,
    StartTls,
    Store,
    UidExpunge,
    UidFetch,
    UidSearch,
    UidStore,
)
from mailhaul.protocols.imap.events import (
    BodyChunk,
    BodyEnd,
    BodyStart,
    Capabilities,
    Closed,
    Code,
    Completed,
    Condition,
    Event,
    Exists,
    Expunged,
    Fetched,
    Flags,
    Found,
    Greeted,
    Recent,
    SaidBye,
    Status,
    TlsReady,
    Unknown,
)
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.protocols.limits import Limits
from mailhaul.protocols.machine import NEED_DATA, NeedData
from mailhaul.protocols.secret import Secret
from tests.shown_lines import ShownLines

OK, NO = Condition.OK, Condition.NO


def greeted(*, preauth: bool = False, limits: Limits | None = None) -> ImapServer:
    server = ImapServer(limits or Limits())
    server.send(Greeted(preauth))
    said(server)
    return server


def selected() -> ImapServer:
    server = greeted(preauth=True)
    [command] = answer(server, [b"s SELECT INBOX\r\n"])
    assert command == Select(b"INBOX")
    said(server)
    return server


def said(server: ImapServer) -> bytes:
    return b"".join(server.data_to_send())


def hear(server: ImapServer) -> list[Heard | Closed]:
    heard: list[Heard | Closed] = []
    while not isinstance(event := server.next_event(), NeedData):
        heard.append(event)
    return heard


def answer(server: ImapServer, pieces: Iterable[bytes], how: Condition = OK) -> list[Command]:
    """Feed pieces and reply to every command immediately."""
    heard: list[Command] = []
    for piece in pieces:
        server.receive_data(piece)
        while not isinstance(event := server.next_event(), NeedData | Closed):
            assert isinstance(event, Command)
            heard.append(event)
            server.send(Completed(event, how))
    return heard


def whole(data: bytes) -> Iterator[bytes]:
    yield data


def bytewise(data: bytes) -> Iterator[bytes]:
    for byte in data:
        yield bytes([byte])


@pytest.mark.parametrize("pieces", [whole, bytewise])
def test_commands_are_the_same_however_they_are_cut(
    pieces: Callable[[bytes], Iterator[bytes]],
) -> None:
    server = selected()
    script = (
        b"a1 noop\r\na2 Capability\r\na3 SEARCH UNSEEN\r\na4 uid search NOT 1:3\r\n"
        b"a5 FETCH 1,3:* (UID BODY.PEEK[HEADER.FIELDS (TO)])\r\na6 UID FETCH 5 BODY[]\r\n"
        b"a7 STORE 1 +FLAGS (\\Seen \\Deleted)\r\na8 UID STORE * -flags.silent x\r\n"
        b'a9 EXPUNGE\r\nb1 UID EXPUNGE 4:7\r\nb2 EXAMINE {3+}\r\na b\r\nb3 select "a\\"b"\r\n'
        b"b4 CLOSE\r\n"
    )
    assert answer(server, pieces(script)) == [
        Noop(),
        Capability(),
        Search(b"UNSEEN"),
        UidSearch(b"NOT 1:3"),
        Fetch(b"1,3:*", b"(UID BODY.PEEK[HEADER.FIELDS (TO)])"),
        UidFetch(b"5", b"BODY[]"),
        Store(b"1", b"+FLAGS", b"(\\Seen \\Deleted)"),
        UidStore(b"*", b"-flags.silent", b"x"),
        Expunge(),
        UidExpunge(b"4:7"),
        Select(b"a b", read_only=True),
        Select(b'a"b'),
        CloseMailbox(),
    ]
    tags = [line.split()[0] for line in said(server).splitlines()]
    assert tags == b"a1 a2 a3 a4 a5 a6 a7 a8 a9 b1 b2 b3 b4".split()
    assert server.state == "authenticated"


def test_the_next_command_waits_until_the_first_is_answered() -> None:
    server = greeted()
    server.receive_data(b"a NOOP\r\nb LOGOUT\r\n")
    assert hear(server) == [Noop()]
    assert server.outstanding == (Noop(),)
    server.send(Completed(Noop(), OK))
    assert hear(server) == [Logout()]


def test_a_login_with_literals_is_requested_piece_by_piece() -> None:
    server = greeted()
    server.receive_data(b"a LOGIN {3}\r\n")
    assert hear(server) == []
    assert said(server) == b"+ go ahead\r\n"
    server.receive_data(b"joe {4}\r\n")
    assert hear(server) == []
    assert said(server) == b"+ go ahead\r\n"
    server.receive_data(b"a\r\nb\r\n")
    [login] = hear(server)
    assert isinstance(login, Login)
    assert (login.user, login.password.reveal()) == (b"joe", b"a\r\nb")
    server.send(Completed(login, OK))
    assert said(server) == b"a OK done\r\n"
    assert server.state == "authenticated"


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        (b"", b"* BAD"),
        (b"a", b"a BAD"),
        (b" NOOP", b"* BAD"),
        (b"* NOOP", b"* BAD"),
        (b"a  NOOP", b"a BAD"),
        (b"a NOOP x", b"a BAD"),
        (b"a FROB", b"a BAD"),
        (b"a LOGIN joe", b"a BAD"),
        (b'a LOGIN joe "x', b"a BAD"),
        (b"a LOGIN (joe) x", b"a BAD"),
        (b"a SELECT", b"a BAD"),
        (b"a SEARCH", b"a BAD"),
        (b"a FETCH 1", b"a BAD"),
        (b"a FETCH x FLAGS", b"a BAD"),
        (b"a FETCH 1: FLAGS", b"a BAD"),
        (b"a FETCH 99999999999 FLAGS", b"a BAD"),
        (b"a STORE 1 FLAGS", b"a BAD"),
        (b"a UID", b"a BAD"),
        (b"a UID NOOP x", b"a BAD"),
        (b"a UID EXPUNGE x", b"a BAD"),
        (b"a AUTHENTICATE PLAIN AGEAYg==", b"a BAD"),
    ],
)
def test_a_malformed_command_gets_bad(line: bytes, reply: bytes) -> None:
    server = selected()
    server.receive_data(line + b"\r\n")
    assert hear(server) == []
    assert said(server).startswith(reply)
    assert answer(server, [b"b NOOP\r\n"]) == [Noop()]


@pytest.mark.parametrize(
    ("state", "line"),
    [
        ("authenticated", b"CHECK"),
        ("not-authenticated", b"CHECK"),
        ("not-authenticated", b"SELECT INBOX"),
        ("not-authenticated", b"FETCH 1 FLAGS"),
        ("authenticated", b"LOGIN a b"),
        ("authenticated", b"STARTTLS"),
        ("authenticated", b"UID FETCH 1 FLAGS"),
        ("authenticated", b"CLOSE"),
        ("selected", b"LOGIN a b"),
        ("selected", b"STARTTLS"),
    ],
)
def test_a_command_not_allowed_now_gets_bad(state: str, line: bytes) -> None:
    server = selected() if state == "selected" else greeted(preauth=state == "authenticated")
    assert server.state == state
    server.receive_data(b"t " + line + b"\r\n")
    assert hear(server) == []
    assert said(server) == b"t BAD not allowed in state %b\r\n" % state.encode()


def test_a_refused_login_leaves_the_state() -> None:
    server = greeted()
    assert len(answer(server, [b"a LOGIN x y\r\n"], NO)) == 1
    assert server.state == "not-authenticated"


def test_a_refused_select_leaves_no_mailbox_selected() -> None:
    server = selected()
    answer(server, [b"a SELECT nowhere\r\n"], NO)
    assert server.state == "authenticated"


def test_commands_after_starttls_are_not_obeyed() -> None:
    server = greeted()
    server.receive_data(b"a STARTTLS\r\nb LOGIN x y\r\n")
    [command] = hear(server)
    assert command == StartTls()
    server.send(TlsReady(StartTls()))
    server.receive_data(b"c LOGIN x y\r\n")
    assert hear(server) == []
    server.tls_started()
    assert hear(server) == []
    assert said(server) == b"a OK begin TLS now\r\n"
    assert answer(server, [b"d NOOP\r\n"]) == [Noop()]


def test_after_bye_nothing_is_heard_but_the_end() -> None:
    server = greeted()
    server.receive_data(b"a LOGOUT\r\nb NOOP\r\n")
    [command] = hear(server)
    assert command == Logout()
    server.send(SaidBye(None, b"bye"))
    server.send(Completed(Logout(), OK))
    assert hear(server) == []
    assert said(server) == b"* BYE bye\r\na OK done\r\n"
    server.receive_eof()
    assert hear(server) == [Closed()]
    assert server.next_event() is NEED_DATA


def test_before_the_greeting_nothing_is_heard() -> None:
    server = ImapServer()
    server.receive_data(b"a NOOP\r\n")
    assert hear(server) == []
    with pytest.raises(LocalProtocolError):
        server.tls_started()
    server.send(Greeted(False, Code(b"CAPABILITY", b"IMAP4rev1"), b"hello"))
    assert said(server) == b"* OK [CAPABILITY IMAP4rev1] hello\r\n"
    assert hear(server) == [Noop()]


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (Capabilities(frozenset({b"B", b"IMAP4REV1", b"A"})), b"* CAPABILITY IMAP4REV1 A B"),
        (Status(OK, Code(b"UIDNEXT", b"9"), b"next"), b"* OK [UIDNEXT 9] next"),
        (Status(NO, None, b"hm"), b"* NO hm"),
        (Flags((rb"\Seen", b"x")), rb"* FLAGS (\Seen x)"),
        (Exists(3), b"* 3 EXISTS"),
        (Recent(1), b"* 1 RECENT"),
        (Expunged(2), b"* 2 EXPUNGE"),
        (Found((3, 1)), b"* SEARCH 3 1"),
        (Found(()), b"* SEARCH"),
        (Unknown(b"NAMESPACE"), b"* NAMESPACE"),
        (
            Fetched(1, 5, 9, (rb"\Seen",), b"01-Jan-2026 00:00:00 +0000"),
            rb"* 1 FETCH (UID 5 RFC822.SIZE 9 FLAGS (\Seen) "
            rb'INTERNALDATE "01-Jan-2026 00:00:00 +0000")',
        ),
        (Fetched(1, flags=()), b"* 1 FETCH (FLAGS ())"),
    ],
)
def test_how_a_response_is_written(event: Event, line: bytes) -> None:
    server = selected()
    server.send(event)
    assert said(server) == line + b"\r\n"


def test_texts_and_facts_make_one_response() -> None:
    server = selected()
    for event in (
        BodyStart(1, 5, b"", 3),
        BodyChunk(b"ab"),
        BodyChunk(b"c"),
        BodyEnd(),
        BodyStart(1, 5, b"HEADER", 0, b"RFC822.HEADER"),
        BodyEnd(),
        Fetched(1, 5, 3),
    ):
        server.send(event)
    expected = b"* 1 FETCH (UID 5 BODY[] {3}\r\nabc RFC822.HEADER {0}\r\n RFC822.SIZE 3)\r\n"
    assert said(server) == expected


@pytest.mark.parametrize(
    ("before", "event"),
    [
        ([], BodyChunk(b"x")),
        ([], BodyEnd()),
        ([], Fetched(1)),
        ([], TlsReady(StartTls())),
        ([], Closed()),
        ([], Completed(Noop(), OK)),
        ([BodyStart(1, 1, b"", 1)], Exists(1)),
        ([BodyStart(1, 1, b"", 1)], Fetched(1)),
        ([BodyStart(1, 1, b"", 1)], BodyEnd()),
        ([BodyStart(1, 1, b"", 1)], BodyChunk(b"xy")),
        ([BodyStart(1, 1, b"", 0), BodyEnd()], Exists(1)),
        ([BodyStart(1, 1, b"", 0), BodyEnd()], Completed(Noop(), OK)),
    ],
)
def test_an_event_that_is_not_allowed_now_is_not_sent(before: list[Event], event: Event) -> None:
    server = selected()
    for one in before:
        server.send(one)
    said(server)
    with pytest.raises(LocalProtocolError):
        server.send(event)
    assert said(server) == b""


def test_the_password_is_in_no_trace() -> None:
    lines: list[bytes] = []
    server = ImapServer(tap=ShownLines(lambda way, line: lines.append(line)))
    server.send(Greeted(False))
    for line in (
        b"a LOGIN joe sesame",
        b"a  LOGIN joe sesame",
        b"LOGIN joe sesame",
        b"a AUTHENTICATE PLAIN sesame",
        b"a LOGIN joe {6+}\r\nsesame",
    ):
        answer(server, [line + b"\r\n"], NO)
    assert b"a LOGIN *" in lines
    assert not any(b"sesame" in line for line in lines)


@pytest.mark.parametrize(
    "data",
    [
        b"x" * 201,
        b"a LOGIN {51+}\r\n",
        b"a LOGIN " + b"{40+}\r\n" * 1 + (b"x" * 40 + b" {40+}\r\n") * 9,
    ],
)
def test_a_client_cannot_send_without_end(data: bytes) -> None:
    server = greeted(limits=Limits(response_line=200, literal=50))
    server.receive_data(data)
    for _ in range(2):
        with pytest.raises(LimitExceeded):
            hear(server)
    assert server.state == "error"


LINES = st.sampled_from(
    [
        *(b"a NOOP\r\n", b"b LOGIN x y\r\n", b"c SELECT INBOX\r\n", b"d UID FETCH 1 (UID)\r\n"),
        *(b"e LOGIN {1}\r\n", b"x", b"f LOGOUT\r\n", b"g STORE 1 FLAGS (", b'"', b"((", b"\r\n"),
        *(b"h STARTTLS\r\n", b"{9999999}\r\n", b"i SEARCH ALL\r\n", b"k CLOSE\r\n", b"\0"),
    ]
)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.one_of(LINES, st.binary(max_size=40)), max_size=30),
    st.sampled_from([OK, NO]),
    st.booleans(),
)
def test_any_data_gives_a_command_a_reply_or_an_error(
    pieces: list[bytes], how: Condition, preauth: bool
) -> None:
    server = greeted(preauth=preauth)
    try:
        answer(server, pieces, how)
        server.receive_eof()
        answer(server, [b""], how)
    except RemoteProtocolError:
        assert server.state == "error"
    assert all(line.endswith(b"\r\n") for line in server.data_to_send())


def test_a_secret_is_not_shown() -> None:
    assert "sesame" not in repr(Login(b"joe", Secret(b"sesame")))
