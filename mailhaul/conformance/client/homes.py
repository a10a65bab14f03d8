"""The home directory of a client, and the files in it."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory


def new_home() -> TemporaryDirectory[str]:
    """Return a new home for a client."""
    return TemporaryDirectory(prefix="mailhaul-client-", ignore_cleanup_errors=True)


def write_private(path: Path, text: str) -> None:
    """Write a file that nobody else can read."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w") as file:
        file.write(text)
