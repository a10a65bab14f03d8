"""Literals and quoted strings of commands (RFC 3501, 4.3; RFC 7888)."""

from __future__ import annotations

from ...protocols.imap.arguments import ASTRING
from ..session import Hangup
from ..verdicts import MUST, Skipped, printable, require
from .environment import ImapEnvironment
from .messages import ONE
from .names import listed_names, names_for, status
from .responses import Answer
from .session import ImapSession, Literal, quoted
from .suite import IMAP

LITERAL_MINUS = 4096
"""Octets of the largest literal that LITERAL- lets a client send at once (RFC 7888, 5)."""
INJECTED = b"\r\n".join([ONE, b"INJECTED NOOP", b"INJECTED LOGOUT", b""])
"""A message in which commands stand, for a server that loses count."""


@IMAP.case("imap/literal/1", rfc=3501, section="4.3", level=MUST, implied=True)
async def a_literal_is_waited_for(env: ImapEnvironment) -> None:
    """A literal gets a continuation before anything else, also one of no octets."""
    session = await env.log_in()
    name = await env.name(session)
    env.delete_later(name)
    await require_asked(session, b"CREATE ", name, b"")
    require((await names_for(session, name)), f"{printable(name)} in the list", "no such name")
    answer = await require_asked(session, b"LIST ", b"", b" INBOX")
    require(listed_names(answer), "INBOX in the list", answer.tagged.line)


async def require_asked(session: ImapSession, head: bytes, octets: bytes, rest: bytes) -> Answer:
    """Send a command with a literal; require a continuation for it, and OK in the end."""
    tag = await session.begin(head + Literal(octets).head + b"\r\n")
    early = await session.continued(tag)
    require(early is None, "a continuation (+)", early.tagged.line if early else b"")
    await session.send(octets + rest + b"\r\n")
    answer = await session.answer(tag)
    shown = head.decode("ascii").strip()
    require(answer.ok, f"OK as the answer to {shown} with a literal", answer.tagged.line)
    return answer


async def require_literals_at_once(env: ImapEnvironment, session: ImapSession) -> None:
    """Raise Skipped unless small literals {n+} may be sent."""
    if b"LITERAL+" not in await env.capabilities(session):
        await env.require_feature(session, b"LITERAL-")


@IMAP.case("imap/literal/2", rfc=7888, section="3", level=MUST)
async def literal_plus_is_not_waited_for(env: ImapEnvironment) -> None:
    """With LITERAL+ or LITERAL- a literal {n+} is taken, and no continuation is sent for it."""
    session = await env.log_in()
    await require_literals_at_once(env, session)
    name = await env.name(session)
    env.delete_later(name)
    await session.ok(b"CREATE ", Literal(name, plus=True))
    await session.ok(b"APPEND ", Literal(name, plus=True), b" ", Literal(ONE, plus=True))
    await session.ok(b"LIST ", Literal(b"", plus=True), b" ", Literal(name, plus=True))
    await session.ok(b"NOOP")


async def too_large(env: ImapEnvironment) -> tuple[ImapSession, Answer | None]:
    """Append a message that is too large for LITERAL-; return the answer, None for BYE."""
    session = await env.log_in()
    announced = await env.require_capability(session, b"LITERAL-")
    if b"LITERAL+" in announced:
        raise Skipped("the server announces LITERAL+ too")
    name = await env.mailbox(session)
    text = INJECTED + b"x" * LITERAL_MINUS
    tag = await session.begin(b"APPEND " + quoted(name) + b" ")
    await session.send(Literal(text, plus=True).head + b"\r\n" + text + b"\r\n")
    return session, await answer_or_bye(session, tag)


async def answer_or_bye(session: ImapSession, tag: bytes) -> Answer | None:
    """Return the answer to a command, or None if the server says BYE and closes. Raises Broken."""
    said_bye = False
    try:
        while (response := await session.response("an answer, or BYE")).tag == b"*":
            said_bye = said_bye or response.name == b"BYE"
    except Hangup:
        # A connection that is reset can lose the BYE.
        require(said_bye, "BYE before the end of the connection", "no BYE", lenient=True)
        return None
    require(response.tag == tag, f"the answer to {tag.decode('ascii')}", response.line)
    return Answer(response)


