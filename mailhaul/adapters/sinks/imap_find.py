"""Find out whether a message is already in a mailbox, if the reply to its APPEND was lost.

A server can search for a message by Message-ID, size and date. But another message can have the
same Message-ID, and some messages have none. So each message found is read and compared octet by
octet: a similar message never counts as a stored copy. This is necessary only after a kill or a
broken connection, and usually costs the download of one message.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from ... import imap
from ...flows.channel import Channel, next_event
from ...protocols.imap.strings import quoted
from ...protocols.message.header import split_fields
from ...protocols.message.received_date import MONTHS

MAX_SIZES_TO_FETCH = 10_000
"""Messages in a mailbox up to which all sizes are fetched if the server cannot search."""
MAX_FOUND = 1000
"""The maximum number of messages that are compared with ours: the latest ones."""
MESSAGE_ID = re.compile(rb"<[!-;=?-~]+>")
"""A Message-ID that any server can search for: printable ASCII in angle brackets."""

Reader = Callable[[int, int], Awaitable[bytes]]
"""Reads octets of the message, given the offset and the number of octets."""


class Finder:
    """Searches for one message of ``size`` octets, which ``read`` returns.

    ``header`` is the header of the message, and ``date`` its internal date in APPEND.
    """

    def __init__(
        self,
        channel: Channel[imap.Client],
        timeout: float,
        header: bytes,
        size: int,
        date: bytes | None,
        read: Reader,
    ) -> None:
        self._channel = channel
        self._timeout = timeout
        self._criteria = search_criteria(header, size, date)
        self._size = size
        self._read = read

    async def is_in(self, mailbox: bytes) -> bool:
        """Search for the message. Raises the errors of the machine and the runtime.

        The mailbox is opened with EXAMINE, which does not change it, and stays open: APPEND is
        still allowed (RFC 3501, 6.3.2 and 6.3.11). If it cannot be opened or searched, the message
        counts as missing, since a second copy is better than none.
        """
        total = 0
        uids: list[int] = []

        def count(event: imap.Event) -> None:
            nonlocal total
            if isinstance(event, imap.Exists):
                total = max(total, event.count)

        def collect(event: imap.Event) -> None:
            if isinstance(event, imap.Found):
                uids.extend(event.uids)
                # If our message is there, it is among the latest.
                uids[:] = sorted(uids)[-MAX_FOUND:]

        opened = await execute(
            self._channel, imap.Select(mailbox, read_only=True), self._timeout, count
        )
        if opened.condition is not imap.Condition.OK:
            return False
        done = await execute(self._channel, imap.UidSearch(self._criteria), self._timeout, collect)
        if done.condition is not imap.Condition.OK and total <= MAX_SIZES_TO_FETCH:
            uids = await self._find_by_size()
        for uid in sorted(uids, reverse=True):
            if await self._is_same(uid):
                return True
        return False

    async def _find_by_size(self) -> list[int]:
        """Return the UIDs of messages with the same size, if the server cannot search."""
        command = imap.UidFetch(b"1:*", b"(UID RFC822.SIZE)")
        uids: list[int] = []

        def collect(event: imap.Event) -> None:
            if isinstance(event, imap.Fetched) and event.uid and event.size == self._size:
                uids.append(event.uid)
                del uids[:-MAX_FOUND]

        await execute(self._channel, command, self._timeout, collect)
        return uids

    async def _is_same(self, uid: int) -> bool:
        self._channel.machine.send(imap.UidFetch(b"%d" % uid, b"(UID BODY.PEEK[])"))
        offset, same = 0, True
        while not isinstance(
            event := await next_event(self._channel, self._timeout), imap.Completed
        ):
            if isinstance(event, imap.BodyChunk):
                same = same and event.data == await self._read(offset, len(event.data))
                offset += len(event.data)
        return same and offset == self._size


async def execute(
    channel: Channel[imap.Client],
    command: imap.Command,
    timeout: float,
    collect: Callable[[imap.Event], None] = lambda event: None,
) -> imap.Completed:
    """Send a command; return its tagged response. ``collect`` gets the events before that."""
    channel.machine.send(command)
    while not isinstance(event := await next_event(channel, timeout), imap.Completed):
        collect(event)
    return event


def search_criteria(header: bytes, size: int, date: bytes | None) -> bytes:
    """Return the search criteria: the size, and the Message-ID or otherwise the date."""
    sized = b"LARGER %d SMALLER %d" % (size - 1, size + 1)
    name = message_id(header)
    if name is not None:
        return b"HEADER Message-ID %b %b" % (quoted(name), sized)
    return sized if date is None else b"%b %b" % (sized, days_around(date))


def message_id(header: bytes) -> bytes | None:
    """Return the Message-ID, or None if there is none or it cannot be searched for."""
    for field in split_fields(header):
        if field.key == b"message-id":
            found = MESSAGE_ID.fullmatch(field.body.strip())
            return found and found[0]
    return None


def days_around(moment: bytes) -> bytes:
    """Return the criteria for a date and the days before and after.

    Servers use different time zones for the date.
    """
    from datetime import date, timedelta  # few messages are searched for

    day, month, year = moment[:11].split(b"-")
    middle = date(int(year), MONTHS.index(month.capitalize()) + 1, int(day))
    days = (middle - timedelta(days=1), middle + timedelta(days=2))
    first, end = (b"%d-%b-%04d" % (d.day, MONTHS[d.month - 1], d.year) for d in days)
    return b"SINCE %b BEFORE %b" % (first, end)
