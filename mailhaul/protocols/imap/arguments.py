"""Parse the arguments of a client's command, one by one (RFC 3501, section 9).

The characters allowed in a word depend on its position: ``a[b`` and ``NIL`` are valid mailbox
names, and ``a*`` is a pattern but not a mailbox name. Exactly one space separates two arguments. So
the line is not split into words first; the parser of each command says what it expects next.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from ..errors import ProtocolError
from .strings import quoted
from .values import Part, Streamed, Text

Item = TypeVar("Item")

_ATOM = rb'[^\x00-\x20\x7f-\xff(){%*"\\\]]'
ATOM = re.compile(_ATOM + rb"++")
"""ATOM-CHARs: a keyword, a mechanism, a flag without its backslash."""
ASTRING = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\]++')
PATTERN = re.compile(rb'[^\x00-\x20\x7f-\xff(){"\\]++')
"""An unquoted mailbox pattern of LIST and LSUB (list-char)."""
FLAG = re.compile(rb"\\?" + _ATOM + rb"++")
QUOTED = re.compile(rb'"((?:[^"\\\x00]|\\["\\])*)"')
NUMBER = re.compile(rb"\d{1,19}(?!\d)")
_SET_NUMBER = rb"(?:[1-9]\d{0,9}|\*)"
_RANGE = _SET_NUMBER + rb"(?::" + _SET_NUMBER + rb")?"
SEQUENCE_SET = re.compile(_RANGE + rb"(?:," + _RANGE + rb")*(?=[ )]|\Z)")
MAX_NUMBER = 2**32 - 1
"""The largest message number and UID (nz-number)."""


class BadSyntax(ProtocolError):
    """A malformed command. The text of the exception is sent after BAD."""


class Arguments:
    """The part of a command that has not been parsed. All methods raise BadSyntax.

    ``parts`` are pieces of the line, with literals (Text) between them.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = [part for part in parts if not isinstance(part, Streamed)]
        self._at = 0
        self._place = 0
        self._pass_ends()

    @property
    def over(self) -> bool:
        """Whether all arguments were taken."""
        return self._at == len(self._parts)

    def end(self) -> None:
        """Raise BadSyntax if an argument is left."""
        if not self.over:
            raise BadSyntax("unexpected text after the last argument")

    def ahead(self, octets: bytes) -> bool:
        """Whether these octets are next. They never match the start of a literal."""
        line = self._line
        return line is not None and line.startswith(octets, self._place)

    def skip(self, octets: bytes) -> bool:
        """Take these octets if they are next."""
        found = self.ahead(octets)
        if found:
            self._move(self._place + len(octets))
        return found

    def expect(self, octets: bytes, what: str) -> None:
        """Take these octets; ``what`` names them in the error message."""
        if not self.skip(octets):
            raise BadSyntax(f"{what} is expected")

    def space(self) -> None:
        """Take the single space between two arguments."""
        if self.over:
            raise BadSyntax("an argument is missing")
        self.expect(b" ", "a single space")

    def match(self, expression: re.Pattern[bytes]) -> re.Match[bytes] | None:
        """Take the octets that match a regular expression here, or return None."""
        line = self._line
        found = None if line is None else expression.match(line, self._place)
        if found:
            self._move(found.end())
        return found

    # Words

    def word(self, what: str) -> bytes:
        """Take a keyword; return it in upper case."""
        return self._expected(ATOM, what).upper()

    def flag(self) -> bytes:
        """Take a flag."""
        return self._expected(FLAG, "a flag")

    def number(self, what: str = "a number") -> int:
        """Take a number of at most 63 bits."""
        return int(self._expected(NUMBER, what))

    def sequence_set(self) -> bytes:
        """Take a set of message numbers or UIDs."""
        found = self._expected(SEQUENCE_SET, "a set of numbers")
        if any(int(number) > MAX_NUMBER for number in re.findall(rb"\d+", found)):
            raise BadSyntax("a number has more than 32 bits")
        return found

    # Strings

    def astring(self, what: str) -> bytes:
        """Take a word, a quoted string or a literal. NIL is an ordinary word."""
        return self._string_or(ASTRING, what)

    def pattern(self) -> bytes:
        """Take a mailbox pattern, which may contain wildcards."""
        return self._string_or(PATTERN, "a pattern")

    def string(self, what: str) -> bytes:
        """Take a quoted string or a literal."""
        if self.over:
            raise BadSyntax(f"{what} is expected")
        part = self._parts[self._at]
        if isinstance(part, Text):
            refuse_nul(part)
            self._at += 1
            self._pass_ends()
            return bytes(part)
        found = self.match(QUOTED)
        if not found:
            raise BadSyntax(f"{what} is expected")
        return re.sub(rb"\\(.)", rb"\1", found[1]) if b"\\" in found[1] else found[1]

    # Lists

    def listed(self, read: Callable[[], Item], what: str, *, empty: bool = False) -> list[Item]:
        """Take a parenthesized list; ``read`` takes one item."""
        self.expect(b"(", f"a list of {what}")
        found: list[Item] = []
        if empty and self.skip(b")"):
            return found
        found.append(read())
        while not self.skip(b")"):
            self.space()
            found.append(read())
        return found

    def rest(self) -> bytes:
        """Take everything that is left as one line, with literals as quoted strings."""
        left = [*self._parts[self._at :]]
        if left and not isinstance(left[0], Text):
            left[0] = left[0][self._place :]
        self._at, self._place = len(self._parts), 0
        for part in left:
            if isinstance(part, Text):
                refuse_nul(part)
        return b"".join(quoted(part) if isinstance(part, Text) else part for part in left)

    @property
    def _line(self) -> bytes | None:
        """The current piece of the line, or None at a literal and at the end."""
        part = None if self.over else self._parts[self._at]
        return None if isinstance(part, Text) else part

    def _string_or(self, expression: re.Pattern[bytes], what: str) -> bytes:
        found = self.match(expression)
        return found[0] if found else self.string(what)

    def _expected(self, expression: re.Pattern[bytes], what: str) -> bytes:
        found = self.match(expression)
        if not found:
            raise BadSyntax(f"{what} is expected")
        return found[0]

    def _move(self, place: int) -> None:
        self._place = place
        self._pass_ends()

    def _pass_ends(self) -> None:
        """Continue with the next part at the end of a piece of the line."""
        while self._at < len(self._parts):
            part = self._parts[self._at]
            if isinstance(part, Text) or self._place < len(part):
                return
            self._at += 1
            self._place = 0


def refuse_nul(literal: bytes) -> None:
    """Raise BadSyntax if a literal contains NUL (section 9, CHAR8)."""
    if b"\0" in literal:
        raise BadSyntax("a literal contains NUL")
