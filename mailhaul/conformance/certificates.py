"""Certificates for servers that we play: made by the openssl command, good for one day.

Three are needed to judge a client: a right one, one for another name, and one that was signed by
an authority that the client does not know.
"""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path
from threading import RLock

from .verdicts import Skipped

RIGHT, OTHER_NAME, UNKNOWN_AUTHORITY = "right", "other-name", "unknown-authority"
NAMES = {
    RIGHT: ("localhost", "DNS:localhost,IP:127.0.0.1"),
    OTHER_NAME: ("other.example.org", "DNS:other.example.org"),
    UNKNOWN_AUTHORITY: ("localhost", "DNS:localhost,IP:127.0.0.1"),
}
"""The common name and the alternative names of each kind."""
KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


class Certificates:
    """An authority and the certificates that it signs, in a folder of the caller's."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._lock = RLock()
        """Cases that run side by side share the certificates."""

    @property
    def authority(self) -> Path:
        """The file with the certificate of the authority. Raises Skipped without openssl."""
        with self._lock:
            return self._authority("authority")

    def context(self, kind: str) -> ssl.SSLContext:
        """Return the context of a server with a certificate of this kind. Raises Skipped."""
        with self._lock:
            if kind not in self._contexts:
                self._contexts[kind] = self._make_context(kind)
            return self._contexts[kind]

    def _make_context(self, kind: str) -> ssl.SSLContext:
        signer = "stranger" if kind == UNKNOWN_AUTHORITY else "authority"
        authority = self._authority(signer)
        path = self._folder / f"{kind}.pem"
        common, others = NAMES[kind]
        self._run(
            *("req", "-x509", *KEY, "-days", "1", "-subj", f"/CN={common}"),
            *("-CA", str(authority), "-CAkey", str(authority.with_suffix(".key"))),
            *("-addext", f"subjectAltName={others}"),
            *("-addext", "basicConstraints=critical,CA:FALSE"),
            *("-keyout", str(path.with_suffix(".key")), "-out", str(path)),
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path, path.with_suffix(".key"))
        return context

    def _authority(self, name: str) -> Path:
        path = self._folder / f"{name}.pem"
        if not path.exists():
            self._run(
                *("req", "-x509", *KEY, "-days", "2", "-subj", f"/CN=mailhaul test {name}"),
                *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
                *("-keyout", str(path.with_suffix(".key")), "-out", str(path)),
            )
        return path

    def _run(self, *arguments: str) -> None:
        command = ["openssl", *arguments]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=30)
        except FileNotFoundError:
            raise Skipped("needs the openssl command to make certificates") from None
        except (subprocess.SubprocessError, OSError) as failure:
            said = getattr(failure, "stderr", None) or b""
            why = said.decode("utf-8", "replace").strip() or str(failure)
            raise Skipped(f"openssl cannot make certificates: {why}") from None
