"""From a message as it arrives to what is handed on: envelope, header, line ends."""

from __future__ import annotations

from dataclasses import dataclass

from ..protocols.message.envelope import envelope_sender, fallback_sender, recipient_address
from ..protocols.message.header import HeaderScanner
from ..protocols.message.line_ends import ForceCr, Identity, StripCr
from ..protocols.message.outgoing import HeaderRules, outgoing_header
from .sink import Parcel


@dataclass(frozen=True, slots=True)
class Treatment:
    """What an account's options do to a message on its way.

    ``sender`` is the envelope sender where the source knows it, instead of what the header says.
    ``domain`` is that of the sink ("" for an MDA, which also learns when no sender is named).
    ``strip_cr`` and ``force_cr`` are the options of that name.
    """

    recipient: str
    domain: str
    rules: HeaderRules
    smtp_name: str | None = None
    smtp_address: str | None = None
    strip_cr: bool = False
    force_cr: bool = False
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

    @property
    def ready(self) -> bool:
        """Whether the header is complete."""
        return self._scanner.complete

    @property
    def header_octets(self) -> int:
        """The size of the header as it came."""
        return self._scanner.size

    def scan(self, data: bytes) -> None:
        """Take some bytes of a message whose header is not complete."""
        self._scanner.feed(data)

    def scan_end(self) -> None:
        """The message is over: all of it was header."""
        self._scanner.finish()

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
        return Parcel(sender, (recipient,), self._line_ends.feed(header), size, name, again)

    def beginning(self) -> bytes:
        """Return what came of the body along with the header."""
        return self._line_ends.feed(self._scanner.rest)

    def convert(self, data: bytes) -> bytes:
        """Return some bytes of the body as they are handed on."""
        return self._line_ends.feed(data)

    def end(self) -> bytes:
        """Return what was held back."""
        return self._line_ends.finish()
