"""``mailhaul init``: look for the server on the network, and try a login there."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.util import find_spec

from ...adapters.config.settings import AccountSettings
from ...adapters.discovery.autoconfig import addresses_to_ask, ask_autoconfig
from ...adapters.discovery.names import DnsResolver, NoResolver, Resolver
from ...adapters.discovery.places import Place
from ...adapters.discovery.probe import Unusable, probe
from ...adapters.discovery.search import Tools
from ...adapters.login.reach import access_of
from ...adapters.sources.imap import ImapSource
from ...adapters.sources.pop3 import Pop3Source
from ...flows.channel import describe
from ...flows.outcome import PollFailed, code_of
from ...flows.report import Event
from ...flows.requests import RuntimeFault, TlsFailed
from ...protocols.errors import ProtocolError
from ...protocols.record import Record
from ...runtimes import blocking, several
from ...runtimes.engine import Engine

AT_A_TIME = 8
"""Connections of a search at a time. What names the places may be a document of somebody else."""
NO_PIN = "00" * 32
"""A fingerprint that no certificate has."""


class Mailbox(Record):
    """What a trial login has seen: the messages in INBOX, and how many of them are new."""

    total: int
    new: int


class PinNeeded(Exception):
    """The certificate is not accepted; ``fingerprint`` is its own."""

    def __init__(self, fingerprint: str) -> None:
        super().__init__("the certificate is not accepted")
        self.fingerprint = fingerprint


# The search


def usual_tools() -> Tools:
    """Return the tools that this installation has."""
    return Tools(resolver(), autoconfig(), probe_all)


def resolver() -> Resolver | None:
    """Return what asks the name servers, or None without dnspython."""
    try:
        return DnsResolver()
    except NoResolver:
        return None


def autoconfig() -> Callable[[str], Sequence[Place]] | None:
    """Return what asks for an autoconfig document, or None without h11."""
    if find_spec("h11") is None:
        return None
    return lambda address: blocking.run(ask_autoconfig(addresses_to_ask(address), address))


class Decided(Exception):
    """The first place that can be used is known: the others need not be waited for."""


def probe_all(places: Sequence[Place]) -> Sequence[str]:
    """Try places in this order, a few side by side; return why each cannot be used, or "".

    Those after the first one that can be used may not have been tried, or not to the end.
    """
    reasons: list[str | None] = [None] * len(places)

    left = iter(enumerate(places))

    async def one_after_another() -> None:
        for number, place in left:
            try:
                await probe(place)
            except Unusable as reason:
                reasons[number] = f"{place.host}: {reason}"
            else:
                reasons[number] = ""
            # The first one that has not failed.
            if next((reason for reason in reasons if not reason), None) == "":
                raise Decided
            # A place that can be used is known, and those before it have begun.
            if "" in reasons:
                return

    with suppress(Decided):
        flows = [one_after_another() for _ in places[:AT_A_TIME]]
        several.run((flow, Engine(time.monotonic)) for flow in flows)
    return ["it was not tried" if reason is None else reason for reason in reasons]


# The login


def try_login(settings: AccountSettings) -> Mailbox:
    """Log in, look into INBOX without a change, and log out. Raises PollFailed and PinNeeded."""
    source = source_for(settings)
    try:
        return blocking.run(look(source))
    except TlsFailed as fault:
        if fault.fingerprint and settings.sslfingerprint == NO_PIN:
            raise PinNeeded(fault.fingerprint) from None
        raise PollFailed(code_of(fault), describe(source.channel, fault)) from None
    except (ProtocolError, RuntimeFault) as fault:
        raise PollFailed(code_of(fault), describe(source.channel, fault)) from None


def source_for(settings: AccountSettings) -> ImapSource | Pop3Source:
    """Return the mailbox of an account."""
    access = access_of(settings, None)
    if settings.kind.family == "imap":
        return ImapSource(access, ignore, keeps=True)
    return Pop3Source(access, ignore, remember=True)


async def look(source: ImapSource | Pop3Source) -> Mailbox:
    """Log in, count the messages in INBOX, and log out. This is a flow."""
    try:
        await source.open()
        await source.select("INBOX", read_only=True)
        new = await source.new(everything=False)
    except (PollFailed, ProtocolError, RuntimeFault):
        await source.close()
        raise
    mailbox = Mailbox(source.total, len(new))
    await source.close()
    return mailbox


def ignore(event: Event) -> None:
    """Take no note of an event: nothing is fetched."""
