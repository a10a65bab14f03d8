"""Every command is sent in the syntax of its RFC, and arguments cannot inject anything."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.protocols.errors import LocalProtocolError
from mailhaul.protocols.imap.client_lines import NAMES, encode, name_of
from mailhaul.protocols.imap.commands import (
    Append,
    AskStatus,
    Command,
    Compress,
    Copy,
    CreateMailbox,
    DeleteMailbox,
    Enable,
    EventGroup,
    Fetch,
    Id,
    Idle,
    ListMailboxes,
    ListSubscribed,
    Login,
    Move,
    Namespace,
    Notify,
    Rename,
    Resync,
    Search,
    Select,
    Store,
    Subscribe,
    UidCopy,
    UidExpunge,
    UidFetch,
    UidMove,
    UidSearch,
    UidStore,
    Unselect,
    Unsubscribe,
)
from mailhaul.protocols.imap.strings import LITERAL_MINUS, Abilities
from mailhaul.protocols.sasl.exchange import Authenticate
from mailhaul.protocols.secret import Secret

PLAIN = Abilities()
DATE = b"17-Jul-1996 02:44:25 -0700"

BOTH = (b"MessageNew", b"MessageExpunge")
LINES: list[tuple[Command, bytes]] = [
    (Id(), b"ID NIL"),
    (Id(()), b"ID ()"),
    (Id(((b"name", b"x"), (b"os", None))), b'ID ("name" "x" "os" NIL)'),
    (Enable((b"UTF8=ACCEPT", b"CONDSTORE")), b"ENABLE UTF8=ACCEPT CONDSTORE"),
    (Compress(), b"COMPRESS DEFLATE"),
    (Namespace(), b"NAMESPACE"),
    (Select(b"INBOX"), b'SELECT "INBOX"'),
    (Select(b"a b", read_only=True), b'EXAMINE "a b"'),
    (Select(b"x", condstore=True), b'SELECT "x" (CONDSTORE)'),
    (Select(b"x", resync=Resync(7, 9)), b'SELECT "x" (QRESYNC (7 9))'),
    (Select(b"x", resync=Resync(7, 9, b"1:4")), b'SELECT "x" (QRESYNC (7 9 1:4))'),
    (CreateMailbox(b"x"), b'CREATE "x"'),
    (CreateMailbox(b"x", (b"\\Sent",)), b'CREATE "x" (USE (\\Sent))'),
    (DeleteMailbox(b"x"), b'DELETE "x"'),
    (Rename(b"x", b"y"), b'RENAME "x" "y"'),
    (Subscribe(b"x"), b'SUBSCRIBE "x"'),
    (Unsubscribe(b"x"), b'UNSUBSCRIBE "x"'),
    (ListMailboxes(), b'LIST "" "*"'),
    (ListMailboxes(b"", (b"a", b"b%")), b'LIST "" ("a" "b%")'),
    (ListMailboxes(b"", (b"",), extended=True), b'LIST "" ("")'),
    (
        ListMailboxes(b"r", (b"*",), (b"SUBSCRIBED",), (b"CHILDREN",), (b"MESSAGES", b"UIDNEXT")),
        b'LIST (SUBSCRIBED) "r" "*" RETURN (CHILDREN STATUS (MESSAGES UIDNEXT))',
    ),
    (ListSubscribed(b"", b"%"), b'LSUB "" "%"'),
    (AskStatus(b"x", (b"MESSAGES", b"UIDNEXT")), b'STATUS "x" (MESSAGES UIDNEXT)'),
    (Append(b"x", 5), b'APPEND "x" {5}'),
    (Append(b"x", 5, (b"\\Seen",), DATE), b'APPEND "x" (\\Seen) "%b" {5}' % DATE),
    (Append(b"x", 5, binary=True), b'APPEND "x" ~{5}'),
    (Append(b"x", 5, utf8=True), b'APPEND "x" UTF8 (~{5}'),
    (Idle(), b"IDLE"),
    (Notify(), b"NOTIFY NONE"),
    (
        Notify((EventGroup(b"SELECTED-DELAYED", BOTH), EventGroup(b"PERSONAL"))),
        b"NOTIFY SET (SELECTED-DELAYED (MessageNew MessageExpunge)) (PERSONAL NONE)",
    ),
    (
        Notify((EventGroup(b"MAILBOXES", BOTH, (b"a b", b"c")),), status=True),
        b'NOTIFY SET STATUS (MAILBOXES ("a b" "c") (MessageNew MessageExpunge))',
    ),
    (
        Notify((EventGroup(b"SELECTED", BOTH, (), (b"UID", b"FLAGS")),)),
        b"NOTIFY SET (SELECTED (MessageNew (UID FLAGS) MessageExpunge))",
    ),
    (Unselect(), b"UNSELECT"),
    (Search(b"UNSEEN"), b"SEARCH UNSEEN"),
    (Search(b"ALL", (b"COUNT", b"ALL")), b"SEARCH RETURN (COUNT ALL) ALL"),
    (UidSearch(b"ALL", ()), b"UID SEARCH RETURN () ALL"),
    (Fetch(b"1:*", b"FLAGS"), b"FETCH 1:* FLAGS"),
    (
        UidFetch(b"$", b"(UID)", b"CHANGEDSINCE 9 VANISHED"),
        b"UID FETCH $ (UID) (CHANGEDSINCE 9 VANISHED)",
    ),
    (Store(b"1", b"+FLAGS", b"(x)"), b"STORE 1 +FLAGS (x)"),
    (UidStore(b"1", b"FLAGS", b"()", 12), b"UID STORE 1 (UNCHANGEDSINCE 12) FLAGS ()"),
    (Copy(b"1", b"x"), b'COPY 1 "x"'),
    (Move(b"1", b"x"), b'MOVE 1 "x"'),
    (UidCopy(b"1:2", b"x"), b'UID COPY 1:2 "x"'),
    (UidMove(b"1:2", b"x"), b'UID MOVE 1:2 "x"'),
    (UidExpunge(b"3"), b"UID EXPUNGE 3"),
]


@pytest.mark.parametrize(("command", "line"), LINES, ids=lambda value: str(value)[:40])
def test_how_a_command_is_written(command: Command, line: bytes) -> None:
    assert encode(command, PLAIN).pieces == [line + b"\r\n"]


def test_every_command_has_a_name() -> None:
    commands = {*NAMES, Select}
    assert commands == set(Command.__args__)
    assert name_of(Select(b"x", read_only=True)) == "EXAMINE"


@pytest.mark.parametrize(
    "command",
    [
        Select(b"x\r\nA1 LOGOUT"),
        Search(b"SUBJECT x\n"),
        UidFetch(b"1\r\n", b"UID"),
        UidFetch(b"1", b"UID\0"),
        UidSearch(b"SUBJECT {5}"),
        UidSearch(b"SUBJECT {5+}"),
        Login(b"joe", Secret(b"a\rb")),
        Append(b"x", 5, (b"\\Seen)\r\n",)),
        Append(b"x", 5, (), b"today\r\n"),
        Id(((b"name", b"a\nb"),)),
        Enable((b"X\n",)),
        Notify((EventGroup(b"PERSONAL\r\n", BOTH),)),
        Notify((EventGroup(b"PERSONAL", (b"MessageNew\n",)),)),
        Notify((EventGroup(b"MAILBOXES", BOTH, (b"x\n",)),)),
        ListMailboxes(b"", (b"*\r\n",)),
        ListMailboxes(b"", (b"*",), (b"A\n",)),
        AskStatus(b"x", (b"UIDNEXT\r\n",)),
        CreateMailbox(b"x", (b"\\Sent\n",)),
        Authenticate(b"PLAIN\r\nA2"),
        Copy(b"1\n", b"x"),
        Select(b"x", resync=Resync(1, 2, b"1\r\n")),
    ],
)
def test_no_argument_can_end_its_line(command: Command) -> None:
    with pytest.raises(LocalProtocolError):
        encode(command, PLAIN)


@pytest.mark.parametrize(
    ("announced", "size", "at_once"),
    [
        (b"", 1, False),
        (b"LITERAL+", 10**9, True),
        (b"LITERAL-", LITERAL_MINUS, True),
        (b"LITERAL-", LITERAL_MINUS + 1, False),
        (b"IMAP4REV2", LITERAL_MINUS, True),
        (b"IMAP4REV2", LITERAL_MINUS + 1, False),
    ],
)
def test_literals_may_be_non_synchronizing(announced: bytes, size: int, at_once: bool) -> None:
    abilities = Abilities(frozenset({announced}))
    (line,) = encode(Append(b"x", size), abilities).pieces
    assert line == b'APPEND "x" {%d%b}\r\n' % (size, b"+" if at_once else b"")


def test_eight_bits_go_as_a_literal_and_as_a_string_where_utf8_is_enabled() -> None:
    name = "Entwürfe".encode()
    assert encode(Select(name), PLAIN).pieces == [b"SELECT {9}\r\n", name + b"\r\n"]
    plus = Abilities(frozenset({b"LITERAL+"}))
    assert encode(Select(name), plus).pieces == [b"SELECT {9+}\r\n" + name + b"\r\n"]
    utf8 = Abilities(utf8=True)
    assert encode(Select(name), utf8).pieces == [b'SELECT "%b"\r\n' % name]
    assert encode(Select(b"\xff"), utf8).pieces == [b"SELECT {1}\r\n", b"\xff\r\n"]


def test_a_trace_shows_no_secret_and_no_literal() -> None:
    login = encode(Login(b"joe", Secret(b"sesame")), PLAIN)
    assert login.redacted == b'LOGIN "joe" *'
    plain = Authenticate(b"PLAIN", Secret(b"\0joe\0sesame"))
    shown = encode(plain, Abilities(frozenset({b"SASL-IR"}))).redacted
    assert shown == b"AUTHENTICATE PLAIN *"
    assert encode(Select(b"\xfc"), PLAIN).redacted == b"SELECT {1}"


@given(st.binary(max_size=30), st.booleans(), st.booleans())
def test_a_string_is_refused_or_stays_one_line_and_its_literals(
    value: bytes, plus: bool, utf8: bool
) -> None:
    abilities = Abilities(frozenset({b"LITERAL+"} if plus else ()), utf8)
    try:
        pieces = encode(Select(value), abilities).pieces
    except LocalProtocolError:
        assert any(byte in value for byte in b"\r\n\0")
        return
    wire = b"".join(pieces)
    literal = b"{%d%b}\r\n" % (len(value), b"+" if plus else b"")
    before, found, after = wire.partition(literal)
    assert wire.endswith(b"\r\n")
    if found:
        assert (before, after) == (b"SELECT ", value + b"\r\n")
    else:
        assert b"\n" not in wire[:-2]
