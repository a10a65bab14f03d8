"""The size of a message, as it is declared and as it is (RFC 1870)."""

from __future__ import annotations

import re

from ..verdicts import MAY, MUST, Finding, Skipped, require
from .environment import SmtpEnvironment
from .messages import body_of
from .session import SmtpSession
from .suite import SMTP

LARGEST = 16 * 1024 * 1024
"""Octets that a case is ready to send."""


def limit_of(session: SmtpSession) -> int:
    """Return the fixed maximum of the message size. Raises Skipped if there is none."""
    value = session.extensions[b"SIZE"]
    if not value.isdigit() or int(value) == 0:
        raise Skipped("the server announces no fixed maximum size")
    return int(value)


@SMTP.case("smtp/size/1", rfc=1870, section="6.1", level=MUST, implied=True)
async def a_size_above_the_limit_gets_552(env: SmtpEnvironment) -> None:
    """MAIL with a SIZE above the announced limit gets 552, and with a small one 250."""
    session = await env.ready(b"SIZE")
    limit = limit_of(session)
    await session.positive(env.mail + b" SIZE=1000")
    await session.positive(b"RSET")
    # What a server does with the declared size is said without a capitalised word.
    await session.refused(env.mail + b" SIZE=%d" % (limit + 1), 552, lenient=True)


@SMTP.case("smtp/size/2", rfc=1870, section="4", level=MAY)
async def the_limit_is_a_number(env: SmtpEnvironment) -> Finding:
    """SIZE is announced with a number of octets, with 0 for no limit, or without a number."""
    session = await env.greeted(b"SIZE")
    value = session.extensions[b"SIZE"]
    require(re.fullmatch(rb"[0-9]{0,20}", value), "a decimal number or nothing after SIZE", value)
    limit = int(value or 0)
    return Finding(limit > 0, f"a limit of {limit} octets" if limit else "no limit is announced")


@SMTP.case("smtp/size/3", rfc=1870, section="6", level=MUST)
async def the_declared_size_does_not_end_the_text(env: SmtpEnvironment) -> None:
    """The end of a text is its final dot, not the size that was declared."""
    env.need_store()
    session = await env.ready(b"SIZE")
    body = b"long enough\r\n" * 20
    reply = await env.submit(session, env.message(body), parameters=b" SIZE=50")
    following = await session.command(b"QUIT")
    require(following.code == 221, "one reply to the text, then 221 to QUIT", following)
    # A text that is longer than declared may be refused (RFC 1870, 6.3).
    if reply.positive:
        stored = body_of(await env.delivered())
        require(stored == body, "the whole body", stored)


@SMTP.case("smtp/size/4", rfc=1870, section="5", level=MUST, implied=True)
async def a_size_is_a_number(env: SmtpEnvironment) -> None:
    """MAIL with a SIZE that is no number is refused."""
    session = await env.ready(b"SIZE")
    # The grammar says so, but no sentence obliges a server to check it, and many do not.
    for value in (b"many", b"-1", b""):
        await session.refused(env.mail + b" SIZE=" + value, 501, lenient=True)


@SMTP.case("smtp/size/5", rfc=1870, section="6.3", level=MUST, implied=True)
async def a_text_above_the_limit_is_read_to_its_end(env: SmtpEnvironment) -> None:
    """A text above the announced limit gets one reply, and the next command gets the next."""
    session = await env.ready(b"SIZE")
    limit = limit_of(session)
    if limit > LARGEST:
        raise Skipped(f"the limit of {limit} octets is too large to be tried")
    await env.begin_data(session)
    line = b"x" * 70 + b"\r\n"
    text = env.message(line * (limit // len(line) + 1)) + b".\r\n"
    await session.send(text, shown=b"(a text of %d octets)" % len(text))
    reply = await session.reply(b"the text")
    following = await session.command(b"QUIT")
    require(following.code == 221, f"221 to QUIT after {reply}", following)
    # A server may take more than it promised.
    require(reply.code == 552, "552 as the reply to the text", reply, lenient=True)


@SMTP.case("smtp/size/6", rfc=1870, section="6.1", level=MUST, implied=True)
async def a_size_of_the_limit_is_taken(env: SmtpEnvironment) -> None:
    """MAIL with just the announced limit as its SIZE does not get 552."""
    session = await env.ready(b"SIZE")
    limit = limit_of(session)
    reply = await session.command(env.mail + b" SIZE=%d" % limit)
    require(reply.code != 552, "no 552 as the reply to MAIL with the announced limit", reply)
