"""The IMAP client: states, replies, message text, and protocol violations of a server."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from automat import NoTransition
from hypothesis import given, settings
from hypothesis import strategies as st

from mailhaul.protocols.errors import (
    ConnectionLost,
    LimitExceeded,
    LocalProtocolError,
    RemoteProtocolError,
)
from mailhaul.protocols.imap import client_states, server_states
from mailhaul.protocols.imap.client import ImapClient
from mailhaul.protocols.imap.commands import (
    Capability,
    CloseMailbox,
    Command,
    Expunge,
    Login,
    Logout,
    Noop,
    Select,
    StartTls,
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
    NoText,
    Recent,
    SaidBye,
    Status,
    TlsReady,
    Vanished,
)
from mailhaul.protocols.imap.values import Atom, Text
from mailhaul.protocols.limits import Limits
from mailhaul.protocols.machine import NEED_DATA, NeedData
from mailhaul.protocols.secret import Secret
from tests.shown_lines import ShownLines

OK = Condition.OK
FETCH = b"(UID RFC822.SIZE BODY.PEEK[])"
LOGIN = Login(b"joe", Secret(b"sesame"))


def whole(data: bytes) -> Iterator[bytes]:
    yield data


def bytewise(data: bytes) -> Iterator[bytes]:
    for byte in data:
        yield bytes([byte])


def pairwise(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), 2):
        yield data[start : start + 2]


def events_of(client: ImapClient) -> list[Event]:
    """Return all events there are; neighbouring chunks are joined, for how a text is cut is
    nobody's business."""
    events: list[Event] = []
    while (event := client.next_event()) is not NEED_DATA:
        assert not isinstance(event, NeedData)
        last = events[-1] if events else None
        if isinstance(event, BodyChunk) and isinstance(last, BodyChunk):
            events[-1] = BodyChunk(last.data + event.data)
        else:
            events.append(event)
    return events


def feed(client: ImapClient, pieces: Iterable[bytes]) -> list[Event]:
    events: list[Event] = []
    for piece in pieces:
        client.receive_data(piece)
        for event in events_of(client):
            last = events[-1] if events else None
            if isinstance(event, BodyChunk) and isinstance(last, BodyChunk):
                events[-1] = BodyChunk(last.data + event.data)
            else:
                events.append(event)
    return events


def greeted(greeting: bytes = b"* OK ready\r\n", limits: Limits | None = None) -> ImapClient:
    client = ImapClient(limits or Limits())
    feed(client, [greeting])
    return client


def selected(limits: Limits | None = None) -> ImapClient:
    client = greeted(b"* PREAUTH welcome\r\n", limits)
    client.send(Select(b"INBOX"))
    feed(client, [b"A0001 OK [READ-WRITE] done\r\n"])
    client.data_to_send()
    return client


def fetching(*uids: int, limits: Limits | None = None) -> tuple[ImapClient, list[UidFetch]]:
    client = selected(limits)
    commands = [UidFetch(b"%d" % uid, FETCH) for uid in uids]
    for command in commands:
        client.send(command)
    client.data_to_send()
    return client, commands


def sent(client: ImapClient) -> bytes:
    return b"".join(client.data_to_send())


# The dialogue


def rows(module: Any) -> set[tuple[str, str, str]]:
    return {(str(old), name, str(new)) for old, name, new in module.table.rows}


def inputs(module: Any) -> list[str]:
    return sorted(name for name in vars(module.Dialogue) if not name.startswith("_"))


def paths(module: Any) -> dict[str, list[str]]:
    """Return a sequence of inputs that leads to each state."""
    table = rows(module)
    start = module.table.begin().state
    found: dict[str, list[str]] = {start: []}
    frontier = [start]
    while frontier:
        state = frontier.pop(0)
        for old, name, new in sorted(table):
            if old == state and new not in found:
                found[new] = [*found[state], name]
                frontier.append(new)
    return found


