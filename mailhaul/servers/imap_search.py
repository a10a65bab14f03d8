"""Parse and apply the search keys of the IMAP server (RFC 3501, 6.4.4; RFC 7162, 3.1.5)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from ..protocols.imap.arguments import ATOM, SEQUENCE_SET, Arguments, BadSyntax
from ..protocols.imap.events import Code
from .imap_queries import SYSTEM_FLAGS, Refused, canonical
from .mailboxes import MONTHS, Messages, Numbered
from .parsed_message import ParsedMessage, folded, readable

MAX_NESTING = 30
"""Maximum depth of nested lists, NOT and OR in a search."""
CHARSETS = {b"UTF-8", b"US-ASCII"}
CHARSET = re.compile(rb"CHARSET ", re.IGNORECASE)
DATE = re.compile(rb"(\d{1,2})-([A-Za-z]{3})-(\d{4})")
SENT = re.compile(rb"(\d{1,2})\s+([A-Za-z]{3})[A-Za-z]*\s+(\d{4})")

Test = Callable[[ParsedMessage], bool]
Day = tuple[int, int, int]
"""Year, month and day; earlier days are smaller."""


class Query(NamedTuple):
    """The test of a search, and whether its result needs mod-sequences."""

    test: Test
    with_modseq: bool = False


def search(criteria: bytes, messages: Messages) -> Numbered:
    """Return the messages that match all search keys. Raises BadSyntax and Refused."""
    return matching(read_query(criteria, messages), messages)


def matching(query: Query, messages: Messages) -> Numbered:
    """Return the messages that match a query."""
    numbered = enumerate(messages.messages, 1)
    return [(number, message) for number, message in numbered if query.test(ParsedMessage(message))]


def read_query(criteria: bytes, messages: Messages) -> Query:
    """Parse the criteria of SEARCH. Raises BadSyntax for a syntax error.

    Raises Refused for an unknown charset, and for keys that are nested too deeply.
    """
    arguments = Arguments([criteria])
    if arguments.match(CHARSET):
        if arguments.astring("a charset").upper() not in CHARSETS:
            raise Refused("unknown charset", Code(b"BADCHARSET", b"(US-ASCII UTF-8)"))
        arguments.space()
    reader = KeyReader(arguments, messages)
    tests = [reader.key(MAX_NESTING)]
    while not arguments.over:
        arguments.space()
        tests.append(reader.key(MAX_NESTING))
    return Query(all_of(tests), reader.with_modseq)


def all_of(tests: list[Test]) -> Test:
    """Return a test that is true if all these tests are true."""
    return tests[0] if len(tests) == 1 else lambda message: all(test(message) for test in tests)


class KeyReader:
    """Parses search keys from the arguments of a command. Every method raises BadSyntax."""

    def __init__(self, arguments: Arguments, messages: Messages) -> None:
        self._arguments = arguments
        self._messages = messages
        self.with_modseq = False

    def key(self, nesting: int) -> Test:
        """Parse one search key with its arguments. Raises Refused if ``nesting`` is 0."""
        if nesting == 0:
            raise Refused("the search keys are nested too deeply")
        arguments = self._arguments
        if arguments.ahead(b"("):
            return all_of(arguments.listed(lambda: self.key(nesting - 1), "search keys"))
        if numbers := arguments.match(SEQUENCE_SET):
            return in_set(self._messages.numbered, numbers[0])
        match arguments.word("a search key"):
            case b"NOT":
                negated = self._next(nesting)
                return lambda message: not negated(message)
            case b"OR":
                one, other = self._next(nesting), self._next(nesting)
                return lambda message: one(message) or other(message)
            case b"UID":
                arguments.space()
                return in_set(self._messages.with_uids, arguments.sequence_set())
            case b"MODSEQ":
                self.with_modseq = True
                arguments.space()
                return modseq_at_least(arguments)
            case key if key in WITH_ARGUMENTS:
                arguments.space()
                return WITH_ARGUMENTS[key](arguments)
            case key:
                return self._flag(key)

    def _next(self, nesting: int) -> Test:
        self._arguments.space()
        return self.key(nesting - 1)

    def _flag(self, key: bytes) -> Test:
        """Return the test of a key without arguments."""
        recent = self._messages.recent
        match key:
            case b"ALL":
                return lambda message: True
            case b"RECENT":
                return lambda message: message.message.uid in recent
            case b"OLD":
                return lambda message: message.message.uid not in recent
            case b"NEW":
                return lambda message: message.message.uid in recent and not has(message, rb"\Seen")
            case _:
                pass
        flag = canonical(b"\\" + key.removeprefix(b"UN"))
        if flag not in SYSTEM_FLAGS:
            raise BadSyntax("unknown search key")
        wanted = not key.startswith(b"UN")
        return lambda message: has(message, flag) is wanted


def has(message: ParsedMessage, flag: bytes) -> bool:
    """Whether a message has a flag."""
    return flag in message.message.flags


def in_set(find: Callable[[bytes], Numbered], sequence_set: bytes) -> Test:
    """Return the test whether a message is in a set."""
    try:
        members = {message.uid for _, message in find(sequence_set)}
    except ValueError as problem:
        raise BadSyntax(str(problem)) from None
    return lambda message: message.message.uid in members


def keyword(arguments: Arguments) -> Test:
    """Return the test for a named flag."""
    found = arguments.match(ATOM)
    if not found:
        raise BadSyntax("a keyword is expected")
    flag = found[0].lower()
    return lambda message: flag in {known.lower() for known in message.message.flags}


def negation_of(read: Callable[[Arguments], Test]) -> Callable[[Arguments], Test]:
    """Return a reader of the negated test."""

    def make(arguments: Arguments) -> Test:
        made = read(arguments)
        return lambda message: not made(message)

    return make


def larger(arguments: Arguments) -> Test:
    """Return the test whether a message has more octets."""
    least = arguments.number()
    return lambda message: message.message.size > least


def smaller(arguments: Arguments) -> Test:
    """Return the test whether a message has fewer octets."""
    most = arguments.number()
    return lambda message: message.message.size < most


def modseq_at_least(arguments: Arguments) -> Test:
    """Return the MODSEQ test (RFC 7162, 3.1.5); a flag's name may precede the number."""
    if arguments.ahead(b'"'):
        arguments.string("a flag's name")
        arguments.space()
        if arguments.word("priv, shared or all") not in {b"PRIV", b"SHARED", b"ALL"}:
            raise BadSyntax("priv, shared or all is expected")
        arguments.space()
    least = arguments.number()
    return lambda message: message.message.modseq >= least


