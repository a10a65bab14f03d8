"""The progress of a message: in fetchmail's signs (``showdots``), or as octets for a bar."""

from __future__ import annotations

from collections.abc import Callable

from ...flows.parcel import DeliveryRules, Packer

OCTETS = 1024
"""Octets received for each dot."""


class DottedPacker(Packer):
    """Calls ``show`` with a dot for 1024 octets, # for the header, * for a line of the body."""

    def __init__(self, treatment: DeliveryRules, show: Callable[[str], None]) -> None:
        super().__init__(treatment)
        self._show = show
        self._octets = 0

    def beginning(self) -> bytes:
        """Return the part of the body that arrived together with the header."""
        beginning = super().beginning()
        header = sum(len(field.raw) for field in self._scanner.fields)
        self._show(f" {self._dots(header)}#{self._signs(beginning)}")
        return beginning

    def convert(self, data: bytes) -> bytes:
        """Return some bytes of the body as they are delivered."""
        self._show(self._signs(data))
        return super().convert(data)

    def _signs(self, data: bytes) -> str:
        return self._dots(len(data)) + "*" * data.count(b"\n")

    def _dots(self, octets: int) -> str:
        before = self._octets // OCTETS
        self._octets += octets
        return "." * (self._octets // OCTETS - before)


class CountingPacker(Packer):
    """Calls ``count`` with the octets that have arrived: for a bar."""

    def __init__(self, treatment: DeliveryRules, count: Callable[[int], None]) -> None:
        super().__init__(treatment)
        self._count = count

    def beginning(self) -> bytes:
        """Return the part of the body that arrived together with the header."""
        beginning = super().beginning()
        self._count(sum(len(field.raw) for field in self._scanner.fields) + len(beginning))
        return beginning

    def convert(self, data: bytes) -> bytes:
        """Return some bytes of the body as they are delivered."""
        self._count(len(data))
        return super().convert(data)
