"""The greeting, in the clear and inside TLS (RFC 1939, section 4; RFC 8314, section 3.1)."""

from __future__ import annotations

import re

from ...flows.requests import Trust
from ..verdicts import MAY, MUST, Finding, SetUpFailed, Skipped, require, set_up
from .session import Pop3Environment, Pop3Session, Reply, shown
from .suite import POP3

MAX_LINE = 512
"""Octets of a status line with its CRLF (RFC 1939, section 3)."""
ANGLE_BRACKETS = re.compile(rb"<[^<>]*@[^<>]*>")
MSG_ID = re.compile(rb"<[!-;=?-~]+@[!-;=?-~]+>")
SEEN_AT_ONCE = 1.0
"""Seconds in which a server that does not wait for a handshake shows itself."""


@POP3.case("pop3/greet/1", rfc=1939, section="4", level=MUST, implied=True)
async def the_greeting_is_one_positive_line(env: Pop3Environment) -> None:
    """The greeting is one line that begins with +OK, ends with CRLF and has at most 512 octets."""
    session = await env.open()
    line = await session.line("a greeting")
    if Reply(line).err:
        raise SetUpFailed(f"the server turns us away: {line!r}")
    require(Reply(line).ok, "a greeting that begins with +OK", line)
    require(not session.bare_line_ends, "a greeting that ends with CRLF", line + b"\n")
    size = len(line) + 2
    require(size <= MAX_LINE, f"a greeting of at most {MAX_LINE} octets", f"{size} octets")
    # A second line would be taken for the reply.
    await session.positive(b"QUIT")


@POP3.case("pop3/greet/2", rfc=1939, section="7", level=MAY)
async def the_greeting_has_a_timestamp(env: Pop3Environment) -> Finding:
    """The greeting carries a timestamp for APOP, which is a msg-id."""
    session = await env.connect()
    found = ANGLE_BRACKETS.search(session.greeting.text)
    if not found:
        return Finding(False, "no APOP")
    require(MSG_ID.fullmatch(found[0]), "a msg-id in angle brackets", found[0])
    return Finding(True, "APOP is offered")


@POP3.case("pop3/apop/3", rfc=1939, section="7", level=MUST)
async def every_timestamp_is_different(env: Pop3Environment) -> None:
    """The timestamp of the greeting is different in each connection."""
    timestamps = [await timestamp_of(await env.connect()) for _ in range(3)]
    different = len(set(timestamps)) == len(timestamps)
    require(different, "three different timestamps", shown(timestamps))


async def timestamp_of(session: Pop3Session) -> bytes:
    """Return the timestamp of a session's greeting. Raises Skipped if there is none."""
    found = MSG_ID.findall(session.greeting.text)
    if not found:
        raise Skipped("the greeting has no timestamp, so there is no APOP")
    return bytes(found[-1])


@POP3.case("pop3/tls/1", rfc=8314, section="3.1", level=MUST, implied=True)
async def the_handshake_comes_before_the_greeting(env: Pop3Environment) -> None:
    """On the port for implicit TLS the handshake comes first, and the greeting after it."""
    session = await wrapped(env)
    early = await session.pending(SEEN_AT_ONCE)
    require(not early, "nothing before the handshake", early)
    await session.start_tls(any_certificate(env.target.trust))
    line = await session.line("a greeting inside TLS")
    require(Reply(line).ok, "a greeting inside TLS", line)


@POP3.case("pop3/tls/2", rfc=8314, section="3.1", level=MUST)
async def nobody_is_logged_in_by_tls_alone(env: Pop3Environment) -> None:
    """After the greeting inside TLS the session is in the AUTHORIZATION state."""
    session = await wrapped(env)
    with set_up(f"no TLS with {env.target.name}"):
        await session.start_tls(env.target.trust)
        await session.line("a greeting inside TLS")
    await session.negative(b"STAT")


async def wrapped(env: Pop3Environment) -> Pop3Session:
    """Return a connection to the port for implicit TLS, before the handshake. Raises Skipped."""
    if not env.target.wrapped:
        raise Skipped("the target does not begin with TLS")
    return await env.open_plain(env.target.address)


def any_certificate(trust: Trust) -> Trust:
    """Return a trust that accepts every certificate, for cases that are not about them."""
    return Trust(trust.hostname, verify=False, certificate=trust.certificate, key=trust.key)
