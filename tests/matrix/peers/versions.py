"""Which version of a product is there: that of its package, or of its module."""

from __future__ import annotations

import gzip
import re
import subprocess
from importlib.metadata import version

from tests.real.servers.private_root import UNPACKED
from tests.real.servers.process import ServerFailed

UPSTREAM = re.compile(r"(?:\d+:)?(\d[\d.]*\d)")
CHANGELOGS = ("changelog.Debian.gz", "changelog.gz", "changelog.Debian.amd64.gz")


def package_label(product: str, folder: str, package: str = "") -> str:
    """Return the product with the version of an installed package, or of one that is unpacked.

    ``folder`` is where it is unpacked, and the name of the package if that is the same.
    """
    found = unpacked(folder, package or folder) or installed(package or folder)
    return f"{product} {upstream(found)}"


def python_label(product: str, distribution: str) -> str:
    """Return the product with the version of a distribution for Python."""
    return f"{product} {version(distribution)}"


def upstream(version: str) -> str:
    """Return the version without what Debian adds."""
    found = UPSTREAM.match(version)
    return found[1] if found else version


def installed(package: str) -> str:
    """Return the version of an installed package."""
    words = ["dpkg-query", "-W", "-f", "${Version}", package]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ServerFailed(f"{package} is not installed; run tests/real/install.sh as root")
    return done.stdout


def unpacked(product: str, package: str) -> str:
    """Return the version of a package that is only unpacked: the first of its changelog."""
    folder = UNPACKED / product / "usr" / "share" / "doc" / package
    for name in CHANGELOGS:
        if (folder / name).is_file():
            head = gzip.decompress((folder / name).read_bytes())[:200].decode()
            return head.partition("(")[2].partition(")")[0]
    return ""
