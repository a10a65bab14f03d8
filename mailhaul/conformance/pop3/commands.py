"""Commands as such: status indicators, states, case, arguments and lines (RFC 1939, section 3)."""

from __future__ import annotations

from ...flows.requests import Sleep
from ..session import Silence
from ..verdicts import MAY, MUST, Finding, require, set_up
from .greeting import MAX_LINE
from .messages import ONE, THREE, TWO
from .session import Pop3Environment, Pop3Session, Reply, credentials
from .suite import POP3

SESSION = (
    *(b"STAT", b"LIST", b"LIST 1", b"LIST 99", b"UIDL", b"UIDL 1", b"UIDL 99", b"RETR 1"),
    *(b"RETR 99", b"TOP 1 0", b"TOP 99 0", b"DELE 1", b"DELE 1", b"RSET", b"NOOP", b"CAPA"),
    *(b"XMHTEST", b"XMHT " + b"x" * 200, b"USER joe", b"QUIT"),
)
"""The commands of a full session after the login."""


def is_multi_line(line: bytes) -> bool:
    """Whether +OK as the reply to a command is followed by lines."""
    return line in {b"LIST", b"UIDL"} or line.split(b" ")[0] in {b"CAPA", b"RETR", b"TOP"}


async def full_session(env: Pop3Environment) -> list[tuple[bytes, Reply]]:
    """Return the replies of a session with every command, those of the login included."""
    await env.store.fill(env.user, [ONE, TWO])
    session = await env.connect()
    replies = [(b"the connection", session.greeting)]

    async def say(line: bytes) -> Reply:
        reply = await session.command(line, many=is_multi_line(line))
        replies.append((line.split(b" ")[0], reply))
        return reply

    await say(b"CAPA")
    await say(b"STAT")
    if (await say(b"USER " + env.user.name)).ok:
        logged_in = await say(b"PASS " + env.user.password)
    else:
        logged_in = await say(b"AUTH PLAIN " + credentials(env.user))
    with set_up("the login fails"):
        require(logged_in.ok, "+OK", logged_in.line)
    for line in SESSION:
        await say(line)
    return replies


@POP3.case("pop3/status/1", rfc=1939, section="3", level=MUST)
async def status_indicators_are_in_upper_case(env: Pop3Environment) -> None:
    """Every command of a full session is answered with +OK or -ERR, in upper case."""
    for verb, reply in await full_session(env):
        require(reply.ok or reply.err, f"+OK or -ERR after {verb.decode('ascii')}", reply.line)


@POP3.case("pop3/status/2", rfc=1939, section="3", level=MUST)
async def an_unknown_command_is_refused(env: Pop3Environment) -> None:
    """An unknown command gets -ERR, and the session goes on."""
    session = await env.log_in()
    await session.negative(b"XMHTEST")
    await session.positive(b"NOOP")


@POP3.case("pop3/status/3", rfc=1939, section="3", level=MUST)
async def stat_needs_a_login(env: Pop3Environment) -> None:
    """STAT before the login gets -ERR."""
    session = await env.connect()
    await session.negative(b"STAT")


@POP3.case("pop3/status/4", rfc=1939, section="3", level=MUST)
async def user_is_refused_after_the_login(env: Pop3Environment) -> None:
    """USER after the login gets -ERR."""
    session = await env.log_in()
    await session.negative(b"USER " + env.user.name)


@POP3.case("pop3/status/5", rfc=1939, section="3", level=MUST)
async def mail_is_not_reached_without_a_login(env: Pop3Environment) -> None:
    """LIST, RETR, DELE and RSET before the login get -ERR."""
    session = await env.connect()
    await session.negative(b"LIST", many=True)
    await session.negative(b"RETR 1", many=True)
    await session.negative(b"DELE 1")
    await session.negative(b"RSET")


@POP3.case("pop3/case/1", rfc=1939, section="3", level=MUST, implied=True)
async def keywords_of_a_login_are_case_insensitive(env: Pop3Environment) -> None:
    """Keywords are case-insensitive: uSeR, pAsS and sTaT work."""
    await env.take_user(await env.connect(), env.user)
    session = await env.connect()
    await session.positive(b"uSeR " + env.user.name)
    reply = await session.command(b"pAsS " + env.user.password)
    if reply.err:
        # Would it have worked in upper case?
        await (await env.log_in()).positive(b"QUIT")
    require(reply.ok, "+OK as the reply to pAsS", reply.line)
    await session.positive(b"sTaT")


@POP3.case("pop3/case/2", rfc=1939, section="3", level=MUST, implied=True)
async def keywords_on_mail_are_case_insensitive(env: Pop3Environment) -> None:
    """Keywords are case-insensitive: list, rEtR, dele, rset, noop and quit work."""
    session = await env.log_in(ONE, TWO)
    await session.positive(b"list", many=True)
    await session.positive(b"rEtR 1", many=True)
    for line in (b"dele 1", b"rset", b"noop", b"quit"):
        await session.positive(line)


