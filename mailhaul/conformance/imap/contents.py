"""What a session sees of its mailbox, and the sets and numbers that describe it."""

from __future__ import annotations

import re

from ...flows.requests import Now, Sleep
from ...protocols.imap.values import Atom, Value
from ..verdicts import Broken, SetUpFailed, fail
from .responses import Answer, Response, octets_of
from .session import ImapSession

PAUSE = 0.2
"""Seconds between two NOOPs that wait for news."""
MAX_IN_SET = 10_000


async def announced(session: ImapSession, name: bytes) -> Response:
    """Send NOOP until a response of this name comes, and return the last. Raises Broken.

    A server may need a moment to observe a change, so it has the time of one wait for it.
    """
    end = await Now() + session.timeout
    while not (found := (await session.ok(b"NOOP")).all(name)):
        if await Now() >= end:
            fail(f"{name.decode('ascii')} in the answer to NOOP", "no such response")
        await Sleep(PAUSE)
    return found[-1]


async def observed(session: ImapSession, name: bytes) -> Response | None:
    """Return what ``announced`` returns, or None where the server does not report the change.

    A server must report only what it observes (RFC 3501, 5.2).
    """
    try:
        return await announced(session, name)
    except Broken:
        return None


async def uids(session: ImapSession) -> list[int]:
    """Return the UIDs in the order of the message numbers."""
    found = (await set_up(session, b"UID FETCH 1:* (UID)")).fetched()
    return [number_of(found[number].get(b"UID")) for number in sorted(found)]


async def uid_next(session: ImapSession, mailbox: bytes) -> int:
    """Return the UIDNEXT of a mailbox that is not selected."""
    answer = await set_up(session, b'STATUS "%b" (UIDNEXT)' % mailbox)
    return number_of(answer.one(b"STATUS").items.get(b"UIDNEXT"))


async def flags(session: ImapSession, number: int = 1) -> frozenset[bytes]:
    """Return the flags of a message, as ``flags_in`` does."""
    answer = await set_up(session, b"FETCH %d (FLAGS)" % number)
    items = answer.fetched().get(number, {})
    return flags_in(items.get(b"FLAGS", []))


async def text(session: ImapSession, number: int = 1, section: bytes = b"") -> bytes:
    """Return the octets of a section, without setting \\Seen."""
    answer = await session.ok(b"FETCH %d (BODY.PEEK[%b])" % (number, section))
    return text_in(answer, number, section)


async def set_up(session: ImapSession, command: bytes) -> Answer:
    """Send a command that is not under test itself. Raises SetUpFailed unless it gets OK."""
    answer = await session.command(command)
    if not answer.ok:
        shown = command[:60].decode("ascii", "replace")
        raise SetUpFailed(f"{shown} fails: {answer.tagged.line!r}")
    return answer


def text_in(answer: Answer, number: int, section: bytes) -> bytes:
    """Return the octets of a section from a FETCH answer. Raises Broken where there are none."""
    return octets_of(item(answer, number, b"BODY[" + section))


def item(answer: Answer, number: int, beginning: bytes) -> Value:
    """Return the value of the item whose name begins so. Raises Broken where there is none."""
    items = answer.fetched().get(number, {})
    for name, value in items.items():
        # The names of fields in a section may be quoted.
        if name.replace(b'"', b"").startswith(beginning.upper()):
            return value
    expected = f"{beginning.decode('ascii', 'replace')} of message {number}"
    return fail(expected, answer.lines)


def flags_in(value: Value) -> frozenset[bytes]:
    """Return a list of flags in lower case, since case has no meaning; \\Recent is left out."""
    if not isinstance(value, list):
        fail("a list of flags", repr(value))
    return frozenset(octets_of(flag).lower() for flag in value) - {rb"\recent"}


def number_of(value: Value) -> int:
    """Return a number. Raises Broken for anything else."""
    if not isinstance(value, Atom) or not re.fullmatch(rb"\d{1,20}", value):
        fail("a number", repr(value))
    return int(value)


def numbers_in(sequence_set: bytes) -> list[int]:
    """Return the numbers of a set in its order; each range ascends. Raises Broken."""
    found: list[int] = []
    for part in sequence_set.split(b","):
        ends = re.fullmatch(rb"(\d{1,10})(?::(\d{1,10}))?", part)
        if not ends:
            fail("a set of numbers", sequence_set)
        first, last = sorted((int(ends[1]), int(ends[2] or ends[1])))
        if last - first > MAX_IN_SET:
            fail("a set of a few numbers", sequence_set)
        found += range(first, last + 1)
    return found
