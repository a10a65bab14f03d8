"""What a session may do with its maildrop (RFC 1939, section 5)."""

from __future__ import annotations

import re

from ..verdicts import MUST, require
from .messages import DOTS, LONG_LINE, ONE, THREE, TWO, message
from .session import Pop3Environment, Pop3Session, first_number, read_numbers, subjects
from .suite import POP3

ODD_LINES = message("odd lines", b"a lone \r in a line\r\na bare \n in a line\r\n.\r\n\r\n")
UNENDED = message("no end", b"the last line has no end")


@POP3.case("pop3/stat/1", rfc=1939, section="5", level=MUST, implied=True)
async def stat_is_the_sum_of_list(env: Pop3Environment) -> None:
    """STAT gives the number of messages and the octets of the maildrop, as LIST sums up."""
    session = await env.log_in(ONE, TWO, THREE)
    count, size = read_numbers(await session.positive(b"STAT"), 2)
    listed = [line.split(b" ") for line in (await session.positive(b"LIST", many=True)).lines]
    require(count == len(listed), f"{len(listed)} messages, as LIST has them", count)
    octets = sum(int(size) for _, size, *_ in listed)
    require(size == octets, f"{octets} octets, the sum of LIST", size)


@POP3.case("pop3/stat/2", rfc=1939, section="5", level=MUST, implied=True)
async def a_deleted_message_does_not_count(env: Pop3Environment) -> None:
    """After DELE the message no longer counts in STAT and LIST."""
    session = await env.log_in(ONE, TWO, THREE)
    sizes = await session.listed(b"LIST")
    _, total = read_numbers(await session.positive(b"STAT"), 2)
    await session.positive(b"DELE 2")
    left = [*await session.listed(b"LIST")]
    require(left == [1, 3], "1 and 3 in LIST after DELE 2", left)
    count, size = read_numbers(await session.positive(b"STAT"), 2)
    require(count == 2, "2 messages in STAT after DELE", count)
    expected = total - first_number(sizes[2])
    require(size == expected, f"{expected} octets in STAT after DELE", size)


@POP3.case("pop3/empty/1", rfc=1939, section="5", level=MUST, implied=True)
async def an_empty_maildrop_is_no_error(env: Pop3Environment) -> None:
    """In an empty maildrop STAT gives 0 0, LIST gets +OK and no lines, and RETR 1 gets -ERR."""
    await env.store.fill(env.user, [])
    session = await env.log_in()
    drop = read_numbers(await session.positive(b"STAT"), 2)
    require(drop == [0, 0], "STAT with 0 0", drop)
    listed = await session.positive(b"LIST", many=True)
    require(not listed.lines, "no lines of LIST", listed.body)
    await session.negative(b"RETR 1", many=True)


SCAN_LISTING = re.compile(rb"[0-9]+ [0-9]+(?![0-9A-Za-z])")
"""What follows the size is left open."""


@POP3.case("pop3/list/1", rfc=1939, section="5", level=MUST, implied=True)
async def list_counts_from_one(env: Pop3Environment) -> None:
    """LIST has a line for each message, numbered from 1, with its size in decimal."""
    session = await env.log_in(ONE, TWO, THREE)
    lines = (await session.positive(b"LIST", many=True)).lines
    for line in lines:
        require(SCAN_LISTING.match(line), "a number, one blank and a size", line)
    found = [first_number(line) for line in lines]
    require(found == [1, 2, 3], "the numbers 1, 2, 3", found)


@POP3.case("pop3/list/2", rfc=1939, section="5", level=MUST, implied=True)
async def list_of_one_message_is_one_line(env: Pop3Environment) -> None:
    """LIST n is one line; LIST of a missing or deleted message gets -ERR."""
    session = await env.log_in(ONE, TWO)
    sizes = await session.listed(b"LIST")
    one = read_numbers(await session.positive(b"LIST 1"), 2)
    expected = [1, first_number(sizes[1])]
    require(one == expected, f"{expected}, as in the whole list", one)
    await session.positive(b"NOOP")
    await session.negative(b"LIST 99")
    await session.positive(b"DELE 2")
    await session.negative(b"LIST 2")


@POP3.case("pop3/list/3", rfc=1939, section="11", level=MUST, implied=True)
async def sizes_are_exact(env: Pop3Environment) -> None:
    """The size of a message is the octets of RETR, with CRLF line ends and without stuffed dots."""
    session = await env.log_in(ONE, DOTS, LONG_LINE)
    await require_exact_sizes(session)


@POP3.case("pop3/list/4", rfc=1939, section="11", level=MUST, implied=True)
async def sizes_are_exact_for_odd_line_ends(env: Pop3Environment) -> None:
    """Sizes are also exact where the store has a lone CR, a bare LF, or no last line end."""
    session = await env.log_in(ONE, ODD_LINES, UNENDED)
    await require_exact_sizes(session, unended=3)


async def require_exact_sizes(session: Pop3Session, unended: int = 0) -> None:
    """Require that LIST has the octets of each message as RETR sends it.

    The last line of message ``unended`` has no end in the store. Some servers take the CRLF that
    they have to add for a part of the termination, and not of the message.
    """
    for number, rest in (await session.listed(b"LIST")).items():
        body = (await session.positive(b"RETR %d" % number, many=True)).body
        size = first_number(rest)
        expected = f"{len(body)} octets of message {number} in LIST, as RETR sends them"
        lenient = number == unended and size == len(body) - 2
        require(size == len(body), expected, size, lenient=lenient)


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


@POP3.case("pop3/rset/1", rfc=1939, section="5", level=MUST, implied=True)
async def rset_takes_deletions_back(env: Pop3Environment) -> None:
    """RSET unmarks all deleted messages, and STAT is as it was."""
    session = await env.log_in(ONE, TWO, THREE)
    before = read_numbers(await session.positive(b"STAT"), 2)
    await session.positive(b"DELE 1")
    await session.positive(b"DELE 3")
    await session.positive(b"RSET")
    after = read_numbers(await session.positive(b"STAT"), 2)
    require(after == before, f"STAT with {before} after RSET", after)


@POP3.case("pop3/rset/2", rfc=1939, section="5", level=MUST, implied=True)
async def nothing_is_removed_after_rset(env: Pop3Environment) -> None:
    """Messages that RSET has unmarked are still there in the next session."""
    session = await env.log_in(ONE, TWO)
    await session.positive(b"DELE 1")
    await session.positive(b"RSET")
    await session.positive(b"QUIT")
    found = await subjects(await env.log_in_again())
    require(found == [b"a", b"b"], "both messages in the next session", found)


@POP3.case("pop3/noop/1", rfc=1939, section="5", level=MUST, implied=True)
async def noop_changes_nothing(env: Pop3Environment) -> None:
    """NOOP gets +OK and changes nothing, deletions included."""
    session = await env.log_in(ONE, TWO)
    await session.positive(b"DELE 1")
    before = await session.listed(b"LIST")
    await session.positive(b"NOOP")
    after = await session.listed(b"LIST")
    require(after == before, f"LIST with {before} after NOOP", after)
