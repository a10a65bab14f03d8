"""What stands in a batch or a mailbox file, as whoever reads it later takes it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

BATCH, MAILBOX = "/batch", "/mailbox"
FROM = re.compile(rb"(?:\A|\n\n)From [^\n]*\n(?:Return-Path: <[^\n]*\n)?")
QUOTED = re.compile(rb"^>(>*From )", re.MULTILINE)
Copies = Counter[tuple[bytes, bytes]]


def in_batch(data: bytes) -> Copies:
    """Return how often each recipient gets each text from a program that obeys the batch."""
    copies: Copies = Counter()
    recipients: list[bytes] = []
    lines = iter(data.splitlines(keepends=True))
    for line in lines:
        verb, _, rest = line.strip().partition(b":")
        if verb == b"MAIL FROM":
            recipients = []
        elif verb == b"RCPT TO":
            recipients.append(rest.strip(b"<>"))
        elif verb == b"DATA":
            text = up_to_the_dot(lines)
            copies.update((text, recipient) for recipient in recipients if text is not None)
        elif verb:
            raise AssertionError(f"no command of ours: {line!r}")
    return copies


def up_to_the_dot(lines: Iterator[bytes]) -> bytes | None:
    """Return a text (RFC 5321, 4.5.2), None if it has no end."""
    text: list[bytes] = []
    for line in lines:
        if line == b".\r\n":
            return b"".join(text)
        text.append(line.removeprefix(b"."))
    return None


def in_mailbox(data: bytes, known: set[bytes]) -> list[bytes]:
    """Return the texts in a mailbox file, but for the beginnings that a kill has left."""
    found = [text for text in FROM.split(data.removesuffix(b"\n\n")) if text]
    texts = [QUOTED.sub(rb"\1", text + b"\n").replace(b"\n", b"\r\n") for text in found]
    return [text for text in texts if text in known or not is_half(text, known)]


def is_half(text: bytes, known: set[bytes]) -> bool:
    """Whether a message begins so, or the line before it."""
    beginning = text.rstrip(b"\r\n\0")
    return beginning.startswith(b"From ") or any(each.startswith(beginning) for each in known)
