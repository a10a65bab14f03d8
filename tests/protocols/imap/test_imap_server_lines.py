"""An IMAP server parses commands and writes responses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.protocols.errors import LocalProtocolError
from mailhaul.protocols.imap.arguments import BadSyntax
from mailhaul.protocols.imap.command_lines import read_append, read_command
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
    UidFetch,
    UidMove,
    UidSearch,
    UidStore,
    Unselect,
    Unsubscribe,
)
from mailhaul.protocols.imap.events import (
    BodyEnd,
    BodyStart,
    Closed,
    Code,
    Condition,
    Enabled,
    Event,
    Fetched,
    Found,
    FoundInShort,
    Identified,
    Listed,
    MailboxStatus,
    NamespaceEntry,
    Namespaces,
    Status,
    Unknown,
    Vanished,
)
from mailhaul.protocols.imap.server_lines import ResponseWriter, text_opener
from mailhaul.protocols.imap.values import STREAMED, Atom, Part, Text, Value, parse_values
from mailhaul.protocols.sasl.exchange import Authenticate

DATE = b"17-Jul-1996 02:44:25 -0700"
BOTH = (b"MessageNew", b"MessageExpunge")
SEEN = rb"(\Seen)"


def read(line: bytes, *more: Part) -> Command:
    verb, _, arguments = line.partition(b" ")
    return read_command(verb, [arguments, *more])


@pytest.mark.parametrize(
    ("line", "command"),
    [
        (b"ID NIL", Id()),
        (b'ID ("name" "x" "os" NIL)', Id(((b"name", b"x"), (b"os", None)))),
        (b"ID ()", Id(())),
        (b"ENABLE condstore X", Enable((b"CONDSTORE", b"X"))),
        (b"COMPRESS deflate", Compress()),
        (b"NAMESPACE", Namespace()),
        (b"IDLE", Idle()),
        (b"UNSELECT", Unselect()),
        (b"NOTIFY none", Notify()),
        (b"NOTIFY SET (personal NONE)", Notify((EventGroup(b"PERSONAL"),))),
        (
            b"NOTIFY SET STATUS (selected (MessageNew (UID BODY[X (Y)]) MessageExpunge))",
            Notify((EventGroup(b"SELECTED", BOTH, (), (b"UID", b"BODY[X (Y)]")),), status=True),
        ),
        (
            b'NOTIFY SET (mailboxes x (MessageNew MessageExpunge)) (subtree ("a b" c) (Other))',
            Notify(
                (
                    EventGroup(b"MAILBOXES", BOTH, (b"x",)),
                    EventGroup(b"SUBTREE", (b"Other",), (b"a b", b"c")),
                )
            ),
        ),
        (b"SELECT x (condstore)", Select(b"x", condstore=True)),
        (b"EXAMINE x", Select(b"x", read_only=True)),
        (b"SELECT x (QRESYNC (7 12))", Select(b"x", resync=Resync(7, 12))),
        (
            b"SELECT x (QRESYNC (7 12 1:5 (1 1)))",
            Select(b"x", resync=Resync(7, 12, b"1:5")),
        ),
        (b'CREATE "a b"', CreateMailbox(b"a b")),
        (rb"CREATE x (USE (\Sent))", CreateMailbox(b"x", (rb"\Sent",))),
        (b"DELETE x", DeleteMailbox(b"x")),
        (b"RENAME x y", Rename(b"x", b"y")),
        (b"SUBSCRIBE x", Subscribe(b"x")),
        (b"UNSUBSCRIBE x", Unsubscribe(b"x")),
        (b'LIST "" *', ListMailboxes()),
        (b'LIST "" ""', ListMailboxes(b"", (b"",))),
        (b'LIST "" (a b)', ListMailboxes(b"", (b"a", b"b"))),
        (b'LIST "" ("")', ListMailboxes(b"", (b"",), extended=True)),
        (b'LIST () "" ""', ListMailboxes(b"", (b"",), extended=True)),
        (b'LIST "" "" RETURN ()', ListMailboxes(b"", (b"",), extended=True)),
        (b'LIST () "" ("" a)', ListMailboxes(b"", (b"", b"a"))),
        (b'LIST (subscribed) "" ""', ListMailboxes(b"", (b"",), (b"SUBSCRIBED",))),
        (
            b'LIST (subscribed) "" % RETURN (children STATUS (messages))',
            ListMailboxes(b"", (b"%",), (b"SUBSCRIBED",), (b"CHILDREN",), (b"MESSAGES",)),
        ),
        (b'LSUB "" *', ListSubscribed()),
        (b"STATUS x (messages UIDNEXT)", AskStatus(b"x", (b"MESSAGES", b"UIDNEXT"))),
        (b"AUTHENTICATE plain", Authenticate(b"PLAIN")),
        (b"SEARCH RETURN (min ALL) UNSEEN", Search(b"UNSEEN", (b"MIN", b"ALL"))),
        (b"SEARCH RETURN () UNSEEN", Search(b"UNSEEN", ())),
        (b"FETCH 1 FLAGS (CHANGEDSINCE 3)", Fetch(b"1", b"FLAGS", b"CHANGEDSINCE 3")),
        (b"FETCH 1 (UID BODY[])", Fetch(b"1", b"(UID BODY[])")),
        (b"COPY 1:2 x", Copy(b"1:2", b"x")),
        (b'MOVE 1 "a b"', Move(b"1", b"a b")),
        (b"UID COPY 1 x", UidCopy(b"1", b"x")),
        (b"UID move 1 x", UidMove(b"1", b"x")),
        (
            b"UID FETCH 1 (BODY[HEADER.FIELDS (A B)] UID) (CHANGEDSINCE 3 VANISHED)",
            UidFetch(b"1", b"(BODY[HEADER.FIELDS (A B)] UID)", b"CHANGEDSINCE 3 VANISHED"),
        ),
        (
            rb"UID STORE 1 (unchangedsince 9) +FLAGS (\Seen)",
            UidStore(b"1", b"+FLAGS", SEEN, 9),
        ),
    ],
)
def test_how_a_command_is_read(line: bytes, command: Command) -> None:
    assert read(line) == command


@pytest.mark.parametrize(
    "line",
    [
        *(b"ID", b"ID x", b'ID ("a")', b'ID ("a" (b))', b"ID NIL NIL", b"ENABLE", b"ENABLE (x)"),
        *(b"COMPRESS LZW", b"COMPRESS", b"SELECT", b"SELECT x (y)", b"SELECT x (QRESYNC (1))"),
        *(b"SELECT x (QRESYNC (a b))", b"SELECT x (QRESYNC (1 2 x:y))", b"SELECT x y", b"CREATE"),
        *(b"CREATE x (SIZE 3)", b"CREATE (x)", b"RENAME x", b"DELETE x y", b'LIST ""', b"LIST"),
        *(b'LIST "" * RETURN', b'LIST "" * RETURN ((x))', b'LIST ((x)) "" *', b'LIST "" * x'),
        *(b"STATUS x", b"STATUS x MESSAGES", b"AUTHENTICATE", b"AUTHENTICATE PLAIN =x="),
        *(b"SEARCH RETURN x ALL", b"SEARCH RETURN (x)", b"FETCH 1 FLAGS x", b"FETCH 1", b"COPY 1"),
        *(b"COPY x y", b"COPY 1 x y", b"UID IDLE x", b"UID NOTIFY NONE", b"NOTIFY", b"UID EXPUNGE"),
        *(b"NOTIFY SET", b"NOTIFY x", b"NOTIFY SET STATUS", b"NOTIFY SET (inboxes)"),
        *(b"NOTIFY SET (inboxes ())", b"NOTIFY SET (x (Other))", b"NOTIFY NONE NONE"),
        *(b"NOTIFY SET (mailboxes () (Other))", b"NOTIFY SET (inboxes (MessageNew))"),
        b"NOTIFY SET (selected (Other)) (selected-delayed (Other))",
        *(b"NOTIFY SET (inboxes ((x) Other))", b"NOTIFY SET (mailboxes (Other))"),
        *(b"NOTIFY SET (inboxes (FlagChange))", b"NOTIFY SET (mailboxes ((x)) (Other))"),
        *(b"STORE 1 FLAGS", b"STORE 1 (UNCHANGEDSINCE x) FLAGS y", b"APPEND x", b"IDLE now"),
    ],
)
def test_malformed_commands_are_refused(line: bytes) -> None:
    with pytest.raises(BadSyntax):
        read(line)


@pytest.mark.parametrize("name", [b"a[b", b"NIL", b"nil", b"a]b", b"[", b"{", b"(", b"*", b""])
def test_a_mailbox_may_have_any_name(name: bytes) -> None:
    sent: list[list[Part]] = [[b'"%b"' % name], [b"", Text(name)]]
    if name and not name.strip(b"ab[]NILnil"):
        sent.append([name])
    for argument in sent:
        assert read_command(b"SELECT", argument) == Select(name)
        assert read_command(b"CREATE", argument) == CreateMailbox(name)
        assert read_command(b"RENAME", [*argument, b" NIL"]) == Rename(name, b"NIL")
        assert read_command(b"STATUS", [*argument, b" (UIDNEXT)"]) == AskStatus(name, (b"UIDNEXT",))
        assert read_command(b"LIST", [b'"" ', *argument]) == ListMailboxes(b"", (name,))
        assert read_command(b"COPY", [b"1 ", *argument]) == Copy(b"1", name)


def test_a_pattern_may_contain_wildcards_but_a_mailbox_may_not() -> None:
    assert read(b'LIST "" a[*') == ListMailboxes(b"", (b"a[*",))
    assert read(b"LSUB NIL %/[x]") == ListSubscribed(b"NIL", b"%/[x]")
    for line in (b"SELECT a*", b"CREATE %", b"SELECT a{b", b'SELECT a"b', b"SELECT a\\b"):
        with pytest.raises(BadSyntax):
            read(line)


def test_a_user_may_be_called_nil() -> None:
    login = read(b"LOGIN NIL a[b")
    assert isinstance(login, Login)
    assert (login.user, login.password.reveal()) == (b"NIL", b"a[b")


@pytest.mark.parametrize(
    "line",
    [
        *(b"FETCH 0 FLAGS", b"FETCH 1,,2 FLAGS", b"FETCH 1: FLAGS", b"FETCH 01 FLAGS"),
        *(b"UID FETCH 0:3 FLAGS", b"FETCH 4294967296 FLAGS", b"FETCH 1:*x FLAGS", b"FETCH , FLAGS"),
        *(
            rb"STORE 1  FLAGS (\Seen)",
            rb"STORE 1 FLAGS  (\Seen)",
            rb"STORE 1 FLAGS (\Seen  \Draft)",
        ),
        *(b"STORE 1 FLAG x", b"STORE 1 FLAGS (x", b"STORE 1 FLAGS x)", b"STORE 1 FLAGS.LOUD x"),
        *(
            b"STORE 1 FLAGS (a[b]c)",
            b"STORE 1 FLAGS [a]",
            b"STORE 1 FLAGS \\",
            b'STORE 1 FLAGS "x"',
        ),
        *(b"SELECT  x", b"COPY 1  x", b"UID  COPY 1 x", b'LIST  "" x', b"SEARCH", b"SELECT x (y"),
        *(b'LIST "" x  RETURN (CHILDREN)', b"STATUS x ()", b"ID (name x)", b"SELECT x ()"),
        *(b"CREATE x (USE \\Sent)", b"ENABLE ", b"AUTHENTICATE PLAIN ", b"AUTHENTICATE PLAIN a b"),
    ],
)
def test_unknown_syntax_is_refused(line: bytes) -> None:
    with pytest.raises(BadSyntax):
        read(line)


@pytest.mark.parametrize(
    "line", [b"STORE 1 FLAGS ()", b"STORE 1 FLAGS a b", b"STORE 1 -FLAGS ($x)"]
)
def test_flags_are_in_a_list_or_separated_by_spaces(line: bytes) -> None:
    store = read(line)
    assert isinstance(store, Store)
    assert store.flags == line.split(b" ", 3)[3]


def test_a_nul_in_a_literal_cannot_be_read() -> None:
    for parts in ([b"SUBJECT ", Text(b"\0"), b""], [b"SUBJECT x TEXT ", Text(b"a\0b")]):
        with pytest.raises(BadSyntax):
            read_command(b"SEARCH", parts)
    with pytest.raises(BadSyntax):
        read_command(b"SELECT", [b"", Text(b"\0")])


def test_a_literal_becomes_a_quoted_string_where_arguments_stay_as_sent() -> None:
    command = read(b"SEARCH SUBJECT ", Text(b'a "b"\r\n'), b" UNSEEN")
    assert command == Search(b'SUBJECT "a \\"b\\"\r\n" UNSEEN')
    assert read(b"UID SEARCH TEXT ", Text(b"x"), b"") == UidSearch(b'TEXT "x"')
    assert read(b"COPY 1 ", Text(b"a b"), b"") == Copy(b"1", b"a b")
    assert read(b"SELECT ", Text(b"a\r\nb"), b"") == Select(b"a\r\nb")


@pytest.mark.parametrize(
    ("before", "append"),
    [
        ([b"x "], Append(b"x", 5)),
        ([b'"a b" '], Append(b"a b", 5)),
        ([b"", Text(b"a b"), b" "], Append(b"a b", 5)),
        ([rb"x (\Seen a) "], Append(b"x", 5, (rb"\Seen", b"a"))),
        ([b'x () "17-Jul-1996 02:44:25 -0700" '], Append(b"x", 5, (), DATE)),
        ([b"x UTF8 ("], Append(b"x", 5, utf8=True)),
        (
            [rb'x (\Seen) " 7-Jul-1996 02:44:25 -0700" utf8 ('],
            Append(b"x", 5, (rb"\Seen",), b" 7-Jul-1996 02:44:25 -0700", True),
        ),
        ([b""], None),
    ],
)
def test_how_an_append_is_read(before: list[Part], append: Append | None) -> None:
    assert read_append(before, 5, binary=False) == append


def test_a_message_with_nuls_is_announced_as_such() -> None:
    assert read_append([b"x "], 5, binary=True) == Append(b"x", 5, binary=True)


@pytest.mark.parametrize(
    "before",
    [
        *(b"x y ", b"x ((a)) ", b"(x) ", b'x "date" (flags) ', b"x (", b"x  ", b"x", b'x "x'),
        *(b'x "17-Jul-1996" ', b'x "17-Jul-1996 02:44:25" '),
    ],
)
def test_an_append_that_cannot_be_read(before: bytes) -> None:
    with pytest.raises(BadSyntax):
        read_append([before], 5, binary=False)


# Responses


def write(event: Event, *, utf8: bool = False) -> bytes:
    writer = ResponseWriter()
    writer.utf8 = utf8
    return writer.untagged(event, b"a1")


INBOX = (NamespaceEntry(b"", b"/"), NamespaceEntry(b"x", None))


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (Vanished(b"1:3"), b"VANISHED 1:3"),
        (Vanished(b"1:3", earlier=True), b"VANISHED (EARLIER) 1:3"),
        (Found((1, 2), 9), b"SEARCH 1 2 (MODSEQ 9)"),
        (FoundInShort(), b'ESEARCH (TAG "a1")'),
        (
            FoundInShort(b"x", True, 1, 9, 3, b"1,5,9", modseq=7),
            b'ESEARCH (TAG "x") UID MIN 1 MAX 9 COUNT 3 ALL 1,5,9 MODSEQ 7',
        ),
        (
            FoundInShort(uid=True, partial=(b"1:10", None)),
            b'ESEARCH (TAG "a1") UID PARTIAL (1:10 NIL)',
        ),
        (Listed(b"a b", b"/", (rb"\Sent",)), rb'LIST (\Sent) "/" "a b"'),
        (Listed(b"x", None, lsub=True), b'LSUB () NIL "x"'),
        (Listed(b"x", b"\\"), b'LIST () "\\\\" "x"'),
        (Listed(b"\xc3\xa4", b"/"), b'LIST () "/" {2}\r\n\xc3\xa4'),
        (
            Listed(b"x", b"/", (), False, ((b"CHILDINFO", [Text(b"SUBSCRIBED")]),)),
            b'LIST () "/" "x" ("CHILDINFO" ("SUBSCRIBED"))',
        ),
        (
            MailboxStatus(b"x", ((b"MESSAGES", 3), (b"MAILBOXID", b"F1"))),
            b'STATUS "x" (MESSAGES 3 MAILBOXID (F1))',
        ),
        (Namespaces(INBOX), b'NAMESPACE (("" "/")("x" NIL)) NIL NIL'),
        (Identified(), b"ID NIL"),
        (Identified(((b"name", b"x"), (b"os", None))), b'ID ("name" "x" "os" NIL)'),
        (Enabled(frozenset({b"B", b"A"})), b"ENABLED A B"),
        (Unknown(b"XFROB 1"), b"XFROB 1"),
        (Status(Condition.BAD, Code(b"ALERT"), b"hm"), b"BAD [ALERT] hm"),
    ],
)
def test_how_an_untagged_response_is_written(event: Event, line: bytes) -> None:
    assert write(event) == line


def test_an_unsolicited_search_result_has_no_tag() -> None:
    assert ResponseWriter().untagged(FoundInShort(count=1), b"") == b"ESEARCH COUNT 1"


def test_utf8_is_quoted_once_it_is_enabled() -> None:
    assert write(Listed(b"\xc3\xa4", b"/"), utf8=True) == b'LIST () "/" "\xc3\xa4"'
    assert write(Listed(b"\xff", b"/"), utf8=True) == b'LIST () "/" {1}\r\n\xff'


@pytest.mark.parametrize(
    "event",
    [
        *(Closed(), BodyEnd(), Unknown(b"a\r\nb"), Enabled(frozenset({b"a\nb"})), Vanished(b"\r")),
        *(Listed(b"a\0b"), Status(Condition.OK, None, b"a\r\n* BYE")),
    ],
)
def test_a_reply_with_a_line_ending_is_not_sent(event: Event) -> None:
    with pytest.raises(LocalProtocolError):
        write(event)


def test_show_prints_all_details_of_a_message() -> None:
    fetched = Fetched(1, 5, 9, (rb"\Seen",), b"date", 7, ((b"X-GM-MSGID", Atom(b"12")),))
    items = ResponseWriter().fetch_items(fetched, with_uid=True)
    assert items == [
        *(b"UID 5", b"RFC822.SIZE 9", rb"FLAGS (\Seen)", b'INTERNALDATE "date"', b"MODSEQ (7)"),
        b"X-GM-MSGID 12",
    ]
    assert b"UID 5" not in ResponseWriter().fetch_items(fetched, with_uid=False)
    assert ResponseWriter().fetch_items(Fetched(1), with_uid=True) == []


@pytest.mark.parametrize(
    ("start", "opener"),
    [
        (BodyStart(1, 5, b"TEXT", 3), b"BODY[TEXT] {3}\r\n"),
        (BodyStart(1, 5, b"", 3, origin=0), b"BODY[]<0> {3}\r\n"),
        (BodyStart(1, 5, b"1", 3, binary=True), b"BINARY[1] ~{3}\r\n"),
        (BodyStart(1, 5, b"HEADER", 3, b"RFC822.HEADER"), b"RFC822.HEADER {3}\r\n"),
    ],
)
def test_how_a_text_is_opened(start: BodyStart, opener: bytes) -> None:
    assert text_opener(start) == opener


WORDS = st.one_of(
    st.none(),
    st.from_regex(rb"[A-Za-z0-9][A-Za-z0-9.-]{0,8}", fullmatch=True).map(Atom),
    st.binary(max_size=12).filter(lambda b: b"\0" not in b).map(Text),
)
VALUES: st.SearchStrategy[Value] = st.recursive(
    WORDS, lambda inner: st.lists(inner, max_size=4), max_leaves=12
)


def read_back(line: bytes) -> list[Value]:
    """Parse values as a client does, including literals."""
    parts: list[Part] = []
    while (start := line.find(b"}\r\n")) >= 0 and b"{" in line[:start]:
        opened = line.rindex(b"{", 0, start)
        size = int(line[opened + 1 : start])
        parts += [line[:opened], Text(line[start + 3 :][:size])]
        line = line[start + 3 + size :]
    return parse_values([*parts, line], 20)


@given(VALUES.filter(lambda value: not (isinstance(value, Atom) and value.upper() == b"NIL")))
def test_any_value_is_read_as_it_was_written(value: Value) -> None:
    if b"{" in repr(value).encode() or "NIL" in repr(value).upper():
        return
    assert read_back(ResponseWriter().value(value)) == [value]


def test_message_text_is_not_a_value() -> None:
    with pytest.raises(LocalProtocolError, match="BodyStart"):
        ResponseWriter().value([STREAMED])
