"""How the messages of an account are addressed and changed before delivery."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from ... import __version__
from ...adapters.config.settings import AccountSettings
from ...adapters.sinks.kinds import chosen_sink
from ...flows.host_names import ascii_host, name_in_mail
from ...flows.sink import Sink
from .context import PollContext

if TYPE_CHECKING:
    from ...flows.multidrop import Multidrop
    from ...flows.parcel import DeliveryRules, Packer
    from ...protocols.message.bounce import BounceContext
    from ...protocols.message.trace import Received
    from .sources import MailSource


def unicode_and_ascii(hosts: Sequence[str]) -> Sequence[str]:
    """Return names as they are typed and in ASCII: a header may have either form."""
    return list(dict.fromkeys([*hosts, *map(ascii_host, hosts)]))


class Packing:
    """Makes the packer of each message of a poll.

    The rules for them are made again only when what they depend on has changed: the second in the
    Received field, the sink's domain, the server, or an envelope address that the source reports.
    """

    def __init__(
        self,
        settings: AccountSettings,
        context: PollContext,
        source: MailSource,
        multidrop: Multidrop | None,
    ) -> None:
        self._settings = settings
        self._context = context
        self._source = source
        self._multidrop = multidrop
        self._kind: Callable[[DeliveryRules], Packer] | None = None
        self._made_for: tuple[object, ...] = ()
        self._rules: DeliveryRules | None = None

    def __call__(self, sink: Sink) -> Packer:
        """Return the packer of the next message."""
        source = self._source
        state = (
            *(int(time.time()), sink.domain, source.channel.address, source.mailbox),
            *(source.envelope_sender, source.envelope_recipient),
        )
        if self._kind is None:
            self._kind = packer_kind(self._context)
        if self._rules is None or state != self._made_for:
            self._made_for = state
            self._rules = self._make_rules(sink)
        return self._kind(self._rules)

    def _make_rules(self, sink: Sink) -> DeliveryRules:
        from ...flows.parcel import DeliveryRules
        from ...protocols.message.outgoing import HeaderRules

        settings, context, source = self._settings, self._context, self._source
        # A message that moves from one mailbox to another stays as it is.
        moved = chosen_sink(settings).moves
        invisible = moved or context.globals.invisible
        rules = HeaderRules(
            truename=name_in_mail(settings.host),
            user=settings.remote_user,
            trace=None if invisible else trace_of(settings, context, source),
            rewrite=settings.rewrite and not moved,
            drop_status=settings.dropstatus,
            drop_delivered=settings.dropdelivered,
            keep_return_path=sink.keeps_return_path,
            multidrop=self._multidrop is not None,
        )
        return DeliveryRules(
            recipient=settings.local_names[0][0] if settings.local_names else "",
            domain=sink.domain,
            rules=rules,
            smtp_name=settings.smtpname,
            smtp_address=settings.smtpaddress and ascii_host(settings.smtpaddress),
            strip_cr=settings.stripcr,
            force_cr=settings.forcecr,
            mime_decode=settings.mimedecode,
            sender=source.envelope_sender,
            server_recipient=source.envelope_recipient,
            multidrop=self._multidrop,
            postmaster=context.globals.postmaster,
            bounce_context=lambda: bounce_context(context.hostname),
            reject_bad_header=settings.chose("bad_header") and settings.bad_header == "reject",
        )


def packer_kind(context: PollContext) -> Callable[[DeliveryRules], Packer]:
    """Return the class of packers: one that shows progress if the user wants to see it."""
    if context.dots is not None:
        from .dots import DottedPacker

        return partial(DottedPacker, show=context.dots)
    if context.octets is not None:
        from .dots import CountingPacker

        return partial(CountingPacker, count=context.octets)
    from ...flows.parcel import Packer

    return Packer


def bounce_context(host: str) -> BounceContext:
    """Return date, Message-ID and boundary for a bounce that is made now."""
    from ...protocols.message.bounce import BounceContext
    from ...protocols.message.trace import format_date

    moment = int(time.time())
    zone = time.localtime(moment)
    unique = os.urandom(12).hex().encode("ascii")
    name = b"%d.%b@%b" % (moment, unique, host.encode("ascii", "replace"))
    date = format_date(moment, zone.tm_gmtoff, zone.tm_zone)
    return BounceContext(host, date, name, b"mailhaul-" + unique)


def multidrop_of(settings: AccountSettings, context: PollContext) -> Multidrop | None:
    """Return how to find the recipients, if the mailbox is shared (multidrop)."""
    if not settings.multidrop:
        return None
    from ...flows.multidrop import Multidrop
    from ...protocols.message.recipients import LocalNames

    host = name_in_mail(settings.host)
    names = LocalNames(
        host,
        settings.local_names,
        wildcard=settings.wildcard,
        aka=unicode_and_ascii(settings.aka),
        localdomains=unicode_and_ascii(settings.localdomains),
        qvirtual=settings.qvirtual,
    )
    is_server = None
    if settings.dns:
        from ...adapters.aliases import alias_test

        is_server = alias_test(host, same_address=settings.checkalias)
    postmaster = context.globals.postmaster
    return Multidrop(names, settings.envelope, settings.envelope_skip, postmaster, is_server)


def trace_of(settings: AccountSettings, context: PollContext, source: MailSource) -> Received:
    """Return the contents of the Received field of the next message."""
    from ...protocols.message.trace import Received, format_date

    moment = int(time.time())
    zone = time.localtime(moment)
    details = ""
    if settings.tracepolls:
        details = f"polling {settings.pollname} account {settings.remote_user}"
        if settings.folders != ("INBOX",):
            details += f" folder {source.mailbox}"
    return Received(
        truename=name_in_mail(settings.host),
        address=source.channel.address if settings.dns else "",
        host=context.hostname,
        protocol=settings.kind.family.upper().encode("ascii"),
        version=__version__.encode("ascii"),
        date=format_date(moment, zone.tm_gmtoff, zone.tm_zone),
        details=details,
    )
