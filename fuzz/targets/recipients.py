"""Whom a message in a mailbox of several people is for, and what speaks against passing it on.

The first octet chooses the options; the rest is the message's header.
"""

from __future__ import annotations

from itertools import islice

from mailhaul.protocols.message.body_type import body_type
from mailhaul.protocols.message.envelope import is_path
from mailhaul.protocols.message.header import Field, count_fields, split_fields
from mailhaul.protocols.message.objections import bad_line, hops, times_delivered
from mailhaul.protocols.message.recipients import (
    MAX_NAMED,
    Known,
    LocalNames,
    LookUp,
    NoEnvelope,
    NoMatch,
    Recipients,
    TooMany,
    envelope_recipients,
    guessed_recipients,
    warning_field,
)

from ..finding import promise

DECLARED = [("ann", "ann"), ("bob@example.org", "robert"), ("jö", "joe")]
ENVELOPES = ("Received", "Delivered-To", "X-Envelope-To:")
Found = Recipients | NoMatch | NoEnvelope | TooMany | LookUp


def target(data: bytes) -> None:
    """Look for the recipients, answering what is asked about hosts."""
    options, header = data[0] if data else 0, data[1:]
    fields = split_fields(header)
    promise(count_fields(header) == len(fields), "fields are miscounted")
    names = LocalNames(
        "mail.example.org",
        DECLARED,
        wildcard=bool(options & 1),
        aka=["example.org"],
        localdomains=["local.example"],
        qvirtual="virtual-" if options & 2 else None,
    )
    known: Known = {} if options & 4 else None
    check(search(fields, options, names, known), names, known)
    line = bad_line(fields)
    promise(line is None or (line in header.replace(b"\0", b"") and b":" not in line), "a bad line")
    promise(0 <= hops(fields) <= len(fields), "more hops than fields")
    promise(times_delivered(fields, b"ann@example.org") <= len(fields), "more marks than fields")
    promise(body_type(fields) in {None, b"7BIT", b"8BITMIME"}, "an unknown type of body")


def search(fields: list[Field], options: int, names: LocalNames, known: Known) -> Found:
    """Search as the options say; each host that is asked about is the server's if it is short."""
    # One answer names so many hosts at most.
    more = sum(field.raw.count(b"@") for field in fields) // MAX_NAMED
    for _ in range(len(fields) + 2 + more):
        if options & 8:
            found: Found = guessed_recipients(fields, names, known)
        else:
            envelope = ENVELOPES[options // 16 % len(ENVELOPES)]
            found = envelope_recipients(fields, envelope, options // 64, names, known)
        if not isinstance(found, LookUp):
            return found
        assert known is not None
        asked = {host: len(host) < 12 for host in found.hosts}
        promise(not asked.keys() & known.keys(), "what is known is asked again")
        promise(all(host.isascii() for host in asked), "a host that no name service knows")
        known = {**known, **asked}
    raise AssertionError("questions without end")


def check(found: Found, names: LocalNames, known: Known) -> None:
    """Nobody is named but who lives here."""
    match found:
        case Recipients(whom):
            promise(bool(whom) and len(set(whom)) == len(whom), "a recipient twice")
            for name in islice(whom, 100):
                promise(name.isascii() and name.isprintable(), "a name that is not safe")
                _, at, host = name.partition("@")
                away = bool(at) and not name.startswith('"')
                local = host.lower().endswith("local.example") and is_path(name.encode())
                promise(not away or local, "somebody elsewhere is named")
        case NoMatch():
            field = warning_field(found, b"\r\n")
            promise(field.count(b"\n") == 1 and field.isascii(), "a warning of several lines")
        case NoEnvelope() | TooMany() | LookUp():
            pass
