"""What an IMAP client asks about messages: search keys and fetch items (RFC 3501, 6.4.4, 6.4.5).

Flags, numbers and sizes can be searched for; dates and words in messages cannot.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ...protocols.errors import ProtocolError
from ...protocols.imap.values import Atom, Value, parse_values
from .mailboxes import Mailbox, Message, Numbered

NESTING = 30
"""Depth of lists, NOT and OR in a search."""
SYSTEM_FLAGS = (rb"\Answered", rb"\Flagged", rb"\Deleted", rb"\Seen", rb"\Draft")

Test = Callable[[Message], bool]


class Refused(Exception):
    """A command is answered with NO; ``str()`` says why, in ASCII."""


@dataclass(frozen=True, slots=True)
class TextItem:
    """Message text to be sent. ``marks`` says that reading it sets \\Seen.

    ``old_name`` is the item's name where that is not BODY[section].
    """

    section: bytes
    marks: bool
    old_name: bytes = b""


OLD_ITEMS = {
    b"RFC822": TextItem(b"", True, b"RFC822"),
    b"RFC822.HEADER": TextItem(b"HEADER", False, b"RFC822.HEADER"),
    b"RFC822.TEXT": TextItem(b"TEXT", True, b"RFC822.TEXT"),
}
FACTS = frozenset({b"UID", b"FLAGS", b"RFC822.SIZE", b"INTERNALDATE"})
SECTIONS = frozenset({b"", b"HEADER", b"TEXT"})


def read_items(items: bytes) -> tuple[list[TextItem], frozenset[bytes]]:
    """Return what a FETCH asks for: texts, in order, and names of facts. Raises Refused."""
    values = parsed(items)
    listed = values[0] if len(values) == 1 and isinstance(values[0], list) else values
    texts: list[TextItem] = []
    facts: set[bytes] = set()
    for value in listed:
        word = value.upper() if isinstance(value, Atom) else b""
        if word in FACTS:
            facts.add(word)
        elif word == b"FAST":
            facts |= FACTS - {b"UID"}
        else:
            texts.append(OLD_ITEMS.get(word) or read_section(word))
    return texts, frozenset(facts)


def read_section(word: bytes) -> TextItem:
    """Return what ``BODY[...]`` or ``BODY.PEEK[...]`` asks for. Raises Refused."""
    name, _, rest = word.partition(b"[")
    section, bracket, partial = rest.partition(b"]")
    if name not in {b"BODY", b"BODY.PEEK"} or not bracket or partial or section not in SECTIONS:
        raise Refused("this item cannot be had here")
    return TextItem(section, marks=name == b"BODY")


def part_of(text: bytes, section: bytes) -> bytes:
    """Return a message's header with its blank line, or what follows it."""
    end = text.find(b"\r\n\r\n")
    end = len(text) if end < 0 else end + 4
    return text[:end] if section == b"HEADER" else text[end:]


def search(criteria: bytes, mailbox: Mailbox) -> Numbered:
    """Return the messages that match all keys. Raises Refused for a key we do not know."""
    test = read_keys(parsed(criteria), mailbox, NESTING)
    return [(place, m) for place, m in enumerate(mailbox.messages, 1) if test(m)]


def read_keys(values: Iterable[Value], mailbox: Mailbox, nesting: int) -> Test:
    """Return the test that all these search keys make together. Raises Refused."""
    left = deque(values)
    tests: list[Test] = []
    while left:
        tests.append(read_key(left, mailbox, nesting))
    if not tests:
        raise Refused("nothing to search for")
    return lambda message: all(test(message) for test in tests)


def read_key(left: deque[Value], mailbox: Mailbox, nesting: int) -> Test:
    """Take one search key, with its arguments, from what is left. Raises Refused."""
    if nesting == 0 or not left:
        raise Refused("this search is incomplete or too deep")
    value = left.popleft()
    if isinstance(value, list):
        return read_keys(value, mailbox, nesting - 1)
    match value.upper() if isinstance(value, Atom) else b"":
        case b"NOT":
            negated = read_key(left, mailbox, nesting - 1)
            return lambda message: not negated(message)
        case b"OR":
            one = read_key(left, mailbox, nesting - 1)
            other = read_key(left, mailbox, nesting - 1)
            return lambda message: one(message) or other(message)
        case b"UID":
            return among(mailbox.with_uids, argument(left))
        case b"LARGER":
            least = octets(left)
            return lambda message: message.size > least
        case b"SMALLER":
            most = octets(left)
            return lambda message: message.size < most
        case key if key[:1].isdigit() or key[:1] == b"*":
            return among(mailbox.numbered, key)
        case key:
            return flag_test(key)


def among(find: Callable[[bytes], Numbered], sequence_set: bytes) -> Test:
    """Return the test for being in a set."""
    try:
        members = {message.uid for _, message in find(sequence_set)}
    except ValueError:
        raise Refused("not a set of numbers") from None
    return lambda message: message.uid in members


def flag_test(key: bytes) -> Test:
    """Return the test of a key without arguments. Raises Refused for one we do not know."""
    if key in {b"ALL", b"OLD"}:
        return lambda message: True
    if key in {b"NEW", b"RECENT"}:
        return lambda message: False
    flag = canonical(b"\\" + key.removeprefix(b"UN"))
    if flag not in SYSTEM_FLAGS:
        raise Refused("this search cannot be done here")
    wanted = not key.startswith(b"UN")
    return lambda message: (flag in message.flags) == wanted


def argument(left: deque[Value]) -> bytes:
    """Take a word. Raises Refused."""
    value = left.popleft() if left else None
    if not isinstance(value, Atom):
        raise Refused("a search key without its argument")
    return value


def octets(left: deque[Value]) -> int:
    """Take a number of octets. Raises Refused."""
    word = argument(left)
    if not word.isdigit() or len(word) > 20:
        raise Refused("not a number")
    return int(word)


def canonical(flag: bytes) -> bytes:
    """Return a system flag as we write it; flags are the same in any case (RFC 3501, 2.3.2)."""
    for known in SYSTEM_FLAGS:
        if known.lower() == flag.lower():
            return known
    return flag


def parsed(text: bytes) -> list[Value]:
    """Return words and lists. Raises Refused."""
    try:
        return parse_values([text], NESTING)
    except ProtocolError:
        raise Refused("this cannot be read") from None
