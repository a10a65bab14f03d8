"""The mail clients under test: those that install.sh gets, scripts for Python, and our own."""

from __future__ import annotations

import platform
import re
import subprocess
from collections.abc import Generator, Iterator
from contextlib import contextmanager

from mailhaul import __version__

from ..trials import HOME, Trial
from .place import Place
from .versions import package_label

PACKAGED = {
    "fetchmail": "fetchmail",
    "mpop": "mpop",
    "getmail6": "getmail6",
    "fdm": "fdm",
    "mbsync": "isync",
    "offlineimap": "offlineimap3",
    "msmtp": "msmtp",
    "curl": "curl",
    "curl-smtp": "curl",
    "swaks": "swaks",
}
"""The packages of the clients, by the names of their templates."""
SNAPSHOTS = frozenset({"offlineimap"})
"""Clients whose packages have no version of the client: it is asked itself."""
SCRIPTS = HOME / "tests" / "matrix" / "clients"


@contextmanager
def clients(place: Place) -> Generator[list[Trial]]:
    """Yield a trial for each client. The suite starts the client and plays all servers."""
    del place
    yield [*packaged(), *scripts(), trial("mailhaul", f"mailhaul {__version__}")]


def packaged() -> Iterator[Trial]:
    """Yield the trials of the clients that are packages."""
    for template, package in PACKAGED.items():
        label = asked_label(template) if template in SNAPSHOTS else package_label(template, package)
        yield trial(template, label)


def asked_label(client: str) -> str:
    """Return the client with the version that it says."""
    done = subprocess.run([client, "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"\d+(\.\d+)+", done.stdout)
    return f"{client} {found[0]}" if found else client


def scripts() -> Iterator[Trial]:
    """Yield the trials of the scripts, each of which is in its template."""
    for path in sorted(SCRIPTS.glob("*.toml")):
        label = f"{path.stem} (Python {platform.python_version()})"
        yield trial(path.stem, label, str(path))


def trial(name: str, label: str, template: str = "") -> Trial:
    """Return the trial of one client."""
    return Trial(f"client-{name}", label, "client", ["--template", template or name])
