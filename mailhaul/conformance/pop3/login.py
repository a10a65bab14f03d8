"""Logging in by USER, PASS and APOP, and the lock on the maildrop (RFC 1939, sections 4 and 7)."""

from __future__ import annotations

from hashlib import md5

from ..environment import User
from ..session import Hangup, Silence
from ..verdicts import MAY, MUST, Broken, Finding, Skipped, fail, require
from .greeting import timestamp_of
from .session import Pop3Environment, Pop3Session, Reply
from .suite import POP3

WRONG_PASSWORD = b"no-password-of-anyone"


async def refused_login(env: Pop3Environment) -> Pop3Session:
    """Return a session in which a wrong password has been refused."""
    session = await env.connect()
    await env.take_user(session, env.user)
    await session.negative(b"PASS " + WRONG_PASSWORD)
    return session


async def login(session: Pop3Session, user: User) -> Reply:
    """Try USER and PASS; return the last reply."""
    reply = await session.command(b"USER " + user.name)
    return await session.command(b"PASS " + user.password) if reply.ok else reply


@POP3.case("pop3/auth/1", rfc=1939, section="4", level=MUST, implied=True)
async def a_wrong_password_can_be_corrected(env: Pop3Environment) -> None:
    """A wrong password gets -ERR, and the right one works afterwards, at least in a new session."""
    session = await refused_login(env)
    try:
        if (await login(session, env.user)).ok:
            return
    except Hangup:
        # The server may close the connection after a refusal.
        pass
    await session.close()
    reply = await login(await env.connect(), env.user)
    require(reply.ok, "a login after a wrong password", reply.line)


@POP3.case("pop3/auth/2", rfc=1939, section="7", level=MUST, implied=True)
async def pass_needs_user(env: Pop3Environment) -> None:
    """PASS without USER gets -ERR."""
    session = await env.connect()
    await session.negative(b"PASS " + env.user.password)


@POP3.case("pop3/auth/3", rfc=1939, section="7", level=MUST, implied=True)
async def a_password_may_have_blanks(env: Pop3Environment) -> None:
    """A password with a blank in it is taken as one argument."""
    users = [env.target.user, env.target.other_user]
    for user in users:
        if user and b" " in user.password.strip():
            session = await env.connect()
            await env.take_user(session, user)
            reply = await session.command(b"PASS " + user.password)
            # "may": a server that splits the argument can only be warned about.
            require(reply.ok, "+OK as the reply to PASS", reply.line, lenient=True)
            return
    raise Skipped("needs a user whose password has a blank in it")


@POP3.case("pop3/auth/4", rfc=1939, section="7", level=MUST, implied=True)
async def pass_comes_right_after_user(env: Pop3Environment) -> None:
    """After a wrong password USER has to be given again: PASS alone gets -ERR."""
    session = await refused_login(env)
    try:
        reply = await session.command(b"PASS " + env.user.password)
    except Hangup:
        return
    require(reply.err, "-ERR as the reply to PASS without USER", reply.line, lenient=True)


@POP3.case("pop3/auth/5", rfc=1939, section="4", level=MUST, implied=True)
async def a_refused_login_opens_no_maildrop(env: Pop3Environment) -> None:
    """After a wrong password the session is in the AUTHORIZATION state: STAT gets -ERR."""
    session = await refused_login(env)
    try:
        await session.negative(b"STAT")
    except Hangup:
        return


@POP3.case("pop3/auth/6", rfc=1939, section="7", level=MUST, implied=True)
async def an_unknown_user_is_refused(env: Pop3Environment) -> None:
    """A user without a maildrop gets -ERR to USER or to PASS."""
    session = await env.connect()
    reply = await login(session, User(b"nobody-of-that-name", WRONG_PASSWORD))
    require(reply.err, "-ERR for an unknown user", reply.line)


# The lock


async def second_login(env: Pop3Environment) -> Reply:
    """Return the reply to the login of a second session, while the first has the maildrop."""
    await env.log_in()
    session = await env.connect()
    await env.take_user(session, env.user)
    return await session.command(b"PASS " + env.user.password)


@POP3.case("pop3/lock/1", rfc=1939, section="4", level=MUST, implied=True)
async def one_session_has_the_maildrop(env: Pop3Environment) -> None:
    """A login while another session has the maildrop gets -ERR."""
    try:
        reply = await second_login(env)
    except Silence as silence:
        # The server may wait for the lock longer than we do.
        fail(silence.expected, silence.got, lenient=True)
    require(reply.err, "-ERR while the maildrop is open", reply.line, lenient=True)


@POP3.case("pop3/lock/2", rfc=2449, section="8.1.2", level=MAY)
async def a_locked_maildrop_is_in_use(env: Pop3Environment) -> Finding:
    """The refusal of a login while another session has the maildrop carries [IN-USE]."""
    session = await env.connect()
    await env.require_capability(session, b"RESP-CODES")
    try:
        reply = await second_login(env)
    except Broken as broken:
        raise Skipped(f"a second login gets {broken.got}") from None
    if reply.ok:
        raise Skipped("two sessions can share the maildrop")
    return Finding(reply.text.upper().startswith(b"[IN-USE]"), repr(reply.text)[2:-1])


@POP3.case("pop3/lock/3", rfc=1939, section="4", level=MUST, implied=True)
async def a_refused_login_leaves_no_lock(env: Pop3Environment) -> None:
    """A login that is refused does not lock the maildrop."""
    await refused_login(env)
    reply = await login(await env.connect(), env.user)
    require(reply.ok, "a login beside a session whose login was refused", reply.line)


# APOP


async def apop(env: Pop3Environment, password: bytes) -> tuple[Pop3Session, Reply]:
    """Return a session and the reply to its APOP. Raises Skipped without a timestamp."""
    session = await env.connect()
    digest = md5(await timestamp_of(session) + password, usedforsecurity=False).hexdigest()
    secret = digest.encode("ascii")
    env.transcript.hide([secret])
    return session, await session.command(b"APOP " + env.user.name + b" " + secret)


@POP3.case("pop3/apop/1", rfc=1939, section="7", level=MAY)
async def apop_logs_in(env: Pop3Environment) -> Finding:
    """APOP with the MD5 digest of timestamp and password logs in."""
    session, reply = await apop(env, env.user.password)
    if reply.err:
        return Finding(False, repr(reply.text)[2:-1])
    await session.positive(b"STAT")
    return Finding(True)


@POP3.case("pop3/apop/2", rfc=1939, section="7", level=MUST, implied=True)
async def apop_refuses_a_wrong_digest(env: Pop3Environment) -> None:
    """APOP with a wrong digest gets -ERR, and the session stays in the AUTHORIZATION state."""
    session, reply = await apop(env, WRONG_PASSWORD)
    require(reply.err, "-ERR as the reply to APOP", reply.line)
    try:
        await session.negative(b"STAT")
    except Hangup:
        return