async def require_refusals(session: Pop3Session, *lines: bytes, lenient: bool = False) -> None:
    """Require -ERR for each of these commands."""
    for line in lines:
        reply = await session.command(line, many=is_multi_line(line))
        text = line.decode("ascii")
        require(reply.err, f'-ERR as the reply to "{text}"', reply.line, lenient=lenient)


async def require_all_there(session: Pop3Session, count: int) -> None:
    """Require that no message is marked as deleted."""
    listed = await session.listed(b"LIST")
    require(len(listed) == count, f"{count} messages as before", f"{len(listed)}")


@POP3.case("pop3/args/1", rfc=1939, section="3", level=MUST, implied=True)
async def a_message_number_is_required(env: Pop3Environment) -> None:
    """DELE without an argument and RETR with anything but a message number get -ERR."""
    session = await env.log_in(ONE, TWO)
    await require_refusals(session, b"DELE", b"RETR x", b"RETR 0", b"RETR -1")
    await require_all_there(session, 2)


@POP3.case("pop3/args/2", rfc=1939, section="3", level=MUST, implied=True)
async def bad_arguments_are_refused(env: Pop3Environment) -> None:
    """RETR and TOP without their arguments, and DELE, LIST and TOP with bad ones get -ERR."""
    session = await env.log_in(ONE, TWO)
    await require_refusals(session, b"RETR", b"TOP", b"TOP 1", b"TOP x 1", b"TOP 1 x", b"TOP 1 -1")
    await require_refusals(session, b"DELE x", b"DELE 0", b"DELE -1", b"LIST x", b"LIST 0")
    await require_all_there(session, 2)


@POP3.case("pop3/args/3", rfc=1939, section="5", level=MUST, implied=True)
async def numbers_do_not_wrap_around(env: Pop3Environment) -> None:
    """A number far above the last message gets -ERR, also where only its low bits are a number."""
    session = await env.log_in(ONE, TWO)
    numbers = (3, 2**16 + 1, 2**31, 2**32 + 1, 2**64 + 1)
    await require_refusals(session, *(b"RETR %d" % number for number in numbers))
    await require_refusals(session, *(b"DELE %d" % number for number in numbers))
    await require_all_there(session, 2)


@POP3.case("pop3/args/4", rfc=1939, section="3", level=MUST)
async def surplus_arguments_are_refused(env: Pop3Environment) -> None:
    """A command with more arguments than it takes is invalid, so it gets -ERR."""
    session = await env.log_in(ONE, TWO, THREE)
    await require_refusals(session, b"STAT 1", b"NOOP 1", b"RETR 1 2", b"DELE 1 2", lenient=True)
    await require_all_there(session, 3)


@POP3.case("pop3/args/5", rfc=1939, section="3", level=MAY)
async def trailing_blanks_are_accepted(env: Pop3Environment) -> Finding:
    """A command is also accepted with a blank at its end."""
    session = await env.log_in()
    reply = await session.command(b"STAT ")
    await session.positive(b"NOOP")
    return Finding(reply.ok)


@POP3.case("pop3/line/1", rfc=1939, section="3", level=MUST, implied=True)
async def status_lines_are_short(env: Pop3Environment) -> None:
    """Status lines have at most 512 octets, including CRLF."""
    for verb, reply in await full_session(env):
        size = len(reply.line) + 2
        expected = f"at most {MAX_LINE} octets after {verb.decode('ascii')}"
        require(size <= MAX_LINE, expected, f"{size} octets")


@POP3.case("pop3/line/2", rfc=1939, section="3", level=MAY)
async def a_line_feed_alone_ends_a_command(env: Pop3Environment) -> Finding:
    """A command that ends with LF in place of CRLF is executed."""
    session = await env.log_in()
    await session.send(b"NOOP\n")
    try:
        reply = await session.reply(b"NOOP")
    except Silence:
        return Finding(False, "the server waits for CRLF")
    return Finding(reply.ok)


@POP3.case("pop3/line/3", rfc=1939, section="3", level=MUST, implied=True)
async def a_command_may_come_in_pieces(env: Pop3Environment) -> None:
    """A command ends at CRLF, however the network cuts it."""
    session = await env.log_in()
    for piece in (b"ST", b"AT", b"\r", b"\n"):
        await session.send(piece)
        await Sleep(0.05)
    reply = await session.reply(b"STAT")
    require(reply.ok, "+OK as the reply to STAT in pieces", reply.line)
    await session.positive(b"NOOP")


@POP3.case("pop3/line/4", rfc=1939, section="3", level=MUST, implied=True)
async def every_line_ends_with_crlf(env: Pop3Environment) -> None:
    """All lines of all responses end with CRLF."""
    session = await env.log_in(ONE, TWO)
    await session.positive(b"STAT")
    await session.positive(b"LIST", many=True)
    await session.positive(b"RETR 1", many=True)
    await session.positive(b"QUIT")
    bare = session.bare_line_ends
    require(not bare, "CRLF at the end of every line", f"{bare} line(s) that end with LF alone")
