"""CREATE, DELETE, RENAME, SUBSCRIBE and STATUS (RFC 3501, 6.3)."""

from __future__ import annotations

from ...protocols.imap.values import Atom
from ..verdicts import MUST, SHOULD, SetUpFailed, printable, require
from .contents import set_up
from .environment import ImapEnvironment
from .messages import ONE, THREE, TWO
from .names import below, is_there, listed_names, names_for, status
from .opening import untagged_codes
from .responses import octets_of
from .session import ImapSession, Literal, quoted
from .suite import IMAP


@IMAP.case("imap/create/1", rfc=3501, section="6.3.3", level=SHOULD)
async def create_makes_the_levels_above(env: ImapEnvironment) -> None:
    """CREATE makes the missing levels above a mailbox; a separator at the end is no part of it."""
    session = await env.log_in()
    await below(env, session, b"a", b"b", b"c")
    # A name of its own: Dovecot may still know one that was deleted just now.
    top = await env.name(session, b"a")
    middle = env.separator.join((top, b"b"))
    lowest = env.separator.join((middle, b"c"))
    for name in (top, middle, lowest):
        env.delete_later(name)
    await session.ok(b"CREATE " + quoted(lowest))
    for name in (top, middle):
        # A level that is no mailbox may be shown as such.
        found = {each.name for each in await names_for(session, name + b"%")}
        require(name in found, f"{printable(name)} in the list", found)
    name = await env.name(session)
    env.delete_later(name)
    await session.ok(b"CREATE " + quoted(name + env.separator))
    found = {each.name for each in await names_for(session, name + b"%")}
    require(found == {name}, f"{printable(name)} in the list", found)


@IMAP.case("imap/create/2", rfc=3501, section="6.3.3", level=MUST, implied=True)
async def a_name_is_created_once(env: ImapEnvironment) -> None:
    """CREATE of INBOX, in any case, and of a mailbox that exists gets NO."""
    session = await env.log_in()
    name = await env.mailbox(session, ONE)
    for existing in (b"INBOX", b"inbox", name):
        await session.no(b"CREATE " + quoted(existing))
    found = await status(session, name, b"MESSAGES")
    require(found[b"MESSAGES"] == 1, "the mailbox with its message", found)


@IMAP.case("imap/create/3", rfc=3501, section="5.1", level=SHOULD)
async def names_have_seven_bits(env: ImapEnvironment) -> None:
    """CREATE of a name with an octet above 127 is refused."""
    session = await env.log_in()
    name = await env.name(session, b"gr\xfcn")
    env.delete_later(name)
    await session.refused(b"CREATE ", Literal(name))


@IMAP.case("imap/delete/1", rfc=3501, section="6.3.4", level=MUST)
async def delete_keeps_what_is_below(env: ImapEnvironment) -> None:
    """DELETE of a mailbox keeps the mailboxes below it, with their messages."""
    session = await env.log_in()
    name, inner = await below(env, session, b"a", b"b")
    if not (await env.append(session, inner, ONE)).ok:
        raise SetUpFailed("APPEND to a new mailbox fails")
    # A server may refuse this, as long as nothing is lost.
    await session.command(b"DELETE " + quoted(name))
    require(await is_there(session, inner), f"{printable(inner)} in the list", "no such name")
    found = await status(session, inner, b"MESSAGES")
    require(found[b"MESSAGES"] == 1, "1 message in it", found)


async def identity(session: ImapSession, name: bytes) -> tuple[bytes, bytes]:
    """Return the UIDVALIDITY of a mailbox and the UID of its only message; leave it."""
    answer = await session.ok(b"EXAMINE " + quoted(name))
    validity = untagged_codes(answer).get(b"UIDVALIDITY", b"")
    items = (await session.ok(b"FETCH 1 (UID)")).message(1, b"UID")
    await session.ok(b"EXAMINE INBOX")
    return validity, octets_of(items[b"UID"])


@IMAP.case("imap/delete/2", rfc=3501, section="6.3.4", level=MUST)
async def a_new_mailbox_has_new_uids(env: ImapEnvironment) -> None:
    """A mailbox that is deleted and created again never has a UID for two messages."""
    session = await env.log_in()
    name = await env.mailbox(session, ONE)
    seen = [await identity(session, name)]
    for message in (TWO, THREE):
        await set_up(session, b"DELETE " + quoted(name))
        await set_up(session, b"CREATE " + quoted(name))
        await env.append(session, name, message)
        seen.append(await identity(session, name))
    require(len(set(seen)) == len(seen), "another UIDVALIDITY or UID each time", seen)


@IMAP.case("imap/delete/3", rfc=3501, section="6.3.4", level=MUST, implied=True)
async def a_missing_mailbox_cannot_be_deleted(env: ImapEnvironment) -> None:
    """DELETE of a mailbox that does not exist gets NO, also when it was just deleted."""
    session = await env.log_in()
    name = await env.mailbox(session)
    await session.ok(b"DELETE " + quoted(name))
    await session.no(b"DELETE " + quoted(name))
    require(not await is_there(session, name), "no such name in the list", name)


@IMAP.case("imap/rename/1", rfc=3501, section="6.3.5", level=MUST)
async def rename_takes_what_is_below(env: ImapEnvironment) -> None:
    """RENAME of a mailbox renames the mailboxes below it too."""
    session = await env.log_in()
    name, inner = await below(env, session, b"a", b"b")
    new = await env.name(session, b"x")
    for each in (new, new + env.separator + b"b"):
        env.delete_later(each)
    await session.ok(b"RENAME " + quoted(name) + b" " + quoted(new))
    for gone in (name, inner):
        require(not await is_there(session, gone), "the old names gone", gone)
    for there in (new, new + env.separator + b"b"):
        require(await is_there(session, there), f"{printable(there)} in the list", "no such name")


