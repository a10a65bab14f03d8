"""The texts that were asked for and are on their way, put back into the order of asking.

Servers answer several fetches at once: Dovecot 2.3 sends the text of up to three more messages
before the tagged OK of the first. The order that the flow sees is kept here: parts of a later
message wait until the ones before are over. How much can wait is bounded by how much is asked
for ahead; a server that announces false sizes is caught by HELD.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from ...flows.source import Arrived, Arriving, Complete, Marks, Part, Piece, Unavailable
from ...protocols.errors import RemoteProtocolError
from ...protocols.imap.events import BodyChunk, BodyStart, Condition, Fetched

HELD = 16 * 1024 * 1024
"""Octets of later messages that may wait for an earlier one."""
LASTING_FLAGS = frozenset({rb"\seen", rb"\flagged", rb"\answered", rb"\draft"})
"""System flags that say something of the message wherever it is (RFC 3501, 2.3.2)."""


@dataclass(slots=True)
class Text:
    """One message that was asked for. ``whole`` says that all octets announced have come.

    ``marks`` are there if the response held flags or a date.
    """

    uid: int
    parts: deque[Part] = field(default_factory=deque[Part])
    arriving: Arriving | None = None
    octets: int = 0
    size: int | None = None
    marks: Marks | None = None
    whole: bool = False
    over: bool = False


class Texts:
    """The messages asked for, oldest first. ``pull`` gives their parts in that order."""

    def __init__(self) -> None:
        self._asked: dict[int, Text] = {}
        self._open: Text | None = None
        self._held = 0

    def ask(self, uid: int) -> None:
        """Note that a message was asked for."""
        self._asked[uid] = Text(uid)

    def pull(self) -> Part | None:
        """Return the next part of the oldest message, or None until more has come."""
        for uid, text in self._asked.items():
            if not text.parts:
                return None
            part = text.parts.popleft()
            if text.over and not text.parts:
                del self._asked[uid]
                self._count_held()
            return part
        return None

    def begin(self, start: BodyStart, expunged: int) -> None:
        """Take note that message text begins; ignore the text of what was not asked for.

        ``expunged`` messages before it are gone since the mailbox was opened.
        """
        waiting = [text for text in self._asked.values() if text.arriving is None]
        if start.section or not waiting:
            raise RemoteProtocolError("message text that nobody asked for", state="selected")
        if start.uid is None:
            # A server that names the UID only behind the text must keep to our order.
            self._open = waiting[0]
        else:
            self._open = next((text for text in waiting if text.uid == start.uid), None)
        if self._open:
            self._open.arriving = Arriving(self._open.uid, start.number + expunged, start.size)
            self._open.parts.append(self._open.arriving)

    def add(self, chunk: BodyChunk) -> None:
        """Take some octets of the text that has begun. Raises RemoteProtocolError."""
        text = self._open
        if text is None:
            return
        text.octets += len(chunk.data)
        text.parts.append(Piece(chunk.data))
        if text is not next(iter(self._asked.values())):
            self._held += len(chunk.data)
            if self._held > HELD:
                raise RemoteProtocolError(
                    f"{HELD} octets of other messages came before the end of the first, "
                    "although they were announced as small",
                    state="selected",
                )

    def end_text(self) -> None:
        """All octets announced have come."""
        if self._open:
            self._open.whole = True

    def end_response(self, event: Fetched) -> None:
        """The response that the text stood in is over. Raises RemoteProtocolError."""
        text, self._open = self._open, None
        if text is None:
            return
        if event.uid is not None and event.uid != text.uid:
            raise RemoteProtocolError(
                f"text of message {event.uid} came where {text.uid} was due", state="selected"
            )
        text.size = event.size
        text.marks = marks_of(event)

    def end(self, uid: int, condition: Condition, why: str) -> None:
        """The tagged reply: only now a message is complete, or it is not to be had."""
        text = self._asked.get(uid)
        if text is None or text.over:
            return
        text.over = True
        if condition is Condition.OK and text.whole and text.arriving:
            size = text.size if text.size is not None else text.arriving.size
            text.parts.append(Arrived(Complete(uid, text.octets, text.marks), size))
        elif text.arriving or condition is not Condition.OK:
            text.parts.append(Unavailable(uid, why))
        else:
            text.parts.append(Unavailable(uid, "it is gone"))

    def _count_held(self) -> None:
        """Count what waits behind the message that is now the oldest."""
        texts = list(self._asked.values())
        self._held = sum(
            len(part.data) for text in texts[1:] for part in text.parts if isinstance(part, Piece)
        )


def marks_of(event: Fetched) -> Marks | None:
    """Return what a response says of a message beside its text.

    Keywords count, but \\Deleted and \\Recent are about this mailbox only.
    """
    if event.flags is None and event.internal_date is None:
        return None
    named = event.flags or ()
    flags = (flag for flag in named if flag[:1] != b"\\" or flag.lower() in LASTING_FLAGS)
    return Marks(tuple(flags), event.internal_date)
