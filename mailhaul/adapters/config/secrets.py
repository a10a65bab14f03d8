"""Reads a secret from the place that the rc file names, or from .netrc.

The places are a file, the output of a command, a descriptor, an environment variable, and the
keyring of the system (``secret_table.WAYS``). A file and a command have the secret in their first
line, without its line end. An error names the place of the option and the next step, and never
contains what was read. It is IOERR and not AUTHFAIL: no server has refused a login, so the next
attempt need not wait as long as after a refusal.
"""

from __future__ import annotations

import errno
import os
import select
import stat
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import lru_cache
from threading import Lock
from typing import TYPE_CHECKING, Final, NoReturn, cast

from ...flows.outcome import ExitCode, PollFailed
from ...flows.requests import Call
from ...protocols.secret import Secret
from ..files import SMALL, open_file, read_file
from .errors import ConfigWarning, Place, printable
from .netrc import Netrc
from .secret_table import DESCRIPTOR, EVAL, FILE, KEYRING, SECRETS, VARIABLE, way_of
from .settings import AccountSettings

if TYPE_CHECKING:
    from .secret_commands import Command

MAX_OCTETS: Final = 64 * 1024
"""Octets that are read at most: a token may be long, and a wrong file may be longer."""
SECONDS: Final = 60.0
"""Seconds that a command or the keyring may take, and that a pipe may stay silent."""
CHECK_INTERVAL: Final = 0.1
"""Seconds between checks whether the reader was cancelled."""
OPEN_TO_OTHERS: Final = stat.S_IRGRP | stat.S_IWGRP | stat.S_IRWXO
"""Mode bits that a file with secrets should not have, as for the rc file."""
FILE_HINTS: Final[Mapping[int | None, str]] = {
    errno.ENOENT: "create it with the password in its first line, readable by you alone",
    errno.EACCES: "make it readable for the user who runs mailhaul",
}

Stamp = tuple[int, int, int] | None
"""The time of change, the inode and the size of a file; None if it does not exist."""

_descriptor_lock = Lock()
_descriptors: dict[int, bytearray] = {}
"""What has been read of each descriptor. It can be read only once, so nothing is forgotten."""
_read_descriptors: set[int] = set()
"""Those whose first line, or end, has come."""
_variables: dict[str, bytes] = {}
_told: set[str] = set()


