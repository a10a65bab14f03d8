"""Resynchronisation of a mailbox (RFC 7162, section 3.2)."""

from __future__ import annotations

from dataclasses import dataclass

from ..verdicts import MUST, Skipped, fail, require
from .condstore import highest_in, modseqs
from .contents import flags_in, number_of, numbers_in, observed, set_up, uids
from .environment import ImapEnvironment
from .messages import ONE, THREE, TWO
from .responses import Answer, Response
from .session import ImapSession, quoted
from .suite import IMAP

EARLIER = b"(EARLIER) "


@dataclass
class Remembered:
    """What a client keeps of a mailbox: its UIDVALIDITY, HIGHESTMODSEQ and UIDs."""

    uid_validity: bytes
    modseq: int
    uids: list[int]


async def resyncing(env: ImapEnvironment, *messages: bytes) -> ImapSession:
    """Return a session that has enabled QRESYNC, then selected its mailbox. Raises Skipped."""
    session = await env.log_in()
    await env.require_capability(session, b"QRESYNC")
    session.mailbox = await env.mailbox(session, *messages)
    await enable(session)
    highest_in(await env.select(session))
    return session


async def enable(session: ImapSession) -> None:
    """Enable QRESYNC. Raises Broken where the server does not."""
    answer = await session.ok(b"ENABLE QRESYNC")
    names = {name for r in answer.all(b"ENABLED") for name in r.text.upper().split()}
    require(b"QRESYNC" in names, "QRESYNC in the ENABLED response", answer.lines)


async def remembered(env: ImapEnvironment, session: ImapSession) -> Remembered:
    """Return what a client would keep of the mailbox now."""
    answer = await env.select(session, b"(CONDSTORE)")
    validity = answer.codes().get(b"UIDVALIDITY", b"")
    return Remembered(validity, highest_in(answer), await uids(session))


def vanished(responses: list[Response]) -> tuple[list[int], list[int]]:
    """Return the UIDs of the VANISHED responses: those with EARLIER, and the others."""
    earlier: list[int] = []
    now: list[int] = []
    for response in responses:
        if response.name == b"VANISHED":
            marked = response.text.upper().startswith(EARLIER)
            sets = response.text[len(EARLIER) if marked else 0 :]
            (earlier if marked else now).extend(numbers_in(sets))
    return sorted(earlier), sorted(now)


async def changed_mailbox(env: ImapEnvironment) -> tuple[ImapSession, Remembered]:
    """Return a new session with QRESYNC and nothing selected, and what another had kept.

    Since then message 2 has been removed, and message 3 has been flagged. Raises Skipped.
    """
    session = await resyncing(env, ONE, TWO, THREE)
    kept = await remembered(env, session)
    await set_up(session, rb"STORE 2 +FLAGS.SILENT (\Deleted)")
    await set_up(session, b"EXPUNGE")
    await set_up(session, rb"STORE 2 +FLAGS.SILENT (\Flagged)")
    later = await env.log_in()
    later.mailbox = session.mailbox
    await enable(later)
    return later, kept


async def resync(session: ImapSession, kept: Remembered) -> Answer:
    """Select the mailbox with QRESYNC and what was kept. Raises Broken unless it gets OK."""
    parameter = b" (QRESYNC (%b %d))" % (kept.uid_validity, kept.modseq)
    return await session.ok(b"SELECT " + quoted(session.mailbox) + parameter)


@IMAP.case("imap/qresync/1", rfc=7162, section="3.2.3", level=MUST)
async def vanished_stands_for_expunge(env: ImapEnvironment) -> None:
    """After ENABLE QRESYNC removals are reported by VANISHED with UIDs, and never by EXPUNGE."""
    session = await resyncing(env, ONE, TWO, THREE)
    before = await uids(session)
    await set_up(session, rb"STORE 2 +FLAGS.SILENT (\Deleted)")
    answer = await session.ok(b"EXPUNGE")
    require(not answer.all(b"EXPUNGE"), "no EXPUNGE response", answer.lines)
    earlier, now = vanished(answer.untagged)
    require(now == [before[1]], f"VANISHED {before[1]}", answer.lines)
    require(not earlier, "no EARLIER in the answer to EXPUNGE", answer.lines)
    other = await env.another(session)
    await set_up(other, rb"STORE 1 +FLAGS.SILENT (\Deleted)")
    await set_up(other, b"EXPUNGE")
    if response := await observed(session, b"VANISHED"):
        gone = vanished([response])[1]
        require(gone == [before[0]], f"VANISHED {before[0]}", response.line)


