"""COPY (RFC 3501, section 6.4.7) and MOVE (RFC 6851)."""

from __future__ import annotations

from ...protocols.imap.values import Value
from ..verdicts import MUST, SHOULD, SetUpFailed, Skipped, require
from .contents import flags, flags_in, observed, set_up, text, uids
from .environment import ImapEnvironment
from .expunging import REMOVALS
from .messages import ONE, THREE, TWO
from .responses import Answer
from .session import ImapSession, Literal, quoted
from .suite import IMAP

DATE = b"17-Jul-1996 02:44:25 -0700"
NOT_COMPARED = frozenset({b"UID", b"MODSEQ", b"FLAGS"})


async def with_target(env: ImapEnvironment, *messages: bytes) -> tuple[ImapSession, bytes]:
    """Return a session with these messages, and a new empty mailbox."""
    session = await env.selected(*messages)
    return session, await env.mailbox(session, last=b"target")


async def look_into(env: ImapEnvironment, mailbox: bytes) -> ImapSession:
    """Return a new session in which a mailbox is selected."""
    session = await env.log_in()
    session.mailbox = mailbox
    await env.select(session)
    return session


async def contents(env: ImapEnvironment, mailbox: bytes) -> list[bytes]:
    """Return the texts in a mailbox."""
    session = await look_into(env, mailbox)
    return [await text(session, number + 1) for number in range(len(await uids(session)))]


def require_try_create(answer: Answer, *, lenient: bool = False) -> None:
    """Require NO with the code TRYCREATE."""
    code = answer.code.name if answer.code else b""
    require(code == b"TRYCREATE", "the code TRYCREATE", answer.tagged.line, lenient=lenient)


@IMAP.case("imap/copy/1", rfc=3501, section="6.4.7", level=SHOULD)
async def copies_keep_flags_and_date(env: ImapEnvironment) -> None:
    """COPY keeps text, flags and date; to a mailbox that does not exist it gets NO [TRYCREATE]."""
    session, target = await with_target(env)
    head = b"APPEND " + quoted(session.mailbox) + b' "%b" ' % DATE
    if not (await session.command(head, Literal(ONE))).ok:
        raise SetUpFailed("no message for the case")
    await env.select(session)
    await set_up(session, rb"STORE 1 FLAGS.SILENT (\Flagged \Answered)")
    before = await described(session)
    await session.ok(b"COPY 1 " + quoted(target))
    after = await described(await look_into(env, target))
    for name, value in before.items():
        require(after.get(name) == value, f"{name!r} {value!r} of the copy", after.get(name))
    missing = await env.name(session, b"missing")
    require_try_create(await session.no(b"COPY 1 " + quoted(missing)))


async def described(session: ImapSession) -> dict[bytes, Value | frozenset[bytes]]:
    """Return what is known about message 1, as far as a copy keeps it."""
    answer = await session.ok(b"FETCH 1 (FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])")
    items = answer.fetched().get(1, {})
    found: dict[bytes, Value | frozenset[bytes]] = {
        name: value for name, value in items.items() if name not in NOT_COMPARED
    }
    return found | {b"FLAGS": flags_in(items.get(b"FLAGS"))}


@IMAP.case("imap/copy/2", rfc=3501, section="6.4.7", level=MUST)
async def a_failed_copy_changes_nothing(env: ImapEnvironment) -> None:
    """A COPY that fails, here of a message that is gone, leaves the target as it was."""
    session, target = await with_target(env, ONE, TWO, THREE)
    other = await env.another(session)
    await set_up(other, rb"STORE 2 +FLAGS.SILENT (\Deleted)")
    await set_up(other, b"EXPUNGE")
    answer = await session.command(b"COPY 1:3 " + quoted(target))
    if answer.ok:
        raise Skipped("COPY of a message that another session has removed succeeds")
    copied = await contents(env, target)
    require(not copied, "no message in the target", f"{len(copied)} messages")


@IMAP.case("imap/copy/3", rfc=3501, section="6.4.7", level=MUST, implied=True)
async def a_message_can_be_copied_to_its_own_mailbox(env: ImapEnvironment) -> None:
    """COPY to the selected mailbox adds the copy there, and EXISTS announces it."""
    session = await env.selected(ONE, TWO)
    answer = await session.command(b"COPY 1 " + quoted(session.mailbox))
    if not answer.ok:
        raise Skipped("the server refuses to copy a message to its own mailbox")
    there = await contents(env, session.mailbox)
    require(there[2:] == there[:1], "the text of message 1 in message 3", there[2:])
    said = answer.all(b"EXISTS")
    exists = said[-1] if said else await observed(session, b"EXISTS")
    count = exists.number if exists else None
    # That new messages are announced at once is said of APPEND only (6.3.11).
    require(count == 3, "3 EXISTS", f"{count or 'no'} EXISTS", lenient=True)


@IMAP.case("imap/copy/4", rfc=3501, section="6.4.8", level=MUST, implied=True)
async def uid_copy_ignores_missing_uids(env: ImapEnvironment) -> None:
    """UID COPY of UIDs that do not exist gets OK, and only existing messages are copied."""
    session, target = await with_target(env, ONE)
    (uid,) = await uids(session)
    await session.ok(b"UID COPY %d:%d %b" % (uid + 10, uid + 20, quoted(target)))
    copied = await contents(env, target)
    require(not copied, "no copy of messages that do not exist", f"{len(copied)} messages")
    await session.ok(b"UID COPY %d,%d %b" % (uid, uid + 10, quoted(target)))
    copied = await contents(env, target)
    require(len(copied) == 1, "one copy", f"{len(copied)} messages")


