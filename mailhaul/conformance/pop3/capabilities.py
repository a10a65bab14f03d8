"""CAPA, what it lists, and response codes (RFC 2449; RFC 3206)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..verdicts import MUST, SHOULD, Skipped, require
from .login import WRONG_PASSWORD
from .messages import ONE, TWO
from .session import Pop3Environment, Pop3Session, Reply, shown
from .suite import POP3

MAX_COMMAND = 255
"""Octets of a command that a server with CAPA accepts, CRLF included (section 4)."""
MAX_LINE = 512
TAG = re.compile(rb"[!-\-/-\x7f]+")
PARAMETERS = re.compile(rb"( [!-~]+)*")
RESPONSE_CODE = re.compile(rb"\[[!-.0-\\^-\x7f]+(/[!-.0-\\^-\x7f]+)*\]")
DIFFERENT_AFTER_LOGIN = frozenset({b"STLS"})
"""Tags that may disappear: STLS is listed only where it is permitted (RFC 2595, section 4)."""


@POP3.case("pop3/capa/1", rfc=2449, section="5", level=MUST, implied=True)
async def capa_works_before_the_login(env: Pop3Environment) -> None:
    """CAPA in the AUTHORIZATION state gets lines that end with a dot, or -ERR."""
    session = await env.connect()
    await session.capabilities()
    await session.positive(b"QUIT")


async def capabilities(session: Pop3Session) -> dict[bytes, bytes]:
    """Return what CAPA lists. Raises Skipped without CAPA."""
    found = await session.capabilities()
    if found is None:
        raise Skipped("the server has no CAPA")
    return found


@POP3.case("pop3/capa/2", rfc=2449, section="4", level=MUST)
async def long_commands_are_answered(env: Pop3Environment) -> None:
    """A server with CAPA accepts a command line of 255 octets, and takes it as one command."""
    session = await env.connect()
    await capabilities(session)
    for start in (b"USER ", b"XMHT "):
        await session.command(start + b"x" * (MAX_COMMAND - len(start) - 2))
    reply = await session.command(b"CAPA", many=True)
    require(reply.ok and reply.lines, "the reply to CAPA, after one to each line", reply.line)


@POP3.case("pop3/capa/3", rfc=2449, section="5", level=MUST)
async def capabilities_stay_after_the_login(env: Pop3Environment) -> None:
    """What CAPA lists before the login it lists after it, with the exception of STLS."""
    session = await env.connect()
    before = await capabilities(session)
    await env.authenticated(session, env.user)
    after = await session.capabilities() or {}
    lost = before.keys() - after.keys() - DIFFERENT_AFTER_LOGIN
    require(not lost, f"CAPA with {shown(sorted(lost))} after the login too", shown([*after]))


@POP3.case("pop3/capa/4", rfc=2449, section="6.8", level=MUST, implied=True)
async def what_is_listed_works(env: Pop3Environment) -> None:
    """UIDL and TOP work if they are listed, and USER is refused if it is not."""
    session = await env.connect()
    announced = await capabilities(session)
    if b"USER" not in announced:
        reply = await session.command(b"USER " + env.user.name)
        require(reply.err, "-ERR for USER, which is not listed", reply.line, lenient=True)
    await session.close()
    session = await env.log_in(ONE, TWO)
    announced = await capabilities(session)
    if b"UIDL" in announced:
        await session.positive(b"UIDL", many=True)
    if b"TOP" in announced:
        await session.positive(b"TOP 1 0", many=True)


@POP3.case("pop3/capa/5", rfc=2449, section="3", level=MUST, implied=True)
async def capabilities_follow_the_grammar(env: Pop3Environment) -> None:
    """Each line of CAPA is a tag and parameters with single blanks, and has at most 512 octets."""
    session = await env.connect()
    reply = await session.command(b"CAPA", many=True)
    if reply.err:
        raise Skipped("the server has no CAPA")
    for line in reply.lines:
        require(len(line) + 2 <= MAX_LINE, f"at most {MAX_LINE} octets", line)
        tag, blank, rest = line.partition(b" ")
        require(TAG.fullmatch(tag), "a tag of printable ASCII without a dot", line)
        # A blank too many does no harm.
        good = PARAMETERS.fullmatch(blank + rest)
        require(good, "parameters with single blanks", line, lenient=True)


@POP3.case("pop3/capa/6", rfc=2449, section="5", level=MUST, implied=True)
async def capa_works_after_the_login(env: Pop3Environment) -> None:
    """CAPA is also available in the TRANSACTION state."""
    session = await env.connect()
    await capabilities(session)
    await env.authenticated(session, env.user)
    await session.positive(b"CAPA", many=True)


@POP3.case("pop3/capa/7", rfc=2449, section="6.9", level=MUST, implied=True)
async def an_implementation_has_a_name(env: Pop3Environment) -> None:
    """IMPLEMENTATION has one or more words that name the server."""
    session = await env.log_in()
    name = await env.require_capability(session, b"IMPLEMENTATION")
    require(name.strip(), "the name of the implementation", b"IMPLEMENTATION " + name)


@POP3.case("pop3/capa/8", rfc=2449, section="6.3", level=MUST, implied=True)
async def sasl_lists_mechanisms(env: Pop3Environment) -> None:
    """SASL lists the names of mechanisms, each of 1 to 20 letters, digits, hyphens, underscores."""
    session = await env.connect()
    names = (await env.require_capability(session, b"SASL")).split()
    for name in names:
        good = re.fullmatch(rb"[A-Za-z0-9_-]{1,20}", name)
        require(good, "the name of a mechanism", name)


# Response codes


async def refusals(env: Pop3Environment) -> list[Reply]:
    """Return the replies to commands of which most are refused, in a server with RESP-CODES."""
    session = await env.connect()
    await env.require_capability(session, b"RESP-CODES")
    replies = [await session.command(b"XMHTEST"), await session.command(b"STAT")]
    await session.close()
    session = await env.log_in(ONE, TWO)
    for line in (b"DELE 1", b"DELE 1", b"RETR 1", b"LIST 99", b"UIDL 99", b"TOP 99 0", b"XMHTEST"):
        many = line.split(b" ")[0] in {b"RETR", b"TOP"}
        replies.append(await session.command(line, many=many))
    replies += [await session.command(line) for line in (b"RSET", b"NOOP", b"QUIT")]
    return [*replies, await wrong_login(env)]


async def wrong_login(env: Pop3Environment) -> Reply:
    """Return the reply to a wrong password, or to USER if that is refused."""
    session = await env.connect()
    reply = await session.command(b"USER " + env.user.name)
    return await session.command(b"PASS " + WRONG_PASSWORD) if reply.ok else reply


def codes(replies: Sequence[Reply]) -> list[bytes]:
    """Return the response codes of replies in upper case, brackets and all. Raises Broken."""
    found: list[bytes] = []
    for reply in replies:
        if reply.text.startswith(b"["):
            code = RESPONSE_CODE.match(reply.text)
            require(code, "a response code in brackets, without blanks and empty parts", reply.line)
            found += [code[0].upper()] if code else []
    return found


@POP3.case("pop3/resp/1", rfc=2449, section="8", level=MUST, implied=True)
async def response_codes_follow_the_grammar(env: Pop3Environment) -> None:
    """With RESP-CODES a text that begins with "[" begins with a response code."""
    codes(await refusals(env))


@POP3.case("pop3/resp/2", rfc=3206, section="6", level=MUST, implied=True)
async def wrong_credentials_have_a_code(env: Pop3Environment) -> None:
    """With AUTH-RESP-CODE a wrong password gets -ERR with [AUTH]."""
    session = await env.connect()
    await env.require_capability(session, b"AUTH-RESP-CODE")
    await env.take_user(session, env.user)
    reply = await session.command(b"PASS " + WRONG_PASSWORD)
    require(reply.err, "-ERR for a wrong password", reply.line)
    require(codes([reply])[:1] == [b"[AUTH]"], "[AUTH] after -ERR", reply.line)


@POP3.case("pop3/resp/3", rfc=3206, section="4", level=MUST, implied=True)
async def system_errors_pass_or_stay(env: Pop3Environment) -> None:
    """The response code SYS goes on with /TEMP or /PERM."""
    found = [code for code in codes(await refusals(env)) if re.match(rb"\[SYS\b", code)]
    if not found:
        raise Skipped("the server had no reason for the response code SYS")
    for code in found:
        require(re.match(rb"\[SYS/(TEMP|PERM)[]/]", code), "[SYS/TEMP] or [SYS/PERM]", code)


# Policies


@POP3.case("pop3/delay/1", rfc=2449, section="6.5", level=MUST)
async def the_delay_is_the_largest_before_the_login(env: Pop3Environment) -> None:
    """LOGIN-DELAY before the login is a number that is not smaller than the one after it."""
    before, after = await policies(env, b"LOGIN-DELAY")
    delays = [delay_of(value) for value in (before, after)]
    expected = f"at least {delays[1]} seconds before the login"
    require(delays[0] >= delays[1], expected, before)


def delay_of(value: bytes) -> int:
    """Return the seconds of LOGIN-DELAY. Raises Broken."""
    found = re.fullmatch(rb"([0-9]+)( USER)?", value.strip().upper())
    require(found, "LOGIN-DELAY with a number, and perhaps USER", value)
    return int(found[1]) if found else 0


@POP3.case("pop3/expire/1", rfc=2449, section="6.7", level=MUST)
async def the_retention_is_the_smallest_before_the_login(env: Pop3Environment) -> None:
    """EXPIRE is NEVER or a number, and before the login not larger than after it."""
    before, after = await policies(env, b"EXPIRE")
    days = [days_of(value) for value in (before, after)]
    require(days[0] <= days[1], f"at most {days[1]:g} days before the login", before)


def days_of(value: bytes) -> float:
    """Return the days of EXPIRE. Raises Broken."""
    found = re.fullmatch(rb"([0-9]+|NEVER)( USER)?", value.strip().upper())
    require(found, "EXPIRE with a number or NEVER, and perhaps USER", value)
    return float(found[1]) if found and found[1] != b"NEVER" else float("inf")


async def policies(env: Pop3Environment, name: bytes) -> tuple[bytes, bytes]:
    """Return the arguments of a capability before and after the login. Raises Skipped."""
    session = await env.connect()
    before = await env.require_capability(session, name)
    await env.authenticated(session, env.user)
    after = (await capabilities(session)).get(name)
    # Whether it is still listed is another question.
    return before, before if after is None else after


@POP3.case("pop3/delay/2", rfc=2449, section="6.5", level=SHOULD)
async def a_delay_is_enforced(env: Pop3Environment) -> None:
    """A server that announces LOGIN-DELAY refuses a second login within this time."""
    session = await env.log_in()
    delay = delay_of(await env.require_capability(session, b"LOGIN-DELAY"))
    if delay < LONG_DELAY:
        raise Skipped(f"a delay of {delay} seconds may be over")
    await session.positive(b"QUIT")
    await session.is_closed()
    again = await env.connect()
    reply = await again.command(b"USER " + env.user.name)
    if reply.ok:
        reply = await again.command(b"PASS " + env.user.password)
    require(reply.err, f"-ERR to a login within {delay} seconds", reply.line)


LONG_DELAY = 60
"""Seconds of LOGIN-DELAY that cannot have passed when the next login is tried."""