@IMAP.case("imap/qresync/2", rfc=7162, section="3.2.5", level=MUST)
async def the_parameter_needs_enable(env: ImapEnvironment) -> None:
    """SELECT with the parameter QRESYNC gets BAD unless QRESYNC was enabled."""
    session = await env.selected(ONE)
    await env.require_capability(session, b"QRESYNC")
    await session.bad(b"SELECT " + quoted(session.mailbox) + b" (QRESYNC (1 1))")


@IMAP.case("imap/qresync/3", rfc=7162, section="3.2.5", level=MUST)
async def select_reports_what_has_changed(env: ImapEnvironment) -> None:
    """SELECT with QRESYNC reports changed flags with UIDs, and removals by VANISHED (EARLIER)."""
    later, kept = await changed_mailbox(env)
    answer = await resync(later, kept)
    earlier, now = vanished(answer.untagged)
    require(not now, "VANISHED with EARLIER only", answer.lines)
    # A server that remembers no removals may name every UID that is not there any longer.
    require(kept.uids[1] in earlier, f"{kept.uids[1]} in VANISHED (EARLIER)", answer.lines)
    there = set(earlier) & {kept.uids[0], kept.uids[2]}
    require(not there, "no UID of an existing message in VANISHED", answer.lines)
    reported = {number_of(r.items.get(b"UID")): r.items for r in answer.all(b"FETCH")}
    require(kept.uids[2] in reported, f"FETCH for UID {kept.uids[2]}", answer.lines)
    items = reported[kept.uids[2]]
    got = flags_in(items.get(b"FLAGS"))
    require(rb"\flagged" in got and b"MODSEQ" in items, "\\Flagged and MODSEQ", answer.lines)
    require(kept.uids[0] not in reported, "no FETCH for a message without changes", answer.lines)


@IMAP.case("imap/qresync/4", rfc=7162, section="3.2.6", level=MUST)
async def vanished_comes_first(env: ImapEnvironment) -> None:
    """VANISHED (EARLIER) responses come before all FETCH responses."""
    later, kept = await changed_mailbox(env)
    answer = await resync(later, kept)
    names = [r.name for r in answer.untagged if r.name in {b"VANISHED", b"FETCH"}]
    if b"VANISHED" not in names or b"FETCH" not in names:
        fail("VANISHED and FETCH responses", answer.lines)
    require(names == sorted(names, reverse=True), "VANISHED before FETCH", answer.lines)


@IMAP.case("imap/qresync/5", rfc=7162, section="3.2.6", level=MUST, implied=True)
async def uid_fetch_reports_removals(env: ImapEnvironment) -> None:
    """UID FETCH with CHANGEDSINCE and VANISHED reports removals of its set, then changes."""
    later, kept = await changed_mailbox(env)
    await env.select(later)
    modifiers = b"(CHANGEDSINCE %d VANISHED)" % kept.modseq
    answer = await later.ok(b"UID FETCH 1:%d (FLAGS) %b" % (kept.uids[-1], modifiers))
    earlier, now = vanished(answer.untagged)
    require(not now and kept.uids[1] in earlier, f"VANISHED (EARLIER) {kept.uids[1]}", answer.lines)
    require(sorted(answer.fetched()) == [2], "a FETCH response for message 2", answer.lines)
    names = [r.name for r in answer.untagged if r.name in {b"VANISHED", b"FETCH"}]
    require(names == sorted(names, reverse=True), "VANISHED before FETCH", answer.lines)
    answer = await later.ok(b"UID FETCH %d (FLAGS) %b" % (kept.uids[0], modifiers))
    require(vanished(answer.untagged) == ([], []), "nothing outside the set", answer.lines)


