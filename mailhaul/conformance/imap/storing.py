"""STORE (RFC 3501, section 6.4.6)."""

from __future__ import annotations

from ..verdicts import MUST, SHOULD, SetUpFailed, Skipped, require
from .contents import announced, flags, flags_in, set_up
from .environment import ImapEnvironment
from .messages import ONE, TWO
from .responses import Answer, octets_of
from .suite import IMAP

SEEN, FLAGGED, ANSWERED = rb"\seen", rb"\flagged", rb"\answered"

LOUD = (
    (rb"STORE 1 FLAGS (\Seen \Flagged)", frozenset({SEEN, FLAGGED})),
    (rb"STORE 1 +FLAGS (\Answered)", frozenset({SEEN, FLAGGED, ANSWERED})),
    (rb"STORE 1 -FLAGS (\Seen \Draft)", frozenset({FLAGGED, ANSWERED})),
    (rb"STORE 1 FLAGS ()", frozenset[bytes]()),
)
SILENT = (
    (rb"STORE 1 FLAGS.SILENT (\Seen)", frozenset({SEEN})),
    (rb"STORE 1 +FLAGS.SILENT (\Flagged)", frozenset({SEEN, FLAGGED})),
    (rb"STORE 1 -FLAGS.SILENT (\Seen)", frozenset({FLAGGED})),
)
"""Commands, one after the other, and the flags after each."""


def reported(answer: Answer, number: int) -> frozenset[bytes] | None:
    """Return the flags that an answer reports of a message, None where it reports none."""
    value = answer.fetched().get(number, {}).get(b"FLAGS")
    return None if value is None else flags_in(value)


@IMAP.case("imap/store/1", rfc=3501, section="6.4.6", level=MUST, implied=True)
async def store_reports_the_new_flags(env: ImapEnvironment) -> None:
    """FLAGS, +FLAGS and -FLAGS change the flags and report them; with .SILENT they are silent."""
    session = await env.selected(ONE)
    for command, wanted in LOUD:
        got = reported(await session.ok(command), 1)
        require(got == wanted, f"the flags {sorted(wanted)} after {command!r}", got)
    loud: tuple[str, object] | None = None
    for command, wanted in SILENT:
        got = reported(await session.ok(command), 1)
        # A server may send a FETCH response at any time, so this is no more than a warning.
        silent = f"no flags in the answer to {command!r}"
        loud = loud or (silent, got) if got is not None else loud
        now = await flags(session)
        require(now == wanted, f"the flags {sorted(wanted)} after {command!r}", now)
    require(loud is None, *(loud or ("", "")), lenient=True)


@IMAP.case("imap/store/2", rfc=3501, section="6.4.6", level=SHOULD)
async def silent_does_not_hide_other_changes(env: ImapEnvironment) -> None:
    """A flag that another session has changed is reported although STORE had .SILENT."""
    session = await env.selected(ONE, TWO)
    other = await env.another(session)
    await set_up(other, rb"STORE 1 +FLAGS (\Flagged)")
    answer = await session.ok(rb"STORE 1 +FLAGS.SILENT (\Answered)")
    got = reported(answer, 1)
    if got is None:
        got = flags_in((await announced(session, b"FETCH")).items.get(b"FLAGS"))
    require(FLAGGED in got, "\\Flagged in a FETCH response", got)


@IMAP.case("imap/store/3", rfc=3501, section="2.3.2", level=MUST, implied=True)
async def recent_cannot_be_changed(env: ImapEnvironment) -> None:
    """A client cannot set the flag \\Recent."""
    session = await env.selected(ONE)
    await env.require_capability(session, b"IMAP4REV1")
    other = await env.another(session)
    if await has_recent(await other.ok(b"FETCH 1 (FLAGS)")):
        raise Skipped("the server shows \\Recent to a second session too")
    answer = await other.command(rb"STORE 1 +FLAGS (\Recent)")
    require(not await has_recent(answer), "no \\Recent in a FETCH response", answer.lines)
    answer = await other.ok(b"FETCH 1 (FLAGS)")
    require(not await has_recent(answer), "no \\Recent after it was stored", answer.lines)


async def has_recent(answer: Answer) -> bool:
    """Whether an answer shows \\Recent for message 1."""
    value = answer.fetched().get(1, {}).get(b"FLAGS")
    listed = value if isinstance(value, list) else []
    return rb"\recent" in {octets_of(flag).lower() for flag in listed}


@IMAP.case("imap/store/4", rfc=3501, section="2.3.2", level=MUST, implied=True)
async def permanent_flags_stay(env: ImapEnvironment) -> None:
    """A flag in PERMANENTFLAGS is still set for a later session, and gone once it is removed."""
    session = await env.selected(ONE)
    codes = (await env.select(session)).codes()
    permanent = codes.get(b"PERMANENTFLAGS")
    if permanent is not None and FLAGGED not in permanent.lower():
        raise Skipped("the flag \\Flagged is not permanent")
    await session.ok(rb"STORE 1 +FLAGS (\Flagged)")
    concurrent = FLAGGED in await flags(await env.another(session))
    later = await env.later(session)
    require(FLAGGED in await flags(later), "\\Flagged in a later session", "no such flag")
    await later.ok(rb"STORE 1 -FLAGS (\Flagged)")
    later = await env.later(later)
    require(FLAGGED not in await flags(later), "no \\Flagged after it was removed", "\\Flagged")
    # "Concurrent and subsequent sessions" see the change; some servers write when a session ends.
    expected = "\\Flagged in a session at the same time"
    require(concurrent, expected, "no such flag until the first session ends", lenient=True)


@IMAP.case("imap/store/5", rfc=3501, section="7.1", level=MUST, implied=True)
async def new_keywords_can_be_stored(env: ImapEnvironment) -> None:
    """Where PERMANENTFLAGS has \\*, a new keyword can be stored and stays for a later session."""
    session = await env.selected(ONE)
    codes = (await env.select(session)).codes()
    if rb"\*" not in codes.get(b"PERMANENTFLAGS", b""):
        raise Skipped("PERMANENTFLAGS has no \\*")
    keyword = b"conformance"
    await session.ok(b"STORE 1 +FLAGS (%b)" % keyword)
    require(keyword in await flags(session), "the keyword in FLAGS", "no such flag")
    later = await env.later(session)
    require(keyword in await flags(later), "the keyword in a later session", "no such flag")


@IMAP.case("imap/store/6", rfc=3501, section="6.4.6", level=SHOULD, implied=True)
async def flag_changes_are_reported_elsewhere(env: ImapEnvironment) -> None:
    """A flag that one session changes is reported to another by a FETCH response."""
    session = await env.selected(ONE)
    other = await env.another(session)
    if FLAGGED in await flags(other):
        raise SetUpFailed("a new message is flagged already")
    await session.ok(rb"STORE 1 +FLAGS.SILENT (\Flagged)")
    items = (await announced(other, b"FETCH")).items
    require(FLAGGED in flags_in(items.get(b"FLAGS")), "\\Flagged in a FETCH response", items)
