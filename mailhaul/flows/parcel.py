"""From a message as it arrives to what is handed on: envelope, header, line ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..protocols.message.envelope import envelope_sender, fallback_sender, recipient_address
from ..protocols.message.fingerprint import fingerprint
from ..protocols.message.header import HeaderScanner
from ..protocols.message.line_ends import ForceCr, Identity, StripCr
from ..protocols.message.objections import HOP_LIMIT, bad_line, hops
from ..protocols.message.outgoing import HeaderRules, outgoing_header
from .ledger import Offer
from .outcome import Outcome, Verdict
from .sink import Parcel

if TYPE_CHECKING:
    from ..protocols.message.bounce import BounceContext
    from ..protocols.message.mime_decode import MimeDecoder
    from .fate import Policy
    from .multidrop import Multidrop


@dataclass(frozen=True, slots=True)
class DeliveryRules:
    """What an account's options do to a message on its way.

    ``sender`` is the envelope sender where the source knows it, instead of what the header says,
    and ``told`` the recipient. With ``multidrop`` the message says whom it is for, else that is
    ``recipient``. ``reject_bad_header`` keeps a message with a header line that is none.
    ``bounce_context`` gives a bounce its own facts; those that no sender can be told of are for the
    ``postmaster``, "" for no such person.
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
    told: bytes | None = None
    multidrop: Multidrop | None = None
    postmaster: str = ""
    bounce_context: Callable[[], BounceContext] | None = None
    reject_bad_header: bool = False


