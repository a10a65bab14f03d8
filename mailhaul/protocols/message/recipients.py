"""Whom a message in a mailbox of several people is for (fetchmail's multidrop).

The server knew the envelope and has thrown it away. What is left of it stands in a field
that the server wrote: one that the option ``envelope`` names, or its own ``Received``.
Without such a field there is only what was written for people, ``To`` and ``Cc``, and mail
from a mailing list or a blind copy goes astray. So nothing in here guesses by itself:
``envelope_recipients`` answers ``NoEnvelope``; then it is for the caller to say so, and to
ask ``guessed_recipients``, as fetchmail does without a word.

Whether a host is another name of the mail server can be a question for the name service.
Nothing in here asks it: what is known comes in, and ``LookUp`` says what is missing. Ask,
add the answers to what is known, and call again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from ..record import Record
from .addresses import Address, addresses
from .envelope import PATH_LIMIT, is_domain, is_local_part, is_path
from .header import Field
from .received import received_for
from .trace import plain_bytes

GUESSES = ((b"resent-to", b"resent-cc", b"resent-bcc"), (b"to", b"cc", b"bcc", b"apparently-to"))
"""Fields that tell people who got the message; the first group of which there is one counts."""

MAX_RECIPIENTS = 10_000
"""Recipients of one message. A header has room for half a million; no listener takes so many."""
MAX_NAMED = 100
"""Addresses, or hosts, that an answer names where it is not about recipients."""
ADDRESS_SHOWN = 320
"""Octets of an address that a warning shows: the longest there are (RFC 5321, 4.5.3.1)."""


class Recipients(Record):
    """The message is for these, each once: local names, and addresses that pass as they are.

    Both are what ``recipient_address`` takes.
    """

    names: tuple[str, ...]


class NoMatch(Record):
    """The message names its recipients, and none of them is here: it is the postmaster's."""

    rejected: tuple[bytes, ...]


class NoEnvelope(Record):
    """The message does not have this field, or not one that says for whom it came."""

    field: str


class TooMany(Record):
    """The message names more than ``MAX_RECIPIENTS`` people here."""


class LookUp(Record):
    """It depends on whether these hosts, in lower case, are the mail server.

    A message can name as many as it likes: these may be some of them. Of those that are too many
    to ask about, say no.
    """

    hosts: tuple[bytes, ...]


Known: TypeAlias = Mapping[bytes, bool] | None
"""Which hosts, in lower case, are the mail server; None if nothing is looked up (``no dns``)."""


class LocalNames:
    """Who lives here, as the options of these names say. Upper and lower case are the same.

    ``local_names`` are pairs of a name at the server, or of a whole address, and a local
    name; with ``wildcard`` every other name at the server stands for itself.
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
        """Return an address without what qmail puts before those of a virtual domain."""
        return spec[len(self._prefix) :] if spec.lower().startswith(self._prefix) else spec

    def is_server(self, host: bytes, known: Known) -> bool | None:
        """Whether a host, in lower case, is the mail server; None if that is to be looked up."""
        if host == self._truename or is_within(host, self._aka):
            return True
        if known is None or not host.isascii() or host.startswith(b"[") or not is_domain(host):
            return False
        return known.get(host)

    def name_of(self, spec: bytes, hostless: bool, known: Known) -> str | LookUp | None:
        """Return who has this address, None for nobody here.

        An address without host is one at the server. fetchmail takes it for that only where
        ``rewrite`` has just completed it, and passes over it in the field of the envelope.
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
        # A name that is nobody's is not worth a look-up.
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
        # A stranger wrote it: it must be no address, or mail could be sent anywhere through us.
        usable = local.isascii() and b"@" not in local and is_local_part(local)
        return local.decode() if usable and len(local) <= PATH_LIMIT else None


def envelope_recipients(
    fields: Sequence[Field], envelope: str, skip: int, names: LocalNames, known: Known
) -> Recipients | NoMatch | NoEnvelope | TooMany | LookUp:
    """Find the recipients in the field ``envelope``, behind ``skip`` others of its name."""
    named = fields_called(lower_bytes(envelope).rstrip(b": \t"), fields)[skip:]
    if named and named[0].key == b"received":
        return received_recipients(named, names, known)
    if not named:
        return NoEnvelope(envelope)
    return matching_recipients(addresses(named[0].body), names, known)


def received_recipients(
    fields: Sequence[Field], names: LocalNames, known: Known
) -> Recipients | NoMatch | NoEnvelope | TooMany | LookUp:
    """Find the recipient in the first Received field that says: by the mail server, for whom."""
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
    """Find the recipients in what was written for people (``no envelope``, or nothing better)."""
    for keys in GUESSES:
        found = [field for field in fields if field.key in keys]
        if found:
            everyone = (address for field in found for address in addresses(field.body))
            return matching_recipients(everyone, names, known)
    return NoMatch(())


def matching_recipients(
    candidates: Iterable[Address], names: LocalNames, known: Known
) -> Recipients | NoMatch | TooMany | LookUp:
    """Find which of these addresses are somebody's here; also for one that SDPS has told."""
    # Dictionaries are sets that keep their order.
    matched: dict[str, None] = {}
    rejected: dict[bytes, None] = {}
    unknown: dict[bytes, None] = {}
    for address in candidates:
        spec = names.without_prefix(address.spec)
        match names.name_of(spec, address.hostless, known):
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
    """Return the field that tells the postmaster why the message came."""
    if len(outcome.rejected) == 1:
        address = plain_bytes(outcome.rejected[0][:ADDRESS_SHOWN])
        reason = b"recipient address %b didn't match any local name" % address
    else:
        reason = b"no recipient addresses matched declared local names"
    return b"X-Fetchmail-Warning: " + reason + line_end


def fields_called(name: bytes, fields: Sequence[Field]) -> list[Field]:
    """Return the fields of this name, in lower case; without any, those whose names begin so.

    fetchmail always takes those that begin so: ``X-Envelope-From`` for ``X-Envelope``.
    """
    if not name:
        return []
    exact = [field for field in fields if field.key == name]
    return exact or [field for field in fields if field.key.startswith(name)]


def is_within(host: bytes, domains: Iterable[bytes]) -> bool:
    """Whether a host is one of these domains or below one, all in lower case."""
    return any(host == domain or host.endswith(b"." + domain) for domain in domains)


def unquoted(local: bytes) -> bytes:
    """Return what a local part means: quotes around it add nothing (RFC 5321, 4.1.2)."""
    if not local.startswith(b'"') or not is_local_part(local):
        return local
    inner = local[1:-1]
    pieces = inner.split(b"\\\\")
    return b"\\".join(piece.replace(b"\\", b"") for piece in pieces)


def lower_bytes(text: str) -> bytes:
    """Return text from the configuration as header bytes to compare with."""
    return text.encode("utf-8", "surrogateescape").lower()
