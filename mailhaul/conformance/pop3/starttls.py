"""STLS: from plain text to TLS (RFC 2595, section 4)."""

from __future__ import annotations

from ..session import Hangup, Silence
from ..verdicts import MAY, MUST, Broken, Finding, fail, require
from .greeting import any_certificate
from .session import Pop3Environment, Pop3Session, shown
from .suite import POP3


async def secured(env: Pop3Environment) -> Pop3Session:
    """Return a session that has been made secure by STLS. Raises Skipped."""
    session = await env.require_stls()
    await env.start_tls(session)
    return session


@POP3.case("pop3/stls/1", rfc=2595, section="4", level=MUST)
async def stls_starts_tls(env: Pop3Environment) -> None:
    """STLS gets +OK, TLS starts, and CAPA inside TLS no longer lists STLS."""
    session = await env.require_stls()
    await session.positive(b"STLS")
    await session.start_tls(any_certificate(env.target.trust))
    found = await session.capabilities() or {}
    if b"STLS" in found:
        reply = await session.command(b"STLS")
        # It may be listed where it is permitted.
        fail("CAPA without STLS inside TLS", shown([*found]), lenient=reply.ok)


@POP3.case("pop3/stls/2", rfc=2595, section="4", level=MUST, implied=True)
async def plain_commands_are_not_executed_inside_tls(env: Pop3Environment) -> None:
    """A command that follows STLS in the clear is thrown away, not executed inside TLS."""
    session = await env.require_stls()
    await session.send(b"STLS\r\nCAPA\r\n")
    reply = await session.reply(b"STLS")
    require(reply.ok, "+OK as the reply to STLS", reply.line)
    try:
        await session.start_tls(any_certificate(env.target.trust))
        await session.send(b"XMHTEST\r\n")
        first = await session.line("a reply to XMHTEST")
    except (Hangup, Silence):
        return
    except Broken:
        # The server has refused the handshake: nothing was executed inside TLS.
        return
    require(first.startswith(b"-ERR"), "only the reply to XMHTEST", first)


@POP3.case("pop3/stls/3", rfc=2595, section="4", level=MUST, implied=True)
async def stls_is_refused_after_the_login(env: Pop3Environment) -> None:
    """STLS in the TRANSACTION state gets -ERR."""
    session = await env.log_in()
    await session.negative(b"STLS")


@POP3.case("pop3/stls/4", rfc=2595, section="4", level=MAY)
async def a_second_stls_is_refused(env: Pop3Environment) -> Finding:
    """STLS gets -ERR if TLS is active already."""
    session = await secured(env)
    return Finding((await session.command(b"STLS")).err)


@POP3.case("pop3/stls/5", rfc=2595, section="4", level=MUST, implied=True)
async def nobody_is_logged_in_by_stls(env: Pop3Environment) -> None:
    """After STLS the session is still in the AUTHORIZATION state: STAT gets -ERR."""
    session = await secured(env)
    await session.negative(b"STAT")


@POP3.case("pop3/stls/6", rfc=1939, section="7", level=MUST, implied=True)
async def a_name_from_before_tls_is_forgotten(env: Pop3Environment) -> None:
    """PASS right after STLS gets -ERR, also where USER came before: it was not right before."""
    session = await env.require_stls()
    await env.take_user(session, env.user)
    await env.start_tls(session)
    try:
        reply = await session.command(b"PASS " + env.user.password)
    except Hangup:
        return
    require(reply.err, "-ERR as the reply to PASS after STLS", reply.line, lenient=True)


@POP3.case("pop3/stls/7", rfc=2595, section="4", level=MUST, implied=True)
async def stls_is_listed_where_it_is_permitted(env: Pop3Environment) -> None:
    """STLS is not listed by CAPA after the login, where it is not permitted."""
    session = await env.require_stls()
    await env.authenticated(session, env.user)
    found = await session.capabilities() or {}
    # RFC 2449, section 5 can be read to demand that it is listed in both states.
    listed = shown([*found])
    require(b"STLS" not in found, "CAPA without STLS after the login", listed, lenient=True)
