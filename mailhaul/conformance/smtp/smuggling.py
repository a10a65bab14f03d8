"""Sequences that look like the end of a text and are not (RFC 5321, 2.3.8 and 4.1.1.4).

A server that takes one of them for the end reads what follows as commands, and so sends more
replies than one. Whether it did is seen from the next reply, which has to be that to QUIT. A
server may refuse the whole text, and close.
"""

from __future__ import annotations

from ..session import Hangup
from ..verdicts import MUST, require
from .environment import SmtpEnvironment
from .messages import body_of, stuffed
from .session import require_refusal
from .suite import SMTP


async def require_no_end(env: SmtpEnvironment, *sequences: bytes) -> None:
    """Require that none of these ends a text."""
    for sequence in sequences:
        session = await env.ready()
        await env.begin_data(session)
        text = env.message(b"first line" + sequence + b"NOOP\r\nlast line\r\n")
        await session.send(text + b".\r\n")
        reply = await session.reply(b"the text")
        try:
            following = await session.command(b"QUIT")
        except Hangup:
            require_refusal(reply, f"a text with {sequence!r}")
            continue
        require(
            following.code == 221,
            f"one reply to a text with {sequence!r}, and then 221 to QUIT",
            f"{reply}, then {following}",
        )


@SMTP.case("smtp/data/3", rfc=5321, section="4.1.1.4", level=MUST)
async def a_dot_between_bare_line_feeds_ends_no_text(env: SmtpEnvironment) -> None:
    """A dot after a bare LF or CR, or before a bare LF, does not end the text."""
    await require_no_end(env, b"\n.\n", b"\n.\r\n", b"\r.\r\n")


@SMTP.case("smtp/smuggle/1", rfc=5321, section="4.1.1.4", level=MUST)
async def a_dot_before_a_bare_line_feed_ends_no_text(env: SmtpEnvironment) -> None:
    """CRLF, dot and a bare LF do not end the text."""
    await require_no_end(env, b"\r\n.\n")


@SMTP.case("smtp/smuggle/2", rfc=5321, section="4.1.1.4", level=MUST)
async def a_dot_between_carriage_returns_ends_no_text(env: SmtpEnvironment) -> None:
    """A dot between bare CRs, or between CR and LF, does not end the text."""
    await require_no_end(env, b"\r.\r", b"\r.\n", b"\n.\r")


@SMTP.case("smtp/smuggle/3", rfc=5321, section="4.1.1.4", level=MUST)
async def a_dot_before_a_bare_carriage_return_ends_no_text(env: SmtpEnvironment) -> None:
    """CRLF, dot and a bare CR, or CR CR LF, do not end the text."""
    await require_no_end(env, b"\r\n.\r", b"\r\n.\r\r\n")


@SMTP.case("smtp/smuggle/4", rfc=5321, section="4.1.1.4", level=MUST)
async def a_nul_is_not_skipped(env: SmtpEnvironment) -> None:
    """CRLF, dot, CRLF with a NUL anywhere inside does not end the text."""
    await require_no_end(env, b"\r\n\0.\r\n", b"\r\n.\0\r\n", b"\r\0\n.\r\n", b"\r\n.\r\0\n")


@SMTP.case("smtp/smuggle/5", rfc=5321, section="4.1.1.4", level=MUST)
async def a_dot_among_blanks_ends_no_text(env: SmtpEnvironment) -> None:
    """A line with a dot and a blank does not end the text."""
    await require_no_end(env, b"\r\n. \r\n", b"\r\n .\r\n", b"\r\n.\t\r\n")


@SMTP.case("smtp/smuggle/6", rfc=5321, section="4.5.2", level=MUST)
async def two_dots_end_no_text(env: SmtpEnvironment) -> None:
    """A line with two dots, which stands for one, does not end the text."""
    await require_no_end(env, b"\r\n..\r\n")


@SMTP.case("smtp/smuggle/7", rfc=5321, section="2.3.8", level=MUST)
async def a_dot_after_a_bare_line_feed_is_kept(env: SmtpEnvironment) -> None:
    """A bare LF begins no line: a dot after it is part of the text, and is not removed."""
    env.need_store()
    session = await env.ready()
    await env.begin_data(session)
    await session.send(stuffed(env.message(b"one\n.two\r\nthree\r\n")) + b".\r\n")
    reply = await session.reply(b"the text")
    if reply.refused:
        return
    body = body_of(await env.delivered())
    # Servers that repair bare line feeds have to decide what the dot was.
    require(b".two" in body, "the dot after the bare LF", body, lenient=True)


@SMTP.case("smtp/smuggle/8", rfc=5321, section="4.1.1.4", level=MUST)
async def an_end_in_two_pieces_is_an_end(env: SmtpEnvironment) -> None:
    """CRLF, dot, CRLF ends the text also when each octet comes by itself."""
    session = await env.ready()
    await env.begin_data(session)
    await session.send(env.message(b"only line"))
    for octet in (b"\r", b"\n", b".", b"\r", b"\n"):
        await session.send(octet)
    reply = await session.reply(b"the text")
    require(reply.positive, "2yz as the reply to the text", reply)
