"""Text in PostgreSQL, which stores neither NUL nor octets that are not UTF-8.

In Python such octets are lone surrogates (``surrogateescape``). In the database they are characters
of a private plane, one for each octet, and so are NUL and the octets of such characters themselves.
"""

from __future__ import annotations

import re

from psycopg.adapt import Buffer, Dumper, Loader
from psycopg.postgres import types

from ..ledger.names import OddName

FIRST = 0x10FE00
"""The character that stands for the octet 0."""
ODD = re.compile(f"[\x00\udc80-\udcff{chr(FIRST)}-{chr(FIRST + 255)}]")
PRIVATE = re.compile(f"[{chr(FIRST)}-{chr(FIRST + 255)}]+")
MARK = chr(FIRST).encode()[:2]
"""What the UTF-8 of every such character begins with, and of a few thousand others."""


def escaped(text: str) -> str:
    """Return text that can be stored."""
    return ODD.sub(_escape, text)


def unescaped(text: str) -> str:
    """Return the text that ``escaped`` was given."""
    if not PRIVATE.search(text):
        return text
    octets = PRIVATE.sub(_octets, text)
    return octets.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape")


def _escape(found: re.Match[str]) -> str:
    octets = found.group().encode("utf-8", "surrogateescape")
    return "".join(chr(FIRST + octet) for octet in octets)


def _octets(found: re.Match[str]) -> str:
    return bytes(ord(one) - FIRST for one in found.group()).decode("utf-8", "surrogateescape")


class TextDumper(Dumper):
    """Takes any string of Python to the database."""

    oid = types["text"].oid

    def dump(self, obj: str) -> bytes:
        """Return the octets to send."""
        try:
            data = obj.encode()
        except UnicodeEncodeError:
            return escaped(obj).encode()
        return escaped(obj).encode() if MARK in data or 0 in data else data


class OddNameDumper(TextDumper):
    """Takes a name to the database that is in octets because it is not valid UTF-8."""

    def dump(self, obj: OddName) -> bytes:  # type: ignore[override]  # registered for this type
        """Return the octets to send."""
        return super().dump(obj.decode("utf-8", "surrogateescape"))


class TextLoader(Loader):
    """Takes it back."""

    def load(self, data: Buffer) -> str:
        """Return the string."""
        octets = bytes(data)
        text = octets.decode()
        return unescaped(text) if MARK in octets else text
