"""Faults of an IMAP server, chosen by the name of the user or of the mailbox."""

from __future__ import annotations

from itertools import count

from .server_faults import FaultTable
from .wire_faults import Answer, Change, Cut

IMAP = FaultTable("imap")
FETCH = rb"(\S+) (UID )?FETCH .*"
LITERAL = rb"(BODY\[[^\]]*\](?:<\d+>)?|RFC822\S*) \{(\d+)\}\r\n"
"""The name of a text and its length."""
TAGGED = rb"(?m)^([^\s*+]\S*) (OK|NO|BAD)(?= )"

validities = count(1000)

IMAP.add(
    "bye-at-fetch",
    "FETCH gets BYE, and the connection ends",
    "",
    Answer(FETCH, b"* BYE going down\r\n", close=True),
)
IMAP.add(
    "drop-at-fetch",
    "FETCH gets no answer: the connection ends",
    "RFC 3501, section 7.1.5",
    Answer(FETCH, b"", close=True),
)
IMAP.add(
    "drop-in-literal",
    "the connection ends in the middle of a text",
    "RFC 3501, section 4.3",
    Cut(LITERAL + rb"(.{100}).*$", rb"\1 {\2}\r\n\3"),
)
IMAP.add(
    "truncate-literal",
    "texts are 20 octets shorter than their literals say",
    "RFC 3501, section 4.3",
    Change(LITERAL + rb".{20}", rb"\1 {\2}\r\n"),
)
IMAP.add(
    "short-count",
    "literals say 20 octets less than the text has",
    "RFC 3501, section 4.3",
    Change(LITERAL, lambda found: b"%b {%d}\r\n" % (found[1], max(0, int(found[2]) - 20))),
)
IMAP.add(
    "huge-count",
    "literals say that a text has 4 GB",
    "RFC 3501, section 4.3",
    Change(LITERAL, rb"\1 {4294967295}\r\n"),
)
IMAP.add(
    "small-sizes",
    "RFC822.SIZE is 7 for every message",
    "RFC 3501, section 6.4.5",
    Change(rb"RFC822\.SIZE \d+", b"RFC822.SIZE 7"),
)
IMAP.add(
    "large-sizes",
    "RFC822.SIZE is a million for every message",
    "RFC 3501, section 6.4.5",
    Change(rb"RFC822\.SIZE \d+", b"RFC822.SIZE 1000000"),
)
IMAP.add(
    "no-uid",
    "the answers to UID FETCH have no UID",
    "RFC 3501, section 6.4.8",
    Change(rb"(\* \d+ FETCH \()UID \d+ ", rb"\1"),
)
IMAP.add(
    "nil-text",
    "the text of every message is NIL",
    "RFC 3501, section 6.4.5",
    Change(LITERAL + rb".*?\)\r\n(?=\* |[^\s*]\S* OK)", rb"\1 NIL)\r\n"),
)
IMAP.add(
    "no-text",
    "FETCH of a text gets OK without data",
    "",
    Answer(rb"(\S+) (UID )?FETCH .*(BODY(\.PEEK)?\[|RFC822\b).*", rb"\1 OK done\r\n"),
)
IMAP.add("refuse-fetch", "FETCH gets NO", "", Answer(FETCH, rb"\1 NO try again later\r\n"))
IMAP.add(
    "refuse-store",
    "STORE gets NO",
    "",
    Answer(rb"(\S+) (UID )?STORE .*", rb"\1 NO not allowed\r\n"),
)
IMAP.add(
    "refuse-expunge",
    "EXPUNGE gets NO",
    "",
    Answer(rb"(\S+) (UID )?EXPUNGE.*", rb"\1 NO not allowed\r\n"),
)
IMAP.add(
    "refuse-select",
    "SELECT and EXAMINE get NO",
    "",
    Answer(rb"(\S+) (SELECT|EXAMINE) .*", rb"\1 NO no such mailbox\r\n"),
)
IMAP.add(
    "wrong-tag",
    "tagged responses have a tag that no command had",
    "RFC 3501, section 2.2.2",
    Change(TAGGED, rb"X\1 \2"),
)
IMAP.add("silent-fetch", "FETCH is never answered", "RFC 3501, section 2.2.2", Answer(FETCH))
IMAP.add(
    "no-tagged",
    "the tagged response to FETCH never comes",
    "RFC 3501, section 2.2.2",
    Change(rb"(\* \d+ FETCH .*\r\n)[^\s*]\S* OK [^\r\n]*\r\n$", rb"\1"),
)
IMAP.add(
    "bare-lf",
    "response lines end with LF alone",
    "RFC 3501, section 2.2",
    Change(rb"(?m)^((?:\*|\S+ (?:OK|NO|BAD)) [^\r\n{]*)\r\n", rb"\1\n"),
)
IMAP.add(
    "lower-case",
    "the names of responses and items are in lower case",
    "",
    Change(
        rb"(?m)^\* (\d+ )?(FETCH|EXISTS|RECENT|SEARCH|FLAGS|OK|CAPABILITY|LIST)\b",
        lambda found: found[0].lower(),
    ),
)
IMAP.add(
    "new-uidvalidity",
    "every SELECT gives another UIDVALIDITY",
    "RFC 3501, section 2.3.1.1",
    Change(rb"\[UIDVALIDITY \d+\]", lambda found: b"[UIDVALIDITY %d]" % next(validities)),
)
IMAP.add(
    "no-uidvalidity",
    "SELECT gives no UIDVALIDITY",
    "RFC 3501, section 6.3.1",
    Change(rb"\* OK \[UIDVALIDITY \d+\][^\r]*\r\n", b""),
)
IMAP.add(
    "unsolicited",
    "alerts, flags and unknown data come before every tagged response",
    "",
    Change(TAGGED, rb'* OK [ALERT] tonight\r\n* X-UNKNOWN (1 "two" NIL)\r\n* NO well\r\n\1 \2'),
)
IMAP.add(
    "unknown-codes",
    "tagged responses have a response code that is not registered",
    "",
    Change(TAGGED + rb" (\[[^\]]*\] )?", rb'\1 \2 [X-UNKNOWN (1 "two")] '),
)
IMAP.add(
    "exists-shrinks",
    "EXISTS says that there is one message, although none was expunged",
    "RFC 3501, section 7.3.1",
    Change(rb"(\* SEARCH|\* \d+ FETCH)", rb"* 1 EXISTS\r\n\1"),
)
IMAP.add(
    "expunge-in-fetch",
    "EXPUNGE comes as part of the answer to FETCH",
    "RFC 3501, section 7.4.1",
    Change(rb"(\* \d+ FETCH .*\r\n)(?=[^\s*]\S* OK )", rb"\1* 1 EXPUNGE\r\n"),
)
IMAP.add(
    "no-search",
    "SEARCH gets OK without an untagged response",
    "",
    Answer(rb"(\S+) (UID )?SEARCH.*", rb"\1 OK done\r\n"),
)
IMAP.add(
    "drop-at-logout",
    "the connection ends without an answer to LOGOUT",
    "RFC 3501, section 6.1.3",
    Answer(rb"\S+ LOGOUT", b"", close=True),
)
IMAP.add(
    "refuse-login",
    "the login is refused with [UNAVAILABLE]",
    "",
    Answer(rb"(\S+) (LOGIN|AUTHENTICATE) .*", rb"\1 NO [UNAVAILABLE] not now\r\n"),
)
IMAP.add(
    "expired-login",
    "the login is refused with [EXPIRED]",
    "",
    Answer(rb"(\S+) (LOGIN|AUTHENTICATE) .*", rb"\1 NO [EXPIRED] change it\r\n"),
)
IMAP.add("one-octet", "every octet comes in a segment of its own", "", slices=1)
