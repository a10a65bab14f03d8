"""Write the responses of a server (RFC 3501, section 7, and the extensions named below)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..errors import LocalProtocolError
from .events import (
    BodyStart,
    Capabilities,
    Code,
    Enabled,
    Event,
    Exists,
    Expunged,
    Fetched,
    Flags,
    Found,
    FoundInShort,
    Identified,
    Listed,
    MailboxStatus,
    NamespaceEntry,
    Namespaces,
    Quota,
    Recent,
    Status,
    Unknown,
    Vanished,
)
from .strings import is_utf8, quoted
from .values import Atom, Streamed, Text, Value


class ResponseWriter:
    """Writes untagged responses. ``utf8`` is true if quoted strings may contain UTF-8."""

    def __init__(self) -> None:
        self.utf8 = False

    def untagged(self, event: Event, tag: bytes) -> bytes:
        """Return an untagged response without its ``*`` and CRLF.

        ``tag`` is the tag of the current command, for ESEARCH. Raises LocalProtocolError if the
        event is not an untagged response or cannot be sent.
        """
        if isinstance(event, FoundInShort):
            return found_in_short(event, event.tag or tag)
        write: Callable[[ResponseWriter, Any], bytes] | None = WRITERS.get(type(event))
        if write is None:
            raise LocalProtocolError(f"{type(event).__name__} is not an untagged response")
        line = write(self, event)
        if type(event) not in WITH_STRINGS and (b"\r" in line or b"\n" in line):
            raise LocalProtocolError("the response contains a line ending")
        return line

    def string(self, text: bytes) -> bytes:
        """Return a quoted string if possible, otherwise a literal.

        Raises LocalProtocolError if the text contains NUL.
        """
        if b"\0" in text:
            raise LocalProtocolError("a string with NUL cannot be sent")
        plain = text.isascii() or (self.utf8 and is_utf8(text))
        if plain and b"\r" not in text and b"\n" not in text:
            return quoted(text)
        return b"{%d}\r\n%b" % (len(text), text)

    def value(self, value: Value) -> bytes:
        """Return any value in the form that ``values.parse_values`` parses."""
        match value:
            case None:
                return b"NIL"
            case Atom():
                return bytes(value)
            case Text():
                return self.string(value)
            case Streamed():
                raise LocalProtocolError("message text requires BodyStart")
            case _:
                return b"(%b)" % b" ".join([self.value(item) for item in value])

    def fetch_items(self, event: Fetched, *, with_uid: bool) -> list[bytes]:
        """Return the items of a FETCH response except message text."""
        items: list[bytes] = []
        if event.uid is not None and with_uid:
            items.append(b"UID %d" % event.uid)
        if event.size is not None:
            items.append(b"RFC822.SIZE %d" % event.size)
        if event.flags is not None:
            items.append(b"FLAGS (%b)" % b" ".join(event.flags))
        if event.internal_date is not None:
            items.append(b'INTERNALDATE "%b"' % event.internal_date)
        if event.modseq is not None:
            items.append(b"MODSEQ (%d)" % event.modseq)
        items += [b"%b %b" % (name, self.value(value)) for name, value in event.others]
        return items

    # One method for each response with strings, selected by the type of the event

    def listed(self, event: Listed) -> bytes:
        """Return LIST or LSUB (7.2.2; RFC 5258, section 6)."""
        name = b"LSUB" if event.lsub else b"LIST"
        delimiter = b"NIL" if event.delimiter is None else quoted(event.delimiter)
        line = b"%b (%b) %b %b" % (
            *(name, b" ".join(event.attributes), delimiter, self.string(event.mailbox)),
        )
        if event.extended:
            pairs = [b"%b %b" % (quoted(key), self.value(value)) for key, value in event.extended]
            line += b" (%b)" % b" ".join(pairs)
        return line

    def status(self, event: MailboxStatus) -> bytes:
        """Return STATUS (7.2.4)."""
        words = [
            b"%b (%b)" % (name, value) if isinstance(value, bytes) else b"%b %d" % (name, value)
            for name, value in event.items
        ]
        return b"STATUS %b (%b)" % (self.string(event.mailbox), b" ".join(words))

    def quota(self, event: Quota) -> bytes:
        """Return QUOTA (RFC 9208, 5.1)."""
        words = [b"%b %d %d" % resource for resource in event.resources]
        return b"QUOTA %b (%b)" % (self.string(event.root), b" ".join(words))

    def namespaces(self, event: Namespaces) -> bytes:
        """Return NAMESPACE (RFC 2342, section 5)."""
        kinds = (event.personal, event.other_users, event.shared)
        return b"NAMESPACE " + b" ".join([self._namespace(kind) for kind in kinds])

    def _namespace(self, entries: Sequence[NamespaceEntry]) -> bytes:
        if not entries:
            return b"NIL"
        written = [
            b"(%b %b)"
            % (self.string(e.prefix), b"NIL" if e.delimiter is None else quoted(e.delimiter))
            for e in entries
        ]
        return b"(%b)" % b"".join(written)

    def identified(self, event: Identified) -> bytes:
        """Return ID (RFC 2971, 3.2)."""
        if not event.fields:
            return b"ID NIL"
        words = [
            b"%b %b" % (self.string(field), b"NIL" if value is None else self.string(value))
            for field, value in event.fields
        ]
        return b"ID (%b)" % b" ".join(words)


def _capabilities(writer: ResponseWriter, event: Capabilities) -> bytes:
    ordered = sorted(event.names, key=lambda name: (name != b"IMAP4REV1", name))
    return b"CAPABILITY " + b" ".join(ordered)


def _condition(writer: ResponseWriter, event: Status) -> bytes:
    return b"%b %b%b" % (event.condition.value, bracketed(event.code), event.text)


def _found(writer: ResponseWriter, event: Found) -> bytes:
    words = [b"SEARCH", *(b"%d" % number for number in event.uids)]
    if event.modseq is not None:
        words.append(b"(MODSEQ %d)" % event.modseq)
    return b" ".join(words)


def found_in_short(event: FoundInShort, tag: bytes) -> bytes:
    """Return ESEARCH for the search with this tag (RFC 4731, 3.1)."""
    words = [b"ESEARCH", *([b"(TAG %b)" % quoted(tag)] if tag else [])]
    words += [b"UID"] if event.uid else []
    numbers = ((b"MIN", event.lowest), (b"MAX", event.highest), (b"COUNT", event.count))
    words += [b"%b %d" % (name, value) for name, value in numbers if value is not None]
    if event.every is not None:
        words.append(b"ALL " + event.every)
    if event.partial is not None:
        words.append(b"PARTIAL (%b %b)" % (event.partial[0], event.partial[1] or b"NIL"))
    if event.modseq is not None:
        words.append(b"MODSEQ %d" % event.modseq)
    return b" ".join(words)


def _vanished(writer: ResponseWriter, event: Vanished) -> bytes:
    return b"VANISHED %b%b" % (b"(EARLIER) " if event.earlier else b"", event.uids)


def _enabled(writer: ResponseWriter, event: Enabled) -> bytes:
    return b" ".join([b"ENABLED", *sorted(event.names)])


WRITERS: dict[type, Callable[[ResponseWriter, Any], bytes]] = {
    Capabilities: _capabilities,
    Status: _condition,
    Flags: lambda writer, event: b"FLAGS (%b)" % b" ".join(event.names),
    Exists: lambda writer, event: b"%d EXISTS" % event.count,
    Recent: lambda writer, event: b"%d RECENT" % event.count,
    Expunged: lambda writer, event: b"%d EXPUNGE" % event.number,
    Vanished: _vanished,
    Found: _found,
    Listed: ResponseWriter.listed,
    MailboxStatus: ResponseWriter.status,
    Quota: ResponseWriter.quota,
    Namespaces: ResponseWriter.namespaces,
    Identified: ResponseWriter.identified,
    Enabled: _enabled,
    Unknown: lambda writer, event: event.name,
}
"""The functions that write responses, except for ESEARCH, which needs a tag."""
WITH_STRINGS = frozenset({Listed, MailboxStatus, Quota, Namespaces, Identified})
"""Responses that may contain literals."""


def bracketed(code: Code | None) -> bytes:
    """Return a response code in brackets with a space after it, or b""."""
    if code is None:
        return b""
    arguments = b" " + code.arguments if code.arguments else b""
    return b"[%b%b] " % (code.name, arguments)


def text_opener(event: BodyStart) -> bytes:
    """Return the item name and the size of the literal, up to the start of the text."""
    name = event.old_name
    if not name:
        name = b"%b[%b]" % (b"BINARY" if event.binary else b"BODY", event.section)
        name += b"" if event.origin is None else b"<%d>" % event.origin
    return b"%b %b{%d}\r\n" % (name, b"~" if event.binary else b"", event.size)