@pytest.mark.parametrize("module", [client_states, server_states], ids=["client", "server"])
def test_every_pair_that_the_table_does_not_list_is_refused(module: Any) -> None:
    table = {(old, name): new for old, name, new in rows(module)}
    checked = 0
    for state, way in paths(module).items():
        for name in inputs(module):
            place = module.table.begin()
            dialogue = module.table.dialogue(place)
            for step in way:
                getattr(dialogue, step)()
            assert place.state == state
            if (state, name) in table:
                getattr(dialogue, name)()
                assert place.state == table[state, name]
            else:
                with pytest.raises(NoTransition):
                    getattr(dialogue, name)()
                assert place.state == state
            checked += 1
    assert checked > 80


@pytest.mark.parametrize("module", [client_states, server_states], ids=["client", "server"])
def test_every_state_can_be_reached(module: Any) -> None:
    assert set(paths(module)) == {old for old, _, _ in rows(module)} | {
        new for _, _, new in rows(module)
    }


@pytest.mark.parametrize(
    "command",
    [
        Select(b"INBOX"),
        CloseMailbox(),
        UidSearch(b"ALL"),
        UidFetch(b"1", FETCH),
        UidStore(b"1", b"+FLAGS", b"(x)"),
        UidExpunge(b"1"),
        Expunge(),
    ],
    ids=lambda command: type(command).__name__,
)
def test_before_the_login_no_mailbox_can_be_touched(command: Command) -> None:
    client = greeted()
    with pytest.raises(LocalProtocolError, match="not allowed in state not-authenticated"):
        client.send(command)
    assert sent(client) == b""
    client.send(Noop())
    assert sent(client) == b"A0001 NOOP\r\n"


def test_before_the_greeting_nothing_can_be_sent() -> None:
    with pytest.raises(LocalProtocolError, match="state greeting"):
        ImapClient().send(Capability())


@pytest.mark.parametrize("command", [LOGIN, StartTls()], ids=["login", "starttls"])
def test_after_preauth_there_is_neither_login_nor_starttls(command: Command) -> None:
    with pytest.raises(LocalProtocolError, match="state authenticated"):
        greeted(b"* PREAUTH hello\r\n").send(command)


@pytest.mark.parametrize("first", [StartTls(), LOGIN], ids=["starttls", "login"])
def test_nothing_follows_a_command_that_changes_the_state(first: Command) -> None:
    client = greeted()
    client.send(first)
    client.data_to_send()
    with pytest.raises(LocalProtocolError, match="must wait for the reply to"):
        client.send(Noop())
    assert sent(client) == b""


def test_a_command_that_changes_the_state_waits_for_what_is_outstanding() -> None:
    client = greeted()
    client.send(Noop())
    with pytest.raises(LocalProtocolError, match="STARTTLS must wait for the reply to NOOP"):
        client.send(StartTls())


def test_a_failed_select_leaves_nothing_selected() -> None:
    client = selected()
    client.send(Select(b"Spam"))
    feed(client, [b"A0002 NO no such mailbox\r\n"])
    assert client.state == "authenticated"


def test_only_a_search_and_its_saved_result_may_follow_select_at_once() -> None:
    client = selected()
    client.send(Select(b"Spam"))
    refused = (UidFetch(b"1", b"FLAGS"), UidStore(b"$", b"FLAGS", b"()"), Expunge(), Logout())
    for _ in range(2):
        for command in refused:
            with pytest.raises(LocalProtocolError, match="must wait for the reply to SELECT"):
                client.send(command)
        client.send(UidSearch(b"UNSEEN", (b"SAVE",)))
        client.send(UidFetch(b"$", b"FLAGS"))
    assert sent(client).count(b"\r\n") == 5
    assert client.state == "selecting"


def test_a_search_after_a_refused_select_is_refused_as_well() -> None:
    client = selected()
    client.send(Select(b"Spam"))
    client.send(search := UidSearch(b"UNSEEN"))
    events = feed(client, [b"A0002 NO no such mailbox\r\nA0003 BAD no mailbox selected\r\n"])
    assert isinstance(events[-1], Completed)
    assert (events[-1].command, events[-1].condition) == (search, Condition.BAD)
    assert (client.state, client.outstanding) == ("authenticated", ())


# Greetings


def test_a_greeting_may_announce_capabilities() -> None:
    client = ImapClient()
    code = Code(b"CAPABILITY", b"IMAP4rev1 uidplus")
    assert feed(client, [b"* OK [CAPABILITY IMAP4rev1 uidplus] hello\r\n"]) == [
        Capabilities(frozenset({b"IMAP4REV1", b"UIDPLUS"})),
        Greeted(False, code, b"hello"),
    ]


