"""How a session ends: QUIT, a lost connection, and inactivity (RFC 1939, sections 3, 4 and 6)."""

from __future__ import annotations

from ..verdicts import MUST, Skipped, require
from .messages import ONE, THREE, TWO
from .session import Pop3Environment, Pop3Session, subjects
from .suite import POP3

MINIMUM = 600.0
"""Seconds of inactivity that a server must endure (section 3)."""
LONGEST = 2400.0
"""Seconds after which it is given up to wait for a server that closes."""


@POP3.case("pop3/quit/1", rfc=1939, section="4", level=MUST, implied=True)
async def quit_without_login_closes(env: Pop3Environment) -> None:
    """QUIT in the AUTHORIZATION state gets +OK, and the connection is closed."""
    session = await env.connect()
    await session.positive(b"QUIT")
    await require_closed(session)


async def require_closed(session: Pop3Session) -> None:
    """Require that the server closes the connection."""
    closed = await session.is_closed()
    require(closed, "the end of the connection", "a connection that stays open")


@POP3.case("pop3/quit/2", rfc=1939, section="6", level=MUST)
async def nothing_is_removed_without_quit(env: Pop3Environment) -> None:
    """After DELE and a connection that is lost without QUIT the message is still there."""
    session = await env.log_in(ONE, TWO)
    await session.positive(b"DELE 1")
    await session.close()
    await require_left(env, b"a", b"b")


async def require_left(env: Pop3Environment, *expected: bytes) -> None:
    """Require that the next session finds the messages with these subjects."""
    found = await subjects(await env.log_in_again())
    require(found == list(expected), f"messages {list(expected)} in the next session", found)


@POP3.case("pop3/quit/3", rfc=1939, section="6", level=MUST, implied=True)
async def quit_removes_what_is_marked(env: Pop3Environment) -> None:
    """After DELE and QUIT that message is gone in the next session, and no other."""
    session = await env.log_in(ONE, TWO, THREE)
    await session.positive(b"DELE 2")
    reply = await session.command(b"QUIT")
    if reply.err:
        raise Skipped(f"the server could not remove messages: {reply.line!r}")
    await require_left(env, b"a", b"c")


@POP3.case("pop3/quit/4", rfc=1939, section="6", level=MUST, implied=True)
async def quit_closes_the_connection(env: Pop3Environment) -> None:
    """After QUIT in the TRANSACTION state the server replies and closes the connection."""
    session = await env.log_in()
    await session.command(b"QUIT")
    await require_closed(session)


@POP3.case("pop3/quit/5", rfc=1939, section="6", level=MUST, implied=True)
async def quit_releases_the_maildrop(env: Pop3Environment) -> None:
    """The maildrop can be opened again after QUIT."""
    session = await env.log_in()
    await session.command(b"QUIT")
    await session.is_closed()
    again = await env.connect()
    await env.take_user(again, env.user)
    reply = await again.command(b"PASS " + env.user.password)
    if b"[LOGIN-DELAY]" in reply.text.upper():
        raise Skipped("the server enforces a delay between logins")
    require(reply.ok, "a login after QUIT", reply.line)


@POP3.case("pop3/idle/1", rfc=1939, section="3", level=MUST, slow=True)
async def ten_minutes_of_silence_are_endured(env: Pop3Environment) -> None:
    """A session without a command for 9 minutes and 50 seconds is still open."""
    session = await env.log_in()
    await session.pending(MINIMUM - 10)
    await session.positive(b"NOOP")


@POP3.case("pop3/idle/2", rfc=1939, section="3", level=MUST, slow=True)
async def nothing_is_removed_by_a_timeout(env: Pop3Environment) -> None:
    """When the server closes an inactive session it removes no messages and sends no reply."""
    session = await env.log_in(ONE, TWO)
    await session.positive(b"DELE 1")
    said = await session.pending(LONGEST)
    if not session.channel.machine.ended:
        raise Skipped(f"the server has not closed after {LONGEST:g} seconds")
    await require_left(env, b"a", b"b")
    require(not said, "no response to the client", said, lenient=True)
