"""A private OpenSMTPD 6.8: an SMTP listener that delivers everybody's mail to one Maildir."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

from .private_root import PrivateRoot
from .process import PACE_SECONDS, ServerFailed, free_ports, running

SMTPD = "/usr/sbin/smtpd"
DELIVERY_SECONDS = 60.0
USERS = {"opensmtpd": 904, "opensmtpq": 905, "vmail": 903}
QUEUE = "/var/spool/smtpd"
BOX = "/var/mail/box"
HOST = "mail.example.org"

_CONFIGURATION = """\
{more}
listen on 127.0.0.1 port {port} hostname {host}
table everybody {{ "@" = vmail }}
action "box" maildir "{box}" virtual <everybody>
match from any for any action "box"
"""


class OpenSmtpd:
    """Where it listens, and what it delivered."""

    host = "localhost"

    def __init__(self, folder: Path, more: str = "") -> None:
        """Write the configuration, with ``more`` at its beginning."""
        self.root = PrivateRoot(folder, "opensmtpd", USERS)
        (self.port,) = free_ports(1)
        self.root.make_folder("/var/empty", "root")
        self.root.make_folder("/var/lib/opensmtpd/empty", "root")
        self.root.make_folder("/var/run", "root")
        self.root.make_folder(QUEUE, "root", 0o711)
        self.root.make_folder(BOX.rpartition("/")[0], "vmail")
        self.root.path("/etc/mailname").write_text(f"{HOST}\n")
        self.root.path("/etc/smtpd.conf").write_text(
            _CONFIGURATION.format(port=self.port, host=HOST, box=BOX, more=more)
        )
        self._output = folder.with_suffix(".output")

    @contextmanager
    def running(self) -> Generator[None, None, None]:
        """Listen and deliver until the block ends."""
        with running(self.root.argv(SMTPD, "-d"), output=self._output, ports=[self.port]):
            yield

    def delivered(self) -> list[Path]:
        """Return the files of what was delivered, once nothing is in the queue any more."""
        deadline = time.monotonic() + DELIVERY_SECONDS
        while any(self._queued()):
            if time.monotonic() > deadline:
                raise ServerFailed(f"OpenSMTPD still holds mail; it wrote:\n{self.log()[-2000:]}")
            time.sleep(PACE_SECONDS)
        return [*self.root.path(BOX).glob("new/*")]

    def clear(self) -> None:
        """Forget what was delivered."""
        for path in self.delivered():
            path.unlink()

    def log(self) -> str:
        """Return what it wrote so far."""
        return self._output.read_text(errors="replace")

    def _queued(self) -> Iterator[Path]:
        for name in ("queue", "incoming"):
            yield from self.root.path(f"{QUEUE}/{name}").rglob("message")
