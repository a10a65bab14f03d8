"""What a server's certificate says: for whom, from whom and until when."""

from __future__ import annotations

import hashlib
import ssl
import time
from collections.abc import Iterable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ....protocols.record import Record

if TYPE_CHECKING:
    from ....runtimes.tls import TlsFacts

DAY = 86400.0


class Certificate(Record):
    """A certificate. ``expires`` is Unix time; what is not known is "" or None.

    ``fingerprint`` is that of SHA-256, as "sslfingerprint" takes it.
    """

    fingerprint: str
    subject: str = ""
    issuer: str = ""
    names: tuple[str, ...] = ()
    expires: float | None = None

    @property
    def days_left(self) -> int | None:
        """How many whole days it is still valid; negative if it has expired."""
        return None if self.expires is None else int((self.expires - time.time()) // DAY)


def certificate_of(facts: TlsFacts) -> Certificate | None:
    """Return the certificate of a connection; None if the server has none.

    Python parses it only if it was verified; otherwise the package cryptography does, if there.
    """
    if not facts.certificate:
        return None
    digits = hashlib.sha256(facts.certificate).hexdigest().upper()
    fingerprint = ":".join(digits[place : place + 2] for place in range(0, len(digits), 2))
    if facts.verified:
        return from_ssl(facts.verified, fingerprint)
    if find_spec("cryptography") is None:
        return Certificate(fingerprint)
    return from_cryptography(facts.certificate, fingerprint)


def from_ssl(found: Any, fingerprint: str) -> Certificate:
    """Return a certificate that ``ssl`` has parsed."""
    return Certificate(
        fingerprint,
        name_in(found.get("subject", ())),
        name_in(found.get("issuer", ())),
        tuple(
            value
            for kind, value in found.get("subjectAltName", ())
            if kind in {"DNS", "IP Address"}
        ),
        float(ssl.cert_time_to_seconds(found["notAfter"])) if "notAfter" in found else None,
    )


def name_in(parts: Iterable[Iterable[tuple[str, str]]]) -> str:
    """Return the most telling part of a distinguished name: a common name or an organization."""
    found = {kind: value for part in parts for kind, value in part}
    common, organization = found.get("commonName", ""), found.get("organizationName", "")
    if common and organization:
        return f"{common} ({organization})"
    return common or organization or ", ".join(found.values())


def from_cryptography(der: bytes, fingerprint: str) -> Certificate:
    """Return a certificate that was not verified."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    try:
        parsed = x509.load_der_x509_certificate(der)
    except ValueError:
        return Certificate(fingerprint)

    def name(whole: x509.Name) -> str:
        kinds = {NameOID.COMMON_NAME: "commonName", NameOID.ORGANIZATION_NAME: "organizationName"}
        return name_in(
            [[(kinds.get(a.oid, a.rfc4514_attribute_name), str(a.value))] for a in whole]
        )

    names: tuple[str, ...] = ()
    try:
        found = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = tuple(found.get_values_for_type(x509.DNSName))
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        # Old certificates have only a common name.
        pass
    try:
        expires = parsed.not_valid_after_utc.timestamp()
        return Certificate(fingerprint, name(parsed.subject), name(parsed.issuer), names, expires)
    except ValueError:
        # It is a stranger's: its names and times may be anything.
        return Certificate(fingerprint)
