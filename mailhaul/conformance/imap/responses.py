"""Responses of an IMAP server as a case looks at them (RFC 3501, section 7)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from ...protocols.errors import ProtocolError
from ...protocols.imap.values import Atom, Part, Text, Value, parse_values
from ..verdicts import fail, require

CONDITIONS = frozenset({b"OK", b"NO", b"BAD", b"PREAUTH", b"BYE"})
MAX_NESTING = 64
_CODE = re.compile(rb"\[([^ \]]+)(?: ([^\]]*))?\](?: (.*))?", re.DOTALL)


@dataclass(frozen=True)
class Code:
    """A response code: ``name`` in upper case, and what follows it inside the brackets."""

    name: bytes
    arguments: bytes = b""


@dataclass(frozen=True)
class Response:
    """One response. ``parts`` are its pieces of line, and between them what came as literals.

    ``tag`` is ``*``, ``+`` or a tag. ``name`` is in upper case: a condition (``OK``), or what
    the response is about (``FETCH``); ``number`` stands before it in such as ``3 EXISTS``.
    """

    parts: Sequence[Part]
    tag: bytes
    name: bytes
    number: int | None = None
    code: Code | None = None
    text: bytes = b""

    @property
    def line(self) -> bytes:
        """The response as one text, with its literals in it."""
        return b"".join(bytes(part) for part in self.parts if isinstance(part, bytes))

    @property
    def values(self) -> list[Value]:
        """What follows the name, parsed. Raises Broken for anything outside the grammar."""
        try:
            values = parse_values(self.parts, MAX_NESTING)
        except ProtocolError as fault:
            fail("a response that follows the grammar", f"{fault}: {self.line!r}")
        return values[2 if self.number is None else 3 :]

    @property
    def names(self) -> list[Value]:
        """What follows the name, parsed as words and mailbox names (RFC 3501, 9: astring)."""
        try:
            return parse_values(self.parts, MAX_NESTING, astrings=True)[2:]
        except ProtocolError as fault:
            fail("a response that follows the grammar", f"{fault}: {self.line!r}")

    @property
    def items(self) -> dict[bytes, Value]:
        """The items of a FETCH or STATUS response by their names, in upper case."""
        values = self.values[-1] if self.values else None
        if not isinstance(values, list) or len(values) % 2:
            fail("a list of names and values", self.line)
        return {name_of(name): value for name, value in zip(values[::2], values[1::2], strict=True)}


def name_of(value: Value) -> bytes:
    """Return an atom in upper case. Raises Broken for anything else."""
    if not isinstance(value, Atom):
        fail("the name of an item", repr(value))
    return bytes(value).upper()


@dataclass(frozen=True)
class Answer:
    """All that came in answer to one command: untagged responses, and the tagged one."""

    tagged: Response
    untagged: list[Response] = field(default_factory=list[Response])

    @property
    def condition(self) -> bytes:
        """OK, NO or BAD."""
        return self.tagged.name

    @property
    def ok(self) -> bool:
        """Whether the tagged response is OK."""
        return self.condition == b"OK"

    @property
    def code(self) -> Code | None:
        """The response code of the tagged response."""
        return self.tagged.code

    @property
    def lines(self) -> list[bytes]:
        """The text of every response, the tagged one last."""
        return [response.line for response in [*self.untagged, self.tagged]]

    def all(self, name: bytes) -> list[Response]:
        """Return the untagged responses of this name, in order."""
        return [response for response in self.untagged if response.name == name]

    def one(self, name: bytes) -> Response:
        """Return the only untagged response of this name. Raises Broken."""
        found = self.all(name)
        shown = [response.line for response in self.untagged]
        require(len(found) == 1, f"exactly one {name.decode('ascii')} response", shown)
        return found[0]

    def codes(self) -> dict[bytes, bytes]:
        """Return all response codes of the answer with their arguments, the tagged one last."""
        every = [response.code for response in [*self.untagged, self.tagged]]
        return {code.name: code.arguments for code in every if code}

    def fetched(self) -> dict[int, dict[bytes, Value]]:
        """Return the items of all FETCH responses by message number, merged."""
        found: dict[int, dict[bytes, Value]] = {}
        for response in self.all(b"FETCH"):
            found.setdefault(response.number or 0, {}).update(response.items)
        return found

    def message(self, number: int, *names: bytes) -> dict[bytes, Value]:
        """Return the items of one message; those named must be among them. Raises Broken."""
        items = self.fetched().get(number)
        shown = [response.line for response in self.all(b"FETCH")]
        require(items is not None, f"a FETCH response for message {number}", shown)
        found = items or {}
        for name in names:
            require(name in found, f"{name.decode('ascii')} of message {number}", shown)
        return found


def ends_with_text(line: bytes) -> bool:
    """Whether a response ends with text for people, which may look as if a literal followed."""
    tag, _, rest = line.partition(b" ")
    return tag == b"+" or rest.partition(b" ")[0].upper() in CONDITIONS


def read_response(parts: Sequence[Part]) -> Response:
    """Return a response from its parts. Raises Broken."""
    line = bytes(parts[0]) if isinstance(parts[0], bytes) else b""
    tag, blank, rest = line.partition(b" ")
    if tag == b"+":
        return Response(parts, tag, b"+", text=rest)
    require(tag and blank, "a tag, a blank and a response", line)
    word, _, rest = rest.partition(b" ")
    if word.isdigit() and tag == b"*":
        name, _, rest = rest.partition(b" ")
        return Response(parts, tag, name.upper(), int(word), text=rest)
    name = word.upper()
    if name in CONDITIONS:
        code, text = split_code(rest)
        return Response(parts, tag, name, code=code, text=text)
    return Response(parts, tag, name, text=rest)


def split_code(text: bytes) -> tuple[Code | None, bytes]:
    """Return the response code at the beginning of a text, if there is one, and the rest."""
    found = _CODE.fullmatch(text)
    if not found:
        return None, text
    return Code(found[1].upper(), found[2] or b""), found[3] or b""


def octets_of(value: Value) -> bytes:
    """Return a string value, b"" for NIL. Raises Broken for anything else."""
    if value is None:
        return b""
    if not isinstance(value, Text | Atom):
        fail("a string", repr(value))
    return bytes(value)
