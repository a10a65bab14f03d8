"""Split received bytes into responses, and stream message text (RFC 3501, sections 4.3 and 7).

A response is a line in which any value may be a literal. ``{5}`` at the end of a piece of the line
announces a literal of five octets, and the line continues after it. Literals are collected up to a
limit. Only the literals of BODY[...], BINARY[...] and RFC822 in a FETCH response are message text:
they are passed on as they arrive.
"""

from __future__ import annotations

from collections.abc import Callable

from ..errors import LimitExceeded, RemoteProtocolError
from ..input import InputBuffer
from ..limits import Limits
from ..record import Record
from .events import BodyChunk, BodyEnd, Code, Event, Expunged, Fetched
from .fetch_items import TextEvent, text_start
from .usual_fetch import Facts, UsualFetch, fetched_events, usual_fetch
from .values import STREAMED, Text, Value, Values

CHUNK = 256 * 1024
"""Maximum number of octets of message text in one event."""
LITERALS = 1000
"""Maximum number of literals in one response."""
EMPTY_LINES = 100
"""Maximum number of consecutive empty lines skipped between two responses."""
BLANKS = b" \t"
WITH_FREE_TEXT = frozenset({b"OK", b"NO", b"BAD", b"BYE", b"PREAUTH"})
"""Untagged responses that end with free text, which never contains a literal."""
LONG = frozenset({b"SEARCH", b"ESEARCH", b"VANISHED", b"SORT"})
"""Responses that may be long without literals, such as the result of a search."""
WITH_VALUES = frozenset({b"LIST", b"LSUB", b"STATUS", b"NAMESPACE", b"ID", b"ESEARCH", b"QUOTA"})
"""Responses, besides FETCH, that are parsed into values."""


class Response(Record):
    """One complete response, without message text, which was returned as events.

    ``line`` is the response up to its first literal. ``values``, for FETCH and for the responses in
    WITH_VALUES, are its parsed values, beginning with ``*``.
    """

    line: bytes
    values: list[Value] | None = None


Read = Response | TextEvent | Fetched | Expunged
LINE_END = b"\r\n"
BODY_END = BodyEnd()
LISTING_BLOCK = 32 * 1024
"""Octets of a listing that are read at a time."""


