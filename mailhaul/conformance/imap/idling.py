"""IDLE (RFC 2177), and how long a session may be quiet (RFC 3501, section 5.4)."""

from __future__ import annotations

from ..session import Silence
from ..verdicts import MUST, require
from .contents import flags_in, set_up
from .environment import ImapEnvironment
from .expunging import WATCHED
from .messages import ONE, TWO
from .responses import Response
from .session import ImapSession
from .sharing import deliver
from .suite import IMAP

QUIET = 29 * 60.0
"""Seconds without a command after which the session must still be there."""


async def idle(env: ImapEnvironment, session: ImapSession) -> bytes:
    """Begin an IDLE; return its tag. Raises Skipped if it is not announced."""
    await env.require_capability(session, b"IDLE", b"IMAP4REV2")
    tag = await session.begin(b"IDLE\r\n")
    await session.continuation()
    return tag


async def done(session: ImapSession, tag: bytes) -> list[Response]:
    """End an IDLE; return the untagged responses that came before the tagged OK."""
    await session.send(b"DONE\r\n")
    answer = await session.answer(tag)
    require(answer.ok, "OK as the answer to IDLE after DONE", answer.tagged.line)
    return answer.untagged


async def heard_while_idle(session: ImapSession, tag: bytes, name: bytes) -> Response:
    """Return the first response of this name that comes in an IDLE, and end it.

    A server may look at the mailbox only now and then, so silence is no more than a warning.
    """
    word = name.decode("ascii")
    try:
        while (response := await session.response(f"{word} in an IDLE")).name != name:
            require(response.tag == b"*", "untagged responses in an IDLE", response.line)
    except Silence as silence:
        await done(session, tag)
        silence.lenient = True
        raise
    await done(session, tag)
    return response


@IMAP.case("imap/idle/1", rfc=2177, section="3", level=MUST, implied=True)
async def new_mail_is_announced_in_idle(env: ImapEnvironment) -> None:
    """IDLE is answered by a continuation, new mail by EXISTS, and DONE by a tagged OK."""
    session = await env.selected(ONE)
    tag = await idle(env, session)
    await deliver(env, session)
    count = (await heard_while_idle(session, tag, b"EXISTS")).number
    require(count == 2, "2 EXISTS", count)


@IMAP.case("imap/idle/2", rfc=2177, section="3", level=MUST)
async def done_is_answered_at_once(env: ImapEnvironment) -> None:
    """After DONE only pending untagged responses come before the tagged OK of the IDLE.

    A command that was sent with the DONE is answered after it.
    """
    session = await env.selected(ONE)
    tag = await idle(env, session)
    other = await env.another(session)
    await set_up(other, rb"STORE 1 +FLAGS.SILENT (\Deleted)")
    await set_up(other, b"EXPUNGE")
    await session.send(b"DONE\r\nA900 NOOP\r\n")
    answer = await session.answer(tag)
    require(answer.ok, "OK as the answer to IDLE", answer.tagged.line)
    after = await session.answer(b"A900")
    require(after.ok, "OK as the answer to NOOP after IDLE", after.tagged.line)


@IMAP.case("imap/idle/3", rfc=3501, section="5.4", level=MUST, slow=True)
async def a_quiet_session_is_not_logged_out(env: ImapEnvironment) -> None:
    """A session without a command for 29 minutes is not logged out."""
    session = await env.selected(ONE)
    await session.pending(QUIET)
    await session.ok(b"NOOP")


@IMAP.case("imap/idle/4", rfc=2177, section="3", level=MUST, implied=True)
async def removals_are_announced_in_idle(env: ImapEnvironment) -> None:
    """A message that another session removes is announced by EXPUNGE in an IDLE."""
    session = await env.selected(ONE, TWO)
    tag = await idle(env, session)
    other = await env.another(session)
    await set_up(other, rb"STORE 2 +FLAGS.SILENT (\Deleted)")
    await set_up(other, b"EXPUNGE")
    number = (await heard_while_idle(session, tag, b"EXPUNGE")).number
    require(number == 2, "EXPUNGE of message 2", number)


@IMAP.case("imap/idle/5", rfc=2177, section="3", level=MUST, implied=True)
async def flag_changes_are_announced_in_idle(env: ImapEnvironment) -> None:
    """A flag that another session changes is announced by a FETCH response in an IDLE."""
    session = await env.selected(ONE, TWO)
    tag = await idle(env, session)
    other = await env.another(session)
    await set_up(other, rb"STORE 2 +FLAGS.SILENT (\Flagged)")
    response = await heard_while_idle(session, tag, b"FETCH")
    got = flags_in(response.items.get(b"FLAGS"))
    require(response.number == 2 and rb"\flagged" in got, "\\Flagged of message 2", response.line)


@IMAP.case("imap/idle/6", rfc=3501, section="7.4.1", level=MUST)
async def nothing_is_removed_after_idle(env: ImapEnvironment) -> None:
    """After the tagged OK of an IDLE no EXPUNGE comes before the next command."""
    session = await env.selected(ONE, TWO)
    tag = await idle(env, session)
    other = await env.another(session)
    await set_up(other, rb"STORE 1:2 +FLAGS.SILENT (\Deleted)")
    await done(session, tag)
    await set_up(other, b"EXPUNGE")
    waiting = await session.pending(WATCHED)
    unsafe = [line for line in waiting.splitlines() if line.upper().endswith(b" EXPUNGE")]
    require(not unsafe, "no EXPUNGE while no command is in progress", waiting)
