"""Private and durable folders, and safe opening of files in folders writable by others.

A private folder is accessible to the user only, with any umask. A durable one survives a power
failure. In a folder writable by others, a symbolic link may be an attack.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import nullcontext, suppress

MAX_LINKS = 10


def make_private_folder(path: str) -> None:
    """Create a folder and its missing parents with mode 0700, and sync them to disk.

    ``os.makedirs`` applies its mode to the last folder only: with a umask of 0 the parents would
    be accessible to everyone (XDG Base Directory Specification, 0.8: 0700 for all). Raises OSError.
    """
    if os.path.isdir(path):
        return
    above = os.path.dirname(path)
    if above and above != path:
        make_private_folder(above)
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        # Another mailhaul has created it, or it is not a folder; opening a file in it then fails.
        return
    sync_folder(above)


def sync_folder(path: str) -> None:
    """Sync the names in a folder to disk; ``""`` is the current folder. Raises OSError."""
    folder = os.open(path or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def sync_name(path: str, *, new: bool = False) -> None:
    """Sync the name of a file or folder to disk. Raises OSError.

    A name that is not ``new`` is synced too: an earlier run may have been killed before the sync.
    It is left alone if the process is not permitted to read the parent folder.
    """
    with nullcontext() if new else suppress(PermissionError):
        sync_folder(os.path.dirname(path))


def open_own(path: str, flags: int, mode: int = 0o600) -> int:
    """Open a file; follow symbolic links only if they and their target belong to the user or root.

    Otherwise another user with write access to the folder could make a link to a file that only
    the user may write to. The file is opened without blocking. Raises OSError.
    """
    flags |= os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    for links in range(MAX_LINKS):
        try:
            file = os.open(path, flags, mode)
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            if os.path.realpath(os.path.dirname(path)).startswith("/proc/"):
                # An open file of this process, such as /dev/stdout: it has no other path.
                return os.open(path, flags & ~os.O_NOFOLLOW, mode)
            path = target_of(path)
            continue
        if links and not is_ours(os.fstat(file)):
            os.close(file)
            raise foreign_link_error(path)
        return file
    raise OSError(errno.ELOOP, "too many links", path)


def target_of(link: str) -> str:
    """Return the target of a link. Raises OSError if the link belongs to another user."""
    file = os.open(link, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        # Check and read the same link, even if the name is changed meanwhile.
        status = os.fstat(file)
        if not stat.S_ISLNK(status.st_mode):
            return link
        if not is_ours(status):
            raise foreign_link_error(link)
        return os.path.join(os.path.dirname(link), os.readlink("", dir_fd=file))
    finally:
        os.close(file)


def is_ours(status: os.stat_result) -> bool:
    """Whether a file belongs to the user or to root."""
    return status.st_uid in {0, os.geteuid()}


def foreign_link_error(path: str) -> OSError:
    """Return the error for a link, or a link's target, that belongs to another user."""
    return OSError(errno.EPERM, "a link of another user is not followed", path)
