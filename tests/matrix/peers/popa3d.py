"""popa3d: POP3."""

from __future__ import annotations

import shlex
from collections.abc import Generator
from contextlib import contextmanager

from tests.real.servers.popa3d import Popa3d

from ..trials import USERS, Trial, accounts
from .place import Place
from .versions import package_label


@contextmanager
def popa3d(place: Place) -> Generator[list[Trial]]:
    """Yield the trial."""
    server = Popa3d(place.folder / "popa3d", USERS)
    words = ["--command", shlex.join(server.argv), *accounts(place.folder)]
    words += ["--mail", f"mbox:{server.mail}/%u"]
    yield [Trial("popa3d", package_label("popa3d", "popa3d"), "pop3", words)]
