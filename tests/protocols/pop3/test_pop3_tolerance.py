"""Deviations of real POP3 servers that the client tolerates."""

from __future__ import annotations

import pytest

from mailhaul.protocols.errors import (
    ConnectionLost,
    LimitExceeded,
    LocalProtocolError,
    RemoteProtocolError,
)
from mailhaul.protocols.pop3.client import Pop3Client
from mailhaul.protocols.pop3.commands import (
    Capa,
    Delete,
    List,
    Noop,
    Quit,
    Retrieve,
    Stat,
    Uidl,
    User,
)
from mailhaul.protocols.pop3.events import (
    BodyChunk,
    BodyStart,
    Capabilities,
    Completed,
    Counted,
    Greeted,
    Listed,
    UniqueId,
)

from .pop3_clients import ask, feed, hear, in_transaction


def bare() -> Pop3Client:
    """Return a client whose server ends lines with a bare LF."""
    client = Pop3Client()
    assert feed(client, [b"+OK ready\n"]) == [Greeted(None, b"ready")]
    client.assume_authenticated()
    return client


def test_a_server_may_end_all_lines_with_a_bare_line_feed() -> None:
    client = bare()
    client.send(Retrieve(1))
    wire = b"+OK\na\n..b\n.c\n\n.\n"
    assert feed(client, [wire]) == [
        BodyStart(1),
        BodyChunk(b"a\n.b\nc\n\n"),
        Completed(Retrieve(1), True),
    ]
    client.send(List())
    assert feed(client, [b"+OK\n1 2\n.\n"]) == [Listed(1, 2), Completed(List(), True)]


def test_such_a_text_may_arrive_octet_by_octet() -> None:
    client = bare()
    client.send(Retrieve(1))
    wire = b"+OK\n.\n"
    assert feed(client, [wire[n : n + 1] for n in range(len(wire))]) == [
        BodyStart(1),
        Completed(Retrieve(1), True),
    ]


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_greeting_with_crlf_selects_crlf_for_every_split(cut: int) -> None:
    client = Pop3Client()
    greeting = b"+OK ready\r\n"
    feed(client, [greeting[:cut], greeting[cut:]])
    client.assume_authenticated()
    client.send(Retrieve(1))
    # Bare line feeds are text there: only CRLF, dot, CRLF ends it.
    assert feed(client, [b"+OK\r\na\n.\nb\r\n.\r\n"]) == [
        BodyStart(1),
        BodyChunk(b"a\n.\nb\r\n"),
        Completed(Retrieve(1), True),
    ]


def test_status_lines_may_be_in_lower_case() -> None:
    client = in_transaction()
    assert ask(client, Noop(), b"+ok") == [Completed(Noop(), True)]
    assert ask(client, Noop(), b"-err no") == [Completed(Noop(), False, b"no")]


def test_spaces_are_allowed_anywhere_between_words() -> None:
    client = in_transaction()
    assert ask(client, Stat(), b"+OK  2   320 ")[0] == Counted(2, 320)
    assert ask(client, List(1), b"+OK  1  5")[0] == Listed(1, 5)
    assert ask(client, Uidl(1), b"+OK  1  a ")[0] == UniqueId(1, b"a")
    assert ask(client, List(), b"+OK", b" 1  5 ", b".")[0] == Listed(1, 5)
    assert ask(client, Uidl(), b"+OK", b" 1  a ", b".")[0] == UniqueId(1, b"a")


def test_words_may_follow_the_numbers_of_a_list() -> None:
    client = in_transaction()
    assert ask(client, List(), b"+OK", b"1 5 octets", b"2 7 (deleted)", b".")[:2] == [
        Listed(1, 5),
        Listed(2, 7),
    ]
    assert ask(client, Stat(), b"+OK 2 320 octets")[0] == Counted(2, 320)


def test_a_unique_id_may_hold_any_octets() -> None:
    client = in_transaction()
    assert ask(client, Uidl(), b"+OK", b"1 a b\t\xe4\0", b"2 .", b".")[:2] == [
        UniqueId(1, b"a b\t\xe4\0"),
        UniqueId(2, b"."),
    ]


def test_lines_of_a_list_may_be_stuffed_with_a_dot() -> None:
    client = in_transaction()
    assert ask(client, Capa(), b"+OK", b"..ODD", b".")[0] == Capabilities(((b".ODD", b""),))