def test_a_preauth_greeting_needs_no_login() -> None:
    client = ImapClient()
    assert feed(client, [b"* PREAUTH IMAP4rev1 server logged in as joe\r\n"]) == [
        Greeted(True, None, b"IMAP4rev1 server logged in as joe")
    ]
    assert client.state == "authenticated"


def test_a_server_may_turn_us_away() -> None:
    client = ImapClient()
    client.receive_data(b"* BYE too busy\r\n")
    client.receive_eof()
    assert events_of(client) == [SaidBye(None, b"too busy"), Closed()]


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (b"+OK POP3 ready", "POP3"),
        (b"220 mail.example.org ESMTP", "SMTP"),
        (b"SSH-2.0-OpenSSH_9.2", "SSH"),
        (b"HTTP/1.1 400 Bad Request", "HTTP"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "TLS"),
    ],
)
def test_another_protocol_is_named(line: bytes, name: str) -> None:
    client = ImapClient()
    client.receive_data(line + b"\r\n")
    with pytest.raises(RemoteProtocolError, match=f"not IMAP but looks like {name}"):
        client.next_event()


@pytest.mark.parametrize("line", [b"hello", b"* ok", b"* NO", b"A1 OK x", b"*OK"])
def test_an_invalid_greeting_is_a_permanent_error(line: bytes) -> None:
    client = ImapClient()
    client.receive_data(line + b"\r\n")
    if line == b"* ok":
        assert client.next_event() == Greeted(False, None, b"")
        return
    for _ in range(2):
        with pytest.raises(RemoteProtocolError, match="greeting is not IMAP"):
            client.next_event()
    assert client.state == "error"
    with pytest.raises(LocalProtocolError):
        client.send(Logout())


# Replies


@pytest.mark.parametrize("pieces", [whole, bytewise, pairwise])
def test_a_session_reads_the_same_however_it_is_cut(
    pieces: Callable[[bytes], Iterator[bytes]],
) -> None:
    client = selected()
    search, fetch, store = (
        UidSearch(b"UNSEEN"),
        UidFetch(b"5", FETCH),
        UidStore(b"5", b"+FLAGS", b"(x)"),
    )
    for command in (search, fetch, store):
        client.send(command)
    script = (
        b"* 3 EXISTS\r\n* 1 RECENT\r\n* FLAGS (\\Seen \\Deleted)\r\n* OK [UIDNEXT 9] soon\r\n"
        b"* SEARCH 5 7\r\n* SEARCH\r\nA0002 OK found\r\n"
        b"* 2 FETCH (UID 5 RFC822.SIZE 8 BODY[] {8}\r\nA\r\n)\r\nB\r FLAGS (\\Seen))\r\n"
        b"A0003 OK fetched\r\n* 2 EXPUNGE\r\n* VANISHED 4\r\nA0004 NO cannot store\r\n"
    )
    assert feed(client, pieces(script)) == [
        Exists(3),
        Recent(1),
        Flags((b"\\Seen", b"\\Deleted")),
        Status(OK, Code(b"UIDNEXT", b"9"), b"soon"),
        Found((5, 7)),
        Found(()),
        Completed(search, OK, None, b"found"),
        BodyStart(2, 5, b"", 8),
        BodyChunk(b"A\r\n)\r\nB\r"),
        BodyEnd(),
        Fetched(2, 5, 8, (b"\\Seen",)),
        Completed(fetch, OK, None, b"fetched"),
        Expunged(2),
        Vanished(b"4"),
        Completed(store, Condition.NO, None, b"cannot store"),
    ]


def test_replies_may_come_in_another_order_than_the_commands() -> None:
    client, (first, second) = fetching(5, 6)
    assert feed(client, [b"A0003 OK second\r\nA0002 OK first\r\n"]) == [
        Completed(second, OK, None, b"second"),
        Completed(first, OK, None, b"first"),
    ]


