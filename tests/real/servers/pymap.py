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
        folder.mkdir()
        self._folder = folder
        (self.port,) = free_ports(1)
        self._certificate = certificate
        lines = [f"{user}:{{PLAIN}}{password}::::/nowhere/{user}:" for user in users]
        (folder / "pymap-etc-passwd").write_text("\n".join(lines) + "\n")

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
    words = [program(PYTHON), "-c", "from importlib.metadata import *; print(version('pymap'))"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
