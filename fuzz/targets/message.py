"""What a message's header goes through: scanner, sender, addresses, the outgoing header.

The first octet chooses the options, the second how the message is cut.
"""

from __future__ import annotations

from mailhaul.protocols.message.addresses import addresses, hostless_ends
from mailhaul.protocols.message.envelope import envelope_sender, is_path
from mailhaul.protocols.message.header import HeaderScanner
from mailhaul.protocols.message.line_ends import ForceCr, StripCr
from mailhaul.protocols.message.outgoing import HeaderRules, outgoing_header, without_nuls
from mailhaul.protocols.message.rewrite import REWRITTEN
from mailhaul.protocols.message.trace import Received

from ..finding import promise
from ..turns import pieces

LIMIT = 2000
CHANGED = REWRITTEN | {b"status", b"x-mozilla-status", b"delivered-to", b"received"}
"""Fields that options may change, drop or add."""
TRACE = Received("mail.example", "192.0.2.1", "here", b"IMAP", b"1", b"Thu, 01 Jan 1970", "")


def scanned(chunks: list[bytes], limit: int) -> HeaderScanner:
    """Feed chunks until the header is complete; the rest is joined to ``rest``."""
    scanner = HeaderScanner(limit)
    for position, chunk in enumerate(chunks):
        scanner.feed(chunk)
        if scanner.complete:
            scanner.rest += b"".join(chunks[position + 1 :])
            return scanner
    scanner.finish()
    return scanner


def found(scanner: HeaderScanner) -> tuple[bool, list[bytes], bytes, bytes]:
    """Return all that a scanner found."""
    raws = [field.raw for field in scanner.fields]
    return scanner.opaque, raws, scanner.separator, scanner.rest


def target(data: bytes) -> None:
    """Send a message on."""
    choice, size, text = data[:1], data[1:2], data[2:]
    options = choice[0] if choice else 0
    chunks = list(pieces(text, 1 + (size[0] if size else 0) % 8))
    scanner = scanned(chunks, LIMIT)
    promise(found(scanner) == found(scanned([text], LIMIT)), "the cut makes a difference")
    promise(
        b"".join([*(f.raw for f in scanner.fields), scanner.separator, scanner.rest]) == text,
        "octets are lost",
    )
    check_addresses(text)
    check_sender(scanner, for_mda=bool(options & 1))
    check_outgoing(scanner, options)
    check_line_ends(chunks, text)


def check_addresses(text: bytes) -> None:
    """Each address is made of octets of the text; a host belongs behind an octet of it."""
    count = 0
    for address in addresses(text):
        count += 1
        promise(-1 <= address.end <= len(text), "an address ends outside the text")
    promise(count <= len(text) + 1, "more addresses than octets")
    ends = list(hostless_ends(text))
    promise(ends == sorted(set(ends)), "hosts belong in no order")


def check_sender(scanner: HeaderScanner, *, for_mda: bool) -> None:
    """A sender can stand in a path, and in ASCII unless it is for a program."""
    sender = envelope_sender(scanner.fields, "mail.example", for_mda=for_mda)
    if sender:
        promise(is_path(sender), "a sender that is no path")
        promise(for_mda or sender.isascii(), "a sender beyond ASCII")
        promise(sender.startswith(b'"') or not set(sender) & set(b"<> "), "an unsafe sender")
        promise(not set(sender) & set(b"\r\n\0"), "a line end in a sender")


def check_outgoing(scanner: HeaderScanner, options: int) -> None:
    """What goes out is the same header, but for the fields that options name."""
    rules = HeaderRules(
        "mail.example",
        "joe",
        TRACE if options & 2 else None,
        rewrite=bool(options & 4),
        drop_status=bool(options & 8),
        drop_delivered=bool(options & 16),
        keep_return_path=bool(options & 32),
    )
    header = outgoing_header(scanner, rules, b"bob@example.org" if options & 64 else None)
    if scanner.opaque:
        return
    promise(b"\0" not in header, "NUL in a header")
    fields = [field for field in without_nuls(scanner.fields) if field.key not in CHANGED]
    if not any(field.name for field in fields):
        return
    again = HeaderScanner(10 * LIMIT)
    again.feed(header + scanner.rest)
    if not again.complete:
        again.finish()
    if scanner.separator:
        promise(again.complete and again.rest == scanner.rest, "the body begins elsewhere")
    position = 0
    for field in fields:
        if not field.name:
            # A mailbox file's own line goes, and others may have begun with NUL.
            continue
        position = header.find(field.raw, position) + len(field.raw)
        promise(position >= len(field.raw), "a field that no option names has changed")


def check_line_ends(chunks: list[bytes], text: bytes) -> None:
    """Converted in pieces or whole is the same, and each does what it is called."""
    for kind in (StripCr, ForceCr):
        cut, whole = kind(), kind()
        in_pieces = b"".join([*map(cut.feed, chunks), cut.finish()])
        at_once = whole.feed(text) + whole.finish()
        promise(in_pieces == at_once, "line ends depend on the cut")
        if kind is StripCr:
            promise(at_once.count(b"\n") == text.count(b"\n"), "a line is lost")
            promise(b"\r\n" not in at_once or b"\r\r\n" in text, "CRLF is left")
        else:
            promise(at_once.count(b"\n") == at_once.count(b"\r\n"), "a bare LF is left")
