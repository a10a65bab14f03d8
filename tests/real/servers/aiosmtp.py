"""aiosmtpd with its defaults, keeping what it takes in memory."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from .process import free_ports


class Scheduler:
    """What aiosmtpd calls with each message."""

    def __init__(self) -> None:
        self.texts: list[bytes] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Keep the octets of a message."""
        del server, session
        assert isinstance(envelope.content, bytes)
        self.texts.append(envelope.content)
        return "250 kept"


class AioSmtp:
    """Where it listens, and what it has taken."""

    host = "localhost"

    def __init__(self) -> None:
        (self.port,) = free_ports(1)
        self._scheduler = Scheduler()

    @contextmanager
    def running(self) -> Generator[None, None, None]:
        """Listen until the block ends."""
        controller = Controller(self._scheduler, hostname="127.0.0.1", port=self.port)
        controller.start()
        try:
            yield
        finally:
            controller.stop()

    def delivered(self) -> list[bytes]:
        """Return what was taken since clear()."""
        return list(self._scheduler.texts)

    def clear(self) -> None:
        """Forget what was taken."""
        self._scheduler.texts.clear()