@pytest.mark.parametrize("line", [b"A9999 OK x", b" OK x", b"A0001 OK again", b"B1 NO x", b"x"])
def test_an_unexpected_reply_is_fatal(line: bytes) -> None:
    client, _ = fetching(5)
    client.receive_data(line + b"\r\n")
    with pytest.raises(RemoteProtocolError, match="no command was waiting"):
        client.next_event()


def test_events_before_an_error_are_returned_first() -> None:
    client, (command,) = fetching(5)
    client.receive_data(b"A0002 OK fine\r\nnonsense\r\n")
    assert client.next_event() == Completed(command, OK, None, b"fine")
    with pytest.raises(RemoteProtocolError):
        client.next_event()


def test_a_reply_without_ok_no_or_bad_is_fatal() -> None:
    client, _ = fetching(5)
    client.receive_data(b"A0002 MAYBE x\r\n")
    with pytest.raises(RemoteProtocolError, match="UID FETCH 5 is not OK, NO or BAD"):
        client.next_event()


def test_capabilities_are_forgotten_after_the_login() -> None:
    client = greeted(b"* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hi\r\n")
    client.send(LOGIN)
    feed(client, [b"A0001 OK in\r\n"])
    assert client.capabilities == {}


# Texts


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (b"(BODY[] {3}\r\nabc UID 5)", [BodyStart(1, None, b"", 3), b"abc", Fetched(1, 5)]),
        (b"(uid 5 body[] {3}\r\nabc)", [BodyStart(1, 5, b"", 3), b"abc", Fetched(1, 5)]),
        (b"(UID 5 BODY[] {0}\r\n)", [BodyStart(1, 5, b"", 0), b"", Fetched(1, 5)]),
        (b'(UID 5 BODY[] "a\\"b")', [BodyStart(1, 5, b"", 3), b'a"b', Fetched(1, 5)]),
        (b"(UID 5 BODY[] NIL)", [NoText(1, 5, b""), Fetched(1, 5)]),
        (b'(UID 5 BODY[] "")', [BodyStart(1, 5, b"", 0), b"", Fetched(1, 5)]),
        (b"(UID 5 RFC822 {3}\r\nabc)", [BodyStart(1, 5, b"", 3, b"RFC822"), b"abc", Fetched(1, 5)]),
        (
            b"(UID 5 BODY[HEADER.FIELDS (TO FROM)] {3}\r\nabc)",
            [BodyStart(1, 5, b"HEADER.FIELDS (TO FROM)", 3), b"abc", Fetched(1, 5)],
        ),
        (b"(UID 5 BODY[]<0> {3}\r\nabc)", [BodyStart(1, 5, b"", 3, b"", 0), b"abc", Fetched(1, 5)]),
        (b"(FLAGS () UID 5)", [Fetched(1, 5, None, ())]),
        (
            b'(X-NEW ("a" (b {2}\r\n)) NIL)) MODSEQ (7) UID 5 RFC822.SIZE 9)',
            [
                Fetched(
                    1,
                    5,
                    9,
                    modseq=7,
                    others=((b"X-NEW", [Text(b"a"), [Atom(b"b"), Text(b"))"), None]]),),
                )
            ],
        ),
        (
            b'(UID 5 INTERNALDATE "17-Jul-1996 02:44:25 -0700")',
            [Fetched(1, 5, None, None, b"17-Jul-1996 02:44:25 -0700")],
        ),
        (b"(UID 5 RFC822.SIZE 99999999999999999999999)", [Fetched(1, 5, None)]),
    ],
)
def test_a_fetch_response_in_any_form(response: bytes, expected: list[Any]) -> None:
    client, _ = fetching(5)
    wanted: list[Event] = []
    for event in expected:
        if isinstance(event, bytes):
            wanted += [*([BodyChunk(event)] if event else []), BodyEnd()]
        else:
            wanted.append(event)
    assert feed(client, bytewise(b"* 1 FETCH " + response + b"\r\n")) == wanted


def test_a_text_is_never_held() -> None:
    client, _ = fetching(5)
    size = 50_000_000
    client.receive_data(b"* 1 FETCH (UID 5 BODY[] {%d}\r\n" % size)
    assert client.next_event() == BodyStart(1, 5, b"", size)
    chunk = b"x" * 1_000_000
    for _ in range(50):
        client.receive_data(chunk)
        got = events_of(client)
        assert sum(len(event.data) for event in got if isinstance(event, BodyChunk)) == len(chunk)
    assert events_of(client) == []


