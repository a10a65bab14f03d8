"""From a message as received to the message as delivered: envelope, header, line ends."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..protocols.message.envelope import envelope_sender, fallback_sender, recipient_address
from ..protocols.message.fingerprint import fingerprint_of
from ..protocols.message.header import HeaderScanner
from ..protocols.message.line_ends import ForceCr, Identity, StripCr
from ..protocols.message.objections import HOP_LIMIT, bad_line, hops
from ..protocols.message.outgoing import HeaderRules, outgoing_header
from .ledger import Offer
from .outcome import Outcome, Verdict
from .sink import Parcel

if TYPE_CHECKING:
    from ..protocols.message.alert import Trouble
    from ..protocols.message.bounce import BounceContext
    from ..protocols.message.mime_decode import MimeDecoder
    from .fate import Policy
    from .multidrop import Multidrop

FIELD_OCTETS = 300
"""About how many octets a field of a header takes besides its text."""


@dataclass(frozen=True, slots=True)
class DeliveryRules:
    """The options of an account that apply to a message before its delivery.

    ``sender`` and ``server_recipient`` are the envelope addresses, if the source reports them; they
    replace those found in the header. With ``multidrop`` the recipients are found in the message,
    otherwise ``recipient`` is the only one. With ``reject_bad_header`` a message with a malformed
    header line is refused. ``bounce_context`` returns the data for a bounce; a bounce that
    cannot go to the sender goes to the ``postmaster``, if that is not "". ``domain`` is the sink's
    domain; it is "" for an MDA, for which a missing sender stays None.
    ``strip_cr``, ``force_cr`` and ``mime_decode`` are the options with these names.
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
    server_recipient: bytes | None = None
    multidrop: Multidrop | None = None
    postmaster: str = ""
    bounce_context: Callable[[], BounceContext] | None = None
    reject_bad_header: bool = False


