"""What LIST and UIDL said of a maildrop, held so that a million messages fit.

A dict of records takes some 300 octets for each message, and this takes 12 and its unique id:
numbers and sizes stand in arrays, the ids one after the other in one block. Records are made
when somebody looks at them.
"""

from __future__ import annotations

import os
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import overload

from ...flows.source import Listed, Uid
from ...protocols.errors import LimitExceeded

MOST = 2**32 - 1
"""The highest number, and the largest size, that is held: no server has more."""
OUT_OF_ORDER = 100_000
"""Lines of a listing that does not ascend, as all servers' do, that are put in order."""
REPEATED = 150_000
REPEATED_OCTETS = 4 * 1024 * 1024
"""Unique ids, each of several messages, that are told apart, and the octets of them all."""
FLAGS = 2**24
"""Places for the hashes of unique ids: 16 for each of a million, so that few of them meet."""


class Listing(Sequence[Listed]):
    """All messages of a maildrop, in order. ``named_only`` leaves out those without unique id.

    ``total`` is the server's word for how many there are: a higher number that only UIDL knows is
    none of them. First ids and sizes are added as the server tells them, then ``close`` puts them
    together.
    """

    def __init__(self, total: int, *, named_only: bool = False) -> None:
        self._total = total
        self._named_only = named_only
        self._session = os.urandom(8).hex().encode("ascii")
        self._id_numbers = array("I")
        self._ids = bytearray()
        self._ends = array("I", [0])
        self._numbers = array("I")
        self._sizes = array("I")
        self._places: Sequence[int] = ()
        self._apart: dict[int, bytes] = {}
        self.nameless = 0
        """How many messages have no unique id."""
        self.latest_nameless = True
        """Whether these are the last ones: mail that came between UIDL and LIST is."""

    def add_id(self, number: int, uid: bytes) -> None:
        """Take a line of UIDL."""
        if 1 <= number <= MOST:
            self._id_numbers.append(number)
            self._ids += uid
            self._ends.append(len(self._ids))

    def add_size(self, number: int, size: int) -> None:
        """Take a line of LIST."""
        if 1 <= number <= MOST:
            self._numbers.append(number)
            self._sizes.append(min(size, MOST))

    def close(self) -> None:
        """Bring ids and sizes together. Raises LimitExceeded for what nobody could hold."""
        if self._id_numbers == self._numbers and ascends(self._numbers):
            self._places = range(len(self._numbers))
        else:
            self._merge()
        self._id_numbers = array("I")
        self._tell_apart()

    def _merge(self) -> None:
        """Make one entry for each number that is in either list; one without size gets 0."""
        ids, sizes = in_order(self._id_numbers), in_order(self._numbers)
        highest_named = self._id_numbers[ids[-1]] if ids else 0
        numbers, octets, places = array("I"), array("I"), array("i")
        for number, of_id, of_size in merged(self._id_numbers, ids, self._numbers, sizes):
            if of_id < 0:
                self.nameless += 1
                self.latest_nameless = self.latest_nameless and number > highest_named
                if self._named_only:
                    continue
            if of_size < 0 and number > self._total:
                continue
            numbers.append(number)
            octets.append(self._sizes[of_size] if of_size >= 0 else 0)
            places.append(of_id)
        self._numbers, self._sizes, self._places = numbers, octets, places

    def _tell_apart(self) -> None:
        """Find unique ids that several messages have, without holding all of them as objects."""
        flags = bytearray(FLAGS if len(self._ends) > FLAGS // 256 else FLAGS // 256)
        mask = len(flags) - 1
        suspects: set[bytes] = set()
        octets = 0
        for uid in self._named():
            place = hash(uid) & mask
            if flags[place] and uid not in suspects:
                suspects.add(uid)
                octets += len(uid)
                check_repeated(len(suspects), octets)
            flags[place] = 1
        del flags
        if not suspects:
            return
        counts = Counter(uid for uid in self._named() if uid in suspects)
        repeated = {uid for uid, count in counts.items() if count > 1}
        check_repeated(
            sum(counts[uid] for uid in repeated), sum(len(uid) * counts[uid] for uid in repeated)
        )
        if repeated:
            found = {i: uid for i, uid in enumerate(self._uids()) if uid in repeated}
            self._apart = told_apart(found)

    def _named(self) -> Iterator[bytes]:
        return (uid for uid, place in zip(self._uids(), self._places, strict=True) if place >= 0)

    def _uids(self) -> Iterator[bytes]:
        return (self._uid_at(index) for index in range(len(self._numbers)))

    def _uid_at(self, index: int) -> bytes:
        if self._apart and index in self._apart:
            return self._apart[index]
        place = self._places[index]
        if place < 0:
            # A key that fits no message of any other session.
            return b"%d of session %b" % (self._numbers[index], self._session)
        return bytes(self._ids[self._ends[place] : self._ends[place + 1]])

    # Looking at them

    @property
    def has_ids(self) -> bool:
        """Whether the server told any unique id."""
        return bool(self._ids)

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> Listed: ...
    @overload
    def __getitem__(self, index: slice) -> list[Listed]: ...
    def __getitem__(self, index: int | slice) -> Listed | list[Listed]:
        if isinstance(index, slice):
            return [self._at(place) for place in range(*index.indices(len(self)))]
        return self._at(range(len(self))[index])

    def __iter__(self) -> Iterator[Listed]:
        return map(self._at, range(len(self)))

    def _at(self, index: int) -> Listed:
        return Listed(self._uid_at(index), self._sizes[index], self._numbers[index])

    def numbered(self, number: int) -> Listed:
        """Return the message with this number. Raises KeyError if there is none."""
        index = bisect_left(self._numbers, number)
        if index == len(self) or self._numbers[index] != number:
            raise KeyError(number)
        return self._at(index)

    def find(self, uids: Iterable[Uid]) -> dict[Uid, Listed]:
        """Return those of these messages that are there."""
        wanted = set(uids)
        if not wanted:
            return {}
        return {uid: self._at(index) for index, uid in enumerate(self._uids()) if uid in wanted}


def check_repeated(count: int, octets: int) -> None:
    """Raise LimitExceeded for more unique ids of several messages than are told apart."""
    if count > REPEATED:
        raise LimitExceeded("unique ids that come more than once", REPEATED)
    if octets > REPEATED_OCTETS:
        raise LimitExceeded("octets of unique ids that come more than once", REPEATED_OCTETS)


def ascends(numbers: Sequence[int]) -> bool:
    """Tell whether each number is above the one before."""
    if len(numbers) and numbers[0] == 1 and numbers[-1] == len(numbers):
        return numbers == array("I", range(1, len(numbers) + 1))
    return all(numbers[place] < numbers[place + 1] for place in range(len(numbers) - 1))


def in_order(numbers: Sequence[int]) -> Sequence[int]:
    """Return the places of these numbers in ascending order; of equal ones the last counts."""
    if ascends(numbers):
        return range(len(numbers))
    if len(numbers) > OUT_OF_ORDER:
        raise LimitExceeded("lines of a listing out of order", OUT_OF_ORDER)
    last = {number: place for place, number in enumerate(numbers)}
    return [last[number] for number in sorted(last)]


def merged(
    left: Sequence[int], left_order: Sequence[int], right: Sequence[int], right_order: Sequence[int]
) -> Iterator[tuple[int, int, int]]:
    """Yield each number in either list with its place in both, -1 where it is not there."""
    i = j = 0
    while i < len(left_order) or j < len(right_order):
        at_left = left[left_order[i]] if i < len(left_order) else MOST + 1
        at_right = right[right_order[j]] if j < len(right_order) else MOST + 1
        number = min(at_left, at_right)
        yield (
            number,
            left_order[i] if at_left == number else -1,
            right_order[j] if at_right == number else -1,
        )
        i += at_left == number
        j += at_right == number


def told_apart(uids: Mapping[int, bytes]) -> dict[int, bytes]:
    """Return unique ids that are unique.

    Where several messages have the same one, each gets its place among them and their count:
    when one of them goes, none of the others can be taken for it.
    """
    counts = Counter(uids.values())
    places: Counter[bytes] = Counter()
    apart: dict[int, bytes] = {}
    for number, uid in uids.items():
        places[uid] += 1
        apart[number] = uid
        if counts[uid] > 1:
            apart[number] = b"%b (%d of %d)" % (uid, places[uid], counts[uid])
    return apart
