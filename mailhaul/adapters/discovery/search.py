"""The order in which places are looked for, and what is asked for each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ...protocols.record import Record
from .names import Resolver, places_by_srv, provider_by_mx
from .places import Place, Provider, split_address
from .probe import guesses
from .providers import places_at, provider_of_domain


class Tools(Record):
    """What the search uses of the world. ``resolver`` is None without dnspython.

    ``ask_autoconfig`` returns the places that autoconfig names for an address; it is None without
    an HTTP client. ``probe`` returns, for each of some places, why it cannot be used, or "".
    """

    resolver: Resolver | None
    ask_autoconfig: Callable[[str], Sequence[Place]] | None
    probe: Callable[[Sequence[Place]], Sequence[str]]


class NotFound(Exception):
    """There is no usable place. ``reasons`` are those of the places that were tried."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__("no mail server was found")
        self.reasons = tuple(reasons)


class Unsupported(Exception):
    """The provider has no such service. ``str()`` says so."""


def find_place(
    address: str,
    protocols: Sequence[str],
    tools: Tools,
    host: str = "",
    port: int | None = None,
) -> Place:
    """Return where the mail of an address is; ``protocols`` are those to take, in this order.

    With ``host`` only this server is tried. Raises NotFound and Unsupported, and ValueError for
    something that is no address.
    """
    _, domain = split_address(address)
    if host:
        return first_usable(guesses(domain, address, protocols, host, port), tools)
    if provider := provider_of_domain(domain):
        return first_at(
            provider, address, protocols, f"from the table of providers ({provider.name})"
        )
    reasons: list[str] = []
    for places in stages(domain, address, protocols, tools):
        try:
            return first_usable(places, tools)
        except NotFound as failure:
            reasons += failure.reasons
    raise NotFound(reasons)


def first_at(provider: Provider, address: str, protocols: Sequence[str], found_by: str) -> Place:
    """Return the first place at a provider. Raises Unsupported if there is none."""
    places = places_at(provider, address, tuple(protocols), found_by)
    if not places:
        wanted = " or ".join(protocol.upper() for protocol in protocols)
        raise Unsupported(provider.note or f"{provider.name} offers no {wanted}")
    return places[0]


def stages(
    domain: str, address: str, protocols: Sequence[str], tools: Tools
) -> Iterator[Sequence[Place]]:
    """Yield the places to try, from the most reliable source to guesses."""
    if tools.resolver is not None:
        yield places_by_srv(tools.resolver, domain, address, protocols)
        if provider := provider_by_mx(tools.resolver, domain):
            found_by = f"from the MX record of {domain} ({provider.name})"
            yield [first_at(provider, address, protocols, found_by)]
    if tools.ask_autoconfig is not None:
        found = tools.ask_autoconfig(address)
        yield [one for protocol in protocols for one in found if one.protocol == protocol]
    yield guesses(domain, address, protocols)


def first_usable(places: Sequence[Place], tools: Tools) -> Place:
    """Return the first place that can be used. Raises NotFound with the reasons of all."""
    reasons = tools.probe(places) if places else ()
    for place, reason in zip(places, reasons, strict=True):
        if not reason:
            return place
    raise NotFound(list(dict.fromkeys(reasons)))
