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
import json
import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from ...flows.outcome import ExitCode, PollFailed
from ...protocols.record import Record
from ...protocols.secret import Secret
from ..files import SMALL, read_file
from ..folders import make_private_folder, sync_folder
from .accounts import TokenOwner

VERSION = 1
RESERVED = 256 * 1024
"""Octets that are reserved for a file: more than an issuer's tokens may have."""


class SavedToken(Record):
    """What is known of an owner. Times are in seconds since 1970.

    ``access`` is valid until ``expires``. ``scope`` is what was granted. ``seed`` is the hash of
    the refresh token that was given from outside, and from which this one comes. ``forced`` is true
    if the access token was renewed because a mail server had refused the one before.
    After ``failures`` in a row nothing is tried before ``next_try``; ``kind`` and ``problem`` say
    why the last one failed. ``server`` are the endpoints that were discovered at ``discovered``.
    """

    access: Secret | None = None
    expires: float = 0.0
    obtained: float = 0.0
    refresh: Secret | None = None
    scope: tuple[str, ...] = ()
    seed: str = ""
    forced: bool = False
    failures: int = 0
    next_try: float = 0.0
    kind: str = ""
    reason: str = ""
    words: str = ""
    server: tuple[tuple[str, str], ...] = ()
    discovered: float = 0.0


NOTHING = SavedToken()
SECRETS = ("access", "refresh")
PAIRS = ("server",)
LISTS = ("scope",)


class TokenStore:
    """The file of one owner. Methods may block; they raise PollFailed (IOERR)."""

    def __init__(self, folder: str, owner: TokenOwner) -> None:
        self._folder = folder
        self._owner = owner
        self.path = os.path.join(folder, owner.file_name)
        self._lock = -1
        self._new = -1

    def load(self) -> SavedToken:
        """Return what is saved; NOTHING if there is no file."""
        if (unfinished := self._unfinished()) is not None:
            return unfinished
        try:
            data = read_file(self.path, SMALL)
        except FileNotFoundError:
            return NOTHING
        except OSError as error:
            raise self._failure(error.strerror or str(error)) from None
        found = read_document(data)
        if found is None:
            raise self._failure('it is damaged; remove it and use "mailhaul login"')
        return found[1]

    def prepare(self) -> None:
        """Reserve the space for ``save``, before the issuer is asked. Hold the lock."""
        try:
            make_private_folder(self._folder)
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
            self._new = os.open(self._new_path, flags, 0o600)
            # It may be there from a run that was killed, with any mode.
            os.fchmod(self._new, 0o600)
            reserve(self._new, RESERVED)
        except OSError as error:
            self._close_new()
            raise self._failure(error.strerror or str(error)) from None

    def save(self, token: SavedToken) -> None:
        """Replace what is saved; it is durable when this returns. Hold the lock."""
        if self._new < 0:
            self.prepare()
        try:
            # From here on a kill does not lose the token.
            os.truncate(self._new, write_all(self._new, document(self._owner, token)))
            os.fsync(self._new)
            os.rename(self._new_path, self.path)
            sync_folder(self._folder)
        except OSError as error:
            raise self._failure(error.strerror or str(error)) from None
        finally:
            self._close_new()

    def remove(self) -> None:
        """Remove the file, durably. Hold the lock."""
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
        """Give the lock back, if it is ours."""
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
        found = read_document(data.rstrip(b"\0"))
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


def document(owner: TokenOwner, token: SavedToken) -> bytes:
    """Return the content of a file."""
    fields: dict[str, object] = {name: getattr(token, name) for name in SavedToken.__match_args__}
    for name in SECRETS:
        value = fields[name]
        fields[name] = value.reveal().decode("ascii") if isinstance(value, Secret) else None
    fields["server"] = dict(token.server)
    names = {name: getattr(owner, name) for name in TokenOwner.__match_args__}
    return json.dumps({"version": VERSION, "owner": names, **fields}, indent=1).encode() + b"\n"


def read_document(data: bytes) -> tuple[TokenOwner, SavedToken] | None:
    """Return the owner and the token in a file; None if it is not valid."""
    try:
        found: Any = json.loads(data)
        names = found["owner"]
        owner = TokenOwner(*(text(names[name]) for name in TokenOwner.__match_args__))
        fields: dict[str, Any] = {}
        for name in SavedToken.__match_args__:
            # A field may have been added by a later version.
            default = getattr(NOTHING, name)
            value = found.get(name)
            if value is None:
                fields[name] = default
            elif name in SECRETS:
                fields[name] = Secret(text(value).encode("ascii"))
            elif name in LISTS:
                fields[name] = tuple(text(item) for item in value)
            elif name in PAIRS:
                fields[name] = tuple((text(key), text(item)) for key, item in value.items())
            else:
                fields[name] = type(default)(value)
        return owner, SavedToken(**fields)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def text(value: object) -> str:
    """Return a value that must be a text. Raises TypeError."""
    if not isinstance(value, str):
        raise TypeError("not a text")
    return value


def reserve(file: int, octets: int) -> None:
    """Reserve the space of a file, where the file system can do that. Raises OSError."""
    try:
        os.posix_fallocate(file, 0, octets)
    except OSError as error:
        if error.errno not in {errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS}:
            raise


def write_all(file: int, data: bytes) -> int:
    """Write all of it; return its length. Raises OSError."""
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]
    return len(data)
