"""TLS over any byte stream, by memory buffers; and which certificates to trust."""

from __future__ import annotations

import hashlib
import os
import ssl
from typing import Any

from ..flows.host_names import ascii_host
from ..flows.requests import TlsFailed, Trust
from ..protocols.record import Record, fields_of

VERSIONS = {
    "tls1": ssl.TLSVersion.TLSv1,
    "tls1.1": ssl.TLSVersion.TLSv1_1,
    "tls1.2": ssl.TLSVersion.TLSv1_2,
    "tls1.3": ssl.TLSVersion.TLSv1_3,
}

OLD_VERSIONS = frozenset({"tls1", "tls1.1"})
OLD_CIPHERS = "DEFAULT:!aNULL:!eNULL:@SECLEVEL=0"
"""Python's usual ciphers are not those of old versions, which OpenSSL 3 allows at level 0 only."""

CERTIFICATE_HINT = (
    'give the right CA with "sslcertfile" or "sslcertpath", or the certificate\'s '
    '"sslfingerprint" together with "no sslcertck"'
)
NAME_HINT = (
    'connect by a name that is in the certificate, or give the one that is with "sslcommonname"'
)
TIME_HINT = "compare this machine's clock; else the server needs a new certificate"
HINTS = {9: TIME_HINT, 10: TIME_HINT, 62: NAME_HINT, 64: NAME_HINT}
"""What the user can do, by OpenSSL's number: not yet valid, expired, wrong name, wrong address."""


def make_context(trust: Trust) -> ssl.SSLContext:
    """Return a client context for this trust. Raises TlsFailed for unusable files."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if not trust.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    # By default Python 3.11.2 lets OpenSSL treat a truncated stream as an orderly end.
    context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
    context.minimum_version = VERSIONS[trust.minimum or "tls1.2"]
    if trust.minimum in OLD_VERSIONS:
        context.set_ciphers(OLD_CIPHERS)
    if trust.maximum:
        context.maximum_version = VERSIONS[trust.maximum]
    try:
        if trust.verify:
            load_authorities(context, trust)
        if trust.certificate or trust.key:
            context.load_cert_chain(trust.certificate or trust.key or "", trust.key)
    except (OSError, ssl.SSLError) as error:
        names = [trust.ca_file, trust.ca_path, trust.certificate, trust.key]
        files = ", ".join(name for name in names if name)
        raise TlsFailed(f"cannot load {files or 'the system CA store'}: {reason(error)}") from None
    return context


def load_authorities(context: ssl.SSLContext, trust: Trust) -> None:
    """Load the CA file and path that the user named, else the system's store.

    The system's hashed directory is looked up by name during the handshake, which takes
    0.2 ms; reading its one big file takes nearly 20.
    """
    if trust.ca_file or trust.ca_path:
        context.load_verify_locations(trust.ca_file, trust.ca_path)
        if not os.environ.get("FETCHMAIL_INCLUDE_DEFAULT_X509_CA_CERTS"):
            return
    paths = ssl.get_default_verify_paths()
    hashed = paths.capath if paths.capath and has_hashed_names(paths.capath) else None
    named = os.environ.get(paths.openssl_cafile_env)
    if hashed and not named:
        context.load_verify_locations(capath=hashed)
    else:
        context.set_default_verify_paths()


def has_hashed_names(directory: str) -> bool:
    """Tell whether the directory holds links such as 4a6481c9.0 that OpenSSL looks up."""
    with os.scandir(directory) as entries:
        return any(entry.name.endswith(".0") for entry in entries)


def reason(error: Exception) -> str:
    """Return in plain words what went wrong."""
    if isinstance(error, ssl.SSLCertVerificationError):
        hint = HINTS.get(error.verify_code, CERTIFICATE_HINT)
        return f"certificate refused: {error.verify_message.rstrip('.')}; {hint}"
    if isinstance(error, ssl.SSLError):
        what = (error.reason or str(error)).replace("_", " ").lower()
        if what in {"wrong version number", "packet length too long", "record layer failure"}:
            return f"the peer does not speak TLS on this port ({what})"
        return what
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error)


def is_truncated(error: Exception) -> bool:
    """Tell whether the stream ended and TLS did not; Python 3.11.2 has no class for that."""
    by_name = getattr(error, "reason", None) == "UNEXPECTED_EOF_WHILE_READING"
    return by_name or isinstance(error, ssl.SSLEOFError)


def break_of(error: Exception) -> str:
    """Return why a stream that was encrypted is so no longer."""
    return "TLS was cut without close_notify" if is_truncated(error) else reason(error)


PIECES = 8
"""Pieces in which ciphertext that arrived together is passed on, within these limits of octets.

