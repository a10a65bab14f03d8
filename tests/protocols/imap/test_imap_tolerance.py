"""Deviations that an IMAP client tolerates, and those that it does not."""

from __future__ import annotations

import pytest

from mailhaul.protocols.errors import LocalProtocolError, RemoteProtocolError
from mailhaul.protocols.imap.client import ImapClient
from mailhaul.protocols.imap.codes import CopyUid, copy_uid
from mailhaul.protocols.imap.commands import (
    Append,
    AppendChunk,
    Done,
    Idle,
    ListMailboxes,
    Logout,
    Select,
)
from mailhaul.protocols.imap.events import (
    Closed,
    Code,
    Event,
    Exists,
    Expunged,
    Found,
    FoundInShort,
    Greeted,
    Idling,
    ReadyForText,
    SaidBye,
)
from mailhaul.protocols.imap.structure import Address, read_envelope
from mailhaul.protocols.imap.values import parse_values
from mailhaul.protocols.limits import Limits
from mailhaul.protocols.machine import NEED_DATA
from mailhaul.protocols.sasl.exchange import Authenticate, Challenge, Respond
from mailhaul.protocols.secret import Secret
from tests.shown_lines import ShownLines

from .imap_clients import authenticated, greeted, hear, sent

# Authentication


def challenged(line: bytes) -> list[Event]:
    client = greeted()
    client.send(Authenticate(b"CRAM-MD5"))
    return hear(client, line)


@pytest.mark.parametrize("line", [b"+ Zm9v", b"+Zm9v", b"+  Zm9v ", b"+ Zm9v "])
def test_spaces_around_a_challenge_are_tolerated(line: bytes) -> None:
    assert challenged(line) == [Challenge(b"foo")]


@pytest.mark.parametrize("line", [b"+ \tZm9v", b"+ XZm9vX", b"+ hello there"])
def test_a_challenge_must_be_base64(line: bytes) -> None:
    assert challenged(line) == []


def test_an_initial_response_is_sent_with_the_command_if_rev2_is_announced() -> None:
    client = greeted(b"IMAP4REV2 AUTH=PLAIN")
    client.send(Authenticate(b"PLAIN", Secret(b"\0joe\0sesame")))
    assert sent(client) == b"A0001 AUTHENTICATE PLAIN AGpvZQBzZXNhbWU=\r\n"


def test_a_first_secret_stays_hidden_when_a_second_is_sent() -> None:
    shown: list[bytes] = []
    client = greeted(tap=ShownLines(lambda direction, line: shown.append(line)))
    client.send(Authenticate(b"X"))
    hear(client, b"+")
    client.send(Respond(Secret(b"sesame")))
    hear(client, b"+")
    client.send(Respond(Secret(b"barley")))
    hear(client, b"A0001 NO neither sesame nor barley")
    assert shown[-1] == b"A0001 NO neither * nor *"


def test_the_word_of_the_caller_logs_in() -> None:
    client = greeted()
    client.assume_authenticated()
    assert client.state == "authenticated"
    client.send(Select(b"INBOX"))
    with pytest.raises(LocalProtocolError, match="is not allowed in state selecting"):
        client.assume_authenticated()


# Conversations


def test_a_complete_text_accepts_no_further_chunk() -> None:
    client = authenticated()
    client.send(Append(b"Sent", 1))
    assert hear(client, b"+ go") == [ReadyForText(Append(b"Sent", 1))]
    client.send(AppendChunk(b"x"))
    sent(client)
    with pytest.raises(LocalProtocolError, match="has not asked for a message"):
        client.send(AppendChunk(b""))
    assert sent(client) == b""


def test_an_ok_with_one_octet_missing_is_a_fault() -> None:
    client = authenticated()
    client.send(Append(b"Sent", 2))
    hear(client, b"+ go")
    client.send(AppendChunk(b"x"))
    with pytest.raises(RemoteProtocolError, match="OK to APPEND, which has not been sent"):
        hear(client, b"A0001 OK")


def test_an_idle_that_is_over_asks_for_nothing_more() -> None:
    client = authenticated()
    client.send(Select(b"INBOX"))
    hear(client, b"A0001 OK")
    client.send(Idle())
    assert hear(client, b"+ idling") == [Idling(Idle())]
    hear(client, b"A0002 OK done already")
    with pytest.raises(RemoteProtocolError, match="no command has more to send"):
        hear(client, b"+ idling")


def test_after_logout_the_line_may_break_anywhere() -> None:
    client = authenticated()
    client.send(Logout())
    client.receive_data(b"* BY")
    client.receive_eof()
    assert client.next_event() == Closed()
    assert client.next_event() is NEED_DATA


def test_a_greeting_may_come_without_text() -> None:
    assert hear(ImapClient(), b"* OK") == [Greeted(False)]


# Listings and codes


