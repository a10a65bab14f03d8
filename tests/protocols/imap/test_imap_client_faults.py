"""The IMAP client with servers that send wrong sizes, echo secrets, disconnect or reply early."""

from __future__ import annotations

import pytest

from mailhaul.protocols.errors import ConnectionLost, LocalProtocolError, RemoteProtocolError
from mailhaul.protocols.imap.client import ImapClient
from mailhaul.protocols.imap.commands import (
    Capability,
    Command,
    Fetch,
    Login,
    Logout,
    Search,
    Select,
    StartTls,
    Store,
    UidFetch,
    UidSearch,
    UidStore,
)
from mailhaul.protocols.imap.events import (
    Capabilities,
    Closed,
    Code,
    Completed,
    Condition,
    Event,
    Found,
    SaidBye,
    Status,
    TlsReady,
)
from mailhaul.protocols.machine import NEED_DATA, NeedData, Tap
from mailhaul.protocols.secret import Secret
from tests.shown_lines import ShownLines


def hear(client: ImapClient, data: bytes) -> list[Event]:
    client.receive_data(data)
    events: list[Event] = []
    while not isinstance(event := client.next_event(), NeedData):
        events.append(event)
    return events


def greeted(line: bytes = b"* OK hi", tap: Tap | None = None) -> ImapClient:
    client = ImapClient(tap=tap)
    hear(client, line + b"\r\n")
    return client


def selected() -> ImapClient:
    client = greeted(b"* PREAUTH hi")
    client.send(Select(b"INBOX"))
    hear(client, b"A0001 OK done\r\n")
    client.data_to_send()
    return client


@pytest.mark.parametrize("alert", [b"\x15\x03\x01\x00\x02\x02\x46", b"\x16\x03"])
def test_tls_without_a_line_end_is_known_at_once(alert: bytes) -> None:
    client = ImapClient()
    client.receive_data(alert[:1])
    assert client.next_event() is NEED_DATA
    client.receive_data(alert[1:])
    with pytest.raises(RemoteProtocolError, match="not IMAP but looks like TLS"):
        client.next_event()


def test_half_a_foreign_greeting_is_named_at_the_end() -> None:
    client = ImapClient()
    client.receive_data(b"220 mail.example.org")
    client.receive_eof()
    with pytest.raises(ConnectionLost, match="before the greeting but looks like SMTP"):
        client.next_event()


def test_capabilities_in_the_ok_to_starttls_are_not_believed() -> None:
    client = greeted()
    command = StartTls()
    client.send(command)
    assert hear(client, b"A0001 OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] go\r\n") == [TlsReady(command)]
    assert client.capabilities == {}
    client.tls_started()
    assert client.capabilities == {}


def test_data_before_the_handshake_is_an_error_at_next_event() -> None:
    client = greeted()
    client.send(StartTls())
    hear(client, b"A0001 OK go\r\n")
    client.receive_data(b"*")
    for _ in range(2):
        with pytest.raises(RemoteProtocolError, match="followed the OK to STARTTLS"):
            client.next_event()


def test_a_grant_of_starttls_after_bye_starts_no_tls() -> None:
    client = greeted()
    command = StartTls()
    client.send(command)
    assert hear(client, b"* BYE closing\r\nA0001 OK go\r\n") == [
        SaidBye(None, b"closing"),
        Completed(command, Condition.OK, None, b"go"),
    ]
    with pytest.raises(LocalProtocolError):
        client.tls_started()


@pytest.mark.parametrize("data", [b"* 1 EXISTS\r\n", b"x", b"A0002 OK again\r\n"])
def test_nothing_may_follow_the_reply_to_logout(data: bytes) -> None:
    client = selected()
    client.send(Logout())
    client.receive_data(b"* BYE\r\nA0002 OK bye\r\n" + data)
    assert isinstance(client.next_event(), SaidBye)
    assert isinstance(client.next_event(), Completed)
    with pytest.raises(RemoteProtocolError, match="after the reply to LOGOUT"):
        client.next_event()


def test_half_a_response_and_the_end_is_a_loss_even_in_a_quiet_state() -> None:
    client = selected()
    client.receive_data(b"* 3 EXI")
    client.receive_eof()
    with pytest.raises(ConnectionLost, match="in the middle of a response"):
        client.next_event()


def test_after_bye_the_end_is_in_order() -> None:
    client = selected()
    client.receive_data(b"* BYE idle for too long\r\n")
    client.receive_eof()
    assert client.next_event() == SaidBye(None, b"idle for too long")
    assert client.next_event() == Closed()
    assert client.next_event() is NEED_DATA


def test_a_loss_counts_what_is_unanswered() -> None:
    client = selected()
    for uid in (7, 8, 9):
        client.send(UidFetch(b"%d" % uid, b"(BODY.PEEK[])"))
    client.receive_eof()
    with pytest.raises(ConnectionLost, match="UID FETCH 7 and 2 more were unanswered"):
        client.next_event()


