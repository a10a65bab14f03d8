"""Mod-sequences of messages (RFC 7162, section 3.1)."""

from __future__ import annotations

from ...protocols.imap.values import Value
from ..verdicts import MUST, SHOULD, Skipped, fail, require
from .contents import (
    flags,
    number_of,
    numbers_in,
    observed,
    set_up,
    uids,
)
from .environment import ImapEnvironment
from .messages import ONE, THREE, TWO
from .responses import Answer, Response
from .searching import found
from .session import ImapSession, quoted
from .suite import IMAP


def modseq_in(value: Value) -> int:
    """Return the number in a MODSEQ item of FETCH, ``(12)``. Raises Broken."""
    if not isinstance(value, list) or len(value) != 1:
        fail("a mod-sequence in parentheses", repr(value))
    return number_of(value[0])


async def modseqs(session: ImapSession) -> dict[int, int]:
    """Return the mod-sequences by message number."""
    fetched = (await session.ok(b"FETCH 1:* (MODSEQ)")).fetched()
    return {number: modseq_in(items.get(b"MODSEQ")) for number, items in fetched.items()}


def highest_in(answer: Answer) -> int:
    """Return the HIGHESTMODSEQ of an answer. Raises Broken, and Skipped for NOMODSEQ."""
    codes = answer.codes()
    if b"NOMODSEQ" in codes:
        raise Skipped("the mailbox keeps no mod-sequences (NOMODSEQ)")
    value = codes.get(b"HIGHESTMODSEQ", b"")
    require(value.isdigit(), "HIGHESTMODSEQ", answer.lines)
    return int(value)


async def with_modseqs(env: ImapEnvironment, *messages: bytes) -> ImapSession:
    """Return a session that has selected its mailbox with the parameter CONDSTORE.

    Raises Skipped where mod-sequences are not available.
    """
    session = await env.selected(*messages)
    await env.require_capability(session, b"CONDSTORE", b"QRESYNC")
    highest_in(await env.select(session, b"(CONDSTORE)"))
    return session


def modified(answer: Answer) -> list[int]:
    """Return the set of the code MODIFIED, [] without the code."""
    code = answer.code
    return numbers_in(code.arguments) if code and code.name == b"MODIFIED" else []


async def highest_of(env: ImapEnvironment, mailbox: bytes) -> int:
    """Return the HIGHESTMODSEQ of a mailbox that another session asks for."""
    session = await env.log_in()
    session.mailbox = mailbox
    return highest_in(await env.select(session, b"(CONDSTORE)"))


@IMAP.case("imap/condstore/1", rfc=7162, section="3.1.2", level=MUST)
async def select_gives_the_highest_mod_sequence(env: ImapEnvironment) -> None:
    """SELECT with CONDSTORE gives HIGHESTMODSEQ or NOMODSEQ in an untagged OK.

    HIGHESTMODSEQ is not below the mod-sequence of any message.
    """
    session = await env.selected(ONE, TWO)
    await env.require_capability(session, b"CONDSTORE", b"QRESYNC")
    answer = await env.select(session, b"(CONDSTORE)")
    names = {response.code.name for response in answer.all(b"OK") if response.code}
    require(names & {b"HIGHESTMODSEQ", b"NOMODSEQ"}, "HIGHESTMODSEQ or NOMODSEQ", answer.lines)
    highest = highest_in(answer)
    largest = max((await modseqs(session)).values())
    require(highest >= largest, f"a HIGHESTMODSEQ of at least {largest}", highest)


@IMAP.case("imap/condstore/2", rfc=7162, section="3.1.3", level=MUST)
async def a_changed_message_is_left_alone(env: ImapEnvironment) -> None:
    """STORE with an UNCHANGEDSINCE that is too old changes nothing and gives MODIFIED."""
    session = await with_modseqs(env, ONE, TWO)
    before = (await modseqs(session))[1]
    other = await env.another(session)
    await set_up(other, rb"STORE 1 FLAGS.SILENT (\Flagged)")
    # All flags are affected here: for +FLAGS a server may look at the named ones alone.
    answer = await session.command(rb"STORE 1 (UNCHANGEDSINCE %d) FLAGS (\Seen)" % before)
    require(answer.condition != b"BAD", "OK or NO as the answer to STORE", answer.tagged.line)
    require(modified(answer) == [1], "the code MODIFIED 1", answer.tagged.line)
    after = await flags(session)
    require(after == frozenset({rb"\flagged"}), "the flags as the other session left them", after)


@IMAP.case("imap/condstore/3", rfc=7162, section="3.1.4.1", level=MUST, implied=True)
async def changed_since_selects_newer_messages(env: ImapEnvironment) -> None:
    """FETCH with CHANGEDSINCE gives only messages above that mod-sequence, with MODSEQ."""
    session = await with_modseqs(env, ONE, TWO, THREE)
    since = max((await modseqs(session)).values())
    await set_up(session, rb"STORE 2 +FLAGS.SILENT (\Flagged)")
    answer = await session.ok(b"FETCH 1:* (FLAGS) (CHANGEDSINCE %d)" % since)
    got = answer.fetched()
    require(sorted(got) == [2], "a FETCH response for message 2 only", answer.lines)
    modseq = modseq_in(got[2].get(b"MODSEQ"))
    require(modseq > since, f"a MODSEQ above {since}", modseq)
    answer = await session.ok(b"FETCH 1:* (FLAGS) (CHANGEDSINCE %d)" % modseq)
    require(not answer.fetched(), "no FETCH response", answer.lines)