def test_message_text_is_in_no_repr_and_in_no_trace() -> None:
    lines: list[bytes] = []
    client = ImapClient(tap=ShownLines(lambda way, line: lines.append(line)))
    feed(client, [b"* PREAUTH x\r\n"])
    client.send(Select(b"INBOX"))
    feed(client, [b"A0001 OK x\r\n"])
    client.send(UidFetch(b"5", FETCH))
    events = feed(
        client,
        [b'* 1 FETCH (UID 5 BODY[] {6}\r\nsecret)\r\n* 1 FETCH (UID 5 BODY[] "secret")\r\n'],
    )
    assert BodyChunk(b"secret") in events
    assert "secret" not in repr(events)
    assert not any(b"secret" in line for line in lines)


# Strings to the server


def test_quotes_and_backslashes_are_escaped() -> None:
    client = greeted()
    client.send(Login(b'a"b', Secret(b"c\\d")))
    assert sent(client) == b'A0001 LOGIN "a\\"b" "c\\\\d"\r\n'


def test_eight_bit_strings_go_as_literals_that_wait_for_the_server() -> None:
    client = greeted()
    client.send(Login("jörg".encode(), Secret("süß".encode())))
    assert sent(client) == b"A0001 LOGIN {5}\r\n"
    feed(client, [b"+ go\r\n"])
    assert sent(client) == "jörg {5}\r\n".encode()
    feed(client, [b"+ \r\n"])
    assert sent(client) == "süß\r\n".encode()
    feed(client, [b"A0001 OK\r\n"])
    assert client.state == "authenticated"


def test_with_literal_plus_nothing_waits() -> None:
    client = greeted(b"* OK [CAPABILITY IMAP4rev1 LITERAL+] x\r\n")
    client.send(Login(b"joe", Secret("süß".encode())))
    assert sent(client) == b'A0001 LOGIN "joe" {5+}\r\n' + "süß".encode() + b"\r\n"


def test_a_refusal_in_place_of_the_plus_ends_the_command() -> None:
    client = greeted()
    client.send(Login(b"joe", Secret("süß".encode())))
    client.data_to_send()
    feed(client, [b"A0001 NO not like this\r\n"])
    client.send(Noop())
    assert sent(client) == b"A0002 NOOP\r\n"


def test_an_unexpected_continuation_request_is_fatal() -> None:
    client = selected()
    client.receive_data(b"+ more\r\n")
    with pytest.raises(RemoteProtocolError, match="no command has more to send"):
        client.next_event()


@pytest.mark.parametrize("bad", [b"a\rb", b"a\nb", b"a\0b"])
def test_a_string_that_could_become_a_command_is_refused(bad: bytes) -> None:
    client = greeted()
    for command in (Login(bad, Secret(b"x")), Login(b"x", Secret(bad))):
        with pytest.raises(LocalProtocolError, match="cannot be sent"):
            client.send(command)
    assert sent(client) == b""


def test_logindisabled_keeps_the_password_here() -> None:
    client = greeted(b"* OK [CAPABILITY IMAP4rev1 LOGINDISABLED] x\r\n")
    with pytest.raises(LocalProtocolError, match="LOGINDISABLED"):
        client.send(LOGIN)


def test_the_password_is_in_no_trace() -> None:
    lines: list[bytes] = []
    for password in (b"sesame", b"s\xc3\xa9same"):
        client = ImapClient(tap=ShownLines(lambda way, line: lines.append(line)))
        feed(client, [b"* OK x\r\n"])
        client.send(Login(b"joe", Secret(password)))
    assert b'A0001 LOGIN "joe" *' in lines
    assert not any(b"same" in line for line in lines)


# STARTTLS


def test_starttls_forgets_what_was_announced_in_the_clear() -> None:
    client = greeted(b"* OK [CAPABILITY IMAP4rev1 STARTTLS AUTH=PLAIN] x\r\n")
    command = StartTls()
    client.send(command)
    assert feed(client, [b"A0001 OK begin\r\n"]) == [TlsReady(command)]
    with pytest.raises(LocalProtocolError):
        client.send(Capability())
    client.tls_started()
    assert client.capabilities == {}
    client.send(Capability())
    assert sent(client).endswith(b"A0002 CAPABILITY\r\n")


