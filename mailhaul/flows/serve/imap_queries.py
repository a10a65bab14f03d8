"""What an IMAP client asks about messages: search keys and fetch items (RFC 3501, 6.4.4, 6.4.5)."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ...protocols.errors import ProtocolError
from ...protocols.imap.events import Code
from ...protocols.imap.values import Atom, Text, Value, parse_values
from .mailboxes import Message, Messages, Numbered

NESTING = 30
"""Depth of lists, NOT and OR in a search."""
SYSTEM_FLAGS = (rb"\Answered", rb"\Flagged", rb"\Deleted", rb"\Seen", rb"\Draft")
MONTHS = b"jan feb mar apr may jun jul aug sep oct nov dec".split()
END_OF_HEADER = re.compile(rb"(?:\A|\r?\n)\r?\n")
CHARSETS = {b"UTF-8", b"US-ASCII"}

Test = Callable[[Message], bool]
Day = tuple[int, int, int]
"""Year, month and day, which compare as they should."""


class Refused(Exception):
    """A command is answered with NO; ``str()`` says why, in ASCII."""

    def __init__(self, why: str, code: Code | None = None) -> None:
        super().__init__(why)
        self.code = code


@dataclass(frozen=True, slots=True)
class TextItem:
    """Message text to be sent. ``marks`` says that reading it sets \\Seen.

    ``old_name`` is the item's name where that is not BODY[section]. ``partial`` is the first octet
    that is wanted, and how many.
    """

    section: bytes
    marks: bool
    old_name: bytes = b""
    partial: tuple[int, int] | None = None


OLD_ITEMS = {
    b"RFC822": TextItem(b"", True, b"RFC822"),
    b"RFC822.HEADER": TextItem(b"HEADER", False, b"RFC822.HEADER"),
    b"RFC822.TEXT": TextItem(b"TEXT", True, b"RFC822.TEXT"),
}
ENTRIES = frozenset({b"ENVELOPE", b"BODY", b"BODYSTRUCTURE"})
"""Facts for which a message has to be taken apart."""
FACTS = ENTRIES | {b"UID", b"FLAGS", b"RFC822.SIZE", b"INTERNALDATE", b"MODSEQ"}
FAST = frozenset({b"FLAGS", b"INTERNALDATE", b"RFC822.SIZE"})
MACROS = {
    b"FAST": FAST,
    b"ALL": FAST | {b"ENVELOPE"},
    b"FULL": FAST | {b"ENVELOPE", b"BODY"},
}
SECTION = re.compile(
    rb"BODY(\.PEEK)?\[((?:HEADER|TEXT|HEADER\.FIELDS(?:\.NOT)? \([^)]+\)|"
    rb"(?:\d{1,4}\.){0,19}(?:\d{1,4}|MIME|HEADER|TEXT|HEADER\.FIELDS(?:\.NOT)? \([^)]+\)))?)\]"
    rb"(?:<(\d{1,10})\.(\d{1,10})>)?",
    re.IGNORECASE,
)


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
        elif word in MACROS:
            facts |= MACROS[word]
        elif word in OLD_ITEMS:
            texts.append(OLD_ITEMS[word])
        else:
            texts.append(read_section(value if isinstance(value, Atom) else b""))
    return texts, frozenset(facts)


def read_section(word: bytes) -> TextItem:
    """Return what ``BODY[...]`` or ``BODY.PEEK[...]`` asks for. Raises Refused."""
    found = SECTION.fullmatch(word)
    if not found or found[2].upper() == b"MIME":
        raise Refused("this item cannot be had here")
    partial = (int(found[3]), int(found[4])) if found[3] else None
    return TextItem(found[2].upper(), marks=not found[1], partial=partial)


def part_of(text: bytes, section: bytes) -> bytes | None:
    """Return a section of a message; None for a part that is not there."""
    if section in {b"HEADER", b"TEXT"}:
        return split(text)[section == b"TEXT"]
    from .mime import section_of  # the email package is loaded where it is used

    return section_of(text, section)


def split(text: bytes) -> tuple[bytes, bytes]:
    """Return a header with its blank line, and what follows it."""
    found = END_OF_HEADER.search(text)
    end = found.end() if found else len(text)
    return text[:end], text[end:]


# Searching


def search(criteria: bytes, messages: Messages) -> Numbered:
    """Return the messages that match all keys. Raises Refused for a key we do not know."""
    values = parsed(criteria)
    match values:
        case [Atom() as word, Atom() | Text() as charset, *rest] if word.upper() == b"CHARSET":
            if charset.upper() not in CHARSETS:
                raise Refused("this charset is unknown", Code(b"BADCHARSET", b"(UTF-8)"))
            values = rest
        case _:
            pass
    test = read_keys(values, messages, NESTING)
    return [(place, m) for place, m in enumerate(messages.messages, 1) if test(m)]


def read_keys(values: Iterable[Value], messages: Messages, nesting: int) -> Test:
    """Return the test that all these search keys make together. Raises Refused."""
    left = deque(values)
    tests: list[Test] = []
    while left:
        tests.append(read_key(left, messages, nesting))
    if not tests:
        raise Refused("nothing to search for")
    return lambda message: all(test(message) for test in tests)


def read_key(left: deque[Value], messages: Messages, nesting: int) -> Test:
    """Take one search key, with its arguments, from what is left. Raises Refused."""
    if nesting == 0 or not left:
        raise Refused("this search is incomplete or too deep")
    value = left.popleft()
    if isinstance(value, list):
        return read_keys(value, messages, nesting - 1)
    key = value.upper() if isinstance(value, Atom) else b""
    match key:
        case b"NOT":
            negated = read_key(left, messages, nesting - 1)
            return lambda message: not negated(message)
        case b"OR":
            one = read_key(left, messages, nesting - 1)
            other = read_key(left, messages, nesting - 1)
            return lambda message: one(message) or other(message)
        case b"UID":
            return among(messages.with_uids, argument(left))
        case _ if key in WITH_ARGUMENTS:
            return WITH_ARGUMENTS[key](left)
        case _ if key[:1].isdigit() or key[:1] == b"*":
            return among(messages.numbered, key)
        case _:
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


def keyword(left: deque[Value]) -> Test:
    """Return the test for a flag by its name."""
    flag = argument(left).lower()
    return lambda message: flag in {known.lower() for known in message.flags}


def without(test: Callable[[deque[Value]], Test]) -> Callable[[deque[Value]], Test]:
    """Return what makes the opposite test."""

    def make(left: deque[Value]) -> Test:
        made = test(left)
        return lambda message: not made(message)

    return make


def larger(left: deque[Value]) -> Test:
    """Return the test for having more octets."""
    least = octets(left)
    return lambda message: message.size > least


def smaller(left: deque[Value]) -> Test:
    """Return the test for having fewer octets."""
    most = octets(left)
    return lambda message: message.size < most


def changed(left: deque[Value]) -> Test:
    """Return the test for a change number (RFC 7162, 3.1.5); a flag's name may stand before it."""
    if left and isinstance(left[0], Text):
        left.popleft()
        argument(left)
    least = octets(left)
    return lambda message: message.modseq >= least


