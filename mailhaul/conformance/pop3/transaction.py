"""What a session may do with its maildrop: DELE, RSET, STAT and LIST (RFC 1939, section 5)."""

from __future__ import annotations

from ..verdicts import MUST, require
from .messages import ONE, THREE, TWO
from .session import Pop3Environment, read_numbers
from .suite import POP3


@POP3.case("pop3/dele/1", rfc=1939, section="5", level=MUST, implied=True)
async def a_message_is_deleted_once(env: Pop3Environment) -> None:
    """The second DELE of a message gets -ERR."""
    session = await env.log_in(ONE, TWO)
    await session.positive(b"DELE 1")
    await session.negative(b"DELE 1")


@POP3.case("pop3/dele/2", rfc=1939, section="5", level=MUST, implied=True)
async def numbers_stay_after_a_deletion(env: Pop3Environment) -> None:
    """After DELE 1 the other messages keep their numbers."""
    session = await env.log_in(ONE, TWO, THREE)
    before = await session.positive(b"LIST", many=True)
    await session.positive(b"DELE 1")
    after = await session.positive(b"LIST", many=True)
    require(after.lines == before.lines[1:], f"the lines {before.lines[1:]}", after.lines)


@POP3.case("pop3/stat/1", rfc=1939, section="5", level=MUST, implied=True)
async def stat_is_the_sum_of_list(env: Pop3Environment) -> None:
    """STAT gives the number of messages and the octets of the maildrop, as LIST sums up."""
    session = await env.log_in(ONE, TWO, THREE)
    count, size = read_numbers(await session.positive(b"STAT"), 2)
    listed = [line.split(b" ") for line in (await session.positive(b"LIST", many=True)).lines]
    require(count == len(listed), f"{len(listed)} messages, as LIST has them", count)
    octets = sum(int(size) for _, size, *_ in listed)
    require(size == octets, f"{octets} octets, the sum of LIST", size)
