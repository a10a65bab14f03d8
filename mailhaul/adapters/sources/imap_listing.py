"""What is in a mailbox: UIDs by SEARCH, sizes by FETCH, in pieces and in little memory.

A mailbox may have a million messages. So numbers stand in arrays, one reply never tells of more
than PIECE messages, and a ``Listed`` is made when somebody looks at it.

Some servers refuse SEARCH, or only some of its words. Then less is searched for, and after that the
flags of all messages are asked for, as fetchmail does.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, overload

from ...flows.source import Listed
from ...protocols.errors import LimitExceeded, RemoteProtocolError
from ...protocols.imap.commands import Command, Fetch, UidFetch, UidSearch
from ...protocols.imap.events import Completed, Condition, Fetched, Found
from ...protocols.imap.uid_sets import split_uid_sets
from ...protocols.record import Record

LARGEST = 2**32 - 1
"""What a number of IMAP may be (RFC 3501, 9)."""
LARGEST_SIZE = 2**63 - 1
MOST = 2_000_000
"""Messages that are listed at most: more than any mailbox has, and what fits."""
RUN = 50_000
"""UIDs that are put in order together."""
PIECE = 10_000
"""Messages of which one reply tells: few enough for any limit, and many for one round trip."""
SEEN, DELETED = rb"\seen", rb"\deleted"

Ask = Callable[[Command, Callable[[Any], None]], Awaitable[Completed]]
"""Carries out a command and shows every event before its end."""


class Wanted(Record):
    """Which messages are looked for: ``None`` means whether or not they have the flag.

    ``criteria`` are the keys to search by; the last ones are not exact, and the flags decide.
    """

    criteria: tuple[bytes, ...]
    seen: bool | None = None
    deleted: bool | None = False

    def fits(self, flags: Sequence[bytes]) -> bool:
        """Whether a message with these flags is meant."""
        names = {flag.lower() for flag in flags}
        return self.seen in (None, SEEN in names) and self.deleted in (None, DELETED in names)


ALL = Wanted((b"ALL",), deleted=None)
UNDELETED = Wanted((b"UNDELETED", b"ALL"))
UNSEEN = Wanted((b"UNSEEN UNDELETED", b"UNSEEN"), seen=False)
OLD = Wanted((b"SEEN UNDELETED", b"SEEN"), seen=True)
FLAGGED_DELETED = Wanted((b"DELETED",), deleted=True)


class NotSearched(Exception):
    """The server does not say what is in the mailbox; ``reply`` is its answer."""

    def __init__(self, reply: Completed) -> None:
        super().__init__(reply.text)
        self.reply = reply


class Listing(Sequence[Listed]):
    """Messages by their UIDs, in order: 17 octets each. What the server did not tell is 0."""

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

    def told(self, event: Any) -> None:
        """Take note of what a FETCH response says."""
        if not isinstance(event, Fetched) or event.uid is None:
            return
        place = bisect_left(self._uids, event.uid)
        if place == len(self._uids) or self._uids[place] != event.uid:
            return
        if event.size is not None:
            self._sizes[place] = min(event.size, LARGEST_SIZE)
            self._numbers[place] = min(event.number, LARGEST)
        self._seen[place] |= any(flag.lower() == SEEN for flag in event.flags or ())

    def known(self) -> Listing:
        """Return those of which the server told something: the others are gone."""
        if all(self._numbers):
            return self
        places = [place for place, number in enumerate(self._numbers) if number]
        there = Listing(array("I", [self._uids[place] for place in places]))
        for now, place in enumerate(places):
            there._sizes[now] = self._sizes[place]
            there._numbers[now] = self._numbers[place]
            there._seen[now] = self._seen[place]
        return there


async def find(ask: Ask, wanted: Wanted, total: int) -> array[int]:
    """Return the UIDs of these messages, ascending, each once. Raises NotSearched.

    ``total`` messages are in the mailbox.
    """
    refusal: Completed | None = None
    for criteria in wanted.criteria:
        done, found = await search(ask, criteria)
        if done.condition is Condition.OK:
            exact = criteria == wanted.criteria[0]
            return found if exact else await by_flags(ask, pieces(found), wanted, done)
        refusal = refusal or done
    if refusal is None:
        raise ValueError("nothing to search for")
    if total > MOST:
        raise LimitExceeded("messages of a mailbox", MOST)
    everything: list[Command] = [UidFetch(b"1:*", b"(UID FLAGS)")]
    if total > PIECE:
        # Numbers mean the same throughout: while FETCH is answered nothing may be expunged (7.4.1).
        everything = [
            Fetch(b"%d:%d" % (first, min(first + PIECE - 1, total)), b"(UID FLAGS)")
            for first in range(1, total + 1, PIECE)
        ]
    return await by_flags(ask, everything, wanted, refusal)


async def search(ask: Ask, criteria: bytes) -> tuple[Completed, array[int]]:
    """Search; return the reply, and what was found: ascending, each UID once."""
    found = array("I")

    def note(event: Any) -> None:
        if isinstance(event, Found):
            if max(event.uids, default=0) > LARGEST:
                raise RemoteProtocolError("a UID has more than 32 bits", state="selected")
            found.extend(event.uids)
            check_count(found)

    done = await ask(UidSearch(criteria), note)
    return done, ascending(found)


async def by_flags(
    ask: Ask, commands: Sequence[Command], wanted: Wanted, refusal: Completed
) -> array[int]:
    """Ask for flags; return the UIDs of what is wanted. Raises NotSearched with ``refusal``."""
    found = array("I")

    def note(event: Any) -> None:
        if isinstance(event, Fetched) and event.uid:
            if event.uid > LARGEST:
                raise RemoteProtocolError("a UID has more than 32 bits", state="selected")
            # Who tells of no flags when asked for them means that there are none.
            if wanted.fits(event.flags or ()):
                found.append(event.uid)
                check_count(found)

    for command in commands:
        done = await ask(command, note)
        if done.condition is not Condition.OK:
            raise NotSearched(refusal)
    return ascending(found)


def pieces(uids: Sequence[int]) -> list[Command]:
    """Return the commands that ask for the flags of these messages."""
    return [UidFetch(some, b"(UID FLAGS)") for some in sets_of(uids)]


def sets_of(uids: Sequence[int]) -> Iterator[bytes]:
    """Yield sets of UIDs for one command each: not too long, and not of too many messages."""
    for start in range(0, len(uids), PIECE):
        yield from split_uid_sets(uids[start : start + PIECE])


def ascending(uids: array[int]) -> array[int]:
    """Return UIDs in order, each once; that costs nothing where they come so."""
    previous = -1
    for uid in uids:
        if uid <= previous:
            return sorted_apart(uids)
        previous = uid
    return uids


def sorted_apart(uids: array[int]) -> array[int]:
    """Return UIDs in order, each once, without a number object for each of them at any time."""
    from heapq import merge  # hardly any server needs it

    starts = range(0, len(uids), RUN)
    runs = [array("I", sorted(set(uids[start : start + RUN]))) for start in starts]
    in_order = array("I")
    for uid in merge(*runs):
        if not in_order or in_order[-1] != uid:
            in_order.append(uid)
    return in_order


def check_count(found: array[int]) -> None:
    """Raise LimitExceeded for more messages than are listed."""
    if len(found) > MOST:
        raise LimitExceeded("messages that a search finds", MOST)


async def describe(ask: Ask, uids: array[int], *, with_flags: bool = False) -> Listing:
    """Return these messages with their sizes, and with what was \\Seen if that is asked for."""
    listing = Listing(uids)
    items = b"(UID FLAGS RFC822.SIZE)" if with_flags else b"(UID RFC822.SIZE)"
    for some in sets_of(uids):
        await ask(UidFetch(some, items), listing.told)
    return listing
