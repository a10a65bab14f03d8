"""Faults of an SMTP or LMTP server, chosen by the local part of a recipient or of the sender."""

from __future__ import annotations

from .server_faults import FaultTable
from .wire_faults import Answer, Change, Cut, Rule

SMTP, LMTP = FaultTable("smtp"), FaultTable("lmtp")
ACCEPTED = rb"^250 2\.0\.0 accepted\r\n"
"""The reply to a text, of which LMTP has one for each recipient."""
FOR_ALL = rb"^(250 2\.0\.0 accepted\r\n)+"


def both(name: str, text: str, breaks: str, *rules: Rule, slices: int = 0) -> None:
    """Add a fault that SMTP and LMTP servers can have."""
    SMTP.add(name, text, breaks, *rules, slices=slices)
    LMTP.add(name, text, breaks, *rules, slices=slices)


both(
    "drop-after-dot",
    "the connection ends after the text, without a reply",
    "RFC 5321, section 4.2",
    Cut(FOR_ALL),
)
both(
    "drop-at-data",
    "the connection ends without a reply to DATA",
    "RFC 5321, section 3.8",
    Answer(rb"DATA", b"", close=True),
)
both(
    "drop-at-rcpt",
    "the connection ends without a reply to RCPT",
    "RFC 5321, section 3.8",
    Answer(rb"RCPT .*", b"", close=True),
)
both(
    "drop-at-quit",
    "the connection ends without a reply to QUIT",
    "RFC 5321, section 4.1.1.10",
    Answer(rb"QUIT", b"", close=True),
)
both("refuse-rcpt", "RCPT gets 550", "", Answer(rb"RCPT .*", b"550 5.1.1 no such user\r\n"))
both("defer-rcpt", "RCPT gets 450", "", Answer(rb"RCPT .*", b"450 4.2.1 not now\r\n"))
both(
    "greylist",
    "the first RCPT of a session gets 451",
    "",
    Answer(rb"RCPT .*", b"451 4.7.1 come back later\r\n", times=1),
)
both("defer-data", "DATA gets 451", "", Answer(rb"DATA", b"451 4.3.0 not now\r\n"))
both("refuse-data", "DATA gets 554", "", Answer(rb"DATA", b"554 5.7.1 not here\r\n"))
both("defer-text", "the text gets 451", "", Change(ACCEPTED, b"451 4.3.0 not now\r\n"))
both("refuse-text", "the text gets 554", "", Change(ACCEPTED, b"554 5.7.1 not wanted\r\n"))
both("full-mailbox", "the text gets 452", "", Change(ACCEPTED, b"452 4.2.2 quota\r\n"))
both(
    "data-for-nobody",
    "RCPT gets 550, and DATA gets 354 all the same",
    "",
    Answer(rb"RCPT .*", b"550 5.1.1 no such user\r\n"),
    Answer(rb"DATA", b"354 go ahead\r\n", text=b"554 5.5.1 no recipients\r\n"),
)
both(
    "ok-for-data",
    "DATA gets 250 in place of 354",
    "RFC 5321, section 4.1.1.4",
    Answer(rb"DATA", b"250 2.0.0 fine\r\n"),
)
both(
    "421-at-rcpt",
    "RCPT gets 421, and the connection ends",
    "",
    Answer(rb"RCPT .*", b"421 4.3.2 closing\r\n", close=True),
)
both(
    "421-after-dot",
    "the text gets 421, and the connection ends",
    "",
    Cut(FOR_ALL, b"421 4.3.2 closing\r\n"),
)
both(
    "many-lines",
    "replies have several lines",
    "",
    Change(rb"(?m)^(\d\d\d) ([^\r]*)\r\n", rb"\1-\2\r\n\1-more\r\n\1 \2\r\n"),
)
both(
    "mixed-codes",
    "the lines of a reply have different codes",
    "RFC 5321, section 4.2.1",
    Change(ACCEPTED, b"250-2.0.0 accepted\r\n451 4.3.0 or not\r\n"),
)
both(
    "unknown-codes",
    "positive replies have the code 259",
    "",
    Change(rb"(?m)^250 ", b"259 "),
)
both(
    "two-digits",
    "replies have a code of two digits",
    "RFC 5321, section 4.2",
    Change(rb"(?m)^25\d ", b"25 "),
)
both("no-text", "replies are a code without text", "", Change(rb"(?m)^(\d\d\d) [^\r]*", rb"\1"))
both(
    "bare-lf-replies",
    "reply lines end with LF alone",
    "RFC 5321, section 2.3.8",
    Change(rb"\r\n", b"\n"),
)
both(
    "long-reply",
    "a reply line has more than 512 octets",
    "RFC 5321, section 4.5.3.1.5",
    Change(ACCEPTED, b"250 2.0.0 " + b"x" * 600 + b"\r\n"),
)
both(
    "double-reply",
    "DATA gets two replies",
    "RFC 5321, section 4.2",
    Change(rb"^354 ([^\r]*)\r\n", rb"354 \1\r\n354 \1\r\n"),
)
both(
    "silent-after-dot",
    "the text is never answered",
    "RFC 5321, section 4.2",
    Change(FOR_ALL, b""),
)
both("silent-rcpt", "RCPT is never answered", "RFC 5321, section 4.2", Answer(rb"RCPT .*"))
both("one-octet", "every octet comes in a segment of its own", "", slices=1)

LMTP.add(
    "one-reply",
    "the text gets one reply, however many recipients it has",
    "RFC 2033, section 4.2",
    Change(FOR_ALL, b"250 2.0.0 accepted\r\n"),
)
LMTP.add(
    "one-more-reply",
    "the text gets one reply more than it has recipients",
    "RFC 2033, section 4.2",
    Change(rb"^((?:250 2\.0\.0 accepted\r\n)+)", rb"\g<1>250 2.0.0 accepted\r\n"),
)
LMTP.add(
    "last-is-deferred",
    "the last recipient gets 451 after the text, the others 250",
    "",
    Change(rb"250 2\.0\.0 accepted\r\n$", b"451 4.3.0 not now\r\n"),
)
LMTP.add(
    "drop-before-last",
    "the connection ends before the reply for the last recipient",
    "RFC 2033, section 4.2",
    Cut(rb"250 2\.0\.0 accepted\r\n$"),
)