def test_the_last_of_two_equal_capabilities_counts() -> None:
    client = in_transaction()
    ask(client, Capa(), b"+OK", b"SASL PLAIN", b"sasl LOGIN ", b".")
    assert client.capabilities == {b"SASL": (b"LOGIN",)}


def test_texts_for_people_may_hold_any_octets() -> None:
    client = Pop3Client()
    assert hear(client, b"+OK gr\xfc\xdf\0 dich") == [Greeted(None, b"gr\xfc\xdf\0 dich")]
    assert ask(client, User(b"joe"), b"+OK \xff")[0] == Completed(User(b"joe"), True, b"\xff")


# Empty lines


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_empty_lines_between_replies_are_passed_over(end: bytes) -> None:
    client = in_transaction()
    for _ in range(5):
        assert feed(client, [end] * 3) == []
        assert ask(client, Noop(), b"+OK") == [Completed(Noop(), True)]
        client.send(Noop())
        assert feed(client, [end, end + b"+OK\r\n"]) == [Completed(Noop(), True)]
        assert not client.in_doubt


def test_half_an_empty_line_is_nothing_yet() -> None:
    client = in_transaction()
    assert feed(client, [b"\r"]) == []
    client.send(Noop())
    assert feed(client, [b"\n+OK\r\n"]) == [Completed(Noop(), True)]
    with pytest.raises(RemoteProtocolError, match="no command was waiting"):
        feed(client, [b"\r", b"x"])


def test_empty_lines_are_too_many_one_by_one_or_all_at_once() -> None:
    for pieces in ([b"\r\n"] * 9, [b"\r\n" * 9]):
        for asked in (True, False):
            client = in_transaction()
            if asked:
                client.send(Noop())
            with pytest.raises(LimitExceeded, match="empty lines"):
                feed(client, pieces)
    client = in_transaction()
    client.receive_data(b"\r\n" * 9)
    client.send(Noop())
    assert client.data_to_send() == []
    with pytest.raises(LimitExceeded, match="empty lines"):
        client.next_event()


def test_if_a_reply_may_be_missing_all_but_the_last_are_doubtful() -> None:
    client = in_transaction(b"PIPELINING")
    for number in (1, 2, 3):
        client.send(Delete(number))
    assert feed(client, [b"+OK\r\n\r\n"]) == [Completed(Delete(1), True)]
    assert client.in_doubt
    with pytest.raises(LocalProtocolError, match="must wait"):
        client.send(Delete(4))
    assert feed(client, [b"+OK\r\n+OK\r\n"]) == [
        Completed(Delete(2), True, doubtful=True),
        # As many replies came as were due.
        Completed(Delete(3), True),
    ]
    assert not client.in_doubt
    client.send(Delete(4))
    client.send(Delete(5))
    assert hear(client, b"+OK", b"+OK") == [Completed(Delete(4), True), Completed(Delete(5), True)]


def test_after_an_empty_line_instead_of_a_reply_quit_is_allowed() -> None:
    client = in_transaction()
    client.send(Delete(1))
    with pytest.raises(LocalProtocolError, match="must wait"):
        client.send(Quit())
    client.receive_data(b"\r\n")
    client.send(Quit())
    assert hear(client, b"+OK bye") == [Completed(Delete(1), True, b"bye", doubtful=True)]
    client.receive_eof()
    with pytest.raises(ConnectionLost):
        client.next_event()


# Listings


def test_a_malformed_line_of_a_listing_affects_no_other_message() -> None:
    client = in_transaction()
    odd = [b"2", b"2 ", b"", b"two b", b"-2 b", b"2 " + b"u" * 1025]
    assert ask(client, Uidl(), b"+OK", b"1 a", *odd, b"3 c", b".") == [
        UniqueId(1, b"a"),
        UniqueId(3, b"c"),
        Completed(Uidl(), True),
    ]
    assert ask(client, List(), b"+OK", b"1 5", b"2", b"3 x", b"", b"four 4", b"5 -5", b".") == [
        Listed(1, 5),
        Listed(2, 0),
        Listed(3, 0),
        Listed(5, 0),
        Completed(List(), True),
    ]
