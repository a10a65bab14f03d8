"""UIDL: the unique ids of messages (RFC 1939, section 7)."""

from __future__ import annotations

import re

from ..verdicts import MUST, SHOULD, Skipped, require
from .messages import ONE, THREE, TWO
from .session import Pop3Environment, Pop3Session, shown
from .suite import POP3

UNIQUE_ID = re.compile(rb"[!-~]{1,70}")


async def unique_ids(session: Pop3Session) -> dict[int, bytes]:
    """Return the ids of all messages by number. Raises Skipped if there is no UIDL."""
    reply = await session.command(b"UIDL", many=True)
    if reply.err:
        announced = await session.capabilities()
        if not announced or b"UIDL" not in announced:
            raise Skipped("the server has no UIDL")
    require(reply.ok, "+OK as the reply to UIDL", reply.line)
    found: dict[int, bytes] = {}
    for line in reply.lines:
        number, blank, uid = line.partition(b" ")
        require(number.isdigit() and blank, "a message number and a blank", line)
        found[int(number)] = uid
    return found


@POP3.case("pop3/uidl/1", rfc=1939, section="7", level=MUST, implied=True)
async def unique_ids_are_short_and_printable(env: Pop3Environment) -> None:
    """A unique id has 1 to 70 characters from 0x21 to 0x7E, and nothing follows it."""
    session = await env.log_in(ONE, TWO, THREE)
    found = await unique_ids(session)
    require([*found] == [1, 2, 3], "UIDL of the messages 1, 2, 3", [*found])
    for uid in found.values():
        require(UNIQUE_ID.fullmatch(uid), "1 to 70 characters from 0x21 to 0x7E", uid)


@POP3.case("pop3/uidl/2", rfc=1939, section="7", level=MUST, implied=True)
async def unique_ids_persist(env: Pop3Environment) -> None:
    """A message has the same id in the next session, also after others were deleted."""
    session = await env.log_in(ONE, TWO, THREE)
    first = await unique_ids(session)
    # The id persists even if a session ends without QUIT.
    await session.close()
    session = await env.log_in_again()
    second = await unique_ids(session)
    require(second == first, f"the ids {shown([*first.values()])}", shown([*second.values()]))
    await session.positive(b"DELE 1")
    await session.positive(b"QUIT")
    third = await unique_ids(await env.log_in_again())
    kept = [first[2], first[3]]
    require([*third.values()] == kept, f"the ids {shown(kept)}", shown([*third.values()]))


@POP3.case("pop3/uidl/3", rfc=1939, section="7", level=SHOULD, implied=True)
async def an_id_is_not_given_again(env: Pop3Environment) -> None:
    """An id is never given to another message after its own is gone."""
    session = await env.log_in(ONE, TWO)
    before = await unique_ids(session)
    await session.positive(b"DELE 1")
    await session.positive(b"DELE 2")
    await session.positive(b"QUIT")
    # The session may still hold the maildrop.
    await (await env.log_in_again()).positive(b"QUIT")
    await env.store.fill(env.user, [THREE])
    after = await unique_ids(await env.log_in_again())
    used = set(before.values()) & set(after.values())
    require(not used, "a new id for a new message", shown([*used]))


@POP3.case("pop3/uidl/4", rfc=1939, section="7", level=MUST, implied=True)
async def uidl_of_one_message_is_one_line(env: Pop3Environment) -> None:
    """UIDL n is one line; UIDL of a deleted message gets -ERR, and UIDL leaves it out."""
    session = await env.log_in(ONE, TWO, THREE)
    listed = await unique_ids(session)
    one = await session.positive(b"UIDL 1")
    require(one.text == b"1 " + listed[1], f"1 {shown([listed[1]])}", one.line)
    await session.positive(b"NOOP")
    await session.positive(b"DELE 2")
    await session.negative(b"UIDL 2")
    left = await unique_ids(session)
    require([*left] == [1, 3], "UIDL of the messages 1 and 3", [*left])


@POP3.case("pop3/uidl/5", rfc=1939, section="7", level=MUST, implied=True)
async def different_messages_have_different_ids(env: Pop3Environment) -> None:
    """An id names one message of a maildrop; only copies of the same text may share it."""
    found = [*(await unique_ids(await env.log_in(ONE, TWO, THREE))).values()]
    require(len(set(found)) == len(found), "three different ids", shown(found))


@POP3.case("pop3/uidl/6", rfc=1939, section="7", level=MUST, implied=True)
async def bad_arguments_of_uidl_are_refused(env: Pop3Environment) -> None:
    """UIDL of a missing message, or with an argument that is no number, gets -ERR."""
    session = await env.log_in(ONE)
    await unique_ids(session)
    for line in (b"UIDL 2", b"UIDL 0", b"UIDL x", b"UIDL -1"):
        await session.negative(line)
    await session.positive(b"NOOP")
