"""STARTTLS and TLS from the start (RFC 3501, 6.2.1; RFC 9051, 6.2.1; RFC 8314)."""

from __future__ import annotations

from ..session import Hangup
from ..verdicts import MUST, Broken, Skipped, require
from .environment import ImapEnvironment
from .session import ImapSession
from .suite import IMAP

EARLY = 1.0
"""Seconds in which a server shows that it greets before the handshake."""


async def with_starttls(env: ImapEnvironment) -> ImapSession:
    """Return a session in the clear that may be secured. Raises Skipped."""
    session = await env.in_the_clear()
    if session.greeting.name == b"PREAUTH":
        raise Skipped("the server greets with PREAUTH")
    await env.require_capability(session, b"STARTTLS")
    return session


@IMAP.case("imap/tls/1", rfc=3501, section="6.2.1", level=MUST, implied=True)
async def starttls_secures_the_session(env: ImapEnvironment) -> None:
    """STARTTLS gets OK, the handshake follows, and STARTTLS is announced no longer."""
    session = await with_starttls(env)
    await session.ok(b"STARTTLS")
    await session.start_tls(env.target.trust)
    announced = await env.capabilities(session)
    # RFC 9051 has it as SHOULD NOT, RFC 3501 in an example.
    require(b"STARTTLS" not in announced, "no STARTTLS", sorted(announced), lenient=True)


@IMAP.case("imap/tls/2", rfc=3501, section="6.2.1", level=MUST, implied=True, after=["imap/tls/1"])
async def nothing_is_carried_into_tls(env: ImapEnvironment) -> None:
    """A command in the clear after STARTTLS is not run inside TLS."""
    session = await with_starttls(env)
    tag = await session.begin(b"STARTTLS\r\nINJECTED NOOP\r\n")
    answer = await session.answer(tag)
    if not answer.ok:
        return
    try:
        await session.start_tls(env.target.trust)
        await session.ok(b"NOOP")
    except Hangup:
        # The server has noticed, and closed.
        return
    except Broken as broken:
        # RFC 9051, 6.2.1: the command may be taken as part of a handshake, which then fails.
        if session.tls:
            raise Broken(broken.expected, f"in answer to the injected NOOP: {broken.got}") from None


@IMAP.case("imap/tls/3", rfc=8314, section="3.2", level=MUST, implied=True)
async def implicit_tls_comes_first(env: ImapEnvironment) -> None:
    """On a port for TLS nothing is said in the clear; the greeting comes after the handshake."""
    if not env.target.wrapped:
        raise Skipped("needs a port for TLS (tls://)")
    session = await env.open(wrapped=False)
    early = await session.pending(EARLY)
    require(not early, "nothing before the handshake", early)
    await session.start_tls(env.target.trust)
    greeting = await session.response("a greeting inside TLS")
    require(greeting.tag == b"*", "a greeting inside TLS", greeting.line)


@IMAP.case("imap/tls/4", rfc=9051, section="6.2.1", level=MUST)
async def no_tls_inside_tls(env: ImapEnvironment) -> None:
    """STARTTLS inside TLS gets BAD."""
    session = await env.connect()
    if not session.tls:
        session = await with_starttls(env)
        await env.start_tls(session)
    answer = await session.refused(b"STARTTLS")
    is_bad = answer.condition == b"BAD"
    # The sentence is about ports for TLS; RFC 3501 has none.
    require(is_bad, "BAD for STARTTLS inside TLS", answer.tagged.line, lenient=True)
    await session.ok(b"NOOP")


@IMAP.case("imap/tls/5", rfc=3501, section="6.2", level=MUST, implied=True)
async def no_starttls_after_login(env: ImapEnvironment) -> None:
    """After the login STARTTLS gets BAD or NO, and the session goes on."""
    session = await env.log_in()
    await session.refused(b"STARTTLS")
    await session.ok(b"STATUS INBOX (MESSAGES)")
