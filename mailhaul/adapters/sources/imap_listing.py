"""List a mailbox: UIDs by SEARCH, sizes by FETCH, in parts and with little memory.

A mailbox may have a million messages. So the numbers are stored in arrays, one reply covers at most
MESSAGES_PER_REPLY messages, and a ``Listed`` is made on access only.

Some servers refuse SEARCH, or some of its keys. Then a simpler search is tried, and after that the
flags of all messages are fetched, as fetchmail does.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from typing import overload

from ... import imap
from ...flows.source import Listed
from ...protocols.errors import LimitExceeded, RemoteProtocolError
from ...protocols.record import Record

MAX_NUMBER = 2**32 - 1
"""The largest number in IMAP (RFC 3501, 9)."""
MAX_DIGITS = 10
"""The maximum digits of a number in IMAP (RFC 3501, 9)."""
MAX_SIZE = 2**63 - 1
MAX_MESSAGES = 2_000_000
"""The maximum messages of a listing: more than any mailbox has."""
MESSAGES_PER_RUN = 50_000
"""UIDs that are sorted together."""
MESSAGES_PER_REPLY = 10_000
"""The maximum messages covered by one reply."""
SEEN, DELETED = rb"\seen", rb"\deleted"

Collect = Callable[[imap.Event], None]
Ask = Callable[[imap.Command, Collect], Awaitable[imap.Completed]]
"""Sends a command, calls the function with every event before its end, and returns the end."""


class Wanted(Record):
    """Which messages to search for. A flag that is None does not matter.

    ``criteria`` are alternative search keys. Only the first is exact; for the others the flags are
    fetched and checked.
    """

    criteria: tuple[bytes, ...]
    seen: bool | None = None
    deleted: bool | None = False

    def fits(self, flags: Sequence[bytes]) -> bool:
        """Whether a message with these flags is wanted."""
        names = {flag.lower() for flag in flags}
        return self.seen in (None, SEEN in names) and self.deleted in (None, DELETED in names)


ALL = Wanted((b"ALL",), deleted=None)
UNDELETED = Wanted((b"UNDELETED", b"ALL"))
UNSEEN = Wanted((b"UNSEEN UNDELETED", b"UNSEEN"), seen=False)
OLD = Wanted((b"SEEN UNDELETED", b"SEEN"), seen=True)
FLAGGED_DELETED = Wanted((b"DELETED",), deleted=True)


class NotSearched(Exception):
    """The server refuses to list the mailbox; ``reply`` is its reply."""

    def __init__(self, reply: imap.Completed) -> None:
        super().__init__(reply.text)
        self.reply = reply


class Listing(Sequence[Listed]):
    """Messages in the order of their UIDs, with 17 octets of memory each. Unknown values are 0."""

    def __init__(self, uids: array[int]) -> None:
        self._uids = uids
        self._sizes = array("Q", bytes(8 * len(uids)))
        self._numbers = array("I", bytes(4 * len(uids)))
        self._seen = bytearray(len(uids))

    def __len__(self) -> int:
        return len(self._uids)

    @overload
    def __getitem__(self, place: int) -> Listed: ...
    @overload
    def __getitem__(self, place: slice) -> list[Listed]: ...
    def __getitem__(self, place: int | slice) -> Listed | list[Listed]:
        if isinstance(place, slice):
            return [self[one] for one in range(*place.indices(len(self)))]
        return Listed(
            self._uids[place],
            self._sizes[place],
            self._numbers[place],
            bool(self._seen[place]),
        )

    def __iter__(self) -> Iterator[Listed]:
        return map(self.__getitem__, range(len(self)))

    @property
    def uids(self) -> array[int]:
        """The UIDs, ascending."""
        return self._uids

    def update(self, event: imap.Event) -> None:
        """Store the values of a FETCH response."""
        if not isinstance(event, imap.Fetched) or event.uid is None:
            return
        place = bisect_left(self._uids, event.uid)
        if place == len(self._uids) or self._uids[place] != event.uid:
            return
        if event.size is not None:
            self._sizes[place] = min(event.size, MAX_SIZE)
            self._numbers[place] = min(event.number, MAX_NUMBER)
        self._seen[place] |= any(flag.lower() == SEEN for flag in event.flags or ())

    def existing(self) -> Listing:
        """Return the messages for which the server sent a response: the others are gone."""
        if all(self._numbers):
            return self
        places = [place for place, number in enumerate(self._numbers) if number]
        there = Listing(array("I", [self._uids[place] for place in places]))
        for now, place in enumerate(places):
            there._sizes[now] = self._sizes[place]
            there._numbers[now] = self._numbers[place]
            there._seen[now] = self._seen[place]
        return there


class UidSet(Collection[int]):
    """UIDs that were searched for, ascending, in little memory."""

    def __init__(self, uids: array[int]) -> None:
        self._uids = uids

    def __contains__(self, uid: object) -> bool:
        if not isinstance(uid, int):
            return False
        place = bisect_left(self._uids, uid)
        return place < len(self._uids) and self._uids[place] == uid

    def __iter__(self) -> Iterator[int]:
        return iter(self._uids)

    def __len__(self) -> int:
        return len(self._uids)


async def find(ask: Ask, wanted: Wanted, total: int) -> array[int]:
    """Return the UIDs of the wanted messages, ascending and without duplicates.

    ``total`` is the number of messages in the mailbox. Raises NotSearched.
    """
    refusal: imap.Completed | None = None
    for criteria in wanted.criteria:
        done, found = await search(ask, criteria)
        if done.condition is imap.Condition.OK:
            exact = criteria == wanted.criteria[0]
            return found if exact else await by_flags(ask, pieces(found), wanted, done)
        refusal = refusal or done
    if refusal is None:
        raise ValueError("nothing to search for")
    if total > MAX_MESSAGES:
        raise LimitExceeded("messages of a mailbox", MAX_MESSAGES)
    everything: list[imap.Command] = [imap.UidFetch(b"1:*", b"(UID FLAGS)")]
    if total > MESSAGES_PER_REPLY:
        # Sequence numbers do not change here: no EXPUNGE may arrive during FETCH (7.4.1).
        everything = [
            imap.Fetch(
                b"%d:%d" % (first, min(first + MESSAGES_PER_REPLY - 1, total)), b"(UID FLAGS)"
            )
            for first in range(1, total + 1, MESSAGES_PER_REPLY)
        ]
    return await by_flags(ask, everything, wanted, refusal)


async def search(ask: Ask, criteria: bytes) -> tuple[imap.Completed, array[int]]:
    """Send UID SEARCH; return the reply, and the UIDs found, ascending and without duplicates."""
    found = array("I")

    def collect(event: imap.Event) -> None:
        if isinstance(event, imap.Found):
            if max(event.uids, default=0) > MAX_NUMBER:
                raise RemoteProtocolError("a UID has more than 32 bits", state="selected")
            found.extend(event.uids)
            check_count(found)
        elif isinstance(event, imap.FoundInShort) and event.every is not None:
            for first, last in ranges_of(event.every):
                check_count(range(len(found) + last - first + 1))
                found.extend(range(first, last + 1))

    done = await ask(imap.UidSearch(criteria), collect)
    return done, ascending(found)


async def by_flags(
    ask: Ask, commands: Sequence[imap.Command], wanted: Wanted, refusal: imap.Completed
) -> array[int]:
    """Fetch flags; return the UIDs of the wanted messages. Raises NotSearched with ``refusal``."""
    found = array("I")

    def collect(event: imap.Event) -> None:
        if isinstance(event, imap.Fetched) and event.uid:
            if event.uid > MAX_NUMBER:
                raise RemoteProtocolError("a UID has more than 32 bits", state="selected")
            # A response without FLAGS means that the message has no flags.
            if wanted.fits(event.flags or ()):
                found.append(event.uid)
                check_count(found)

    for command in commands:
        done = await ask(command, collect)
        if done.condition is not imap.Condition.OK:
            raise NotSearched(refusal)
    return ascending(found)


def pieces(uids: Sequence[int]) -> list[imap.Command]:
    """Return the commands that fetch the flags of these messages."""
    return [imap.UidFetch(some, b"(UID FLAGS)") for some in sets_of(uids)]


def sets_of(uids: Sequence[int]) -> Iterator[bytes]:
    """Yield UID sets for one command each, of limited length and with a limited number of UIDs."""
    for start in range(0, len(uids), MESSAGES_PER_REPLY):
        yield from imap.split_uid_sets(uids[start : start + MESSAGES_PER_REPLY])


def ascending(uids: array[int]) -> array[int]:
    """Return UIDs in ascending order without duplicates; the same array if it is so already."""
    previous = -1
    for uid in uids:
        if uid <= previous:
            return sorted_apart(uids)
        previous = uid
    return uids


def sorted_apart(uids: array[int]) -> array[int]:
    """Return UIDs in ascending order without duplicates, in little memory."""
    from heapq import merge  # few servers need it

    starts = range(0, len(uids), MESSAGES_PER_RUN)
    runs = [array("I", sorted(set(uids[start : start + MESSAGES_PER_RUN]))) for start in starts]
    in_order = array("I")
    for uid in merge(*runs):
        if not in_order or in_order[-1] != uid:
            in_order.append(uid)
    return in_order


def ranges_of(result: bytes) -> list[tuple[int, int]]:
    """Return the ranges of a search result that is a set (RFC 4731). Raises RemoteProtocolError."""
    try:
        ranges = imap.read_set(result, 0)
    except ValueError:
        ranges = []
    if not ranges or any(first < 1 or last > MAX_NUMBER for first, last in ranges):
        raise RemoteProtocolError("a search result that is no set of UIDs", state="selected")
    return ranges


def check_count(found: Sequence[int]) -> None:
    """Raise LimitExceeded if there are more than MAX_MESSAGES."""
    if len(found) > MAX_MESSAGES:
        raise LimitExceeded("messages that a search finds", MAX_MESSAGES)


async def describe(ask: Ask, uids: array[int], *, with_flags: bool = False) -> Listing:
    """Return these messages with their sizes, and with ``with_flags`` whether they are \\Seen."""
    listing = Listing(uids)
    for request in size_requests(uids, with_flags=with_flags):
        await ask(request, listing.update)
    return listing


def size_requests(uids: array[int], *, with_flags: bool = False) -> Iterator[imap.UidFetch]:
    """Yield the commands that fetch the sizes of these messages."""
    for some in sets_of(uids):
        yield imap.UidFetch(some, size_items(with_flags=with_flags))


def size_items(*, with_flags: bool = False) -> bytes:
    """Return the items to fetch for a listing."""
    return b"(UID FLAGS RFC822.SIZE)" if with_flags else b"(UID RFC822.SIZE)"


def uidvalidity(argument: bytes) -> int:
    """Return the UIDVALIDITY of a mailbox, 0 if it is not a number. Raises RemoteProtocolError."""
    if not argument.isdigit():
        return 0
    if len(argument) > MAX_DIGITS or (number := int(argument)) > MAX_NUMBER:
        raise RemoteProtocolError("UIDVALIDITY has more than 32 bits", line=argument)
    return number
