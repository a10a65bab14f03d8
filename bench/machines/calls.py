"""How many functions are called for one message, and for a listing of ten thousand messages.

A count is exact where a clock is not: it is the same on any machine and at any load.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from mailhaul.protocols.imap.commands import UidFetch, UidSearch
from mailhaul.protocols.message.envelope import envelope_sender
from mailhaul.protocols.message.header import HeaderScanner
from mailhaul.protocols.message.objections import hops
from mailhaul.protocols.message.outgoing import HeaderRules, outgoing_header
from mailhaul.protocols.message.trace import Received
from mailhaul.protocols.pop3.commands import List, Uidl

from . import imap, pop3, smtp
from .measure import message, reads

MESSAGES = 50
"""Messages over which a count is taken, all asked for ahead."""
LISTED = 10_000
"""Messages of a listing."""
TEXT = message(4096)
HEADER = b"""\
Return-Path: <ann@example.org>
Delivered-To: bob@example.net
Received: from mx.example.net (mx.example.net [192.0.2.7])
\tby store.example.net with LMTP id aBcDeFgH
\tfor <bob@example.net>; Tue, 1 Dec 2026 09:00:02 +0100
Received: from mail.example.org (mail.example.org [192.0.2.9])
\tby mx.example.net with ESMTPS id 1234567
\tfor <bob@example.net>; Tue, 1 Dec 2026 09:00:01 +0100
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.org;
\ts=2026; h=from:to:subject:date:message-id; bh=abc=; b=def=
Date: Tue, 1 Dec 2026 09:00:00 +0100
From: Ann Example <ann@example.org>
To: Bob Example <bob@example.net>
Cc: carol@example.com
Subject: Figures of November
Message-ID: <20261201090000.1234@example.org>
User-Agent: ExampleMail/1.0
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit
X-Spam-Status: No, score=-1.0

""".replace(b"\n", b"\r\n")
RULES = HeaderRules(
    "mail.example.net",
    "bob",
    Received("mail.example.net", "", "host.example", b"IMAP", b"1", b"Tue, 1 Dec 2026 09:00:03"),
)


Prepare = Callable[[], Callable[[], object]]
"""Makes a fresh machine and returns the work to be counted."""


def counted(prepare: Prepare) -> int:
    """Return how many functions written in Python some work calls.

    The work is done twice, because the first time compiles what is compiled only once.
    """
    prepare()()
    work = prepare()
    count = -1

    def count_call(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event == "call"

    before = sys.getprofile()
    sys.setprofile(count_call)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


def of_imap_fetch(items: bytes = b"") -> float:
    """Return the calls of fetching one message; ``items`` are further items of its response."""
    texts = [imap.response(uid, uid + 1, TEXT, items) for uid in range(1, MESSAGES + 1)]

    def prepare() -> Callable[[], object]:
        client = imap.selected()
        return lambda: imap.fetch_all(client, texts, MESSAGES)

    return counted(prepare) / MESSAGES


def of_pop3_retrieve() -> float:
    """Return the calls of retrieving one message."""
    response = b"+OK %d octets\r\n%b" % (len(TEXT), pop3.stuffed(TEXT))
    stream = reads(response * MESSAGES)

    def prepare() -> Callable[[], object]:
        client = pop3.logged_in()
        return lambda: pop3.retrieve_all(client, stream, MESSAGES)

    return counted(prepare) / MESSAGES


def of_smtp_delivery() -> float:
    """Return the calls of sending one message with its envelope."""

    def prepare() -> Callable[[], object]:
        client = smtp.ready()
        return lambda: smtp.send_all(client, TEXT, MESSAGES)

    return counted(prepare) / MESSAGES


def of_header() -> int:
    """Return the calls of reading one header and making the outgoing one, with its envelope."""

    def work() -> None:
        scanner = HeaderScanner()
        scanner.feed(HEADER)
        assert hops(scanner.fields) == 2
        assert scanner.size == len(HEADER)
        assert outgoing_header(scanner, RULES, b"bob@example.net")
        assert envelope_sender(scanner.fields, RULES.truename) == b"ann@example.org"

    return counted(lambda: work)


def of_imap_listing() -> float:
    """Return the calls of searching a mailbox and fetching sizes and flags, for each message."""
    uids = range(1, LISTED + 1)
    found = b"* SEARCH " + b" ".join(b"%d" % uid for uid in uids) + b"\r\nA0002 OK\r\n"
    line = b"* %d FETCH (UID %d RFC822.SIZE 4096 FLAGS (\\Seen))\r\n"
    sizes = b"".join(line % (uid, uid) for uid in uids) + b"A0003 OK Fetch completed.\r\n"

    def prepare() -> Callable[[], object]:
        client = imap.selected()

        def work() -> None:
            client.send(UidSearch(b"ALL"))
            client.send(UidFetch(b"1:*", b"(UID RFC822.SIZE FLAGS)"))
            for block in reads(found + sizes):
                client.receive_data(block)
                imap.pull(client)
            assert not client.outstanding

        return work

    return counted(prepare) / LISTED


def of_pop3_listing(*, in_blocks: bool = False) -> float:
    """Return the calls of UIDL and LIST, for each message."""
    ids = b"".join(b"%d 00000a%08x\r\n" % (each, each) for each in range(1, LISTED + 1))
    sizes = b"".join(b"%d 4096\r\n" % each for each in range(1, LISTED + 1))

    def prepare() -> Callable[[], object]:
        client = pop3.logged_in()

        def work() -> None:
            client.send(Uidl(in_blocks=in_blocks))
            client.send(List(in_blocks=in_blocks))
            for block in reads(b"+OK\r\n%b.\r\n+OK\r\n%b.\r\n" % (ids, sizes)):
                client.receive_data(block)
                pop3.pull(client)
            assert not client.outstanding

        return work

    return counted(prepare) / LISTED


COUNTS: dict[str, tuple[Callable[[], float], float]] = {
    "IMAP client, fetch of a message": (of_imap_fetch, 62),
    "IMAP client, message of a listing": (of_imap_listing, 3),
    "POP3 client, retrieval of a message": (of_pop3_retrieve, 43),
    "POP3 client, message of two listings": (of_pop3_listing, 5),
    "POP3 client, message of two listings in blocks": (
        lambda: of_pop3_listing(in_blocks=True),
        0.1,
    ),
    "SMTP client, delivery of a message": (of_smtp_delivery, 116),
    "header of a message, read and made": (of_header, 74),
}
"""What is counted, and the most calls that are accepted."""
