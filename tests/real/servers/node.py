"""Servers for Node.js, which install.sh puts into a folder of their own."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from .certificates import Certificate
from .private_root import UNPACKED
from .process import ServerFailed, free_ports, running

NODE = "/usr/bin/node"
MODULES = UNPACKED / "npm" / "node_modules"
ISSUER_MODULES = UNPACKED / "issuer" / "node_modules"
SCRIPTS = Path(__file__).parent


class SmtpServer:
    """Nodemailer's smtp-server: its address, and the Maildirs to which it delivers."""

    def __init__(
        self, folder: Path, certificate: Certificate, password: str, *, lmtp: bool = False
    ) -> None:
        folder.mkdir()
        self.folder = folder
        (self.port,) = free_ports(1)
        self._words = [str(folder / "mail"), str(certificate.chain), str(certificate.key), password]
        self._words += ["--lmtp"] * lmtp

    @contextmanager
    def running(self) -> Generator[None]:
        """Listen until the block ends."""
        argv = script_argv("smtp-server.js", self.port, *self._words)
        with running(argv, output=self.folder / "output", ports=[self.port]):
            yield


class Hoodiecrow:
    """Hoodiecrow, which keeps its mail in memory."""

    def __init__(self, folder: Path, password: str) -> None:
        folder.mkdir()
        self._output = folder / "output"
        (self.port,) = free_ports(1)
        self._password = password

    @contextmanager
    def running(self) -> Generator[None]:
        """Listen until the block ends."""
        argv = script_argv("hoodiecrow.js", self.port, self._password)
        with running(argv, output=self._output, ports=[self.port]):
            yield


def script_argv(script: str, port: int, *words: str, modules: Path = MODULES) -> list[str]:
    """Return the command for a script. Raises ServerFailed if the modules are not installed."""
    if not modules.is_dir():
        raise ServerFailed(f"{modules} is missing; run tests/real/install.sh as root")
    return [NODE, str(SCRIPTS / script), str(modules), str(port), *words]


def version_of(module: str) -> str:
    """Return the version of a module."""
    path = MODULES / module / "package.json"
    if not path.is_file():
        raise ServerFailed(f"{path} is missing; run tests/real/install.sh as root")
    return str(json.loads(path.read_text())["version"])
