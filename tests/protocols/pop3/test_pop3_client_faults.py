"""Errors of a POP3 client: malformed replies, lost connections, exceeded limits."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mailhaul.protocols.errors import ConnectionLost, LimitExceeded, RemoteProtocolError
from mailhaul.protocols.limits import Limits
from mailhaul.protocols.machine import NEED_DATA
from mailhaul.protocols.pop3.client import Pop3Client
from mailhaul.protocols.pop3.commands import (
    Capa,
    Command,
    Delete,
    Envelope,
    Lang,
    Last,
    List,
    Noop,
    Quit,
    Retrieve,
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
    Counted,
    Event,
    Greeted,
    Listed,
)

from .pop3_clients import ask, events_of, feed, greeted, hear, in_transaction


@pytest.mark.parametrize(
    ("heard", "named"),
    [
        (b"* OK [CAPABILITY IMAP4rev1] ready\r\n", "looks like IMAP"),
        (b"220 mx ESMTP\r\n", "looks like SMTP"),
        (b"SSH-2.0-OpenSSH\r\n", "looks like SSH"),
        (b"HTTP/1.1 400 Bad Request\r\n", "looks like HTTP"),
        # An alert does not end with a line end.
        (b"\x15\x03\x01\x00\x02\x02\x46", "looks like TLS"),
        (b"\x16\x03\x03\x00\x7a", "looks like TLS"),
        (b"hello\r\n", "greeting is not POP3"),
        (b"\r\n", "greeting is not POP3"),
    ],
)
def test_a_greeting_of_another_protocol_is_named(heard: bytes, named: str) -> None:
    client = Pop3Client()
    with pytest.raises(RemoteProtocolError, match=named) as raised:
        feed(client, [heard[n : n + 1] for n in range(len(heard))])
    assert raised.value.state == "greeting"


@pytest.mark.parametrize("line", [b"OK", b"+OKAY", b"ERR", b"1 120", b".", b"* OK"])
@pytest.mark.parametrize("command", [Noop(), Retrieve(7), List(), Quit()])
def test_a_reply_is_either_good_or_bad(command: Command, line: bytes) -> None:
    client = in_transaction()
    with pytest.raises(RemoteProtocolError, match=r"is neither \+OK nor -ERR") as raised:
        ask(client, command, line)
    assert raised.value.line == line
    assert raised.value.state in {"transaction", "quitting"}


@pytest.mark.parametrize(
    ("command", "lines"),
    [
        (Stat(), [b"+OK"]),
        (Stat(), [b"+OK 2"]),
        (Stat(), [b"+OK two 320"]),
        (Stat(), [b"+OK 2 -320"]),
        (List(1), [b"+OK"]),
        (List(1), [b"+OK 1"]),
        (List(), [b"+OK", b"1 1", b"+OK"]),
        (Uidl(1), [b"+OK"]),
        (Uidl(1), [b"+OK 1"]),
        (Uidl(), [b"+OK", b"1 a", b"-ERR no more"]),
        (Last(), [b"+OK"]),
        (Last(), [b"+OK none"]),
    ],
)
def test_a_reply_without_its_numbers_is_an_error(command: Command, lines: list[bytes]) -> None:
    client = in_transaction()
    with pytest.raises(RemoteProtocolError, match=r"without|unique id|inside the reply"):
        ask(client, command, *lines)
    assert client.state == "error"


def test_events_before_an_error_are_returned_first_and_the_error_stays() -> None:
    client = in_transaction()
    client.send(List())
    client.receive_data(b"+OK\r\n1 120\r\n2 200\r\n+OK\r\n.\r\n")
    assert [client.next_event(), client.next_event()] == [Listed(1, 120), Listed(2, 200)]
    faults: list[RemoteProtocolError] = []
    for _ in range(3):
        with pytest.raises(RemoteProtocolError) as raised:
            client.next_event()
        faults.append(raised.value)
    assert faults[0] is faults[1] is faults[2]
    client.receive_data(b"+OK\r\n")
    with pytest.raises(RemoteProtocolError):
        client.next_event()


@pytest.mark.parametrize("heard", [b"+OK surplus\r\n", b"+", b".\r\n", b"\rx"])
def test_an_unexpected_reply_is_an_error(heard: bytes) -> None:
    for client in (greeted(), in_transaction()):
        with pytest.raises(RemoteProtocolError, match="no command was waiting") as raised:
            feed(client, [heard])
        assert raised.value.line == heard


def test_one_reply_too_many_is_an_error_after_the_others() -> None:
    client = in_transaction(b"PIPELINING")
    client.send(Delete(1))
    client.send(Delete(2))
    client.receive_data(b"+OK\r\n+OK\r\n+OK\r\n")
    assert client.next_event() == Completed(Delete(1), True)
    assert client.next_event() == Completed(Delete(2), True)
    with pytest.raises(RemoteProtocolError, match="no command was waiting"):
        client.next_event()


def test_unsolicited_data_is_not_taken_for_the_next_reply() -> None:
    client = in_transaction()
    client.send(Delete(1))
    client.receive_data(b"+OK\r\n+OK surplus\r\n")
    assert client.next_event() == Completed(Delete(1), True)
    client.send(Retrieve(2))
    assert client.data_to_send() == [b"DELE 1\r\n"]
    with pytest.raises(RemoteProtocolError, match="no command was waiting") as raised:
        client.next_event()
    assert raised.value.line == b"+OK surplus\r\n"


def test_nothing_may_follow_the_last_reply() -> None:
    client = in_transaction()
    with pytest.raises(RemoteProtocolError, match="last reply"):
        ask(client, Quit(), b"+OK bye", b"+OK still here")
    turned_away = Pop3Client()
    with pytest.raises(RemoteProtocolError, match="last reply"):
        hear(turned_away, b"-ERR no", b"+OK well then")


# The end


@pytest.mark.parametrize("begin", [greeted, in_transaction], ids=["greeted", "transaction"])
def test_an_end_where_nothing_is_owed_is_an_event(begin: Callable[[], Pop3Client]) -> None:
    client = begin()
    client.receive_eof()
    assert list(events_of(client)) == [Closed()]
    assert client.state == "closed"
    assert client.next_event() is NEED_DATA


def test_an_end_between_name_and_password_is_an_event() -> None:
    client = greeted()
    ask(client, User(b"joe"), b"+OK")
    client.receive_eof()
    assert list(events_of(client)) == [Closed()]


@pytest.mark.parametrize(
    ("heard", "problem"),
    [
        (b"", "before the greeting"),
        (b"+OK half a li", "before the greeting but looks like POP3"),
        (b"SSH-2.0", "before the greeting but looks like SSH"),
    ],
)
def test_an_end_before_the_greeting_is_a_loss(heard: bytes, problem: str) -> None:
    client = Pop3Client()
    client.receive_data(heard)
    client.receive_eof()
    with pytest.raises(ConnectionLost, match=problem):
        client.next_event()


@pytest.mark.parametrize(
    ("command", "heard", "events", "problem"),
    [
        (Stat(), b"", [], "while STAT was unanswered"),
        (Quit(), b"+OK by", [], "while QUIT was unanswered"),
        # No line end, no reply: whether the rest of it would have been the same is not known.
        (Quit(), b"+OK bye", [], "while QUIT was unanswered"),
        (List(), b"+OK\r\n1 1\r\n", [Listed(1, 1)], "while LIST was unanswered"),
        (Retrieve(7), b"+OK\r\n", [BodyStart(7)], "inside message RETR 7"),
        (Retrieve(7), b"+OK\r\nabc", [BodyStart(7), BodyChunk(b"abc")], "inside message RETR 7"),
        (Top(7, 1), b"+OK\r\na\r\n.", [BodyStart(7), BodyChunk(b"a")], "inside message TOP 7"),
        (Top(7, 1), b"+OK\r\na\r\n.\r", [BodyStart(7), BodyChunk(b"a")], "inside message TOP 7"),
    ],
)
def test_an_end_inside_a_reply_is_a_loss_after_its_events(
    command: Command, heard: bytes, events: list[Event], problem: str
) -> None:
    client = in_transaction()
    client.send(command)
    client.receive_data(heard)
    client.receive_eof()
    assert [client.next_event() for _ in events] == events
    with pytest.raises(ConnectionLost, match=problem):
        client.next_event()
    assert client.state == "error"


def test_a_loss_counts_all_that_was_owed() -> None:
    client = in_transaction(b"PIPELINING")
    for command in (Delete(1), Delete(2), Quit()):
        client.send(command)
    client.receive_eof()
    with pytest.raises(ConnectionLost, match="while DELE 1 and 2 more were unanswered"):
        client.next_event()


def test_what_arrived_before_the_end_counts() -> None:
    client = in_transaction()
    client.send(Quit())
    client.receive_data(b"+OK bye\r\n")
    client.receive_eof()
    assert list(events_of(client)) == [Completed(Quit(), True, b"bye"), Closed()]


# Limits: as much as is allowed, and one more

LIMITS = Limits(reply_line=20, listing_lines=3, capabilities=3, reply_lines=3, digits=5)


def test_a_reply_line_has_a_length_limit() -> None:
    longest = b"+OK " + b"x" * 15  # and the CR
    client = in_transaction(limits=LIMITS)
    assert ask(client, Noop(), longest) == [Completed(Noop(), True, b"x" * 15)]
    with pytest.raises(LimitExceeded) as raised:
        ask(client, Noop(), longest + b"x")
    assert (raised.value.name, raised.value.limit) == ("reply line", 20)


def test_a_line_without_an_end_is_rejected_at_its_limit() -> None:
    client = in_transaction(limits=LIMITS)
    client.send(Noop())
    assert feed(client, [b"x" * 20]) == []
    with pytest.raises(LimitExceeded):
        feed(client, [b"x"])


def test_a_greeting_has_the_same_limit() -> None:
    client = Pop3Client(LIMITS)
    assert hear(client, b"+OK " + b"x" * 15) == [Greeted(None, b"x" * 15)]
    with pytest.raises(LimitExceeded):
        feed(Pop3Client(LIMITS), [b"+OK " + b"x" * 17])


def test_a_line_inside_a_list_has_the_same_limit() -> None:
    client = in_transaction(limits=LIMITS)
    client.send(Uidl())
    hear(client, b"+OK", b"1 " + b"x" * 17)
    with pytest.raises(LimitExceeded):
        hear(client, b"1 " + b"x" * 18)


@pytest.mark.parametrize(
    ("command", "line", "name"),
    [
        (List(), b"1 1", "lines of LIST"),
        (Uidl(), b"1 1", "lines of UIDL"),
        (Capa(), b"TOP", "capabilities"),
        (Lang(), b"en", "lines of a reply"),
        (Envelope(1), b"ann", "lines of a reply"),
    ],
)
def test_a_multi_line_reply_has_a_line_limit(command: Command, line: bytes, name: str) -> None:
    client = in_transaction(limits=LIMITS)
    *_, last = ask(client, command, b"+OK", *[line] * 3, b".")
    assert last == Completed(command, True)
    # The next list is counted from the beginning.
    client.send(command)
    hear(client, b"+OK", *[line] * 3)
    with pytest.raises(LimitExceeded) as raised:
        hear(client, line)
    assert (raised.value.name, raised.value.limit) == (name, 3)


@pytest.mark.parametrize("command", [List(), Uidl()])
def test_a_listing_has_a_limit_of_octets(command: Command) -> None:
    client = in_transaction(limits=Limits(listing_octets=9))
    *_, last = ask(client, command, b"+OK", b"1 1", b"2 2", b"3 3", b".")
    assert last == Completed(command, True)
    client.send(command)
    client.receive_data(b"+OK\r\n1 1\r\n2 22\r\n3 3\r\n.\r\n")
    # What came before the limit is handed out first.
    client.next_event()
    client.next_event()
    with pytest.raises(LimitExceeded, match="octets of") as raised:
        client.next_event()
    assert raised.value.limit == 9


def test_a_number_has_a_digit_limit() -> None:
    client = in_transaction(limits=LIMITS)
    assert ask(client, Stat(), b"+OK 1 99999")[0] == Counted(1, 99999)
    with pytest.raises(RemoteProtocolError, match="STAT without a number"):
        ask(client, Stat(), b"+OK 1 100000")


def test_a_text_has_no_limit_for_its_lines() -> None:
    client = in_transaction(limits=LIMITS)
    client.send(Retrieve(1))
    _, text, last = feed(client, [b"+OK\r\n", b"x" * 5000, b"\r\n.\r\n"])
    assert text == BodyChunk(b"x" * 5000 + b"\r\n")
    assert last == Completed(Retrieve(1), True)
