"""The texts that were asked for and are on their way, put back into the order of asking.

Servers answer several fetches at once: Dovecot 2.3 sends the text of up to three more messages
before the tagged OK of the first. The order that the flow sees is kept here: parts of a later
message wait until the ones before are over. How much can wait is bounded by how much is asked
for ahead; a server that announces false sizes is caught by HELD.

What came has to be able to be the message (imap_completeness.py). Where it is doubtful the message
is asked for once more in another way: the header, the structure and the text, one by one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

from ...flows.source import (
    CompletionProof,
    MessageChunk,
    MessageEnd,
    MessageMetadata,
    MessageStart,
    Part,
    Unavailable,
)
from ...protocols.errors import RemoteProtocolError
from ...protocols.imap.events import BodyChunk, BodyStart, Condition, Fetched, NoText
from .imap_completeness import Evidence, gone, objection

HELD = 16 * 1024 * 1024
"""Octets of later messages that may wait for an earlier one, and of texts that nobody asked for."""
LASTING_FLAGS = frozenset({rb"\seen", rb"\flagged", rb"\answered", rb"\draft"})
"""System flags that say something of the message wherever it is (RFC 3501, 2.3.2)."""
MARK_ITEMS = b"FLAGS INTERNALDATE "
ONE_PIECE = (b"",)
"""The sections that are a message, asked for in the usual way."""
TWO_PIECES = (b"HEADER", b"TEXT")
"""The sections that are a message, where the usual way left a doubt."""


class Text:
    """One message that was asked for: what of it has come.

    ``marks`` are there if the response held flags or a date.
    """

    def __init__(self, uid: int, listed: int, sections: tuple[bytes, ...]) -> None:
        self.uid = uid
        self.parts: deque[Part] = deque()
        self.sections = sections
        self.due = 0
        self.whole = 0
        self.answered = 0
        self.arriving: MessageStart | None = None
        self.marks: MessageMetadata | None = None
        self.over = False
        self.evidence = Evidence(listed)

    @property
    def awaited(self) -> bytes | None:
        """The section that is to come next; None when all have begun."""
        return self.sections[self.due] if self.due < len(self.sections) else None


class Texts:
    """The messages asked for, oldest first. ``pull`` gives their parts in that order."""

    def __init__(self, *, with_marks: bool = False) -> None:
        self._marks = MARK_ITEMS if with_marks else b""
        self._asked: dict[int, Text] = {}
        self._open: Text | None = None
        self._held = 0
        self._unasked = 0
        self._doubted: dict[int, Evidence] = {}

    def ask(self, uid: int, listed: int) -> Sequence[bytes]:
        """Note that a message is asked for; return the items to ask for, one command each.

        ``listed`` are its octets as the listing told, 0 if it did not. PEEK leaves flags as they
        were.
        """
        again = uid in self._doubted
        self._asked[uid] = Text(uid, listed, TWO_PIECES if again else ONE_PIECE)
        if not again:
            return [b"(UID %bRFC822.SIZE BODY.PEEK[])" % self._marks]
        # One by one, so that the order in which they come is ours.
        first = b"(UID %bRFC822.SIZE BODYSTRUCTURE BODY.PEEK[HEADER])" % self._marks
        return [first, b"(UID BODY.PEEK[TEXT])"]

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
        self._open = text = self._due(start.uid, start.section)
        if text is None:
            return
        if start.origin:
            text.evidence.fault = "the server sends a part of it only"
        if text.arriving is None:
            size = start.size if text.sections is ONE_PIECE else text.evidence.listed or start.size
            text.arriving = MessageStart(text.uid, start.number + expunged, size)
            text.parts.append(text.arriving)

    def _due(self, uid: int | None, section: bytes) -> Text | None:
        """Return the message to which a section belongs that begins now, None if it is unasked."""
        text = self._asked.get(uid) if uid is not None else next(self._waiting(), None)
        if uid is None and text is None:
            raise RemoteProtocolError("message text that nobody asked for", state="selected")
        if text is None or text.over:
            return None
        if text.awaited is None:
            text.evidence.fault = "the server sends two texts for it"
            return None
        if text.awaited != section.upper():
            return None
        text.due += 1
        return text

    def _waiting(self) -> Iterator[Text]:
        """Yield those of which more is to come: a server may name the UID only after the text."""
        return (text for text in self._asked.values() if text.awaited is not None and not text.over)

    def have_none(self, missing: NoText) -> None:
        """Take note that the server has no text to give."""
        if text := self._due(missing.uid, missing.section):
            text.evidence.fault = "the server has no text for it now (NIL)"

    def add(self, chunk: BodyChunk) -> None:
        """Take some octets of the text that has begun. Raises RemoteProtocolError."""
        text = self._open
        if text is None:
            self._unasked += len(chunk.data)
            if self._unasked > HELD:
                raise RemoteProtocolError(
                    f"{HELD} octets of texts that nobody asked for", state="selected"
                )
            return
        text.evidence.look(chunk.data, in_body=text.sections[text.due - 1] == b"TEXT")
        text.parts.append(MessageChunk(chunk.data))
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
            self._open.whole += 1

    def end_response(self, event: Fetched) -> None:
        """The response that the text stood in is over. Raises RemoteProtocolError."""
        text, self._open = self._open, None
        if text and event.uid is not None and event.uid != text.uid:
            raise RemoteProtocolError(
                f"text of message {event.uid} came where {text.uid} was due", state="selected"
            )
        if text is None and event.uid is not None:
            text = self._asked.get(event.uid)
        if text is None:
            return
        text.evidence.told(event, again=text.sections is TWO_PIECES)
        text.marks = marks_of(event) or text.marks

    def end(self, uid: int, condition: Condition, why: str) -> None:
        """The tagged reply: only now a message is complete, or it is not to be had."""
        text = self._asked.get(uid)
        if text is None or text.over:
            return
        text.answered += 1
        text.over = condition is not Condition.OK or text.answered == len(text.sections)
        if condition is not Condition.OK:
            self._doubted.pop(uid, None)
            text.parts.append(Unavailable(uid, why))
        elif text.over:
            text.parts.append(self._conclude(text))

    def _conclude(self, text: Text) -> Part:
        """Say what a message came to whose commands have all been answered with OK."""
        uid, evidence = text.uid, text.evidence
        earlier = self._doubted.pop(uid, None)
        if gone(evidence):
            return Unavailable(uid, "it is gone")
        evidence.complete = text.whole == len(text.sections)
        if why := objection(evidence, earlier):
            if earlier is None:
                self._doubted[uid] = evidence
            return Unavailable(uid, why, again=earlier is None)
        size = evidence.octets if evidence.size is None else evidence.size
        return MessageEnd(CompletionProof(uid, evidence.octets, text.marks), size)

    def _count_held(self) -> None:
        """Count what waits behind the message that is now the oldest."""
        texts = list(self._asked.values())
        self._held = sum(
            len(part.data)
            for text in texts[1:]
            for part in text.parts
            if isinstance(part, MessageChunk)
        )


def marks_of(event: Fetched) -> MessageMetadata | None:
    """Return what a response says of a message beside its text.

    Keywords count, but \\Deleted and \\Recent are about this mailbox only.
    """
    if event.flags is None and event.internal_date is None:
        return None
    named = event.flags or ()
    flags = (flag for flag in named if flag[:1] != b"\\" or flag.lower() in LASTING_FLAGS)
    return MessageMetadata(tuple(flags), event.internal_date)