class Packer:
    """Makes a parcel of one message: the header is held until it is whole, the body is not.

    ``scan`` until ``ready``, or ``scan_end`` if the message is over before; then ``parcel``,
    ``beginning``, ``convert`` and ``end`` give what the sink is told and fed.
    """

    def __init__(self, treatment: DeliveryRules) -> None:
        self._treatment = treatment
        self._scanner = HeaderScanner()
        self._for_whom: tuple[bytes, ...] = ()
        if treatment.strip_cr:
            self._line_ends: Identity | StripCr | ForceCr = StripCr()
        else:
            self._line_ends = ForceCr() if treatment.force_cr else Identity()
        self._decoder: MimeDecoder | None = None
        self._beginning = b""
        self._own: dict[bytes, bytes] = {}
        self._domain = treatment.domain
        self.served_before = False
        """Whether some recipients of this message got it in an earlier poll."""

    @property
    def ready(self) -> bool:
        """Whether the header is complete, and known as it is handed on."""
        return self._scanner.complete and (self._decoder is None or self._decoder.ready)

    @property
    def header_octets(self) -> int:
        """The size of the header as it came."""
        return self._scanner.size

    @property
    def fingerprint(self) -> bytes:
        """What tells this message from others, from its header as it came."""
        return fingerprint(b"".join(field.raw for field in self._scanner.fields))

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

    async def parcel(self, size: int, offer: Offer, domain: str | None = None) -> Parcel | Outcome:
        """Return envelope and header, or why nobody is to get the message.

        ``size`` is what the source announced, in octets, and ``domain`` that of the sink, now that
        it is open. Who got the message earlier gets it no more.
        """
        self._domain = self._domain if domain is None else domain
        if objection := self._objection():
            return objection
        found = await self._recipients()
        if isinstance(found, Outcome):
            return found
        recipients, warning = found
        left = tuple(each for each in recipients if not self._is_served(each, offer))
        self.served_before = len(left) < len(recipients)
        if not left:
            return Outcome(Verdict.ACCEPTED, "everybody has it already")
        header = outgoing_header(
            self._scanner,
            self._treatment.rules,
            recipients[0] if len(recipients) == 1 else None,
            warning,
        )
        if self._decoder is not None:
            header, self._beginning = self._decoder.result(header)
        self._for_whom = left
        text = self._line_ends.feed(header)
        recoded = self._treatment.mime_decode
        names = tuple(self._name_of(each) for each in left)
        return Parcel(self._sender(), left, text, size, offer.name, offer.again, recoded, names)

    def _is_served(self, recipient: bytes, offer: Offer) -> bool:
        """Whether somebody got the message before, by whichever listener of the hunt list."""
        return recipient in offer.served or self._name_of(recipient) in offer.served

    def _name_of(self, recipient: bytes) -> bytes:
        """Return what the ledger calls a recipient: a local name is without the sink's domain."""
        return self._own.get(recipient, recipient)

    def _objection(self) -> Outcome | None:
        """Say what in the header itself keeps the message from being handed on."""
        fields = self._scanner.fields
        if hops(fields) >= HOP_LIMIT:
            return Outcome(Verdict.REFUSED, f"mail loop: more than {HOP_LIMIT} Received fields")
        if self._treatment.reject_bad_header and (line := bad_line(fields)):
            shown = line.strip()[:60].decode("ascii", "backslashreplace")
            return Outcome(Verdict.REFUSED, f'bad header line "{shown}" (bad-header reject)')
        return None

    async def _recipients(self) -> tuple[tuple[bytes, ...], bytes] | Outcome:
        """Return everybody whom the message is for, with a field to tell them why, or b""."""
        treatment = self._treatment
        if treatment.multidrop is None:
            return (self._address(treatment.recipient, treatment.smtp_name),), b""
        from ..protocols.message.recipients import (
            MAX_RECIPIENTS,
            NoEnvelope,
            Recipients,
            TooMany,
            warning_field,
        )
        from .multidrop import LookUpFailed

        try:
            found = await treatment.multidrop.find(self._scanner.fields, treatment.told)
        except LookUpFailed as error:
            return Outcome(Verdict.POSTPONED, str(error))
        match found:
            case Recipients(names):
                addresses = (self._address(name, treatment.smtp_name) for name in names)
                return tuple(dict.fromkeys(addresses)), b""
            case TooMany():
                why = f"it is for more than {MAX_RECIPIENTS} recipients here"
                return Outcome(Verdict.REFUSED, why)
            case NoEnvelope() if self._scanner.opaque:
                # No later poll and no option can tell.
                return Outcome(Verdict.REFUSED, "its header is too long to tell whom it is for")
            case NoEnvelope(field):
                why = (
                    f'no "{field}" field tells whom it is for; with "no envelope" mailhaul guesses'
                )
                return Outcome(Verdict.POSTPONED, why)
            case nobody:
                postmaster = treatment.multidrop.postmaster
        if not postmaster:
            return Outcome(Verdict.REFUSED, "it is for nobody here, and there is no postmaster")
        return (self._address(postmaster),), warning_field(nobody, self._scanner.line_end)

    def _address(self, name: str, smtp_name: str | None = None) -> bytes:
        treatment = self._treatment
        address = recipient_address(name, self._domain, smtp_name, treatment.smtp_address)
        if self._domain and not (treatment.smtp_address or smtp_name or "@" in name):
            self._own[address] = address.rpartition(b"@")[0]
        return address

    def _sender(self) -> bytes | None:
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
        return sender

    def bounce(
        self, outcome: Outcome, policy: Policy, *, to_postmaster: bool = False
    ) -> Parcel | None:
        """Return the message that tells of these refusals; None if there is nobody to tell.

        It is for the sender, or for the postmaster where a sender must not be told, or cannot be.
        """
        from ..protocols.message.bounce import Failure, bounce
        from ..protocols.message.bounceable import no_bounce
        from .fate import tells_sender

        treatment = self._treatment
        sender = self._sender() or b""
        fields = self._scanner.fields
        allowed = not to_postmaster and tells_sender(outcome, policy) and fields
        if not allowed or no_bounce(sender, fields):
            sender = self._address(treatment.postmaster) if treatment.postmaster else b""
        if not sender or treatment.bounce_context is None:
            return None
        failures = [
            Failure(recipient, refusal.status, refusal.reply)
            for refusal in outcome.refusals
            for recipient in ([refusal.recipient] if refusal.recipient else self._for_whom)
        ]
        header = b"".join(field.raw for field in fields)
        text = bounce(treatment.bounce_context(), sender, failures, header)
        return Parcel(b"", (sender,), text, len(text), names=(self._name_of(sender),))

    def notice(
        self, account: str, limit: int, sizes: Mapping[str, Mapping[int, int]], *, deleted: bool
    ) -> Parcel | None:
        """Return the message on mail that is too large; None if there is nobody to tell.

        For the other arguments see ``oversized_notice``.
        """
        from ..protocols.message.notice import oversized_notice

        return self._to_postmaster(
            lambda bounce_context, who: oversized_notice(
                bounce_context, who, account, limit, sizes, deleted=deleted
            )
        )

    def login_notice(self, account: str, *, refused: bool) -> Parcel | None:
        """Return the message on refused logins, or on one that is accepted again.

        None if there is nobody to tell.
        """
        from ..protocols.message.notice import login_notice

        return self._to_postmaster(
            lambda bounce_context, who: login_notice(bounce_context, who, account, refused=refused)
        )

    def _to_postmaster(self, notice: Callable[[BounceContext, bytes], bytes]) -> Parcel | None:
        treatment = self._treatment
        if not treatment.postmaster or treatment.bounce_context is None:
            return None
        who = self._address(treatment.postmaster)
        bounce_context = treatment.bounce_context()
        text = notice(bounce_context, who)
        text = self._line_ends.feed(text) + self._line_ends.finish()
        name = bounce_context.message_id.partition(b"@")[0].decode("ascii")
        return Parcel(b"", (who,), text, len(text), name, names=(self._name_of(who),))

    def beginning(self) -> bytes:
        """Return what came of the body along with the header."""
        return self._line_ends.feed(self._beginning)

    def convert(self, data: bytes) -> bytes:
        """Return some bytes of the body as they are handed on."""
        return self._line_ends.feed(data)

    def end(self) -> bytes:
        """Return what was held back."""
        return self._line_ends.finish()
