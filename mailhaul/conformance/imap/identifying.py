"""UIDs (RFC 3501, sections 2.3.1.1 and 6.4.8) and UIDPLUS (RFC 4315)."""

from __future__ import annotations

from ..verdicts import MUST, SHOULD, Skipped, fail, require
from .contents import number_of, numbers_in, set_up, text, uid_next, uids
from .copying import look_into
from .environment import ImapEnvironment
from .messages import ONE, THREE, TWO
from .responses import Answer
from .session import quoted
from .suite import IMAP


@IMAP.case("imap/uid/1", rfc=3501, section="6.4.8", level=MUST)
async def answers_to_uid_commands_have_the_uid(env: ImapEnvironment) -> None:
    """FETCH responses to UID FETCH and UID STORE have the UID, also where it was not asked for."""
    session = await env.selected(ONE)
    (uid,) = await uids(session)
    for command in (b"UID FETCH %d (FLAGS)", rb"UID STORE %d +FLAGS (\Flagged)"):
        answer = await session.ok(command % uid)
        items = answer.fetched().get(1, {})
        require(b"UID" in items, f"UID in the answer to {command % uid!r}", answer.lines)
        got = number_of(items[b"UID"])
        require(got == uid, f"UID {uid}", got)


@IMAP.case("imap/uid/2", rfc=3501, section="6.4.8", level=MUST, implied=True)
async def missing_uids_are_ignored(env: ImapEnvironment) -> None:
    """UID FETCH of UIDs that do not exist gets OK and no data.

    The set n:* has the last message in it, however large n is.
    """
    session = await env.selected(ONE, TWO)
    top = (await uids(session))[-1]
    answer = await session.ok(b"UID FETCH %d:%d (UID)" % (top + 1000, top + 2000))
    require(not answer.fetched(), "no FETCH response", answer.lines)
    answer = await session.ok(b"UID FETCH %d:* (UID)" % (top + 1000))
    got = sorted(answer.fetched())
    require(got == [2], "a FETCH response for the last message", got)


@IMAP.case("imap/uid/3", rfc=3501, section="2.3.1.1", level=MUST)
async def uids_ascend_and_stay(env: ImapEnvironment) -> None:
    """UIDs ascend strictly, UIDNEXT is above them and grows, and UIDs stay for other sessions."""
    session = await env.selected(ONE, TWO, THREE)
    validity = (await env.select(session)).codes().get(b"UIDVALIDITY")
    before = await uids(session)
    require(before == sorted(set(before)) and len(before) == 3, "three UIDs that ascend", before)
    other = await env.log_in()
    first = await uid_next(other, session.mailbox)
    require(first > before[-1], f"a UIDNEXT above {before[-1]}", first)
    require(
        (await env.append(session, session.mailbox, ONE)).ok, "OK as the answer to APPEND", "NO"
    )
    second = await uid_next(other, session.mailbox)
    require(second > first, f"a UIDNEXT above {first} after APPEND", second)
    after = await env.another(session)
    # Other UIDs are only against a SHOULD, if UIDVALIDITY tells.
    told = (await env.select(after)).codes().get(b"UIDVALIDITY") != validity
    later = await uids(after)
    require(later[:3] == before, f"the UIDs {before} in a later session", later, lenient=told)
    require(later[3] >= first, f"a UID of at least {first} for the new message", later[3:])


@IMAP.case("imap/uid/4", rfc=3501, section="2.3.1.1", level=MUST)
async def uids_are_not_used_again(env: ImapEnvironment) -> None:
    """A new message gets a UID above that of a message that was removed before."""
    session = await env.selected(ONE, TWO)
    top = (await uids(session))[-1]
    await set_up(session, rb"STORE 2 +FLAGS.SILENT (\Deleted)")
    await set_up(session, b"EXPUNGE")
    await env.append(session, session.mailbox, THREE)
    later = await uids(await env.another(session))
    require(len(later) == 2 and later[-1] > top, f"a UID above {top}", later)


