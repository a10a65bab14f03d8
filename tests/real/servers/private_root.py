"""A root folder of its own for a server that cannot be installed beside Exim or Dovecot.

Postfix, OpenSMTPD, sendmail and Exim are each the one mail-transport-agent of a Debian system, and
Cyrus, Courier, popa3d and Dovecot its imap-server or pop3-server; they have their paths compiled
in. install.sh unpacks the others without installing them; here each gets a copy of that, the
libraries that it loads, and users of its own. Nothing outside of the folder changes, and every
path in it is what the program's manual says.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from .process import ServerFailed, program

UNPACKED = Path("/var/cache/mailhaul-tests")
"""Where install.sh leaves one folder for each package."""
LIBRARY = re.compile(r"(/\S+\.so\S*) ?(?:\(|=>)|=> (/\S+)")
BASE_USERS = {"root": 0, "nobody": 65534}


class PrivateRoot:
    """A folder that is ``/`` to the programs in it. Run as root."""

    def __init__(
        self, folder: Path, package: str, users: Mapping[str, int], system: Sequence[str] = ()
    ) -> None:
        """Fill ``folder`` from ``package``; each user gets a group of the same name and number.

        ``system`` are patterns of files that are taken from the system as well.
        """
        unpacked = UNPACKED / package
        if not unpacked.is_dir():
            raise ServerFailed(f"{unpacked} is missing; run tests/real/install.sh as root")
        shutil.copytree(unpacked, folder, symlinks=True)
        self.folder = folder
        self._users = {**BASE_USERS, **users}
        for name in ("bin", "dev", "run", "tmp"):
            (folder / name).mkdir(exist_ok=True)
        (folder / "tmp").chmod(0o1777)
        shutil.copy("/bin/sh", folder / "bin" / "sh")
        # Not every container lets root make devices, and an empty file does as well.
        (folder / "dev" / "null").touch()
        (folder / "dev" / "null").chmod(0o666)
        for pattern in system:
            self._copy_from_system(pattern)
        self._copy_libraries()
        self._write_accounts()

    def path(self, name: str) -> Path:
        """Return where a path of the server's is to be found from outside."""
        return self.folder / name.removeprefix("/")

    def make_folder(self, name: str, owner: str, mode: int = 0o755, group: str = "") -> Path:
        """Make a folder inside, and what is missing above it."""
        path = self.path(name)
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(mode)
        os.chown(path, self._users[owner], self._users[group or owner])
        return path

    def argv(self, *command: str) -> list[str]:
        """Return the words that run a command inside."""
        return [program("chroot"), str(self.folder), *command]

    def _copy_from_system(self, pattern: str) -> None:
        for source in sorted(Path("/").glob(pattern.removeprefix("/"))):
            target = self.path(str(source))
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)

    def _copy_libraries(self) -> None:
        """Copy what the programs load from the system, under the same names."""
        loaders = [path for path in self.folder.rglob("*") if is_binary(path)]
        for library in sorted(loaded_by(loaders)):
            target = self.path(library)
            if not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(library, target)

    def _write_accounts(self) -> None:
        etc = self.folder / "etc"
        passwd = [f"{name}:x:{n}:{n}::/var/empty:/bin/sh\n" for name, n in self._users.items()]
        (etc / "passwd").write_text("".join(passwd))
        (etc / "group").write_text("".join(f"{name}:x:{n}:\n" for name, n in self._users.items()))
        (etc / "hosts").write_text("127.0.0.1 localhost\n")


def is_binary(path: Path) -> bool:
    """Whether a file is a program or a library."""
    if path.is_symlink() or not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def loaded_by(binaries: Sequence[Path]) -> set[str]:
    """Return the libraries of the system that these load; their own are not found, and left out."""
    listed = subprocess.run(
        [program("ldd"), *map(str, binaries)], capture_output=True, check=False, text=True
    ).stdout
    return {found[1] or found[2] for found in LIBRARY.finditer(listed)}