@IMAP.case("imap/qresync/6", rfc=7162, section="3.2.7", level=MUST)
async def expunge_gives_the_new_highest(env: ImapEnvironment) -> None:
    """EXPUNGE raises HIGHESTMODSEQ, and its tagged OK has the new one."""
    session = await resyncing(env, ONE, TWO)
    await set_up(session, rb"STORE 1 +FLAGS.SILENT (\Deleted)")
    before = max((await modseqs(session)).values())
    answer = await session.ok(b"EXPUNGE")
    code = answer.code
    require(code and code.name == b"HIGHESTMODSEQ", "HIGHESTMODSEQ in the tagged OK", answer.lines)
    highest = highest_in(answer)
    require(highest > before, f"a HIGHESTMODSEQ above {before}", highest)
    now = highest_in(await env.select(session))
    require(now >= highest, f"a HIGHESTMODSEQ of at least {highest} in SELECT", now)


@IMAP.case("imap/qresync/7", rfc=7162, section="3.2.5", level=MUST)
async def another_uid_validity_is_ignored(env: ImapEnvironment) -> None:
    """SELECT with QRESYNC and another UIDVALIDITY gets OK, and reports no changes."""
    later, kept = await changed_mailbox(env)
    wrong = Remembered(b"%d" % (int(kept.uid_validity) % 1000 + 1001), kept.modseq, kept.uids)
    if wrong.uid_validity == kept.uid_validity:
        raise Skipped("the UIDVALIDITY happens to be the one that was made up")
    answer = await resync(later, wrong)
    require(vanished(answer.untagged) == ([], []), "no VANISHED response", answer.lines)
    require(not answer.all(b"FETCH"), "no FETCH response", answer.lines)
    got = answer.codes().get(b"UIDVALIDITY")
    require(got == kept.uid_validity, f"UIDVALIDITY {kept.uid_validity!r}", answer.lines)


@IMAP.case("imap/qresync/8", rfc=7162, section="3.2.6", level=MUST)
async def vanished_has_its_place(env: ImapEnvironment) -> None:
    """The modifier VANISHED gets BAD in FETCH, without CHANGEDSINCE, and before ENABLE."""
    session = await env.selected(ONE)
    await env.require_capability(session, b"QRESYNC")
    await session.bad(b"UID FETCH 1:* (FLAGS) (CHANGEDSINCE 1 VANISHED)")
    session = await resyncing(env, ONE)
    await session.bad(b"FETCH 1:* (FLAGS) (CHANGEDSINCE 1 VANISHED)")
    await session.bad(b"UID FETCH 1:* (FLAGS) (VANISHED)")


@IMAP.case("imap/qresync/9", rfc=7162, section="3.2.8", level=MUST)
async def close_gives_no_highest(env: ImapEnvironment) -> None:
    """The tagged OK of CLOSE has no HIGHESTMODSEQ, though that was raised."""
    session = await resyncing(env, ONE, TWO)
    await set_up(session, rb"STORE 1 +FLAGS.SILENT (\Deleted)")
    before = max((await modseqs(session)).values())
    answer = await session.ok(b"CLOSE")
    require(b"HIGHESTMODSEQ" not in answer.codes(), "no HIGHESTMODSEQ", answer.lines)
    require(not answer.all(b"VANISHED"), "no VANISHED response", answer.lines)
    now = highest_in(await env.select(session))
    require(now > before, f"a HIGHESTMODSEQ above {before} after CLOSE", now)


@IMAP.case("imap/qresync/10", rfc=7162, section="3.2.4", level=MUST)
async def changes_are_reported_with_uid(env: ImapEnvironment) -> None:
    """Once QRESYNC is enabled, FETCH responses for changes of flags have UID and MODSEQ."""
    session = await resyncing(env, ONE, TWO)
    await set_up(session, rb"STORE 1:2 FLAGS.SILENT ()")
    other = await env.another(session)
    require_identified((await session.ok(rb"STORE 1 +FLAGS (\Flagged)")).all(b"FETCH"))
    await set_up(other, rb"STORE 2 +FLAGS.SILENT (\Flagged)")
    if response := await observed(session, b"FETCH"):
        require_identified([response])


@IMAP.case("imap/qresync/15", rfc=7162, section="3.2.4", level=MUST)
async def an_implied_flag_is_reported_with_uid(env: ImapEnvironment) -> None:
    """Once QRESYNC is enabled, a FETCH that sets \\Seen reports it with UID and MODSEQ."""
    session = await resyncing(env, ONE)
    await set_up(session, rb"STORE 1 FLAGS.SILENT ()")
    answer = await session.ok(b"FETCH 1 (BODY[])")
    missing = {b"FLAGS", b"UID", b"MODSEQ"} - answer.fetched().get(1, {}).keys()
    require(not missing, "FLAGS, UID and MODSEQ in FETCH responses", answer.lines)
    for response in answer.all(b"FETCH"):
        if b"FLAGS" in response.items:
            missing = {b"UID", b"MODSEQ"} - response.items.keys()
            # Dovecot 2.3 sends them in a response of their own.
            require(not missing, "UID and MODSEQ beside FLAGS", answer.lines, lenient=True)


