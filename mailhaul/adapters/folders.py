"""Folders that nobody else can look into, whatever the umask, and that a loss of power leaves."""

from __future__ import annotations

import os
from contextlib import nullcontext, suppress


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


def sync_name(path: str, *, new: bool = False) -> None:
    """Bring the name of a file or folder to the disk. Raises OSError.

    One that is not ``new`` may be ours all the same: a kill may have come between its making and
    this. Who made it in a folder that we may not read has to see to that himself.
    """
    with nullcontext() if new else suppress(PermissionError):
        sync_folder(os.path.dirname(path))