def test_ok_before_the_whole_command_was_sent_is_a_fault() -> None:
    client = greeted()
    client.send(Login(b"joe", Secret(b"p\xe4ss")))
    client.receive_data(b"A0001 OK welcome\r\n")
    with pytest.raises(RemoteProtocolError, match="has not been sent completely"):
        client.next_event()


@pytest.mark.parametrize("password", [b"sesame", b'se"sa\\me'])
def test_a_server_that_repeats_the_password_does_not_get_it_into_texts_or_traces(
    password: bytes,
) -> None:
    lines: list[bytes] = []
    client = greeted(tap=ShownLines(lambda way, line: lines.append(line)))
    command = Login(b"joe", Secret(password))
    client.send(command)
    echo = b"".join(client.data_to_send())[6:-2]
    assert password in echo or b"\\" in password
    [event] = hear(client, b"A0001 NO [X] bad command: %b\r\n" % echo)
    assert event == Completed(command, Condition.NO, Code(b"X"), b'bad command: LOGIN "joe" "*"')
    assert lines[-1] == b'A0001 NO [X] bad command: LOGIN "joe" "*"'


def test_an_echo_of_the_login_is_a_fault_that_does_not_show_it() -> None:
    client = greeted()
    client.send(Login(b"joe", Secret(b"sesame")))
    client.receive_data(b"".join(client.data_to_send()))
    with pytest.raises(RemoteProtocolError) as fault:
        client.next_event()
    assert "sesame" not in f"{fault.value} {fault.value.line!r}"


def test_an_empty_password_hides_nothing() -> None:
    client = greeted()
    command = Login(b"joe", Secret(b""))
    client.send(command)
    assert hear(client, b"A0001 NO no\r\n") == [Completed(command, Condition.NO, None, b"no")]


@pytest.mark.parametrize(("announced", "note"), [(b"X", b"{5}"), (b"LITERAL+", b"{5+}")])
def test_a_literal_is_a_note_in_the_trace(announced: bytes, note: bytes) -> None:
    lines: list[bytes] = []
    greeting = b"* OK [CAPABILITY %b] hi" % announced
    client = greeted(greeting, tap=ShownLines(lambda way, line: lines.append(line)))
    client.send(Login("jörg".encode(), Secret(b"sesame")))
    assert lines[-1] == b"A0001 LOGIN %b *" % note


def test_events_received_with_an_error_are_returned_before_it() -> None:
    client = selected()
    command = UidSearch(b"ALL")
    client.send(command)
    client.receive_data(b"* SEARCH 1\r\nA0002 OK done\r\n* 1 FETCH (UID 1\r\n")
    assert client.next_event() == Found((1,))
    assert client.next_event() == Completed(command, Condition.OK, None, b"done")
    for _ in range(2):
        with pytest.raises(RemoteProtocolError, match="ends inside a list"):
            client.next_event()
    assert client.state == "error"


@pytest.mark.parametrize(
    "command",
    [
        UidSearch(b"ALL\r\nA0009 LOGOUT"),
        UidFetch(b"1\n", b"(UID)"),
        UidStore(b"1", b"FLAGS", b"(\0)"),
        Search(b"\r"),
        Fetch(b"1", b"(UID)\r\n"),
        Store(b"1", b"FLAGS\n", b"()"),
    ],
    ids=lambda command: type(command).__name__,
)
def test_no_argument_can_become_a_second_command(command: Command) -> None:
    client = selected()
    with pytest.raises(LocalProtocolError, match="CR, LF or NUL"):
        client.send(command)
    assert client.data_to_send() == []
    assert client.outstanding == ()


def test_an_announcement_in_the_middle_replaces_the_one_before() -> None:
    client = greeted(b"* OK [CAPABILITY A] hi")
    client.send(Capability())
    events = hear(client, b"* CAPABILITY B c\r\n* OK [CAPABILITY D] x\r\nA0001 OK done\r\n")
    assert events[:3] == [
        Capabilities(frozenset({b"B", b"C"})),
        Capabilities(frozenset({b"D"})),
        Status(Condition.OK, Code(b"CAPABILITY", b"D"), b"x"),
    ]
    assert client.capabilities == {b"D": ()}


def test_a_hundred_thousand_results_are_found() -> None:
    client = selected()
    client.send(UidSearch(b"ALL"))
    uids = tuple(range(1, 100_001))
    line = b"* SEARCH " + b" ".join(b"%d" % uid for uid in uids) + b"\r\n"
    events = hear(client, line)
    found = [event for event in events if isinstance(event, Found)]
    assert len(events) == len(found) > 1
    assert tuple(uid for part in found for uid in part.uids) == uids


def test_assume_authenticated_is_not_allowed_after_an_error() -> None:
    client = ImapClient()
    client.receive_data(b"* OK ready\r\nnonsense\r\n")
    client.next_event()
    with pytest.raises(RemoteProtocolError):
        client.next_event()
    with pytest.raises(LocalProtocolError, match="no longer usable"):
        client.assume_authenticated()
    assert client.state == "error"
