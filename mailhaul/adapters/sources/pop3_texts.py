"""Whether the text that a POP3 server sent can be the message that it announced.

POP3 knows no proof of completeness but the line with the lone dot, and servers fail there: some
cut what TOP asks for, some send nothing for what they cannot read, some do not stuff a line that
is a lone dot, so that the text seems to end there. What LIST announced is the only other witness,
and not a good one: many servers count line ends, or a header of their own, in another way.
"""

from __future__ import annotations

TRIES = 3
"""How often one message is asked for in one session until two texts of it agree."""


class Measure:
    """What came of one text, measured while it passes by."""

    def __init__(self) -> None:
        self.octets = 0
        self.has_body = False
        self._lines = 0
        self._in_body = False
        # A text may begin with the empty line that ends a header.
        self._tail = b"\n"

    def feed(self, data: bytes) -> None:
        """Look at some octets of it: at the header, and whether more than line ends follow."""
        self.octets += len(data)
        if self.has_body:
            return
        self._lines += data.count(b"\n")
        if not self._in_body:
            joined = self._tail + data
            ends = [joined.find(end) + len(end) for end in (b"\n\r\n", b"\n\n") if end in joined]
            if not ends:
                self._tail = joined[-2:]
                return
            self._in_body = True
            data = joined[min(ends) :]
        self.has_body = bool(data.strip(b"\r\n"))

    def doubt(self, announced: int) -> str:
        """Return what is suspicious about all that came, or ""."""
        if announced == 0 and not self.has_body:
            return f"the server announced no size and sent {self.octets} octets, a header alone"
        missing = announced - self.octets
        if missing <= 0:
            return ""
        what = f"the server announced {announced} octets and sent {self.octets}"
        if self.octets < missing:
            return what
        # A server that sends LF may count CRLF.
        if not self.has_body and missing > self._lines:
            return f"{what}, a header alone"
        return ""


class Doubts:
    """What came of messages that were asked for more than once."""

    def __init__(self) -> None:
        self._octets: dict[object, list[int]] = {}

    def tried(self, uid: object) -> int:
        """Return how often this message came in a form that could not be believed."""
        return len(self._octets.get(uid, ()))

    def note(self, uid: object, octets: int) -> bool:
        """Note octets of a doubtful text; return whether an earlier one had as many.

        Nothing at all is no text, however often it comes.
        """
        earlier = self._octets.setdefault(uid, [])
        agreed = octets > 0 and octets in earlier
        earlier.append(octets)
        return agreed
