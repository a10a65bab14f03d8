"""Tags, syntax and the states of a session (RFC 3501, sections 2, 3 and 6.1)."""

from __future__ import annotations

from ..verdicts import MUST, SHOULD, Skipped, require
from .environment import ImapEnvironment
from .messages import ONE
from .session import ImapSession, quoted
from .suite import IMAP

PATIENCE = 35 * 60.0
"""Seconds after which an idle server is taken to have no autologout timer: it may wait for 30
minutes (RFC 3501, 5.4), and many wait a little longer."""
LONG_LINE = 8000
"""Octets of a command that a server should take (RFC 2683, 3.2.1.5)."""


async def require_same_tag(session: ImapSession, tag: bytes, *, lenient: bool = False) -> None:
    """Send NOOP with a tag; require OK with that tag."""
    await session.begin(b"NOOP\r\n", tag=tag)
    expected = f"OK with the tag {tag.decode('ascii')}"
    while (response := await session.response(expected)).tag == b"*":
        require(response.name != b"BAD", expected, response.line, lenient=lenient)
    same = response.tag == tag and response.name == b"OK"
    require(same, expected, response.line, lenient=lenient)


@IMAP.case("imap/tag/1", rfc=3501, section="2.2.1", level=MUST, implied=True)
async def the_tag_comes_back(env: ImapEnvironment) -> None:
    """The answer has the tag of the command: case, punctuation and length stay as they are."""
    session = await env.connect()
    for tag in (b"A.b-1", b"a.B-1", b"0", b"x" * 40):
        await require_same_tag(session, tag)


@IMAP.case("imap/tag/2", rfc=3501, section="9", level=MUST, implied=True)
async def a_tag_may_have_punctuation(env: ImapEnvironment) -> None:
    """A tag may have every character of an astring but the plus sign."""
    session = await env.connect()
    for tag in (b"!#$&',-./:;", b"<=>?@[^_`|}~"):
        await require_same_tag(session, tag)
    # RFC 2060 did not have this one, and deployed servers refuse it.
    await require_same_tag(session, b"a]", lenient=True)


@IMAP.case("imap/case/1", rfc=3501, section="9", level=MUST, implied=True)
async def case_does_not_matter(env: ImapEnvironment) -> None:
    """Commands and their keywords may be in any case."""
    session = await env.log_in()
    for command in (b"nOoP", b"capability", b"Status INBOX (mEssages)", b"sElEcT INBOX"):
        await session.ok(command)


@IMAP.case("imap/syntax/1", rfc=3501, section="2.2.2", level=SHOULD)
async def syntax_errors_get_bad(env: ImapEnvironment) -> None:
    """Unknown commands, missing arguments and extra blanks get BAD, and the session goes on."""
    session = await env.log_in()
    for command in (
        *(b"XMHTEST", b"SELECT", b"STATUS INBOX", b"CREATE"),
        *(b"NOOP argument", b"STATUS INBOX ()", b"SELECT  INBOX"),
    ):
        await session.bad(command)
    await session.ok(b"NOOP")


@IMAP.case("imap/syntax/2", rfc=3501, section="2.2.2", level=SHOULD)
async def a_line_without_a_tag_gets_bad(env: ImapEnvironment) -> None:
    """A line that has no tag gets an untagged BAD."""
    session = await env.connect()
    await session.send(b"(NOOP)\r\n")
    response = await session.response("an untagged BAD")
    untagged = response.tag == b"*" and response.name == b"BAD"
    require(untagged, "an untagged BAD", response.line)


@IMAP.case("imap/line/1", rfc=2683, section="3.2.1.5", level=SHOULD, implied=True)
async def a_long_command_is_taken(env: ImapEnvironment) -> None:
    """A command line of 8000 octets is taken."""
    session = await env.selected(ONE)
    # The tag, the rest of the command, and the line end take some octets too.
    count = (LONG_LINE - len(b"A9999 UID FETCH 1 (FLAGS)\r\n")) // 2
    await session.ok(b"UID FETCH 1" + b",1" * count + b" (FLAGS)")


@IMAP.case("imap/state/1", rfc=3501, section="3", level=MUST, implied=True)
async def no_select_before_login(env: ImapEnvironment) -> None:
    """Before the login SELECT gets BAD or NO."""
    session = await env.before_login()
    await session.refused(b"SELECT INBOX")


@IMAP.case("imap/state/2", rfc=3501, section="3", level=MUST, implied=True)
async def no_fetch_without_a_mailbox(env: ImapEnvironment) -> None:
    """As long as no mailbox is selected FETCH gets BAD or NO."""
    session = await env.log_in()
    await session.refused(b"FETCH 1 (FLAGS)")


@IMAP.case("imap/state/3", rfc=3501, section="6.3.1", level=MUST, implied=True)
async def a_failed_select_deselects(env: ImapEnvironment) -> None:
    """After a SELECT that fails no mailbox is selected: FETCH gets BAD or NO."""
    session = await env.selected(ONE)
    await session.ok(b"FETCH 1 (FLAGS)")
    await session.refused(b"SELECT " + quoted(await env.name(session, b"missing")))
    await session.refused(b"FETCH 1 (FLAGS)")


@IMAP.case("imap/state/4", rfc=3501, section="6.2", level=MUST, implied=True)
async def no_second_login(env: ImapEnvironment) -> None:
    """After the login LOGIN and AUTHENTICATE get BAD or NO."""
    session = await env.log_in()
    user = env.user
    await session.refused(b"LOGIN " + quoted(user.name) + b" " + quoted(user.password))
    await session.refused(b"AUTHENTICATE PLAIN")
    await session.ok(b"STATUS INBOX (MESSAGES)")


@IMAP.case("imap/noop/1", rfc=3501, section="6.1.2", level=MUST, implied=True)
async def noop_is_for_every_state(env: ImapEnvironment) -> None:
    """NOOP gets OK before the login, after it, and with a mailbox selected."""
    for session in (await env.connect(), await env.log_in(), await env.selected()):
        await session.ok(b"NOOP")


@IMAP.case("imap/logout/1", rfc=3501, section="6.1.3", level=MUST)
async def logout_gets_bye_and_ok(env: ImapEnvironment) -> None:
    """LOGOUT gets an untagged BYE, then OK, and then the server closes the connection."""
    for session in (await env.connect(), await env.log_in(), await env.selected()):
        answer = await session.ok(b"LOGOUT")
        require(answer.all(b"BYE"), "BYE before the OK", answer.tagged.line)
        closed = await session.is_closed()
        require(closed, "the end of the connection", "a connection that stays open")


@IMAP.case("imap/logout/2", rfc=3501, section="3.4", level=MUST, slow=True)
async def a_timeout_is_announced(env: ImapEnvironment) -> None:
    """A server that closes a connection because nothing came sends BYE first."""
    session = await env.log_in()
    session.timeout = PATIENCE
    closing = await session.last_responses()
    if closing is None:
        raise Skipped(f"the server did not close within {PATIENCE / 60:.0f} minutes")
    require(
        any(response.name == b"BYE" for response in closing),
        "BYE before the end of the connection",
        [response.line for response in closing] or "nothing",
    )
