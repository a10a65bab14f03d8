"""Write a message in the mboxrd variant of the mbox format (RFC 4155 describes the family).

A message begins with ``From SENDER DATE`` and ends with a blank line. A line of the message that
begins with ``From ``, or with any number of ``>`` followed by ``From ``, is quoted with one more
``>``. A reader that removes one ``>`` gets the original message. Only one fact is lost: whether the
last line had a line end.
"""

from __future__ import annotations

import re

from .envelope import is_path
from .header import split_fields
from .trace import DAYS, MONTHS, civil

QUOTABLE = re.compile(rb"^(>*From )", re.MULTILINE)
UNDECIDED = re.compile(rb">*(|F|Fr|Fro|From)\Z")
"""An incomplete line that may still become a line to quote."""


class MboxrdWriter:
    """Converts the text of one message to mboxrd; the input has LF as its line end.

    Call ``begin`` once, ``feed`` for each chunk, and ``finish`` at the end. At most the four
    letters of From are held back: leading ``>`` need not be held, since the added ``>`` may
    come after them.
    """

    def __init__(self) -> None:
        self._held = b""
        self._undecided = True
        self._last = b"\n"

    def begin(self, sender: bytes | None, seconds: int, header: bytes) -> bytes:
        """Return the lines before the header: the From_ line, and a Return-Path if it has none.

        ``seconds`` is the number of seconds since 1970 in UTC. ``sender`` is None if it is
        unknown, and b"" for the null sender.
        """
        # Blanks end the address, and a quoted local part may contain blanks.
        address = b"-".join((sender or b"").split()) or b"MAILER-DAEMON"
        first = b"From %b %b\n" % (address, asctime(seconds))
        if sender is None or not (sender == b"" or is_path(sender)):
            return first
        if header.startswith((b" ", b"\t")):
            # The first header line would become a continuation of the added field.
            return first
        if any(field.key == b"return-path" for field in split_fields(header)):
            return first
        # RFC 5321, 4.4: the final delivery system records the envelope sender.
        return first + b"Return-Path: <%b>\n" % sender

    def feed(self, data: bytes) -> bytes:
        """Return the quoted text of a chunk; the start of the last line may be held back."""
        if not data:
            return b""
        data = self._held + data
        last = data.rfind(b"\n") + 1
        # The rest of a line whose start has already been written is never quoted.
        start = 0 if self._undecided else data.find(b"\n") + 1 or len(data)
        undecided = UNDECIDED.match(data, last) if self._undecided or last else None
        self._undecided = undecided is not None
        self._held = undecided[1] if undecided else b""
        text = data[: len(data) - len(self._held)]
        if b"From " in text:
            text = text[:start] + QUOTABLE.sub(rb">\1", text[start:])
        self._last = text[-1:] or self._last
        return text

    def finish(self) -> bytes:
        """Return the bytes held back, the end of the last line, and the blank line."""
        held, self._held = self._held, b""
        ended = (held or self._last).endswith(b"\n")
        return held + (b"\n" if ended else b"\n\n")


def asctime(seconds: int) -> bytes:
    """Return a UTC time in the format of C's asctime: ``Sun Nov 22 22:14:59 2026``."""
    days, second = divmod(seconds, 86400)
    year, month, day = civil(days)
    clock = b"%02d:%02d:%02d" % (second // 3600, second // 60 % 60, second % 60)
    return b"%b %b %2d %b %04d" % (DAYS[days % 7], MONTHS[month - 1], day, clock, year)
