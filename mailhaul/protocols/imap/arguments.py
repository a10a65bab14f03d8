"""The arguments of a client's command, taken one by one as its grammar says (RFC 3501, section 9).

What a word may be made of depends on its place: ``a[b`` and ``NIL`` are mailboxes like any others,
``a*`` is a pattern and no mailbox, and between two arguments there is exactly one blank. So nothing
is cut into words beforehand: each place says what it expects.
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
"""What a mailbox of LIST and LSUB may be without quotes (list-char)."""
FLAG = re.compile(rb"\\?" + _ATOM + rb"++")
QUOTED = re.compile(rb'"((?:[^"\\\x00]|\\["\\])*)"')
NUMBER = re.compile(rb"\d{1,19}(?!\d)")
_SET_NUMBER = rb"(?:[1-9]\d{0,9}|\*)"
_RANGE = _SET_NUMBER + rb"(?::" + _SET_NUMBER + rb")?"
SEQUENCE_SET = re.compile(_RANGE + rb"(?:," + _RANGE + rb")*(?=[ )]|\Z)")
LARGEST = 2**32 - 1
"""The largest message number and UID (nz-number)."""


class BadSyntax(ProtocolError):
    """A command that cannot be read; its text goes after BAD."""


class Arguments:
    """The rest of a command. Everything here raises BadSyntax for what does not belong.

    ``parts`` are pieces of line, and between them what came as literals.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = [part for part in parts if not isinstance(part, Streamed)]
        self._at = 0
        self._place = 0
        self._pass_ends()

    @property
    def over(self) -> bool:
        """Whether all was taken."""
        return self._at == len(self._parts)

    def end(self) -> None:
        """Insist that nothing is left."""
        if not self.over:
            raise BadSyntax("unexpected text after the last argument")

    def ahead(self, octets: bytes) -> bool:
        """Whether these octets are next; a literal begins with none."""
        line = self._line
        return line is not None and line.startswith(octets, self._place)

    def skip(self, octets: bytes) -> bool:
        """Take these octets if they are next."""
        found = self.ahead(octets)
        if found:
            self._move(self._place + len(octets))
        return found

    def expect(self, octets: bytes, what: str) -> None:
        """Take these octets."""
        if not self.skip(octets):
            raise BadSyntax(f"{what} belongs here")

    def space(self) -> None:
        """Take the one blank between two arguments."""
        if self.over:
            raise BadSyntax("an argument is missing")
        self.expect(b" ", "one blank")

    def match(self, expression: re.Pattern[bytes]) -> re.Match[bytes] | None:
        """Take what fits an expression here, if anything does."""
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
        """Take a number of 63 bits at most."""
        return int(self._expected(NUMBER, what))

    def sequence_set(self) -> bytes:
        """Take a set of message numbers or UIDs."""
        found = self._expected(SEQUENCE_SET, "a set of numbers")
        if any(int(number) > LARGEST for number in re.findall(rb"\d+", found)):
            raise BadSyntax("a number of more than 32 bits")
        return found

    # Strings

    def astring(self, what: str) -> bytes:
        """Take a word, a quoted string or a literal: NIL is a word like any other."""
        return self._string_or(ASTRING, what)

    def pattern(self) -> bytes:
        """Take a mailbox that may hold wildcards."""
        return self._string_or(PATTERN, "a pattern")

    def string(self, what: str) -> bytes:
        """Take a quoted string or a literal."""
        if self.over:
            raise BadSyntax(f"{what} belongs here")
        part = self._parts[self._at]
        if isinstance(part, Text):
            refuse_nul(part)
            self._at += 1
            self._pass_ends()
            return bytes(part)
        found = self.match(QUOTED)
        if not found:
            raise BadSyntax(f"{what} belongs here")
        return re.sub(rb"\\(.)", rb"\1", found[1]) if b"\\" in found[1] else found[1]

    # Lists

    def listed(self, read: Callable[[], Item], what: str, *, empty: bool = False) -> list[Item]:
        """Take a list in parentheses, whose items ``read`` takes."""
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
        """Take all that is left as one line, in which a literal is a quoted string."""
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
        """The piece of line that is next, None at a literal and at the end."""
        part = None if self.over else self._parts[self._at]
        return None if isinstance(part, Text) else part

    def _string_or(self, expression: re.Pattern[bytes], what: str) -> bytes:
        found = self.match(expression)
        return found[0] if found else self.string(what)

    def _expected(self, expression: re.Pattern[bytes], what: str) -> bytes:
        found = self.match(expression)
        if not found:
            raise BadSyntax(f"{what} belongs here")
        return found[0]

    def _move(self, place: int) -> None:
        self._place = place
        self._pass_ends()

    def _pass_ends(self) -> None:
        """Go on to the next part where a piece of line is over."""
        while self._at < len(self._parts):
            part = self._parts[self._at]
            if isinstance(part, Text) or self._place < len(part):
                return
            self._at += 1
            self._place = 0


def refuse_nul(literal: bytes) -> None:
    """Raise BadSyntax for what no literal may hold (section 9, CHAR8)."""
    if b"\0" in literal:
        raise BadSyntax("NUL in a literal")
