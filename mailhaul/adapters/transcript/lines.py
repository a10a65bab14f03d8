"""One line of a transcript: seconds, connection, kind, and content."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from typing import cast

from ...protocols.record import Record
from ...protocols.secret import Secret

FIRST_LINE = "# mailhaul transcript, form 1 (docs/trace.md)"
RECEIVED, TEXT_RECEIVED = "<", "<text"
SENT, TEXT_SENT = ">", ">text"
EVENT, TEXT_EVENT = "=", "=text"
OPENED, FAULT, INPUT = "open", "fault", "input"

PLAIN = re.compile(rb"[ -\[\]-~]*")
ESCAPE = re.compile(rb"\\(?:x([0-9a-f]{2})|(.))", re.DOTALL)
NAMED = {0x0D: "\\r", 0x0A: "\\n", 0x09: "\\t", 0x5C: "\\\\"}
VALUES = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"\\": b"\\"}


class Line(Record):
    """One line, parsed. ``seconds`` count from the start of the transcript."""

    seconds: float
    connection: int
    kind: str
    about: str

    def __str__(self) -> str:
        return f"{self.seconds:.3f} {self.connection} {self.kind} {self.about}"


def parse(text: str) -> Line | None:
    """Parse a line; return None for a comment. Raises ValueError for anything else."""
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
    """Return the original bytes of an escaped text."""
    return ESCAPE.sub(
        lambda found: bytes([int(found[1], 16)]) if found[1] else VALUES.get(found[2], found[2]),
        text.encode("ascii", "replace"),
    )


MAX_SECRETS = 10_000
"""The maximum number of words that a transcript masks: about a thousand passwords."""


class Mask:
    """The secrets of a run. Masked text keeps its length, so that announced lengths stay valid."""

    def __init__(self) -> None:
        self._known: dict[bytes, None] = {}
        self._words: list[bytes] = []

    def add(self, *secrets: bytes) -> None:
        """Mask these from now on. Secrets of a single octet are ignored.

        Above MAX_SECRETS the oldest are removed: otherwise a daemon whose accounts get a new token
        every hour would search for an ever growing number of them.
        """
        for secret in secrets:
            if len(secret) > 1:
                self._known.pop(secret, None)
                self._known[secret] = None
        while len(self._known) > MAX_SECRETS:
            del self._known[next(iter(self._known))]
        self._words = sorted(self._known, key=len, reverse=True)

    def __call__(self, data: bytes) -> bytes:
        """Return data with its secrets replaced by asterisks."""
        for word in self._words:
            if word in data:
                data = data.replace(word, b"*" * len(word))
        return data


def format_record(value: object, mask: Mask) -> str:
    """Return a command or an event in a reproducible form: a Python expression without secrets.

    Unlike with ``repr``, sets are sorted, and secrets are masked before they are escaped.
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
            items = sorted(f"{format_record(k, mask)}: {format_record(v, mask)}" for k, v in pairs)
            return f"{{{', '.join(items)}}}"
        case Secret():
            # A secret that is not ASCII is sent differently: IMAP requires a literal.
            return "Secret()" if value.reveal().isascii() else "Secret(8)"
        case Enum():
            return f"{type(value).__name__}.{value.name}"
        case _:
            return repr(value)
