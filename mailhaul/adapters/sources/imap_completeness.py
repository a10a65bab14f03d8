"""Decide whether a received text is the complete message.

A tagged OK and all octets of a literal mean that the server has sent what it intended to send.
Servers send NIL, nothing at all, or only a header for a message that they cannot read at the moment
or that was just removed (RFC 2180, 4.1). The size alone does not decide: some servers announce
wrong sizes for every message. So a text that is much shorter than announced is requested again
with other commands. It is accepted if both texts have the same size, or if the server's
BODYSTRUCTURE agrees with it.
"""

from __future__ import annotations

from ... import imap
from ...protocols.errors import RemoteProtocolError

TAIL = 2
"""Octets kept because the end of a header may begin in them: LF CR LF without its last octet."""
EXPECTED = frozenset({b"BODYSTRUCTURE", b"ENVELOPE", b"BODY", b"EMAILID", b"THREADID"})
"""Items that may follow a text. Any other item may be the rest of a text longer than announced."""


class Evidence:
    """The facts about one received text.

    ``listed`` and ``size`` are the octets announced in the listing (0 if unknown) and along with
    the text. ``octets`` were received; ``body`` is true if any of them came after the header.
    ``structure`` is the size of all body parts together, by BODYSTRUCTURE. ``fault`` describes an
    error that makes the text unusable, and ``strange`` an unexpected item.
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
        self.has_response = False
        self.complete = False
        self._in_body = False
        self._tail = b"\n"

    @property
    def announced(self) -> int:
        """The announced octets, preferably those sent along with the text; 0 if unknown."""
        return self.size or self.listed

    def add_text(self, data: bytes, *, in_body: bool) -> None:
        """Add octets of the text. ``in_body`` is true if they certainly belong to the body."""
        self.octets += len(data)
        if in_body and self.header and not self._in_body and data:
            self.fault = "the header from the server has no end"
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

    def add_response(self, event: imap.Fetched, *, again: bool) -> None:
        """Add the other items of a FETCH response."""
        self.has_response = True
        self.size = self.size if event.size is None else event.size
        for name, value in event.others:
            if name == b"BODYSTRUCTURE" and again:
                self.structure = structure_octets(value)
            elif name not in EXPECTED and not name.startswith(b"X-GM-"):
                self.strange = "the server sent an unexpected item after the text"


def is_gone(evidence: Evidence) -> bool:
    """Whether the server has sent nothing at all about the message."""
    return not (evidence.has_response or evidence.fault)


def objection(now: Evidence, earlier: Evidence | None) -> str:
    """Return why a received text cannot be the complete message, or "".

    ``earlier`` is the evidence of an earlier request with other commands, if any.
    """
    if now.fault or not now.complete:
        before = earlier.fault if earlier else ""
        return now.fault or before or "the server sends no text for it"
    received = f"{now.octets} octets received"
    if not now.octets:
        both = not now.announced and earlier and earlier.complete and not earlier.octets
        empty = now.size == 0 and not now.listed
        expected = now.announced or "an unknown number"
        return "" if both or empty else f"{received}, {expected} announced"
    if earlier is None:
        return doubt(now)
    if now.structure and (now.octets - now.header) * 2 < now.structure:
        return f"{received}, but its parts alone have {now.structure}"
    agree = earlier.complete and not earlier.fault and earlier.octets == now.octets
    return "" if agree else doubt(now)


def doubt(now: Evidence) -> str:
    """Return why a received text may not be the complete message, or ""."""
    if not now.body and not 0 < now.announced <= now.octets:
        return f"only a header of {now.octets} octets received"
    if now.octets * 2 < now.announced:
        return f"{now.octets} octets received, {now.announced} announced"
    return now.strange


def structure_octets(value: imap.Value) -> int | None:
    """Return the size of all parts in a BODYSTRUCTURE, in octets; None if it cannot be parsed."""
    try:
        return octets_of(imap.read_body(value))
    except RemoteProtocolError:
        return None


def octets_of(part: imap.BodyPart) -> int:
    """Return the octets of a part: the sum of its own parts if it has any."""
    return sum(map(octets_of, part.parts)) if part.parts else part.size or 0
