"""Parse ENVELOPE and BODYSTRUCTURE, a server's view of a message (RFC 3501, 7.4.2).

The input are values in ``Fetched.others``. mailhaul itself does not use them to deliver mail,
because servers parse messages differently.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import RemoteProtocolError
from ..record import Record
from .values import Atom, Text, Value


class Address(Record):
    """One address of an envelope, as sent (RFC 3501, 7.4.2).

    A group begins with an address whose ``host`` is None, and ends with one whose fields are all
    None.
    """

    name: bytes | None
    route: bytes | None
    mailbox: bytes | None
    host: bytes | None


class Envelope(Record):
    """The header fields of a message, as sent by the server; encoded words are not decoded."""

    date: bytes | None = None
    subject: bytes | None = None
    from_: tuple[Address, ...] = ()
    sender: tuple[Address, ...] = ()
    reply_to: tuple[Address, ...] = ()
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    in_reply_to: bytes | None = None
    message_id: bytes | None = None


Pairs = tuple[tuple[bytes, bytes], ...]


class BodyPart(Record):
    """One part of a message. ``parts`` is for a multipart, ``inner`` for a message/rfc822.

    Types and parameter names are as sent. ``size`` is the encoded size in octets; ``lines`` is only
    for text and message/rfc822. The fields from ``md5`` on are extension data, which BODY lacks.
    """

    media_type: bytes
    subtype: bytes
    parameters: Pairs = ()
    id: bytes | None = None
    description: bytes | None = None
    encoding: bytes | None = None
    size: int | None = None
    lines: int | None = None
    envelope: Envelope | None = None
    inner: BodyPart | None = None
    parts: tuple[BodyPart, ...] = ()
    md5: bytes | None = None
    disposition: tuple[bytes, Pairs] | None = None
    languages: tuple[bytes, ...] = ()
    location: bytes | None = None


def read_envelope(value: Value) -> Envelope:
    """Return the parsed value of ENVELOPE. Raises RemoteProtocolError if it is malformed."""
    match value:
        case [date, subject, from_, sender, reply_to, to, cc, bcc, in_reply_to, message_id, *_]:
            return Envelope(
                _text(date),
                _text(subject),
                _addresses(from_),
                _addresses(sender),
                _addresses(reply_to),
                _addresses(to),
                _addresses(cc),
                _addresses(bcc),
                _text(in_reply_to),
                _text(message_id),
            )
        case _:
            raise RemoteProtocolError("malformed ENVELOPE")


def read_body(value: Value) -> BodyPart:
    """Return the parsed value of BODYSTRUCTURE or BODY.

    Raises RemoteProtocolError if it is malformed. ``Limits.nesting`` already limits its depth.
    """
    match value:
        case [list(), *_]:
            return _multipart(value)
        case [media_type, subtype, parameters, id_, description, encoding, size, *rest]:
            part = BodyPart(
                _text(media_type) or b"",
                _text(subtype) or b"",
                _pairs(parameters),
                _text(id_),
                _text(description),
                _text(encoding),
                _number(size),
            )
            return _single(part, rest)
        case _:
            raise RemoteProtocolError("malformed BODYSTRUCTURE")


def _multipart(value: Sequence[Value]) -> BodyPart:
    count = next((i for i, part in enumerate(value) if not isinstance(part, list)), len(value))
    subtype, parameters, *extension = [*value[count:], None, None]
    return BodyPart(
        b"multipart",
        _text(subtype) or b"",
        _pairs(parameters),
        parts=tuple(read_body(part) for part in value[:count]),
        **_extension([None, *extension]),
    )


def _single(part: BodyPart, rest: Sequence[Value]) -> BodyPart:
    kind = (part.media_type.lower(), part.subtype.lower())
    facts: dict[str, Any] = {}
    match rest:
        case [list() as envelope, list() as inner, lines, *extension] if kind[0] == b"message":
            facts["envelope"], facts["inner"] = read_envelope(envelope), read_body(inner)
            facts["lines"] = _number(lines)
        case [lines, *extension] if kind[0] == b"text":
            facts["lines"] = _number(lines)
        case _:
            extension = list(rest)
    given = {name: getattr(part, name) for name in BodyPart.__match_args__[:7]}
    return BodyPart(**given, **facts, **_extension(extension))


def _extension(values: Sequence[Value]) -> dict[str, Any]:
    """Return the extension data. Further values are ignored (RFC 3501, 7.4.2)."""
    md5, disposition, language, location = [*values, None, None, None, None][:4]
    return {
        "md5": _text(md5),
        "disposition": _disposition(disposition),
        "languages": _languages(language),
        "location": _text(location),
    }


def _disposition(value: Value) -> tuple[bytes, Pairs] | None:
    match value:
        case [kind, parameters, *_]:
            return _text(kind) or b"", _pairs(parameters)
        case _:
            return None


def _languages(value: Value) -> tuple[bytes, ...]:
    if isinstance(value, list):
        return tuple(_text(word) or b"" for word in value)
    return () if value is None else (_text(value) or b"",)


def _addresses(value: Value) -> tuple[Address, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise RemoteProtocolError("malformed ENVELOPE: a list of addresses is expected")
    return tuple(_address(entry) for entry in value)


def _address(value: Value) -> Address:
    match value:
        case [name, route, mailbox, host]:
            return Address(_text(name), _text(route), _text(mailbox), _text(host))
        case _:
            raise RemoteProtocolError("malformed address in ENVELOPE")


def _pairs(value: Value) -> Pairs:
    """Return pairs of name and value. Some servers send a name without value; it is dropped."""
    words = [_text(word) or b"" for word in value] if isinstance(value, list) else []
    return tuple(zip(words[::2], words[1::2], strict=False))


def _text(value: Value) -> bytes | None:
    match value:
        case None:
            return None
        case Atom() | Text():
            return bytes(value)
        case _:
            raise RemoteProtocolError("list instead of a string")


def _number(value: Value) -> int | None:
    return int(value) if isinstance(value, Atom) and value.isdigit() and len(value) < 20 else None
