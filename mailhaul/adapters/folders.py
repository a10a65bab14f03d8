"""Folders that nobody else can look into, whatever the umask, and that a loss of power leaves.

And files that are opened where others may write: a link there may be somebody's trap.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import nullcontext, suppress

MAX_LINKS = 10


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


def open_own(path: str, flags: int, mode: int = 0o600) -> int:
    """Open a file that may be a link of the user's or of root's to a file of theirs.

    Whoever may write to its folder could have put a link there to a file that only we may write
    to. It is opened without waiting for anybody, whatever it is. Raises OSError.
    """
    flags |= os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    for links in range(MAX_LINKS):
        try:
            file = os.open(path, flags, mode)
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            if os.path.realpath(os.path.dirname(path)).startswith("/proc/"):
                # An open file of ours, such as /dev/stdout leads to: no name leads there.
                return os.open(path, flags & ~os.O_NOFOLLOW, mode)
            path = target_of(path)
            continue
        if links and not is_ours(os.fstat(file)):
            os.close(file)
            raise foreign(path)
        return file
    raise OSError(errno.ELOOP, "too many links", path)


def target_of(link: str) -> str:
    """Return where a link leads. Raises OSError if it is a stranger's."""
    file = os.open(link, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        # What is looked at is what is read, whoever changes the name meanwhile.
        status = os.fstat(file)
        if not stat.S_ISLNK(status.st_mode):
            return link
        if not is_ours(status):
            raise foreign(link)
        return os.path.join(os.path.dirname(link), os.readlink("", dir_fd=file))
    finally:
        os.close(file)


def is_ours(status: os.stat_result) -> bool:
    """Whether a file belongs to the user, or to root, who can do as he likes."""
    return status.st_uid in {0, os.geteuid()}


def foreign(path: str) -> OSError:
    """Say that another user has put a link, or what it leads to, where we write."""
    return OSError(errno.EPERM, "a link of another user is not followed", path)
