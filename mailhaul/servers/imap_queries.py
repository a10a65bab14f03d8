"""Parse the data items of FETCH (RFC 3501, 6.4.5) and the flags of STORE and APPEND."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ..protocols.imap.arguments import Arguments, BadSyntax
from ..protocols.imap.events import Code
from ..protocols.imap.strings import quoted

SYSTEM_FLAGS = (rb"\Answered", rb"\Flagged", rb"\Deleted", rb"\Seen", rb"\Draft")


class Refused(Exception):
    """A command is answered with NO; ``str()`` is the reason, in ASCII."""

    def __init__(self, why: str, code: Code | None = None) -> None:
        super().__init__(why)
        self.code = code


@dataclass(frozen=True, slots=True)
class TextItem:
    """A data item that requests message text. ``marks`` is true if fetching it sets \\Seen.

    ``old_name`` is the name of the item if it is not BODY[section]. ``partial`` is the offset of
    the first requested octet, and the number of octets.
    """

    section: bytes
    marks: bool
    old_name: bytes = b""
    partial: tuple[int, int] | None = None

    @property
    def name(self) -> bytes:
        """The name of the item in a FETCH response."""
        origin = b"<%d>" % self.partial[0] if self.partial else b""
        return self.old_name or b"BODY[%b]%b" % (self.section, origin)


OLD_ITEMS = {
    b"RFC822": TextItem(b"", True, b"RFC822"),
    b"RFC822.HEADER": TextItem(b"HEADER", False, b"RFC822.HEADER"),
    b"RFC822.TEXT": TextItem(b"TEXT", True, b"RFC822.TEXT"),
}
STRUCTURE_ITEMS = frozenset({b"ENVELOPE", b"BODY", b"BODYSTRUCTURE"})
"""The data items that require the message to be parsed."""
DATA_ITEMS = STRUCTURE_ITEMS | {b"UID", b"FLAGS", b"RFC822.SIZE", b"INTERNALDATE", b"MODSEQ"}
FAST = frozenset({b"FLAGS", b"INTERNALDATE", b"RFC822.SIZE"})
MACROS = {
    b"FAST": FAST,
    b"ALL": FAST | {b"ENVELOPE"},
    b"FULL": FAST | {b"ENVELOPE", b"BODY"},
}
"""Words that stand for several data items; they are not allowed in a list."""
PART = re.compile(rb"[1-9]\d{0,9}(?:\.[1-9]\d{0,9})*")
PARTIAL = re.compile(rb"<(\d{1,10})\.([1-9]\d{0,9})>")
HEADER_FIELDS = frozenset({b"HEADER.FIELDS", b"HEADER.FIELDS.NOT"})
PLAIN_NAME = re.compile(rb"[^\x00-\x20\x7f-\xff(){%*\"\\\]]+")


def read_items(items: bytes) -> tuple[list[TextItem], frozenset[bytes]]:
    """Return the data items of a FETCH: texts, in order, and names of others. Raises BadSyntax."""
    if items.upper() in MACROS:
        return [], MACROS[items.upper()]
    arguments = Arguments([items])
    if arguments.ahead(b"("):
        found = arguments.listed(lambda: read_item(arguments), "items")
    else:
        found = [read_item(arguments)]
    arguments.end()
    texts = [item for item in found if isinstance(item, TextItem)]
    return texts, frozenset(item for item in found if isinstance(item, bytes))


ITEM = re.compile(rb"[A-Za-z0-9.]+")


def read_item(arguments: Arguments) -> TextItem | bytes:
    """Parse one data item: a text, or the name of another item. Raises BadSyntax."""
    found = arguments.match(ITEM)
    name = found[0].upper() if found else b""
    if name in {b"BODY", b"BODY.PEEK"} and arguments.skip(b"["):
        section = read_section(arguments)
        arguments.expect(b"]", "the end of the section")
        partial = arguments.match(PARTIAL)
        octets = (int(partial[1]), int(partial[2])) if partial else None
        return TextItem(section, marks=name == b"BODY", partial=octets)
    if name in DATA_ITEMS:
        return name
    if name in OLD_ITEMS:
        return OLD_ITEMS[name]
    raise BadSyntax("unknown data item")


def read_section(arguments: Arguments) -> bytes:
    """Parse the section in BODY[...]; return it in upper case. Raises BadSyntax."""
    part = arguments.match(PART)
    if arguments.ahead(b"]"):
        return part[0] if part else b""
    if part:
        arguments.expect(b".", "a dot")
    found = arguments.match(ITEM)
    kind = found[0].upper() if found else b""
    if kind in HEADER_FIELDS:
        arguments.space()
        kind += b" " + field_names(arguments.listed(lambda: arguments.astring("a field"), "fields"))
    elif kind not in {b"HEADER", b"TEXT", *([b"MIME"] if part else [])}:
        raise BadSyntax("unknown section")
    return b"%b.%b" % (part[0], kind) if part else kind


def field_names(names: Sequence[bytes]) -> bytes:
    """Return a list of field names in the form of a response. Raises BadSyntax."""
    upper = [name.upper() for name in names]
    if any(b"\r" in name or b"\n" in name for name in upper):
        raise BadSyntax("a field name cannot contain a line end")
    words = [name if PLAIN_NAME.fullmatch(name) else quoted(name) for name in upper]
    return b"(%b)" % b" ".join(words)


def canonical(flag: bytes) -> bytes:
    """Return a system flag in its canonical case; flags ignore case (RFC 3501, 2.3.2)."""
    for known in SYSTEM_FLAGS:
        if known.lower() == flag.lower():
            return known
    return flag


def flags_to_store(flags: Sequence[bytes]) -> set[bytes]:
    """Return the flags that a client sets. Raises Refused for flags that it cannot set."""
    found = {canonical(flag) for flag in flags}
    if strange := sorted(f for f in found if f.startswith(b"\\") and f not in SYSTEM_FLAGS):
        raise Refused(f"{strange[0].decode('ascii')} cannot be set", Code(b"CANNOT"))
    return found