@IMAP.case("imap/condstore/4", rfc=7162, section="3.1.6", level=MUST)
async def search_gives_the_highest_of_its_result(env: ImapEnvironment) -> None:
    """SEARCH MODSEQ ends with the highest mod-sequence of its result, if that is not empty."""
    session = await with_modseqs(env, ONE, TWO, THREE)
    await set_up(session, rb"STORE 2 +FLAGS.SILENT (\Flagged)")
    known = await modseqs(session)
    answer = await session.ok(b"SEARCH MODSEQ %d" % known[2])
    require(found(answer) == [2], "message 2 as the result", answer.lines)
    got = searched_modseq(answer)
    require(got == known[2], f"(MODSEQ {known[2]}) at the end of the result", got)
    answer = await session.ok(b"SEARCH MODSEQ %d" % (known[2] + 1000))
    require(not found(answer), "no message as the result", answer.lines)
    require(searched_modseq(answer) is None, "no MODSEQ without a result", answer.lines)


def searched_modseq(answer: Answer) -> int | None:
    """Return the mod-sequence at the end of the SEARCH response."""
    last = [response.values[-1] for response in answer.all(b"SEARCH") if response.values]
    value = last[-1] if last else None
    if not isinstance(value, list):
        return None
    return number_of(value[1]) if len(value) == 2 else fail("(MODSEQ n)", answer.lines)


@IMAP.case("imap/condstore/5", rfc=7162, section="3.1.3", level=MUST)
async def store_raises_the_mod_sequence(env: ImapEnvironment) -> None:
    """A STORE, with .SILENT or without, raises the mod-sequences of message and mailbox."""
    session = await with_modseqs(env, ONE, TWO)
    for command in (rb"STORE 1 +FLAGS (\Flagged)", rb"STORE 1 -FLAGS.SILENT (\Flagged)"):
        before, highest = await modseqs(session), await highest_of(env, session.mailbox)
        await session.ok(command)
        after = await modseqs(session)
        require(after[1] > before[1], f"a MODSEQ above {before[1]} after {command!r}", after[1])
        require(after[1] > highest, f"a MODSEQ above {highest}, the highest before", after[1])
        require(after[2] == before[2], f"MODSEQ {before[2]} of the other message", after[2])
        now = await highest_of(env, session.mailbox)
        require(now >= after[1], f"a HIGHESTMODSEQ of at least {after[1]}", now)


@IMAP.case("imap/condstore/6", rfc=7162, section="3.1.3", level=MUST)
async def uid_store_names_uids(env: ImapEnvironment) -> None:
    """The MODIFIED code of UID STORE names UIDs, and that of STORE message numbers."""
    session = await with_modseqs(env, ONE, TWO, THREE)
    await set_up(session, rb"STORE 1 +FLAGS.SILENT (\Deleted)")
    await set_up(session, b"EXPUNGE")
    since = max((await modseqs(session)).values())
    _, uid = await uids(session)
    other = await env.another(session)
    await set_up(other, rb"STORE 2 FLAGS.SILENT (\Flagged)")
    change = rb"(UNCHANGEDSINCE %d) FLAGS.SILENT (\Seen)" % since
    answer = await session.command(b"UID STORE %d %b" % (uid, change))
    require(modified(answer) == [uid], f"the code MODIFIED {uid}", answer.tagged.line)
    answer = await session.command(b"STORE 2 " + change)
    require(modified(answer) == [2], "the code MODIFIED 2", answer.tagged.line)


@IMAP.case("imap/condstore/7", rfc=7162, section="3.1.3", level=MUST)
async def conditional_store_reports_the_mod_sequence(env: ImapEnvironment) -> None:
    """A successful STORE with UNCHANGEDSINCE sends MODSEQ in a FETCH response, with .SILENT too."""
    session = await with_modseqs(env, ONE)
    since = (await modseqs(session))[1]
    answer = await session.ok(rb"STORE 1 (UNCHANGEDSINCE %d) +FLAGS.SILENT (\Flagged)" % since)
    items = answer.fetched().get(1, {})
    require(b"MODSEQ" in items, "MODSEQ in a FETCH response", answer.lines)
    modseq = modseq_in(items[b"MODSEQ"])
    require(modseq > since, f"a MODSEQ above {since}", modseq)


@IMAP.case("imap/condstore/8", rfc=7162, section="3.1.7", level=MUST, implied=True)
async def status_gives_the_same_highest(env: ImapEnvironment) -> None:
    """HIGHESTMODSEQ of STATUS is the same as that of SELECT."""
    session = await with_modseqs(env, ONE, TWO)
    highest = await highest_of(env, session.mailbox)
    other = await env.log_in()
    answer = await other.ok(b"STATUS " + quoted(session.mailbox) + b" (HIGHESTMODSEQ)")
    got = number_of(answer.one(b"STATUS").items.get(b"HIGHESTMODSEQ"))
    require(got == highest, f"HIGHESTMODSEQ {highest}", got)


