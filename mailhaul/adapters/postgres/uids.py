"""UIDs as octets: numbers before words, each in their order, as SQLite sorts them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from ...flows.source import Listed, ListedPart, Uid
from ...protocols.record import replace

T = TypeVar("T")
NUMBER, WORD = b"\0", b"\1"
OCTETS = 8


def to_column(uid: Uid) -> bytes:
    """Return a UID as it is stored. Numbers have at most 64 bits."""
    if isinstance(uid, int):
        return NUMBER + uid.to_bytes(OCTETS, "big")
    return WORD + uid


def from_column(column: Uid) -> Uid:
    """Return the UID that is stored as this."""
    if isinstance(column, int):
        raise TypeError("a UID is stored as octets")
    return column[1:] if column[:1] == WORD else int.from_bytes(column[1:], "big")


def encoded(listed: Sequence[Listed]) -> Sequence[Listed]:
    """Return a part of a listing with UIDs as they are stored."""
    if isinstance(listed, ListedPart):
        return ListedPart([*map(to_column, listed.uids)], listed.sizes, listed.numbers)
    return [replace(one, uid=to_column(one.uid)) for one in listed]


def decoded(listed: Iterable[Listed]) -> tuple[Listed, ...]:
    """Return the part of a listing of which ``encoded`` has made this."""
    return tuple(replace(one, uid=from_column(one.uid)) for one in listed)


def by_column(values: Mapping[Uid, T]) -> dict[Uid, T]:
    """Return values by UIDs as they are stored."""
    return {to_column(uid): value for uid, value in values.items()}


def by_uid(values: Mapping[Uid, T]) -> dict[Uid, T]:
    """Return values by UIDs."""
    return {from_column(column): value for column, value in values.items()}
