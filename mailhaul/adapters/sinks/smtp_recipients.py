"""The recipients of a parcel as one SMTP or LMTP listener gets them, and as the ledger has them."""

from __future__ import annotations

from ...flows.sink import Parcel
from ...protocols.message.hosts import domain_part


def recipients_at(parcel: Parcel, domain: str) -> tuple[bytes, ...]:
    """Return the recipients of a parcel, with this domain for local names.

    The parcel may have been made for another entry of the hunt list.
    """
    if not parcel.names:
        return parcel.recipients
    pairs = zip(parcel.recipients, parcel.names, strict=True)
    return tuple(
        [
            address if address == name else name + b"@" + domain_part(domain)
            for address, name in pairs
        ]
    )


def decoded(address: bytes) -> str:
    """Return an address as text; the conversion is reversible."""
    return address.decode("utf-8", "surrogateescape")
