"""LIST with options (RFC 5258, RFC 5819, RFC 6154)."""

from __future__ import annotations

from ...protocols.imap.values import Atom, Text
from ..verdicts import MUST, SHOULD, Skipped, printable, require
from .environment import ImapEnvironment
from .messages import ONE
from .names import ListedName, below, is_there, listed_names
from .session import ImapSession, quoted
from .suite import IMAP

NO_SPECIAL_USE = frozenset(
    rb"\NOINFERIORS \NOSELECT \MARKED \UNMARKED \HASCHILDREN \HASNOCHILDREN \NONEXISTENT"
    rb" \SUBSCRIBED \REMOTE".split()
)
"""Attributes that say nothing of a special use."""


async def extended(env: ImapEnvironment, *names: bytes) -> ImapSession:
    """Return a session of a server with LIST-EXTENDED and these too. Raises Skipped."""
    session = await env.log_in()
    await env.require_feature(session, b"LIST-EXTENDED")
    for name in names:
        await env.require_capability(session, name)
    return session


async def found_by(session: ImapSession, command: bytes) -> dict[bytes, ListedName]:
    """Return what a LIST command finds, by name. Raises Broken."""
    return {each.name: each for each in listed_names(await session.ok(command))}


@IMAP.case("imap/list/4", rfc=5258, section="3", level=SHOULD)
async def a_name_is_listed_once(env: ImapEnvironment) -> None:
    """A name that matches two patterns of one LIST is listed once."""
    session = await extended(env)
    name = await env.mailbox(session)
    patterns = quoted(name) + b" " + quoted(name[:-1] + b"%")
    found = [each.name for each in listed_names(await session.ok(b'LIST "" (%b)' % patterns))]
    require(found == [name], f"{printable(name)} once", found)


@IMAP.case("imap/list/5", rfc=5258, section="3.1", level=MUST)
async def subscribed_names_are_listed(env: ImapEnvironment) -> None:
    r"""LIST (SUBSCRIBED) gives just the subscribed names; one without a mailbox is \NonExistent."""
    session = await extended(env)
    name = await env.mailbox(session, last=b"box1")
    other = await env.mailbox(session, last=b"box2")
    await session.ok(b"SUBSCRIBE " + quoted(name))
    found = await found_by(session, b'LIST (SUBSCRIBED) "" ' + quoted(name))
    await session.ok(b"DELETE " + quoted(name))
    later = await found_by(session, b'LIST (SUBSCRIBED) "" ' + quoted(name))
    await session.ok(b"UNSUBSCRIBE " + quoted(name))
    require(set(found) == {name}, printable(name), sorted(found))
    attributes = found[name].attributes
    require(rb"\SUBSCRIBED" in attributes, r"\Subscribed", sorted(attributes))
    if name in later:
        attributes = later[name].attributes
        require(rb"\NONEXISTENT" in attributes, r"\NonExistent", sorted(attributes))
    found = await found_by(session, b'LIST (SUBSCRIBED) "" ' + quoted(other))
    require(not found, "no name that is not subscribed", sorted(found))


@IMAP.case("imap/list/6", rfc=5258, section="4", level=MUST)
async def children_are_shown(env: ImapEnvironment) -> None:
    r"""With RETURN (CHILDREN) each name has \HasChildren or \HasNoChildren, and the right one."""
    session = await extended(env)
    name, inner = await below(env, session, b"a", b"b")
    found = await found_by(session, b'LIST "" ' + quoted(name + b"*") + b" RETURN (CHILDREN)")
    require(set(found) == {name, inner}, f"{printable(name)} and {printable(inner)}", sorted(found))
    require_children(found[name], {rb"\HASCHILDREN"})
    # \NoInferiors says more than \HasNoChildren (section 3.4).
    require_children(found[inner], {rb"\HASNOCHILDREN", rb"\NOINFERIORS"})


def require_children(listed: ListedName, wanted: set[bytes]) -> None:
    """Require one of these attributes, and none that contradicts it."""
    found = listed.attributes & {rb"\HASCHILDREN", rb"\HASNOCHILDREN", rb"\NOINFERIORS"}
    shown = " or ".join(sorted(word.decode("ascii") for word in wanted))
    require(
        found and found <= wanted,
        f"{shown} for {printable(listed.name)}",
        sorted(listed.attributes),
    )


@IMAP.case("imap/list/7", rfc=5258, section="3.1", level=MUST)
async def recursivematch_is_not_alone(env: ImapEnvironment) -> None:
    """LIST (RECURSIVEMATCH) without another selection option gets BAD."""
    session = await extended(env)
    await session.bad(b'LIST (RECURSIVEMATCH) "" "%"')
    await session.bad(b'LIST (REMOTE RECURSIVEMATCH) "" "%"')


@IMAP.case("imap/list/8", rfc=5258, section="3", level=MUST)
async def unknown_options_get_bad(env: ImapEnvironment) -> None:
    """LIST with an unknown selection or return option gets BAD."""
    session = await extended(env)
    await session.bad(b'LIST (XMHTEST) "" "%"')
    await session.bad(b'LIST "" "%" RETURN (XMHTEST)')


