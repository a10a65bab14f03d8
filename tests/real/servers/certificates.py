"""One certificate authority per test run, and server certificates good and bad."""

from __future__ import annotations

import datetime
import shutil
from dataclasses import dataclass
from pathlib import Path

import trustme

from .process import OWNER


@dataclass(frozen=True)
class Certificate:
    """A server certificate and its private key, both PEM files."""

    chain: Path
    key: Path


class Certificates:
    """``good`` is for localhost and 127.0.0.1; the others have one fault each.

    ``authority`` is the PEM file that a client is to trust. Every certificate has a common name
    as well: fetchmail 6.4.37 takes none without one, whatever the alternative names say.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self._issuer = trustme.CA()
        self.authority = folder / "authority.pem"
        self._issuer.cert_pem.write_to_path(str(self.authority))
        self.good = self._store(
            "good", self._issuer.issue_cert("localhost", "127.0.0.1", common_name="localhost")
        )
        self.wrong_name = self._store(
            "wrong-name",
            self._issuer.issue_cert("elsewhere.example", common_name="elsewhere.example"),
        )
        self.expired = self._store(
            "expired",
            self._issuer.issue_cert(
                "localhost",
                "127.0.0.1",
                common_name="localhost",
                not_after=datetime.datetime(2001, 1, 1, tzinfo=datetime.UTC),
            ),
        )

    def _store(self, name: str, issued: trustme.LeafCert) -> Certificate:
        stored = Certificate(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        for blob in issued.cert_chain_pems:
            blob.write_to_path(str(stored.chain), append=True)
        issued.private_key_pem.write_to_path(str(stored.key))
        stored.key.chmod(0o600)
        shutil.chown(stored.key, OWNER, OWNER)
        return stored
