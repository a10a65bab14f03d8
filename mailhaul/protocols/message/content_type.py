"""What a part of a message says about its form: Content-Type and its like (RFC 2045, section 5.1).

Read strictly: what different readers could take for different things is nothing at all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..record import Record
from .header import Field

TYPE = re.compile(rb"\s*([\w!#$&^.+-]+)/([\w!#$&^.+-]+)\s*")
PARAMETER = re.compile(rb';\s*([^\s;="()]+)\s*=\s*("(?:[^"\\]++|\\.)*+"|[^\s;"()]+)\s*', re.DOTALL)
BOUNDARY_BYTES = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'()+_,-./:=?"
"""What a boundary is made of (RFC 2046, 5.1.1), less the blank, which may not be its last."""
BOUNDARY_LIMIT = 70
FIELD_LIMIT = 64 * 1024
"""Octets of a field above which it is not taken apart."""


class ContentType(Record):
    """A media type in lower case, and its parameters with their names in lower case."""

    main: bytes
    sub: bytes
    parameters: dict[bytes, bytes]


def content_type(fields: Sequence[Field]) -> ContentType | None:
    """Return what the one Content-Type field says; None where there is none or no sense in it."""
    body = only(fields, b"content-type")
    if len(body) > FIELD_LIMIT:
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
    """Return the body of the field of this name, b"" where there is none or more than one."""
    found = [field.body for field in fields if field.key == key]
    return found[0] if len(found) == 1 else b""


def is_boundary(boundary: bytes) -> bool:
    """Whether this can separate the parts of a multipart, and everybody agrees where."""
    return 0 < len(boundary) <= BOUNDARY_LIMIT and not boundary.translate(None, BOUNDARY_BYTES)


def unquoted(value: bytes) -> bytes:
    """Return what a token or a quoted string stands for (RFC 5322, 3.2.4)."""
    if not value.startswith(b'"'):
        return value
    return re.sub(rb"\\(.)", rb"\1", value[1:-1], flags=re.DOTALL)
