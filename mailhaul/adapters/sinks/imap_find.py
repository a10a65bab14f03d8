"""Is a message in a mailbox already? Asked where the answer to its APPEND was lost.

A server can find a message by Message-ID, size and date; but what has the same Message-ID need not
be the same message, and some have none. So what is found is read and compared with ours, octet
by octet: a message is never taken as stored because another one looks like it. It happens after a
kill or a broken connection only, and costs the reading of one message.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

from ...flows.channel import Channel, next_event
from ...protocols.imap.client import ImapClient
from ...protocols.imap.commands import Command, Select, UidFetch, UidSearch
from ...protocols.imap.events import BodyChunk, Completed, Condition, Exists, Fetched, Found
from ...protocols.imap.strings import quoted
from ...protocols.message.header import split_fields
from ...protocols.message.received_date import MONTHS

MAX_SIZES = 10_000
"""Messages whose sizes are asked for where the server does not search."""
MAX_FOUND = 1000
"""Messages that are read to find ours: those that came last."""
MESSAGE_ID = re.compile(rb"<[!-;=?-~]+>")
"""What can be searched for at any server: printable ASCII in angle brackets."""

Reader = Callable[[int, int], Awaitable[bytes]]
"""Gives octets of our message: from where, and how many."""


class Finder:
    """Looks for one message; ``read`` gives its octets, of which there are ``size``.

    ``header`` is the beginning of it, and ``date`` what the mailbox was to be told of its date.
    """

    def __init__(
        self,
        channel: Channel[ImapClient],
        patience: float,
        header: bytes,
        size: int,
        date: bytes | None,
        read: Reader,
    ) -> None:
        self._channel = channel
        self._patience = patience
        self._criteria = criteria(header, size, date)
        self._size = size
        self._read = read

    async def is_in(self, mailbox: bytes) -> bool:
        """Look for the message. Raises what machine and runtime raise.

        The mailbox is opened with EXAMINE, which changes nothing there, and stays open: APPEND is
        allowed beside it (RFC 3501, 6.3.2 and 6.3.11). Where it cannot be opened or searched the
        message counts as missing, for a second copy is better than none.
        """
        there = 0
        uids: list[int] = []

        def count(event: Any) -> None:
            nonlocal there
            if isinstance(event, Exists):
                there = max(there, event.count)

        def note(event: Any) -> None:
            if isinstance(event, Found):
                uids.extend(event.uids)
                # The latest ones, for ours is among them if it is there.
                uids[:] = sorted(uids)[-MAX_FOUND:]

        opened = await tell(self._channel, Select(mailbox, read_only=True), self._patience, count)
        if opened.condition is not Condition.OK:
            return False
        done = await tell(self._channel, UidSearch(self._criteria), self._patience, note)
        if done.condition is not Condition.OK and there <= MAX_SIZES:
            uids = await self._of_our_size()
        for uid in sorted(uids, reverse=True):
            if await self._is_same(uid):
                return True
        return False

    async def _of_our_size(self) -> list[int]:
        """Return what has as many octets as our message, where the server does not search."""
        command = UidFetch(b"1:*", b"(UID RFC822.SIZE)")
        uids: list[int] = []

        def note(event: Any) -> None:
            if isinstance(event, Fetched) and event.uid and event.size == self._size:
                uids.append(event.uid)
                del uids[:-MAX_FOUND]

        await tell(self._channel, command, self._patience, note)
        return uids

    async def _is_same(self, uid: int) -> bool:
        self._channel.machine.send(UidFetch(b"%d" % uid, b"(UID BODY.PEEK[])"))
        place, same = 0, True
        while not isinstance(event := await next_event(self._channel, self._patience), Completed):
            if isinstance(event, BodyChunk):
                same = same and event.data == await self._read(place, len(event.data))
                place += len(event.data)
        return same and place == self._size


async def tell(
    channel: Channel[ImapClient],
    command: Command,
    patience: float,
    note: Callable[[Any], None] = lambda event: None,
) -> Completed:
    """Carry out a command; return its answer. ``note`` is shown what comes before that."""
    channel.machine.send(command)
    while not isinstance(event := await next_event(channel, patience), Completed):
        note(event)
    return event


def criteria(header: bytes, size: int, date: bytes | None) -> bytes:
    """Return what to search for: the size, and the Message-ID or else the day."""
    sized = b"LARGER %d SMALLER %d" % (size - 1, size + 1)
    name = message_id(header)
    if name is not None:
        return b"HEADER Message-ID %b %b" % (quoted(name), sized)
    return sized if date is None else b"%b %b" % (sized, around(date))


def message_id(header: bytes) -> bytes | None:
    """Return the message's own name for itself, if it can be searched for."""
    for field in split_fields(header):
        if field.key == b"message-id":
            found = MESSAGE_ID.fullmatch(field.body.strip())
            return found and found[0]
    return None


def around(moment: bytes) -> bytes:
    """Return the search for a day and its neighbours: servers disagree on whose midnight counts."""
    from datetime import date, timedelta  # few messages have to be looked for

    day, month, year = moment[:11].split(b"-")
    there = date(int(year), MONTHS.index(month.capitalize()) + 1, int(day))
    days = (there - timedelta(days=1), there + timedelta(days=2))
    first, behind = (b"%d-%b-%04d" % (d.day, MONTHS[d.month - 1], d.year) for d in days)
    return b"SINCE %b BEFORE %b" % (first, behind)
