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
    words = [f"localhost:{server.port}", *accounts(place.folder), *place.trust]
    with server.running():
        yield [Trial("pymap", f"pymap {pymap_version()}", "imap", words)]
