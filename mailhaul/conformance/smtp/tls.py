"""STARTTLS, and TLS before the greeting (RFC 3207, RFC 8314)."""

from __future__ import annotations

from ..verdicts import MUST, Broken, SetUpFailed, Skipped, require
from .environment import SmtpEnvironment
from .session import LINE, SmtpSession
from .suite import SMTP


async def encrypted(env: SmtpEnvironment) -> SmtpSession:
    """Return a session after STARTTLS and the handshake, before EHLO."""
    session = await env.in_clear(b"STARTTLS")
    await env.start_tls(session)
    return session


@SMTP.case("smtp/tls/1", rfc=3207, section="4.2", level=MUST)
async def tls_begins_a_new_session(env: SmtpEnvironment) -> None:
    """After the handshake the state is that after the greeting: MAIL is refused before EHLO."""
    fresh = await env.in_clear(b"STARTTLS")
    began = await fresh.command(env.mail)
    if began.positive:
        # What was begun in the clear is forgotten, if a server starts TLS at all here.
        reply = await fresh.command(b"STARTTLS")
        if reply.code == 220:
            await fresh.start_tls(env.target.trust)
            await fresh.out_of_order(env.rcpt)
    first = await env.welcomed()
    if (await first.command(env.mail)).positive:
        raise Skipped("the server does not need EHLO before MAIL")
    session = await encrypted(env)
    await session.refused(env.mail)


@SMTP.case("smtp/tls/2", rfc=3207, section="4.2", level=MUST)
async def tls_is_started_once(env: SmtpEnvironment) -> None:
    """Inside TLS the reply to EHLO does not list STARTTLS, and STARTTLS is refused."""
    session = await encrypted(env)
    reply = await env.introduce(session)
    require(b"STARTTLS" not in session.extensions, "no STARTTLS in the list inside TLS", reply)
    # That the client must not send it does not oblige the server to refuse it.
    await session.refused(b"STARTTLS", lenient=True)


async def require_no_injection(env: SmtpEnvironment) -> None:
    """Require that what follows STARTTLS in the clear gets no reply inside TLS."""
    session = await env.in_clear(b"STARTTLS")
    await session.send(b"STARTTLS\r\nXMHTEST\r\n")
    reply = await session.reply(b"STARTTLS")
    if reply.code != 220:
        # A server may refuse what breaks the protocol.
        return
    try:
        await session.start_tls(env.target.trust)
        first = await session.command(env.introduction)
    except Broken:
        # It may also end the connection, or take the command for a wrong handshake.
        return
    require(first.code == 250, "250 to EHLO as the first reply inside TLS", first)


@SMTP.case("smtp/tls/3", rfc=3207, section="4.2", level=MUST)
async def commands_in_the_clear_are_not_run_inside_tls(env: SmtpEnvironment) -> None:
    """Commands that follow STARTTLS in the same segment are not carried out after the handshake."""
    await require_no_injection(env)


@SMTP.case("smtp/tls/4", rfc=3207, section="4", level=MUST, implied=True)
async def starttls_has_no_parameter(env: SmtpEnvironment) -> None:
    """STARTTLS with a parameter gets 501."""
    session = await env.in_clear(b"STARTTLS")
    await session.refused(b"STARTTLS now", 501)


async def require_no_dialogue(session: SmtpSession, line: bytes) -> None:
    """Require that a command in the clear gets no SMTP reply where a handshake is due."""
    await session.send(line + b"\r\n")
    try:
        answer = await session.line()
    except Broken:
        # Silence, an alert without a line end, or the end of the connection.
        return
    require(not LINE.fullmatch(answer), "a TLS alert, or the end of the connection", answer)


@SMTP.case("smtp/tls/5", rfc=8314, section="3.3", level=MUST, implied=True)
async def the_handshake_comes_first(env: SmtpEnvironment) -> None:
    """On a port with implicit TLS the server speaks SMTP only after the handshake."""
    if not env.target.wrapped:
        raise Skipped("needs a port where the handshake comes first (tls://)")
    await env.greeted()
    await require_no_dialogue(await env.open(wrapped=False), env.introduction)


@SMTP.case("smtp/tls/6", rfc=3207, section="4", level=MUST, implied=True)
async def a_handshake_follows_220(env: SmtpEnvironment) -> None:
    """After 220 to STARTTLS the server takes nothing except a handshake."""
    session = await env.in_clear(b"STARTTLS")
    reply = await session.command(b"STARTTLS")
    if reply.code != 220:
        raise SetUpFailed(f"the server refuses STARTTLS: {reply}")
    await require_no_dialogue(session, env.introduction)


@SMTP.case("smtp/tls/7", rfc=3207, section="4.2", level=MUST)
async def a_login_in_the_clear_is_forgotten(env: SmtpEnvironment) -> None:
    """What AUTH proved before STARTTLS does not count after it: AUTH does not get 503."""
    session = await env.in_clear(b"STARTTLS", b"AUTH")
    await env.log_in(session)
    reply = await session.command(b"STARTTLS")
    if reply.code != 220:
        raise Skipped(f"the server does not start TLS after AUTH: {reply}")
    await session.start_tls(env.target.trust)
    await env.introduce(session)
    reply = await session.command(b"AUTH XMHTEST")
    require(reply.code != 503, "a refusal of the mechanism, not 503", reply)