A piece takes 3 microseconds, so that many small ones would take longer than decrypting.
"""
SMALLEST_PIECE, LARGEST_PIECE = 1024, 16 * 1024
EMPTY = memoryview(b"")


class TlsFacts(Record):
    """What a handshake has agreed on. ``certificate`` is that of the peer, in DER.

    ``verified`` is the same as Python shows it, or {} if it was not verified.
    """

    version: str
    cipher: str
    bits: int
    certificate: bytes
    verified: dict[str, Any]


class TlsLayer:
    """TLS on one stream: ciphertext in and out on one side, plain text on the other.

    OpenSSL gets ciphertext in pieces, since its buffer never shrinks: after a large message, a
    connection that waits for news would keep a buffer of a third of a megabyte.

    Raises TlsFailed. Plain text that has been decrypted is returned before any fault.
    """

    __slots__ = (
        "_arrived",
        "_at_end",
        "_incoming",
        "_outgoing",
        "_piece",
        "_tls",
        "ended",
        "failure",
    )

    def __init__(self, handshaker: ssl.SSLObject, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO):
        self._tls = handshaker
        self._incoming = incoming
        self._outgoing = outgoing
        self._arrived = EMPTY
        self._piece = SMALLEST_PIECE
        self._at_end = False
        self.ended = False
        self.failure = ""

    def handshake(self) -> bool:
        """Continue the handshake; return True when it is done."""
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                if not self._pass_on():
                    return False
            except (ssl.SSLError, ssl.CertificateError, OSError) as error:
                raise TlsFailed(reason(error)) from None
            else:
                return True

    def receive(self, ciphertext: bytes) -> None:
        """Take bytes from the stream; b"" is its end."""
        if not ciphertext:
            self._at_end = True
            return
        # What came with the end of the handshake may not have been read yet.
        self._arrived = memoryview(bytes(self._arrived) + ciphertext)
        self._piece = min(max(len(self._arrived) // PIECES, SMALLEST_PIECE), LARGEST_PIECE)

    def _pass_on(self) -> bool:
        """Give OpenSSL the next piece of what has arrived; return False if there is none."""
        if self._arrived:
            self._incoming.write(self._arrived[: self._piece])
            self._arrived = self._arrived[self._piece :] or EMPTY
            return True
        at_end, self._at_end = self._at_end, False
        if at_end:
            self._incoming.write_eof()
        return at_end

    def read(self) -> bytes:
        """Return decrypted plain text; b"" when there is none now (see ``ended``)."""
        data = None
        while data is None:
            try:
                # A record has no more plain text than this.
                data = self._tls.read(16 * 1024)
            except ssl.SSLWantReadError:
                if not self._pass_on():
                    return b""
            except ssl.SSLZeroReturnError:
                data = b""
            except (ssl.SSLError, OSError) as error:
                self.failure = break_of(error)
                data = b""
        self.ended = not data
        return data

    def write(self, data: bytes) -> None:
        """Encrypt. Raises TlsFailed once the stream has been cut."""
        view = memoryview(data)
        try:
            while view:
                view = view[self._tls.write(view) :]
        except (ssl.SSLError, OSError) as error:
            raise TlsFailed(break_of(error)) from None

    def close(self) -> None:
        """Send close_notify: no more data will follow."""
        try:
            self._tls.unwrap()
        except (ssl.SSLError, OSError):
            return

    def to_send(self) -> bytes:
        """Return ciphertext that has to be sent to the peer."""
        return self._outgoing.read()

    def facts(self) -> TlsFacts | None:
        """Return what the handshake has agreed on; None before its end."""
        version = self._tls.version()
        if version is None:
            return None
        cipher = self._tls.cipher() or ("", "", 0)
        return TlsFacts(
            version,
            cipher[0],
            cipher[2],
            self._tls.getpeercert(binary_form=True) or b"",
            self._tls.getpeercert() or {},
        )

    def check_fingerprint(self, fingerprint: str) -> None:
        """Compare the peer's certificate with a pin (MD5 or SHA-256, by its length)."""
        certificate = self._tls.getpeercert(binary_form=True) or b""
        wanted = fingerprint.replace(":", "").upper()
        kind, digest = ("SHA-256", hashlib.sha256) if len(wanted) == 64 else ("MD5", hashlib.md5)
        found = digest(certificate, usedforsecurity=False).hexdigest().upper()
        if found != wanted:
            pairs = ":".join(found[i : i + 2] for i in range(0, len(found), 2))
            raise TlsFailed(
                f'the certificate has the {kind} fingerprint {pairs}, not your "sslfingerprint"',
                pairs,
            )


def shared_context(trust: Trust) -> ssl.SSLContext:
    """Return a context for this trust: the same one as long as its files have not changed.

    A daemon has thousands of connections, and a context takes more memory than a connection.
    """
    stamps: list[int] = []
    for name in (trust.ca_file, trust.ca_path, trust.certificate, trust.key):
        try:
            stamps.append(os.stat(name).st_mtime_ns if name else 0)
        except OSError:
            stamps.append(-1)
    environment = (os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
    facts = [getattr(trust, name) for name in fields_of(Trust) if name != "hostname"]
    key = (*facts, *stamps, *environment)
    context = _contexts.get(key)
    if context is None:
        if len(_contexts) >= MAX_CONTEXTS:
            _contexts.clear()
        context = _contexts[key] = make_context(trust)
    return context


_contexts: dict[tuple[object, ...], ssl.SSLContext] = {}
MAX_CONTEXTS = 64
"""Contexts that are kept. More kinds of trust are rare; then all are made again."""


def client_layer(trust: Trust) -> TlsLayer:
    """Return a layer that will shake hands as the client."""
    context = shared_context(trust)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        name = ascii_host(trust.hostname)
        tls = context.wrap_bio(incoming, outgoing, server_hostname=name)
    except ValueError as error:
        raise TlsFailed(f"{trust.hostname!r} cannot be a TLS server name: {error}") from None
    return TlsLayer(tls, incoming, outgoing)


def server_layer(context: ssl.SSLContext) -> TlsLayer:
    """Return a layer that will shake hands as the server."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_side=True)
    return TlsLayer(tls, incoming, outgoing)