class ResponseReader:
    """Splits received data into responses. Call ``read`` until it returns None.

    ``show`` is called with each line, which may echo a secret. If ``takes_short_cuts`` is true,
    usual FETCH responses are parsed to the end, and Fetched takes the place of their Response;
    ``more`` then receives the further events of the same bytes, which precede the next ``read``.
    """

    __slots__ = (
        "_after_text",
        "_empty_lines",
        "_facts",
        "_held",
        "_in_listing",
        "_left",
        "_length",
        "_limits",
        "_line",
        "_literal",
        "_literals",
        "_streaming",
        "_usual",
        "_values",
        "input",
        "more",
        "show",
        "takes_short_cuts",
    )

    def __init__(
        self, source: InputBuffer, limits: Limits, show: Callable[[bytes], None] | None = None
    ) -> None:
        self.input = source
        self.show = show
        self.takes_short_cuts = False
        self.more: list[Event] = []
        self._limits = limits
        self._usual: UsualFetch | None = None
        # The items before the text of a usual response, as long as nothing unusual has followed.
        self._facts: Facts | None = None
        self._in_listing = False
        self._line: bytes | None = None
        self._values: Values | None = None
        self._literals = 0
        self._length = 0
        self._held = 0
        self._left = 0
        self._literal: bytearray | None = None
        self._streaming = False
        self._after_text = False
        self._empty_lines = 0

    @property
    def missing(self) -> int:
        """The number of announced octets of message text that have not arrived."""
        return self._left if self._streaming else 0

    @property
    def between_responses(self) -> bool:
        """Whether no part of the next response has been received."""
        return self._line is None and not len(self.input)

    def read(self) -> Read | None:
        """Return the next response or part of message text, or None if more data is needed.

        Raises RemoteProtocolError for a malformed response, and LimitExceeded.
        """
        while True:
            if self._streaming:
                return self._stream()
            if self._literal is not None and not self._collect(self._literal):
                return None
            if self._in_listing and (first := self._read_listing()):
                return first
            line = self._take_line()
            if line is None:
                return None
            if self._line is not None:
                done = self._go_on(line)
            elif line := line.lstrip(BLANKS):
                done = self._begin(line)
            else:
                self._count_empty_line()
                continue
            if done is not None:
                return done

    # Short cuts for usual FETCH responses

    def _begin_usual(self, line: bytes) -> Read | None:
        """Process the first line of a FETCH response; return None if it is not a usual one."""
        self._usual = self._usual or usual_fetch(self._limits)
        if self._usual is None:
            return None
        if line.endswith(b")"):
            event = self._usual.whole(line)
            if event:
                if self.show:
                    self.show(before_quote(line))
                self._in_listing = True
                self._length = 0
            return event
        found = self._usual.text(line)
        if found is None:
            return None
        if self.show:
            self.show(before_quote(line))
        start, self._facts = found
        self._line, self._literals = line, 1
        self._left, self._streaming = start.size, True
        if 0 < start.size <= min(CHUNK, len(self.input)):
            self.more.append(BodyChunk(self.input.take(start.size)))
            self.more.append(self._end_text())
            self._end_at_once()
        return start

    def _begin_expunged(self, line: bytes) -> Expunged | None:
        """Process an EXPUNGE response and those after it that have arrived, if they are usual."""
        self._usual = self._usual or usual_fetch(self._limits)
        found, _ = self._usual.expunged(line + LINE_END) if self._usual else ([], 0)
        if self._usual is None or not found:
            return None
        self._length = 0
        if self.show:
            # A trace shows each line before its event.
            self.show(line)
            return found[0]
        others, octets = self._usual.expunged(self.input.head(LISTING_BLOCK))
        if others and self._held + octets <= self._limits.untagged:
            self.input.take(octets)
            self._held += octets - len(LINE_END) * len(others)
            self.more.extend(others)
        return found[0]

    def _end_at_once(self) -> None:
        """Process the end of a usual response if it has already arrived after the text."""
        if self._held < self._limits.untagged and self.input.skip(b")\r\n"):
            self._held += 1
            self.more.append(self._end_usual())

    def _end_usual(self) -> Fetched:
        """Process the parenthesis after the text of a usual response."""
        facts, self._facts = self._facts or (), None
        self._line, self._after_text = None, False
        self._length = self._literals = 0
        if self.show:
            self.show(b"...")
        return fetched_events([facts])[0]

    def _become_unusual(self) -> None:
        """Parse the beginning of a response in full, because more than its end follows the text."""
        self._facts = None
        self._line, _ = split_literal(self._line or b"", self._limits.digits)
        self._values = Values(self._limits.nesting)
        self._values.add(self._line)
        self._values.add(STREAMED)

    def _read_listing(self) -> Fetched | None:
        """Process all responses of a listing that have arrived, as long as they are usual."""
        self._in_listing = False
        # A trace shows each line before its event.
        if self._usual is None or self.show:
            return None
        events, octets = self._usual.several(self.input.head(LISTING_BLOCK))
        if not events or self._held + octets > self._limits.untagged:
            return None
        self.input.take(octets)
        self._held += octets - len(b"\r\n") * len(events)
        self._in_listing = True
        first, *others = events
        self.more.extend(others)
        return first

    def _count_empty_line(self) -> None:
        """Count an empty line between responses. Raises LimitExceeded for too many in a row."""
        self._length = 0
        self._empty_lines += 1
        if self._empty_lines > EMPTY_LINES:
            raise LimitExceeded("empty lines between responses", EMPTY_LINES)

    def command_over(self) -> None:
        """Restart the count of untagged data for one command."""
        self._held = 0

    def _take_line(self) -> bytes | None:
        limit = self._limits.response_line
        try:
            line = self.input.take_line(limit, "response line")
        except LimitExceeded:
            limit = self._limits.untagged
            if not self._may_be_long():
                raise
            line = self.input.take_line(limit, "response line")
        if line is not None:
            self._length += len(line)
            self._held += len(line)
            if self._length > limit:
                raise LimitExceeded("response", limit)
            if self._held > self._limits.untagged:
                raise LimitExceeded("untagged data for one command", self._limits.untagged)
        return line

    def _may_be_long(self) -> bool:
        match self.input.head(24).upper().split(None, 2):
            case [b"*", name, *_]:
                return self._line is None and name in LONG
            case _:
                return False

    def _begin(self, line: bytes) -> Read | None:
        """Process the first line of a response."""
        self._empty_lines = 0
        self._in_listing = False
        if not line.startswith(b"*"):
            if self.show:
                self.show(line)
            self._length = 0
            return Response(line)
        if self.takes_short_cuts and line[2:3].isdigit():
            usual = None
            if b" FETCH (" in line:
                usual = self._begin_usual(line)
            elif line.endswith(b" EXPUNGE"):
                usual = self._begin_expunged(line)
            if usual:
                return usual
        star, *words = [*line[:80].split(None, 3), b""]
        words = [word.upper() for word in words]
        if star == b"*" and words[1:2] == [b"FETCH"]:
            self._values = Values(self._limits.nesting)
            self._show(before_quote(line))
        else:
            self._show(line)
            if star != b"*" or words[0] in WITH_FREE_TEXT:
                self._length = 0
                return Response(line)
            if words[0] in WITH_VALUES:
                self._values = Values(self._limits.nesting, astrings=True)
        text, size = split_literal(line, self._limits.digits)
        self._line = text
        return self._end_piece(text, size)

    def _go_on(self, line: bytes) -> Read | None:
        """Process a line after a literal. If the size was wrong, it may be message text."""
        if self._facts:
            if line == b")":
                return self._end_usual()
            self._become_unusual()
        text, size = split_literal(line, self._limits.digits)
        if self._values is None:
            self._show(line)
        else:
            self._show(b"..." if size is None else b"... {%d}" % size)
        if self._after_text and line[:1] not in {b" ", b")"}:
            raise RemoteProtocolError("message text is longer than its announced size")
        self._after_text = False
        return self._end_piece(text, size)

    def _end_piece(self, text: bytes, size: int | None) -> Read | None:
        if self._values:
            self._values.add(text)
        return self._end_response() if size is None else self._begin_literal(size)

    def _end_response(self) -> Response:
        values = self._values
        response = Response(self._line or b"", values.top if values else None)
        if values and values.innermost is not values.top:
            raise RemoteProtocolError("response ends inside a list")
        self._line = self._values = None
        self._length = self._literals = 0
        return response

    def _begin_literal(self, size: int) -> Read | None:
        self._literals += 1
        if self._literals > LITERALS:
            raise LimitExceeded("literals in one response", LITERALS)
        self._left = size
        start = text_start(self._values, size, self._limits) if self._values else None
        if start is not None and self._values:
            self._streaming = True
            self._values.add(STREAMED)
            return start
        if size > self._limits.literal:
            raise LimitExceeded("literal", self._limits.literal)
        self._literal = bytearray()
        return None

    def _show(self, line: bytes) -> None:
        if self.show:
            self.show(line)

    def _collect(self, literal: bytearray) -> bool:
        block = self.input.take(self._left)
        literal += block
        self._left -= len(block)
        if self._left:
            return False
        self._held += len(literal)
        if self._values:
            self._values.add(Text(literal))
        self._literal = None
        return True

    def _stream(self) -> Read | None:
        if not self._left:
            return self._end_text()
        block = self.input.take(min(self._left, CHUNK))
        if not block:
            return None
        self._left -= len(block)
        return BodyChunk(block)

    def _end_text(self) -> BodyEnd:
        self._left, self._streaming, self._after_text = 0, False, True
        return BODY_END


