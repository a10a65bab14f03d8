"""Parse Content-Type and similar fields of a message part (RFC 2045, section 5.1).

The parser is strict: a field that mail readers might interpret differently counts as absent.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..record import Record
from .header import Field

TYPE = re.compile(rb"\s*([\w!#$&^.+-]+)/([\w!#$&^.+-]+)\s*")
PARAMETER = re.compile(
    rb';\s*([^\s;="()]+)\s*=\s*("[^"\\]*+(?:\\.[^"\\]*+)*+"|[^\s;"()]+)\s*', re.DOTALL
)
BOUNDARY_BYTES = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'()+_,-./:=?"
"""The characters of a boundary (RFC 2046, 5.1.1), except the space, which may not end it."""
MAX_BOUNDARY = 70
"""Maximum length of a boundary in octets (RFC 2046, 5.1.1)."""
MAX_FIELD = 64 * 1024
"""Maximum length in octets of a field that is parsed."""


class ContentType(Record):
    """A media type in lower case, and its parameters; their names are in lower case."""

    main: bytes
    sub: bytes
    parameters: dict[bytes, bytes]


def content_type(fields: Sequence[Field]) -> ContentType | None:
    """Return the parsed Content-Type, or None if it is absent, repeated, too long or malformed."""
    body = only(fields, b"content-type")
    if len(body) > MAX_FIELD:
        return None
    found = TYPE.match(body)
    if found is None:
        return None
    parameters: dict[bytes, bytes] = {}
    position = found.end()
    while parameter := PARAMETER.match(body, position):
        name = parameter[1].lower()
        if name in parameters:
            return None
        parameters[name] = unquoted(parameter[2])
        position = parameter.end()
    if body[position:].strip(b" \t\r\n;"):
        return None
    return ContentType(found[1].lower(), found[2].lower(), parameters)


def only(fields: Sequence[Field], key: bytes) -> bytes:
    """Return the body of the only field with this name, or b"" if there is not exactly one."""
    found = [field.body for field in fields if field.key == key]
    return found[0] if len(found) == 1 else b""


def is_boundary(boundary: bytes) -> bool:
    """Whether this is a valid multipart boundary that all readers find at the same places."""
    return 0 < len(boundary) <= MAX_BOUNDARY and not boundary.translate(None, BOUNDARY_BYTES)


def unquoted(value: bytes) -> bytes:
    """Return the value of a token or a quoted string (RFC 5322, 3.2.4)."""
    if not value.startswith(b'"'):
        return value
    return re.sub(rb"\\(.)", rb"\1", value[1:-1], flags=re.DOTALL)
