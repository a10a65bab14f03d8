"""Can what came be the message? The evidence, and the decision.

A tagged OK and all octets of a literal say that the server has sent what it wanted to send. Servers
answer NIL, nothing at all, or a header alone for a message that they cannot read just now or that
somebody has just removed (RFC 2180, 4.1). Sizes alone do not decide: some servers announce
wrong ones for every message. So what is much less than was announced is asked for in another way,
and counts if two ways agree, or if the structure that the server sees speaks for it.
"""

from __future__ import annotations

from ...protocols.errors import RemoteProtocolError
from ...protocols.imap.events import Fetched
from ...protocols.imap.structure import BodyPart, read_body
from ...protocols.imap.values import Value

TAIL = 2
"""Octets in which the end of a header may have begun: all of LF CR LF but the last one."""
EXPECTED = frozenset({b"BODYSTRUCTURE", b"ENVELOPE", b"BODY", b"EMAILID", b"THREADID"})
"""Items that may stand beside a text; whatever else may be a part of a text that is too long."""


class Evidence:
    """What is known of one message when the server has answered all that was asked.

    ``listed`` and ``size`` are the octets that the server announced, in its listing (0 for nothing)
    and beside the text. ``octets`` came, ``body`` says whether any came after the header, and
    ``structure`` are those that all parts of the body have together. A ``fault`` cannot be made
    good; ``strange`` is what was not asked for.
    """

    def __init__(self, listed: int) -> None:
        self.listed = listed
        self.size: int | None = None
        self.octets = 0
        self.header = 0
        self.body = False
        self.structure: int | None = None
        self.fault = ""
        self.strange = ""
        self.heard = False
        self.complete = False
        self._in_body = False
        self._tail = b"\n"

    @property
    def announced(self) -> int:
        """How many octets the server announced, best beside the text; 0 if it did not."""
        return self.size or self.listed

    def look(self, data: bytes, *, in_body: bool) -> None:
        """Take note of octets of the text, and whether they belong to its body for sure."""
        self.octets += len(data)
        if in_body and self.header and not self._in_body and data:
            self.fault = "the header that the server sends has no end"
        self.body = self.body or bool(data and (in_body or self._in_body))
        if not in_body:
            self.header += len(data)
        if self.body or self._in_body:
            return
        text = self._tail + data
        ends = [text.find(mark) + len(mark) for mark in (b"\n\r\n", b"\n\n") if mark in text]
        self._in_body = bool(ends)
        self.body = self._in_body and min(ends) < len(text)
        self._tail = text[-TAIL:]

    def told(self, event: Fetched, *, again: bool) -> None:
        """Take note of what the server says beside the text."""
        self.heard = True
        self.size = self.size if event.size is None else event.size
        for name, value in event.others:
            if name == b"BODYSTRUCTURE" and again:
                self.structure = structure_octets(value)
            elif name not in EXPECTED and not name.startswith(b"X-GM-"):
                self.strange = "the server sends something else after its text"


def gone(evidence: Evidence) -> bool:
    """Whether the server has said nothing at all of the message."""
    return not (evidence.heard or evidence.fault)


def objection(now: Evidence, earlier: Evidence | None) -> str:
    """Return why what came cannot be the message, or "".

    ``earlier`` is what came when it was asked for in another way.
    """
    if now.fault or not now.complete:
        before = earlier.fault if earlier else ""
        return now.fault or before or "the server sends no text for it"
    came = f"{now.octets} octets came"
    if not now.octets:
        both = not now.announced and earlier and earlier.complete and not earlier.octets
        empty = now.size == 0 and not now.listed
        return "" if both or empty else f"{came}, {now.announced or 'an unknown number'} were due"
    if earlier is None:
        return doubt(now)
    if now.structure and (now.octets - now.header) * 2 < now.structure:
        return f"{came}, and its parts alone have {now.structure}"
    agree = earlier.complete and not earlier.fault and earlier.octets == now.octets
    return "" if agree else doubt(now)


def doubt(now: Evidence) -> str:
    """Return why a text that did come may not be all of the message, or ""."""
    if not now.body and not 0 < now.announced <= now.octets:
        return f"only a header of {now.octets} octets came"
    if now.octets * 2 < now.announced:
        return f"{now.octets} octets came, {now.announced} were due"
    return now.strange


def structure_octets(value: Value) -> int | None:
    """Return how many octets a BODYSTRUCTURE gives to the parts of a message; None if it cannot
    be read."""
    try:
        return octets_of(read_body(value))
    except RemoteProtocolError:
        return None


def octets_of(part: BodyPart) -> int:
    """Return the octets of a part: those of its parts, where it has any."""
    return sum(map(octets_of, part.parts)) if part.parts else part.size or 0