def has_text(*, header: bool) -> Callable[[deque[Value]], Test]:
    """Return what makes the test for words anywhere, or in the body only."""

    def make(left: deque[Value]) -> Test:
        words = string(left).lower()
        return lambda m: words in (m.text if header else part_of(m.text, b"TEXT") or b"").lower()

    return make


def has_field(name: bytes = b"") -> Callable[[deque[Value]], Test]:
    """Return what makes the test for words in a field; without a name, that comes first."""

    def make(left: deque[Value]) -> Test:
        field = (name or string(left)).lower()
        words = string(left).lower()
        return lambda message: any(words in value.lower() for value in values_of(message, field))

    return make


def values_of(message: Message, name: bytes) -> list[bytes]:
    """Return the values of a header's fields with this name, in lower case, unfolded."""
    from .mime import fields_of

    header = part_of(message.text, b"HEADER") or b""
    found = [field for known, field in fields_of(header) if known.lower() == name]
    return [field.partition(b":")[2].replace(b"\r\n", b"").strip() for field in found]


def on_day(fits: Callable[[Day, Day], bool], *, sent: bool) -> Callable[[deque[Value]], Test]:
    """Return what makes the test for the day of arrival, or of the Date field."""

    def make(left: deque[Value]) -> Test:
        day = read_day(string(left))
        if day is None:
            raise Refused("not a date")

        def test(message: Message) -> bool:
            there = sent_day(message) if sent else read_day(message.date.strip()[:11])
            return there is not None and fits(there, day)

        return test

    return make


def before(one: Day, other: Day) -> bool:
    """Whether a day is earlier."""
    return one < other


def same(one: Day, other: Day) -> bool:
    """Whether it is the same day."""
    return one == other


def not_before(one: Day, other: Day) -> bool:
    """Whether a day is not earlier."""
    return one >= other


def sent_day(message: Message) -> Day | None:
    """Return the day in the Date field, None without one that can be read."""
    words = b" ".join(values_of(message, b"date")[:1]).partition(b",")
    found = re.search(rb"(\d{1,2}) (\w{3})\w* (\d{4})", words[2] or words[0])
    return read_day(b"-".join(found.groups())) if found else None


def read_day(text: bytes) -> Day | None:
    """Return the day that ``17-Jul-1996`` is, None for what is no date."""
    match text.lower().split(b"-"):
        case [day, month, year] if month in MONTHS and (day + year).isdigit():
            found = (int(year[:4]), MONTHS.index(month) + 1, int(day[:2]))
            return found if 1 <= found[2] <= 31 else None
        case _:
            return None


WITH_ARGUMENTS: dict[bytes, Callable[[deque[Value]], Test]] = {
    b"LARGER": larger,
    b"SMALLER": smaller,
    b"KEYWORD": keyword,
    b"UNKEYWORD": without(keyword),
    b"MODSEQ": changed,
    b"BODY": has_text(header=False),
    b"TEXT": has_text(header=True),
    b"HEADER": has_field(),
    **{name: has_field(name) for name in (b"FROM", b"TO", b"CC", b"BCC", b"SUBJECT")},
    b"BEFORE": on_day(before, sent=False),
    b"ON": on_day(same, sent=False),
    b"SINCE": on_day(not_before, sent=False),
    b"SENTBEFORE": on_day(before, sent=True),
    b"SENTON": on_day(same, sent=True),
    b"SENTSINCE": on_day(not_before, sent=True),
}
"""Search keys that take arguments."""


def string(left: deque[Value]) -> bytes:
    """Take a word or a string. Raises Refused."""
    value = left.popleft() if left else None
    if not isinstance(value, Atom | Text):
        raise Refused("a search key without its argument")
    return bytes(value)


def argument(left: deque[Value]) -> bytes:
    """Take a word. Raises Refused."""
    value = left.popleft() if left else None
    if not isinstance(value, Atom):
        raise Refused("a search key without its argument")
    return value


def octets(left: deque[Value]) -> int:
    """Take a number. Raises Refused."""
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
