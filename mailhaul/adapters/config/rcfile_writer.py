"""Create an rc file, or append to one: the whole new content or nothing, readable by its owner.

The content goes into a new file in the same folder, which takes its final name when it is on disk.
A kill leaves the old file, or none; at worst a file with the suffix ``.new`` stays, which the next
attempt overwrites.
"""

from __future__ import annotations

import os

from ..files import RC_FILE, read_file
from .errors import EXIT_PERMISSIONS, ConfigRefused


class RcFileExists(Exception):
    """There is a file already, and it was not changed."""


def create_rcfile(path: str, data: bytes) -> None:
    """Create an rc file with mode 0600. Raises RcFileExists, and ConfigRefused (exit code 6)."""
    try:
        new = _write_beside(path, data)
        try:
            # Unlike a rename, a link fails if another program has made the file meanwhile.
            os.link(new, path, follow_symlinks=False)
        finally:
            os.unlink(new)
        _sync_folder(path)
    except FileExistsError:
        raise RcFileExists from None
    except OSError as error:
        raise _refused(path, error) from None


def append_to_rcfile(path: str, before: bytes, data: bytes) -> None:
    """Append to an rc file whose content is still ``before``; keep its mode and owner.

    A symbolic link is followed, so that it stays. Raises ConfigRefused (exit code 6), also if the
    content has changed.
    """
    path = os.path.realpath(path)
    try:
        status = os.stat(path)
        if read_file(path, RC_FILE) != before:
            raise ConfigRefused(
                f"File {path} has changed meanwhile; nothing was written", EXIT_PERMISSIONS
            )
        gap = b"" if before.endswith(b"\n") or not before else b"\n"
        new = _write_beside(path, before + gap + data, status)
        try:
            os.replace(new, path)
        except OSError:
            os.unlink(new)
            raise
        _sync_folder(path)
    except OSError as error:
        raise _refused(path, error) from None


def _write_beside(path: str, data: bytes, like: os.stat_result | None = None) -> str:
    """Write a new file in the same folder, sync it and return its path. Raises OSError."""
    folder, name = os.path.split(path)
    new = os.path.join(folder, f".{name}.{os.getpid()}.{os.urandom(4).hex()}.new")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(new, flags, 0o600)
    try:
        os.fchmod(descriptor, 0o600 if like is None else like.st_mode & 0o710)
        if like is not None and (like.st_uid, like.st_gid) != (os.geteuid(), os.getegid()):
            os.fchown(descriptor, like.st_uid, like.st_gid)
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    except BaseException:
        os.close(descriptor)
        os.unlink(new)
        raise
    os.close(descriptor)
    return new


def _sync_folder(path: str) -> None:
    descriptor = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refused(path: str, error: OSError) -> ConfigRefused:
    problem = f"File {path} cannot be written: {error.strerror or error}; nothing was changed"
    return ConfigRefused(problem, EXIT_PERMISSIONS)
