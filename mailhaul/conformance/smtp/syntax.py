"""Command lines: blanks, unknown verbs, wrong arguments, line ends (RFC 5321, 2.3.8 and 4.1)."""

from __future__ import annotations

from ..session import Hangup
from ..verdicts import MUST, SHOULD, require
from .environment import SmtpEnvironment
from .session import require_refusal
from .suite import SMTP


@SMTP.case("smtp/syntax/1", rfc=5321, section="4.1.1", level=SHOULD)
async def trailing_blanks_are_tolerated(env: SmtpEnvironment) -> None:
    """Blanks before the line end of a command are tolerated."""
    session = await env.ready()
    await env.transact(session)
    await env.prepare(session, b"RSET")
    for line in (env.mail, env.rcpt, b"RSET", b"NOOP"):
        await session.positive(line + b" ")


@SMTP.case("smtp/syntax/2", rfc=5321, section="4.2.4", level=MUST, implied=True)
async def an_unknown_verb_gets_500(env: SmtpEnvironment) -> None:
    """An unknown verb gets 500, and the session goes on."""
    session = await env.greeted()
    # 502 is meant for verbs that are known; some servers use it for all.
    await session.refused(b"XMHTEST", 500)
    await session.positive(b"NOOP")


@SMTP.case("smtp/syntax/3", rfc=5321, section="4.1.4", level=MUST)
async def a_wrong_argument_gets_501(env: SmtpEnvironment) -> None:
    """MAIL with a wrong argument gets 501, and no transaction begins."""
    unclosed = b"MAIL FROM:<%b" % env.sender
    for line in (b"MAIL", b"MAIL TO:<%b>" % env.sender, unclosed):
        session = await env.ready()
        # A server may find a path without its last bracket acceptable: 501 is for what is not.
        await session.refused(line, 501, lenient=line == unclosed)
        await session.out_of_order(env.rcpt)
        await session.positive(env.mail)


@SMTP.case("smtp/syntax/4", rfc=5321, section="4.1.1.3", level=MUST, implied=True)
async def a_wrong_recipient_leaves_the_transaction(env: SmtpEnvironment) -> None:
    """RCPT with a wrong argument gets 501, and the transaction goes on as it was."""
    session = await env.ready()
    await env.transact(session)
    unclosed = b"RCPT TO:<%b" % env.recipient
    for line in (b"RCPT", b"RCPT FROM:<%b>" % env.recipient, unclosed):
        await session.refused(line, 501, lenient=line == unclosed)
    await session.positive(env.rcpt)


@SMTP.case("smtp/syntax/5", rfc=5321, section="4.1.1", level=MUST, implied=True)
async def commands_without_arguments_take_none(env: SmtpEnvironment) -> None:
    """RSET, DATA and QUIT with an argument get 501, and are not carried out."""
    session = await env.ready()
    await env.transact(session)
    for line in (b"RSET now", b"DATA now", b"QUIT now"):
        reply = await session.command(line)
        # Many servers ignore what follows these verbs.
        require(reply.code == 501, f"501 as the reply to {line.decode()}", reply, lenient=True)
    await session.positive(env.rcpt)


async def require_one_command(env: SmtpEnvironment, line: bytes, *, lenient: bool) -> None:
    """Require that a line gets one reply: the next one is that to QUIT."""
    session = await env.greeted()
    reply = await session.command(line)
    try:
        following = await session.command(b"QUIT")
    except Hangup:
        require_refusal(reply, "a command with a bare LF or CR")
        return
    require(
        following.code == 221,
        "one reply to one line, and then 221 to QUIT",
        f"{reply}, then {following}",
        lenient=lenient,
    )


@SMTP.case("smtp/data/4", rfc=5321, section="2.3.8", level=MUST)
async def only_crlf_ends_a_command(env: SmtpEnvironment) -> None:
    """A bare CR does not end a command, and neither does a bare LF."""
    await require_one_command(env, b"NOOP\rNOOP", lenient=False)
    # Deployed servers take LF from people who type; what ends a text is another matter.
    await require_one_command(env, b"NOOP\nNOOP", lenient=True)


@SMTP.case("smtp/syntax/6", rfc=5321, section="4.2", level=MUST, implied=True)
async def a_long_line_is_one_command(env: SmtpEnvironment) -> None:
    """A command line of 20000 octets gets one reply; no part of it is a command of its own."""
    await require_one_command(env, b"NOOP " + b"x" * 20_000, lenient=False)
