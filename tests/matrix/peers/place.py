"""Where a peer keeps its files, and the certificate that it shows."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.real.servers.certificates import Certificates


@dataclass(frozen=True)
class Place:
    """A folder with a short name that everybody may enter, and the certificates of the run."""

    folder: Path
    certificates: Certificates

    @property
    def trust(self) -> list[str]:
        """The options by which the certificate is trusted."""
        return ["--ca", str(self.certificates.authority)]


@contextmanager
def private_place() -> Generator[Place]:
    """Make a place, which is removed in the end."""
    folder = Path(tempfile.mkdtemp(prefix="mh-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        yield Place(folder, Certificates(folder / "tls"))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
