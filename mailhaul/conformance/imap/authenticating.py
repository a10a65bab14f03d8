"""LOGIN and AUTHENTICATE (RFC 3501, 6.2.2 and 6.2.3; RFC 4959; RFC 4616)."""

from __future__ import annotations

from base64 import b64encode

from ..verdicts import MUST, SHOULD, Skipped, fail, require
from .environment import ImapEnvironment
from .responses import Answer
from .session import ImapSession, Literal, quoted
from .suite import IMAP

PATIENCE = 30.0
"""Seconds to wait for an answer: servers delay it after a login that failed."""


async def patient(env: ImapEnvironment) -> ImapSession:
    """Return a session before its login that waits longer for answers. Raises Skipped."""
    session = await env.before_login()
    session.timeout = max(session.timeout, PATIENCE)
    return session


async def with_login(env: ImapEnvironment) -> ImapSession:
    """Return a session in which LOGIN may be sent. Raises Skipped."""
    session = await patient(env)
    if b"LOGINDISABLED" in await env.capabilities(session):
        raise Skipped("the server announces LOGINDISABLED")
    return session


def plain(user: bytes, password: bytes, more: bytes = b"") -> bytes:
    """Return the message of PLAIN in base64."""
    return b64encode(b"\0%b\0%b%b" % (user, password, more))


async def begin_plain(env: ImapEnvironment, session: ImapSession) -> bytes:
    """Begin AUTHENTICATE PLAIN, up to its challenge; return the tag. Raises Skipped."""
    await env.require_capability(session, b"AUTH=PLAIN")
    tag = await session.begin(b"AUTHENTICATE PLAIN\r\n")
    await session.continuation()
    return tag


async def respond(session: ImapSession, tag: bytes, response: bytes) -> Answer:
    """Send a response to a challenge; return the answer to the command."""
    await session.send(response + b"\r\n")
    return await session.answer(tag)


@IMAP.case("imap/login/1", rfc=3501, section="6.2.3", level=MUST, implied=True)
async def a_wrong_password_gets_no(env: ImapEnvironment) -> None:
    """A wrong password gets NO and the right one then OK, in quoted strings and in literals."""
    user, password = env.user.name, env.user.password
    session = await with_login(env)
    await session.no(b"LOGIN " + quoted(user) + b" " + quoted(password + b"x"))
    await session.ok(b"LOGIN ", Literal(user), b" ", Literal(password))
    session = await with_login(env)
    await session.no(b"LOGIN ", Literal(user), b" ", Literal(b"x" + password))
    await session.ok(b"LOGIN " + quoted(user) + b" " + quoted(password))


@IMAP.case("imap/login/2", rfc=3501, section="9", level=MUST, implied=True)
async def a_login_may_have_escaped_characters(env: ImapEnvironment) -> None:
    """A user and a password with quotes, backslashes and braces are read as such, and get NO."""
    session = await with_login(env)
    await session.no(b"LOGIN " + quoted(rb'mailhaul "\x') + b" " + quoted(b'\\" {3}'))
    await session.ok(b"NOOP")


@IMAP.case("imap/login/3", rfc=3501, section="6.2.3", level=MUST, implied=True)
async def an_empty_password_is_wrong(env: ImapEnvironment) -> None:
    """An empty password does not log in, as a quoted string and as a literal."""
    session = await with_login(env)
    await session.refused(b"LOGIN " + quoted(env.user.name) + b' ""')
    await session.refused(b"LOGIN " + quoted(env.user.name) + b" ", Literal(b""))


@IMAP.case("imap/auth/1", rfc=3501, section="6.2.2", level=SHOULD)
async def an_unknown_mechanism_gets_no(env: ImapEnvironment) -> None:
    """AUTHENTICATE with an unknown mechanism gets NO."""
    session = await patient(env)
    await session.no(b"AUTHENTICATE XMHTEST")


@IMAP.case("imap/auth/2", rfc=3501, section="6.2.2", level=MUST)
async def an_authentication_can_be_cancelled(env: ImapEnvironment) -> None:
    """An asterisk in place of a response gets BAD, and the session goes on."""
    session = await patient(env)
    answer = await respond(session, await begin_plain(env, session), b"*")
    require(answer.condition == b"BAD", "BAD after the asterisk", answer.tagged.line)
    await session.ok(b"NOOP")


