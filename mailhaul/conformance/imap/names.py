"""Mailbox names as LIST and LSUB return them (RFC 3501, 7.2.2; RFC 5258, section 6)."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...protocols.imap.values import Atom, Text, Value, is_nil
from ..verdicts import Skipped, fail, require
from .environment import ImapEnvironment
from .responses import Answer, Response, octets_of
from .session import ImapSession, quoted


@dataclass(frozen=True)
class ListedName:
    """One name. Attributes are in upper case; ``separator`` is None for flat names.

    ``extended`` are the extended data items by their names, in upper case.
    """

    name: bytes
    separator: bytes | None
    attributes: frozenset[bytes]
    extended: dict[bytes, Value] = field(default_factory=dict[bytes, Value])

    @property
    def exists(self) -> bool:
        """Whether the name is that of a mailbox that can be selected."""
        return self.attributes.isdisjoint({rb"\NONEXISTENT", rb"\NOSELECT"})


def listed_names(answer: Answer, response: bytes = b"LIST") -> list[ListedName]:
    """Return the names of all LIST responses, or others of that form. Raises Broken."""
    return [read_listed(each) for each in answer.all(response)]


def read_listed(response: Response) -> ListedName:
    """Return the name of one response. Raises Broken for anything outside the grammar."""
    match response.names:
        case [list() as attributes, separator, Atom() | Text() as name, *extended]:
            words = frozenset(octets_of(attribute).upper() for attribute in attributes)
            return ListedName(
                bytes(name), separator_of(separator, response), words, read_extended(extended)
            )
        case _:
            fail("attributes, a separator and a name", response.line)


def separator_of(value: Value, response: Response) -> bytes | None:
    """Return a hierarchy separator: one character in quotes, or None for NIL. Raises Broken."""
    if is_nil(value):
        return None
    if not isinstance(value, Text) or len(value) != 1:
        fail("a separator of one character in quotes, or NIL", response.line)
    return bytes(value)


def read_extended(values: list[Value]) -> dict[bytes, Value]:
    """Return the extended data items of a response (RFC 5258, section 6)."""
    items = values[0] if values else []
    if not isinstance(items, list) or len(items) % 2:
        return {}
    return {
        octets_of(name).upper(): value
        for name, value in zip(items[::2], items[1::2], strict=True)
        if isinstance(name, Atom | Text)
    }


async def names_for(session: ImapSession, pattern: bytes) -> list[ListedName]:
    """Return what LIST with an empty reference and this pattern returns. Raises Broken."""
    return listed_names(await session.ok(b'LIST "" ' + quoted(pattern)))


async def is_there(session: ImapSession, name: bytes) -> bool:
    """Whether LIST shows this very name as a mailbox that exists. Raises Broken."""
    return any(each.name == name and each.exists for each in await names_for(session, name))


async def status(session: ImapSession, name: bytes, items: bytes) -> dict[bytes, int]:
    """Return items of the status of a mailbox. Raises Broken."""
    answer = await session.ok(b"STATUS " + quoted(name) + b" (" + items + b")")
    found: dict[bytes, int] = {}
    for item, value in answer.one(b"STATUS").items.items():
        is_number = isinstance(value, Atom) and value.isdigit()
        require(is_number, f"a number as {item.decode('ascii', 'replace')}", repr(value))
        found[item] = int(octets_of(value))
    return found


async def below(env: ImapEnvironment, session: ImapSession, *names: bytes) -> list[bytes]:
    """Create mailboxes below each other: one, one in it, and so on; return their names.

    Raises Skipped where mailboxes cannot have others in them.
    """
    name = await env.mailbox(session, last=names[0])
    if not env.separator:
        raise Skipped("the mailbox names of the server are flat")
    found = [name]
    for last in names[1:]:
        name += env.separator + last
        if not (await env.create(session, name)).ok:
            raise Skipped("the server does not create mailboxes below others")
        found.append(name)
    return found
