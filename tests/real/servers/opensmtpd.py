"""A private OpenSMTPD from an unpacked package, which hands on by LMTP to a server of our own.

It keeps its queue in the one place that it was built for, so only one can run at a time.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mailhaul.flows.serve.smtp import MemorySink, serve_smtp
from mailhaul.protocols.smtp.server import SmtpServer

from .certificates import Certificate
from .ours import listening
from .process import ServerFailed, free_ports, program, running

UNPACKED = Path("/var/cache/mailhaul-tests/opensmtpd")
SPOOL = Path("/var/spool/smtpd")
DELIVERY_SECONDS = 30.0

_CONFIGURATION = """\
smtp max-message-size 2G
listen on 127.0.0.1 port {port} hostname localhost
action keep relay host lmtp://127.0.0.1:{lmtp}
match from any for any action keep
"""


class OpenSmtpd:
    """A private OpenSMTPD, and what it has handed on."""

    def __init__(self, folder: Path, certificate: Certificate) -> None:
        """``folder`` is where its configuration goes."""
        folder.mkdir()
        self.folder = folder
        self._certificate = certificate
        (self.port,) = free_ports(1)
        self.sink = MemorySink()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Serve until the block ends."""
        shutil.rmtree(SPOOL, ignore_errors=True)
        SPOOL.mkdir(mode=0o711, parents=True)
        Path("/var/lib/opensmtpd/empty").mkdir(parents=True, exist_ok=True)
        configuration = self.folder / "smtpd.conf"
        with listening(
            lambda: SmtpServer(lmtp=True), lambda c, _: serve_smtp(c, self.sink), self._certificate
        ) as lmtp:
            configuration.write_text(_CONFIGURATION.format(port=self.port, lmtp=lmtp))
            with running(
                [program(str(UNPACKED / "usr/sbin/smtpd")), "-d", "-f", str(configuration)],
                output=self.folder / "output",
                ports=[self.port],
            ):
                yield

    def delivered(self) -> list[bytes]:
        """Return what was handed on since the last clear(), once the queue is empty."""
        deadline = time.monotonic() + DELIVERY_SECONDS
        while any(path.is_file() for path in (SPOOL / "queue").rglob("*")):
            if time.monotonic() > deadline:
                raise ServerFailed("the queue of OpenSMTPD does not become empty")
            time.sleep(0.02)
        return [message.text.replace(b"\r\n", b"\n") for message in self.sink.messages]

    def clear(self) -> None:
        """Forget what was handed on."""
        self.delivered()
        self.sink.messages.clear()