@pytest.mark.parametrize(
    ("command", "wire"),
    [
        (ListMailboxes(returning=(b"CHILDREN",)), b'LIST "" "*" RETURN (CHILDREN)'),
        (ListMailboxes(status=(b"UIDNEXT",)), b'LIST "" "*" RETURN (STATUS (UIDNEXT))'),
    ],
)
def test_either_of_two_kinds_of_return_options_will_do(command: ListMailboxes, wire: bytes) -> None:
    client = authenticated(b"IMAP4REV1 LIST-EXTENDED LIST-STATUS")
    client.send(command)
    assert sent(client) == b"A0001 " + wire + b"\r\n"


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b"* ESEARCH () COUNT 3", FoundInShort(count=3)),
        (b"* ESEARCH", FoundInShort()),
        (b"* ESEARCH UID", FoundInShort(uid=True)),
        (b"* ESEARCH COUNT 3 X", FoundInShort(count=3)),
        (b"* ESEARCH PARTIAL 1:5", FoundInShort()),
    ],
)
def test_a_short_search_result_may_be_shorter_still(line: bytes, found: FoundInShort) -> None:
    assert hear(authenticated(), line + b"") == [found]


@pytest.mark.parametrize(
    ("arguments", "copied"),
    [
        (b"7 1:2 5,9", CopyUid(7, b"1:2", b"5,9")),
        (b"7 1:2 5", None),
        (b"7 x y", None),
        (b"x 1 2", None),
        (b"7 1", None),
    ],
)
def test_a_copy_has_as_many_messages_on_both_sides(
    arguments: bytes, copied: CopyUid | None
) -> None:
    assert copy_uid(Code(b"COPYUID", arguments)) == copied


def test_an_address_of_an_envelope_has_four_parts() -> None:
    line = b'(NIL "s" (("n" "@a,@b" "m" "h")) NIL NIL NIL NIL NIL NIL NIL)'
    (value,) = parse_values([line], 8)
    assert read_envelope(value).from_ == (Address(b"n", b"@a,@b", b"m", b"h"),)


# What is left of a conversation


def test_an_initial_response_that_was_refused_is_not_sent_later() -> None:
    client = greeted(b"IMAP4REV1 AUTH=PLAIN AUTH=CRAM-MD5")
    client.send(Authenticate(b"PLAIN", Secret(b"\0joe\0sesame")))
    hear(client, b"A0001 NO not so")
    client.send(Authenticate(b"CRAM-MD5"))
    sent(client)
    assert hear(client, b"+ Zm9v") == [Challenge(b"foo")]
    assert sent(client) == b""


def test_an_initial_response_is_sent_for_the_first_challenge_only() -> None:
    client = greeted(b"IMAP4REV1 AUTH=PLAIN")
    client.send(Authenticate(b"PLAIN", Secret(b"\0joe\0sesame")))
    sent(client)
    assert hear(client, b"+ whatever this is") == []
    assert sent(client) == b"AGpvZQBzZXNhbWU=\r\n"
    assert hear(client, b"+ Zm9v") == [Challenge(b"foo")]


def test_a_trace_shows_an_exchange_without_its_data() -> None:
    shown: list[tuple[str, bytes]] = []
    client = greeted(tap=ShownLines(lambda direction, line: shown.append((direction, line))))
    client.send(Authenticate(b"X"))
    hear(client, b"+")
    client.send(Respond(Secret(b"sesame")))
    hear(client, b"A0001 OK in")
    client.send(Select(b"INBOX"))
    hear(client, b"A0002 OK done")
    client.send(Idle())
    hear(client, b"+ idling")
    client.send(Done())
    assert [line for direction, line in shown if direction == ">"] == [
        b"A0001 AUTHENTICATE X",
        b"*",
        b'A0002 SELECT "INBOX"',
        b"A0003 IDLE",
        b"DONE",
    ]


def test_a_bye_keeps_its_code() -> None:
    assert hear(authenticated(), b"* BYE [UNAVAILABLE] later") == [
        SaidBye(Code(b"UNAVAILABLE"), b"later")
    ]


# Numbers and searches


@pytest.mark.parametrize("line", [b"* 2 EXPUNGE", b"* 2 EXPUNGED", b"* 2 expunged"])
def test_a_message_that_is_gone_may_be_called_expunged(line: bytes) -> None:
    assert hear(authenticated(), line) == [Expunged(2)]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b"* SEARCH 1 2 (MODSEQ 7)", Found((1, 2), 7)),
        (b"* SEARCH 1 2 (MODSEQ)", Found((1, 2))),
        (b"* SEARCH (MODSEQ 7)", Found((), 7)),
        (b"* SEARCH", Found(())),
    ],
)
def test_a_search_may_tell_the_highest_change_number(line: bytes, found: Found) -> None:
    assert hear(authenticated(), line) == [found]


def test_a_number_may_have_as_many_digits_as_the_limit() -> None:
    client = authenticated(limits=Limits(digits=3))
    assert hear(client, b"* 999 EXISTS") == [Exists(999)]
    with pytest.raises(RemoteProtocolError, match="number has more than") as caught:
        hear(client, b"* 1000 EXISTS")
    assert caught.value.line == b"1000"
