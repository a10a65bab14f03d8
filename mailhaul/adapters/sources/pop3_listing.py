"""The result of LIST and UIDL for a maildrop, compact enough for a million messages.

A dict of records needs some 300 octets for each message; this class needs some 20 octets and the
unique id: numbers and sizes are stored in arrays, the ids one after another in one bytearray.
Records are made on access only. A small listing has a dict of its ids as well, which is faster.
"""

from __future__ import annotations

import os
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, islice, pairwise
from typing import overload

from ...flows.source import Listed, ListedPart, Uid
from ...protocols.errors import LimitExceeded

MAX_IDS = 2**32 - 1
"""The highest message number, and the largest size, that is stored."""
MAX_IN_DICT = 20_000
"""The maximum messages whose ids are in a dict; it needs some 150 octets for each."""
MAX_OUT_OF_ORDER = 100_000
"""The maximum lines of a listing that is not in ascending order and has to be sorted."""
MAX_REPEATED = 150_000
MAX_REPEATED_OCTETS = 4 * 1024 * 1024
"""The maximum messages that share their unique ids with others, and octets of these ids."""


class Listing(Sequence[Listed]):
    """All messages of a maildrop, in order. ``named_only`` leaves out those without unique id.

    ``total`` is the number of messages reported by STAT; a higher number that appears only in UIDL
    is ignored. Add ids and sizes as they arrive, then call ``close``, which merges them.
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
        self._by_id: dict[Uid, int] | None = {}
        self._table = array("i", [-1])
        self._disambiguated: dict[int, bytes] = {}
        self.without_id = 0
        """How many messages have no unique id."""
        self.latest_without_id = True
        """Whether these are the last messages: they may have arrived between UIDL and LIST."""

    def add_ids(self, numbers: Sequence[int], uids: Sequence[bytes]) -> None:
        """Add lines of UIDL."""
        if not (min(numbers) >= 1 and max(numbers) <= MAX_IDS):
            uids = [uid for number, uid in zip(numbers, uids, strict=True) if is_valid(number)]
            numbers = [*filter(is_valid, numbers)]
        ends = accumulate(map(len, uids), initial=len(self._ids))
        self._id_numbers.extend(numbers)
        self._ids += b"".join(uids)
        self._ends.extend(islice(ends, 1, None))

    def add_sizes(self, numbers: Sequence[int], sizes: Sequence[int]) -> None:
        """Add lines of LIST."""
        if not (min(numbers) >= 1 and max(numbers) <= MAX_IDS):
            sizes = [size for number, size in zip(numbers, sizes, strict=True) if is_valid(number)]
            numbers = [*filter(is_valid, numbers)]
        self._numbers.extend(numbers)
        self._sizes.extend([min(size, MAX_IDS) for size in sizes])

    def close(self) -> None:
        """Merge ids and sizes. Raises LimitExceeded if the listing needs too much memory."""
        if self._id_numbers == self._numbers and ascends(self._numbers):
            self._places = range(len(self._numbers))
        else:
            self._merge()
        self._id_numbers = array("I")
        self._disambiguate()

    def _merge(self) -> None:
        """Make one entry for each number in either list; a missing size becomes 0."""
        ids, sizes = in_order(self._id_numbers), in_order(self._numbers)
        highest_named = self._id_numbers[ids[-1]] if ids else 0
        numbers, octets, places = array("I"), array("I"), array("i")
        for number, of_id, of_size in merged(self._id_numbers, ids, self._numbers, sizes):
            if of_id < 0:
                self.without_id += 1
                self.latest_without_id = self.latest_without_id and number > highest_named
                if self._named_only:
                    continue
            if of_size < 0 and number > self._total:
                continue
            numbers.append(number)
            octets.append(self._sizes[of_size] if of_size >= 0 else 0)
            places.append(of_id)
        self._numbers, self._sizes, self._places = numbers, octets, places

    def _disambiguate(self) -> None:
        """Find messages that share their unique id, and make their ids unique.

        A server may have given such an id to another message already: then once more.
        """
        while repeated := self._index():
            found: dict[int, bytes] = {}
            octets = 0
            for index, uid in enumerate(self._uids()):
                if uid in repeated:
                    found[index] = uid
                    octets += len(uid)
                    check_repeated(len(found), octets)
            self._disambiguated |= disambiguated(found)

    def _index(self) -> set[bytes]:
        """Index the messages by id; return the ids that occur more than once."""
        if len(self) > MAX_IN_DICT:
            self._by_id = None
            return self._build_table()
        self._by_id = {uid: index for index, uid in enumerate(self._uids())}
        if len(self._by_id) == len(self):
            return set()
        repeated = {uid for uid, count in Counter(self._uids()).items() if count > 1}
        check_repeated(len(repeated), sum(map(len, repeated)))
        return repeated

    def _build_table(self) -> set[bytes]:
        """Build a hash table from ids to indexes; return the ids that occur more than once.

        It uses open addressing in an array: a dict would keep each id as a separate object.
        """
        self._table = table = array("i", [-1]) * (1 << max(3, (2 * len(self)).bit_length()))
        mask = len(table) - 1
        repeated: set[bytes] = set()
        octets = 0
        for index, uid in enumerate(self._uids()):
            slot = hash(uid) & mask
            while (there := table[slot]) >= 0:
                if self._uid_at(there) == uid:
                    if uid not in repeated:
                        repeated.add(uid)
                        octets += len(uid)
                        check_repeated(len(repeated), octets)
                    break
                slot = (slot + 1) & mask
            else:
                table[slot] = index
        return repeated

    def _place_of(self, uid: Uid) -> int:
        """Return the index of this message, or -1."""
        if self._by_id is not None:
            return self._by_id.get(uid, -1)
        mask = len(self._table) - 1
        slot = hash(uid) & mask
        while (there := self._table[slot]) >= 0 and self._uid_at(there) != uid:
            slot = (slot + 1) & mask
        return there

    def _uids(self) -> Iterator[bytes]:
        if self._disambiguated or not isinstance(self._places, range):
            return map(self._uid_at, range(len(self)))
        # Each message has the id at its own place.
        return (bytes(self._ids[start:end]) for start, end in pairwise(self._ends))

    def _uid_at(self, index: int) -> bytes:
        if self._disambiguated and index in self._disambiguated:
            return self._disambiguated[index]
        place = self._places[index]
        if place < 0:
            # A key that matches no message of any other session.
            return b"%d of session %b" % (self._numbers[index], self._session)
        return bytes(self._ids[self._ends[place] : self._ends[place + 1]])

    # Access

    @property
    def has_ids(self) -> bool:
        """Whether the server sent any unique id."""
        return bool(self._ids)

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> Listed: ...
    @overload
    def __getitem__(self, index: slice) -> ListedPart: ...
    def __getitem__(self, index: int | slice) -> Listed | ListedPart:
        if not isinstance(index, slice):
            return self._at(range(len(self))[index])
        places = range(len(self))[index]
        if self._by_id is not None and places.step == 1:
            uids = [*islice(self._by_id, places.start, places.stop)]
        else:
            uids = [self._uid_at(place) for place in places]
        return ListedPart(uids, self._sizes[index], self._numbers[index])

    def __iter__(self) -> Iterator[Listed]:
        return map(self._at, range(len(self)))

    def _at(self, index: int) -> Listed:
        return Listed(self._uid_at(index), self._sizes[index], self._numbers[index])

    def numbered(self, number: int) -> Listed:
        """Return the message with this number. Raises KeyError if there is none."""
        numbers, index = self._numbers, number - 1
        if not (0 <= index < len(numbers) and numbers[index] == number):
            # Some numbers are missing in the listing.
            index = bisect_left(numbers, number)
            if index == len(numbers) or numbers[index] != number:
                raise KeyError(number)
        return self._at(index)

    def find(self, uids: Iterable[Uid]) -> dict[Uid, Listed]:
        """Return the messages with these ids that exist."""
        places = {uid: self._place_of(uid) for uid in uids}
        return {uid: self._at(place) for uid, place in places.items() if place >= 0}


def is_valid(number: int) -> bool:
    """Whether this is a message number that is stored."""
    return 1 <= number <= MAX_IDS


def check_repeated(count: int, octets: int) -> None:
    """Raise LimitExceeded if too many messages share their unique ids."""
    if count > MAX_REPEATED:
        raise LimitExceeded("unique ids that occur more than once", MAX_REPEATED)
    if octets > MAX_REPEATED_OCTETS:
        raise LimitExceeded("octets of unique ids that occur more than once", MAX_REPEATED_OCTETS)


def ascends(numbers: Sequence[int]) -> bool:
    """Whether each number is greater than the previous one."""
    if len(numbers) and numbers[0] == 1 and numbers[-1] == len(numbers):
        return numbers == array("I", range(1, len(numbers) + 1))
    return all(numbers[place] < numbers[place + 1] for place in range(len(numbers) - 1))


def in_order(numbers: Sequence[int]) -> Sequence[int]:
    """Return the indexes of these numbers in ascending order; of equal ones only the last."""
    if ascends(numbers):
        return range(len(numbers))
    if len(numbers) > MAX_OUT_OF_ORDER:
        raise LimitExceeded("lines of a listing out of order", MAX_OUT_OF_ORDER)
    last = {number: place for place, number in enumerate(numbers)}
    return [last[number] for number in sorted(last)]


def merged(
    left: Sequence[int], left_order: Sequence[int], right: Sequence[int], right_order: Sequence[int]
) -> Iterator[tuple[int, int, int]]:
    """Yield each number in either list with its index in both, -1 if it is missing."""
    i = j = 0
    while i < len(left_order) or j < len(right_order):
        at_left = left[left_order[i]] if i < len(left_order) else MAX_IDS + 1
        at_right = right[right_order[j]] if j < len(right_order) else MAX_IDS + 1
        number = min(at_left, at_right)
        yield (
            number,
            left_order[i] if at_left == number else -1,
            right_order[j] if at_right == number else -1,
        )
        i += at_left == number
        j += at_right == number


def disambiguated(uids: Mapping[int, bytes]) -> dict[int, bytes]:
    """Make the unique ids really unique.

    If several messages have the same id, the position among them and their count is appended: after
    one of them is deleted, none of the others can be mistaken for it.
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
