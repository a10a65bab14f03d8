"""One line of a transcript: seconds, connection, kind, and what it is about."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from typing import cast

from ...protocols.record import Record
from ...protocols.secret import Secret

FIRST = "# mailhaul transcript, form 1 (docs/trace.md)"
HEARD, TEXT_HEARD = "<", "<text"
SAID, TEXT_SAID = ">", ">text"
EVENT, TEXT_EVENT = "=", "=text"
OPENED, FAULT, INPUT = "open", "fault", "input"

PLAIN = re.compile(rb"[ -\[\]-~]*")
ESCAPE = re.compile(rb"\\(?:x([0-9a-f]{2})|(.))", re.DOTALL)
NAMED = {0x0D: "\\r", 0x0A: "\\n", 0x09: "\\t", 0x5C: "\\\\"}
VALUES = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"\\": b"\\"}


class Line(Record):
    """One line, taken apart."""

    seconds: float
    connection: int
    kind: str
    about: str

    def __str__(self) -> str:
        return f"{self.seconds:.3f} {self.connection} {self.kind} {self.about}"


def parse(text: str) -> Line | None:
    """Take a line apart; None for a comment. Raises ValueError for what is no line."""
    if not text.strip() or text.startswith("#"):
        return None
    seconds, connection, kind, *about = text.rstrip("\n").split(" ", 3)
    return Line(float(seconds), int(connection), kind, about[0] if about else "")


def escaped(data: bytes) -> str:
    """Return bytes as printable ASCII on one line."""
    if PLAIN.fullmatch(data):
        return data.decode("ascii")
    return "".join(
        NAMED.get(octet) or (chr(octet) if 0x20 <= octet < 0x7F else f"\\x{octet:02x}")
        for octet in data
    )


def unescaped(text: str) -> bytes:
    """Return the bytes again."""
    return ESCAPE.sub(
        lambda found: bytes([int(found[1], 16)]) if found[1] else VALUES.get(found[2], found[2]),
        text.encode("ascii", "replace"),
    )


MAX_SECRETS = 10_000
"""Words that a transcript masks: the forms of a thousand passwords."""


class Mask:
    """The secrets of a run. What is masked keeps its length, so that lengths announced hold."""

    def __init__(self) -> None:
        self._known: dict[bytes, None] = {}
        self._words: list[bytes] = []

    def add(self, *secrets: bytes) -> None:
        """Mask these from now on. One octet is in any word, and tells nobody anything.

        Those that were not met for longest are forgotten in the end: a daemon whose accounts get a
        new token each hour would have to look for all of them in all that it writes.
        """
        for secret in secrets:
            if len(secret) > 1:
                self._known.pop(secret, None)
                self._known[secret] = None
        while len(self._known) > MAX_SECRETS:
            del self._known[next(iter(self._known))]
        self._words = sorted(self._known, key=len, reverse=True)

    def __call__(self, data: bytes) -> bytes:
        """Return data with stars in place of the secrets in it."""
        for word in self._words:
            if word in data:
                data = data.replace(word, b"*" * len(word))
        return data


def format_record(value: object, mask: Mask) -> str:
    """Return a command or an event in one form for all runs: as Python, without secrets.

    Unlike ``repr``, sets have an order, and secrets are masked before they are escaped.
    """
    if isinstance(value, Record):
        parts = [
            f"{name}={format_record(getattr(value, name), mask)}" for name in value.shown_fields()
        ]
        return f"{type(value).__name__}({', '.join(parts)})"
    match value:
        case bytes():
            return repr(mask(value))
        case str():
            return repr(mask(value.encode("utf-8", "surrogateescape")).decode("utf-8", "replace"))
        case tuple():
            values = cast(tuple[object, ...], value)
            return f"({''.join(f'{format_record(one, mask)}, ' for one in values)})"
        case frozenset():
            members = cast(frozenset[object], value)
            return f"{{{', '.join(sorted(format_record(one, mask) for one in members))}}}"
        case Mapping():
            pairs = cast(Mapping[object, object], value).items()
            shown = sorted(f"{format_record(k, mask)}: {format_record(v, mask)}" for k, v in pairs)
            return f"{{{', '.join(shown)}}}"
        case Secret():
            # One of other octets than ASCII is sent in another way: IMAP needs a literal.
            return "Secret()" if value.reveal().isascii() else "Secret(8)"
        case Enum():
            return f"{type(value).__name__}.{value.name}"
        case _:
            return repr(value)
