"""AUTH: SASL in POP3 (RFC 5034)."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as Base64Error

from ..environment import User
from ..verdicts import MUST, require
from .login import WRONG_PASSWORD
from .session import Pop3Environment, Pop3Session, Reply, credentials
from .suite import POP3


async def plain(env: Pop3Environment) -> Pop3Session:
    """Return a session before the login in which SASL PLAIN is offered. Raises Skipped."""
    session = await env.connect()
    await env.require_mechanism(session, b"PLAIN")
    return session


async def challenge(session: Pop3Session, command: bytes) -> bytes:
    """Send AUTH and require a challenge; return it without the plus and the blank."""
    await session.send(command + b"\r\n")
    line = await session.line("a challenge")
    require(line.startswith(b"+ "), 'a challenge: "+", a blank, and base64', line)
    return line[2:]


async def respond(session: Pop3Session, line: bytes) -> Reply:
    """Send a response; return the reply that ends the exchange."""
    await session.send(line + b"\r\n")
    return await session.reply(b"AUTH")


async def require_login(session: Pop3Session, line: bytes) -> None:
    """Require that AUTH with these arguments logs in."""
    reply = await session.command(b"AUTH " + line)
    require(reply.ok, "+OK as the reply to AUTH", reply.line)
    await session.positive(b"STAT")


@POP3.case("pop3/sasl/1", rfc=5034, section="4", level=MUST)
async def plain_takes_an_initial_response(env: Pop3Environment) -> None:
    """AUTH PLAIN with an initial response logs in if SASL PLAIN is listed."""
    await require_login(await plain(env), b"PLAIN " + credentials(env.user))


@POP3.case("pop3/sasl/2", rfc=5034, section="4", level=MUST)
async def plain_begins_with_an_empty_challenge(env: Pop3Environment) -> None:
    """AUTH PLAIN without an initial response gets a line with only a plus and a blank."""
    session = await plain(env)
    empty = await challenge(session, b"AUTH PLAIN")
    require(not empty, 'a challenge of "+" and a blank only', b"+ " + empty)
    reply = await respond(session, credentials(env.user))
    require(reply.ok, "+OK after the response", reply.line)


@POP3.case("pop3/sasl/3", rfc=5034, section="4", level=MUST)
async def an_exchange_can_be_cancelled(env: Pop3Environment) -> None:
    """The response "*" gets -ERR, and the session goes on as if AUTH had not been sent."""
    session = await plain(env)
    await challenge(session, b"AUTH PLAIN")
    reply = await respond(session, b"*")
    require(reply.err, "-ERR after the cancellation", reply.line)
    await require_login(session, b"PLAIN " + credentials(env.user))


def spoilt(env: Pop3Environment) -> list[bytes]:
    """Return right credentials that are no base64: a decoder that is careless would accept them."""
    good = credentials(env.user)
    found = [good[:8] + character + good[8:] for character in (b"!", b"====", b"=", b".")]
    env.transcript.hide(found)
    return found


@POP3.case("pop3/sasl/4", rfc=5034, section="4", level=MUST)
async def bad_base64_is_refused(env: Pop3Environment) -> None:
    """A response with an illegal character, or padding in the middle, gets -ERR."""
    for line in spoilt(env):
        session = await plain(env)
        await challenge(session, b"AUTH PLAIN")
        reply = await respond(session, line)
        require(reply.err, "-ERR to a response that is not base64", reply.line)
        await session.close()


@POP3.case("pop3/sasl/5", rfc=5034, section="4", level=MUST)
async def a_second_auth_is_refused(env: Pop3Environment) -> None:
    """AUTH after a successful AUTH gets -ERR."""
    session = await plain(env)
    await require_login(session, b"PLAIN " + credentials(env.user))
    await session.negative(b"AUTH PLAIN " + credentials(env.user))


@POP3.case("pop3/sasl/6", rfc=5034, section="3", level=MUST)
async def sasl_is_still_listed_after_the_login(env: Pop3Environment) -> None:
    """CAPA lists SASL also after a successful AUTH."""
    session = await plain(env)
    await require_login(session, b"PLAIN " + credentials(env.user))
    found = await session.capabilities() or {}
    require(b"SASL" in found, "SASL in CAPA after the login", b", ".join(found))


@POP3.case("pop3/sasl/7", rfc=5034, section="4", level=MUST, implied=True)
async def an_unknown_mechanism_is_refused(env: Pop3Environment) -> None:
    """AUTH with a mechanism that the server does not have gets -ERR."""
    session = await env.connect()
    await env.require_capability(session, b"SASL")
    await session.negative(b"AUTH XMHTEST")


@POP3.case("pop3/sasl/8", rfc=5034, section="4", level=MUST, implied=True)
async def an_equals_sign_is_an_empty_response(env: Pop3Environment) -> None:
    """The initial response "=" is present and empty, which PLAIN refuses with -ERR."""
    session = await plain(env)
    await session.negative(b"AUTH PLAIN =")


@POP3.case("pop3/sasl/9", rfc=5034, section="5", level=MUST)
async def auth_is_case_insensitive(env: Pop3Environment) -> None:
    """AUTH may be written in any case."""
    # Not the mechanism: RFC 4422, 3.1 has names in upper-case letters only.
    session = await plain(env)
    reply = await session.command(b"aUtH PLAIN " + credentials(env.user))
    require(reply.ok, "+OK as the reply to aUtH", reply.line)


@POP3.case("pop3/sasl/10", rfc=5034, section="4", level=MUST)
async def a_failed_auth_leaves_no_trace(env: Pop3Environment) -> None:
    """AUTH with a wrong password gets -ERR, and another one in the same session can log in."""
    session = await plain(env)
    await session.negative(b"AUTH PLAIN " + credentials(env.user, WRONG_PASSWORD))
    await session.negative(b"STAT")
    await require_login(session, b"PLAIN " + credentials(env.user))


@POP3.case("pop3/sasl/11", rfc=5034, section="4", level=MUST)
async def a_response_may_be_long(env: Pop3Environment) -> None:
    """The limit of 255 octets is not for responses: a long one is read whole and refused."""
    session = await plain(env)
    await challenge(session, b"AUTH PLAIN")
    reply = await respond(session, credentials(User(b"n" * 250, b"p" * 250)))
    require(reply.err, "-ERR for an unknown user", reply.line)
    await require_login(session, b"PLAIN " + credentials(env.user))


@POP3.case("pop3/sasl/12", rfc=5034, section="4", level=MUST)
async def cram_md5_has_no_initial_response(env: Pop3Environment) -> None:
    """An initial response for a mechanism in which the server speaks first gets -ERR."""
    session = await env.connect()
    await env.require_mechanism(session, b"CRAM-MD5")
    await session.negative(b"AUTH CRAM-MD5 " + credentials(env.user, WRONG_PASSWORD))


@POP3.case("pop3/sasl/13", rfc=5034, section="4", level=MUST)
async def a_challenge_is_base64_only(env: Pop3Environment) -> None:
    """A challenge is a plus, one blank, and base64 without any other text."""
    session = await env.connect()
    await env.require_mechanism(session, b"CRAM-MD5")
    text = await challenge(session, b"AUTH CRAM-MD5")
    try:
        found = b64decode(text, validate=True)
    except Base64Error:
        found = b""
    require(found, "a challenge in base64", text)
    reply = await respond(session, b"*")
    require(reply.err, "-ERR after the cancellation", reply.line)


@POP3.case("pop3/sasl/14", rfc=5034, section="4", level=MUST)
async def a_bad_initial_response_is_refused(env: Pop3Environment) -> None:
    """An initial response that is not base64 gets -ERR."""
    for line in spoilt(env):
        session = await plain(env)
        await session.negative(b"AUTH PLAIN " + line)
        await session.close()
