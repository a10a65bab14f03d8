"""Tokens on disk: one file for each owner, and a lock beside it.

A refresh token may be replaced at each use, and a lost one means that the user has to sign in
again. So a file is written to the end and synced under another name, and then renamed: at any
moment either the old or the new one is there. The space is reserved before the issuer is asked, and
a file that was written and not renamed, because the process was killed, is the newest. The lock is
held from reading the old token to storing the new one, so that two processes never use the same
refresh token.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from threading import Lock
from typing import TypeVar

from ...flows.outcome import ExitCode, PollFailed
from ..files import SMALL, read_file
from ..folders import make_private_folder, sync_folder
from .accounts import TokenOwner
from .saved import ITEM, NOTHING, SavedToken, document, json_of, read_document

T = TypeVar("T")

RESERVED = 256 * 1024
"""Octets that are reserved for a file: more than an issuer's tokens may have."""

_unsaved: dict[str, SavedToken] = {}
"""What could not be written, by paths: it is lost only if the process ends before the next try."""


class TokenStore:
    """The file of one owner. Methods may block; they raise PollFailed (IOERR).

    A thread that takes the lock or prepares the file may be abandoned while the disk hangs: pass
    what it does through ``turn``. The lock is then given back when that thread has ended, not
    before: it would otherwise keep the lock, or truncate the file while another process writes a
    token into it.
    """

    def __init__(self, folder: str, owner: TokenOwner) -> None:
        self._folder = folder
        self._owner = owner
        self.path = os.path.join(folder, owner.file_name)
        self._lock = -1
        self._new = -1
        self._guard = Lock()
        self._turn = 0
        self._working = 0
        self._given_up = False

    def turn(self, work: Callable[[], T]) -> Callable[[], T]:
        """Return some work for a thread: ``unlock`` waits for its end, and no longer lets it begin.

        It raises PollFailed if it comes too late.
        """
        turn = self._turn

        def run() -> T:
            with self._guard:
                if turn != self._turn:
                    raise self._failure("this comes too late: the poll has ended")
                self._working += 1
            try:
                return work()
            finally:
                with self._guard:
                    self._working -= 1
                    if self._given_up and not self._working:
                        self._release()

        return run

    def load(self) -> SavedToken:
        """Return what is saved; NOTHING if there is no file."""
        found = self._load()
        unsaved = _unsaved.get(self.path)
        return found if unsaved is None or unsaved.obtained <= found.obtained else unsaved

    def _load(self) -> SavedToken:
        if (unfinished := self._unfinished()) is not None:
            return unfinished
        try:
            data = read_file(self.path, SMALL)
        except FileNotFoundError:
            return NOTHING
        except OSError as error:
            raise self._failure(error.strerror or str(error)) from None
        found = self._decoded(data)
        if found is None:
            raise self._failure('it is damaged; remove it and use "mailhaul login"')
        return found[1]

    def peek(self) -> SavedToken:
        """Return what is saved as far as it is known at once: secrets may be replaced by ""."""
        return self.load()

    # What is in the file

    def _decoded(self, data: bytes) -> tuple[TokenOwner, SavedToken] | None:
        """Return what a file contains; None if it is not valid."""
        if json_of(data).get(ITEM):
            raise self._failure(
                'its tokens are in the keyring; write "set oauthstore keyring", or remove the file '
                'and use "mailhaul login"'
            )
        return read_document(data)

    def _encoded(self, token: SavedToken) -> bytes:
        """Return the content for a file."""
        return document(self._owner, token)

    def _announced(self) -> bytes:
        """Return what a new file contains until the token is there."""
        return b""

    def _replaced(self) -> None:
        """Note that a new file has taken the place of the old one."""

    # Changes

    def prepare(self) -> None:
        """Reserve the space for ``save``, before the issuer is asked. Hold the lock."""
        try:
            make_private_folder(self._folder)
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
            self._new = os.open(self._new_path, flags, 0o600)
            # It may be there from a run that was killed, with any mode.
            os.fchmod(self._new, 0o600)
            reserve(self._new, RESERVED)
            if announced := self._announced():
                os.pwrite(self._new, announced, 0)
                os.fsync(self._new)
        except OSError as error:
            self._close_new()
            raise self._failure(error.strerror or str(error)) from None

    def save(self, token: SavedToken) -> None:
        """Replace what is saved; it is durable when this returns. Hold the lock.

        What cannot be written is kept in memory for the next try of this process.
        """
        try:
            self._save(token)
        except PollFailed:
            _unsaved[self.path] = token
            raise
        _unsaved.pop(self.path, None)

    def _save(self, token: SavedToken) -> None:
        if self._new < 0:
            self.prepare()
        try:
            # From here on a kill does not lose the token.
            os.truncate(self._new, write_all(self._new, self._encoded(token)))
            os.fsync(self._new)
            os.rename(self._new_path, self.path)
            sync_folder(self._folder)
        except OSError as error:
            raise self._failure(error.strerror or str(error)) from None
        finally:
            self._close_new()
        self._replaced()

    def remove(self) -> None:
        """Remove the file, durably. Hold the lock."""
        _unsaved.pop(self.path, None)
        try:
            for path in (self._new_path, self.path):
                with suppress(FileNotFoundError):
                    os.unlink(path)
            if os.path.isdir(self._folder):
                sync_folder(self._folder)
        except OSError as error:
            raise self._failure(error.strerror or str(error)) from None

    def try_lock(self) -> bool:
        """Take the lock if it is free; return whether it is ours. It ends with the process."""
        if self._given_up:
            return False
        path = f"{self.path}.lock"
        try:
            make_private_folder(self._folder)
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._failure(error.strerror or str(error)) from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return False
        except OSError as error:
            os.close(lock)
            raise self._failure(error.strerror or str(error)) from None
        self._lock = lock
        self._finish()
        return True

    def unlock(self) -> None:
        """Give the lock back, if it is ours, after what an abandoned thread still does."""
        with self._guard:
            self._turn += 1
            if self._working:
                self._given_up = True
            else:
                self._release()

    def _release(self) -> None:
        self._given_up = False
        self._close_new()
        lock, self._lock = self._lock, -1
        if lock >= 0:
            os.close(lock)

    @property
    def _new_path(self) -> str:
        return f"{self.path}.new"

    def _unfinished(self) -> SavedToken | None:
        """Return what was written and not renamed, if it is complete."""
        try:
            data = read_file(self._new_path, SMALL)
        except OSError:
            return None
        # What is reserved and not written is zero.
        found = self._decoded(data.rstrip(b"\0"))
        return None if found is None or found[0] != self._owner else found[1]

    def _finish(self) -> None:
        """Save what was written and not renamed: the next ``prepare`` overwrites it."""
        if (unfinished := self._unfinished()) is None:
            return
        try:
            self._new = os.open(self._new_path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise self._failure(error.strerror or str(error)) from None
        self.save(unfinished)

    def _close_new(self) -> None:
        new, self._new = self._new, -1
        if new >= 0:
            os.close(new)

    def _failure(self, problem: str) -> PollFailed:
        return PollFailed(ExitCode.IOERR, f"token file {self.path}: {problem}")


def all_tokens(folder: str) -> Iterator[tuple[TokenOwner, SavedToken]]:
    """Yield all owners in a folder and what is saved of them. Damaged files are left out."""
    try:
        names = sorted(os.listdir(folder))
    except FileNotFoundError:
        return
    except OSError as error:
        raise PollFailed(ExitCode.IOERR, f"{folder}: {error.strerror or error}") from None
    for name in names:
        if name.endswith(".json"):
            with suppress(OSError):
                found = read_document(read_file(os.path.join(folder, name), SMALL))
                if found is not None:
                    yield found


def reserve(file: int, octets: int) -> None:
    """Reserve the space of a file. Raises OSError."""
    try:
        os.posix_fallocate(file, 0, octets)
    except OSError as error:
        if error.errno not in {errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS}:
            raise
        # The file system cannot do that, and not every C library writes zeros in its place.
        os.pwrite(file, bytes(octets), 0)


def write_all(file: int, data: bytes) -> int:
    """Write all of it; return its length. Raises OSError."""
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]
    return len(data)