# MOVE


async def with_move(env: ImapEnvironment, *messages: bytes) -> tuple[ImapSession, bytes]:
    """Return a session with these messages, and a new empty mailbox. Raises Skipped."""
    session, target = await with_target(env, *messages)
    await env.require_capability(session, b"MOVE", b"IMAP4REV2")
    return session, target


@IMAP.case("imap/move/1", rfc=6851, section="3.3", level=MUST, implied=True)
async def a_moved_message_is_in_one_place(env: ImapEnvironment) -> None:
    """After MOVE the message is in the target and no longer in the source.

    With UIDPLUS, COPYUID comes before EXPUNGE.
    """
    session, target = await with_move(env, ONE, TWO, THREE)
    announced_here = await env.capabilities(session)
    moved, before = await text(session, 2), await uids(session)
    answer = await session.ok(b"MOVE 2 " + quoted(target))
    names = [response.name for response in answer.untagged]
    require(REMOVALS & set(names), "EXPUNGE in the answer to MOVE", names)
    after = await uids(await env.another(session))
    left = [before[0], before[2]]
    require(after == left, f"the UIDs {left} in the source", after)
    there = await contents(env, target)
    require(there == [moved], "the message in the target, once", f"{len(there)} messages")
    if b"UIDPLUS" in announced_here:
        removal = next(place for place, name in enumerate(names) if name in REMOVALS)
        early = [r for r in answer.untagged[:removal] if r.code and r.code.name == b"COPYUID"]
        # RFC 6851, 4.3 only advises it.
        require(early, "COPYUID before EXPUNGE", answer.lines, lenient=True)


@IMAP.case("imap/move/2", rfc=6851, section="3.3", level=MUST, implied=True)
async def move_leaves_other_deleted_messages(env: ImapEnvironment) -> None:
    """UID MOVE of one message leaves other messages with \\Deleted in the source."""
    session, target = await with_move(env, ONE, TWO, THREE)
    await set_up(session, rb"STORE 1 +FLAGS.SILENT (\Deleted)")
    before = await uids(session)
    await session.ok(b"UID MOVE %d %b" % (before[2], quoted(target)))
    after = await uids(await env.another(session))
    require(after == before[:2], f"the UIDs {before[:2]} in the source", after)


@IMAP.case("imap/move/3", rfc=6851, section="3.3", level=MUST)
async def a_failed_move_loses_nothing(env: ImapEnvironment) -> None:
    """MOVE to a mailbox that does not exist gets NO, and the messages stay where they are."""
    session, _ = await with_move(env, ONE, TWO)
    before = await uids(session)
    missing = await env.name(session, b"missing")
    answer = await session.no(b"MOVE 1:2 " + quoted(missing))
    after = await uids(await env.another(session))
    require(after == before, f"the UIDs {before} in the source", after)
    # It MUST come after COPY; here codes "such as TRYCREATE are sent as appropriate".
    require_try_create(answer, lenient=True)


@IMAP.case("imap/move/4", rfc=6851, section="3.3", level=MUST, implied=True)
async def a_message_can_be_moved_to_its_own_mailbox(env: ImapEnvironment) -> None:
    """Where COPY to the selected mailbox is allowed, MOVE to it is too; no message is lost."""
    session, _ = await with_move(env, ONE, TWO)
    allowed = (await session.command(b"COPY 1 " + quoted(session.mailbox))).ok
    await set_up(session, b"NOOP")
    before = await contents(env, session.mailbox)
    answer = await session.command(b"MOVE 2 " + quoted(session.mailbox))
    after = await contents(env, session.mailbox)
    require(
        sorted(after) == sorted(before), "the same messages as before", f"{len(after)} messages"
    )
    if allowed:
        require(answer.ok, "OK as the answer to MOVE, as COPY got it", answer.tagged.line)


@IMAP.case("imap/move/5", rfc=6851, section="3.3", level=MUST)
async def move_does_not_set_deleted(env: ImapEnvironment) -> None:
    """MOVE keeps the flags of the message, and sets no \\Deleted flag on anything."""
    session, target = await with_move(env, ONE)
    await set_up(session, rb"STORE 1 FLAGS.SILENT (\Flagged)")
    answer = await session.ok(b"MOVE 1 " + quoted(target))
    for response in answer.all(b"FETCH"):
        got = flags_in(response.items.get(b"FLAGS", []))
        require(rb"\deleted" not in got, "no \\Deleted in a FETCH response", response.line)
    there = await flags(await look_into(env, target))
    require(rb"\deleted" not in there, "no \\Deleted on the moved message", there)
    # That a copy keeps its flags is only a SHOULD.
    require(
        there == frozenset({rb"\flagged"}), "\\Flagged on the moved message", there, lenient=True
    )


@IMAP.case("imap/move/6", rfc=3501, section="6.3.2", level=MUST, implied=True)
async def nothing_is_moved_after_examine(env: ImapEnvironment) -> None:
    """MOVE from a mailbox that was selected by EXAMINE removes nothing from it."""
    session, target = await with_move(env, ONE, TWO)
    before = await uids(session)
    await set_up(session, b"EXAMINE " + quoted(session.mailbox))
    answer = await session.command(b"MOVE 1 " + quoted(target))
    await env.select(session)
    after = await uids(session)
    require(after == before, f"the UIDs {before} in the source", after)
    require(not answer.ok, "NO or BAD as the answer to MOVE", answer.tagged.line, lenient=True)
