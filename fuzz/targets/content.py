"""What a message's text goes through: mimedecode, a mailbox file, and a bounce that quotes it.

The first octet chooses the window, the second how the message is cut.
"""

from __future__ import annotations

import re

from mailhaul.protocols.errors import LocalProtocolError
from mailhaul.protocols.message.bounce import BounceContext, Failure, bounce
from mailhaul.protocols.message.header import HeaderScanner, split_fields
from mailhaul.protocols.message.mboxrd import MboxrdWriter
from mailhaul.protocols.message.mime_decode import MimeDecoder

from ..finding import promise
from ..turns import pieces

BOUNDARY = b"b0undary"
OCCASION = BounceContext("here.example", b"Thu, 01 Jan 1970", b"1@here.example", BOUNDARY)
MIME = b"MIME-Version: 1.0\r\n"


def target(data: bytes) -> None:
    """Decode a message, write it into a mailbox file, and bounce it."""
    choice, size, text = data[:1], data[1:2], data[2:]
    window = 10 + 8 * (choice[0] if choice else 0)
    chunks = list(pieces(text, 1 + (size[0] if size else 0) % 8))
    check_decoded(chunks, text, window)
    check_mailbox_file(chunks, text)
    check_bounce(text)


def decoded(chunks: list[bytes], window: int) -> tuple[bytes, bytes]:
    """Return header and body as they are handed on."""
    scanner = HeaderScanner()
    scanner.feed(MIME)
    for position, chunk in enumerate(chunks):
        scanner.feed(chunk)
        if scanner.complete:
            chunks = chunks[position + 1 :]
            break
    else:
        chunks = []
        scanner.finish()
    decoder = MimeDecoder(scanner.fields, window)
    decoder.feed(scanner.rest)
    while chunks and not decoder.ready:
        decoder.feed(chunks.pop(0))
    if not decoder.ready:
        decoder.finish()
    header = b"".join(field.raw for field in scanner.fields) + scanner.separator
    head, body = decoder.result(header)
    return head, body + b"".join(chunks)


def check_decoded(chunks: list[bytes], text: bytes, window: int) -> None:
    """The cut makes no difference, and no field is added but the name of an encoding."""
    head, body = decoded(list(chunks), window)
    promise(decoded([text], window) == (head, body), "the cut makes a difference")
    scanner = HeaderScanner()
    scanner.feed(MIME + text)
    if not scanner.complete:
        scanner.finish()
    names = [field.key for field in split_fields(head)]
    before = [field.key for field in scanner.fields]
    added = [b"content-transfer-encoding"]
    promise(names[: len(before)] == before, "a field is gone")
    if scanner.separator:
        blank = [b""]
        promise(names[len(before) :] in (blank, added + blank), "a field is added")
    promise(len(body) <= len(scanner.rest) + 1000, "the body has grown")


def check_mailbox_file(chunks: list[bytes], text: bytes) -> None:
    """A reader gets back what was written."""
    writer = MboxrdWriter()
    written = b"".join([*map(writer.feed, chunks), writer.finish()])
    promise(not re.search(rb"(?m)^From ", written), "a message begins inside of one")
    read = re.sub(rb"(?m)^>(>*From )", rb"\1", written[:-1])
    promise(read in (text, text + b"\n"), "a reader gets something else")


def check_bounce(text: bytes) -> None:
    """Nothing quoted breaks the form."""
    reply, _, header = text.partition(b"\r\n")
    try:
        message = bounce(OCCASION, b"ann@x.example", [Failure(reply, reply[:9], reply)], header)
    except LocalProtocolError:
        promise(BOUNDARY in text.replace(b"\0", b""), "a bounce is refused for nothing")
        return
    promise(message.count(b"--" + BOUNDARY) == 4, "another delimiter")
    promise(not re.search(rb"\0|\r(?!\n)|(?<!\r)\n", message), "a line ends where none should")
