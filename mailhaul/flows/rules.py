"""Rules for what is fetched: the day of arrival, and texts in header fields.

A message that is left out stays on the server as it is. It is looked at again only if the rules
change.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ..protocols.record import Record

FIELD_NAME = re.compile(r"[!-9;-~]+")
"""The name of a header field (RFC 5322, 2.2)."""
MAX_NAME = 76
"""The longest name of a field: a command to fetch it must fit into a line."""
MAX_DECODED = 8192
"""Octets of the longest field whose encoded words are decoded."""
MONTHS = b"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


class BadRule(ValueError):
    """A text is not a rule. ``str()`` continues a sentence about the text."""


class Rule(Record):
    """A text that a header field has to contain; case does not matter.

    With an empty ``text`` it is enough that the field is there.
    """

    field: bytes
    text: str


class Rules(Record):
    """Which messages are fetched.

    ``key`` identifies the rules in the ledger; it is the same when ``since`` moves on with the
    clock. ``since`` is a date (year, month, day), or None. A message is fetched if one of ``only``
    matches, or there are none, and none of ``excepted`` does.
    """

    key: bytes
    since: tuple[int, int, int] | None = None
    only: tuple[Rule, ...] = ()
    excepted: tuple[Rule, ...] = ()

    @property
    def fields(self) -> Sequence[bytes]:
        """The names of the header fields that the rules are about."""
        return list(dict.fromkeys([rule.field for rule in (*self.only, *self.excepted)]))

    def marks(self, *, by_day: bool) -> tuple[bytes, bytes]:
        """Return the first and the last mark of messages in the ledger that these rules leave out.

        The last one is for those that are left out now. With ``by_day`` a mark has the day of
        ``since``: a message that an earlier day leaves out is left out by all later ones. What a
        wrong clock has left out by a day to come is looked at again.
        """
        if not (by_day and self.since):
            return self.key, self.key
        return self.key + b"\0", self.key + b"\0%04d%02d%02d" % self.since

    def allow(self, fields: Mapping[bytes, Sequence[str]]) -> bool:
        """Whether a message with these header fields is fetched."""
        if self.only and not any(matches(rule, fields) for rule in self.only):
            return False
        return not any(matches(rule, fields) for rule in self.excepted)


def read_rule(text: str) -> Rule:
    """Return the rule in a text such as ``List-Id: announce``. Raises BadRule."""
    name, colon, value = text.partition(":")
    name = name.strip()
    if not colon:
        raise BadRule("has no colon after the name of a header field")
    if not FIELD_NAME.fullmatch(name) or len(name) > MAX_NAME:
        raise BadRule("does not begin with the name of a header field")
    return Rule(name.lower().encode("ascii"), " ".join(value.split()).casefold())


def matches(rule: Rule, fields: Mapping[bytes, Sequence[str]]) -> bool:
    """Whether a rule matches one of the header fields."""
    return any(rule.text in body for body in fields.get(rule.field, ()))


def fields_of(header: bytes) -> Mapping[bytes, Sequence[str]]:
    """Return the bodies of all fields by their names in lower case, as ``matches`` compares them.

    Encoded words are decoded, and folding is undone.
    """
    from ..protocols.message.encoded_words import decoded_text
    from ..protocols.message.header import split_fields

    found: dict[bytes, list[str]] = {}
    for field in split_fields(header):
        body = field.body
        if b"=?" in body and len(body) <= MAX_DECODED:
            body = decoded_text(body)
        text = body.decode("utf-8", "replace")
        found.setdefault(field.key, []).append(" ".join(text.split()).casefold())
    return found


def imap_date(day: tuple[int, int, int]) -> bytes:
    """Return a date as IMAP writes it (RFC 3501, 9, date)."""
    year, month, number = day
    return b"%d-%b-%04d" % (number, MONTHS[month - 1], year)


def is_since(date: bytes, day: tuple[int, int, int]) -> bool:
    """Whether an IMAP date-time is not before a day. The time zone is not used, as in SEARCH."""
    number, month, year = date.strip().partition(b" ")[0].split(b"-")
    return (int(year), MONTHS.index(month.capitalize()) + 1, int(number)) >= day
