"""BDAT and binary content (RFC 3030)."""

from __future__ import annotations

from ..verdicts import MUST, require
from .environment import SmtpEnvironment
from .messages import body_of
from .session import OUT_OF_ORDER, SmtpSession, require_refusal
from .suite import SMTP


def bdat(octets: bytes, *, last: bool = False) -> bytes:
    """Return a BDAT command with its octets."""
    return b"BDAT %d%b\r\n%b" % (len(octets), b" LAST" if last else b"", octets)


async def send_chunks(session: SmtpSession, *chunks: bytes) -> None:
    """Send chunks one at a time, the last one with LAST, and require 250 for each."""
    for number, chunk in enumerate(chunks, 1):
        await session.send(bdat(chunk, last=number == len(chunks)))
        reply = await session.reply(b"BDAT %d" % len(chunk))
        require(reply.code == 250, "250 as the reply to BDAT", reply)


@SMTP.case("smtp/chunk/1", rfc=3030, section="2", level=MUST)
async def chunks_are_stored_as_they_are(env: SmtpEnvironment) -> None:
    """Each BDAT gets one 250, and the text is that of all chunks, with no dots removed."""
    env.need_store()
    session = await env.ready(b"CHUNKING")
    await env.transact(session)
    body = b"..one\r\n.\r\n.two\r\n"
    text = env.message(body)
    await send_chunks(session, text[:50], text[50:-5], text[-5:], b"")
    stored = body_of(await env.delivered())
    require(stored == body, "the body as it was sent", stored)


@SMTP.case("smtp/chunk/2", rfc=3030, section="2", level=MUST)
async def data_does_not_follow_bdat(env: SmtpEnvironment) -> None:
    """DATA after BDAT in the same transaction gets 503."""
    session = await env.ready(b"CHUNKING")
    await env.transact(session)
    await session.send(bdat(env.message()))
    reply = await session.reply(b"BDAT")
    require(reply.code == 250, "250 as the reply to BDAT", reply)
    await session.out_of_order(b"DATA")


@SMTP.case("smtp/chunk/3", rfc=3030, section="2", level=MUST)
async def data_is_still_taken(env: SmtpEnvironment) -> None:
    """A server that announces CHUNKING takes DATA too, after a message by BDAT as well."""
    session = await env.ready(b"CHUNKING")
    await env.transact(session)
    await send_chunks(session, env.message())
    await env.transact(session)
    reply = await session.command(b"DATA")
    require(reply.code == 354, "354 as the reply to DATA", reply)


@SMTP.case("smtp/chunk/4", rfc=3030, section="3", level=MUST)
async def binary_content_does_not_go_by_data(env: SmtpEnvironment) -> None:
    """DATA after MAIL with BODY=BINARYMIME gets 503."""
    session = await env.ready(b"CHUNKING", b"BINARYMIME")
    await env.transact(session, parameters=b" BODY=BINARYMIME")
    await session.out_of_order(b"DATA")


@SMTP.case("smtp/chunk/5", rfc=3030, section="2", level=MUST, implied=True)
async def octets_of_a_chunk_are_no_commands(env: SmtpEnvironment) -> None:
    """BDAT without a transaction gets one refusal, and its octets are read and dropped."""
    session = await env.ready(b"CHUNKING")
    await session.send(bdat(b"NOOP\r\n", last=True))
    reply = await session.reply(b"BDAT 6 LAST")
    require_refusal(reply, "BDAT without a transaction", OUT_OF_ORDER)
    following = await session.command(b"QUIT")
    # The RFC does not say it in so many words, and servers exist that read commands here.
    require(following.code == 221, "one reply to BDAT, then 221 to QUIT", following, lenient=True)


@SMTP.case("smtp/chunk/6", rfc=3030, section="2", level=MUST, implied=True)
async def an_end_inside_a_chunk_is_content(env: SmtpEnvironment) -> None:
    """CRLF, dot, CRLF inside a chunk ends nothing, and commands inside it are content."""
    session = await env.ready(b"CHUNKING")
    await env.transact(session)
    text = env.message(b"one\r\n.\r\nNOOP\r\ntwo\r\n")
    await session.send(bdat(text, last=True))
    reply = await session.reply(b"BDAT LAST")
    require(reply.code == 250, "250 as the reply to BDAT", reply)
    following = await session.command(b"QUIT")
    require(following.code == 221, "one reply to BDAT, then 221 to QUIT", following)


@SMTP.case("smtp/chunk/7", rfc=3030, section="2", level=MUST, implied=True)
async def rset_drops_the_chunks(env: SmtpEnvironment) -> None:
    """RSET after a first chunk clears the transaction: the next message is only what follows."""
    env.need_store()
    session = await env.ready(b"CHUNKING")
    await env.transact(session)
    await session.send(bdat(b"X-Dropped: yes\r\n"))
    await session.reply(b"BDAT")
    await session.positive(b"RSET")
    await session.out_of_order(env.rcpt)
    await env.transact(session)
    await send_chunks(session, env.message())
    text = await env.delivered()
    require(b"X-Dropped" not in text, "nothing of the chunk before RSET", text)


@SMTP.case("smtp/chunk/8", rfc=3030, section="4.2", level=MUST, implied=True)
async def chunks_go_in_one_segment(env: SmtpEnvironment) -> None:
    """With PIPELINING a transaction with all its chunks in one segment is answered in order."""
    session = await env.ready(b"CHUNKING", b"PIPELINING")
    text = env.message()
    chunks = [bdat(text[:40]), bdat(text[40:]), bdat(b"", last=True)]
    await session.send(b"%b\r\n%b\r\n%b" % (env.mail, env.rcpt, b"".join(chunks)))
    for reply in await session.replies(env.mail, env.rcpt, *[b"BDAT"] * len(chunks)):
        require(reply.code == 250, "250 as the reply to each command", reply)


@SMTP.case("smtp/chunk/9", rfc=3030, section="2", level=MUST, implied=True)
async def a_chunk_has_a_size(env: SmtpEnvironment) -> None:
    """BDAT without a size, or with one that is no number, is refused."""
    for line in (b"BDAT", b"BDAT x", b"BDAT -1"):
        session = await env.ready(b"CHUNKING")
        await env.transact(session)
        # Which code is open, since a server that cannot know what follows may close: 521.
        await session.refused(line)


@SMTP.case("smtp/chunk/10", rfc=3030, section="3", level=MUST, implied=True)
async def binary_content_is_kept(env: SmtpEnvironment) -> None:
    """With BINARYMIME every octet is stored as it was, NUL and 128 to 255 included."""
    env.need_store()
    session = await env.ready(b"CHUNKING", b"BINARYMIME")
    await env.transact(session, parameters=b" BODY=BINARYMIME")
    octets = bytes(octet for octet in range(256) if octet not in b"\r\n")
    fields = b"MIME-Version: 1.0\r\nContent-Type: application/octet-stream\r\n"
    text = env.message(octets, fields + b"Content-Transfer-Encoding: binary\r\n")
    await send_chunks(session, text)
    stored = body_of(await env.delivered())
    # A store on disk may add a line end.
    require(stored.removesuffix(b"\r\n") == octets, "every octet as it was sent", stored)