@IMAP.case("imap/condstore/9", rfc=7162, section="3.1", level=MUST)
async def changes_are_reported_with_mod_sequence(env: ImapEnvironment) -> None:
    """Once CONDSTORE is in use, flag changes of other sessions and of STORE come with MODSEQ."""
    session = await with_modseqs(env, ONE, TWO)
    answer = await session.ok(rb"STORE 1 +FLAGS (\Flagged)")
    require_modseqs(answer.all(b"FETCH"))
    other = await env.another(session)
    await set_up(other, rb"STORE 2 +FLAGS.SILENT (\Flagged)")
    if response := await observed(session, b"FETCH"):
        require_modseqs([response])


def require_modseqs(responses: list[Response]) -> None:
    """Require MODSEQ in FETCH responses that report flags."""
    for response in responses:
        if b"FLAGS" in response.items:
            require(b"MODSEQ" in response.items, "MODSEQ in the FETCH response", response.line)


@IMAP.case("imap/condstore/10", rfc=7162, section="3.1", level=MUST, implied=True)
async def a_new_message_has_the_highest(env: ImapEnvironment) -> None:
    """A message that is appended or copied has a mod-sequence above those of all others."""
    session = await with_modseqs(env, ONE, TWO)
    for message in (THREE, None):
        before = max((await modseqs(session)).values())
        if message:
            await env.append(session, session.mailbox, message)
        else:
            await session.command(b"COPY 1 " + quoted(session.mailbox))
        await env.select(session)
        number, modseq = sorted((await modseqs(session)).items())[-1]
        require(modseq > before, f"a MODSEQ above {before} for message {number}", modseq)


@IMAP.case("imap/condstore/11", rfc=7162, section="3.1", level=MUST)
async def the_first_use_gives_the_highest(env: ImapEnvironment) -> None:
    """The first command that uses CONDSTORE in a selected mailbox gives HIGHESTMODSEQ."""
    session = await env.selected(ONE)
    await env.require_capability(session, b"CONDSTORE", b"QRESYNC")
    answer = await session.ok(b"FETCH 1 (MODSEQ)")
    highest = highest_in(answer)
    modseq = modseq_in(answer.fetched().get(1, {}).get(b"MODSEQ"))
    require(highest >= modseq, f"a HIGHESTMODSEQ of at least {modseq}", highest)


@IMAP.case("imap/condstore/12", rfc=7162, section="3.1.3", level=MUST, implied=True)
async def unchanged_since_zero_fails_for_system_flags(env: ImapEnvironment) -> None:
    """STORE of a system flag with UNCHANGEDSINCE 0 always gives MODIFIED and changes nothing."""
    session = await with_modseqs(env, ONE)
    answer = await session.command(rb"STORE 1 (UNCHANGEDSINCE 0) +FLAGS.SILENT (\Flagged)")
    require(modified(answer) == [1], "the code MODIFIED 1", answer.tagged.line)
    after = await flags(session)
    require(rb"\flagged" not in after, "no \\Flagged", after)


@IMAP.case("imap/condstore/13", rfc=7162, section="3.1.11", level=SHOULD)
async def storing_the_same_changes_nothing(env: ImapEnvironment) -> None:
    """Adding a flag that is set, or removing one that is not, keeps the mod-sequence."""
    session = await with_modseqs(env, ONE)
    await set_up(session, rb"STORE 1 FLAGS.SILENT (\Flagged)")
    before = await modseqs(session)
    for command in (rb"STORE 1 +FLAGS (\Flagged)", rb"STORE 1 -FLAGS (\Answered)"):
        await session.ok(command)
        after = await modseqs(session)
        require(after == before, f"MODSEQ {before[1]} after {command!r}", after)


@IMAP.case("imap/condstore/14", rfc=7162, section="3.1.3", level=MUST)
async def a_message_may_be_named_twice(env: ImapEnvironment) -> None:
    """A message that is named twice in a conditional STORE does not fail the second time."""
    session = await with_modseqs(env, ONE, TWO)
    since = max((await modseqs(session)).values())
    answer = await session.ok(rb"STORE 2,1:2 (UNCHANGEDSINCE %d) +FLAGS.SILENT (\Flagged)" % since)
    require(not modified(answer), "no code MODIFIED", answer.tagged.line)


@IMAP.case("imap/condstore/15", rfc=7162, section="3.1", level=MUST)
async def use_lasts_until_the_end(env: ImapEnvironment) -> None:
    """A session that has used CONDSTORE gets MODSEQ and HIGHESTMODSEQ in later mailboxes too."""
    session = await with_modseqs(env, ONE)
    session.mailbox = await env.mailbox(session, TWO, last=b"later")
    highest_in(await env.select(session))
    answer = await session.ok(rb"STORE 1 +FLAGS (\Flagged)")
    require_modseqs(answer.all(b"FETCH"))
