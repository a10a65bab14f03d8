"""From a message as it arrives to what is handed on: envelope, header, line ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..protocols.message.envelope import envelope_sender, fallback_sender, recipient_address
from ..protocols.message.header import HeaderScanner
from ..protocols.message.line_ends import ForceCr, Identity, StripCr
from ..protocols.message.outgoing import HeaderRules, outgoing_header
from .sink import Parcel

if TYPE_CHECKING:
    from ..protocols.message.mime_decode import MimeDecoder


@dataclass(frozen=True, slots=True)
class Treatment:
    """What an account's options do to a message on its way.

    ``sender`` is the envelope sender where the source knows it, instead of what the header says.
    ``domain`` is that of the sink ("" for an MDA, which also learns when no sender is named).
    ``strip_cr``, ``force_cr`` and ``mime_decode`` are the options of that name.
    """

    recipient: str
    domain: str
    rules: HeaderRules
    smtp_name: str | None = None
    smtp_address: str | None = None
    strip_cr: bool = False
    force_cr: bool = False
    mime_decode: bool = False
    sender: bytes | None = None


class Packer:
    """Makes a parcel of one message: the header is held until it is whole, the body is not.

    ``scan`` until ``ready``, or ``scan_end`` if the message is over before; then ``parcel``,
    ``beginning``, ``convert`` and ``end`` give what the sink is told and fed.
    """

    def __init__(self, treatment: Treatment) -> None:
        self._treatment = treatment
        self._scanner = HeaderScanner()
        if treatment.strip_cr:
            self._line_ends: Identity | StripCr | ForceCr = StripCr()
        else:
            self._line_ends = ForceCr() if treatment.force_cr else Identity()
        self._decoder: MimeDecoder | None = None
        self._beginning = b""

    @property
    def ready(self) -> bool:
        """Whether the header is complete, and known as it is handed on."""
        return self._scanner.complete and (self._decoder is None or self._decoder.ready)

    @property
    def header_octets(self) -> int:
        """The size of the header as it came."""
        return self._scanner.size

    def scan(self, data: bytes) -> None:
        """Take some bytes of a message that is not ready."""
        if self._decoder is not None:
            self._decoder.feed(data)
            return
        self._scanner.feed(data)
        if self._scanner.complete:
            self._begin_body()

    def scan_end(self) -> None:
        """The message was over before it was ready."""
        if not self._scanner.complete:
            self._scanner.finish()
            self._begin_body()
        if self._decoder is not None:
            self._decoder.finish()

    def _begin_body(self) -> None:
        self._beginning = self._scanner.rest
        if self._treatment.mime_decode:
            from ..protocols.message.mime_decode import MimeDecoder

            self._decoder = MimeDecoder(self._scanner.fields)
            self._decoder.feed(self._scanner.rest)

    def parcel(self, size: int, name: str = "", *, again: bool = False) -> Parcel:
        """Return envelope and header; ``size`` is what the source announced, in octets.

        ``name`` and ``again`` are the ledger's.
        """
        treatment = self._treatment
        rules = treatment.rules
        for_mda = not treatment.domain
        sender = treatment.sender
        if sender is None:
            sender = envelope_sender(
                self._scanner.fields, rules.truename, for_mda=for_mda, rewrite=rules.rewrite
            )
        if sender is None and not for_mda:
            sender = fallback_sender(rules.user, rules.truename)
        recipient = recipient_address(
            treatment.recipient, treatment.domain, treatment.smtp_name, treatment.smtp_address
        )
        header = outgoing_header(self._scanner, rules, recipient)
        if self._decoder is not None:
            header, self._beginning = self._decoder.result(header)
        header = self._line_ends.feed(header)
        recoded = treatment.mime_decode
        return Parcel(sender, (recipient,), header, size, name, again, recoded)

    def beginning(self) -> bytes:
        """Return what came of the body along with the header."""
        return self._line_ends.feed(self._beginning)

    def convert(self, data: bytes) -> bytes:
        """Return some bytes of the body as they are handed on."""
        return self._line_ends.feed(data)

    def end(self) -> bytes:
        """Return what was held back."""
        return self._line_ends.finish()
