"""What stands in a batch or a mailbox file, as whoever reads it later takes it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

BATCH, MAILBOX = "/batch", "/mailbox"
QUOTED = re.compile(rb"^>(>*From )", re.MULTILINE)
Copies = Counter[tuple[bytes, bytes]]


def in_batch(data: bytes) -> Copies:
    """Return how often each recipient gets each text from a program that obeys the batch."""
    copies: Copies = Counter()
    recipients: list[bytes] = []
    lines = iter(data.splitlines(keepends=True))
    for line in lines:
        if not line.endswith(b"\n"):
            break
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
    found: list[list[bytes]] = []
    behind_blank = True
    for line in data.splitlines(keepends=True):
        if behind_blank and b"From ".startswith(line):
            # Half a line, which the next message takes away.
            break
        if behind_blank and line.startswith(b"From "):
            found.append([])
        elif found and (found[-1] or not line.startswith(b"Return-Path: <")):
            found[-1].append(line)
        behind_blank = line == b"\n"
    texts = [QUOTED.sub(rb"\1", b"".join(lines).removesuffix(b"\n")) for lines in found]
    texts = [text.replace(b"\n", b"\r\n") for text in texts]
    return [text for text in texts if text in known or not is_half(text, known)]


def is_half(text: bytes, known: set[bytes]) -> bool:
    """Whether a message begins so, or the line before it."""
    beginning = text.rstrip(b"\r\n\0")
    return any(each.startswith(beginning) for each in (b"Return-Path: <", *known))
