"""Find the recipients of a message in a mailbox of several users (fetchmail's multidrop).

The server discarded the envelope. Its only traces are in a field that the server wrote: the
field that the option ``envelope`` names, or the server's own ``Received``. Without such a field
only ``To`` and ``Cc`` remain, and mail from a mailing list or a blind copy is misdelivered. So
this module never guesses on its own: ``envelope_recipients`` returns ``NoEnvelope``, and the
caller then reports this and calls ``guessed_recipients``. fetchmail does the same without a
report.

Whether a host is another name of the mail server may need a DNS lookup. This module makes no
lookups: known results are passed in, and ``LookUp`` names the missing hosts. The caller looks
them up, adds the results to the known ones, and calls again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from ..record import Record
from .addresses import Address, addresses
from .envelope import MAX_PATH, is_domain, is_local_part, is_path
from .header import Field
from .received import received_for
from .trace import plain_bytes

RECIPIENT_FIELDS = (
    (b"resent-to", b"resent-cc", b"resent-bcc"),
    (b"to", b"cc", b"bcc", b"apparently-to"),
)
"""Fields that name the recipients for the reader; the first group with a field present counts."""

MAX_RECIPIENTS = 10_000
"""Maximum number of recipients of one message.

A header has room for half a million, but no SMTP server accepts so many.
"""
MAX_NAMED = 100
"""Maximum number of addresses or hosts in a ``NoMatch`` or ``LookUp`` result."""
MAX_ADDRESS = 320
"""Maximum number of octets of an address that a warning shows (RFC 5321, 4.5.3.1)."""


class Recipients(Record):
    """The recipients of the message, without duplicates: local names and whole addresses.

    Both are valid arguments of ``recipient_address``.
    """

    names: tuple[str, ...]


class NoMatch(Record):
    """The message names recipients, but none is local: it is delivered to the postmaster."""

    rejected: tuple[bytes, ...]


class NoEnvelope(Record):
    """The message does not have this field, or none that names a recipient."""

    field: str


class TooMany(Record):
    """The message names more than ``MAX_RECIPIENTS`` local recipients."""


class LookUp(Record):
    """The result depends on whether these hosts, in lower case, are the mail server.

    A message can name any number of hosts, so this may be only a part of them. If there are too
    many to look up, the caller passes False for the others.
    """

    hosts: tuple[bytes, ...]


Known: TypeAlias = Mapping[bytes, bool] | None
"""For each known host, in lower case, whether it is the mail server; None means ``no dns``."""


class LocalNames:
    """The local users of an account, from the options of these names; case is ignored.

    ``local_names`` are pairs: a name at the server, or a whole address, and a local name. With
    ``wildcard``, every other name at the server is its own local name.
    """

    def __init__(
        self,
        truename: str,
        local_names: Iterable[tuple[str, str]],
        *,
        wildcard: bool = False,
        aka: Iterable[str] = (),
        localdomains: Iterable[str] = (),
        qvirtual: str | None = None,
    ) -> None:
        self._local_names: dict[bytes, str] = {}
        for remote, local in local_names:
            self._local_names.setdefault(lower_bytes(remote), local)
        self._truename = lower_bytes(truename)
        self._wildcard = wildcard
        self._aka = [lower_bytes(host) for host in aka]
        self._localdomains = [lower_bytes(domain) for domain in localdomains]
        self._prefix = lower_bytes(qvirtual or "")

    def without_prefix(self, spec: bytes) -> bytes:
        """Return an address without the prefix that qmail adds for a virtual domain."""
        return spec[len(self._prefix) :] if spec.lower().startswith(self._prefix) else spec

    def is_server(self, host: bytes, known: Known) -> bool | None:
        """Whether a host, in lower case, is the mail server; None if a lookup is needed."""
        if host == self._truename or is_within(host, self._aka):
            return True
        if known is None or not host.isascii() or host.startswith(b"[") or not is_domain(host):
            return False
        return known.get(host)

    def local_name_for(self, spec: bytes, hostless: bool, known: Known) -> str | LookUp | None:
        """Return the local name or address for this address, or None if it is not local.

        An address without a host belongs to the server. fetchmail treats it so only after
        ``rewrite`` has completed it, and skips it in the envelope field.
        """
        if hostless:
            return self._name_at_server(spec)
        local, at, host = spec.rpartition(b"@")
        if not at:
            return None
        host = host.lower().removesuffix(b".")
        if (declared := self._local_names.get(local.lower() + b"@" + host)) is not None:
            return declared
        if is_within(host, self._localdomains):
            address = spec.removesuffix(b".")
            return address.decode() if address.isascii() and is_path(address) else None
        # A name without a local user needs no lookup.
        name = self._name_at_server(local)
        if name is None:
            return None
        server = self.is_server(host, known)
        if server is None:
            return LookUp((host,))
        return name if server else None

    def _name_at_server(self, local: bytes) -> str | None:
        declared = self._local_names.get(unquoted(local).lower())
        if declared is not None or not self._wildcard:
            return declared
        # This text is untrusted: a whole address would allow relaying to any host.
        usable = local.isascii() and b"@" not in local and is_local_part(local)
        return local.decode() if usable and len(local) <= MAX_PATH else None


def envelope_recipients(
    fields: Sequence[Field], envelope: str, skip: int, names: LocalNames, known: Known
) -> Recipients | NoMatch | NoEnvelope | TooMany | LookUp:
    """Find the recipients in the field ``envelope``; skip the first ``skip`` of that name."""
    named = fields_called(lower_bytes(envelope).rstrip(b": \t"), fields)[skip:]
    if named and named[0].key == b"received":
        return received_recipients(named, names, known)
    if not named:
        return NoEnvelope(envelope)
    return matching_recipients(addresses(named[0].body), names, known)


def received_recipients(
    fields: Sequence[Field], names: LocalNames, known: Known
) -> Recipients | NoMatch | NoEnvelope | TooMany | LookUp:
    """Find the recipient in the first Received field with ``by`` the mail server and a ``for``."""
    for field in fields:
        by, address = received_for(field.body)
        if address is None:
            continue
        host = by.lower().removesuffix(b".")
        server = names.is_server(host, known)
        if server is None:
            return LookUp((host,))
        if server:
            return matching_recipients([address], names, known)
    return NoEnvelope("Received")


def guessed_recipients(
    fields: Sequence[Field], names: LocalNames, known: Known
) -> Recipients | NoMatch | TooMany | LookUp:
    """Find the recipients in ``To``, ``Cc`` and similar fields, if there is no envelope field."""
    for keys in RECIPIENT_FIELDS:
        found = [field for field in fields if field.key in keys]
        if found:
            candidates = (address for field in found for address in addresses(field.body))
            return matching_recipients(candidates, names, known)
    return NoMatch(())


def matching_recipients(
    candidates: Iterable[Address], names: LocalNames, known: Known
) -> Recipients | NoMatch | TooMany | LookUp:
    """Return the local recipients among these addresses.

    It is also used for the address that an SDPS server reports.
    """
    # The dictionaries serve as ordered sets.
    matched: dict[str, None] = {}
    rejected: dict[bytes, None] = {}
    unknown: dict[bytes, None] = {}
    for address in candidates:
        spec = names.without_prefix(address.spec)
        match names.local_name_for(spec, address.hostless, known):
            case str(name):
                matched[name] = None
                if len(matched) > MAX_RECIPIENTS:
                    return TooMany()
            case LookUp(hosts) if len(unknown) < MAX_NAMED:
                unknown.update(dict.fromkeys(hosts))
            case None if spec and len(rejected) < MAX_NAMED:
                rejected[spec] = None
            case _:
                pass
    if unknown:
        return LookUp(tuple(unknown))
    return Recipients(tuple(matched)) if matched else NoMatch(tuple(rejected))


def warning_field(outcome: NoMatch, line_end: bytes) -> bytes:
    """Return the field that tells the postmaster why the message was delivered there."""
    if len(outcome.rejected) == 1:
        address = plain_bytes(outcome.rejected[0][:MAX_ADDRESS])
        reason = b"recipient address %b didn't match any local name" % address
    else:
        reason = b"no recipient addresses matched declared local names"
    return b"X-Fetchmail-Warning: " + reason + line_end


def fields_called(name: bytes, fields: Sequence[Field]) -> list[Field]:
    """Return the fields with this name (in lower case), or else those whose names begin with it.

    fetchmail always matches the beginning: ``X-Envelope-From`` for ``X-Envelope``.
    """
    if not name:
        return []
    exact = [field for field in fields if field.key == name]
    return exact or [field for field in fields if field.key.startswith(name)]


def is_within(host: bytes, domains: Iterable[bytes]) -> bool:
    """Whether a host is one of these domains or a subdomain, all in lower case."""
    return any(host == domain or host.endswith(b"." + domain) for domain in domains)


def unquoted(local: bytes) -> bytes:
    """Return a local part without its quoting, which adds no meaning (RFC 5321, 4.1.2)."""
    if not local.startswith(b'"') or not is_local_part(local):
        return local
    inner = local[1:-1]
    pieces = inner.split(b"\\\\")
    return b"\\".join(piece.replace(b"\\", b"") for piece in pieces)


def lower_bytes(text: str) -> bytes:
    """Return text from the configuration in UTF-8 and lower case, to compare with header bytes."""
    return text.encode("utf-8", "surrogateescape").lower()
