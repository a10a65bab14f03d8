"""The grammar of what FETCH returns for a message (RFC 3501, section 9): ENVELOPE, BODYSTRUCTURE.

Every function raises Broken for a value that does not follow it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NoReturn

from ...protocols.imap.values import Text, Value
from ..verdicts import fail
from .contents import number_of

DATE_TIME = re.compile(
    rb"(?: \d|\d\d)-(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)-\d{4}"
    rb" \d\d:\d\d:\d\d [+-]\d{4}",
    re.IGNORECASE,
)
ENVELOPE_FIELDS = 10


def check_date_time(value: Value) -> None:
    """Check an INTERNALDATE."""
    if not isinstance(value, Text) or not DATE_TIME.fullmatch(value):
        wrong("a date-time in quotes", value)


def check_envelope(value: Value) -> None:
    """Check an ENVELOPE: ten fields, six of which are lists of addresses."""
    fields = listed(value, "an envelope")
    if len(fields) != ENVELOPE_FIELDS:
        wrong("an envelope of ten fields", value)
    for field in (*fields[:2], *fields[8:]):
        nstring(field)
    for addresses in fields[2:8]:
        if addresses is None:
            continue
        for address in listed(addresses, "a list of addresses, or NIL", least=1):
            for part in exactly(address, 4, "an address of four parts"):
                nstring(part)


def check_structure(value: Value) -> None:
    """Check a BODYSTRUCTURE, or a BODY without a section."""
    values = listed(value, "the structure of a body", least=2)
    if isinstance(values[0], list):
        count = next((n for n, part in enumerate(values) if not isinstance(part, list)), 0)
        for part in values[:count]:
            check_structure(part)
        string(values[count] if count else None)
        if len(values) > count + 1:
            parameters(values[count + 1])
            check_extension(values[count + 2 :])
        return
    if len(values) < 7:
        wrong("a part with at least seven fields", value)
    kind = (string(values[0]).lower(), string(values[1]).lower())
    parameters(values[2])
    nstring(values[3])
    nstring(values[4])
    string(values[5])
    number_of(values[6])
    rest = values[7:]
    if kind == (b"message", b"rfc822"):
        envelope, structure, *rest = [*rest, None, None][: max(2, len(rest))]
        check_envelope(envelope)
        check_structure(structure)
    if kind == (b"message", b"rfc822") or kind[0] == b"text":
        if not rest:
            wrong("the number of lines of a text or message part", value)
        number_of(rest.pop(0))
    if rest:
        nstring(rest[0])
        check_extension(rest[1:])


def check_extension(values: Sequence[Value]) -> None:
    """Check disposition, language and location, as far as they are there."""
    if values and values[0] is not None:
        disposition = exactly(values[0], 2, "a disposition and its parameters, or NIL")
        string(disposition[0])
        parameters(disposition[1])
    if len(values) > 1:
        languages = values[1]
        for language in languages if isinstance(languages, list) else [languages]:
            nstring(language)
    if len(values) > 2:
        nstring(values[2])


def parameters(value: Value) -> dict[bytes, bytes]:
    """Return the parameters of a part by their names in lower case; NIL means none."""
    if value is None:
        return {}
    words = [string(word) for word in listed(value, "parameters, or NIL", least=2)]
    if len(words) % 2:
        wrong("names and values of parameters", value)
    return {name.lower(): word for name, word in zip(words[::2], words[1::2], strict=True)}


def listed(value: Value, what: str, least: int = 0) -> list[Value]:
    """Return a list of at least so many values."""
    if not isinstance(value, list) or len(value) < least:
        wrong(what, value)
    return value


def exactly(value: Value, count: int, what: str) -> list[Value]:
    """Return a list of so many values."""
    values = listed(value, what)
    if len(values) != count:
        wrong(what, value)
    return values


def string(value: Value) -> bytes:
    """Return a quoted string or a literal."""
    if not isinstance(value, Text):
        wrong("a string", value)
    return bytes(value)


def nstring(value: Value) -> bytes | None:
    """Return a string, or None for NIL."""
    return None if value is None else string(value)


def wrong(expected: str, value: Value) -> NoReturn:
    """Raise Broken."""
    fail(expected, repr(value)[:300])