@IMAP.case("imap/uid/5", rfc=3501, section="6.4.8", level=MUST, implied=True)
async def uid_commands_answer_with_numbers(env: ImapEnvironment) -> None:
    """The number of a FETCH response to UID FETCH is the message number, and not the UID."""
    session = await env.selected(ONE, TWO, THREE)
    await set_up(session, rb"STORE 1 +FLAGS.SILENT (\Deleted)")
    await set_up(session, b"EXPUNGE")
    first, _ = await uids(session)
    got = sorted((await session.ok(b"UID FETCH %d (FLAGS)" % first)).fetched())
    require(got == [1], f"a FETCH response for message 1, whose UID is {first}", got)


# UIDPLUS


def copied(answer: Answer) -> tuple[int, list[int], list[int]]:
    """Return the UIDVALIDITY and the two UID sets of COPYUID. Raises Broken."""
    arguments = answer.codes().get(b"COPYUID")
    words = arguments.split(b" ") if arguments else []
    if len(words) != 3 or not words[0].isdigit():
        fail("COPYUID with UIDVALIDITY and two sets", answer.tagged.line)
    return int(words[0]), numbers_in(words[1]), numbers_in(words[2])


@IMAP.case("imap/uidplus/1", rfc=4315, section="3", level=SHOULD)
async def response_codes_name_the_new_uids(env: ImapEnvironment) -> None:
    """APPENDUID and COPYUID have the UIDVALIDITY and the UIDs of the new messages."""
    session = await env.selected(ONE)
    await env.require_capability(session, b"UIDPLUS", b"IMAP4REV2")
    target = await env.mailbox(session, last=b"target")
    code = (await env.append(session, target, TWO)).codes().get(b"APPENDUID", b"")
    answer = await session.ok(b"COPY 1 " + quoted(target))
    validity, source, destination = copied(answer)
    require(source == await uids(session), "the UID of the message that was copied", source)
    there = await look_into(env, target)
    validity_there = (await env.select(there)).codes().get(b"UIDVALIDITY", b"")
    require(validity_there == b"%d" % validity, f"UIDVALIDITY {validity}", validity_there)
    both = await uids(there)
    require(destination == both[1:], f"the UID {both[1:]} in COPYUID", destination)
    wanted = b"%b %d" % (validity_there, both[0])
    require(code == wanted, f"APPENDUID {wanted!r}", code)
    require(await text(there, 2) == await text(session, 1), "the copy with this UID", destination)


@IMAP.case("imap/uidplus/2", rfc=4315, section="2.1", level=MUST, implied=True)
async def uid_expunge_removes_only_its_set(env: ImapEnvironment) -> None:
    """UID EXPUNGE removes the messages that have \\Deleted and are in its set, and no others."""
    session = await env.selected(ONE, TWO, THREE)
    await env.require_capability(session, b"UIDPLUS", b"IMAP4REV2")
    await set_up(session, rb"STORE 1:2 +FLAGS.SILENT (\Deleted)")
    before = await uids(session)
    await session.ok(b"UID EXPUNGE %d:%d" % (before[1], before[2]))
    after = await uids(session)
    left = [before[0], before[2]]
    require(after == left, f"the UIDs {left}", after)


@IMAP.case("imap/uidplus/3", rfc=4315, section="3", level=MUST, implied=True)
async def the_sets_of_copyuid_correspond(env: ImapEnvironment) -> None:
    """The two sets of COPYUID name as many UIDs in the same order: each copy has its source."""
    session = await env.selected(ONE, TWO, THREE)
    await env.require_capability(session, b"UIDPLUS", b"IMAP4REV2")
    target = await env.mailbox(session, last=b"target")
    before = await uids(session)
    answer = await session.ok(b"COPY 3,1:2 " + quoted(target))
    if b"COPYUID" not in answer.codes():
        raise Skipped("COPYUID is only a SHOULD, and this server does not send it")
    _, source, destination = copied(answer)
    require(sorted(source) == before, f"the UIDs {before} as sources", source)
    there = await look_into(env, target)
    new = await uids(there)
    require(sorted(destination) == new, f"the UIDs {new} as destinations", destination)
    for one, other in zip(source, destination, strict=True):
        original = await text(session, before.index(one) + 1)
        copy = await text(there, new.index(other) + 1)
        require(copy == original, f"the copy of UID {one} with UID {other}", copy)
