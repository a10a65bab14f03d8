"""NOTIFY (RFC 5465): mailbox names in every form, and unsolicited events."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailhaul.protocols.errors import LocalProtocolError
from mailhaul.protocols.imap.commands import EventGroup, Idle, Noop, Notify, Select
from mailhaul.protocols.imap.events import (
    Code,
    Completed,
    Condition,
    Exists,
    Greeted,
    Idling,
    MailboxStatus,
    Status,
)
from mailhaul.protocols.imap.server import ImapServer
from mailhaul.protocols.machine import NEED_DATA

from .imap_clients import authenticated, feed, hear, selected, sent

BOTH = (b"MessageNew", b"MessageExpunge")
DRAFTS = b"Entw\xc3\xbcrfe"
NAMED = Notify((EventGroup(b"MAILBOXES", BOTH, (b"a", DRAFTS, b"b")),))
ANY = Notify((EventGroup(b"PERSONAL", BOTH),))
TRANSCRIPT = (
    b'* STATUS "say \\"hi\\"" (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 3)\r\n'
    b"* STATUS {9}\r\n" + DRAFTS + b" (UIDNEXT 7)\r\n"
    b"* 5 EXISTS\r\n"
    b"* OK [NOTIFICATIONOVERFLOW] lost track\r\n"
)
NEWS = [
    MailboxStatus(b'say "hi"', ((b"MESSAGES", 1), (b"UIDNEXT", 2), (b"UIDVALIDITY", 3))),
    MailboxStatus(DRAFTS, ((b"UIDNEXT", 7),)),
    Exists(5),
    Status(Condition.OK, Code(b"NOTIFICATIONOVERFLOW"), b"lost track"),
]


@given(st.lists(st.integers(0, len(TRANSCRIPT)), max_size=8), st.booleans())
def test_news_are_the_same_however_they_are_cut_idle_or_not(cuts: list[int], idle: bool) -> None:
    client = selected()
    if idle:
        client.send(Idle())
        assert hear(client, b"+ idling") == [Idling(Idle())]
    edges = [0, *sorted(cuts), len(TRANSCRIPT)]
    assert feed(client, [TRANSCRIPT[start:end] for start, end in pairwise(edges)]) == NEWS


def test_a_name_that_cannot_be_quoted_waits_for_the_server() -> None:
    client = authenticated()
    client.send(NAMED)
    assert sent(client) == b'A0001 NOTIFY SET (MAILBOXES ("a" {9}\r\n'
    with pytest.raises(LocalProtocolError):
        client.send(Noop())
    assert hear(client, b"+ go on") == []
    assert sent(client) == DRAFTS + b' "b") (MessageNew MessageExpunge))\r\n'
    assert hear(client, b"A0001 OK done") == [Completed(NAMED, Condition.OK, None, b"done")]


def test_a_refusal_lists_the_known_events() -> None:
    client = selected()
    client.send(ANY)
    code = Code(b"BADEVENT", b"(MessageNew MessageExpunge FlagChange)")
    answer = b"A0002 NO [BADEVENT (MessageNew MessageExpunge FlagChange)] not all"
    assert hear(client, answer) == [Completed(ANY, Condition.NO, code, b"not all")]
    assert client.state == "selected"


def test_a_server_reads_names_in_every_form_and_sends_unsolicited_events() -> None:
    server = ImapServer()
    server.send(Greeted(preauthenticated=True))
    server.data_to_send()
    client = authenticated(b"IMAP4REV1 LITERAL+")
    client.send(NAMED)
    server.receive_data(sent(client))
    assert server.next_event() == NAMED
    server.send(Completed(NAMED, Condition.OK, None, b"done"))
    assert server.next_event() is NEED_DATA
    server.send(MailboxStatus(DRAFTS, ((b"UIDNEXT", 7),)))
    events = feed(client, server.data_to_send())
    assert events[-1] == MailboxStatus(DRAFTS, ((b"UIDNEXT", 7),))


def test_it_can_be_enabled_before_a_mailbox_is_selected_and_stays_enabled() -> None:
    client = authenticated()
    client.send(ANY)
    hear(client, b"A0001 OK done")
    client.send(Select(b"x"))
    hear(client, b"A0002 OK done")
    assert feed(client, [TRANSCRIPT]) == NEWS