def has_text(*, header: bool) -> Callable[[Arguments], Test]:
    """Return a reader of the test for text in the body, and in the header if ``header``."""

    def make(arguments: Arguments) -> Test:
        words = folded(arguments.astring("a text"))

        def test(message: ParsedMessage) -> bool:
            if any(words in text for text in message.body_texts):
                return True
            return header and any(words in text for text in message.header_texts)

        return test

    return make


def has_field(name: bytes = b"") -> Callable[[Arguments], Test]:
    """Return a reader of the test for text in a field; without ``name`` it is an argument."""

    def make(arguments: Arguments) -> Test:
        field = name
        if not field:
            field = arguments.astring("a field")
            arguments.space()
        words = folded(arguments.astring("a text"))
        key = field.lower()
        return lambda message: any(
            words in folded(value) or words in readable(value) for value in message.values_of(key)
        )

    return make


def on_day(fits: Callable[[Day, Day], bool], *, sent: bool) -> Callable[[Arguments], Test]:
    """Return a reader of the test for the day of arrival, or of the Date field if ``sent``."""

    def make(arguments: Arguments) -> Test:
        day = read_day(arguments.astring("a date"))
        if day is None:
            raise BadSyntax("a date is like 17-Jul-1996")

        def test(message: ParsedMessage) -> bool:
            arrived = message.message.date
            there = sent_day(message) if sent else read_day(arrived.strip().partition(b" ")[0])
            return there is not None and fits(there, day)

        return test

    return make


def before(one: Day, other: Day) -> bool:
    """Whether ``one`` is earlier than ``other``."""
    return one < other


def same_day(one: Day, other: Day) -> bool:
    """Whether both are the same day."""
    return one == other


def not_before(one: Day, other: Day) -> bool:
    """Whether ``one`` is not earlier than ``other``."""
    return one >= other


def sent_day(message: ParsedMessage) -> Day | None:
    """Return the day in the Date field, or None without a valid date."""
    words = b" ".join(message.values_of(b"date")[:1]).partition(b",")
    found = SENT.search(words[2] or words[0])
    return read_day(b"-".join(found.groups())) if found else None


def read_day(text: bytes) -> Day | None:
    """Return the day of a date such as ``17-Jul-1996``, or None if it is invalid."""
    found = DATE.fullmatch(text)
    if not found or found[2].title() not in MONTHS or not 1 <= int(found[1]) <= 31:
        return None
    return int(found[3]), MONTHS.index(found[2].title()) + 1, int(found[1])


WITH_ARGUMENTS: dict[bytes, Callable[[Arguments], Test]] = {
    b"LARGER": larger,
    b"SMALLER": smaller,
    b"KEYWORD": keyword,
    b"UNKEYWORD": negation_of(keyword),
    b"BODY": has_text(header=False),
    b"TEXT": has_text(header=True),
    b"HEADER": has_field(),
    **{name: has_field(name) for name in (b"FROM", b"TO", b"CC", b"BCC", b"SUBJECT")},
    b"BEFORE": on_day(before, sent=False),
    b"ON": on_day(same_day, sent=False),
    b"SINCE": on_day(not_before, sent=False),
    b"SENTBEFORE": on_day(before, sent=True),
    b"SENTON": on_day(same_day, sent=True),
    b"SENTSINCE": on_day(not_before, sent=True),
}
"""Search keys that take arguments."""