@IMAP.case("imap/list/9", rfc=5258, section="3.1", level=MUST, implied=True)
async def recursivematch_shows_parents(env: ImapEnvironment) -> None:
    """LIST (SUBSCRIBED RECURSIVEMATCH) gives the parent of a subscribed name, with CHILDINFO."""
    session = await extended(env)
    name, inner = await below(env, session, b"a", b"b")
    await session.ok(b"SUBSCRIBE " + quoted(inner))
    found = await found_by(session, b'LIST (SUBSCRIBED RECURSIVEMATCH) "" ' + quoted(name))
    await session.ok(b"UNSUBSCRIBE " + quoted(inner))
    require(set(found) == {name}, printable(name), sorted(found))
    criteria = found[name].extended.get(b"CHILDINFO")
    words = criteria if isinstance(criteria, list) else []
    named = {bytes(word).upper() for word in words if isinstance(word, Atom | Text)}
    require(b"SUBSCRIBED" in named, 'CHILDINFO ("SUBSCRIBED")', found[name].extended)


@IMAP.case("imap/list/10", rfc=5819, section="2", level=MUST)
async def list_may_return_the_status(env: ImapEnvironment) -> None:
    """LIST with RETURN (STATUS ...) gives LIST and then STATUS for each mailbox."""
    session = await env.log_in()
    await env.require_feature(session, b"LIST-STATUS")
    names = [await env.mailbox(session, *[ONE] * count) for count in (0, 1)]
    for count, name in enumerate(names):
        answer = await session.ok(b'LIST "" %b RETURN (STATUS (MESSAGES))' % quoted(name))
        order = [each.name for each in answer.untagged if each.name in {b"LIST", b"STATUS"}]
        require(order == [b"LIST", b"STATUS"], "LIST and then STATUS", order)
        items = answer.one(b"STATUS").items
        right = items.get(b"MESSAGES") == b"%d" % count
        require(right, f"MESSAGES {count}", answer.one(b"STATUS").line)


@IMAP.case("imap/list/11", rfc=5258, section="3", level=MUST)
async def an_extended_list_has_no_special_name(env: ImapEnvironment) -> None:
    """An empty name in an extended LIST is not the request for the separator."""
    session = await extended(env)
    for command in (
        *(b'LIST "" "" RETURN (CHILDREN)', b'LIST (SUBSCRIBED) "" ""'),
        # It is extended too by a list that has no options, or a single name (section 1).
        *(b'LIST () "" ""', b'LIST "" ("")'),
    ):
        found = listed_names(await session.ok(command))
        require(not found, "no LIST response", found)


def special_uses(listed: ListedName) -> frozenset[bytes]:
    """Return the attributes that may be special uses."""
    return listed.attributes - NO_SPECIAL_USE


@IMAP.case("imap/special/1", rfc=6154, section="2", level=MUST)
async def special_use_selects(env: ImapEnvironment) -> None:
    """LIST (SPECIAL-USE) gives only mailboxes with an attribute for a special use."""
    session = await extended(env, b"SPECIAL-USE")
    ordinary = await env.mailbox(session)
    if b"CREATE-SPECIAL-USE" in await env.capabilities(session):
        await env.create(session, await env.name(session, b"special"), rb"(USE (\Archive))")
    found = await found_by(session, b'LIST (SPECIAL-USE) "" "*"')
    require(ordinary not in found, "no mailbox without a special use", ordinary)
    for listed in found.values():
        require(
            special_uses(listed), f"a special use of {printable(listed.name)}", listed.attributes
        )
    if not found:
        raise Skipped("no mailbox has a special use")


@IMAP.case("imap/special/2", rfc=6154, section="3", level=MUST)
async def an_impossible_use_gets_no(env: ImapEnvironment) -> None:
    """CREATE with a special use that the server does not have gets NO, and creates nothing."""
    session = await env.log_in()
    await env.require_capability(session, b"CREATE-SPECIAL-USE")
    name = await env.name(session)
    answer = await env.create(session, name, rb"(USE (\XMHTEST))")
    there = await is_there(session, name)
    if answer.ok:
        found = await found_by(session, b'LIST "" ' + quoted(name) + b" RETURN (SPECIAL-USE)")
        uses = special_uses(found[name]) if name in found else set[bytes]()
        require(rb"\XMHTEST" in uses, r"NO, or a mailbox with the use \XMHTEST", sorted(uses))
        return
    require(not there, "no mailbox after a CREATE that failed", name)
    require(answer.condition == b"NO", "NO", answer.tagged.line, lenient=True)


@IMAP.case("imap/special/3", rfc=6154, section="2", level=MUST)
async def special_use_is_returned(env: ImapEnvironment) -> None:
    """The special use given to CREATE is shown by LIST with RETURN (SPECIAL-USE)."""
    session = await extended(env, b"SPECIAL-USE", b"CREATE-SPECIAL-USE")
    name = await env.name(session)
    answer = await env.create(session, name, rb"(USE (\Drafts))")
    if not answer.ok:
        # A use that another mailbox has may be refused.
        raise Skipped(
            rf"the server does not create a mailbox for \Drafts: {printable(answer.tagged.line)}"
        )
    found = await found_by(session, b'LIST "" ' + quoted(name) + b" RETURN (SPECIAL-USE)")
    require(name in found, printable(name), sorted(found))
    uses = special_uses(found[name])
    require(rb"\DRAFTS" in uses, r"\Drafts", sorted(uses))
