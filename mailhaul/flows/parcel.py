"""From a message as it arrives to what is handed on: envelope, header, line ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ..protocols.message.envelope import envelope_sender, recipient_address
from ..protocols.message.header import HeaderScanner
from ..protocols.message.line_ends import ForceCr, Identity, StripCr
from ..protocols.message.outgoing import HeaderRules, outgoing_header
from .sink import Parcel, Sink


class Converter(Protocol):
    """Changes line ends chunk by chunk."""

    def feed(self, data: bytes) -> bytes:
        """Convert some bytes."""
        ...

    def finish(self) -> bytes:
        """Return what was held back."""
        ...


@dataclass(frozen=True, slots=True)
class Treatment:
    """What an account's options do to a message on its way.

    ``recipient`` is the local user; ``smtp_name`` and ``smtp_address`` are the options of
    that name. ``rules`` and ``rules_for_mda`` are the same but for Return-Path.
    """

    user: str
    truename: str
    recipient: str
    smtp_name: str | None
    smtp_address: str | None
    rules: HeaderRules
    strip_cr: bool
    force_cr: bool


class Packer:
    """Makes a parcel of one message: the header is held until it is whole, the body is not.

    ``scan`` until ``ready``; then ``parcel``, ``beginning``, ``convert`` and ``end`` give what
    the sink is fed.
    """
