"""Messages to send, and what is compared afterwards: the Message-ID and a digest of the body.

Programs add header fields and change line ends; the body's text must arrive unchanged.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

LINE = b"All happy families are alike; each unhappy family is unhappy in its own way.\n"
PARAGRAPH = LINE * 12 + b".a line that begins with a dot\n" + b"\n"
MESSAGE_ID = re.compile(rb"^message-id:\s*<([^>]*)>", re.IGNORECASE | re.MULTILINE)
HEADER = b"""\
Return-Path: <ann@example.org>
Received: from relay.example.org (relay.example.org [192.0.2.1])
\tby mail.example.net with ESMTPS id %d
\tfor <bob@example.net>; Tue, 01 Dec 2026 10:00:00 +0000
Date: Tue, 01 Dec 2026 10:00:00 +0000
From: Ann Example <ann@example.org>
To: Bob Example <bob@example.net>
Subject: message %d
Message-ID: <%d.%s@bench.example>
MIME-Version: 1.0
Content-Type: text/plain; charset=us-ascii

"""

Key = tuple[str, str]
"""Message-ID and digest of the body."""


@dataclass(frozen=True, slots=True)
class Mix:
    """How large messages are: the sizes repeat in this order."""

    sizes: tuple[int, ...]

    def of(self, number: int) -> int:
        """Return the octets of a message."""
        return self.sizes[number % len(self.sizes)]


SMALL = Mix((4096,))
MIXED = Mix((*((4096,) * 7), 20_000, 20_000, 100_000) * 9 + (*((4096,) * 8), 1 << 20, 1 << 20))
"""Of 100 messages 71 have 4 KB, 18 have 20 KB, 9 have 100 KB and 2 have 1 MB."""


def message(number: int, octets: int, batch: str) -> bytes:
    """Return a message of this size, counted with CRLF; its line ends are LF, as in a Maildir."""
    text = HEADER % (number, number, number, batch.encode())
    text += b"This is message %d of %s.\n" % (number, batch.encode())
    room = octets - len(text) - text.count(b"\n")
    paragraphs, rest = divmod(max(room, 2), len(PARAGRAPH) + PARAGRAPH.count(b"\n"))
    lines = -(-rest // 80)
    # The rest has lines of at most 80 octets with their CRLF, so that its size is exact.
    filler = b"x" * (rest - 2 * lines)
    cut = b"".join(filler[start : start + 78] + b"\n" for start in range(0, 78 * lines, 78))
    return text + PARAGRAPH * paragraphs + cut


def messages(count: int, sizes: Mix, batch: str) -> Iterator[bytes]:
    """Yield so many different messages."""
    return (message(number, sizes.of(number), batch) for number in range(1, count + 1))


def key(text: bytes) -> Key:
    """Return by what a message is recognized. Line ends may be CRLF or LF."""
    if b"\r" in text:
        text = text.replace(b"\r\n", b"\n")
    end = text.find(b"\n\n") + 2
    found = MESSAGE_ID.search(text, 0, end)
    name = found[1].decode(errors="replace") if found else "(no Message-ID)"
    # Not a slice, which would be a copy: some messages have a gigabyte.
    return name, hashlib.sha256(memoryview(text)[end:]).hexdigest()


def difference(expected: Iterable[Key], found: Iterable[Key]) -> str:
    """Say how what arrived differs from what should have, or return an empty text."""
    wanted, got = sorted(expected), sorted(found)
    if wanted == got:
        return ""
    twice = len(got) - len({*got})
    missing = len({*wanted} - {*got})
    changed = len({*got} - {*wanted})
    return (
        f"{len(got)} of {len(wanted)} arrived: {missing} missing, {changed} altered, {twice} twice"
    )
