"""LIST, NAMESPACE and the encoding of names (RFC 3501, 5.1 and 6.3.8; RFC 2342)."""

from __future__ import annotations

from ...protocols.imap.values import Atom, Text, Value
from ..verdicts import MUST, SHOULD, Skipped, fail, printable, require
from .environment import ImapEnvironment
from .names import below, listed_names, names_for
from .session import quoted
from .suite import IMAP


@IMAP.case("imap/list/1", rfc=3501, section="6.3.8", level=MUST, implied=True)
async def an_empty_name_asks_for_the_separator(env: ImapEnvironment) -> None:
    """LIST with an empty reference and an empty name gives the separator and the root."""
    session = await env.log_in()
    found = listed_names(await session.ok(b'LIST "" ""'))
    require(len(found) == 1, "one LIST response", found)


@IMAP.case("imap/list/2", rfc=3501, section="6.3.8", level=MUST)
async def names_match_the_pattern(env: ImapEnvironment) -> None:
    """Names match the pattern: "%" ends at a separator, and "*" does not."""
    session = await env.log_in()
    top, middle, bottom = await below(env, session, b"a", b"b", b"c")
    for pattern, wanted in (
        (top, {top}),
        (top + b"%", {top}),
        (top + env.separator + b"%", {middle}),
        (top + b"*", {top, middle, bottom}),
        (top + env.separator + b"*", {middle, bottom}),
        (top[:-3] + b"*c", {bottom}),
        (top[:-3] + b"%" + env.separator + b"%", {middle}),
        (bottom + b"x", set[bytes]()),
    ):
        found = {each.name for each in await names_for(session, pattern)}
        shown = f"{sorted(wanted)} for {printable(pattern)}"
        require(found <= wanted, shown, sorted(found))
        # A server may hide names from wildcards.
        require(found == wanted, shown, sorted(found), lenient=True)


@IMAP.case("imap/list/3", rfc=3501, section="6.3.8", level=MUST, implied=True)
async def inbox_is_listed(env: ImapEnvironment) -> None:
    """INBOX is in the list for the name INBOX and for "%", since it can be selected."""
    session = await env.log_in()
    if not (await session.command(b"EXAMINE INBOX")).ok:
        raise Skipped("the user has no INBOX")
    for pattern in (b"INBOX", b"%"):
        found = [each.name for each in await names_for(session, pattern)]
        there = any(name.upper() == b"INBOX" for name in found)
        lenient = pattern == b"%"
        require(there, f"INBOX for {pattern.decode('ascii')}", found, lenient=lenient)


@IMAP.case("imap/utf7/1", rfc=3501, section="5.1.3", level=MUST)
async def encoded_names_stay_as_they_are(env: ImapEnvironment) -> None:
    """Mailbox names in modified UTF-7 come back octet for octet."""
    session = await env.log_in()
    tried = 0
    for last in (b"&AOQ-rger", b"&U,BTFw-", b"a&-b", b"&2D3cqQ-"):
        name = await env.name(session, last)
        if not (await env.create(session, name)).ok:
            # A server may allow fewer characters in names.
            continue
        tried += 1
        found = [each.name for each in await names_for(session, name)]
        require(found == [name], printable(name), found)
        response = (await session.ok(b"STATUS " + quoted(name) + b" (MESSAGES)")).one(b"STATUS")
        require(response.names[:1] == [name], printable(name), response.line)
    if not tried:
        raise Skipped("the server creates no mailbox with such a name")


@IMAP.case("imap/utf7/2", rfc=3501, section="5.1.3", level=SHOULD)
async def wrong_encodings_are_refused(env: ImapEnvironment) -> None:
    """CREATE of a name that is not modified UTF-7, or encodes what it need not, is refused."""
    session = await env.log_in()
    for last in (b"&Jjo!", b"&U,BTFw-&ZeVnLIqe-", b"&AGEAYg-", b"&"):
        name = await env.name(session, last)
        env.delete_later(name)
        await session.refused(b"CREATE " + quoted(name))


@IMAP.case("imap/namespace/1", rfc=2342, section="5", level=MUST, implied=True)
async def namespace_has_three_kinds(env: ImapEnvironment) -> None:
    """NAMESPACE gives personal, other users' and shared namespaces, each a list or NIL."""
    session = await env.log_in()
    await env.require_feature(session, b"NAMESPACE")
    response = (await session.ok(b"NAMESPACE")).one(b"NAMESPACE")
    require(len(response.values) == 3, "three namespaces", response.line)
    for kind in response.values:
        if kind is not None:
            check_namespaces(kind, response.line)


def check_namespaces(kind: Value, line: bytes) -> None:
    """Require a list of prefixes and separators (RFC 2342, section 6)."""
    if not isinstance(kind, list) or not kind:
        fail("a list of namespaces or NIL", line)
    for each in kind:
        match each:
            case [Text() | Atom(), None, *_]:
                pass
            case [Text() | Atom(), Text() as separator, *_] if len(separator) == 1:
                pass
            case _:
                fail("a prefix and a separator of one character, or NIL", line)