@IMAP.case("imap/auth/3", rfc=3501, section="6.2.2", level=MUST, implied=True)
async def plain_begins_with_an_empty_challenge(env: ImapEnvironment) -> None:
    """AUTHENTICATE PLAIN gets an empty challenge, and then logs in."""
    session = await patient(env)
    await env.require_capability(session, b"AUTH=PLAIN")
    tag = await session.begin(b"AUTHENTICATE PLAIN\r\n")
    challenge = await session.continuation()
    # RFC 3501, 9: a blank follows the plus sign, also where the challenge is empty.
    require(challenge.line == b"+ ", "an empty challenge after a plus and a blank", challenge.line)
    answer = await respond(session, tag, plain(env.user.name, env.user.password))
    require(answer.ok, "OK for the right password", answer.tagged.line)
    await session.ok(b"STATUS INBOX (MESSAGES)")


@IMAP.case("imap/auth/4", rfc=9051, section="6.2.2", level=MUST)
async def a_response_is_base64(env: ImapEnvironment) -> None:
    """A response that is not base64 gets BAD, and the session goes on."""
    for wrong in (b"not base64!", b"=AAA", b"AAA=BBB="):
        session = await patient(env)
        answer = await respond(session, await begin_plain(env, session), wrong)
        require(not answer.ok, "BAD for what is not base64", answer.tagged.line)
        # RFC 3501 has no such sentence yet.
        is_bad = answer.condition == b"BAD"
        require(is_bad, "BAD for what is not base64", answer.tagged.line, lenient=True)
        await session.ok(b"NOOP")


@IMAP.case("imap/auth/5", rfc=3501, section="6.2.2", level=MUST, implied=True)
async def after_a_failure_another_try_is_possible(env: ImapEnvironment) -> None:
    """AUTHENTICATE PLAIN with a wrong password gets NO, and with the right one then OK."""
    session = await patient(env)
    user, password = env.user.name, env.user.password
    answer = await respond(session, await begin_plain(env, session), plain(user, password + b"x"))
    require(answer.condition == b"NO", "NO for a wrong password", answer.tagged.line)
    answer = await respond(session, await begin_plain(env, session), plain(user, password))
    require(answer.ok, "OK for the right password", answer.tagged.line)


@IMAP.case("imap/auth/6", rfc=4616, section="2", level=MUST)
async def a_password_has_no_nul(env: ImapEnvironment) -> None:
    """A message of PLAIN with text after the password and one more NUL does not log in."""
    session = await patient(env)
    message = plain(env.user.name, env.user.password, b"\0more")
    answer = await respond(session, await begin_plain(env, session), message)
    require(not answer.ok, "NO or BAD for a message with three NULs", answer.tagged.line)


async def with_initial_response(env: ImapEnvironment, response: bytes) -> Answer:
    """Return the answer to AUTHENTICATE PLAIN with an initial response.

    Raises Skipped, and Broken if the server challenges all the same.
    """
    session = await patient(env)
    await env.require_capability(session, b"SASL-IR")
    await env.require_capability(session, b"AUTH=PLAIN")
    tag = await session.begin(b"AUTHENTICATE PLAIN " + response + b"\r\n")
    if answer := await session.continued(tag):
        return answer
    await respond(session, tag, b"*")
    # Some libraries for SASL take an empty message for one that is still to come.
    fail("no challenge after an initial response", "a challenge", lenient=response == b"=")


@IMAP.case("imap/saslir/1", rfc=4959, section="3", level=MUST, implied=True)
async def the_response_may_come_with_the_command(env: ImapEnvironment) -> None:
    """AUTHENTICATE PLAIN with the response on the same line logs in without a challenge."""
    answer = await with_initial_response(env, plain(env.user.name, env.user.password))
    require(answer.ok, "OK for the right password", answer.tagged.line)


@IMAP.case("imap/saslir/2", rfc=4959, section="3", level=MUST)
async def an_equals_sign_is_an_empty_response(env: ImapEnvironment) -> None:
    """A single equals sign is an initial response of no octets: PLAIN refuses it."""
    answer = await with_initial_response(env, b"=")
    require(not answer.ok, "NO or BAD for an empty message of PLAIN", answer.tagged.line)


@IMAP.case("imap/saslir/3", rfc=4959, section="3", level=MUST)
async def an_initial_response_is_base64(env: ImapEnvironment) -> None:
    """An initial response that is not base64 is refused, also where the right one is part of it."""
    right = plain(env.user.name, env.user.password)
    for wrong in (b"=" + right, right[:4] + b"!" + right[4:]):
        answer = await with_initial_response(env, wrong)
        require(not answer.ok, "BAD for what is not base64", answer.tagged.line)