@IMAP.case("imap/rename/2", rfc=3501, section="6.3.5", level=MUST, implied=True, alone=True)
async def inbox_stays_after_a_rename(env: ImapEnvironment) -> None:
    """RENAME of INBOX moves its messages to the new mailbox and leaves INBOX empty."""
    session = await env.log_in()
    before = (await status(session, b"INBOX", b"MESSAGES"))[b"MESSAGES"]
    await env.append(session, b"INBOX", ONE)
    name = await env.name(session)
    env.delete_later(name)
    answer = await session.command(b"RENAME INBOX " + quoted(name))
    require(answer.ok, "OK as the answer to RENAME INBOX", answer.tagged.line, lenient=True)
    moved = (await status(session, name, b"MESSAGES"))[b"MESSAGES"]
    left = (await status(session, b"INBOX", b"MESSAGES"))[b"MESSAGES"]
    if before and not left:
        # The new mailbox is deleted in the end: what was in INBOX before is put back.
        await session.ok(b"SELECT " + quoted(name))
        await session.ok(b"COPY 1:%d INBOX" % before)
    require(left == 0, "an empty INBOX", f"{left} messages in it")
    require(moved == before + 1, f"{before + 1} messages in the new mailbox", moved)


@IMAP.case("imap/rename/3", rfc=3501, section="6.3.5", level=MUST, implied=True)
async def rename_replaces_nothing(env: ImapEnvironment) -> None:
    """RENAME to a name that exists, and of a name that does not, gets NO and changes nothing."""
    session = await env.log_in()
    first = await env.mailbox(session, ONE)
    second = await env.mailbox(session, ONE, TWO)
    missing = await env.name(session, b"missing")
    new = await env.name(session, b"new")
    env.delete_later(new)
    await session.no(b"RENAME " + quoted(first) + b" " + quoted(second))
    await session.no(b"RENAME " + quoted(missing) + b" " + quoted(new))
    for name, count in ((first, 1), (second, 2)):
        found = await status(session, name, b"MESSAGES")
        require(found[b"MESSAGES"] == count, f"{count} messages as before", found)


@IMAP.case("imap/subs/1", rfc=3501, section="6.3.6", level=MUST)
async def subscriptions_outlive_mailboxes(env: ImapEnvironment) -> None:
    """A subscribed name stays subscribed when the mailbox is deleted, until UNSUBSCRIBE."""
    session = await env.log_in()
    name = await env.mailbox(session)
    await session.ok(b"SUBSCRIBE " + quoted(name))
    await session.ok(b"DELETE " + quoted(name))
    there = await is_subscribed(env, session, name)
    await session.ok(b"UNSUBSCRIBE " + quoted(name))
    require(there, f"{printable(name)} still subscribed", "no such name")
    there = await is_subscribed(env, session, name)
    require(not there, "no such name after UNSUBSCRIBE", name)


async def is_subscribed(env: ImapEnvironment, session: ImapSession, name: bytes) -> bool:
    """Whether a name is subscribed, by LSUB, or by LIST where the server has no LSUB."""
    if b"IMAP4REV1" in await env.capabilities(session):
        answer = await session.ok(b'LSUB "" ' + quoted(name))
        return any(each.name == name for each in listed_names(answer, b"LSUB"))
    answer = await session.ok(b'LIST (SUBSCRIBED) "" ' + quoted(name))
    return any(each.name == name for each in listed_names(answer))


@IMAP.case("imap/status/1", rfc=3501, section="6.3.10", level=MUST)
async def status_gives_what_is_asked(env: ImapEnvironment) -> None:
    r"""STATUS gives the items asked for, and messages stay \Recent."""
    session = await env.log_in()
    rev1 = b"IMAP4REV1" in await env.capabilities(session)
    name = await env.mailbox(session, ONE, TWO)
    items = b"MESSAGES UIDNEXT UIDVALIDITY UNSEEN" + (b" RECENT" if rev1 else b"")
    first = await status(session, name, items)
    require(set(first) >= set(items.split()), f"the items {items.decode('ascii')}", first)
    require((first[b"MESSAGES"], first[b"UNSEEN"]) == (2, 2), "2 messages, 2 unseen", first)
    if rev1:
        answer = await session.ok(b"SELECT " + quoted(name))
        recent = answer.one(b"RECENT").number or 0
        require(recent >= first[b"RECENT"], f"{first[b'RECENT']} RECENT as before", recent)


@IMAP.case("imap/status/2", rfc=3501, section="6.3.10", level=MUST, implied=True)
async def no_status_of_a_missing_mailbox(env: ImapEnvironment) -> None:
    """STATUS of a mailbox that does not exist gets NO."""
    session = await env.log_in()
    await session.no(b"STATUS " + quoted(await env.name(session, b"missing")) + b" (MESSAGES)")


@IMAP.case("imap/status/3", rfc=8438, section="3", level=MUST)
async def the_size_covers_all_messages(env: ImapEnvironment) -> None:
    """The SIZE of a mailbox is not less than the sum of the RFC822.SIZE of its messages."""
    session = await env.log_in()
    await env.require_feature(session, b"STATUS=SIZE")
    name = await env.mailbox(session, ONE, TWO)
    size = (await status(session, name, b"SIZE"))[b"SIZE"]
    await session.ok(b"EXAMINE " + quoted(name))
    fetched = (await session.ok(b"FETCH 1:* (RFC822.SIZE)")).fetched().values()
    sizes = [items.get(b"RFC822.SIZE") for items in fetched]
    total = sum(int(value) for value in sizes if isinstance(value, Atom) and value.isdigit())
    require(size >= total, f"at least {total} octets", size)
