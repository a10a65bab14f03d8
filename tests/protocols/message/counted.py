"""Bytes that count how often a parser reads them."""

from __future__ import annotations

from typing import SupportsIndex, overload


class Counted(bytes):
    """Bytes that count the bytes read from them."""

    looked_at = 0

    @overload
    def __getitem__(self, key: SupportsIndex, /) -> int: ...
    @overload
    def __getitem__(self, key: slice, /) -> bytes: ...
    def __getitem__(self, key: SupportsIndex | slice, /) -> int | bytes:
        found = super().__getitem__(key)
        self.looked_at += 1 if isinstance(found, int) else len(found)
        return found
