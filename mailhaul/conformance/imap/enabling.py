"""ENABLE (RFC 5161), COMPRESS (RFC 4978) and the SIZE of STATUS (RFC 8438)."""

from __future__ import annotations

import zlib
from collections.abc import Callable

from ..verdicts import MUST, Skipped, fail, require
from .contents import number_of, set_up, text
from .environment import ImapEnvironment
from .messages import ONE, TWO
from .responses import Answer
from .session import ImapSession, quoted
from .structured_messages import NESTED
from .suite import IMAP

UNKNOWN = b"X-UNKNOWN"
# RFC 7162, 3.2.3 does not oblige servers with QRESYNC to take CONDSTORE by itself.
CAN_BE_ENABLED = (b"QRESYNC", b"UTF8=ACCEPT", b"CONDSTORE", b"IMAP4REV2")
RAW = -15
"""zlib's name for deflated data without a header, with the largest window."""


def enabled(answer: Answer) -> set[bytes]:
    """Return the names in the ENABLED responses."""
    responses = answer.all(b"ENABLED")
    return {name for response in responses for name in response.text.upper().split()}


@IMAP.case("imap/enable/1", rfc=5161, section="3.1", level=MUST)
async def unknown_extensions_are_ignored(env: ImapEnvironment) -> None:
    """ENABLE of an unknown extension gets OK, and ENABLED names only what was switched on."""
    session = await env.log_in()
    announced = await env.require_capability(session, b"ENABLE", b"IMAP4REV2")
    nothing = await session.ok(b"ENABLE " + UNKNOWN)
    require(not enabled(nothing), "no name in the ENABLED response", nothing.lines)
    known = next((name for name in CAN_BE_ENABLED if name in announced), None)
    if known:
        names = enabled(await session.ok(b"ENABLE " + UNKNOWN + b" " + known))
        require(UNKNOWN not in names, f"no {UNKNOWN!r} in ENABLED", names)
        require(known in names, f"{known!r} in ENABLED", names)
    # RFC 5161, 3.1 demands the response in any case; Dovecot 2.3 sends none without names.
    require(nothing.all(b"ENABLED"), "an ENABLED response", nothing.lines, lenient=True)


@IMAP.case("imap/enable/2", rfc=5161, section="3.1", level=MUST)
async def enable_does_not_change_the_capabilities(env: ImapEnvironment) -> None:
    """CAPABILITY lists the same after ENABLE as before."""
    session = await env.log_in()
    before = await env.require_capability(session, b"ENABLE", b"IMAP4REV2")
    known = [name for name in CAN_BE_ENABLED[:3] if name in before]
    if not known:
        raise Skipped("the server announces nothing that can be enabled")
    await session.ok(b"ENABLE " + b" ".join(known))
    after = await env.capabilities(session)
    require(after == before, "the same capabilities as before ENABLE", sorted(before ^ after))


# COMPRESS


def inflater() -> Callable[[bytes], bytes]:
    """Return what inflates a stream; anything else comes out as it is."""
    stream = zlib.decompressobj(RAW)

    def inflate(data: bytes) -> bytes:
        try:
            return stream.decompress(data)
        except zlib.error:
            return data

    return inflate


def deflater() -> Callable[[bytes], bytes]:
    """Return what deflates a stream, all of it at every turn."""
    stream = zlib.compressobj(wbits=RAW)
    return lambda data: stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH)


async def compressed(env: ImapEnvironment) -> ImapSession:
    """Return a session with two messages in which both directions are compressed.

    Raises Skipped if the server does not offer that, or has another layer that compresses.
    """
    session = await env.selected(ONE, NESTED)
    await env.require_capability(session, b"COMPRESS=DEFLATE")
    answer = await session.command(b"COMPRESS DEFLATE")
    if answer.code and answer.code.name == b"COMPRESSIONACTIVE":
        raise Skipped("another layer compresses already")
    require(answer.ok, "OK as the answer to COMPRESS", answer.tagged.line)
    session.channel.machine.translate(inflater(), deflater())
    return session


@IMAP.case("imap/compress/1", rfc=4978, section="3", level=MUST)
async def both_directions_are_deflated(env: ImapEnvironment) -> None:
    """After the OK to COMPRESS DEFLATE both directions are deflated, messages and literals too."""
    session = await compressed(env)
    await session.ok(b"NOOP")
    whole = await text(session, 2)
    require(whole == NESTED, "the message as it was appended", whole)
    require(
        (await env.append(session, session.mailbox, TWO)).ok, "OK as the answer to APPEND", "NO"
    )


@IMAP.case("imap/compress/2", rfc=4978, section="3", level=MUST, implied=True)
async def compression_cannot_begin_twice(env: ImapEnvironment) -> None:
    """A second COMPRESS is refused, and the session goes on as before."""
    session = await compressed(env)
    await session.refused(b"COMPRESS DEFLATE")
    await session.ok(b"NOOP")


# STATUS


@IMAP.case("imap/statussize/1", rfc=8438, section="3", level=MUST)
async def the_size_of_a_mailbox_covers_its_messages(env: ImapEnvironment) -> None:
    """SIZE of STATUS is at least the sum of the RFC822.SIZE of all messages."""
    session = await env.selected(ONE, NESTED)
    await env.require_capability(session, b"STATUS=SIZE", b"IMAP4REV2")
    fetched = (await session.ok(b"FETCH 1:* (RFC822.SIZE)")).fetched()
    total = sum(number_of(items.get(b"RFC822.SIZE")) for items in fetched.values())
    await set_up(session, b"CLOSE")
    answer = await session.ok(b"STATUS " + quoted(session.mailbox) + b" (SIZE)")
    value = answer.one(b"STATUS").items.get(b"SIZE")
    if value is None:
        fail("SIZE in the STATUS response", answer.lines)
    require(number_of(value) >= total, f"SIZE of at least {total}", number_of(value))
