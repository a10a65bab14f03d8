"""Try a place by a real connection, up to the greeting: nothing is sent that names the user."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ... import imap, pop3
from ...flows.channel import Channel, Endpoint
from ...flows.requests import Close, Open, RuntimeFault, Tcp, Trust, UpgradeToTls, Wait
from ...protocols.errors import ProtocolError
from ...protocols.machine import NeedData
from ..ledger.names import is_loopback
from ..login.access import excerpt
from .places import IMAP, POP3, PORTS, Place

SECONDS: Final = 5.0
"""Seconds for each step. A guess that needs longer is probably none."""


def guesses(
    domain: str, address: str, protocols: Sequence[str], host: str = "", port: int | None = None
) -> list[Place]:
    """Return the places to try: at ``host``, or at the usual names in the domain."""
    places: list[Place] = []
    for protocol in protocols:
        usual = {IMAP: f"imap.{domain}", POP3: f"pop.{domain}"}[protocol]
        hosts = [host] if host else [usual, f"mail.{domain}"]
        if not host and protocol == POP3:
            hosts.insert(1, f"pop3.{domain}")
        for wrapped in (True, False):
            usual_port = PORTS[protocol, wrapped]
            found_by = "where you said" if host else "by a connection"
            places += [
                Place(protocol, name, port or usual_port, wrapped, address, found_by)
                for name in hosts
            ]
    return places


class Unusable(Exception):
    """A place cannot be used. ``str()`` is the reason."""


async def probe(place: Place) -> None:
    """Connect, encrypt and hear the greeting, then hang up. This is a flow. Raises Unusable.

    STARTTLS is left to the login, which sends no password without it, and so is the certificate of
    a server on this machine, which may be its own.
    """
    trust = Trust(place.host, verify=not is_loopback(place.host))
    machine = imap.Client() if place.protocol == IMAP else pop3.Client()
    channel: Channel[Endpoint] = Channel(place.host, machine)
    try:
        await Open(channel, Tcp(place.host, place.port), SECONDS)
        if place.wrapped:
            await UpgradeToTls(channel, trust, SECONDS)
        while isinstance(event := machine.next_event(), NeedData):
            await Wait([channel], SECONDS)
    except (RuntimeFault, ProtocolError) as fault:
        await Close(channel)
        raise Unusable(str(fault)) from None
    await Close(channel)
    if isinstance(event, imap.SaidBye | pop3.TurnedAway):
        raise Unusable(f"the server refuses the connection: {excerpt(event.text)}")
