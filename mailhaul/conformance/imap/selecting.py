"""SELECT, EXAMINE, CLOSE and EXPUNGE (RFC 3501, sections 6.3 and 6.4)."""

from __future__ import annotations

from ..verdicts import MUST, require
from .contents import set_up
from .environment import ImapEnvironment
from .messages import ONE, THREE, TWO
from .suite import IMAP


@IMAP.case("imap/expunge/1", rfc=3501, section="6.4.3", level=MUST, implied=True)
async def numbers_count_down_as_messages_go(env: ImapEnvironment) -> None:
    """The numbers of EXPUNGE responses take the earlier removals into account."""
    session = await env.selected(ONE, TWO, THREE)
    await set_up(session, rb"STORE 1:3 +FLAGS.SILENT (\Deleted)")
    answer = await session.ok(b"EXPUNGE")
    left = [1, 2, 3]
    for response in answer.all(b"EXPUNGE"):
        number = response.number or 0
        require(1 <= number <= len(left), f"a number from 1 to {len(left)}", response.line)
        del left[number - 1]
    require(not left, "one EXPUNGE response for each of 3 messages", answer.untagged)
