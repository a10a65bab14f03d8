"""Convert the items of a FETCH response to events (RFC 3501, section 7.4.2)."""

from __future__ import annotations

import re
from functools import lru_cache

from ..errors import RemoteProtocolError
from ..limits import Limits
from ..record import Record
from .events import BodyChunk, BodyEnd, BodyStart, Fetched, NoText
from .values import Atom, Streamed, Text, Value, Values, number

OLD_NAMES = {b"RFC822": b"", b"RFC822.HEADER": b"HEADER", b"RFC822.TEXT": b"TEXT"}
"""The old item names of message text, with their sections."""
SECTION = rb"(BODY|BINARY)\[([^\]]*)\](?:<(\d{1,20})>)?"
"""The item names of message text (RFC 3501, section 9; RFC 3516, section 4.2)."""
TextEvent = BodyStart | BodyChunk | BodyEnd | NoText


class TextItem(Record):
    """The parsed name of a FETCH item that is message text; see BodyStart."""

    section: bytes
    old_name: bytes = b""
    origin: int | None = None
    binary: bool = False

    def start(self, number: int, uid: int | None, size: int) -> BodyStart:
        """Return the event that begins the text."""
        return BodyStart(number, uid, self.section, size, self.old_name, self.origin, self.binary)


@lru_cache(maxsize=64)
def text_item(name: bytes) -> TextItem | None:
    """Parse an item name in upper case; return None if the item is not message text."""
    if name in OLD_NAMES:
        return TextItem(OLD_NAMES[name], name)
    found = re.fullmatch(SECTION, name)
    if not found:
        return None
    kind, section, origin = found.groups()
    return TextItem(section, b"", None if origin is None else int(origin), kind == b"BINARY")


def text_start(values: Values, size: int, limits: Limits) -> BodyStart | None:
    """Return the event that begins a literal with message text, or None for other literals."""
    items = fetch_items(values.top)
    if items is None or items is not values.innermost or len(items) % 2 == 0:
        return None
    name = items[-1]
    item = text_item(name.upper()) if isinstance(name, Atom) else None
    if item is None:
        return None
    known = dict(pairs(items[:-1]))
    sequence = number(values.top[1], limits.digits) or 0
    return item.start(sequence, number(known.get(b"UID"), limits.digits), size)


def fetch_items(values: list[Value]) -> list[Value] | None:
    """Return the values in the parentheses of ``* 7 FETCH (...)``, or None."""
    if len(values) == 4 and isinstance(values[2], Atom) and values[2].upper() == b"FETCH":
        items = values[3]
        if isinstance(items, list):
            return items
    return None


def pairs(items: list[Value]) -> list[tuple[bytes, Value]]:
    """Return the names, in upper case, and the values of FETCH items."""
    named: list[tuple[bytes, Value]] = []
    for name, value in zip(items[::2], items[1::2], strict=True):
        if not isinstance(name, Atom):
            raise RemoteProtocolError("FETCH item name is not an atom", state="selected")
        named.append((name.upper(), value))
    return named


def fetched(values: list[Value], limits: Limits) -> tuple[list[TextEvent], Fetched]:
    """Return the events of a FETCH response: those of quoted message text, then Fetched."""
    items = fetch_items(values)
    sequence = number(values[1], limits.digits) if len(values) > 1 else None
    if items is None or sequence is None or len(items) % 2:
        raise RemoteProtocolError("malformed FETCH response", state="selected")
    known: dict[bytes, Value] = {}
    texts: list[tuple[TextItem, bytes | None]] = []
    for name, value in pairs(items):
        item = text_item(name)
        if item is None:
            known[name] = value
        elif not isinstance(value, Streamed | list):
            texts.append((item, value))
    event = facts_of(sequence, known, limits.digits)
    events: list[TextEvent] = []
    for item, data in texts:
        if data is None:
            events.append(NoText(sequence, event.uid, item.section))
            continue
        events.append(item.start(sequence, event.uid, len(data)))
        events += [BodyChunk(bytes(data))] if data else []
        events.append(BodyEnd())
    return events, event


def facts_of(sequence: int, known: dict[bytes, Value], digits: int) -> Fetched:
    """Return the event for the items except message text. Removes items from ``known``."""
    uid = number(known.pop(b"UID", None), digits)
    if not known:
        return Fetched(sequence, uid)
    flags = known.pop(b"FLAGS", None)
    date = known.pop(b"INTERNALDATE", None)
    modseq = known.pop(b"MODSEQ", None)
    return Fetched(
        sequence,
        uid,
        number(known.pop(b"RFC822.SIZE", None), digits),
        tuple(bytes(f) for f in flags if isinstance(f, bytes)) if isinstance(flags, list) else None,
        bytes(date) if isinstance(date, Text) else None,
        number(modseq[0], digits) if isinstance(modseq, list) and modseq else None,
        tuple(known.items()),
    )