def require_identified(responses: list[Response]) -> None:
    """Require UID and MODSEQ in FETCH responses that report flags."""
    reports = [response for response in responses if b"FLAGS" in response.items]
    require(reports, "a FETCH response with FLAGS", [response.line for response in responses])
    for response in reports:
        missing = {b"UID", b"MODSEQ"} - response.items.keys()
        require(not missing, "UID and MODSEQ in the FETCH response", response.line)


@IMAP.case("imap/qresync/11", rfc=7162, section="3.2.11", level=MUST)
async def another_select_is_announced(env: ImapEnvironment) -> None:
    """SELECT of another mailbox gives the code CLOSED before anything about the new mailbox."""
    session = await resyncing(env, ONE)
    session.mailbox = await env.mailbox(session, TWO, last=b"other")
    answer = await env.select(session)
    require_closed(answer)


@IMAP.case("imap/qresync/14", rfc=7162, section="3.2.11", level=MUST, implied=True)
async def another_select_is_announced_to_all(env: ImapEnvironment) -> None:
    """SELECT of another mailbox gives the code CLOSED also where nothing was enabled."""
    session = await env.selected(ONE)
    await env.require_capability(session, b"CONDSTORE", b"QRESYNC")
    session.mailbox = await env.mailbox(session, TWO, last=b"other")
    # Servers that were written for RFC 5162 do so after ENABLE only.
    require_closed(await env.select(session), lenient=True)


def require_closed(answer: Answer, *, lenient: bool = False) -> None:
    """Require the code CLOSED before anything about the new mailbox."""
    places = [n for n, r in enumerate(answer.untagged) if r.code and r.code.name == b"CLOSED"]
    require(places, "the code CLOSED", answer.lines, lenient=lenient)
    about = (b"FLAGS", b"EXISTS", b"RECENT")
    first = next((n for n, r in enumerate(answer.untagged) if r.name in about), places[0])
    require(places[0] <= first, "CLOSED before the data of the new mailbox", answer.lines)


@IMAP.case("imap/qresync/12", rfc=6851, section="4.4", level=MUST)
async def move_gives_the_new_highest(env: ImapEnvironment) -> None:
    """MOVE reports VANISHED, raises HIGHESTMODSEQ, and gives the new one in an OK response."""
    session = await resyncing(env, ONE, TWO)
    await env.require_capability(session, b"MOVE", b"IMAP4REV2")
    target = await env.mailbox(session, last=b"target")
    before, known = max((await modseqs(session)).values()), await uids(session)
    answer = await session.ok(b"MOVE 1 " + quoted(target))
    # RFC 6851, 4.4 lets a client be ready for either response.
    gone = vanished(answer.untagged)[1]
    require(gone == known[:1], f"VANISHED {known[0]}", answer.lines, lenient=True)
    # RFC 7162 demands it for EXPUNGE, and is read in both ways for MOVE.
    require(b"HIGHESTMODSEQ" in answer.codes(), "HIGHESTMODSEQ", answer.lines, lenient=True)
    highest = highest_in(answer)
    require(highest > before, f"a HIGHESTMODSEQ above {before}", highest)


@IMAP.case("imap/qresync/13", rfc=7162, section="3.2.5.1", level=MUST, implied=True)
async def nothing_is_reported_without_changes(env: ImapEnvironment) -> None:
    """SELECT with QRESYNC and the current HIGHESTMODSEQ reports no flags and no existing UIDs."""
    session = await resyncing(env, ONE, TWO)
    kept = await remembered(env, session)
    later = await env.log_in()
    later.mailbox = session.mailbox
    await enable(later)
    answer = await resync(later, kept)
    require(not answer.all(b"FETCH"), "no FETCH response", answer.lines)
    there = set(vanished(answer.untagged)[0]) & set(kept.uids)
    require(not there, "no UID of an existing message in VANISHED", answer.lines)
