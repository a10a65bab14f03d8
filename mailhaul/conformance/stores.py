"""Other ways to the mail of a target: a Maildir, a mailbox file, or a command of the user.

What blocks is done by Call, so that a flow may use a store while others wait.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shlex
import shutil
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from ..flows.channel import Channel
from ..flows.requests import Call, Close, Open, Pipe, RuntimeFault, Wait
from .environment import Store, User
from .faults import WrongUse
from .mbox import join_mbox, split_mbox, with_crlf, with_lf
from .session import Probe
from .verdicts import SetUpFailed

T = TypeVar("T")

KINDS = "maildir:PATH, mbox:PATH or command:CMD"
LOCK_SECONDS = 5.0
"""Seconds to wait for another program that has locked a mailbox file."""
COMMAND_SECONDS = 30.0
"""Seconds that a command may stay silent."""


def parse_store(word: str, user: User | None) -> Store:
    """Return the store that the word after --mail stands for. Raises WrongUse."""
    kind, _, rest = word.partition(":")
    if not rest or kind not in {"maildir", "mbox", "command"}:
        raise WrongUse(f"--mail {word}: give {KINDS}")
    if kind == "command":
        try:
            argv = tuple(shlex.split(rest))
        except ValueError as error:
            raise WrongUse(f"--mail {word}: {error}") from None
        if not argv:
            raise WrongUse(f"--mail {word}: give the program and its arguments")
        return CommandStore(argv)
    place = UserPath(rest, user)
    return MaildirStore(place) if kind == "maildir" else MboxStore(place)


class UserPath:
    """A path with %u for the name of the user, %n for its local part and %d for its domain."""

    def __init__(self, path: str, only: User | None) -> None:
        self._path = path
        self._only = only

    def of(self, user: User) -> Path:
        """Return the path for a user. Raises SetUpFailed."""
        if not re.search("%[und]", self._path) and self._only and user.name != self._only.name:
            raise SetUpFailed(f"--mail has one mailbox for all users: put %u into {self._path}")
        name = user.name.decode("utf-8", "surrogateescape")
        local, _, domain = name.partition("@")
        values = {"%u": name, "%n": local, "%d": domain, "%%": "%"}
        return Path(re.sub("%[und%]", lambda found: values[found[0]], self._path))


async def on_disk(work: Callable[[], T]) -> T:
    """Do work on files. Raises SetUpFailed."""
    try:
        return await Call(work)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        raise SetUpFailed(f"--mail: {place}{error.strerror or error}") from None


class MaildirStore:
    """A Maildir. It is made if it does not exist, but not the folder that it is in."""

    def __init__(self, path: UserPath) -> None:
        self._path = path

    async def fill(self, user: User, messages: list[bytes]) -> None:
        """Replace the messages of new and cur."""
        folder = self._path.of(user)
        await on_disk(lambda: fill_maildir(folder, messages))

    async def read(self, user: User) -> list[bytes]:
        """Return the messages of new and cur, in the order of their names."""
        folder = self._path.of(user)
        return await on_disk(lambda: [with_crlf(file.read_bytes()) for file in mail_in(folder)])


def fill_maildir(folder: Path, messages: list[bytes]) -> None:
    """Let a Maildir have exactly these messages. Its owner owns the new files."""
    if not folder.exists():
        folder.mkdir(mode=0o700)
        copy_owner(folder.parent, folder)
    for name in ("tmp", "new", "cur"):
        if not (folder / name).exists():
            (folder / name).mkdir(mode=0o700)
            copy_owner(folder, folder / name)
    for file in mail_in(folder):
        file.unlink(missing_ok=True)
    began = time.time_ns() // 1000
    for number, message in enumerate(messages):
        seconds, microseconds = divmod(began + number, 1_000_000)
        # Servers sort by the beginning of the name.
        name = f"{seconds}.M{microseconds:06}P{os.getpid()}Q{number}.conformance"
        path = folder / "tmp" / name
        path.write_bytes(with_lf(message))
        path.chmod(0o600)
        copy_owner(folder, path)
        path.rename(folder / "new" / name)


def mail_in(folder: Path) -> list[Path]:
    """Return the files of a Maildir, in the order in which they arrived."""
    found: list[Path] = []
    for name in ("new", "cur"):
        with suppress(FileNotFoundError):
            found += [path for path in (folder / name).iterdir() if path.name[0] != "."]
    return sorted(found, key=lambda path: path.name)


def copy_owner(model: Path, path: Path) -> None:
    """Give a path the owner and group of another, if this process may do that."""
    status = model.stat()
    if os.geteuid() == 0:
        os.chown(path, status.st_uid, status.st_gid)


class MboxStore:
    """A mailbox file, in the mboxrd form."""

    def __init__(self, path: UserPath) -> None:
        self._path = path

    async def fill(self, user: User, messages: list[bytes]) -> None:
        """Replace the contents of the file."""
        path = self._path.of(user)
        await on_disk(lambda: fill_mbox(path, messages))

    async def read(self, user: User) -> list[bytes]:
        """Return the messages of the file."""
        path = self._path.of(user)
        text = await on_disk(lambda: read_mbox(path))
        return messages_of(text, str(path))


def fill_mbox(path: Path, messages: list[bytes]) -> None:
    """Let a mailbox file have exactly these messages."""
    is_new = not path.exists()
    with open(path, "ab") as file, locked(path, file.fileno()):
        if is_new:
            copy_owner(path.parent, path)
        file.truncate(0)
        file.write(join_mbox(messages))
        file.flush()


def read_mbox(path: Path) -> bytes:
    """Return the text of a mailbox file, b"" if there is none."""
    try:
        with open(path, "rb+") as file, locked(path, file.fileno()):
            return file.read()
    except FileNotFoundError:
        return b""


@contextmanager
def locked(path: Path, descriptor: int) -> Generator[None]:
    """Hold both usual locks: the lock file, where one can be made, and that of the system."""
    lock = path.with_name(path.name + ".lock")
    end = time.monotonic() + LOCK_SECONDS
    made = False
    while not made:
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            made = True
        except FileExistsError as error:
            wait_or_raise(end, error, path)
        except PermissionError:
            break
    try:
        while True:
            try:
                fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                wait_or_raise(end, error, path)
        yield
    finally:
        if made:
            lock.unlink(missing_ok=True)


def wait_or_raise(end: float, error: OSError, path: Path) -> None:
    """Wait for a lock for a moment. Raises OSError if that has lasted too long."""
    if time.monotonic() > end:
        words = "another program has locked the mailbox file"
        raise OSError(errno.EAGAIN, words, str(path)) from error
    time.sleep(0.02)


def messages_of(text: bytes, place: str) -> list[bytes]:
    """Return the messages of a mailbox file. Raises SetUpFailed."""
    try:
        return split_mbox(text)
    except ValueError as error:
        raise SetUpFailed(f"--mail: {place} is no mailbox file: {error}") from None


class CommandStore:
    """A command of the user. It is run without a shell, with more arguments:

    * ``fill USER FOLDER``: the mailbox of the user shall have exactly the messages in the folder:
      files 0001, 0002, ... with CRLF line ends. They are in the mailbox when the command ends.
    * ``read USER``: the command prints the messages of the user as a mailbox file (mboxrd).

    It has failed if it ends with another status than 0.
    """

    def __init__(self, argv: tuple[str, ...]) -> None:
        self._argv = argv

    async def fill(self, user: User, messages: list[bytes]) -> None:
        """Run the command with fill."""
        folder = await on_disk(lambda: write_folder(messages))
        try:
            await self._run("fill", user, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    async def read(self, user: User) -> list[bytes]:
        """Run the command with read."""
        return messages_of(await self._run("read", user), f"the output of {self._argv[0]}")

    async def _run(self, action: str, user: User, *arguments: str) -> bytes:
        """Run the command and return what it prints. Raises SetUpFailed."""
        name = user.name.decode("utf-8", "surrogateescape")
        argv = (*self._argv, action, name, *arguments)
        channel = Channel(argv[0], Probe())
        try:
            await Open(channel, Pipe(argv), COMMAND_SECONDS)
            while not channel.machine.ended:
                await Wait([channel], COMMAND_SECONDS)
        except RuntimeFault as fault:
            raise SetUpFailed(f"--mail: {argv[0]} {action}: {fault}") from None
        await Close(channel)
        if channel.exit_status != 0:
            lines = channel.last_words.decode("utf-8", "replace").strip().splitlines()
            words = f": {lines[-1]}" if lines else ""
            status = f"status {channel.exit_status}"
            raise SetUpFailed(f"--mail: {argv[0]} {action} ended with {status}{words}")
        return bytes(channel.machine.received)


def write_folder(messages: list[bytes]) -> str:
    """Return a new folder with these messages as files."""
    folder = tempfile.mkdtemp(prefix="mailhaul-conformance-")
    for number, message in enumerate(messages, 1):
        Path(folder, f"{number:04}").write_bytes(message)
    return folder
