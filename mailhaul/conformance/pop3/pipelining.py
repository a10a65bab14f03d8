"""Several commands at a time (RFC 2449, section 6.6)."""

from __future__ import annotations

from ..verdicts import MUST, require
from .messages import ONE, THREE, TWO, message
from .session import Pop3Environment, Pop3Session, read_numbers
from .suite import POP3

LARGE = message("large", b"Many lines, each with a dot.\r\n.\r\n" * 4000)


async def pipelining(env: Pop3Environment, *messages: bytes) -> Pop3Session:
    """Return a session that is logged in. Raises Skipped without PIPELINING."""
    session = await env.log_in(*messages)
    await env.require_capability(session, b"PIPELINING")
    return session


@POP3.case("pop3/pipe/1", rfc=2449, section="6.6", level=MUST)
async def commands_are_answered_in_order(env: Pop3Environment) -> None:
    """With PIPELINING several commands in one segment are answered in order."""
    session = await pipelining(env, ONE, TWO)
    await session.send(b"STAT\r\nLIST\r\nUIDL\r\nXMHTEST\r\nNOOP\r\n")
    count, _ = read_numbers(await session.reply(b"STAT"), 2)
    listed = await session.reply(b"LIST", many=True)
    require(len(listed.lines) == count, f"{count} lines of LIST", listed.body)
    # UIDL is optional.
    await session.reply(b"UIDL", many=True)
    unknown = await session.reply(b"XMHTEST")
    require(unknown.err, "-ERR as the reply to XMHTEST", unknown.line)
    last = await session.reply(b"NOOP")
    require(last.ok, "+OK as the reply to NOOP", last.line)


@POP3.case("pop3/pipe/2", rfc=2449, section="6.6", level=MUST)
async def quit_does_not_overtake_messages(env: Pop3Environment) -> None:
    """With PIPELINING, RETR of all messages and QUIT in one segment get whole answers."""
    texts = [ONE, LARGE, TWO, THREE]
    session = await pipelining(env, *texts)
    numbers = range(1, len(texts) + 1)
    await session.send(b"".join(b"RETR %d\r\n" % number for number in numbers) + b"QUIT\r\n")
    for number in numbers:
        reply = await session.reply(b"RETR %d" % number, many=True)
        whole = reply.body.endswith(texts[number - 1][-20:])
        require(reply.ok and whole, f"the whole message {number}", reply.line)
    last = await session.reply(b"QUIT")
    require(last.ok, "+OK as the reply to QUIT", last.line)


@POP3.case("pop3/pipe/3", rfc=2449, section="6.6", level=MUST)
async def a_login_can_be_sent_together(env: Pop3Environment) -> None:
    """With PIPELINING, USER, PASS and commands after them can be sent in one segment."""
    session = await env.connect()
    await env.require_capability(session, b"PIPELINING")
    await env.take_user(session, env.user)
    session = await env.connect()
    name, password = env.user.name, env.user.password
    await session.send(b"USER %b\r\nPASS %b\r\nSTAT\r\nQUIT\r\n" % (name, password))
    for verb in (b"USER", b"PASS", b"STAT", b"QUIT"):
        reply = await session.reply(verb)
        require(reply.ok, f"+OK as the reply to {verb.decode('ascii')}", reply.line)