@pytest.mark.parametrize("injected", [b"* CAPABILITY IMAP4rev1\r\n", b"x", b"A0002 OK\r\n"])
def test_one_byte_after_the_ok_to_starttls_is_fatal(injected: bytes) -> None:
    client = greeted()
    client.send(StartTls())
    client.receive_data(b"A0001 OK begin\r\n" + injected)
    with pytest.raises(RemoteProtocolError, match="followed the OK to STARTTLS"):
        client.next_event()


def test_data_between_the_ok_and_the_handshake_is_fatal_too() -> None:
    client = greeted()
    client.send(StartTls())
    feed(client, [b"A0001 OK begin\r\n"])
    client.receive_data(b"* OK [CAPABILITY X] evil\r\n")
    client.tls_started()
    with pytest.raises(RemoteProtocolError, match="followed the OK to STARTTLS"):
        client.next_event()


def test_a_refused_starttls_leaves_us_where_we_were() -> None:
    client = greeted()
    client.send(StartTls())
    feed(client, [b"A0001 BAD no\r\n"])
    assert client.state == "not-authenticated"


# The end


def test_an_end_in_a_quiet_state_is_an_event_once() -> None:
    client = selected()
    client.receive_eof()
    assert events_of(client) == [Closed()]
    assert client.next_event() is NEED_DATA
    with pytest.raises(LocalProtocolError):
        client.send(Noop())


def test_an_end_with_a_missing_reply_names_the_command() -> None:
    client, _ = fetching(7, 8)
    client.receive_eof()
    with pytest.raises(ConnectionLost, match="closed while UID FETCH 7 and 1 more were unanswered"):
        client.next_event()


def test_an_end_inside_a_text_reports_the_missing_octets() -> None:
    client, _ = fetching(7)
    client.receive_data(b"* 1 FETCH (UID 7 BODY[] {100}\r\nabc")
    client.receive_eof()
    assert client.next_event() == BodyStart(1, 7, b"", 100)
    assert client.next_event() == BodyChunk(b"abc")
    with pytest.raises(ConnectionLost, match="97 octets of a message missing"):
        client.next_event()


def test_an_end_before_the_greeting_is_a_loss() -> None:
    client = ImapClient()
    client.receive_eof()
    with pytest.raises(ConnectionLost, match="before the greeting"):
        client.next_event()


def test_logout_ends_with_bye_ok_and_the_end() -> None:
    client = selected()
    command = Logout()
    client.send(command)
    client.receive_data(b"* BYE see you\r\nA0002 OK done\r\n")
    client.receive_eof()
    assert events_of(client) == [
        SaidBye(None, b"see you"),
        Completed(command, OK, None, b"done"),
        Closed(),
    ]


def test_logout_may_follow_commands_before_their_replies() -> None:
    client = selected()
    store, logout = UidStore(b"1", b"+FLAGS.SILENT", rb"(\Seen)"), Logout()
    client.send(store)
    client.send(logout)
    assert b"".join(client.data_to_send()).endswith(b"(\\Seen)\r\nA0003 LOGOUT\r\n")
    with pytest.raises(LocalProtocolError):
        client.send(Noop())
    client.receive_data(b"A0002 OK done\r\n* BYE\r\nA0003 OK done\r\n")
    client.receive_eof()
    assert events_of(client) == [
        Completed(store, OK, None, b"done"),
        SaidBye(None, b""),
        Completed(logout, OK, None, b"done"),
        Closed(),
    ]


def test_a_server_that_drops_commands_before_logout_is_not_believed() -> None:
    client = selected()
    client.send(Expunge())
    client.send(Logout())
    client.receive_eof()
    with pytest.raises(ConnectionLost, match="EXPUNGE and 1 more were unanswered"):
        client.next_event()


def test_a_server_that_hangs_up_instead_of_answering_logout_has_closed() -> None:
    client = selected()
    client.send(Logout())
    client.receive_eof()
    assert events_of(client) == [Closed()]


