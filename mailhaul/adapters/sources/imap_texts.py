"""The requested texts, in the order of the requests.

Servers mix the responses to several FETCH commands: Dovecot 2.3 sends the text of up to three more
messages before the tagged OK of the first. So the parts of a later message are held back until the
earlier messages are complete. The amount is limited by how much the flow requests ahead, and by
MAX_HELD for servers that announce wrong sizes.

A text that does not look complete (imap_completeness.py) is requested once more with other
commands: header, structure and text separately.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

from ... import imap
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
from .imap_completeness import Evidence, is_gone, objection

MAX_HELD = 16 * 1024 * 1024
"""The maximum octets held back for earlier messages, and the maximum octets of unexpected texts."""
LASTING_FLAGS = frozenset({rb"\seen", rb"\flagged", rb"\answered", rb"\draft"})
"""System flags that apply to a message in any mailbox (RFC 3501, 2.3.2)."""
MARK_ITEMS = b"FLAGS INTERNALDATE "
ONE_PIECE = (b"",)
"""The sections of a message in the first request."""
TWO_PIECES = (b"HEADER", b"TEXT")
"""The sections of a message in the second request, after a doubtful text."""


class Text:
    """One requested message: its parts received so far.

    ``marks`` is None unless a response contained flags or a date. ``held`` counts the octets that
    arrived while an earlier message was the oldest.
    """

    def __init__(self, uid: int, listed: int, sections: tuple[bytes, ...]) -> None:
        self.uid = uid
        self.parts: deque[Part] = deque()
        self.held = 0
        self.sections = sections
        self.begun = 0
        self.complete = 0
        self.answered = 0
        self.arriving: MessageStart | None = None
        self.marks: MessageMetadata | None = None
        self.is_over = False
        self.evidence = Evidence(listed)

    @property
    def next_section(self) -> bytes | None:
        """The section expected next; None if all have begun."""
        return self.sections[self.begun] if self.begun < len(self.sections) else None


class Texts:
    """The requested messages, oldest first. ``pull`` returns their parts in that order."""

    __slots__ = ("_asked", "_doubted", "_held", "_marks", "_open", "_unasked")

    def __init__(self, *, with_marks: bool = False) -> None:
        self._marks = MARK_ITEMS if with_marks else b""
        self._asked: dict[int, Text] = {}
        self._open: Text | None = None
        self._held = 0
        self._unasked = 0
        self._doubted: dict[int, Evidence] = {}

    def ask(self, uid: int, listed: int) -> Sequence[bytes]:
        """Register a requested message; return the FETCH items to send, one command each.

        ``listed`` is its size in the listing in octets, 0 if unknown. PEEK does not change flags.
        """
        again = uid in self._doubted
        self._asked[uid] = Text(uid, listed, TWO_PIECES if again else ONE_PIECE)
        if not again:
            return [b"(UID %bRFC822.SIZE BODY.PEEK[])" % self._marks]
        # Two commands, so that the sections arrive in this order.
        first = b"(UID %bRFC822.SIZE BODYSTRUCTURE BODY.PEEK[HEADER])" % self._marks
        return [first, b"(UID BODY.PEEK[TEXT])"]

    def pull(self) -> Part | None:
        """Return the next part of the oldest message, or None until more data has arrived."""
        for uid, text in self._asked.items():
            if not text.parts:
                return None
            part = text.parts.popleft()
            if text.is_over and not text.parts:
                del self._asked[uid]
                self._release_oldest()
            return part
        return None

    def begin_text(self, start: imap.BodyStart, expunged: int) -> None:
        """Take the beginning of a text; ignore the text of a message that was not requested.

        ``expunged`` messages were expunged since the mailbox was opened.
        """
        self._open = text = self._expected(start.uid, start.section)
        if text is None:
            return
        if start.origin:
            text.evidence.fault = "the server sends only a part of it"
        if text.arriving is None:
            size = start.size if text.sections is ONE_PIECE else text.evidence.listed or start.size
            text.arriving = MessageStart(text.uid, start.number + expunged, size)
            text.parts.append(text.arriving)

    def _expected(self, uid: int | None, section: bytes) -> Text | None:
        """Return the message of a section that begins, None if the section was not requested."""
        text = self._asked.get(uid) if uid is not None else next(self._waiting(), None)
        if uid is None and text is None:
            raise RemoteProtocolError("message text that was not requested", state="selected")
        if text is None or text.is_over:
            return None
        if text.next_section is None:
            text.evidence.fault = "the server sends two texts for it"
            return None
        if text.next_section != section.upper():
            return None
        text.begun += 1
        return text

    def _waiting(self) -> Iterator[Text]:
        """Yield the messages with sections to come: the UID may follow after the text."""
        return (
            text
            for text in self._asked.values()
            if text.next_section is not None and not text.is_over
        )

    def no_text(self, missing: imap.NoText) -> None:
        """Take NIL in place of a text."""
        if text := self._expected(missing.uid, missing.section):
            text.evidence.fault = "the server has no text for it now (NIL)"

    def add(self, chunk: imap.BodyChunk) -> None:
        """Take some octets of the current text. Raises RemoteProtocolError."""
        text = self._open
        if text is None:
            self._unasked += len(chunk.data)
            if self._unasked > MAX_HELD:
                raise RemoteProtocolError(
                    f"{MAX_HELD} octets of texts that were not requested", state="selected"
                )
            return
        text.evidence.add_text(chunk.data, in_body=text.sections[text.begun - 1] == b"TEXT")
        text.parts.append(MessageChunk(chunk.data))
        if text is not next(iter(self._asked.values())):
            text.held += len(chunk.data)
            self._held += len(chunk.data)
            if self._held > MAX_HELD:
                raise RemoteProtocolError(
                    f"{MAX_HELD} octets of other messages arrived before the end of the first, "
                    "although smaller sizes were announced",
                    state="selected",
                )

    def end_text(self) -> None:
        """Take the end of the current text: all announced octets have arrived."""
        if self._open:
            self._open.complete += 1

    def end_response(self, event: imap.Fetched) -> None:
        """Take the end of the FETCH response with the text. Raises RemoteProtocolError."""
        text, self._open = self._open, None
        if text and event.uid is not None and event.uid != text.uid:
            raise RemoteProtocolError(
                f"text of message {event.uid} in place of {text.uid}", state="selected"
            )
        if text is None and event.uid is not None:
            text = self._asked.get(event.uid)
        if text is None:
            return
        text.evidence.add_response(event, again=text.sections is TWO_PIECES)
        text.marks = marks_of(event) or text.marks

    def end_command(
        self, uid: int, condition: imap.Condition, why: str, *, rests: bool = False
    ) -> None:
        """Take the tagged reply: only now the message is complete, or unavailable.

        With ``rests`` the server sends no message now.
        """
        text = self._asked.get(uid)
        if text is None or text.is_over:
            return
        text.answered += 1
        text.is_over = condition is not imap.Condition.OK or text.answered == len(text.sections)
        if condition is not imap.Condition.OK:
            self._doubted.pop(uid, None)
            text.parts.append(Unavailable(uid, why, rests=rests))
        elif text.is_over:
            text.parts.append(self._conclude(text))

    def _conclude(self, text: Text) -> Part:
        """Return the last part of a message whose commands were all answered with OK."""
        uid, evidence = text.uid, text.evidence
        earlier = self._doubted.pop(uid, None)
        if is_gone(evidence):
            return Unavailable(uid, "it is gone")
        evidence.complete = text.complete == len(text.sections)
        if why := objection(evidence, earlier):
            if earlier is None:
                self._doubted[uid] = evidence
            return Unavailable(uid, why, again=earlier is None)
        size = evidence.octets if evidence.size is None else evidence.size
        return MessageEnd(CompletionProof(uid, evidence.octets, text.marks), size)

    def _release_oldest(self) -> None:
        """Hold back the message that is now the oldest no longer."""
        oldest = next(iter(self._asked.values()), None)
        if oldest is not None:
            self._held -= oldest.held


def marks_of(event: imap.Fetched) -> MessageMetadata | None:
    """Return flags and date from a FETCH response, None if it has neither.

    Keywords are included; \\Deleted and \\Recent are not, since they apply to this mailbox only.
    """
    if event.flags is None and event.internal_date is None:
        return None
    named = event.flags or ()
    flags = (flag for flag in named if flag[:1] != b"\\" or flag.lower() in LASTING_FLAGS)
    return MessageMetadata(tuple(flags), event.internal_date)