class SecretReader:
    """Reads one secret of one account. ``read`` may block; another thread may ``cancel``.

    ``name`` is a key of ``secret_table.SECRETS``, ``home`` the folder of .netrc. ``hosts`` replace
    those of the account in the search there.
    """

    def __init__(
        self,
        settings: AccountSettings,
        name: str,
        home: str,
        *,
        hosts: Iterable[str | None] | None = None,
        seconds: float = SECONDS,
    ) -> None:
        self._settings = settings
        self._kind = SECRETS[name]
        self._home = home
        self._hosts = hosts
        self.seconds = seconds
        """The time that a command, a pipe or the keyring has."""
        self._deadline = 0.0
        self._cancelled = False
        self._command: Command | None = None
        self._option = ""
        self.files: dict[str, Stamp] = {}
        """The files that were looked at, and their state at that time."""
        self.warnings: list[str] = []
        """Warnings for the user; each appears once in a run of the program."""

    def read(self) -> Secret | None:
        """Return the secret; None if the rc file names no place for it and .netrc has none.

        Raises PollFailed (IOERR).
        """
        self._deadline = time.monotonic() + self.seconds
        found = way_of(self._settings, self._kind.name)
        if found is None:
            # A row chooses the hosts whose passwords would be read there.
            return None if self._settings.from_store else self._from_netrc()
        way, argument = found
        self._option = self._kind.name + way.suffix
        return self.ways[way.suffix](argument)

    def cancel(self) -> None:
        """Stop waiting, and kill the running command."""
        self._cancelled = True
        if self._command:
            self._command.kill()

    def _fail(self, problem: str, hint: str = "") -> NoReturn:
        place = self._settings.place(self._option)
        text = f"{place}: {self._option}: {problem}{f'; {hint}' if hint else ''}"
        raise PollFailed(ExitCode.IOERR, printable(text)) from None

    def _first_line(self, data: bytes, hint: str) -> Secret:
        line = data.partition(b"\n")[0].removesuffix(b"\r")
        if not line:
            self._fail("it contains no password", hint)
        return Secret(line)

    def _warn_once(self, path: str, problem: str, hint: str) -> None:
        warning = str(ConfigWarning(Place(path), problem, hint=hint))
        if warning not in _told:
            _told.add(warning)
            self.warnings.append(warning)

    def _check_mode(self, path: str, status: os.stat_result) -> None:
        if stat.S_ISREG(status.st_mode) and status.st_mode & OPEN_TO_OTHERS:
            hint = f'"chmod 600 {path}" makes it private'
            self._warn_once(path, "other users can read or change this file", hint)

    # The places

    @property
    def ways(self) -> Mapping[str, Callable[[object], Secret]]:
        """The method for each way, by its suffix; it takes the argument of the option."""
        return {
            FILE: self._from_file,
            EVAL: self._from_command,
            DESCRIPTOR: self._from_descriptor,
            VARIABLE: self._from_variable,
            KEYRING: self._from_keyring,
        }

    def _from_netrc(self) -> Secret | None:
        """Look in .netrc, whose entry must name host and login."""
        path = f"{self._home}/.netrc"
        try:
            status = os.stat(path)
        except FileNotFoundError:
            self.files[path] = None
            return None
        except OSError as error:
            self._warn_once(path, f"it cannot be read: {error.strerror}", "")
            return None
        stamp = self.files[path] = stamp_of(status)
        try:
            netrc = read_netrc(path, stamp)
        except OSError as error:
            self._warn_once(path, f"it cannot be read: {error.strerror}", "")
            return None
        kind, settings = self._kind, self._settings
        hosts = kind.hosts(settings) if self._hosts is None else self._hosts
        secret = netrc.password(kind.login(settings), hosts)
        if secret is not None:
            self._check_mode(path, status)
        return secret

    def _from_file(self, argument: object) -> Secret:
        """Read a file, or the systemd credential of the same name."""
        path = given = cast(str, argument)
        credentials = os.environ.get("CREDENTIALS_DIRECTORY")
        hints = FILE_HINTS
        if credentials:
            # systemd.exec(5), LoadCredential: only this service can read these files.
            name = os.path.basename(path)
            credential = os.path.join(credentials, name)
            if os.path.exists(credential):
                path = credential
            else:
                hint = f"there is no credential of systemd either: LoadCredential={name}:FILE"
                hints = {**FILE_HINTS, errno.ENOENT: hint}
        self.files[path] = None
        try:
            descriptor = open_file(path, pipe=True)
            try:
                status = os.fstat(descriptor)
                if status.st_size > MAX_OCTETS:
                    raise OSError(errno.EFBIG, f"more than {MAX_OCTETS} octets", path)
                self.files[path] = stamp_of(status)
                data = self.read_all(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            self._fail(f"{path}: {error.strerror or error}", hints.get(error.errno, ""))
        if path == given:
            # An access list gives the user a credential, and its mode looks as if a group had it.
            self._check_mode(path, status)
        return self._first_line(data, f"write it into the first line of {path}")

    def _from_command(self, argument: object) -> Secret:
        """Run a command and return the first line of its output."""
        from .secret_commands import Command, CommandFailed

        self._command = command = Command(cast(str, argument))
        try:
            data = command.output(self)
        except CommandFailed as failure:
            self._fail(str(failure), "run the command in a shell to find out why")
        return self._first_line(data, "the command has to print it in its first line")

    def _from_descriptor(self, argument: object) -> Secret:
        """Read a descriptor that the parent process has opened."""
        number = cast(int, argument)
        try:
            data = self._read_descriptor(number)
        except OSError as error:
            problem = f"descriptor {number}: {error.strerror or error}"
            self._fail(problem, f"start mailhaul with it, as in: mailhaul {number}<FILE")
        return self._first_line(data, "write the password into it before mailhaul starts")

    def _read_descriptor(self, number: int) -> bytes:
        """Return the first line of a descriptor, or what comes until its end.

        A writer may keep it open after the line. Raises TimeoutError or OSError.
        """
        while not _descriptor_lock.acquire(timeout=CHECK_INTERVAL):
            if self.is_over():
                return b""
        try:
            data = _descriptors.setdefault(number, bytearray())
            if number not in _read_descriptors:
                self._read_on(number, data)
                if not self._cancelled:
                    _read_descriptors.add(number)
            return bytes(data)
        finally:
            _descriptor_lock.release()

    def _from_variable(self, argument: object) -> Secret:
        """Return the value that an environment variable had at the start."""
        name = cast(str, argument)
        take_variables([name])
        hint = "set it for mailhaul, in the unit or container that starts it"
        if name not in _variables:
            self._fail(f"the environment variable {name} is not set", hint)
        if not _variables[name]:
            self._fail(f"the environment variable {name} is empty", hint)
        return Secret(_variables[name])

    def _from_keyring(self, argument: object) -> Secret:
        """Ask the keyring of the system."""
        from .secret_keyring import KeyringFailed, ask_keyring

        service, slash, user = cast(str, argument).rpartition("/")
        if not slash or not user:
            service, user = cast(str, argument).removesuffix("/"), ""
        user = user or self._kind.login(self._settings)
        try:
            return ask_keyring(service, user, self)
        except KeyringFailed as failure:
            self._fail(failure.problem, failure.hint)

    # Waiting

    def is_over(self) -> bool:
        """Return whether the reader was cancelled. Raises TimeoutError after the deadline."""
        if not self._cancelled and time.monotonic() >= self._deadline:
            raise TimeoutError(0, f"nothing came within {self.seconds:g} seconds")
        return self._cancelled

    def read_all(self, descriptor: int) -> bytes:
        """Return at most MAX_OCTETS, until the end of the data. Raises TimeoutError or OSError."""
        data = bytearray()
        self._read_on(descriptor, data, until=b"")
        return bytes(data)

    def _read_on(self, descriptor: int, data: bytearray, until: bytes = b"\n") -> None:
        """Add to ``data`` what comes, to the end or until it contains ``until``."""
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        while not self.is_over():
            if not poll.poll(CHECK_INTERVAL * 1000):
                continue
            piece = os.read(descriptor, MAX_OCTETS - len(data))
            data += piece
            if not piece or (until and until in piece):
                break


async def read_in_flow(reader: SecretReader) -> Secret | None:
    """Read a secret as a step of a flow. Raises PollFailed (IOERR)."""
    try:
        return await Call(reader.read)
    except BaseException:
        # The flow may have been cancelled, and the command still run.
        reader.cancel()
        raise


def stamp_of(status: os.stat_result) -> tuple[int, int, int]:
    """Return what changes when a file gets another content."""
    return status.st_mtime_ns, status.st_ino, status.st_size


def have_changed(files: Mapping[str, Stamp]) -> bool:
    """Return whether one of these files is not as it was."""
    for path, before in files.items():
        now: Stamp = None
        with suppress(OSError):
            now = stamp_of(os.stat(path))
        if now != before:
            return True
    return False


@lru_cache(maxsize=2)
def read_netrc(path: str, stamp: Stamp) -> Netrc:
    """Return the contents of .netrc with this stamp. Raises OSError."""
    return Netrc(read_file(path, SMALL))


def take_variables(names: Iterable[str]) -> None:
    """Keep the values of these environment variables and remove them from the environment.

    It is called before any other program is started, so that none of them gets a value.
    """
    taken = [name for name in names if name in os.environ]
    for name in taken:
        _variables[name] = os.environb.pop(os.fsencode(name))
    if taken:
        # The memory that the process started with is shown in /proc/PID/environ (proc(5)).
        with suppress(OSError, ValueError, IndexError):
            wipe_environment([os.fsencode(name) for name in taken])


def wipe_environment(names: Iterable[bytes]) -> None:
    """Overwrite these variables in /proc/self/environ, where children could still read them.

    Raises OSError, ValueError or IndexError where the system does not have these files.
    """
    with open("/proc/self/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    # env_start and env_end are fields 50 and 51, and the name in parentheses is field 2.
    start, end = int(fields[47]), int(fields[48])
    with open("/proc/self/mem", "r+b", buffering=0) as memory:
        memory.seek(start)
        block = memory.read(end - start)
        for name in names:
            at = (b"\0" + block).find(b"\0" + name + b"=")
            if at >= 0:
                value = at + len(name) + 1
                memory.seek(start + value)
                memory.write(bytes(block.index(b"\0", value) - value))