def test_an_unsolicited_bye_is_reported_before_the_loss() -> None:
    client, _ = fetching(7)
    client.receive_data(b"* BYE shutting down\r\n")
    client.receive_eof()
    assert client.next_event() == SaidBye(None, b"shutting down")
    with pytest.raises(ConnectionLost):
        client.next_event()


# Limits


SMALL = Limits(
    response_line=200,
    literal=50,
    untagged=1000,
    nesting=5,
    digits=10,
    capabilities=5,
    outstanding=3,
)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"* OK " + b"x" * 300, "response line"),
        (b"* 1 FETCH (UID 7 ENVELOPE {51}\r\n", "literal"),
        (b"* XOTHER x\r\n" * 101, "untagged data"),
        (b"* 1 FETCH ((((((((", "nesting"),
        (b"* CAPABILITY A B C D E F\r\n", "capabilities"),
    ],
)
def test_a_server_cannot_send_without_end(data: bytes, name: str) -> None:
    client, _ = fetching(7, limits=SMALL)
    client.receive_data(data + b"\r\n")
    with pytest.raises(LimitExceeded, match=name):
        events_of(client)


def test_a_line_that_never_ends_is_given_up_before_it_is_held() -> None:
    client = selected(SMALL)
    for _ in range(200):
        client.receive_data(b"x")
        assert client.next_event() is NEED_DATA
    client.receive_data(b"x")
    with pytest.raises(LimitExceeded):
        client.next_event()


@pytest.mark.parametrize("number", [b"99999999999", b"9" * 5000])
def test_a_number_too_long_to_be_one_is_a_fault(number: bytes) -> None:
    client = selected(Limits(digits=10))
    client.receive_data(b"* %b EXISTS\r\n" % number)
    with pytest.raises(RemoteProtocolError, match="number has more than"):
        client.next_event()


def test_our_own_queue_is_bounded() -> None:
    client, _ = fetching(1, 2, 3, limits=SMALL)
    with pytest.raises(LocalProtocolError, match="too many commands"):
        client.send(Noop())


# Whatever comes


LINES = st.sampled_from(
    [
        *(b"* OK x\r\n", b"* PREAUTH x\r\n", b"* BYE\r\n", b"* 1 FETCH (UID 5 BODY[] {3}\r\n"),
        *(b"abc", b")\r\n", b"A0002 OK x\r\n", b"A0003 NO x\r\n", b"* SEARCH 1 2\r\n", b"+ \r\n"),
        *(b"* 1 FETCH (BODY[] NIL)\r\n", b'* 1 FETCH (X "', b"{5}\r\n", b"((((", b"* 5 EXISTS\r\n"),
        *(
            b"\r\n",
            b"\0",
            b"* OK [CAPABILITY A B]\r\n",
            b"* 1 FETCH (UID 5 FLAGS (a))\r\n",
            b"~{2}",
        ),
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(LINES, st.binary(max_size=40)), max_size=30), st.booleans())
def test_any_data_gives_events_or_one_error(pieces: list[bytes], end: bool) -> None:
    client, _ = fetching(5, 6)
    try:
        feed(client, pieces)
        if end:
            client.receive_eof()
            events_of(client)
    except RemoteProtocolError:
        assert client.state == "error"


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(LINES, st.binary(max_size=40)), max_size=20), st.data())
def test_any_cut_gives_the_same_events(pieces: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))

    def run(parts: Iterable[bytes]) -> tuple[list[Event], str]:
        client, _ = fetching(5, 6)
        events: list[Event] = []
        try:
            for part in parts:
                client.receive_data(part)
                while (event := client.next_event()) is not NEED_DATA:
                    assert not isinstance(event, NeedData)
                    last = events[-1] if events else None
                    if isinstance(event, BodyChunk) and isinstance(last, BodyChunk):
                        events[-1] = BodyChunk(last.data + event.data)
                    else:
                        events.append(event)
        except RemoteProtocolError as fault:
            return events, str(fault)
        return events, ""

    ends = [*cuts, len(stream)]
    starts = [0, *cuts]
    assert run([stream]) == run(stream[a:b] for a, b in zip(starts, ends, strict=True))
