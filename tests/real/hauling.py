"""The nasty corpus by one way out: what arrives is compared with what was sent, octet for octet.

A message may differ by mailhaul's changes to headers, by one rule for line ends, and by what a
receiver is known to do. All of that is listed here; nothing else is allowed.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mailhaul.protocols.imap.server import ImapServer
from mailhaul.protocols.pop3.server import Pop3Server
from mailhaul.servers.imap import serve_imap
from mailhaul.servers.logins import Logins
from mailhaul.servers.mailboxes import Mailbox, Mailboxes
from mailhaul.servers.pop3 import Maildrop, serve_pop3

from .corpus_rule import LEADING_BLANK_WARNING
from .mailhaul import Run, mailhaul, same
from .nasty_corpus import MARK, NASTY
from .servers.certificates import Certificate
from .servers.ours import listening, nonce
from .ways_out import WayOut, lines, unix

USERS = {b"fred": b"sesame"}
TRACE = re.compile(
    rb"^Received: from localhost\r?\n\tby (\S+) with (?:IMAP|POP3) \(mailhaul-[0-9.]+\)\r?\n"
    rb"\tfor <\S+> \(single-drop\); [^\r\n]+\r?\n",
    re.MULTILINE,
)
STAND_IN = (
    b"From: FETCHMAIL-DAEMON\r\nTo: fred@%b\r\n"
    b"Subject: Headerless mail from fred's mailbox on localhost\r\n"
)
"""What a message without a header gets; its recipient is at the host that gives it."""

ALWAYS = {
    "nul_in_the_header": (b"a\0b", b"ab"),
    "empty_status": (b"Status: \r\nX-Mozilla-Status:\r\n", b""),
    "from_line_above": (b"From ann@example.net Mon Mar  2 10:00:00 2020\r\n", b""),
}
UNLESS_PLAIN = {
    "hostless_addresses": (
        b"From: ann\r\nTo: bob, Carol <carol>\r\n",
        b"From: ann@localhost\r\nTo: bob@localhost, Carol <carol@localhost>\r\n",
    ),
}
UNLESS_KEPT = {"return_path": (b"Return-Path: <ann@example.net>\r\n", b"")}
"""What mailhaul changes in headers: what was there, and what goes on in its place."""

REFUSED = {
    ("OpenSMTPD", "line_of_a_megabyte"): "500 5.0.0 Line too long",
    ("OpenSMTPD", "long_field"): "500 5.0.0 Line too long",
    ("OpenSMTPD", "line_without_colon"): "550 5.7.1 Delivery not authorized, message refused: "
    "Message is not RFC 2822 compliant",
    ("aiosmtpd", "line_of_1000"): "500 Line too long (see RFC5321 4.5.3.1.6)",
    ("aiosmtpd", "line_of_a_megabyte"): "500 Line too long (see RFC5321 4.5.3.1.6)",
    ("aiosmtpd", "long_field"): "500 Line too long (see RFC5321 4.5.3.1.6)",
}
"""Replies of receivers to what they do not take: such a message stays where it is."""


@dataclass(frozen=True)
class Quirk:
    """What a receiver does to a message.

    Where it can be undone in what is ``stored``, that is compared with what was sent; else what
    was ``sent`` is changed alike. Both are a pattern and what stands in its place.
    """

    words: str
    stored: tuple[bytes, bytes] | None = None
    sent: tuple[bytes, bytes] | None = None


CUTS_AT_NUL = Quirk("drops what follows a NUL in its line", sent=(rb"\0[^\n]*", b""))
ENDS_HEADER = Quirk(
    "ends the header with a blank line before such a line",
    stored=(rb"\n\n(?=this is no field)", b"\n"),
)
ADDS_BLANK_LINE = Quirk("adds the blank line after the header", stored=(rb"\n\n\Z", b"\n"))
ADDS_FIELDS = Quirk(
    "completes From, adds Date and Message-ID",
    stored=(rb"(?i)(?<=FETCHMAIL-DAEMON)@\S+|^(message-id|date): .*\n", b""),
)
CLOSES_UP = Quirk("drops a space before a colon", stored=(rb"X-Blank: y", b"X-Blank : y"))
DROPS_THE_REST = Quirk(
    "drops what a field has beyond 102,400 octets (header_size_limit)",
    sent=(rb"^(X-Folded: (?:.+\n){6399}.+)\n(?:\t.+\n)+", rb"\1\n"),
)
QUIRKS = {
    ("Postfix", "field_of_200_kilobytes"): DROPS_THE_REST,
    ("Postfix", "line_without_colon"): ENDS_HEADER,
    ("Postfix", "headerless"): ADDS_FIELDS,
    ("Postfix", "odd_fields"): CLOSES_UP,
    ("Exim", "line_without_colon"): ENDS_HEADER,
    ("Exim", "header_only"): ADDS_BLANK_LINE,
    ("Exim -bs", "headerless"): ADDS_FIELDS,
    ("BSMTP", "headerless"): ADDS_FIELDS,
    ("OpenSMTPD", "headerless"): ADDS_FIELDS,
    ("OpenSMTPD", "nul"): CUTS_AT_NUL,
    ("OpenSMTPD", "end_crlf_nul_dot_crlf"): CUTS_AT_NUL,
    ("OpenSMTPD", "end_crlf_dot_nul_crlf"): CUTS_AT_NUL,
}


@dataclass(frozen=True)
class Haul:
    """What one run brought: the copies of each message, and which are still at the server."""

    way: WayOut
    protocol: str
    run: Run
    copies: Mapping[str, list[bytes]]
    kept: frozenset[str]


class Source:
    """A mailbox of ours, at servers of ours."""

    def __init__(self, certificate: Certificate) -> None:
        self._inbox = Mailbox()
        self._certificate = certificate
        self._ports: dict[str, int] = {}

    @contextmanager
    def running(self) -> Generator[None, None, None]:
        """Serve the mailbox by IMAP and POP3 until the block ends."""
        boxes, maildrop = Mailboxes({b"INBOX": self._inbox}), Maildrop(self._inbox)
        imap = listening(
            ImapServer, lambda channel, _: serve_imap(channel, boxes, USERS), self._certificate
        )
        pop3 = listening(
            Pop3Server,
            lambda channel, _: serve_pop3(channel, maildrop, Logins(USERS, nonce)),
            self._certificate,
        )
        with imap as self._ports["IMAP"], pop3 as self._ports["POP3"]:
            yield

    def haul(self, way: WayOut, home: Path, protocol: str = "IMAP") -> Haul:
        """Let mailhaul send the whole corpus by one way out."""
        self._inbox.messages.clear()
        for text in NASTY.values():
            self._inbox.append(text)
        port = self._ports[protocol]
        run = mailhaul(
            f"poll localhost no dns protocol {protocol} port {port} auth password {way.server}\n"
            f"  user fred password sesame is {way.recipient} here sslproto '' {way.user}\n",
            home,
        )
        copies: dict[str, list[bytes]] = {}
        for text in way.stored():
            copies.setdefault(name_of(text), []).append(text)
        kept = frozenset(name_of(one.text) for one in self._inbox.messages)
        return Haul(way, protocol, run, copies, kept)


def name_of(text: bytes) -> str:
    """Return the name of the message that this is a copy of; "" for none."""
    found = MARK.search(text)
    return found[1].decode() if found else ""


def check(name: str, haul: Haul) -> None:
    """Fail unless a message has arrived whole, once, or was refused and is kept."""
    way = haul.way
    copies = haul.copies.get(name, [])
    if reply := REFUSED.get((way.receiver, name)):
        assert (copies, name in haul.kept) == ([], True)
        assert f"{reply}; the message stays on the server" in haul.run.err
        return
    assert (len(copies), name in haul.kept) == (1, False)
    rest, traces = TRACE.subn(b"", copies[0], count=1)
    assert traces == (0 if way.plain else 1)
    rest, led = LEADING_BLANK_WARNING.subn(b"", rest)
    assert led == (name == "blank_led_first_line" and not way.plain)
    expected = way.rule(outgoing(name, haul))
    if quirk := quirk_of(way, name):
        rest, expected = substituted(rest, quirk.stored), substituted(expected, quirk.sent)
    added = len(rest) - len(expected)
    same(rest[max(added, 0) :], expected)
    names = re.findall(rb"^([^\s:]+):", rest[:added], re.MULTILINE)
    assert {each.lower() for each in names} <= way.above


def fate(name: str, haul: Haul) -> tuple[str, str]:
    """Return what became of a message, in a word of docs/corpus.md, and a note on it or ""."""
    check(name, haul)
    way = haul.way
    if reply := REFUSED.get((way.receiver, name)):
        return "kept", f"{way.receiver}: {reply}"
    text = outgoing(name, haul)
    quirk = quirk_of(way, name)
    word = "whole" if way.rule(text) in {text, unix(text)} else "lines"
    if quirk is None:
        return word, ""
    return "cut" if quirk.sent else word, f"{way.receiver} {quirk.words}"


def quirk_of(way: WayOut, name: str) -> Quirk | None:
    """Return what the receiver, or the receiver by this way, does to a message."""
    return QUIRKS.get((way.receiver, name)) or QUIRKS.get((way.name, name))


def outgoing(name: str, haul: Haul) -> bytes:
    """Return what a message is below the fields that are added, before the rule for line ends."""
    text, way = NASTY[name], haul.way
    if haul.protocol == "POP3":
        # RFC 1939, 3: the text of RETR is made of lines, whatever the maildrop holds.
        text = lines(text).replace(b"\n", b"\r\n")
    if name == "headerless":
        found = TRACE.search(haul.copies[name][0])
        return STAND_IN % (found[1] if found else b"localhost") + text
    plain = {} if way.plain else UNLESS_PLAIN
    kept = {} if way.keeps_return_path else UNLESS_KEPT
    if change := {**ALWAYS, **plain, **kept}.get(name):
        assert change[0] in text
        text = text.replace(*change)
    return text


def substituted(text: bytes, change: tuple[bytes, bytes] | None) -> bytes:
    """Return a text after a change that was really made; None stands for no change."""
    if change is None:
        return text
    changed, times = re.subn(change[0], change[1], text, flags=re.MULTILINE)
    assert times
    return changed
