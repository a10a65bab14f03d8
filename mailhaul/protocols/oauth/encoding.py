"""Forms, base64url and JSON as OAuth uses them, and the words of a server made safe to show."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from typing import Final, cast
from urllib.parse import quote_plus, urlencode

from ..hidden import Hidden
from ..secret import Secret

MAX_JSON: Final = 256 * 1024
"""Octets of a JSON document that is read. A token of Microsoft has some 3,000."""
MAX_WORDS: Final = 300
"""Characters of a server's text that are kept."""
FORM: Final = "application/x-www-form-urlencoded"


def base64url(data: bytes) -> str:
    """Encode without padding (RFC 7515, appendix C)."""
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def form(parameters: Mapping[str, str]) -> bytes:
    """Return parameters as the body of a form (RFC 6749, appendix B); those with "" are left out.

    RFC 6749, 3.1: parameters without a value are treated as if they were omitted.
    """
    given = {name: value for name, value in parameters.items() if value}
    return urlencode(given, errors="surrogateescape").encode("ascii")


def json_object(data: bytes) -> dict[str, object] | None:
    """Return a JSON object; None for anything else."""
    if len(data) > MAX_JSON:
        return None
    try:
        found: object = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, object]", found) if isinstance(found, dict) else None


def compact_json(value: Mapping[str, object]) -> bytes:
    """Return an object as JSON without spaces."""
    return json.dumps(value, separators=(",", ":")).encode("utf-8")


def text_of(document: Mapping[str, object], name: str) -> str:
    """Return a text in a JSON object; "" if it is missing or not a text."""
    value = document.get(name)
    return value if isinstance(value, str) else ""


def texts_of(document: Mapping[str, object], name: str) -> tuple[str, ...] | None:
    """Return a list of texts in a JSON object; None if it is missing or not a list."""
    value = document.get(name)
    if not isinstance(value, list):
        return None
    return tuple(item for item in cast("list[object]", value) if isinstance(item, str))


def seconds_of(document: Mapping[str, object], name: str, most: int) -> int | None:
    """Return a number of seconds in a JSON object, between 0 and ``most``; None if it is missing.

    Some servers send the number as a text.
    """
    value = document.get(name)
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        value = int(value[:12])
    # JSON of Python knows NaN, which is in no order with any number.
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e15:
        return None
    return int(min(max(value, 0), most))


def plain_words(text: str, secrets: Iterable[Secret] = ()) -> str:
    """Return a server's text in one line: short, printable, and without these secrets."""
    hidden = Hidden()
    for secret in secrets:
        value = secret.reveal()
        hidden.add(value, quote_plus(value).encode("ascii"))
    # Cut with room to spare first, then hide, then cut: no secret is cut in two at the end.
    start = text[: MAX_WORDS * 4].encode("utf-8", "replace")
    shown = hidden.clean_cut(start).decode("utf-8", "replace")
    line = " ".join("".join(c if c.isprintable() else " " for c in shown).split())
    return line if len(line) <= MAX_WORDS else f"{line[: MAX_WORDS - 3]}..."
