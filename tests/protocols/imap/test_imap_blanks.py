"""Repeated spaces count as one, and empty lines between responses are ignored."""

from __future__ import annotations

import pytest

from mailhaul.protocols.errors import LimitExceeded, RemoteProtocolError
from mailhaul.protocols.imap.client import ImapClient
from mailhaul.protocols.imap.codes import AppendUid, CopyUid, append_uid, copy_uid
from mailhaul.protocols.imap.commands import Capability, Idle, Noop, StartTls, UidFetch
from mailhaul.protocols.imap.events import (
    BodyChunk,
    BodyEnd,
    BodyStart,
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
    Idling,
    Listed,
    MailboxStatus,
    SaidBye,
    Status,
    Vanished,
)
from mailhaul.protocols.imap.responses import EMPTY_LINES

from .imap_clients import authenticated, greeted, hear, selected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"*  953 EXISTS", Exists(953)),
        (b"*     953   EXISTS  ", Exists(953)),
        (b" * 953 EXISTS", Exists(953)),
        (b"*  2  EXPUNGE", Expunged(2)),
        (b"*  SEARCH  1   2 ", Found((1, 2))),
        (b"*  FLAGS  ( \\Seen  \\Deleted )", Flags((b"\\Seen", b"\\Deleted"))),
        (b'*  LIST  ()  "/"  INBOX', Listed(b"INBOX", b"/")),
        (b"*  STATUS  INBOX  ( MESSAGES  3 )", MailboxStatus(b"INBOX", ((b"MESSAGES", 3),))),
        (b"*  1  FETCH  ( UID  5  FLAGS  () )", Fetched(1, 5, None, ())),
        (b"*  VANISHED  (EARLIER)  1:3", Vanished(b"1:3", True)),
        (
            b"*  OK   [UIDVALIDITY  7]  good",
            Status(Condition.OK, Code(b"UIDVALIDITY", b"7"), b"good"),
        ),
        (b"*  BYE   now", SaidBye(None, b"now")),
    ],
)
def test_more_than_one_blank_counts_as_one(line: bytes, expected: Event) -> None:
    assert hear(selected(), line) == [expected]


def test_more_than_one_blank_counts_as_one_in_a_greeting_and_a_tagged_reply() -> None:
    assert hear(ImapClient(), b"*  OK   ready") == [Greeted(False, None, b"ready")]
    client = greeted()
    command = Noop()
    client.send(command)
    assert hear(client, b"A0001   OK   done") == [Completed(command, Condition.OK, None, b"done")]


def test_a_text_may_follow_several_spaces() -> None:
    client = selected()
    client.send(UidFetch(b"5", b"(BODY.PEEK[])"))
    assert hear(client, b"*  1  FETCH  (UID  5  BODY[]  {3}\r\nabc  )") == [
        *(BodyStart(1, 5, b"", 3), BodyChunk(b"abc"), BodyEnd(), Fetched(1, 5)),
    ]


def test_a_long_search_may_begin_with_more_than_one_blank() -> None:
    found = hear(selected(), b"*  SEARCH" + b" 1234567" * 20_000)
    assert sum(len(part.uids) for part in found if isinstance(part, Found)) == 20_000


def test_codes_with_uids_may_have_more_than_one_blank() -> None:
    assert append_uid(Code(b"APPENDUID", b" 7   5 ")) == AppendUid(7, 5)
    assert copy_uid(Code(b"COPYUID", b"7  1:2   5,9")) == CopyUid(7, b"1:2", b"5,9")


def test_empty_lines_between_responses_are_passed_over() -> None:
    client = ImapClient()
    assert hear(client, b"", b"* OK ready", b"", b"  ") == [Greeted(False, None, b"ready")]
    command = Capability()
    client.send(command)
    *_, over = hear(client, b"", b"* CAPABILITY IMAP4rev1", b"", b"", b"A0001 OK", b"")
    assert over == Completed(command, Condition.OK)


def test_an_empty_line_is_not_a_reply() -> None:
    client = selected()
    client.send(Noop())
    assert hear(client, b"") == []
    assert client.outstanding == (Noop(),)


def test_an_empty_line_does_not_begin_idle() -> None:
    client = selected()
    client.send(Idle())
    assert hear(client, b"", b"+ idling", b"") == [Idling(Idle())]


def test_empty_lines_without_end_are_a_fault() -> None:
    client = selected()
    for _ in range(3):
        hear(client, *[b""] * EMPTY_LINES, b"* 1 EXISTS")
    with pytest.raises(LimitExceeded, match="empty lines"):
        hear(client, *[b""] * (EMPTY_LINES + 1))


def test_no_empty_line_may_come_before_the_handshake() -> None:
    client = greeted()
    client.send(StartTls())
    client.receive_data(b"A0001 OK go\r\n\r\n")
    with pytest.raises(RemoteProtocolError, match="STARTTLS"):
        client.next_event()


def test_an_empty_line_inside_a_response_is_not_passed_over() -> None:
    client = authenticated()
    assert hear(client, b"* LIST () NIL {3}\r\n\r\nx") == [Listed(b"\r\nx")]
