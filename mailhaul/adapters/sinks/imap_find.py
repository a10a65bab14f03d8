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
"""Messages in a mailbox up to which all sizes are fetched; a larger one is only searched."""
MAX_FOUND = 1000
"""The maximum number of messages that are compared with ours: the latest ones."""
MESSAGE_ID = re.compile(rb"<[!-;=?-~]+>")
"""A Message-ID that any server can search for: printable ASCII in angle brackets."""

Reader = Callable[[int, int], Awaitable[bytes]]
"""Reads octets of the message, given the offset and the number of octets."""


class Finder:
    """Searches a mailbox for copies of messages, on one connection.

    The mailbox is opened with EXAMINE, which does not change it, and stays open: APPEND is still
    allowed (RFC 3501, 6.3.2 and 6.3.11). The sizes of its messages are listed once: the server is
    asked about a message only if another one has its size.
    """

    def __init__(self, channel: Channel[imap.Client], timeout: float, mailbox: bytes) -> None:
        self._channel = channel
        self._timeout = timeout
        self._mailbox = mailbox
        self._total = 0
        self._opened: bool | None = None
        self._by_size: dict[int, list[int]] | None = None

    async def finds(self, header: bytes, size: int, date: bytes | None, read: Reader) -> bool:
        """Search for the message of ``size`` octets, which ``read`` returns.

        ``header`` is its header, and ``date`` its internal date in APPEND. If the mailbox cannot be
        opened or searched, the message counts as missing, since a second copy is better than none.
        Raises the errors of the machine and the runtime.
        """
        if self._opened is None:
            await self._open()
        if not self._opened:
            return False
        alike = None if self._by_size is None else self._by_size.get(size, [])
        if alike == []:
            return False
        found = await self._search(search_criteria(header, size, date))
        for uid in sorted(alike or () if found is None else found, reverse=True):
            if await self._is_same(uid, size, read):
                return True
        return False

    async def _open(self) -> None:
        """Open the mailbox, and list the sizes if it is not too large."""

        def count(event: imap.Event) -> None:
            if isinstance(event, imap.Exists):
                self._total = max(self._total, event.count)

        opened = await self._execute(imap.Select(self._mailbox, read_only=True), count)
        self._opened = opened.condition is imap.Condition.OK
        if not self._opened or self._total > MAX_SIZES_TO_FETCH:
            return
        by_size: dict[int, list[int]] = {}

        def collect(event: imap.Event) -> None:
            if isinstance(event, imap.Fetched) and event.uid and event.size is not None:
                uids = by_size.setdefault(event.size, [])
                uids.append(event.uid)
                # If our message is there, it is among the latest.
                del uids[:-MAX_FOUND]

        done = await self._execute(imap.UidFetch(b"1:*", b"(UID RFC822.SIZE)"), collect)
        if done.condition is imap.Condition.OK:
            self._by_size = by_size

    async def _search(self, criteria: bytes) -> list[int] | None:
        """Return the UIDs of the latest messages found, or None if the server cannot search."""
        uids: list[int] = []

        def collect(event: imap.Event) -> None:
            if isinstance(event, imap.Found):
                uids.extend(event.uids)
                uids[:] = sorted(uids)[-MAX_FOUND:]

        done = await self._execute(imap.UidSearch(criteria), collect)
        return uids if done.condition is imap.Condition.OK else None

    async def _execute(
        self, command: imap.Command, collect: Callable[[imap.Event], None]
    ) -> imap.Completed:
        return await execute(self._channel, command, self._timeout, collect)

    async def _is_same(self, uid: int, size: int, read: Reader) -> bool:
        self._channel.machine.send(imap.UidFetch(b"%d" % uid, b"(UID BODY.PEEK[])"))
        offset, same = 0, True
        while not isinstance(
            event := await next_event(self._channel, self._timeout), imap.Completed
        ):
            if isinstance(event, imap.BodyChunk):
                same = same and event.data == await read(offset, len(event.data))
                offset += len(event.data)
        return same and offset == size


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
