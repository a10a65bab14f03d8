"""A message as it stands in a mailbox file of the kind mboxrd (RFC 4155 names the family).

It begins with ``From SENDER DATE`` and ends with a blank line. A line of its own that begins with
``From ``, or with ``From `` behind any number of ``>``, gets one ``>`` more: a reader takes one off
again and has the message as it was, whatever was in it. All that cannot be told afterwards is
whether the last line had an end.
"""

from __future__ import annotations

import re

from .envelope import is_path
from .header import split_fields
from .trace import DAYS, MONTHS, civil

QUOTABLE = re.compile(rb"^(>*From )", re.MULTILINE)
UNDECIDED = re.compile(rb">*(|F|Fr|Fro|From)\Z")
"""A line, as far as it has come, that may become a quotable one."""


class MboxrdWriter:
    """Turns the text of one message into that of a mailbox file, with LF as the line end.

    ``begin``, ``feed`` as often as there is something, ``finish``. At most the four letters of
    From are held back: where in a row of ``>`` one is added is all the same.
    """

    def __init__(self) -> None:
        self._held = b""
        self._undecided = True
        self._last = b"\n"

    def begin(self, sender: bytes | None, seconds: int, header: bytes) -> bytes:
        """Return what stands before the header: the From_ line, and a Return-Path if it has none.

        ``seconds`` count from 1970 in UTC. A sender of None is not known, b"" is the null sender.
        """
        # Blanks end the address; there are some in quoted local parts.
        who = b"-".join((sender or b"").split()) or b"MAILER-DAEMON"
        first = b"From %b %b\n" % (who, asctime(seconds))
        if sender is None or not (sender == b"" or is_path(sender)):
            return first
        if header.startswith((b" ", b"\t")):
            # It would become part of a field above it.
            return first
        if any(field.key == b"return-path" for field in split_fields(header)):
            return first
        # RFC 5321, 4.4: who delivers finally writes the envelope sender down.
        return first + b"Return-Path: <%b>\n" % sender

    def feed(self, data: bytes) -> bytes:
        """Return some of the text, quoted."""
        if not data:
            return b""
        data = self._held + data
        last = data.rfind(b"\n") + 1
        # The rest of a line that is decided cannot be quoted.
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
        """Return what was held back, the end of the last line and the blank line."""
        held, self._held = self._held, b""
        ended = (held or self._last).endswith(b"\n")
        return held + (b"\n" if ended else b"\n\n")


def asctime(seconds: int) -> bytes:
    """Return a moment in UTC as C's asctime does: ``Sun Nov 22 22:14:59 2026``."""
    days, second = divmod(seconds, 86400)
    year, month, day = civil(days)
    clock = b"%02d:%02d:%02d" % (second // 3600, second // 60 % 60, second % 60)
    return b"%b %b %2d %b %04d" % (DAYS[days % 7], MONTHS[month - 1], day, clock, year)
