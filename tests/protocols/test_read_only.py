"""In read-only mode no command leaves a client that could change anything at the server."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul import imap, pop3
from mailhaul.protocols.record import annotations_of, fields_of

BYTES = st.binary(max_size=12) | st.sampled_from(
    [
        *(b"1", b"1:*", b"INBOX", b"BODY[]", b"(UID BODY[])", b"(UID RFC822)", b"binary[1]"),
        *(b"(UID BODY.PEEK[])", b"(FLAGS RFC822.SIZE)", b"RFC822.HEADER", b"RFC822.TEXT"),
        *(b"SELECTED", b"MessageNew", b"1 (UID BODY[TEXT])", b"x\r\nA9 EXPUNGE", b"{3+}"),
    ]
)
WORDS = st.lists(BYTES, max_size=2).map(tuple)
VALUES: Mapping[str, st.SearchStrategy[Any]] = {
    "bytes": BYTES,
    "bytes | None": st.none() | BYTES,
    "bool": st.booleans(),
    "int": st.integers(0, 9),
    "int | None": st.none() | st.integers(0, 9),
    "tuple[bytes, ...]": WORDS,
    "tuple[bytes, ...] | None": st.none() | WORDS,
    "Secret": st.just(imap.Secret(b"sesame")),
    "Secret | None": st.none() | st.just(imap.Secret(b"sesame")),
    "Resync | None": st.none() | st.builds(imap.Resync, st.just(7), st.just(8), BYTES),
    "tuple[EventGroup, ...]": st.lists(
        st.builds(imap.EventGroup, BYTES, WORDS, WORDS, WORDS), max_size=2
    ).map(tuple),
    "tuple[tuple[bytes, bytes | None], ...] | None": st.none(),
}


def any_of(kinds: Any) -> st.SearchStrategy[Any]:
    """Return a strategy for commands of all these classes, with any arguments."""
    each = []
    for kind in kinds:
        types = annotations_of(kind)
        each.append(st.builds(kind, *(VALUES[types[name]] for name in fields_of(kind))))
    return st.one_of(each)


IMAP = any_of((*get_args(imap.Command), *get_args(imap.Continuation)))
POP3 = any_of((*get_args(pop3.Command), *get_args(pop3.Continuation)))

SAFE_IN_IMAP = {
    *(b"CAPABILITY", b"NOOP", b"LOGOUT", b"ID", b"STARTTLS", b"AUTHENTICATE", b"LOGIN", b"ENABLE"),
    *(b"COMPRESS", b"NAMESPACE", b"LIST", b"LSUB", b"STATUS", b"EXAMINE", b"IDLE", b"NOTIFY"),
    b"GETQUOTAROOT",
    *(b"UNSELECT", b"SEARCH", b"UID SEARCH", b"FETCH", b"UID FETCH"),
}
SAFE_IN_POP3 = {
    *(b"CAPA", b"STLS", b"USER", b"PASS", b"APOP", b"AUTH", b"UTF8", b"LANG", b"STAT", b"LIST"),
    *(b"UIDL", b"TOP", b"NOOP", b"LAST", b"*ENV", b"QUIT"),
}
LITERAL = re.compile(rb"\{(\d+)\+?\}\r\n")


def in_imap(state: str) -> imap.Client:
    client = imap.Client(read_only=True)
    if state == "greeted":
        client.receive_data(b"* OK [CAPABILITY IMAP4REV1 LITERAL+ IDLE NOTIFY] ready\r\n")
    else:
        client.receive_data(b"* PREAUTH [CAPABILITY IMAP4REV1 LITERAL+ IDLE NOTIFY] ready\r\n")
    while not isinstance(client.next_event(), imap.NeedData):
        pass
    if state == "selected":
        client.send(imap.Select(b"INBOX", read_only=True))
        client.receive_data(b"A0001 OK [READ-ONLY] done\r\n")
        while not isinstance(client.next_event(), imap.NeedData):
            pass
        assert client.data_to_send() == [b'A0001 EXAMINE "INBOX"\r\n']
    return client


def in_transaction() -> pop3.Client:
    client = pop3.Client(read_only=True)
    client.receive_data(b"+OK <1@here>\r\n")
    client.next_event()
    client.send(pop3.User(b"joe"))
    client.receive_data(b"+OK\r\n")
    client.next_event()
    client.send(pop3.Pass(pop3.Secret(b"sesame")))
    client.receive_data(b"+OK\r\n")
    client.next_event()
    client.data_to_send()
    return client


def one_line(wire: bytes) -> bytes:
    """Return a command with its literals cut out; fail if there is more than one command."""
    while found := LITERAL.search(wire):
        end = found.end() + int(found[1])
        # A literal that waits for the server has not been sent.
        wire = wire[: found.start()] + b'""' + wire[end:]
    line, _, rest = wire.partition(b"\r\n")
    assert rest == b"", "a second command"
    return line


@given(st.sampled_from(["greeted", "authenticated", "selected"]), IMAP)
def test_an_imap_client_sends_nothing_that_changes_anything(state: str, command: Any) -> None:
    client = in_imap(state)
    before = client.state
    try:
        client.send(command)
    except imap.LocalProtocolError:
        assert (client.data_to_send(), client.state) == ([], before)
        client.send(imap.Noop())
        return
    line = one_line(b"".join(client.data_to_send())).upper()
    verb = re.sub(rb"^A\d+ (UID )?(\S+).*", rb"\1\2", line, flags=re.DOTALL)
    assert verb in SAFE_IN_IMAP
    if verb in {b"FETCH", b"UID FETCH"}:
        assert not re.search(rb"(BODY|BINARY)\[", line)
        assert re.findall(rb"RFC822[^ ()]*", line) == re.findall(rb"RFC822\.(?:SIZE|HEADER)", line)


@given(st.booleans(), POP3)
def test_a_pop3_client_sends_nothing_that_changes_anything(logged_in: bool, command: Any) -> None:
    client = in_transaction()
    if not logged_in:
        client = pop3.Client(read_only=True)
        client.receive_data(b"+OK <1@here>\r\n")
        client.next_event()
    before = client.state
    try:
        client.send(command)
    except pop3.LocalProtocolError:
        assert (client.data_to_send(), client.state) == ([], before)
        return
    assert one_line(b"".join(client.data_to_send())).split()[0] in SAFE_IN_POP3


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        (imap.Select(b"INBOX"), "SELECT is refused in read-only mode; EXAMINE is allowed"),
        (imap.Store(b"1", b"+FLAGS", rb"(\Seen)"), "STORE is refused in read-only mode"),
        (imap.UidStore(b"1", b"+FLAGS", rb"(\Seen)"), "UID STORE is refused"),
        (imap.UidExpunge(b"1"), "UID EXPUNGE is refused"),
        (imap.Append(b"INBOX", 3), "APPEND is refused"),
        (imap.UidMove(b"1", b"Junk"), "UID MOVE is refused"),
        (imap.CloseMailbox(), "CLOSE is refused"),
        (imap.DeleteMailbox(b"INBOX"), "DELETE is refused"),
        (imap.UidFetch(b"1", b"(UID BODY[])"), r"UID FETCH without PEEK .* sets \\Seen"),
        (imap.Fetch(b"1", b"rfc822"), "FETCH without PEEK"),
        (imap.Fetch(b"1 BODY[]", b"x"), "FETCH without PEEK"),
        (imap.AppendChunk(b"x"), "AppendChunk is refused"),
    ],
)
def test_the_reason_is_given(command: Any, problem: str) -> None:
    client = in_imap("selected")
    with pytest.raises(imap.LocalProtocolError, match=problem):
        client.send(command)
    assert client.data_to_send() == []


@pytest.mark.parametrize(
    "items",
    [b"(UID BODY.PEEK[HEADER])", b"(UID RFC822.SIZE FLAGS)", b"RFC822.HEADER", b"BINARY.PEEK[1]"],
)
def test_what_sets_no_flag_may_be_fetched(items: bytes) -> None:
    client = in_imap("selected")
    client.send(imap.UidFetch(b"1", items))
    assert client.data_to_send() == [b"A0002 UID FETCH 1 %b\r\n" % items]


@pytest.mark.parametrize("command", [pop3.Retrieve(1), pop3.Delete(1), pop3.Reset()])
def test_pop3_refuses_what_may_remove_or_mark(command: Any) -> None:
    client = in_transaction()
    with pytest.raises(pop3.LocalProtocolError, match="is refused in read-only mode"):
        client.send(command)
    assert client.data_to_send() == []
    client.send(pop3.Top(1, 0))


def test_a_client_says_whether_it_is_read_only() -> None:
    assert [imap.Client(read_only=True).read_only, imap.Client().read_only] == [True, False]
    assert [pop3.Client(read_only=True).read_only, pop3.Client().read_only] == [True, False]
