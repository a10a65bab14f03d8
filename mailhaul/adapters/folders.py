"""Folders that nobody else can look into, whatever the umask, and that a loss of power leaves."""

from __future__ import annotations

import os


def make_private_folder(path: str) -> None:
    """Make a folder and those above it that are missing, and bring them to the disk.

    ``os.makedirs`` gives its mode to the last one only: under a umask of 0 the others would be
    open to everybody (XDG Base Directory Specification, 0.8: 0700 for all of them). Raises OSError.
    """
    if os.path.isdir(path):
        return
    above = os.path.dirname(path)
    if above and above != path:
        make_private_folder(above)
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        # Another mailhaul was faster, or it is no folder and opening a file in it will say so.
        return
    sync_folder(above)


def sync_folder(path: str) -> None:
    """Bring the names in a folder to the disk; ``""`` is the current folder. Raises OSError."""
    folder = os.open(path or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
