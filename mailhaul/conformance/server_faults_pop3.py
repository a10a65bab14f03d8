"""Faults of a POP3 server, chosen by the name of the user that logs in."""

from __future__ import annotations

from .server_faults import FaultTable
from .wire_faults import Answer, Change, Cut

POP3 = FaultTable("pop3")
TEXT = rb"^\+OK\r\n(?=\S+: )"
"""The first line of the answer to RETR or TOP: a header follows."""

POP3.add(
    "drop-after-ok",
    "the connection ends after the +OK to RETR",
    "RFC 1939, section 3",
    Cut(TEXT, b"+OK\r\n"),
)
POP3.add(
    "drop-in-text",
    "the connection ends in the middle of a message",
    "RFC 1939, section 3",
    Cut(TEXT + rb"(.{120}).*$", rb"+OK\r\n\1"),
)
POP3.add(
    "drop-before-dot",
    "the connection ends after the text of a message, before the final dot",
    "RFC 1939, section 3",
    Cut(TEXT + rb"(.*)\r\n\.\r\n$", rb"+OK\r\n\1\r\n"),
)
POP3.add(
    "unstuffed-dots",
    "lines of a message that begin with a dot are sent without a second one",
    "RFC 1939, section 3",
    Change(rb"\r\n\.\.", rb"\r\n."),
)
POP3.add(
    "bare-lf",
    "the lines of messages end with LF alone, up to the final dot",
    "RFC 1939, section 3",
    Change(TEXT + rb".*(?=\r\n\.\r\n$)", lambda found: found[0].replace(b"\r\n", b"\n")),
)
POP3.add(
    "bare-lf-replies",
    "the lines of all replies end with LF alone",
    "RFC 1939, section 3",
    Change(rb"\r\n", b"\n"),
)
POP3.add(
    "lower-case-status",
    'replies begin with "+ok" or "-err"',
    "RFC 1939, section 3",
    Change(rb"^(\+OK|-ERR)", lambda found: found[0].lower()),
)
POP3.add(
    "small-sizes",
    "LIST gives 7 octets as the size of every message",
    "RFC 1939, section 11",
    Change(rb"(?m)^(\+OK \d+|\d+) \d+(?=\r\n)", rb"\1 7"),
)
POP3.add(
    "large-sizes",
    "LIST gives a million octets as the size of every message",
    "RFC 1939, section 11",
    Change(rb"(?m)^(\+OK \d+|\d+) \d+(?=\r\n)", rb"\1 1000000"),
)
POP3.add(
    "high-count",
    "STAT counts 99 messages",
    "RFC 1939, section 5",
    Answer(rb"STAT", b"+OK 99 12345\r\n"),
)
POP3.add(
    "duplicate-uids",
    "UIDL gives all messages the same unique-id",
    "RFC 1939, section 7",
    Change(rb"(?m)^(\d+) \d+\.\d+(?=\r\n)", rb"\1 same"),
)
POP3.add(
    "long-uids",
    "unique-ids have more than 70 characters",
    "RFC 1939, section 7",
    Change(rb"(?m)^(\d+ \d+\.\d+)(?=\r\n)", rb"\1-" + b"x" * 100),
)
POP3.add(
    "spaced-uids",
    "unique-ids have a blank in them",
    "RFC 1939, section 7",
    Change(rb"(?m)^(\d+ \d+)\.(\d+)(?=\r\n)", rb"\1 \2"),
)
POP3.add("no-uidl", "UIDL gets -ERR", "", Answer(rb"UIDL.*", b"-ERR unknown command\r\n"))
POP3.add("no-top", "TOP gets -ERR", "", Answer(rb"TOP.*", b"-ERR unknown command\r\n"))
POP3.add("no-capa", "CAPA gets -ERR", "", Answer(rb"CAPA", b"-ERR unknown command\r\n"))
POP3.add("refuse-retr", "RETR gets -ERR", "", Answer(rb"RETR.*", b"-ERR cannot read it\r\n"))
POP3.add(
    "refuse-second",
    "RETR and TOP of the second message get -ERR",
    "",
    Answer(rb"(RETR|TOP) 2\b.*", b"-ERR cannot read it\r\n"),
)
POP3.add("refuse-dele", "DELE gets -ERR", "", Answer(rb"DELE.*", b"-ERR not allowed\r\n"))
POP3.add("silent-retr", "RETR is never answered", "RFC 1939, section 3", Answer(rb"RETR.*"))
POP3.add(
    "drop-at-quit",
    "the connection ends without a reply to QUIT, and nothing is deleted",
    "RFC 1939, section 6",
    Answer(rb"QUIT", b"", close=True),
)
POP3.add(
    "err-at-quit",
    "QUIT gets -ERR, and nothing is deleted",
    "",
    Answer(rb"QUIT", b"-ERR some messages were not deleted\r\n", close=True),
)
for code in ("IN-USE", "LOGIN-DELAY", "SYS/TEMP", "SYS/PERM", "AUTH"):
    POP3.add(
        code.lower().replace("/", "-"),
        f"the login is refused with [{code}]",
        "",
        Answer(rb"PASS .*|AUTH .*|APOP .*", f"-ERR [{code}] not now\r\n".encode()),
    )
POP3.add(
    "long-status",
    "the status line of RETR has more than 512 octets",
    "RFC 1939, section 3",
    Change(TEXT, b"+OK " + b"x" * 600 + b"\r\n"),
)
POP3.add(
    "double-reply",
    "DELE gets two replies",
    "RFC 1939, section 3",
    Change(rb"^\+OK\r\n$", b"+OK\r\n+OK\r\n"),
)
POP3.add(
    "empty-text",
    "messages have no octets",
    "RFC 1939, section 5",
    Change(TEXT + rb".*\r\n\.\r\n$", b"+OK\r\n.\r\n"),
)
POP3.add(
    "nul-in-text",
    "messages have a NUL octet",
    "RFC 5322, section 2.2",
    Change(TEXT + rb"(.*)\r\n\.\r\n$", b"+OK\r\n\\1\0\r\n.\r\n"),
)
POP3.add("one-octet", "every octet comes in a segment of its own", "", slices=1)
