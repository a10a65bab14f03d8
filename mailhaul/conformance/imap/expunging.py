"""CHECK, CLOSE, UNSELECT and EXPUNGE (RFC 3501, 6.4.1 to 6.4.3; RFC 9051, 6.4.2)."""

from __future__ import annotations

import re

from ..verdicts import MUST, Skipped, require
from .contents import observed, set_up, uids
from .environment import ImapEnvironment
from .messages import ONE, THREE, TWO
from .responses import Answer
from .session import ImapSession, quoted
from .suite import IMAP

REMOVALS = frozenset({b"EXPUNGE", b"VANISHED"})
WATCHED = 1.5
"""Seconds in which nothing may be said of removed messages while no command is in progress."""


def require_no_removal(answer: Answer, when: str) -> None:
    """Require that an answer has no EXPUNGE or VANISHED response."""
    found = [response.line for response in answer.untagged if response.name in REMOVALS]
    require(not found, f"no EXPUNGE {when}", found)


async def with_first_deleted(env: ImapEnvironment) -> ImapSession:
    """Return a session with three messages, of which the first has the flag \\Deleted."""
    session = await env.selected(ONE, TWO, THREE)
    await set_up(session, rb"STORE 1 +FLAGS.SILENT (\Deleted)")
    return session


@IMAP.case("imap/check/1", rfc=3501, section="6.4.1", level=MUST, implied=True)
async def check_is_accepted(env: ImapEnvironment) -> None:
    """CHECK gets OK in the selected state."""
    session = await env.selected(ONE)
    # RFC 9051 has no CHECK any longer.
    await env.require_capability(session, b"IMAP4REV1")
    await session.ok(b"CHECK")


@IMAP.case("imap/close/1", rfc=3501, section="6.4.2", level=MUST, implied=True)
async def close_expunges_silently(env: ImapEnvironment) -> None:
    """CLOSE removes the messages with \\Deleted, and sends no EXPUNGE responses."""
    session = await with_first_deleted(env)
    before = await uids(session)
    require_no_removal(await session.ok(b"CLOSE"), "in the answer to CLOSE")
    await env.select(session)
    after = await uids(session)
    require(after == before[1:], f"the messages with the UIDs {before[1:]}", after)


@IMAP.case("imap/close/2", rfc=3501, section="6.4.2", level=MUST, implied=True)
async def close_after_examine_removes_nothing(env: ImapEnvironment) -> None:
    """CLOSE of a mailbox that was selected by EXAMINE gets OK and removes no messages."""
    session = await with_first_deleted(env)
    before = await uids(session)
    await set_up(session, b"EXAMINE " + quoted(session.mailbox))
    await session.ok(b"CLOSE")
    await env.select(session)
    after = await uids(session)
    require(after == before, f"the messages with the UIDs {before}", after)


@IMAP.case("imap/unselect/1", rfc=9051, section="6.4.2", level=MUST, implied=True)
async def unselect_removes_nothing(env: ImapEnvironment) -> None:
    """UNSELECT leaves the mailbox without removing messages."""
    session = await with_first_deleted(env)
    await env.require_capability(session, b"UNSELECT", b"IMAP4REV2")
    before = await uids(session)
    require_no_removal(await session.ok(b"UNSELECT"), "in the answer to UNSELECT")
    await session.refused(b"FETCH 1 (UID)")
    await env.select(session)
    after = await uids(session)
    require(after == before, f"the messages with the UIDs {before}", after)


@IMAP.case("imap/expunge/2", rfc=3501, section="7.4.1", level=MUST)
async def removals_wait_for_a_safe_command(env: ImapEnvironment) -> None:
    """No EXPUNGE response comes while no command is in progress, nor in FETCH, STORE or SEARCH."""
    session = await with_first_deleted(env)
    other = await env.another(session)
    await set_up(other, b"EXPUNGE")
    waiting = await session.pending(WATCHED)
    unsafe = re.search(rb"(?im)^\* \d+ EXPUNGE\r?$", waiting)
    require(not unsafe, "no EXPUNGE while no command is in progress", waiting)
    for command in (b"FETCH 2:3 (FLAGS)", rb"STORE 3 +FLAGS (\Flagged)", b"SEARCH ALL"):
        verb = command.split()[0].decode("ascii")
        # A server may answer NO while messages that it has not reported are gone (RFC 2180).
        require_no_removal(await session.command(command), f"in the answer to {verb}")
    gone = await observed(session, b"EXPUNGE")
    if gone is None:
        raise Skipped("the server does not report what another session removes")
    require(gone.number == 1, "EXPUNGE of message 1", gone.line)


@IMAP.case("imap/expunge/3", rfc=3501, section="6.3.2", level=MUST, implied=True)
async def expunge_after_examine_removes_nothing(env: ImapEnvironment) -> None:
    """EXPUNGE of a mailbox that was selected by EXAMINE removes nothing."""
    session = await with_first_deleted(env)
    before = await uids(session)
    await set_up(session, b"EXAMINE " + quoted(session.mailbox))
    await session.command(b"EXPUNGE")
    await env.select(session)
    after = await uids(session)
    require(after == before, f"the messages with the UIDs {before}", after)


@IMAP.case("imap/expunge/4", rfc=3501, section="6.4.3", level=MUST, implied=True)
async def expunge_removes_only_deleted_messages(env: ImapEnvironment) -> None:
    """EXPUNGE removes the messages with \\Deleted and no others."""
    session = await env.selected(ONE, TWO, THREE)
    await set_up(session, rb"STORE 2 +FLAGS.SILENT (\Deleted)")
    before = await uids(session)
    answer = await session.ok(b"EXPUNGE")
    numbers = [response.number for response in answer.all(b"EXPUNGE")]
    require(numbers == [2], "one EXPUNGE response, for message 2", numbers)
    after = await uids(session)
    left = [before[0], before[2]]
    require(after == left, f"the messages with the UIDs {left}", after)
