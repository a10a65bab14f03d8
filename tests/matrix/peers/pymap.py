"""pymap: IMAP."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tests.real.servers.pymap import Pymap, pymap_version

from ..trials import PASSWORD, USERS, Trial, accounts
from .place import Place


@contextmanager
def pymap(place: Place) -> Generator[list[Trial]]:
    """Yield the trial."""
    server = Pymap(place.folder / "pymap", place.certificates.good, USERS, PASSWORD)
    # Side by side some cases bring it to a standstill.
    words = [f"localhost:{server.port}", *accounts(place.folder), *place.trust, "--jobs", "1"]
    with server.running():
        yield [Trial("pymap", f"pymap {pymap_version()}", "imap", words)]
