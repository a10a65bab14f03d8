"""The greeting, and the form of all replies (RFC 5321, 3.1 and 4.2; RFC 2034)."""

from __future__ import annotations

import re

from ..verdicts import MUST, Skipped, require
from .environment import SmtpEnvironment
from .session import Reply, SmtpSession
from .suite import SMTP

LONGEST_REPLY = 512
"""Octets of a reply line, with its code and its line end (RFC 5321, 4.5.3.1.5)."""

DOMAIN = rb"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*"
HOST = re.compile(rb"(?:%b|\[[!-Z^-~]+\])" % DOMAIN)
"""A domain or an address literal (RFC 5321, 4.1.2 and 4.1.3)."""

REPLY_LINE = re.compile(rb"[2-5][0-5][0-9](?:[ -][\t -~]*)?")
"""A reply line with a code and a text of the grammar (RFC 5321, 4.2)."""


@SMTP.case("smtp/greet/1", rfc=5321, section="3.1", level=MUST, implied=True)
async def a_greeting_welcomes_or_refuses(env: SmtpEnvironment) -> None:
    """The greeting is 220 or 554; after 554 every command except QUIT gets 503."""
    session = await env.open()
    greeting = await session.reply(b"the connection")
    require(greeting.code in {220, 421, 554}, "220 or 554 as the greeting", greeting)
    if greeting.code == 554:
        reply = await session.command(b"NOOP")
        require(reply.code == 503, "503 as the reply to NOOP after 554", reply, lenient=True)
        await session.positive(b"QUIT")


@SMTP.case("smtp/greet/2", rfc=5321, section="4.2", level=MUST, implied=True)
async def a_greeting_begins_with_the_host_name(env: SmtpEnvironment) -> None:
    """The text of the 220 greeting begins with the server's domain or address literal."""
    session = await env.connect()
    name = session.greeting.texts[0].split(b" ")[0]
    require(HOST.fullmatch(name), "220, and a host name first", session.greeting)


async def conversation(env: SmtpEnvironment) -> tuple[SmtpSession, list[Reply]]:
    """Return a session, and its replies to commands of every kind, one at a time.

    The last command is QUIT. The greeting and the reply to EHLO are the first two replies.
    """
    session = await env.connect()
    replies = [session.greeting, await env.introduce(session)]
    if env.target.login_first:
        await env.log_in(session)
    # With more than three errors some servers take the client for an attacker.
    for line in (
        *(b"NOOP", b"HELP", b"VRFY postmaster", b"X" + b"MHTEST" * 60, b"DATA"),
        *(env.mail, env.rcpt, b"RCPT TO:<unclosed", b"RSET", b"QUIT"),
    ):
        replies.append(await session.command(line))
    return session, replies


@SMTP.case("smtp/reply/1", rfc=5321, section="4.2", level=MUST)
async def every_command_gets_one_reply(env: SmtpEnvironment) -> None:
    """Every command gets exactly one reply, and all lines of a reply have the same code."""
    session, replies = await conversation(env)
    require(
        replies[-1].code == 221, "221 as the reply to QUIT, after one to each command", replies[-1]
    )
    await session.is_closed()
    require(not session.unread, "nothing after the reply to QUIT", session.unread)


@SMTP.case("smtp/reply/2", rfc=5321, section="4.5.3.1.5", level=MUST, implied=True)
async def reply_lines_have_a_limit(env: SmtpEnvironment) -> None:
    """No reply line is longer than 512 octets, code and line end included."""
    _, replies = await conversation(env)
    for line in (line for reply in replies for line in reply.lines):
        require(len(line) + 2 <= LONGEST_REPLY, "at most 512 octets in a reply line", line)


@SMTP.case("smtp/reply/3", rfc=5321, section="4.2", level=MUST, implied=True)
async def reply_lines_are_ascii_and_end_with_crlf(env: SmtpEnvironment) -> None:
    """A reply line is a code from 200 to 559 and printable ASCII text, and it ends with CRLF."""
    session, replies = await conversation(env)
    for line in (line for reply in replies for line in reply.lines):
        require(REPLY_LINE.fullmatch(line), "a code and printable ASCII", line)
    require(not session.bare_line_ends, "CRLF after each reply line", "a bare LF")


@SMTP.case("smtp/esc/1", rfc=2034, section="4", level=MUST, implied=True)
async def replies_have_enhanced_status_codes(env: SmtpEnvironment) -> None:
    """With ENHANCEDSTATUSCODES a 2yz, 4yz or 5yz text begins with a code of the same class."""
    await env.greeted(b"ENHANCEDSTATUSCODES")
    _, replies = await conversation(env)
    for reply in replies[2:]:
        require(
            reply.enhanced[0] == reply.lines[0][:1],
            f"an enhanced status code {reply.lines[0][:1].decode('ascii')}.y.z",
            reply,
        )


@SMTP.case("smtp/esc/2", rfc=2034, section="4", level=MUST, implied=True)
async def each_line_has_its_enhanced_status_code(env: SmtpEnvironment) -> None:
    """With ENHANCEDSTATUSCODES every line of a multi-line reply has its code."""
    await env.greeted(b"ENHANCEDSTATUSCODES")
    _, replies = await conversation(env)
    many = [reply for reply in replies[2:] if len(reply.lines) > 1]
    if not many:
        raise Skipped("no reply except that to EHLO has several lines")
    for reply in many:
        require(all(reply.enhanced), "an enhanced status code in each line", reply)
