"""Servers that break one requirement of FETCH."""

from __future__ import annotations

from mailhaul.conformance.imap.structured_messages import FIRST_PART

from .imap_server import Mutant, said
from .interposed import Answer, Change

OK = b"<tag> OK done\r\n"


def fetched(command: bytes, items: bytes, after: int = 0) -> Mutant:
    """Return a server that answers a FETCH of message 1 with these items."""
    reply = b"* 1 FETCH (%b)\r\n" % items + OK
    return said(Answer(rb"\S+ FETCH 1 \(?" + command, reply, after=after))


def literal(octets: bytes) -> bytes:
    """Return octets as a literal."""
    return b"{%d}\r\n%b" % (len(octets), octets)


CLEAN: dict[str, Mutant] = {}
MUTANTS: dict[str, Mutant] = {
    "imap/fetch/1": said(Change(rb'INTERNALDATE "([^" ]+) ([^"]+)"', rb'INTERNALDATE "\1T\2"')),
    "imap/fetch/2": said(Change(rb"RFC822.SIZE (\d+)", rb"RFC822.SIZE 1\1")),
    "imap/fetch/3": said(Change(rb" FLAGS \([^)]*\)\)", rb")")),
    "imap/fetch/4": said(Change(rb"BODY\[\]<\d+>", rb"BODY[]")),
    "imap/fetch/5": fetched(
        rb"BODY\.PEEK\[HEADER\.FIELDS .*",
        b"BODY[HEADER.FIELDS (SUBJECT TO X-NONE)] "
        + literal(b"To: joe@example.org,\r\n\tbob@example.com\r\nSubject: folded\r\n line\r\n"),
    ),
    "imap/fetch/6": fetched(rb"BODY\.PEEK\[2\.1\]\)", b"BODY[2.1] " + literal(FIRST_PART)),
    "imap/fetch/7": said(
        Answer(
            rb"\S+ FETCH 2 .*",
            b'* 2 FETCH (UID 2 INTERNALDATE "01-Jan-1970 00:00:00 +0000")\r\n' + OK,
            after=1,
        )
    ),
    "imap/fetch/8": said(Change(rb"\{7\}\r\n(Gr\xc3\xbc\xc3\x9fe)", rb'"\1"')),
    "imap/fetch/9": said(Change(rb"BODY\[TEXT\] \{(\d+)\}\r\n", rb'BODY[TEXT] "" X {\1}\r\n')),
    "imap/fetch/10": fetched(
        rb"BODY\.PEEK\[HEADER\.FIELDS\.NOT .*",
        b"BODY[HEADER.FIELDS.NOT (SUBJECT TO X-NONE)] " + literal(b"X-One: 1\r\n\r\n"),
    ),
    "imap/fetch/11": said(Change(rb'"text" "html"', rb'"text" "plain"')),
    "imap/fetch/12": said(Change(rb'"7bit" 0 0', rb'"7bit" 2 1')),
    "imap/fetch/13": said(Answer(rb"\S+ FETCH 3:1 .*", OK)),
    "imap/fetch/14": said(Answer(rb"\S+ FETCH 1 FULL", replace=b"<tag> FETCH 1 ALL")),
    "imap/fetch/15": said(
        Answer(
            rb"\S+ FETCH 1 \(RFC822\.HEADER\)",
            replace=b"<tag> FETCH 1 (RFC822.HEADER BODY[HEADER])",
        )
    ),
    "imap/fetch/16": said(Answer(rb"\S+ FETCH 2 .*", OK)),
    "imap/fetch/17": said(Answer(rb"\S+ FETCH 1 \(BODY\[\]\)", replace=b"<tag> FETCH 1 (UID)")),
    "imap/envelope/1": said(
        Change(rb'(\(\("Ann" [^)]+\)\)) \(\("Ann" [^)]+\)\)', rb"\1 NIL", count=1)
    ),
    "imap/envelope/2": said(Change(rb'(ENVELOPE \("[^"]*") NIL', rb'\1 ""')),
    "imap/envelope/3": said(Change(rb'\(NIL NIL "Friends" NIL\)', b"")),
}
