"""What a server announced that it can do, in the one shape in which all clients show it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final

Announced = Mapping[bytes, tuple[bytes, ...]]
"""Keywords in upper case; their arguments word by word, as the server sent them."""

NOTHING: Final[Announced] = MappingProxyType({})


def by_words(announced: Mapping[bytes, bytes]) -> Announced:
    """Return keywords with the words of their arguments: ``AUTH PLAIN LOGIN``."""
    return MappingProxyType({name: tuple(text.split()) for name, text in announced.items()})


def by_keyword(names: Iterable[bytes]) -> Announced:
    """Return IMAP's capabilities by what is before the equals sign: ``AUTH=PLAIN AUTH=LOGIN``."""
    found: dict[bytes, tuple[bytes, ...]] = {}
    for name in names:
        keyword, _, argument = name.partition(b"=")
        before = found.setdefault(keyword.upper(), ())
        if argument and argument not in before:
            found[keyword.upper()] = (*before, argument)
    return MappingProxyType(found)


@lru_cache(maxsize=16)
def capabilities_in(line: bytes) -> tuple[Announced, frozenset[bytes]]:
    """Return the capabilities in a line of IMAP, by keyword and as a set in upper case.

    Thousands of connections to a few servers share them.
    """
    names = line.split()
    return by_keyword(names), frozenset(name.upper() for name in names)