class Packer:
    """Makes a parcel of one message. The header is held in memory until it is complete.

    Call ``scan`` until ``ready`` is true, or ``scan_end`` if the message ends before that. Then
    ``parcel``, ``beginning``, ``convert`` and ``end`` return the data for the sink, in this order.
    """

    def __init__(self, options: DeliveryRules) -> None:
        self._options = options
        self._scanner = HeaderScanner()
        self._fingerprint: bytes | None = None
        self._bounce_recipients: tuple[bytes, ...] = ()
        if options.strip_cr:
            self._line_ends: Identity | StripCr | ForceCr = StripCr()
        else:
            self._line_ends = ForceCr() if options.force_cr else Identity()
        self._decoder: MimeDecoder | None = None
        self._beginning = b""
        self._local_names: dict[bytes, bytes] = {}
        self._domain = options.domain
        self.served_before = False
        """Whether some recipients have received this message in an earlier poll."""

    @property
    def ready(self) -> bool:
        """Whether the header is complete and the outgoing header can be made."""
        return self._scanner.complete and (self._decoder is None or self._decoder.ready)

    @property
    def header_octets(self) -> int:
        """The size of the header as received."""
        return self._scanner.size

    @property
    def memory(self) -> int:
        """About how many octets the header takes in memory, as received and as delivered."""
        return 3 * self._scanner.size + FIELD_OCTETS * len(self._scanner.fields)

    @property
    def fingerprint(self) -> bytes:
        """The fingerprint of the header as received. It is made once, of the complete header."""
        if self._fingerprint is None:
            self._fingerprint = fingerprint_of(self._scanner.fields)
        return self._fingerprint

    def scan(self, data: bytes) -> None:
        """Take some bytes of a message that is not ``ready``."""
        if self._decoder is not None:
            self._decoder.feed(data)
            return
        self._scanner.feed(data)
        if self._scanner.complete:
            self._begin_body()

    def scan_end(self) -> None:
        """Take the end of a message that ends before it is ``ready``."""
        if not self._scanner.complete:
            self._scanner.finish()
            self._begin_body()
        if self._decoder is not None:
            self._decoder.finish()

    def _begin_body(self) -> None:
        self._beginning = self._scanner.rest
        if self._options.mime_decode:
            from ..protocols.message.mime_decode import MimeDecoder

            self._decoder = MimeDecoder(self._scanner.fields)
            self._decoder.feed(self._scanner.rest)

    async def parcel(self, size: int, offer: Offer, domain: str | None = None) -> Parcel | Outcome:
        """Return envelope and header, or the reason why the message is not delivered.

        ``size`` is the size announced by the source, in octets, and ``domain`` the domain of the
        open sink. Recipients who have received the message before are left out.
        """
        self._domain = self._domain if domain is None else domain
        if objection := self._objection():
            return objection
        found = await self._recipients()
        if isinstance(found, Outcome):
            return found
        recipients, warning = found
        left = recipients
        if offer.served:
            left = tuple(each for each in recipients if not self._is_served(each, offer))
        self.served_before = len(left) < len(recipients)
        if not left:
            return Outcome(Verdict.ACCEPTED, "all recipients have received it already")
        header = outgoing_header(
            self._scanner,
            self._options.rules,
            recipients[0] if len(recipients) == 1 else None,
            warning,
        )
        if self._decoder is not None:
            header, self._beginning = self._decoder.result(header)
        self._bounce_recipients = left
        text = self._line_ends.feed(header)
        recoded = self._options.mime_decode
        names = tuple([self._name_of(each) for each in left])
        return Parcel(self._sender(), left, text, size, offer.name, offer.again, recoded, names)

    def _is_served(self, recipient: bytes, offer: Offer) -> bool:
        """Whether the recipient has received the message before, by any host of the hunt list."""
        return recipient in offer.served or self._name_of(recipient) in offer.served

    def _name_of(self, recipient: bytes) -> bytes:
        """Return the recipient's name in the ledger; a local name is without the sink's domain."""
        return self._local_names.get(recipient, recipient)

    def _objection(self) -> Outcome | None:
        """Return a refusal if the header itself forbids delivery."""
        fields = self._scanner.fields
        if hops(fields) >= HOP_LIMIT:
            return Outcome(Verdict.REFUSED, f"mail loop: more than {HOP_LIMIT} Received fields")
        if self._options.reject_bad_header and (line := bad_line(fields)):
            printable = line.strip()[:60].decode("ascii", "backslashreplace")
            return Outcome(Verdict.REFUSED, f'bad header line "{printable}" (bad-header reject)')
        return None

    async def _recipients(self) -> tuple[tuple[bytes, ...], bytes] | Outcome:
        """Return the recipients, with a header field that warns them, or b""."""
        options = self._options
        if options.multidrop is None:
            return (self._address(options.recipient, options.smtp_name),), b""
        from ..protocols.message.recipients import (
            MAX_RECIPIENTS,
            NoEnvelope,
            Recipients,
            TooMany,
            warning_field,
        )
        from .multidrop import LookUpFailed

        try:
            found = await options.multidrop.find(self._scanner.fields, options.server_recipient)
        except LookUpFailed as error:
            return Outcome(Verdict.POSTPONED, str(error))
        match found:
            case Recipients(names):
                addresses = (self._address(name, options.smtp_name) for name in names)
                return tuple(dict.fromkeys(addresses)), b""
            case TooMany():
                why = f"it has more than {MAX_RECIPIENTS} local recipients"
                return Outcome(Verdict.REFUSED, why)
            case NoEnvelope() if self._scanner.opaque:
                # Neither another poll nor another option would help.
                return Outcome(Verdict.REFUSED, "its header is too long to find the recipient")
            case NoEnvelope(field):
                why = (
                    f'it has no "{field}" field with its recipient; '
                    'with "no envelope" mailhaul guesses'
                )
                return Outcome(Verdict.POSTPONED, why)
            case no_recipient:
                postmaster = options.multidrop.postmaster
        if not postmaster:
            return Outcome(Verdict.REFUSED, "it has no local recipient, and no postmaster is set")
        return (self._address(postmaster),), warning_field(no_recipient, self._scanner.line_end)

    def _address(self, name: str, smtp_name: str | None = None) -> bytes:
        options = self._options
        address = recipient_address(name, self._domain, smtp_name, options.smtp_address)
        if self._domain and not (options.smtp_address or smtp_name or "@" in name):
            self._local_names[address] = address.rpartition(b"@")[0]
        return address

    def _sender(self) -> bytes | None:
        options = self._options
        rules = options.rules
        for_mda = not options.domain
        sender = options.sender
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
        """Return the bounce for these refusals; None if it has no recipient.

        It goes to the sender, or to the postmaster if a bounce to the sender is not allowed or
        not possible.
        """
        from ..protocols.message.bounce import Failure, bounce
        from ..protocols.message.bounceable import no_bounce
        from .fate import notifies_sender

        options = self._options
        sender = self._sender() or b""
        fields = self._scanner.fields
        allowed = not to_postmaster and notifies_sender(outcome, policy) and fields
        if not allowed or no_bounce(sender, fields):
            sender = self._address(options.postmaster) if options.postmaster else b""
        if not sender or options.bounce_context is None:
            return None
        failures = [
            Failure(recipient, refusal.status, refusal.reply)
            for refusal in outcome.refusals
            for recipient in ([refusal.recipient] if refusal.recipient else self._bounce_recipients)
        ]
        header = b"".join(field.raw for field in fields)
        text = bounce(options.bounce_context(), sender, failures, header)
        return Parcel(b"", (sender,), text, len(text), names=(self._name_of(sender),))

    def notice(
        self, account: str, limit: int, sizes: Mapping[str, Mapping[int, int]], *, deleted: bool
    ) -> Parcel | None:
        """Return the notice about oversized messages; None if there is no postmaster.

        The other arguments are those of ``oversized_notice``.
        """
        from ..protocols.message.notice import oversized_notice

        return self._to_postmaster(
            lambda bounce_context, who: oversized_notice(
                bounce_context, who, account, limit, sizes, deleted=deleted
            )
        )

    def alert(self, trouble: Trouble, *, is_over: bool) -> Parcel | None:
        """Return the mail about polls that fail, or that succeed again.

        None if there is no postmaster.
        """
        from ..protocols.message.alert import failure_notice, recovery_notice

        notice = recovery_notice if is_over else failure_notice
        return self._to_postmaster(lambda bounce_context, who: notice(bounce_context, who, trouble))

    def _to_postmaster(self, notice: Callable[[BounceContext, bytes], bytes]) -> Parcel | None:
        options = self._options
        if not options.postmaster or options.bounce_context is None:
            return None
        who = self._address(options.postmaster)
        bounce_context = options.bounce_context()
        text = notice(bounce_context, who)
        text = self._line_ends.feed(text) + self._line_ends.finish()
        name = bounce_context.message_id.partition(b"@")[0].decode("ascii")
        return Parcel(b"", (who,), text, len(text), name, names=(self._name_of(who),))

    def beginning(self) -> bytes:
        """Return, once, the part of the body that arrived with the header."""
        beginning, self._beginning, self._scanner.rest = self._beginning, b"", b""
        return self._line_ends.feed(beginning)

    def convert(self, data: bytes) -> bytes:
        """Convert some bytes of the body for the sink."""
        return self._line_ends.feed(data)

    def end(self) -> bytes:
        """Return the remaining bytes at the end of the body."""
        return self._line_ends.finish()
