"""pymap with its Maildir backend."""

from __future__ import annotations

import subprocess
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .certificates import Certificate
from .private_root import UNPACKED
from .process import free_ports, program, running

PYTHON = str(UNPACKED / "pymap" / "bin" / "python")
MAIN = "from pymap.main import main; main()"


class Pymap:
    """Where it listens."""

    def __init__(
        self, folder: Path, certificate: Certificate, users: Sequence[str], password: str
    ) -> None:
        (folder / "mail").mkdir(parents=True)
        self._folder = folder
        (self.port,) = free_ports(1)
        self._certificate = certificate
        hashed = printed(f"from pysasl.hashing import *; print(BuiltinHash().hash({password!r}))")
        known = "".join(f"{user}::1:1::{folder}/mail/{user}:\n" for user in users)
        (folder / "pymap-etc-passwd").write_text(known)
        secrets = "".join(f"{user}:{hashed}:::::::\n" for user in users)
        (folder / "pymap-etc-shadow").write_text(secrets)
        for name in ("pymap-etc-group", "pymap-tokens"):
            (folder / name).touch()

    @contextmanager
    def running(self) -> Generator[None]:
        """Listen until the block ends."""
        argv = [
            *(PYTHON, "-c", MAIN, "--host", "127.0.0.1", "--port", str(self.port)),
            *("--cert", str(self._certificate.chain), "--key", str(self._certificate.key)),
            *("--no-service", "admin", "--no-service", "managesieve"),
            *("maildir", str(self._folder)),
        ]
        with running(argv, output=self._folder / "output", ports=[self.port]):
            yield


def pymap_version() -> str:
    """Return the version of pymap."""
    return printed("from importlib.metadata import *; print(version('pymap'))")


def printed(code: str) -> str:
    """Return what the Python of pymap prints."""
    words = [program(PYTHON), "-c", code]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