@IMAP.case("imap/literal/3", rfc=7888, section="5", level=MUST)
async def literal_minus_has_a_limit(env: ImapEnvironment) -> None:
    """With LITERAL- a literal {n+} of more than 4096 octets is refused as a whole."""
    session, answer = await too_large(env)
    if answer:
        require(not answer.ok, "NO, BAD or BYE", answer.tagged.line)
        await session.ok(b"NOOP")


@IMAP.case("imap/literal/4", rfc=7888, section="4", level=MUST, implied=True)
async def a_refused_literal_is_read(env: ImapEnvironment) -> None:
    """The octets of a literal {n+} that is refused are never taken for commands."""
    session = await env.log_in()
    await require_literals_at_once(env, session)
    # A mailbox that does not exist lets the server refuse before it reads the literal.
    missing = await env.name(session, b"missing")
    tag = await session.begin(b"APPEND " + quoted(missing) + b" ")
    head = Literal(INJECTED, plus=True).head
    await session.send(head + b"\r\n" + INJECTED + b"\r\n")
    answer = await answer_or_bye(session, tag)
    if answer:
        require(not answer.ok, "NO, BAD or BYE", answer.tagged.line)
        await session.ok(b"NOOP")


@IMAP.case("imap/literal/5", rfc=7888, section="5", level=MUST)
async def too_large_is_said(env: ImapEnvironment) -> None:
    """BAD for an APPEND whose literal is too large for LITERAL- has the code TOOBIG."""
    _, answer = await too_large(env)
    if answer is None or answer.condition != b"BAD":
        raise Skipped("the server does not answer with BAD")
    code = answer.code.name if answer.code else b""
    require(code == b"TOOBIG", "the code TOOBIG", answer.tagged.line)


@IMAP.case("imap/literal/6", rfc=7888, section="5", level=MUST)
async def one_kind_is_announced(env: ImapEnvironment) -> None:
    """LITERAL+ and LITERAL- are not announced at the same time."""
    for session in (await env.connect(), await env.log_in()):
        announced = await env.capabilities(session) & {b"LITERAL+", b"LITERAL-"}
        require(len(announced) < 2, "LITERAL+ or LITERAL- alone", sorted(announced))


@IMAP.case("imap/literal/7", rfc=3501, section="9", level=MUST, implied=True)
async def a_name_has_three_forms(env: ImapEnvironment) -> None:
    """An atom, a quoted string and a literal name the same mailbox in every command."""
    session = await env.log_in()
    name = await env.mailbox(session, ONE)
    forms: list[bytes | Literal] = [quoted(name), Literal(name)]
    if ASTRING.fullmatch(name):
        forms.append(name)
    for form in forms:
        parts = [form] if isinstance(form, Literal) else []
        word = b"" if isinstance(form, Literal) else form
        for command, rest in (
            (b"STATUS ", b" (MESSAGES)"),
            (b"EXAMINE ", b""),
            (b"SELECT ", b""),
            (b'LIST "" ', b""),
            (b"SUBSCRIBE ", b""),
            (b"UNSUBSCRIBE ", b""),
        ):
            await session.ok(command + word, *parts, rest)
        await session.ok(b"APPEND " + word, *parts, b" ", Literal(ONE))
    # STATUS of the selected mailbox may be late.
    found = await status(await env.log_in(), name, b"MESSAGES")
    count = 1 + len(forms)
    require(found[b"MESSAGES"] == count, f"{count} messages in the one mailbox", found)


@IMAP.case("imap/literal/8", rfc=3501, section="4.3", level=MUST, implied=True)
async def quoted_characters_are_the_characters(env: ImapEnvironment) -> None:
    """A mailbox name with blanks, quotes and backslashes is the same in strings and literals."""
    session = await env.log_in()
    tried = 0
    for last in (b"two words", b'a "quote"', rb"a\backslash", b"(list) {3}"):
        name = await env.name(session, last)
        if env.separator and env.separator in last:
            continue
        if not (await env.create(session, name)).ok:
            # A server may allow fewer characters in names.
            continue
        tried += 1
        for part in (quoted(name), Literal(name)):
            answer = await session.ok(b'LIST "" ', part)
            found = [each.name for each in listed_names(answer)]
            require(found == [name], printable(name), found)
            await session.ok(b"STATUS ", part, b" (MESSAGES)")
    if not tried:
        raise Skipped("the server creates no mailbox with such a name")