def before_quote(line: bytes) -> bytes:
    """Return a line of a FETCH response for a trace, without strings, which may be message text."""
    before, quote, _ = line.partition(b'"')
    return b'%b"..."' % before if quote else line


def split_literal(line: bytes, digits: int) -> tuple[bytes, int | None]:
    """Split a line that ends with ``{5}`` into the text before that, and the announced size.

    ``{5+}`` and ``~{5}`` are accepted too (RFC 7888, RFC 3516). The size is None if the line does
    not announce a literal. Raises RemoteProtocolError if the size has too many digits.
    """
    if not line.endswith(b"}"):
        return line, None
    start = line.rfind(b"{")
    inside = line[start + 1 : -1].removesuffix(b"+")
    if start < 0 or not inside.isdigit():
        return line, None
    if len(inside) > digits:
        raise RemoteProtocolError(f"literal size has more than {digits} digits")
    return line[:start].removesuffix(b"~"), int(inside)


def split_code(text: bytes) -> tuple[Code | None, bytes]:
    """Split ``[UIDVALIDITY 7] ok`` into the response code and the text (7.1)."""
    if not text.startswith(b"["):
        return None, text
    end = text.find(b"]")
    if end < 0:
        return None, text
    name, _, arguments = text[1:end].strip(b" ").partition(b" ")
    return Code(name.upper(), arguments.lstrip(b" ")), text[end + 1 :].lstrip(b" ")
