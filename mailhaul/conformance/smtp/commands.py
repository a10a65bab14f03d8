"""RSET, NOOP, VRFY, EXPN, HELP and QUIT, and patience (RFC 5321, 3.5.3, 4.1.1, 4.5.3.2.7)."""

from __future__ import annotations

from ...flows.requests import Sleep
from ..session import Hangup
from ..verdicts import MUST, SHOULD, fail, require
from .environment import SmtpEnvironment
from .suite import SMTP

PATIENCE = 295.0
"""Seconds of silence in which a server should not close: five minutes, less a margin."""


@SMTP.case("smtp/rset/1", rfc=5321, section="4.1.1.5", level=MUST)
async def rset_clears_the_transaction(env: SmtpEnvironment) -> None:
    """RSET gets 250 and clears the transaction, and the connection stays open."""
    session = await env.ready()
    await env.transact(session)
    reply = await session.command(b"RSET")
    require(reply.code == 250, "250 as the reply to RSET", reply)
    await session.out_of_order(env.rcpt)
    await session.positive(env.mail)


@SMTP.case("smtp/rset/2", rfc=5321, section="4.1.1.5", level=MUST)
async def rset_needs_no_transaction(env: SmtpEnvironment) -> None:
    """RSET gets 250 also where there is nothing to clear."""
    session = await env.greeted()
    reply = await session.command(b"RSET")
    require(reply.code == 250, "250 as the reply to RSET", reply)


@SMTP.case("smtp/noop/1", rfc=5321, section="4.1.1.9", level=SHOULD)
async def noop_ignores_its_parameter(env: SmtpEnvironment) -> None:
    """NOOP with a parameter gets 250."""
    session = await env.greeted()
    for line in (b"NOOP", b"NOOP parameter"):
        reply = await session.command(line)
        require(reply.code == 250, f"250 as the reply to {line.decode('ascii')}", reply)


@SMTP.case("smtp/noop/2", rfc=5321, section="4.1.4", level=SHOULD)
async def some_commands_need_no_ehlo(env: SmtpEnvironment) -> None:
    """NOOP, HELP, VRFY, EXPN and RSET are not refused with 503 before EHLO."""
    session = await env.connect()
    for line in (b"NOOP", b"HELP", b"VRFY postmaster", b"EXPN postmaster", b"RSET"):
        reply = await session.command(line)
        verb = line.split(b" ")[0].decode("ascii")
        require(reply.code != 503, f"no 503 as the reply to {verb} before EHLO", reply)


@SMTP.case("smtp/noop/3", rfc=5321, section="4.1.1.9", level=MUST, implied=True)
async def noop_does_not_change_the_transaction(env: SmtpEnvironment) -> None:
    """NOOP between MAIL, RCPT and DATA gets 250, and the transaction goes on."""
    session = await env.ready()
    await env.transact(session)
    await env.prepare(session, b"RSET")
    for line in (env.mail, env.rcpt):
        await session.positive(line)
        reply = await session.command(b"NOOP")
        require(reply.code == 250, "250 as the reply to NOOP", reply)
    reply = await session.command(b"DATA")
    require(reply.code == 354, "354 as the reply to DATA after NOOP", reply)


@SMTP.case("smtp/vrfy/1", rfc=5321, section="3.5.3", level=MUST)
async def vrfy_does_not_confirm_what_it_does_not_know(env: SmtpEnvironment) -> None:
    """VRFY and EXPN of a name that does not exist never get 250."""
    session = await env.ready()
    for verb in (b"VRFY", b"EXPN"):
        reply = await session.command(b"%b nobody-%b" % (verb, env.token))
        expected = f"252 or a refusal as the reply to {verb.decode('ascii')} of an unknown name"
        require(reply.code != 250, expected, reply)


@SMTP.case("smtp/help/1", rfc=5321, section="4.1.1.8", level=SHOULD)
async def help_is_answered(env: SmtpEnvironment) -> None:
    """HELP without an argument is supported."""
    session = await env.greeted()
    await session.positive(b"HELP")


@SMTP.case("smtp/quit/1", rfc=5321, section="4.1.1.10", level=MUST)
async def quit_gets_221_and_the_connection_closes(env: SmtpEnvironment) -> None:
    """QUIT gets 221 and then the connection closes, also after an error; not before."""
    for line in (b"NOOP", b"MAIL FRM:<>"):
        session = await env.greeted()
        await session.command(line)
        try:
            reply = await session.command(b"QUIT")
        except Hangup:
            fail("221 as the reply to QUIT", "a connection that was closed before QUIT")
        require(reply.code == 221, "221 as the reply to QUIT", reply)
        require(await session.is_closed(), "the end of the connection after 221", "an open one")


@SMTP.case("smtp/quit/3", rfc=5321, section="4.1.1.10", level=MUST, implied=True)
async def quit_is_allowed_in_a_transaction(env: SmtpEnvironment) -> None:
    """QUIT inside a transaction gets 221 and aborts it."""
    session = await env.ready()
    await env.transact(session)
    reply = await session.command(b"QUIT")
    require(reply.code == 221, "221 as the reply to QUIT", reply)
    require(await session.is_closed(), "the end of the connection after 221", "an open one")


@SMTP.case("smtp/idle/1", rfc=5321, section="4.5.3.2.7", level=SHOULD, slow=True)
async def a_server_waits_five_minutes(env: SmtpEnvironment) -> None:
    """The server waits five minutes for the next command."""
    session = await env.ready()
    await Sleep(PATIENCE)
    reply = await session.command(b"NOOP")
    require(reply.code == 250, "250 as the reply to NOOP after five minutes", reply)
